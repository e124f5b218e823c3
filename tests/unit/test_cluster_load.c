// SPDX-License-Identifier: GPL-2.0-or-later
/* A table that goes from one gateway to another. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/cluster_fixture/cluster_fixture.h"

#define ROUTES 24

/* The gateway that had the table, and the one that is to have it. */
struct gateways {
	struct fixture old, new;
	struct cluster_saved saved;
};

static int set_up(void **state)
{
	static struct gateways g;
	struct cluster_conf conf = fixture_conf(ROUTES, 0);

	memset(&g, 0, sizeof(g));
	fixture_init(&g.old, &conf);
	fixture_init(&g.new, &conf);
	*state = &g;
	return 0;
}

static int tear_down_one(struct fixture *f)
{
	int broken = f->broken[0];

	if (broken)
		print_error("%s\n%s\n", f->script, f->broken);
	fixture_fini(f);
	return broken;
}

static int tear_down(void **state)
{
	struct gateways *g = *state;

	cluster_saved_fini(&g->saved);
	return tear_down_one(&g->old) + tear_down_one(&g->new);
}

/* Slots a c b | d: not the order in which they registered. */
static void fill_old(struct gateways *g)
{
	struct event ev = { .type = EVENT_REPLACE };

	fixture_join(&g->old, 2);
	g->old.agent[2].wish = g->old.agent[3].wish = WISH_RESERVE;
	fixture_start(&g->old, 2);
	fixture_start(&g->old, 3);
	fixture_run(&g->old, 1 * NS_PER_S);
	ev.name = g->old.agent[1].name;
	ev.by = g->old.agent[2].name;
	assert_int_equal(fixture_step(&g->old, &ev), 0);
	fixture_run(&g->old, 1 * NS_PER_S);
	fixture_order(&g->old, EVENT_UNDRAIN, 1);
	fixture_run(&g->old, 2 * NS_PER_S);
	assert_int_equal(fixture_node(&g->old, 2)->slot, 2);
	assert_int_equal(fixture_node(&g->old, 1)->slot, 3);
	assert_int_equal(cluster_save(g->old.cl, &g->saved), 0);
}

static int load(struct gateways *g, bool move, bool rehearse)
{
	struct event ev = { .type = EVENT_LOAD,
			    .ok = move,
			    .rehearse = rehearse,
			    .saved = &g->saved };

	return fixture_step(&g->new, &ev);
}

static const char *owner(const struct fixture *f, unsigned route)
{
	struct route_view v;

	cluster_route(f->cl, (uint16_t)route, &v);
	return v.node ? v.node->name : "";
}

static void assert_same_owners(struct gateways *g)
{
	for (unsigned r = 1; r <= ROUTES; r++)
		assert_string_equal(owner(&g->old, r), owner(&g->new, r));
}

static void start_all(struct fixture *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fixture_start(f, i);
}

static void loaded_table_has_the_owners_it_had(void **state)
{
	struct gateways *g = *state;

	fill_old(g);
	assert_int_equal(load(g, false, false), 0);
	assert_same_owners(g); /* at once: its nodes are known by address */
	assert_true(g->new.version > g->saved.version);
	start_all(&g->new, 4);
	fixture_run(&g->new, 60 * NS_PER_S);
	assert_same_owners(g);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fixture_state(&g->new, i), NODE_ACTIVE);
	assert_int_equal(fixture_state(&g->new, 3), NODE_RESERVE);
	fixture_check_rest(&g->new);
}

static void nodes_that_came_to_a_frozen_gateway_take_their_places(void **state)
{
	struct gateways *g = *state;

	fill_old(g);
	fixture_order(&g->new, EVENT_FREEZE, 0);
	start_all(&g->new, 4);
	fixture_run(&g->new, 3 * NS_PER_S);
	assert_int_equal(fixture_served(&g->new, 0), 0);
	assert_int_equal(load(g, false, false), 0);
	fixture_order(&g->new, EVENT_THAW, 0);
	assert_same_owners(g);
	fixture_run(&g->new, 20 * NS_PER_S);
	assert_same_owners(g);
	fixture_check_rest(&g->new);
}

static void node_that_does_not_come_is_replaced_after_the_grace(void **state)
{
	struct gateways *g = *state;

	fill_old(g);
	assert_int_equal(load(g, false, false), 0);
	fixture_start(&g->new, 0);
	fixture_start(&g->new, 1);
	fixture_start(&g->new, 3);
	fixture_run(&g->new, 9 * NS_PER_S);
	assert_same_owners(g);
	fixture_run(&g->new, 2 * NS_PER_S);
	assert_int_equal(fixture_state(&g->new, 2), NODE_LOST);
	assert_int_equal(fixture_node(&g->new, 3)->slot, 2);
}

static void node_whose_server_is_down_is_replaced_at_once(void **state)
{
	struct gateways *g = *state;

	fill_old(g);
	fixture_order(&g->new, EVENT_FREEZE, 0);
	start_all(&g->new, 4);
	fixture_kill_server(&g->new, 2);
	fixture_run(&g->new, 1 * NS_PER_S);
	assert_int_equal(load(g, false, false), 0);
	fixture_order(&g->new, EVENT_THAW, 0);
	assert_int_equal(fixture_node(&g->new, 3)->slot, 2);
	assert_int_equal(fixture_served(&g->new, 2), 0);
}

static void version_never_goes_backwards(void **state)
{
	struct gateways *g = *state;

	fill_old(g);
	g->saved.version = 0;
	fixture_join(&g->new, 1);
	fixture_silence(&g->new, 0);
	fixture_run(&g->new, 60 * NS_PER_S); /* nobody serves any more */
	assert_int_equal(g->new.version, 2);
	assert_int_equal(load(g, false, false), 0);
	assert_int_equal(g->new.version, 3);
}

static void live_routes_move_only_if_they_may_and_by_handovers(void **state)
{
	struct gateways *g = *state;

	fill_old(g);
	fixture_join(&g->new, 4); /* slots as they came: 1 2 3 4 */
	assert_int_equal(load(g, false, false), -EBUSY);
	assert_int_equal(fixture_moving(&g->new), 0);
	assert_int_equal(load(g, true, true), 0);
	assert_int_equal(fixture_moving(&g->new), 0); /* only rehearsed */
	assert_int_equal(load(g, true, false), 0);
	assert_true(fixture_moving(&g->new) > 0);
	assert_true(fixture_held(&g->new) > 0);
	fixture_run(&g->new, 5 * NS_PER_S);
	assert_same_owners(g);
	assert_int_equal(fixture_state(&g->new, 3), NODE_RESERVE);
	fixture_check_rest(&g->new);
}

static void live_routes_never_go_to_who_is_not_here(void **state)
{
	struct gateways *g = *state;

	fill_old(g);
	fixture_join(&g->new, 2);
	assert_int_equal(load(g, true, false), -EBUSY);
	assert_non_null(
		strstr(cluster_refusal(g->new.cl), g->new.agent[2].name));
	fixture_start(&g->new, 2);
	fixture_start(&g->new, 3);
	fixture_run(&g->new, 2 * NS_PER_S);
	assert_int_equal(load(g, true, true), 0);
	fixture_silence(&g->new, 1);
	fixture_run(&g->new, 400 * MS);
	assert_int_equal(load(g, true, false), -EBUSY);
	assert_non_null(strstr(cluster_refusal(g->new.cl), "not well"));
}

static void node_the_table_does_not_name_registers_anew(void **state)
{
	struct gateways *g = *state;

	fill_old(g);
	fixture_join(&g->new, 5);
	assert_int_equal(load(g, true, false), 0);
	fixture_run(&g->new, 5 * NS_PER_S);
	assert_int_equal(fixture_node(&g->new, 4)->slot, 4);
	assert_int_equal(fixture_node(&g->new, 1)->slot, 3);
	fixture_check_rest(&g->new);
}

static void spoil_routes(struct gateways *g)
{
	g->saved.routes = ROUTES + 1;
}

static void spoil_slots(struct gateways *g)
{
	g->saved.slots = 2;
}

static void spoil_version(struct gateways *g)
{
	g->saved.version = UINT64_MAX;
}

static void spoil_name(struct gateways *g)
{
	strcpy(g->saved.nodes[0].name, "-x");
}

static void spoil_twin(struct gateways *g)
{
	memcpy(g->saved.nodes[0].name, g->saved.nodes[1].name, NODE_NAME_MAX);
}

static void spoil_slot(struct gateways *g)
{
	g->saved.nodes[0].slot = g->saved.nodes[1].slot;
}

static void spoil_gap(struct gateways *g)
{
	for (unsigned i = 0; i < g->saved.n_nodes; i++)
		if (g->saved.nodes[i].slot == 1)
			g->saved.nodes[i].slot = 4;
}

static void spoil_place(struct gateways *g)
{
	for (unsigned i = 0; i < g->saved.n_nodes; i++)
		if (g->saved.nodes[i].slot == 1)
			g->saved.nodes[i].reserve_at = 2;
}

static void spoil_address(struct gateways *g)
{
	memset(g->saved.nodes[0].addr, 0, sizeof(g->saved.nodes[0].addr));
}

static void spoil_beyond(struct gateways *g)
{
	g->saved.nodes[0].slot = NODES_MAX + 1;
}

static void table_that_contradicts_itself_changes_nothing(void **state)
{
	static const struct {
		const char *title;
		void (*spoil)(struct gateways *);
	} rows[] = {
		{ "other routes", spoil_routes },
		{ "other number of slots", spoil_slots },
		{ "a version that cannot be", spoil_version },
		{ "no name", spoil_name },
		{ "a name twice", spoil_twin },
		{ "a slot twice", spoil_slot },
		{ "a slot missing", spoil_gap },
		{ "in a slot and in reserve", spoil_place },
		{ "no address", spoil_address },
		{ "a slot beyond all", spoil_beyond },
	};
	struct gateways *g = *state;

	fill_old(g);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		cluster_saved_fini(&g->saved);
		assert_int_equal(cluster_save(g->old.cl, &g->saved), 0);
		rows[i].spoil(g);
		if (load(g, true, false) != -EINVAL)
			fail_msg("%s is taken", rows[i].title);
		assert_true(cluster_refusal(g->new.cl)[0]);
		assert_int_equal(cluster_node_count(g->new.cl), 0);
		assert_int_equal(g->new.version, 0);
	}
}

static void address_of_a_node_that_is_here_is_not_given_away(void **state)
{
	struct gateways *g = *state;

	fill_old(g);
	fixture_order(&g->new, EVENT_FREEZE, 0);
	fixture_start(&g->new, 0);
	strcpy(g->saved.nodes[0].name, "another");
	assert_int_equal(load(g, false, false), -EBUSY);
	assert_int_equal(cluster_node_count(g->new.cl), 1);
}

static void loaded_table_outlives_a_restart(void **state)
{
	struct gateways *g = *state;

	fill_old(g);
	assert_int_equal(load(g, false, false), 0);
	fixture_restart(&g->new);
	start_all(&g->new, 4);
	fixture_run(&g->new, 20 * NS_PER_S);
	assert_same_owners(g);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(loaded_table_has_the_owners_it_had),
		T(nodes_that_came_to_a_frozen_gateway_take_their_places),
		T(node_that_does_not_come_is_replaced_after_the_grace),
		T(node_whose_server_is_down_is_replaced_at_once),
		T(version_never_goes_backwards),
		T(live_routes_move_only_if_they_may_and_by_handovers),
		T(live_routes_never_go_to_who_is_not_here),
		T(node_the_table_does_not_name_registers_anew),
		T(table_that_contradicts_itself_changes_nothing),
		T(address_of_a_node_that_is_here_is_not_given_away),
		T(loaded_table_outlives_a_restart),
	};

	return cmocka_run_group_tests_name("cluster_load", tests, NULL, NULL);
}
