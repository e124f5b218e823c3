// SPDX-License-Identifier: GPL-2.0-or-later
/* Section 3 of the design: how nodes come, fall silent, end and return. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
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

/* Whatever a test is about: no promise may have been broken on the way. */
static int tear_down(void **state)
{
	struct fixture *f = *state;
	int broken = f->broken[0];

	if (broken)
		print_error("%s\n%s\n", f->script, f->broken);
	fixture_fini(f);
	return broken;
}

static void joins_are_gathered_and_dealt_out_at_once(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, 0);
	fixture_run(f, 300 * MS);
	fixture_start(f, 1);
	fixture_run(f, 199 * MS);
	assert_int_equal(f->version, 0);
	fixture_run(f, 1 * MS);
	assert_int_equal(f->version, 1);
	assert_int_equal(fixture_served(f, 0), 12);
	assert_int_equal(fixture_served(f, 1), 12);
	assert_false(fixture_saw(f, "HOLD"));
}

static void reserve_is_filled_before_a_second_slot(void **state)
{
	struct fixture *f = *state;
	struct cluster_conf conf = fixture_conf(24, 1);

	fixture_reconf(f, &conf);
	fixture_join(f, 3);
	assert_int_equal(fixture_state(f, 0), NODE_ACTIVE);
	assert_int_equal(fixture_state(f, 1), NODE_RESERVE);
	assert_int_equal(fixture_state(f, 2), NODE_ACTIVE);
}

static void node_that_wishes_for_reserve_serves_rather_than_nobody(void **state)
{
	struct fixture *f = *state;

	f->agent[0].wish = WISH_RESERVE;
	fixture_join(f, 1);
	assert_int_equal(fixture_served(f, 0), 24);
}

static void node_whose_server_is_down_waits_until_it_is_up(void **state)
{
	struct fixture *f = *state;

	fixture_kill_server(f, 0);
	fixture_join(f, 1);
	assert_int_equal(fixture_state(f, 0), NODE_JOINING);
	fixture_heal_server(f, 0);
	fixture_run(f, 900 * MS);
	assert_int_equal(fixture_served(f, 0), 24);
}

static void second_live_agent_of_a_name_is_refused(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	strcpy(f->agent[2].name, "n0");
	fixture_start(f, 2);
	assert_int_equal(f->agent[2].last_error, ERROR_DUPLICATE);
	assert_int_equal(f->agent[2].link, 0);
	assert_int_equal(fixture_served(f, 1), 12);
	assert_int_equal(f->agent[0].errors, 0);
}

static void agent_that_reconnects_replaces_its_old_link(void **state)
{
	struct fixture *f = *state;
	struct message_hello hello = { .name = "n0", .health = HEALTH_UP };
	struct event ev = { .type = EVENT_HELLO, .link = 99, .hello = &hello };

	fixture_join(f, 1);
	hello.instance = f->agent[0].instance;
	hello.addr[FAMILY_V4] = fixture_node(f, 0)->addr[FAMILY_V4];
	strcpy(f->agent[5].name, "new n0");
	f->agent[5].link = 99;
	fixture_step(f, &ev);
	assert_int_equal(fixture_node(f, 0)->link, 99);
	assert_int_equal(f->agent[0].link, 0); /* it was closed */
	assert_int_equal(f->agent[5].routes, 24);
	assert_int_equal(f->version, 1);
}

static void address_of_another_node_is_refused(void **state)
{
	struct fixture *f = *state;
	struct message_hello hello = { .name = "thief", .instance = 99 };
	struct event ev = { .type = EVENT_HELLO, .link = 99, .hello = &hello };

	fixture_join(f, 1);
	hello.addr[FAMILY_V4] = fixture_node(f, 0)->addr[FAMILY_V4];
	f->agent[5].link = 99;
	fixture_step(f, &ev);
	assert_int_equal(f->agent[5].last_error, ERROR_ADDRESS);
	assert_null(cluster_node_by_name(f->cl, "thief"));
}

static void silence_is_suspect_after_one_and_a_half_intervals(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	fixture_run(f, f->agent[0].beat_at - f->now); /* its last beat */
	fixture_silence(f, 0);
	fixture_run(f, 299 * MS);
	assert_int_equal(fixture_state(f, 0), NODE_ACTIVE);
	fixture_run(f, 1 * MS);
	assert_int_equal(fixture_state(f, 0), NODE_SUSPECT);
	assert_int_equal(fixture_held(f), 12);
}

static void silence_is_death_after_exactly_miss_intervals(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	fixture_run(f, f->agent[0].beat_at - f->now);
	fixture_silence(f, 0);
	fixture_run(f, 999 * MS);
	assert_int_equal(fixture_state(f, 0), NODE_SUSPECT);
	fixture_run(f, 1 * MS);
	assert_int_equal(fixture_state(f, 0), NODE_LOST);
	assert_int_equal(fixture_node(f, 0)->cause, LOST_MACHINE);
	assert_int_equal(fixture_served(f, 1), 24);
	assert_int_equal(f->agent[0].link, 0);
}

static void suspect_that_beats_again_is_released(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	fixture_silence(f, 0);
	fixture_run(f, 600 * MS);
	assert_int_equal(fixture_held(f), 12);
	fixture_wake(f, 0);
	fixture_run(f, 1 * MS);
	assert_int_equal(fixture_state(f, 0), NODE_ACTIVE);
	assert_int_equal(fixture_held(f), 0);
	assert_int_equal(f->version, 1);
}

static void ended_agent_keeps_its_routes_while_its_server_accepts(void **state)
{
	struct fixture *f = *state;
	uint32_t tag;

	fixture_join(f, 2);
	tag = fixture_node(f, 0)->tag;
	fixture_kill_agent(f, 0);
	assert_int_not_equal(fixture_find(f, EFFECT_PROBE, 0), -1);
	fixture_run(f, 4 * NS_PER_S);
	assert_true(fixture_node(f, 0)->agent_away);
	assert_int_equal(fixture_served(f, 0), 12);
	fixture_start(f, 0);
	assert_int_equal(fixture_node(f, 0)->tag, tag);
	assert_int_equal(f->agent[0].routes, 12);
	assert_false(fixture_saw(f, "HOLD"));
	assert_true(fixture_saw(f, "agent-back n0"));
}

static void ended_agent_whose_server_refuses_is_lost_at_once(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	fixture_kill_server(f, 0);
	fixture_kill_agent(f, 0);
	fixture_run(f, 10 * MS);
	assert_int_equal(fixture_node(f, 0)->cause, LOST_AGENT);
	assert_int_equal(fixture_served(f, 1), 24);
}

static void agent_that_does_not_rejoin_is_lost(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	fixture_kill_agent(f, 0);
	fixture_run(f, 5 * NS_PER_S);
	assert_int_equal(fixture_state(f, 0), NODE_LOST);
	assert_int_equal(fixture_served(f, 1), 24);
}

static void dead_server_loses_its_routes_and_keeps_its_link(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	fixture_kill_server(f, 0);
	fixture_run(f, 200 * MS);
	assert_int_equal(fixture_state(f, 0), NODE_QUARANTINED);
	assert_int_equal(fixture_node(f, 0)->cause, LOST_SERVER);
	assert_int_not_equal(f->agent[0].link, 0);
	assert_int_equal(f->agent[0].moving.reason, MOVE_LOSS);
	assert_int_equal(f->agent[0].moving.deadline_ms, 0);
	assert_int_equal(f->agent[0].routes, 0);
	assert_int_equal(fixture_served(f, 1), 24);
}

static void refused_door_is_checked_and_a_dead_server_found(void **state)
{
	struct fixture *f = *state;
	struct event refused = { .type = EVENT_REFUSED };

	fixture_join(f, 2);
	f->agent[0].checked = false; /* its agent does not notice */
	fixture_run(f, 200 * MS);
	fixture_kill_server(f, 0);
	refused.tag = fixture_node(f, 0)->tag;
	fixture_step(f, &refused);
	assert_int_not_equal(fixture_find(f, EFFECT_PROBE, 0), -1);
	fixture_step(f, &refused);
	assert_int_equal(fixture_find(f, EFFECT_PROBE, 0), -1);
	fixture_run(f, 10 * MS);
	assert_int_equal(fixture_node(f, 0)->cause, LOST_SERVER);
}

static void
returning_node_is_quarantined_then_joins_under_a_new_tag(void **state)
{
	struct fixture *f = *state;
	uint32_t tag;

	fixture_join(f, 2);
	tag = fixture_node(f, 0)->tag;
	fixture_silence(f, 0);
	fixture_run(f, 2 * NS_PER_S);
	fixture_wake(f, 0);
	fixture_run(f, 9900 * MS);
	assert_int_equal(fixture_state(f, 0), NODE_QUARANTINED);
	fixture_run(f, 2 * NS_PER_S);
	assert_int_equal(fixture_state(f, 0), NODE_ACTIVE);
	assert_int_not_equal(fixture_node(f, 0)->tag, tag);
}

static void quarantine_doubles_while_it_keeps_failing(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	for (unsigned i = 1; i <= 3; i++) {
		uint64_t until, hold_down = 5 * NS_PER_S << i;

		fixture_kill_server(f, 0);
		fixture_run(f, 400 * MS);
		assert_int_equal(fixture_state(f, 0), NODE_QUARANTINED);
		until = fixture_node(f, 0)->until_ns;
		assert_int_equal(until - fixture_node(f, 0)->since_ns,
				 hold_down);
		fixture_heal_server(f, 0);
		fixture_run(f, hold_down + 2 * NS_PER_S);
		assert_int_equal(fixture_state(f, 0), NODE_ACTIVE);
	}
}

static void long_clean_life_wipes_the_slate(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	fixture_kill_server(f, 0);
	fixture_run(f, 400 * MS);
	fixture_heal_server(f, 0);
	fixture_run(f, 120 * NS_PER_S);
	fixture_kill_server(f, 0);
	fixture_run(f, 400 * MS);
	assert_int_equal(fixture_node(f, 0)->failures, 1);
}

static void quarantine_is_void_when_nobody_else_is_active(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	fixture_silence(f, 0);
	fixture_run(f, 2 * NS_PER_S);
	fixture_wake(f, 0);
	fixture_run(f, 1 * NS_PER_S);
	assert_int_equal(fixture_state(f, 0), NODE_QUARANTINED);
	fixture_kill_server(f, 1);
	fixture_run(f, 400 * MS);
	assert_int_equal(fixture_served(f, 0), 24);
}

static void leaver_hands_over_before_it_goes(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	fixture_goodbye(f, 0);
	assert_int_equal(fixture_state(f, 0), NODE_DRAINING);
	assert_int_equal(fixture_held(f), 12);
	assert_int_equal(f->agent[0].moving.reason, MOVE_DRAIN);
	fixture_run(f, 100 * MS);
	assert_int_equal(fixture_state(f, 0), NODE_DRAINED);
	assert_int_equal(fixture_served(f, 1), 24);
	fixture_kill_agent(f, 0);
	fixture_run(f, 1000 * NS_PER_S);
	assert_null(fixture_node(f, 0));
}

static void leaver_that_hangs_up_early_is_a_loss(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	f->agent[0].answer_after = NEVER_ANSWERS;
	fixture_goodbye(f, 0);
	fixture_kill_agent(f, 0);
	assert_int_equal(fixture_node(f, 0)->cause, LOST_GOODBYE);
	assert_int_equal(fixture_served(f, 1), 24);
	assert_int_equal(fixture_held(f), 0);
}

static void agent_that_ignores_its_routes_is_told_once_more(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 1);
	fixture_run(f, 1 * NS_PER_S);
	fixture_forget_script(f);
	f->agent[0].version = 0;
	fixture_run(f, 200 * MS);
	assert_true(fixture_saw(f, "diverged n0"));
	assert_true(fixture_saw(f, "n0 ← ASSIGNED"));
	fixture_run(f, 400 * MS);
	assert_false(fixture_node(f, 0)->diverged);
}

static void tags_rotate_and_none_is_used_twice_at_a_time(void **state)
{
	struct fixture *f = *state;
	uint32_t last = 0;

	fixture_join(f, 2);
	for (unsigned i = 0; i < 20; i++) {
		fixture_order(f, EVENT_FAIL, 0);
		fixture_order(f, EVENT_UNDRAIN, 0);
		fixture_run(f, 2 * NS_PER_S);
		assert_true(fixture_node(f, 0)->tag > last);
		last = fixture_node(f, 0)->tag;
	}
}

static void a_node_whose_key_is_revoked_is_lost_at_once(void **state)
{
	struct fixture *f = *state;
	struct event ev = { .type = EVENT_REVOKED };

	fixture_join(f, 2);
	ev.link = f->agent[0].link;
	f->agent[0].link = 0;
	f->agent[0].connect_at = TIME_NEVER;
	fixture_step(f, &ev);
	assert_int_equal(fixture_state(f, 0), NODE_LOST);
	assert_int_equal(fixture_node(f, 0)->cause, LOST_REVOKED);
	assert_int_equal(fixture_node(f, 0)->failures, 0);
	assert_int_equal(fixture_served(f, 1), 24);
}

/* The right version of other routes. */
static void a_digest_that_is_another_is_alarmed_once(void **state)
{
	struct fixture *f = *state;
	struct message_assigned_ok ok = { .digest = 7 };
	uint16_t ids[24];
	struct route_set all = { ids, 24 };
	struct event ev = { .type = EVENT_ASSIGNED_OK, .assigned_ok = &ok };

	fixture_join(f, 1);
	ok.version = fixture_node(f, 0)->version;
	ev.link = f->agent[0].link;
	fixture_step(f, &ev);
	assert_true(fixture_saw(f, "diverged n0"));
	fixture_forget_script(f);
	fixture_run(f, 1 * NS_PER_S);
	fixture_step(f, &ev);
	assert_true(fixture_node(f, 0)->diverged);
	assert_false(fixture_saw(f, "diverged n0"));
	for (uint16_t r = 0; r < 24; r++)
		ids[r] = (uint16_t)(r + 1);
	ok.digest = route_digest(&all);
	fixture_step(f, &ev);
	assert_false(fixture_node(f, 0)->diverged);
}

static void set_interval(struct fixture *f, uint64_t interval_ns)
{
	struct cluster_conf conf = f->conf;

	conf.interval_ns = interval_ns;
	fixture_reconf(f, &conf);
}

static void
new_interval_reaches_agents_on_the_connection_they_have(void **state)
{
	struct fixture *f = *state;
	uint64_t link;

	fixture_join(f, 2);
	link = f->agent[0].link;
	set_interval(f, 10 * MS);
	assert_int_equal(f->agent[0].link, link);
	assert_int_equal(f->agent[0].welcome.interval_us, 10000);
	assert_int_equal(f->agent[1].welcome.interval_us, 10000);
	fixture_run(f, 2 * NS_PER_S);
	assert_false(fixture_saw(f, "suspect"));
	assert_int_equal(f->version, 1);
	assert_int_equal(fixture_served(f, 0), 12);
}

/* It may not have heard of the shorter one yet. */
static void former_interval_counts_until_all_know_the_new_one(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	fixture_run(f, f->agent[0].beat_at - f->now);
	fixture_silence(f, 0);
	set_interval(f, 10 * MS);
	fixture_run(f, 299 * MS);
	assert_int_equal(fixture_state(f, 0), NODE_ACTIVE);
	fixture_run(f, 700 * MS);
	assert_int_equal(fixture_state(f, 0), NODE_SUSPECT);
	fixture_run(f, 1 * MS);
	assert_int_equal(fixture_state(f, 0), NODE_LOST);
	fixture_run(f, 200 * MS);
	fixture_silence(f, 1);
	fixture_run(f, 70 * MS);
	assert_int_equal(fixture_state(f, 1), NODE_LOST);
}

static void longer_interval_counts_at_once(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 2);
	set_interval(f, 1 * NS_PER_S);
	fixture_run(f, f->agent[0].beat_at - f->now);
	fixture_silence(f, 0);
	fixture_run(f, 1499 * MS);
	assert_int_equal(fixture_state(f, 0), NODE_ACTIVE);
	fixture_run(f, 1 * MS);
	assert_int_equal(fixture_state(f, 0), NODE_SUSPECT);
	fixture_run(f, 3500 * MS);
	assert_int_equal(fixture_state(f, 0), NODE_LOST);
}

#define life(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		life(joins_are_gathered_and_dealt_out_at_once),
		life(reserve_is_filled_before_a_second_slot),
		life(node_that_wishes_for_reserve_serves_rather_than_nobody),
		life(node_whose_server_is_down_waits_until_it_is_up),
		life(second_live_agent_of_a_name_is_refused),
		life(agent_that_reconnects_replaces_its_old_link),
		life(address_of_another_node_is_refused),
		life(silence_is_suspect_after_one_and_a_half_intervals),
		life(silence_is_death_after_exactly_miss_intervals),
		life(suspect_that_beats_again_is_released),
		life(ended_agent_keeps_its_routes_while_its_server_accepts),
		life(ended_agent_whose_server_refuses_is_lost_at_once),
		life(agent_that_does_not_rejoin_is_lost),
		life(dead_server_loses_its_routes_and_keeps_its_link),
		life(refused_door_is_checked_and_a_dead_server_found),
		life(returning_node_is_quarantined_then_joins_under_a_new_tag),
		life(quarantine_doubles_while_it_keeps_failing),
		life(long_clean_life_wipes_the_slate),
		life(quarantine_is_void_when_nobody_else_is_active),
		life(leaver_hands_over_before_it_goes),
		life(leaver_that_hangs_up_early_is_a_loss),
		life(agent_that_ignores_its_routes_is_told_once_more),
		life(new_interval_reaches_agents_on_the_connection_they_have),
		life(former_interval_counts_until_all_know_the_new_one),
		life(longer_interval_counts_at_once),
		life(a_digest_that_is_another_is_alarmed_once),
		life(a_node_whose_key_is_revoked_is_lost_at_once),
		life(tags_rotate_and_none_is_used_twice_at_a_time),
	};

	return cmocka_run_group_tests_name("cluster_life", tests, NULL, NULL);
}
