// SPDX-License-Identifier: GPL-2.0-or-later
/* What an operator may order, and what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/cluster_fixture/cluster_fixture.h"

static int set_up(void **state)
{
	static struct fixture f;
	struct cluster_conf conf = fixture_conf(24, 0);

	fixture_init(&f, &conf);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int broken = f->broken[0];

	if (broken)
		print_error("%s\n%s\n", f->script, f->broken);
	fixture_fini(f);
	return broken;
}

static int order(struct fixture *f, enum event_type type, unsigned i)
{
	return fixture_order(f, type, i);
}

static void drained_node_hands_over_and_stays_out(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	assert_int_equal(order(f, EVENT_DRAIN, 0), 0);
	assert_int_equal(fixture_state(f, 0), NODE_DRAINING);
	assert_int_equal(fixture_served(f, 0), 12); /* until it is done */
	fixture_run(f, 100 * MS);
	assert_int_equal(fixture_state(f, 0), NODE_DRAINED);
	assert_int_equal(fixture_served(f, 1), 24);
	fixture_run(f, 100 * NS_PER_S);
	assert_int_equal(fixture_state(f, 0), NODE_DRAINED);
}

static void drained_node_stays_drained_when_its_agent_restarts(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	order(f, EVENT_DRAIN, 0);
	fixture_run(f, 1 * NS_PER_S);
	fixture_kill_agent(f, 0);
	fixture_start(f, 0);
	fixture_run(f, 20 * NS_PER_S);
	assert_int_equal(fixture_state(f, 0), NODE_DRAINED);
}

static void undrained_node_joins_anew(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	order(f, EVENT_DRAIN, 0);
	fixture_run(f, 1 * NS_PER_S);
	assert_int_equal(order(f, EVENT_UNDRAIN, 0), 0);
	fixture_run(f, 2 * NS_PER_S);
	assert_int_equal(fixture_state(f, 0), NODE_ACTIVE);
	assert_int_equal(fixture_served(f, 0), 12);
}

static void drain_undone_in_time_lets_routes_stay(void **state)
{
	struct fixture *f = *state;
	struct cluster_conf conf = f->conf;
	uint32_t tag;

	conf.settle_ns = 100 * MS;
	f->agent[1].answer_after = NEVER_ANSWERS;
	fixture_join(f, 2);
	tag = fixture_node(f, 1)->tag;
	fixture_reconf(f, &conf);
	order(f, EVENT_DRAIN, 1);
	fixture_run(f, 100 * MS);
	order(f, EVENT_UNDRAIN, 1);
	fixture_run(f, 2 * NS_PER_S);
	assert_int_equal(fixture_node(f, 1)->tag, tag);
	assert_int_equal(fixture_served(f, 1), 12);
	assert_int_equal(f->version, 1);
}

static void kept_flows_of_a_drain_live_until_its_deadline(void **state)
{
	struct fixture *f = *state;
	struct cluster_conf conf = f->conf;
	struct event drain = { .type = EVENT_DRAIN,
			       .name = "n0",
			       .deadline_ns = 10 * NS_PER_S };

	conf.keep = true;
	fixture_reconf(f, &conf);
	fixture_join(f, 2);
	fixture_step(f, &drain);
	fixture_run(f, 9 * NS_PER_S);
	assert_int_equal(fixture_state(f, 0), NODE_DRAINING);
	assert_false(fixture_saw(f, "END_FLOWS tag 1, 0 routes"));
	fixture_run(f, 1 * NS_PER_S);
	assert_int_equal(fixture_state(f, 0), NODE_DRAINED);
	/* by force: the planned end is what spares them */
	assert_true(fixture_saw(f, "END_FLOWS tag 1, 0 routes, forced"));
}

static void drain_with_kept_flows_ends_with_the_last_of_them(void **state)
{
	struct fixture *f = *state;
	struct cluster_conf conf = f->conf;
	struct event drain = { .type = EVENT_DRAIN,
			       .name = "n0",
			       .deadline_ns = 10 * NS_PER_S };
	struct event gone = { .type = EVENT_FLOWS_GONE };

	conf.keep = true;
	fixture_reconf(f, &conf);
	fixture_join(f, 2);
	gone.tag = fixture_node(f, 0)->tag;
	fixture_step(f, &gone); /* it serves: nothing follows */
	fixture_step(f, &drain);
	fixture_step(f, &gone); /* its routes are not handed over yet */
	assert_int_equal(fixture_state(f, 0), NODE_DRAINING);
	fixture_run(f, 2 * NS_PER_S);
	assert_int_equal(fixture_state(f, 0), NODE_DRAINING);
	fixture_step(f, &gone);
	assert_int_equal(fixture_state(f, 0), NODE_DRAINED);
	assert_false(fixture_saw(f, "forced"));
	fixture_check_rest(f);
}

static void death_of_a_node_with_kept_flows_ends_them(void **state)
{
	struct fixture *f = *state;
	struct cluster_conf conf = f->conf;
	struct event drain = { .type = EVENT_DRAIN,
			       .name = "n0",
			       .deadline_ns = 60 * NS_PER_S };

	conf.keep = true;
	fixture_reconf(f, &conf);
	fixture_join(f, 2);
	fixture_step(f, &drain);
	fixture_run(f, 2 * NS_PER_S);
	assert_int_equal(fixture_state(f, 0), NODE_DRAINING);
	fixture_silence(f, 0);
	fixture_run(f, 2 * NS_PER_S);
	assert_int_equal(fixture_state(f, 0), NODE_LOST);
	assert_true(fixture_saw(f, "END_FLOWS tag 1, 0 routes, forced"));
	assert_int_equal(fixture_served(f, 1), 24);
	fixture_check_rest(f);
}

static void node_drained_into_a_reserve_leaves_the_others_alone(void **state)
{
	struct fixture *f = *state;

	f->agent[2].wish = WISH_RESERVE;
	fixture_join(f, 3);
	order(f, EVENT_DRAIN, 0);
	fixture_run(f, 1 * NS_PER_S);
	assert_int_equal(fixture_served(f, 2), 12);
	assert_int_equal(f->agent[1].movings, 0);
}

static void drain_of_the_last_node_leaves_routes_unowned(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 1);
	order(f, EVENT_DRAIN, 0);
	assert_int_equal(fixture_held(f), 24);
	fixture_run(f, 1 * NS_PER_S);
	assert_int_equal(fixture_served(f, 0), 0);
	assert_int_equal(fixture_held(f), 0);
	assert_int_equal(fixture_state(f, 0), NODE_DRAINED);
}

static void failed_node_is_out_until_undrain(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	assert_int_equal(order(f, EVENT_FAIL, 0), 0);
	assert_int_equal(fixture_node(f, 0)->cause, LOST_OPERATOR);
	assert_int_equal(fixture_served(f, 1), 24);
	fixture_run(f, 1000 * NS_PER_S);
	assert_int_equal(fixture_state(f, 0), NODE_QUARANTINED);
	order(f, EVENT_UNDRAIN, 0);
	fixture_run(f, 2 * NS_PER_S);
	assert_int_equal(fixture_state(f, 0), NODE_ACTIVE);
}

static void removed_node_is_told_and_forgotten(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	assert_int_equal(order(f, EVENT_RM, 0), -EBUSY);
	order(f, EVENT_DRAIN, 0);
	fixture_run(f, 1 * NS_PER_S);
	assert_int_equal(order(f, EVENT_RM, 0), 0);
	assert_int_equal(f->agent[0].last_error, ERROR_REMOVED);
	assert_null(fixture_node(f, 0));
}

static void frozen_table_takes_nobody_in_and_buries_nobody(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	order(f, EVENT_FREEZE, 0);
	fixture_start(f, 2);
	fixture_silence(f, 0);
	fixture_run(f, 20 * NS_PER_S);
	assert_int_equal(fixture_state(f, 2), NODE_JOINING);
	assert_int_equal(fixture_state(f, 0), NODE_SUSPECT);
	assert_int_equal(fixture_held(f), 12);
	assert_int_equal(f->version, 1);
}

static void thaw_computes_all_that_waited_as_one_batch(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	order(f, EVENT_FREEZE, 0);
	fixture_start(f, 2);
	fixture_silence(f, 0);
	fixture_run(f, 20 * NS_PER_S);
	order(f, EVENT_THAW, 0);
	assert_int_equal(fixture_state(f, 0), NODE_LOST);
	assert_int_equal(fixture_served(f, 2), 12);
	assert_int_equal(f->version, 2);
	assert_int_equal(fixture_moving(f), 0);
}

static void freeze_takes_back_the_moves_that_are_under_way(void **state)
{
	struct fixture *f = *state;

	f->agent[0].answer_after = NEVER_ANSWERS;
	fixture_join(f, 1);
	fixture_start(f, 1);
	fixture_run(f, 500 * MS);
	assert_int_equal(fixture_moving(f), 12);
	order(f, EVENT_FREEZE, 0);
	assert_int_equal(fixture_moving(f), 0);
	assert_int_equal(fixture_held(f), 0);
	assert_int_equal(f->agent[0].routes, 24);
	assert_int_equal(f->agent[1].routes, 0);
	order(f, EVENT_THAW, 0);
	assert_int_equal(fixture_moving(f), 12);
}

static void server_that_recovers_while_frozen_is_not_lost(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	order(f, EVENT_FREEZE, 0);
	fixture_kill_server(f, 0);
	fixture_run(f, 1 * NS_PER_S);
	assert_int_equal(fixture_held(f), 12);
	fixture_heal_server(f, 0);
	fixture_run(f, 1 * NS_PER_S);
	assert_int_equal(fixture_held(f), 0);
	order(f, EVENT_THAW, 0);
	assert_int_equal(fixture_served(f, 0), 12);
	assert_int_equal(f->version, 1);
}

static int replace(struct fixture *f, unsigned i, unsigned by)
{
	struct event ev = { .type = EVENT_REPLACE,
			    .name = f->agent[i].name,
			    .by = f->agent[by].name };

	return fixture_step(f, &ev);
}

static void join_in_reserve(struct fixture *f, unsigned i)
{
	f->agent[i].wish = WISH_RESERVE;
	fixture_start(f, i);
	fixture_run(f, 1 * NS_PER_S);
}

static void replaced_node_hands_its_routes_to_that_node_alone(void **state)
{
	struct fixture *f = *state;
	uint16_t slot;

	fixture_join(f, 3);
	join_in_reserve(f, 3);
	join_in_reserve(f, 4);
	slot = fixture_node(f, 0)->slot;
	assert_int_equal(replace(f, 0, 4), 0);
	assert_int_equal(fixture_state(f, 0), NODE_DRAINING);
	assert_int_equal(fixture_held(f), 8); /* a handover, not a loss */
	fixture_run(f, 1 * NS_PER_S);
	assert_int_equal(fixture_node(f, 4)->slot, slot);
	assert_int_equal(fixture_served(f, 4), 8);
	assert_int_equal(fixture_served(f, 1), 8);
	assert_int_equal(fixture_state(f, 0), NODE_DRAINED);
	assert_int_equal(fixture_state(f, 3), NODE_RESERVE);
	assert_true(fixture_saw(f, "replace: takes the slot by operator"));
}

static void node_that_is_just_joining_may_replace_another(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	fixture_start(f, 2);
	fixture_start(f, 3);
	assert_int_equal(fixture_state(f, 2), NODE_JOINING);
	assert_int_equal(replace(f, 1, 2), 0);
	fixture_run(f, 3 * NS_PER_S);
	assert_int_equal(fixture_node(f, 2)->slot, 2);
	assert_int_equal(fixture_node(f, 3)->slot, 3); /* it joined as usual */
	assert_int_equal(fixture_served(f, 2), 8);
	assert_int_equal(fixture_state(f, 1), NODE_DRAINED);
}

static void replacement_that_dies_on_the_way_is_a_loss_like_any(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	join_in_reserve(f, 2);
	f->agent[0].answer_after = NEVER_ANSWERS;
	assert_int_equal(replace(f, 0, 2), 0);
	fixture_silence(f, 2);
	fixture_run(f, 5 * NS_PER_S);
	assert_int_equal(fixture_served(f, 1), 24);
}

static void replacements_that_cannot_be_change_nothing(void **state)
{
	static const struct {
		const char *title;
		unsigned node, by;
		int err;
	} rows[] = {
		{ "a stranger is replaced", 9, 3, -ENOENT },
		{ "a stranger replaces", 0, 9, -ENOENT },
		{ "an active node replaces", 0, 1, -EBUSY },
		{ "a node replaces itself", 0, 0, -EBUSY },
		{ "a reserve is replaced", 3, 3, -EBUSY },
		{ "a drained node is replaced", 2, 3, -EALREADY },
		{ "a drained node replaces", 0, 2, -EBUSY },
		{ "a silent node replaces", 0, 4, -EBUSY },
	};
	struct fixture *f = *state;
	uint64_t version;

	fixture_join(f, 3);
	join_in_reserve(f, 3);
	join_in_reserve(f, 4);
	order(f, EVENT_DRAIN, 2);
	fixture_run(f, 1 * NS_PER_S);
	fixture_silence(f, 4);
	fixture_run(f, 350 * MS);
	version = f->version;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		int err = replace(f, rows[i].node, rows[i].by);

		if (err != rows[i].err)
			fail_msg("%s: %d, not %d", rows[i].title, err,
				 rows[i].err);
		assert_true(cluster_refusal(f->cl)[0]);
	}
	order(f, EVENT_FREEZE, 0);
	assert_int_equal(replace(f, 0, 3), -EPERM);
	assert_int_equal(f->version, version);
}

static void orders_that_cannot_be_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *title;
		enum event_type type;
		unsigned node;
		int err;
	} rows[] = {
		{ "drain of a stranger", EVENT_DRAIN, 9, -ENOENT },
		{ "undrain of an active node", EVENT_UNDRAIN, 0, -EALREADY },
		{ "rm of an active node", EVENT_RM, 0, -EBUSY },
		{ "thaw of what is not frozen", EVENT_THAW, 0, -EALREADY },
		{ "freeze", EVENT_FREEZE, 0, 0 },
		{ "a second freeze", EVENT_FREEZE, 0, -EALREADY },
		{ "drain while frozen", EVENT_DRAIN, 0, -EPERM },
		{ "fail while frozen", EVENT_FAIL, 0, -EPERM },
	};
	struct fixture *f = *state;

	fixture_join(f, 2);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		int err = order(f, rows[i].type, rows[i].node);

		if (err != rows[i].err)
			fail_msg("%s: %d, not %d", rows[i].title, err,
				 rows[i].err);
		assert_int_equal(!cluster_refusal(f->cl)[0], !err);
	}
	assert_int_equal(f->version, 1);
}

#define orders(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		orders(drained_node_hands_over_and_stays_out),
		orders(drained_node_stays_drained_when_its_agent_restarts),
		orders(undrained_node_joins_anew),
		orders(drain_undone_in_time_lets_routes_stay),
		orders(kept_flows_of_a_drain_live_until_its_deadline),
		orders(drain_with_kept_flows_ends_with_the_last_of_them),
		orders(death_of_a_node_with_kept_flows_ends_them),
		orders(node_drained_into_a_reserve_leaves_the_others_alone),
		orders(drain_of_the_last_node_leaves_routes_unowned),
		orders(failed_node_is_out_until_undrain),
		orders(removed_node_is_told_and_forgotten),
		orders(frozen_table_takes_nobody_in_and_buries_nobody),
		orders(thaw_computes_all_that_waited_as_one_batch),
		orders(freeze_takes_back_the_moves_that_are_under_way),
		orders(server_that_recovers_while_frozen_is_not_lost),
		orders(replaced_node_hands_its_routes_to_that_node_alone),
		orders(node_that_is_just_joining_may_replace_another),
		orders(replacement_that_dies_on_the_way_is_a_loss_like_any),
		orders(replacements_that_cannot_be_change_nothing),
		orders(orders_that_cannot_be_are_refused_with_a_reason),
	};

	return cmocka_run_group_tests_name("cluster_operator", tests, NULL,
					   NULL);
}
