// SPDX-License-Identifier: GPL-2.0-or-later
/* The panic guard: when most nodes vanish at once nothing may move. */
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

static void silence_many(struct fixture *f, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		fixture_silence(f, i);
}

static void more_than_half_vanishing_freezes_the_table(void **state)
{
	struct fixture *f = *state;
	unsigned of;

	fixture_join(f, 5);
	silence_many(f, 0, 3);
	fixture_run(f, 3 * NS_PER_S);
	assert_true(cluster_is_frozen(f->cl));
	assert_int_equal(cluster_panic(f->cl, &of), 3);
	assert_int_equal(of, 5);
	assert_int_equal(f->version, 1);
	assert_true(fixture_saw(f, "panic  > (3 of 5 nodes vanished"));
	assert_int_equal(fixture_state(f, 0), NODE_SUSPECT);
	assert_true(fixture_held(f) > 0);
}

static void half_of_them_vanishing_is_handled_as_losses(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 4);
	silence_many(f, 0, 2);
	fixture_run(f, 3 * NS_PER_S);
	assert_false(cluster_is_frozen(f->cl));
	assert_int_equal(placement_slots(cluster_placement(f->cl)), 2);
}

static void three_nodes_are_too_few_to_suspect_the_network(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 3);
	silence_many(f, 0, 3);
	fixture_run(f, 3 * NS_PER_S);
	assert_false(cluster_is_frozen(f->cl));
	assert_int_equal(placement_slots(cluster_placement(f->cl)), 0);
}

static void reserves_count_among_those_that_were_there(void **state)
{
	struct fixture *f = *state;

	f->agent[2].wish = f->agent[3].wish = WISH_RESERVE;
	fixture_join(f, 4);
	silence_many(f, 1, 4);
	fixture_run(f, 3 * NS_PER_S);
	assert_true(cluster_is_frozen(f->cl));
}

static void slow_deaths_one_by_one_are_no_panic(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 5);
	for (unsigned i = 0; i < 4; i++) {
		fixture_silence(f, i);
		fixture_run(f, 4 * NS_PER_S);
	}
	assert_false(fixture_saw(f, "panic"));
	assert_int_equal(fixture_served(f, 4), 24);
}

static void killed_servers_are_no_panic(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 5);
	for (unsigned i = 0; i < 4; i++)
		fixture_kill_server(f, i);
	fixture_run(f, 1 * NS_PER_S);
	assert_false(cluster_is_frozen(f->cl));
	assert_int_equal(fixture_served(f, 4), 24);
}

static void return_of_enough_thaws_and_nothing_has_moved(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 5);
	silence_many(f, 0, 4);
	fixture_run(f, 3 * NS_PER_S);
	for (unsigned i = 0; i < 4; i++)
		fixture_wake(f, i);
	fixture_run(f, 1 * NS_PER_S);
	assert_false(cluster_is_frozen(f->cl));
	assert_int_equal(f->version, 1);
	fixture_check_rest(f);
}

static void those_still_missing_at_the_thaw_are_lost(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 5);
	silence_many(f, 0, 4);
	fixture_run(f, 3 * NS_PER_S);
	fixture_wake(f, 0);
	fixture_run(f, 1 * NS_PER_S);
	assert_true(cluster_is_frozen(f->cl)); /* 3 of 5 */
	fixture_wake(f, 1);
	fixture_run(f, 2 * NS_PER_S);
	assert_false(cluster_is_frozen(f->cl));
	assert_int_equal(fixture_state(f, 2), NODE_LOST);
	assert_int_equal(fixture_state(f, 3), NODE_LOST);
	assert_int_equal(placement_slots(cluster_placement(f->cl)), 3);
	fixture_check_rest(f);
}

static void operator_may_have_the_losses_executed(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 5);
	silence_many(f, 0, 4);
	fixture_run(f, 3 * NS_PER_S);
	assert_int_equal(fixture_order(f, EVENT_THAW, 0), 0);
	assert_int_equal(fixture_served(f, 4), 24);
	fixture_run(f, 3 * NS_PER_S);
	assert_false(cluster_is_frozen(f->cl));
	fixture_check_rest(f);
}

static void closed_links_with_dead_machines_are_a_panic_too(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 5);
	f->probes_answered = false; /* nobody answers at all */
	for (unsigned i = 0; i < 4; i++)
		fixture_kill_agent(f, i);
	fixture_run(f, 6 * NS_PER_S);
	assert_true(cluster_is_frozen(f->cl));
	assert_int_equal(f->version, 1);
	f->n_probes = 0;
}

#define guard(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		guard(more_than_half_vanishing_freezes_the_table),
		guard(half_of_them_vanishing_is_handled_as_losses),
		guard(three_nodes_are_too_few_to_suspect_the_network),
		guard(reserves_count_among_those_that_were_there),
		guard(slow_deaths_one_by_one_are_no_panic),
		guard(killed_servers_are_no_panic),
		guard(return_of_enough_thaws_and_nothing_has_moved),
		guard(those_still_missing_at_the_thaw_are_lost),
		guard(operator_may_have_the_losses_executed),
		guard(closed_links_with_dead_machines_are_a_panic_too),
	};

	return cmocka_run_group_tests_name("cluster_panic", tests, NULL, NULL);
}
