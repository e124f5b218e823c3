// SPDX-License-Identifier: GPL-2.0-or-later
/* Losses and handovers (section 5 of the design): what moves, in what order. */
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

/* Nodes 0..n-1 are active, and nobody answers a MOVING by himself. */
static void begin_with(struct fixture *f, unsigned n)
{
	fixture_join(f, n);
	for (unsigned i = 0; i < FIXTURE_AGENTS; i++)
		f->agent[i].answer_after = NEVER_ANSWERS;
}

/* Node i joins, and its handovers have just begun. */
static void begin_join(struct fixture *f, unsigned i)
{
	fixture_start(f, i);
	fixture_run(f, f->conf.settle_ns);
}

static int lose(struct fixture *f, unsigned i)
{
	return fixture_order(f, EVENT_FAIL, i);
}

static unsigned seats_changed(struct table *from, struct table *to,
			      unsigned *routes)
{
	struct table_diff diff;
	unsigned seats;

	assert_int_equal(table_diff_init(&diff, from, to), 0);
	seats = diff.n_seats;
	*routes = diff.n_routes;
	table_diff_fini(&diff);
	return seats;
}

static void loss_settles_in_one_step_in_the_order_of_the_design(void **state)
{
	static const enum effect_type order[] = {
		EFFECT_APPLY, EFFECT_END_FLOWS, EFFECT_RELEASE,
		EFFECT_SEND,  EFFECT_STORE,	EFFECT_NOTE,
	};
	struct fixture *f = *state;
	int last = -1;

	begin_with(f, 2);
	fixture_silence(f, 0);
	while (fixture_state(f, 0) != NODE_LOST)
		fixture_run(f, 1 * MS);
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		int at = fixture_find(f, order[i], 0);

		assert_true(at > last);
		last = at;
	}
}

static void reserve_takes_over_the_seat_of_the_lost(void **state)
{
	struct fixture *f = *state;
	struct table *before;
	unsigned routes;

	begin_with(f, 3);
	f->agent[3].wish = WISH_RESERVE;
	begin_join(f, 3);
	before = table_get(cluster_table(f->cl));
	assert_int_equal(lose(f, 1), 0);
	assert_int_equal(seats_changed(before, cluster_table(f->cl), &routes),
			 1);
	assert_int_equal(routes, 0);
	assert_int_equal(fixture_node(f, 3)->slot, 2);
	assert_true(fixture_saw(f, "(reserve takes the slot) 13-20"));
	table_put(before);
}

static void highest_slot_takes_the_slot_and_hands_its_own_back(void **state)
{
	struct fixture *f = *state;
	struct route_view v;

	begin_with(f, 3);
	assert_int_equal(lose(f, 0), 0);
	/* 1-8 at once; its own 9-12, 21-24: the undo of T(24, 3) */
	assert_int_equal(fixture_node(f, 2)->slot, 1);
	cluster_route(f->cl, 1, &v);
	assert_ptr_equal(v.node, fixture_node(f, 2));
	assert_null(v.to);
	cluster_route(f->cl, 21, &v);
	assert_ptr_equal(v.node, fixture_node(f, 2));
	assert_ptr_equal(v.to, fixture_node(f, 1));
	assert_int_equal(v.reason, MOVE_UNDO);
	assert_int_equal(f->agent[2].moving.reason, MOVE_UNDO);
	fixture_run(f, 500 * MS);
	assert_int_equal(fixture_served(f, 1), 12);
	assert_int_equal(fixture_served(f, 2), 12);
}

static void loss_of_the_highest_slot_is_just_the_undo(void **state)
{
	struct fixture *f = *state;

	begin_with(f, 3);
	assert_int_equal(lose(f, 2), 0);
	assert_int_equal(fixture_served(f, 0), 12);
	assert_int_equal(fixture_served(f, 1), 12);
	assert_int_equal(fixture_moving(f), 0);
}

static void last_node_leaves_all_routes_unowned(void **state)
{
	struct fixture *f = *state;
	struct route_view v;

	begin_with(f, 1);
	assert_int_equal(lose(f, 0), 0);
	cluster_route(f->cl, 7, &v);
	assert_null(v.node);
	assert_null(v.to);
	assert_true(fixture_saw(f, "unowned  n0> (no node is left) 1-24"));
}

static void unowned_routes_go_to_the_next_node_without_a_hold(void **state)
{
	struct fixture *f = *state;

	begin_with(f, 1);
	lose(f, 0);
	fixture_forget_script(f);
	begin_join(f, 1);
	assert_int_equal(fixture_served(f, 1), 24);
	assert_false(fixture_saw(f, "HOLD"));
}

static void join_waits_for_the_former_node_under_a_hold(void **state)
{
	struct fixture *f = *state;

	begin_with(f, 1);
	f->agent[0].answer_after = 100 * MS;
	begin_join(f, 1);
	assert_int_equal(f->agent[0].moving.deadline_ms, 500);
	assert_int_equal(f->agent[0].moving.reason, MOVE_JOIN);
	assert_int_equal(f->agent[1].routes, 12); /* told what it is to have */
	assert_int_equal(fixture_held(f), 12);
	fixture_run(f, 99 * MS);
	assert_int_equal(fixture_served(f, 1), 0);
	fixture_run(f, 1 * MS);
	assert_int_equal(fixture_served(f, 1), 12);
	assert_int_equal(fixture_held(f), 0);
	assert_int_equal(f->agent[0].routes, 12);
}

static void
silent_former_node_is_not_waited_for_beyond_the_deadline(void **state)
{
	struct fixture *f = *state;

	begin_with(f, 1);
	begin_join(f, 1);
	fixture_run(f, 499 * MS);
	assert_int_equal(fixture_served(f, 1), 0);
	fixture_run(f, 1 * MS);
	assert_int_equal(fixture_served(f, 1), 12);
}

static void switch_ends_only_the_flows_of_the_routes_that_moved(void **state)
{
	struct fixture *f = *state;
	const struct effect *e;
	int at;

	begin_with(f, 1);
	begin_join(f, 1);
	while (!fixture_served(f, 1))
		fixture_run(f, 1 * MS);
	at = fixture_find(f, EFFECT_END_FLOWS, 0);
	assert_true(at > fixture_find(f, EFFECT_APPLY, 0));
	assert_true(at < fixture_find(f, EFFECT_RELEASE, 0));
	e = effects_at(f->fx, (unsigned)at);
	assert_int_equal(e->tag, fixture_node(f, 0)->tag);
	assert_int_equal(e->routes.count, 12);
	assert_false(e->forced);
}

static void handovers_that_finish_together_share_one_publication(void **state)
{
	struct fixture *f = *state;
	uint64_t version;

	begin_with(f, 3);
	version = f->version;
	begin_join(f, 3);
	fixture_run(f, 500 * MS);
	assert_int_equal(fixture_served(f, 3), 6);
	assert_int_equal(f->version, version + 1);
}

static void former_node_lost_switches_its_handover_at_once(void **state)
{
	struct fixture *f = *state;

	begin_with(f, 2);
	begin_join(f, 2);
	assert_int_equal(fixture_moving(f), 8);
	lose(f, 0);
	/* node 2 takes slot 1; its half of the join is handed back by undo:
	 * those routes never left node 1 */
	assert_int_equal(fixture_served(f, 2), 12);
	assert_int_equal(fixture_served(f, 1), 12);
	assert_int_equal(fixture_moving(f), 0);
	assert_int_equal(fixture_held(f), 0);
}

static void new_node_lost_leaves_the_routes_where_they_are(void **state)
{
	struct fixture *f = *state;
	uint64_t version;

	begin_with(f, 2);
	version = f->version;
	begin_join(f, 2);
	lose(f, 2);
	assert_int_equal(f->version, version);
	assert_int_equal(fixture_held(f), 0);
	assert_int_equal(f->agent[0].routes, 12);
	assert_true(fixture_saw(f, "RELEASE 9-12,21-24"));
}

static void who_keeps_its_routes_after_all_is_told_which(void **state)
{
	struct fixture *f = *state;

	begin_with(f, 2);
	begin_join(f, 2);
	assert_false(f->agent[0].moving.stays);
	assert_int_equal(f->agent[0].moving.routes.count, 4);
	lose(f, 2);
	assert_true(f->agent[0].moving.stays && f->agent[1].moving.stays);
	assert_true(fixture_saw(f, "n0 ← MOVING 9-12"));
	assert_true(fixture_saw(f, "n1 ← MOVING 21-24"));
	assert_int_equal(f->agent[0].movings, 2);
}

static void a_freeze_calls_off_what_is_moving(void **state)
{
	struct fixture *f = *state;

	begin_with(f, 2);
	begin_join(f, 2);
	assert_int_equal(fixture_order(f, EVENT_FREEZE, 0), 0);
	assert_true(f->agent[0].moving.stays);
	assert_int_equal(fixture_order(f, EVENT_THAW, 0), 0);
	assert_false(f->agent[0].moving.stays);
	assert_int_equal(fixture_moving(f), 8);
}

static void moving_names_the_doors_whose_connections_end(void **state)
{
	struct fixture *f = *state;
	struct cluster_conf conf = f->conf;

	conf.doors = (struct door_ports){ 2, { 8001, 9001 } };
	fixture_reconf(f, &conf);
	begin_with(f, 1);
	begin_join(f, 1);
	assert_int_equal(f->agent[0].moving.doors.count, 2);
	assert_int_equal(f->agent[0].moving.doors.first[1], 9001);
}

static void second_join_retargets_and_keeps_the_deadline(void **state)
{
	struct fixture *f = *state;
	struct cluster_conf conf = f->conf;
	struct route_view before, after;

	conf.settle_ns = 100 * MS;
	begin_with(f, 1);
	fixture_reconf(f, &conf);
	fixture_start(f, 1);
	fixture_run(f, 100 * MS);
	cluster_route(f->cl, 24, &before);
	assert_ptr_equal(before.to, fixture_node(f, 1));
	fixture_start(f, 2);
	fixture_run(f, 100 * MS);
	cluster_route(f->cl, 24, &after);
	assert_ptr_equal(after.node, fixture_node(f, 0));
	assert_ptr_equal(after.to, fixture_node(f, 2));
	assert_int_equal(after.deadline_ns, before.deadline_ns);
	fixture_run(f, 800 * MS);
	fixture_check_rest(f);
}

static void
answer_to_the_first_moving_counts_for_what_was_retargeted(void **state)
{
	struct fixture *f = *state;
	struct cluster_conf conf = f->conf;

	conf.settle_ns = 100 * MS;
	begin_with(f, 1);
	fixture_reconf(f, &conf);
	f->agent[0].answer_after = 150 * MS;
	fixture_start(f, 1);
	fixture_run(f, 100 * MS); /* MOVING to node 1 */
	f->agent[0].answer_after = NEVER_ANSWERS;
	fixture_start(f, 2);
	fixture_run(f, 100 * MS); /* part of it now goes to node 2 */
	assert_int_equal(fixture_served(f, 2), 0);
	fixture_run(f, 50 * MS);
	assert_int_equal(fixture_served(f, 2), 4);
}

static void deaths_of_one_tick_are_one_batch(void **state)
{
	struct fixture *f = *state;
	uint64_t version;

	begin_with(f, 6);
	version = f->version;
	fixture_silence(f, 0);
	fixture_silence(f, 1);
	fixture_run(f, 1500 * MS);
	assert_true(f->version - version <= 2);
	assert_int_equal(placement_slots(cluster_placement(f->cl)), 4);
	fixture_run(f, 2 * NS_PER_S);
	fixture_check_rest(f);
}

static void waiting_joiner_is_taken_in_with_a_loss(void **state)
{
	struct fixture *f = *state;

	begin_with(f, 2);
	fixture_start(f, 2);
	lose(f, 0);
	assert_int_equal(fixture_node(f, 2)->slot, 1);
	assert_int_equal(fixture_served(f, 2), 12);
	assert_int_equal(fixture_moving(f), 0);
}

static void planned_publication_brings_a_node_back_to_one_seat(void **state)
{
	struct fixture *f = *state;
	const struct table *t;
	unsigned used = 0;

	begin_with(f, 4);
	lose(f, 0); /* node 3 takes over a seat and keeps some of its own */
	fixture_run(f, 2 * NS_PER_S);
	t = cluster_table(f->cl);
	for (unsigned s = 1; s <= t->seats; s++)
		used += t->seat[s].tag != 0;
	assert_int_equal(used, 3);
}

static void refused_table_is_published_again_by_a_new_version(void **state)
{
	struct fixture *f = *state;
	struct event failed = { .type = EVENT_APPLY_FAILED };

	begin_with(f, 1);
	failed.version = f->version;
	fixture_step(f, &failed);
	assert_true(fixture_saw(f, "apply-failed"));
	fixture_run(f, 999 * MS);
	assert_int_equal(f->version, failed.version);
	fixture_run(f, 1 * MS);
	assert_int_equal(f->version, failed.version + 1);
	fixture_run(f, 5 * NS_PER_S);
	assert_int_equal(f->version, failed.version + 1);
}

static void beat_needs_one_effect_and_no_memory(void **state)
{
	struct fixture *f = *state;

	begin_with(f, 2);
	fixture_run(f, f->agent[0].beat_at - f->now);
	assert_int_equal(effects_count(f->fx), 1);
	assert_int_equal(effects_at(f->fx, 0)->message.type, MESSAGE_BEAT_ACK);
}

#define moves(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		moves(loss_settles_in_one_step_in_the_order_of_the_design),
		moves(reserve_takes_over_the_seat_of_the_lost),
		moves(highest_slot_takes_the_slot_and_hands_its_own_back),
		moves(loss_of_the_highest_slot_is_just_the_undo),
		moves(last_node_leaves_all_routes_unowned),
		moves(unowned_routes_go_to_the_next_node_without_a_hold),
		moves(join_waits_for_the_former_node_under_a_hold),
		moves(silent_former_node_is_not_waited_for_beyond_the_deadline),
		moves(switch_ends_only_the_flows_of_the_routes_that_moved),
		moves(handovers_that_finish_together_share_one_publication),
		moves(former_node_lost_switches_its_handover_at_once),
		moves(new_node_lost_leaves_the_routes_where_they_are),
		moves(who_keeps_its_routes_after_all_is_told_which),
		moves(a_freeze_calls_off_what_is_moving),
		moves(moving_names_the_doors_whose_connections_end),
		moves(second_join_retargets_and_keeps_the_deadline),
		moves(answer_to_the_first_moving_counts_for_what_was_retargeted),
		moves(deaths_of_one_tick_are_one_batch),
		moves(waiting_joiner_is_taken_in_with_a_loss),
		moves(planned_publication_brings_a_node_back_to_one_seat),
		moves(refused_table_is_published_again_by_a_new_version),
		moves(beat_needs_one_effect_and_no_memory),
	};

	return cmocka_run_group_tests_name("cluster_moves", tests, NULL, NULL);
}
