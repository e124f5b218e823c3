// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Doors that come and go while the engine runs: what stays is not touched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "../lib/packet_world/packet_world.h"

static int setup(void **state)
{
	*state = world_new(100, 16);
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

/* Those of the world, without the ones whose port is named; more at will. */
static struct engine_conf doors_but(uint16_t gone, uint16_t more)
{
	static const struct engine_service all[] = {
		{ "browser", BROWSER, IPPROTO_TCP, false },
		{ "app", APP_KEEP, IPPROTO_TCP, true },
		{ "datagrams", DATAGRAMS, IPPROTO_UDP, false },
	};
	struct engine_conf c = { 0 };

	addr_parse(&c.vip[FAMILY_V4], WORLD_VIP);
	addr_parse(&c.vip[FAMILY_V6], WORLD_VIP_V6);
	if (more)
		c.services[c.n_services++] =
			(struct engine_service){ "more", more, IPPROTO_TCP,
						 false };
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].listen != gone)
			c.services[c.n_services++] = all[i];
	return c;
}

/* Until all that has to end has ended. */
static void set_doors(struct world *w, const struct engine_conf *c)
{
	world_forget_sent(w);
	engine_set_doors(w->engine, c, w->now_ns);
	while (!engine_end_flows_more(w->engine, 1, w->now_ns))
		;
}

static enum verdict data_from_client(struct world *w, uint16_t port,
				     uint16_t door)
{
	struct packet_spec s = world_client_tcp(ACK, 1101, 5201, 10);

	s.src_port = port;
	s.dst_port = door;
	return world_from_client(w, &s);
}

static void flows_of_doors_that_stay_go_on(void **state)
{
	struct world *w = *state;
	struct engine_conf c = doors_but(APP_KEEP, 6001);

	world_establish(w, 40000, BROWSER);
	world_establish(w, 40001, BROWSER + 5);
	set_doors(w, &c);
	assert_int_equal(w->n_sent, 0);
	assert_int_equal(world_flows(w), 2);
	assert_int_equal(data_from_client(w, 40000, BROWSER), VERDICT_REWRITE);
	assert_true(packet_dst_is(w->last.data, WORLD_NODE_A));
	assert_int_equal(data_from_client(w, 40001, BROWSER + 5),
			 VERDICT_REWRITE);
}

static void flows_of_doors_that_are_gone_are_reset_at_both_ends(void **state)
{
	struct world *w = *state;
	struct engine_conf c = doors_but(APP_KEEP, 0);

	world_establish(w, 40000, BROWSER);
	world_establish(w, 40001, APP_KEEP);
	set_doors(w, &c);
	assert_int_equal(world_flows(w), 1);
	assert_int_equal(world_count(w, REASON_RESET_CLIENT), 1);
	assert_int_equal(world_count(w, REASON_RESET_NODE), 1);
	for (unsigned i = 0; i < w->n_sent; i++)
		assert_true(packet_is_sound(w->sent[i].data, w->sent[i].len));
	assert_int_equal(data_from_client(w, 40001, APP_KEEP), VERDICT_ACCEPT);
	assert_int_equal(data_from_client(w, 40000, BROWSER), VERDICT_REWRITE);
}

static void an_unanswered_syn_of_a_door_that_is_gone_is_refused(void **state)
{
	struct world *w = *state;
	struct engine_conf c = doors_but(BROWSER, 0);
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);

	assert_int_equal(world_from_client(w, &syn), VERDICT_REWRITE);
	set_doors(w, &c);
	assert_int_equal(world_flows(w), 0);
	assert_int_equal(world_count(w, REASON_REPLAYED), 0);
	assert_int_equal(world_count(w, REASON_RESET_CLIENT), 1);
	assert_true(packet_src_is(w->sent[w->n_sent - 1].data, WORLD_VIP));
	assert_true(packet_dst_is(w->sent[w->n_sent - 1].data, WORLD_CLIENT));
}

static void clients_hear_from_the_address_they_know(void **state)
{
	struct world *w = *state;
	struct engine_conf c = doors_but(0, 0);
	bool told = false;

	world_establish(w, 40000, BROWSER);
	addr_parse(&c.vip[FAMILY_V4], "198.18.0.101");
	set_doors(w, &c);
	assert_int_equal(world_flows(w), 0);
	for (unsigned i = 0; i < w->n_sent; i++)
		told |= packet_dst_is(w->sent[i].data, WORLD_CLIENT) &&
			packet_src_is(w->sent[i].data, WORLD_VIP);
	assert_true(told);
}

static void a_new_door_is_served_at_once(void **state)
{
	struct world *w = *state;
	struct engine_conf c = doors_but(0, 6001);
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);

	syn.dst_port = 6003;
	assert_int_equal(world_from_client(w, &syn), VERDICT_ACCEPT);
	set_doors(w, &c);
	assert_int_equal(world_from_client(w, &syn), VERDICT_REWRITE);
	assert_true(packet_dst_is(w->last.data, WORLD_NODE_A));
}

/* Route 2's door becomes route 1's: its flows belong to another node. */
static void a_door_that_leads_elsewhere_ends_its_flows(void **state)
{
	struct world *w = *state;
	struct engine_conf c = doors_but(BROWSER, BROWSER + 1);

	world_establish(w, 40000, BROWSER + 1);
	set_doors(w, &c);
	assert_int_equal(world_flows(w), 0);
	assert_int_equal(world_count(w, REASON_RESET_CLIENT), 1);
}

static void what_waits_at_a_held_door_goes_on_afterwards(void **state)
{
	struct world *w = *state;
	struct engine_conf c = doors_but(APP_KEEP, 6001);
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);
	struct route_set first = world_route(1);

	engine_hold(w->engine, &first);
	assert_int_equal(world_from_client(w, &syn), VERDICT_HOLD);
	set_doors(w, &c);
	assert_int_equal(w->n_settled, 0);
	engine_release(w->engine, &first, w->now_ns);
	assert_int_equal(w->n_settled, 1);
	assert_int_equal(w->settled[0].verdict, VERDICT_REWRITE);
}

/* Nothing may look up the service of a flow that has none any more. */
static void flows_that_wait_for_their_end_are_nobodys(void **state)
{
	struct world *w = *state;
	struct engine_conf none = doors_but(APP_KEEP, 0);
	struct engine_conf again = doors_but(0, 0);
	struct flow_query any = { 0 };
	struct flow_view out[4];
	struct route_set all = world_all_routes();

	world_establish(w, 40000, APP_KEEP);
	world_establish(w, 40001, APP_KEEP + 1);
	engine_set_doors(w->engine, &none, w->now_ns);
	assert_int_equal(engine_flows(w->engine, &any, out, 4, w->now_ns), 0);
	engine_set_doors(w->engine, &again, w->now_ns); /* ends them first */
	assert_int_equal(world_flows(w), 0);
	world_establish(w, 40002, APP_KEEP);
	engine_set_doors(w->engine, &none, w->now_ns);
	engine_end_flows(w->engine, TAG_A, &all, false, 100, w->now_ns);
	while (!engine_end_flows_more(w->engine, 1, w->now_ns))
		;
	assert_int_equal(world_flows(w), 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(flows_of_doors_that_stay_go_on),
		test(flows_of_doors_that_are_gone_are_reset_at_both_ends),
		test(an_unanswered_syn_of_a_door_that_is_gone_is_refused),
		test(clients_hear_from_the_address_they_know),
		test(a_new_door_is_served_at_once),
		test(a_door_that_leads_elsewhere_ends_its_flows),
		test(what_waits_at_a_held_door_goes_on_afterwards),
		test(flows_that_wait_for_their_end_are_nobodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
