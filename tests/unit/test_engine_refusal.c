/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "../lib/packet_world/packet_world.h"

#define HELD_MAX 16 /* a quarter of them for one client's address */
#define PATIENCE (250 * NS_PER_MS)
#define ENOUGH	 1000

static int setup(void **state)
{
	*state = world_new(100, HELD_MAX);
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

static uint64_t held(const struct world *w)
{
	struct engine_stats stats;

	engine_stats(w->engine, &stats);
	return stats.held;
}

static struct packet_spec client_syn(uint16_t port)
{
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);

	syn.src_port = port;
	return syn;
}

static struct packet_spec node_rst(uint16_t port)
{
	struct packet_spec rst = world_node_tcp(RST | ACK, 0, 1001, 0);

	rst.dst_port = port;
	return rst;
}

/* A client's SYN, and what becomes of its refusal. */
static enum verdict refuse(struct world *w, uint16_t port)
{
	struct packet_spec syn = client_syn(port), rst = node_rst(port);

	world_from_client(w, &syn);
	return world_from_node(w, &rst);
}

static void wait_ns(struct world *w, uint64_t ns)
{
	w->now_ns += ns;
	engine_expire(w->engine, ENOUGH, w->now_ns);
}

static void end(struct world *w, bool forced)
{
	struct route_set all = { 0 };

	engine_end_flows(w->engine, TAG_A, &all, forced, ENOUGH, w->now_ns);
}

static void lose_node_a(struct world *w)
{
	world_assign(w, 1, 24, 2);
	end(w, true);
}

/* Settled packet i is what the client would have got without any delay. */
static void assert_passed(const struct world *w, unsigned i, uint16_t port)
{
	struct packet_spec rst = node_rst(port);
	struct built expected;

	rst.src = WORLD_VIP;
	expected = packet_build(&rst);
	assert_true(i < w->n_settled);
	assert_int_equal(w->settled[i].verdict, VERDICT_REWRITE);
	assert_int_equal(w->settled[i].len, expected.len);
	assert_memory_equal(w->settled[i].data, expected.data, expected.len);
}

static void a_refusal_is_held_and_told(void **state)
{
	struct world *w = *state;

	assert_int_equal(refuse(w, 40000), VERDICT_HOLD);
	assert_int_equal(w->n_settled, 0);
	assert_int_equal(w->n_refused, 1);
	assert_int_equal(w->refused[0].tag, TAG_A);
	assert_int_equal(w->refused[0].route, 1);
	assert_int_equal(held(w), 1);
	assert_int_equal(world_count(w, REASON_REFUSAL_HELD), 1);
	assert_int_equal(world_count(w, REASON_NODE_TO_CLIENT), 0);
}

static void a_reset_that_its_client_would_ignore_is_not_held(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = client_syn(40000);
	struct packet_spec stray = world_node_tcp(RST | ACK, 0, 555, 0);
	struct packet_spec late = world_node_tcp(RST, 5201, 0, 0);

	world_from_client(w, &syn);
	assert_int_equal(world_from_node(w, &stray), VERDICT_REWRITE);
	world_establish(w, 40001, BROWSER);
	late.dst_port = 40001;
	assert_int_equal(world_from_node(w, &late), VERDICT_REWRITE);
	assert_int_equal(w->n_refused, 0);
}

static void a_lost_nodes_refusal_never_reaches_the_client(void **state)
{
	struct world *w = *state;
	struct packet_spec accept = world_node_tcp(SYN | ACK, 9000, 1001, 0);

	refuse(w, 40000);
	lose_node_a(w);
	assert_int_equal(w->n_sent, 1);
	assert_true(packet_dst_is(w->sent[0].data, WORLD_NODE_B));
	assert_int_equal(w->sent[0].data[33], SYN);
	assert_int_equal(w->n_settled, 1);
	assert_int_equal(w->settled[0].id, 2);
	assert_int_equal(w->settled[0].verdict, VERDICT_DROP);
	assert_int_equal(held(w), 0);
	assert_int_equal(world_count(w, REASON_REFUSAL_AVERTED), 1);

	accept.src = WORLD_NODE_B;
	assert_int_equal(world_from_node(w, &accept), VERDICT_REWRITE);
	wait_ns(w, PATIENCE);
	assert_int_equal(w->n_settled, 1);
}

static void a_planned_end_averts_a_refusal_as_well(void **state)
{
	struct world *w = *state;

	refuse(w, 40000);
	world_assign(w, 1, 24, 2);
	end(w, false);
	assert_int_equal(w->settled[0].verdict, VERDICT_DROP);
	assert_int_equal(world_count(w, REASON_REPLAYED), 1);
}

static void a_refusal_of_a_node_that_is_well_is_passed_on_in_time(void **state)
{
	struct world *w = *state;
	struct packet_spec again = client_syn(40000);

	refuse(w, 40000);
	wait_ns(w, PATIENCE - 1);
	assert_int_equal(w->n_settled, 0);
	wait_ns(w, 1);
	assert_int_equal(w->n_settled, 1);
	assert_passed(w, 0, 40000);
	assert_int_equal(world_count(w, REASON_REFUSAL_PASSED), 1);
	lose_node_a(w);
	assert_int_equal(w->n_sent, 0); /* the client knows already */

	again.seq = 9000;
	assert_int_equal(world_from_client(w, &again), VERDICT_REWRITE);
	assert_true(packet_dst_is(w->last.data, WORLD_NODE_B));
}

static void refusals_are_passed_on_in_the_order_they_came(void **state)
{
	struct world *w = *state;

	refuse(w, 40002);
	wait_ns(w, 1);
	refuse(w, 40000);
	refuse(w, 40001);
	wait_ns(w, PATIENCE - 1);
	assert_int_equal(w->n_settled, 1);
	assert_passed(w, 0, 40002);
	wait_ns(w, 1);
	assert_int_equal(w->n_settled, 3);
	assert_passed(w, 1, 40000);
	assert_passed(w, 2, 40001);
}

static void a_refusal_outlives_its_flow(void **state)
{
	struct world *w = *state;

	refuse(w, 40000);
	for (uint16_t port = 1; port <= 100; port++) /* fill the flow table */
		world_establish(w, port, BROWSER);
	wait_ns(w, PATIENCE);
	assert_int_equal(w->n_settled, 1);
	assert_passed(w, 0, 40000);
}

static void ipv6_refusals_and_partial_checksums_are_passed_whole(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = { .src = WORLD_CLIENT_V6,
				   .dst = WORLD_VIP_V6,
				   .src_port = 40000,
				   .dst_port = BROWSER,
				   .flags = SYN };
	struct packet_spec rst = { .src = WORLD_NODE_A_V6,
				   .dst = WORLD_CLIENT_V6,
				   .src_port = BROWSER,
				   .dst_port = 40000,
				   .flags = RST | ACK,
				   .ack = 1,
				   .partial = true };
	struct packet p = { .direction = FROM_NODE, .csum_not_ready = true };
	struct built b = packet_build(&rst), before = b;

	world_from_client(w, &syn);
	p.data = b.data;
	p.len = (uint32_t)b.len;
	assert_int_equal(engine_packet(w->engine, &p, w->now_ns), VERDICT_HOLD);
	assert_memory_equal(b.data, before.data, b.len);
	wait_ns(w, PATIENCE);
	assert_true(packet_is_sound(w->settled[0].data, w->settled[0].len));
	assert_true(packet_src_is(w->settled[0].data, WORLD_VIP_V6));
}

static void a_corrupted_refusal_is_not_repaired(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = client_syn(40000), rst = node_rst(40000);
	struct built b = packet_build(&rst);

	b.data[34] ^= 0x40; /* the window */
	world_from_client(w, &syn);
	assert_int_equal(world_put(w, &b, FROM_NODE), VERDICT_HOLD);
	wait_ns(w, PATIENCE);
	assert_int_equal(packet_check_error(w->settled[0].data, b.len),
			 packet_check_error(b.data, b.len));
}

static void what_repeats_while_a_refusal_waits_is_dropped(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = client_syn(40000), rst = node_rst(40000);

	refuse(w, 40000);
	assert_int_equal(world_from_client(w, &syn), VERDICT_DROP);
	assert_int_equal(world_from_node(w, &rst), VERDICT_DROP);
	assert_int_equal(world_count(w, REASON_HELD_DUPLICATE), 2);
	assert_int_equal(held(w), 1);
}

static void another_syn_of_the_port_lets_the_refusal_pass_first(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = client_syn(40000);

	refuse(w, 40000);
	syn.seq = 9000;
	assert_int_equal(world_from_client(w, &syn), VERDICT_REWRITE);
	assert_int_equal(w->n_settled, 1);
	assert_passed(w, 0, 40000);
	assert_int_equal(world_flows(w), 1);
}

static void a_syn_after_the_table_changed_averts_the_refusal(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = client_syn(40000);

	refuse(w, 40000);
	world_assign(w, 1, 1, 2);
	assert_int_equal(world_from_client(w, &syn), VERDICT_REWRITE);
	assert_true(packet_dst_is(w->last.data, WORLD_NODE_B));
	assert_int_equal(w->settled[0].verdict, VERDICT_DROP);
	wait_ns(w, PATIENCE);
	assert_int_equal(w->n_settled, 1);
}

static void a_refusal_after_the_table_changed_is_averted_at_once(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = client_syn(40000), rst = node_rst(40000);

	world_from_client(w, &syn);
	world_assign(w, 1, 1, 2);
	assert_int_equal(world_from_node(w, &rst), VERDICT_DROP);
	assert_int_equal(world_count(w, REASON_REPLAYED), 1);
	assert_int_equal(w->n_refused, 0);
}

static void a_node_that_accepts_after_all_is_believed(void **state)
{
	struct world *w = *state;
	struct packet_spec accept = world_node_tcp(SYN | ACK, 5000, 1001, 0);
	struct packet_spec ack = world_client_tcp(ACK, 1001, 5001, 0);

	refuse(w, 40000);
	assert_int_equal(world_from_node(w, &accept), VERDICT_REWRITE);
	wait_ns(w, PATIENCE);
	assert_int_equal(w->settled[0].verdict, VERDICT_DROP);
	assert_int_equal(world_count(w, REASON_REFUSAL_AVERTED), 1);
	assert_int_equal(world_from_client(w, &ack), VERDICT_REWRITE);
}

static void with_no_node_left_the_client_is_refused_at_once(void **state)
{
	struct world *w = *state;

	refuse(w, 40000);
	world_assign(w, 1, 24, 0);
	end(w, true);
	assert_int_equal(w->n_sent, 0); /* one refusal is enough */
	assert_int_equal(w->n_settled, 1);
	assert_passed(w, 0, 40000);
	assert_int_equal(world_flows(w), 0);
}

static void with_no_node_yet_the_clients_next_syn_waits(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = client_syn(40000);
	struct route_set one = world_route(1);

	refuse(w, 40000);
	engine_hold(w->engine, &one);
	world_assign(w, 1, 24, 0);
	end(w, true);
	assert_int_equal(w->n_sent, 0);
	assert_int_equal(w->settled[0].verdict, VERDICT_DROP);
	assert_int_equal(world_from_client(w, &syn), VERDICT_HOLD);
}

static void refusals_without_room_are_passed_on_at_once(void **state)
{
	struct world *w = *state;

	for (uint16_t i = 0; i < HELD_MAX / 4; i++)
		assert_int_equal(refuse(w, 40000 + i), VERDICT_HOLD);
	assert_int_equal(refuse(w, 50000), VERDICT_REWRITE);
	assert_true(packet_src_is(w->last.data, WORLD_VIP));
	assert_int_equal(world_count(w, REASON_REFUSAL_FULL), 1);
	wait_ns(w, PATIENCE);
	assert_int_equal(w->n_settled, HELD_MAX / 4);
	assert_int_equal(refuse(w, 50001), VERDICT_HOLD);
}

static void an_instance_that_goes_on_refusing_is_told_now_and_then(void **state)
{
	struct world *w = *state;

	refuse(w, 40000);
	refuse(w, 40001);
	assert_int_equal(w->n_refused, 1);
	wait_ns(w, 10 * NS_PER_MS);
	refuse(w, 40002);
	assert_int_equal(w->n_refused, 2);
}

static void another_instances_refusal_is_told_at_once(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = client_syn(40000), rst = node_rst(40000);

	refuse(w, 40001);
	world_assign(w, 2, 2, 2);
	syn.dst_port = rst.src_port = BROWSER + 1;
	rst.src = WORLD_NODE_B;
	world_from_client(w, &syn);
	assert_int_equal(world_from_node(w, &rst), VERDICT_HOLD);
	assert_int_equal(w->n_refused, 2);
	assert_int_equal(w->refused[1].tag, TAG_B);
	assert_int_equal(w->refused[1].route, 2);
}

static void a_refused_datagram_is_told_to_its_client_at_once(void **state)
{
	struct world *w = *state;
	struct packet_spec in = { .src = WORLD_CLIENT,
				  .dst = WORLD_VIP,
				  .protocol = IPPROTO_UDP,
				  .src_port = 40000,
				  .dst_port = DATAGRAMS };
	struct built unreachable;

	world_from_client(w, &in);
	unreachable = packet_build_error(WORLD_NODE_A, WORLD_CLIENT, 3, 3, 0,
					 w->last.data, w->last.len);
	assert_int_equal(world_put(w, &unreachable, FROM_NODE),
			 VERDICT_REWRITE);
	assert_int_equal(w->n_refused, 0);
	assert_int_equal(world_count(w, REASON_ICMP_TO_CLIENT), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_refusal_is_held_and_told),
		TEST(a_reset_that_its_client_would_ignore_is_not_held),
		TEST(a_lost_nodes_refusal_never_reaches_the_client),
		TEST(a_planned_end_averts_a_refusal_as_well),
		TEST(a_refusal_of_a_node_that_is_well_is_passed_on_in_time),
		TEST(refusals_are_passed_on_in_the_order_they_came),
		TEST(a_refusal_outlives_its_flow),
		TEST(ipv6_refusals_and_partial_checksums_are_passed_whole),
		TEST(a_corrupted_refusal_is_not_repaired),
		TEST(what_repeats_while_a_refusal_waits_is_dropped),
		TEST(another_syn_of_the_port_lets_the_refusal_pass_first),
		TEST(a_syn_after_the_table_changed_averts_the_refusal),
		TEST(a_refusal_after_the_table_changed_is_averted_at_once),
		TEST(a_node_that_accepts_after_all_is_believed),
		TEST(with_no_node_left_the_client_is_refused_at_once),
		TEST(with_no_node_yet_the_clients_next_syn_waits),
		TEST(refusals_without_room_are_passed_on_at_once),
		TEST(an_instance_that_goes_on_refusing_is_told_now_and_then),
		TEST(another_instances_refusal_is_told_at_once),
		TEST(a_refused_datagram_is_told_to_its_client_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
