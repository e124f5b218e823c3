// SPDX-License-Identifier: GPL-2.0-or-later
/* What a restart brings back (section 8 of the design). */
#include <errno.h>
#include <string.h>
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

static void nothing_moves_when_the_nodes_return_in_time(void **state)
{
	struct fixture *f = *state;
	uint32_t before[25], tag;

	fixture_join(f, 3);
	tag = fixture_node(f, 1)->tag;
	memcpy(before, f->tag, sizeof(before));
	fixture_restart(f);
	assert_int_equal(f->version, 2);
	for (unsigned i = 0; i < 3; i++)
		f->agent[i].connect_at = f->now + 9 * NS_PER_S;
	fixture_run(f, 60 * NS_PER_S);
	assert_int_equal(f->version, 2);
	assert_int_equal(fixture_node(f, 1)->tag, tag);
	assert_memory_equal(before, f->tag, sizeof(before));
	fixture_check_rest(f);
}

static void restart_probes_every_serving_node(void **state)
{
	struct fixture *f = *state;

	f->agent[2].wish = WISH_RESERVE;
	fixture_join(f, 3);
	fixture_restart(f);
	assert_int_equal(f->n_probes, 2);
}

static void node_found_dead_after_a_restart_is_replaced_at_once(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 3);
	fixture_kill_server(f, 2);
	f->agent[2].running = false;
	fixture_restart(f);
	fixture_run(f, 100 * MS);
	assert_int_equal(fixture_state(f, 2), NODE_LOST);
	assert_int_equal(fixture_served(f, 0), 12);
}

static void node_that_does_not_return_in_the_grace_is_lost(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 3);
	f->agent[2].running = false;
	fixture_restart(f);
	fixture_run(f, 9900 * MS);
	assert_int_equal(fixture_served(f, 2), 8);
	fixture_run(f, 200 * MS);
	assert_int_equal(fixture_state(f, 2), NODE_LOST);
	assert_int_equal(fixture_served(f, 2), 0);
}

static void routes_that_were_moving_are_at_their_target(void **state)
{
	struct fixture *f = *state;
	struct cluster_saved saved;

	f->agent[0].answer_after = NEVER_ANSWERS;
	fixture_join(f, 1);
	fixture_start(f, 1);
	fixture_run(f, 600 * MS);
	assert_int_equal(cluster_save(f->cl, &saved), 0);
	assert_int_equal(saved.n_moving, 12);
	assert_int_equal(saved.moving[0], 13);
	cluster_saved_fini(&saved);
	fixture_restart(f);
	assert_int_equal(fixture_served(f, 1), 12);
	assert_int_equal(fixture_moving(f), 0);
}

static void what_the_operator_did_outlives_a_restart(void **state)
{
	struct fixture *f = *state;

	fixture_join(f, 4);
	fixture_order(f, EVENT_DRAIN, 0);
	fixture_order(f, EVENT_FAIL, 1);
	fixture_run(f, 2 * NS_PER_S);
	fixture_order(f, EVENT_FREEZE, 0);
	fixture_restart(f);
	assert_true(cluster_is_frozen(f->cl));
	fixture_run(f, 5 * NS_PER_S);
	assert_int_equal(fixture_state(f, 0), NODE_DRAINED);
	assert_int_equal(fixture_state(f, 1), NODE_QUARANTINED);
	fixture_order(f, EVENT_THAW, 0);
	fixture_run(f, 1000 * NS_PER_S);
	assert_int_equal(fixture_state(f, 1), NODE_QUARANTINED);
}

static void tags_go_on_where_they_were(void **state)
{
	struct fixture *f = *state;
	uint32_t last;

	fixture_join(f, 3);
	last = fixture_node(f, 2)->tag;
	fixture_restart(f);
	fixture_run(f, 1 * NS_PER_S);
	fixture_start(f, 3);
	fixture_run(f, 2 * NS_PER_S);
	assert_true(fixture_node(f, 3)->tag > last);
}

/* ---- the plane still carries a table ---- */

static void kernel_newer_than_the_store_is_what_goes_on(void **state)
{
	struct fixture *f = *state;
	struct cluster_saved early;
	uint32_t before[25];

	fixture_join(f, 1);
	assert_int_equal(cluster_save(f->cl, &early), 0);
	fixture_start(f, 1);
	fixture_start(f, 2);
	fixture_run(f, 3 * NS_PER_S);
	assert_int_equal(fixture_served(f, 2), 8);
	memcpy(before, f->tag, sizeof(before));
	fixture_recover(f, &early);
	cluster_saved_fini(&early);
	assert_memory_equal(before, f->tag, sizeof(before));
	assert_int_equal(fixture_node(f, 2)->slot, 3);
	fixture_start(f, 3);
	fixture_run(f, 2 * NS_PER_S);
	assert_true(fixture_node(f, 3)->tag > before[24] + 1);
}

static void without_a_store_the_kernel_tells_who_serves(void **state)
{
	struct fixture *f = *state;
	uint32_t before[25];

	fixture_join(f, 3);
	memcpy(before, f->tag, sizeof(before));
	fixture_recover(f, NULL);
	assert_memory_equal(before, f->tag, sizeof(before));
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fixture_state(f, i), NODE_ACTIVE);
}

static void handover_that_a_crash_broke_off_is_done_by_plan(void **state)
{
	struct fixture *f = *state;
	struct cluster_saved saved;
	uint32_t before[25];

	f->agent[0].answer_after = NEVER_ANSWERS;
	fixture_join(f, 1);
	fixture_start(f, 1);
	fixture_run(f, 600 * MS);
	assert_int_equal(fixture_moving(f), 12);
	assert_int_equal(cluster_save(f->cl, &saved), 0);
	memcpy(before, f->tag, sizeof(before));
	fixture_recover(f, &saved);
	cluster_saved_fini(&saved);
	assert_memory_equal(before, f->tag, sizeof(before));
	f->agent[1].connect_at = f->now + 8 * NS_PER_S;
	fixture_run(f, 8 * NS_PER_S - 1);
	assert_true(cluster_is_still(f->cl));
	assert_memory_equal(before, f->tag, sizeof(before));
	fixture_run(f, 1);
	assert_false(cluster_is_still(f->cl));
	assert_int_equal(fixture_moving(f), 12);
	assert_int_equal(fixture_held(f), 12);
	fixture_run(f, f->conf.move_grace_ns);
	assert_int_equal(fixture_served(f, 1), 12);
}

static void routes_of_a_leaver_stay_when_a_freeze_outlives_a_crash(void **state)
{
	struct fixture *f = *state;
	struct cluster_saved saved;

	f->agent[0].answer_after = NEVER_ANSWERS;
	fixture_join(f, 1);
	fixture_goodbye(f, 0);
	fixture_order(f, EVENT_FREEZE, 0);
	assert_int_equal(fixture_served(f, 0), 24);
	assert_int_equal(cluster_save(f->cl, &saved), 0);
	fixture_recover(f, &saved);
	cluster_saved_fini(&saved);
	assert_int_equal(fixture_served(f, 0), 24);
}

static struct cluster_saved_node sound_nodes[3];

/* Two slots and a reserve, as they should be. */
static struct cluster_saved sound(void)
{
	static const char *const names[] = { "a", "b", "c" };

	memset(sound_nodes, 0, sizeof(sound_nodes));
	for (unsigned i = 0; i < 3; i++) {
		strcpy(sound_nodes[i].name, names[i]);
		sound_nodes[i].tag = i + 1;
		sound_nodes[i].slot = (uint16_t)(i < 2 ? i + 1 : 0);
		sound_nodes[i].reserve_at = i == 2;
		sound_nodes[i].addr[FAMILY_V4] =
			addr_v4((uint8_t[]){ 198, 18, 0, (uint8_t)(i + 1) });
	}
	return (struct cluster_saved){ .version = 7,
				       .next_tag = 3,
				       .routes = 24,
				       .slots = 2,
				       .n_nodes = 3,
				       .nodes = sound_nodes };
}

static void none(struct cluster_saved *s)
{
	(void)s;
}
static void other_routes(struct cluster_saved *s)
{
	s->routes = 25;
}
static void one_slot_more(struct cluster_saved *s)
{
	s->slots = 3;
}
static void slot_taken_twice(struct cluster_saved *s)
{
	s->nodes[1].slot = 1;
}
static void hole_in_slots(struct cluster_saved *s)
{
	s->nodes[1].slot = 3;
}
static void slot_out_of_range(struct cluster_saved *s)
{
	s->nodes[1].slot = UINT16_MAX;
}
static void slot_and_reserve(struct cluster_saved *s)
{
	s->nodes[2].slot = 3;
}
static void hole_in_reserve(struct cluster_saved *s)
{
	s->nodes[2].reserve_at = 2;
}
static void tag_of_another(struct cluster_saved *s)
{
	s->nodes[1].tag = 1;
}
static void no_tag(struct cluster_saved *s)
{
	s->nodes[1].tag = 0;
}
static void tag_out_of_range(struct cluster_saved *s)
{
	s->nodes[1].tag = 65535;
}
static void name_of_another(struct cluster_saved *s)
{
	strcpy(s->nodes[1].name, "a");
}
static void bad_name(struct cluster_saved *s)
{
	strcpy(s->nodes[1].name, "../b");
}
static void name_without_end(struct cluster_saved *s)
{
	memset(s->nodes[1].name, 'b', NODE_NAME_MAX);
}

static void state_that_contradicts_itself_is_refused_whole(void **state)
{
	static const struct {
		const char *title;
		void (*spoil)(struct cluster_saved *s);
		int err;
	} rows[] = {
		{ "sound", none, 0 },
		{ "other N", other_routes, -EINVAL },
		{ "a slot without node", one_slot_more, -EINVAL },
		{ "a slot taken twice", slot_taken_twice, -EINVAL },
		{ "a hole in the slots", hole_in_slots, -EINVAL },
		{ "a slot out of range", slot_out_of_range, -EINVAL },
		{ "slot and reserve", slot_and_reserve, -EINVAL },
		{ "a hole in the reserve", hole_in_reserve, -EINVAL },
		{ "a tag used twice", tag_of_another, -EINVAL },
		{ "a slot without tag", no_tag, -EINVAL },
		{ "a tag out of range", tag_out_of_range, -EINVAL },
		{ "a name used twice", name_of_another, -EINVAL },
		{ "a bad name", bad_name, -EINVAL },
		{ "a name without end", name_without_end, -EINVAL },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cluster_conf conf = fixture_conf(24, 1);
		struct cluster *cl = cluster_new(&conf, NS_PER_S);
		struct effects *fx = effects_new();
		struct cluster_saved s = sound();
		int err;

		rows[i].spoil(&s);
		err = cluster_restore(cl, &s, NULL, NS_PER_S, fx);
		if (err != rows[i].err)
			fail_msg("%s: %d", rows[i].title, err);
		assert_int_equal(cluster_node_count(cl), err ? 0 : 3);
		assert_int_equal(effects_count(fx) != 0, !err);
		assert_int_equal(cluster_table(cl)->version, err ? 0 : 8);
		effects_free(fx);
		cluster_free(cl);
	}
}

#define restart(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		restart(nothing_moves_when_the_nodes_return_in_time),
		restart(restart_probes_every_serving_node),
		restart(node_found_dead_after_a_restart_is_replaced_at_once),
		restart(node_that_does_not_return_in_the_grace_is_lost),
		restart(routes_that_were_moving_are_at_their_target),
		restart(what_the_operator_did_outlives_a_restart),
		restart(tags_go_on_where_they_were),
		restart(kernel_newer_than_the_store_is_what_goes_on),
		restart(without_a_store_the_kernel_tells_who_serves),
		restart(handover_that_a_crash_broke_off_is_done_by_plan),
		restart(routes_of_a_leaver_stay_when_a_freeze_outlives_a_crash),
		cmocka_unit_test(
			state_that_contradicts_itself_is_refused_whole),
	};

	return cmocka_run_group_tests_name("cluster_saved", tests, NULL, NULL);
}
