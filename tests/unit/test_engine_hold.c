/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "../lib/packet_world/packet_world.h"

#define HELD_MAX 16 /* a quarter of them for one client's address */

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

static void hold(struct world *w, uint16_t route)
{
	struct route_set r = world_route(route);

	engine_hold(w->engine, &r);
}

static void release(struct world *w, uint16_t route)
{
	struct route_set r = world_route(route);

	engine_release(w->engine, &r, w->now_ns);
}

static void a_held_syn_goes_to_the_node_of_the_release(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);
	struct built expected;

	hold(w, 1);
	assert_int_equal(world_from_client(w, &syn), VERDICT_HOLD);
	world_assign(w, 1, 1, 2);
	assert_int_equal(w->n_settled, 0);
	release(w, 1);

	syn.dst = WORLD_NODE_B;
	expected = packet_build(&syn);
	assert_int_equal(w->n_settled, 1);
	assert_int_equal(w->settled[0].id, 1);
	assert_int_equal(w->settled[0].verdict, VERDICT_REWRITE);
	assert_int_equal(w->settled[0].len, expected.len);
	assert_memory_equal(w->settled[0].data, expected.data, expected.len);
	assert_int_equal(world_count(w, REASON_RELEASED), 1);
	assert_int_equal(held(w), 0);
}

static void only_the_routes_that_are_held_wait(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);

	hold(w, 2);
	assert_int_equal(world_from_client(w, &syn), VERDICT_REWRITE);
	syn.dst_port = BROWSER + 1;
	assert_int_equal(world_from_client(w, &syn), VERDICT_HOLD);
	syn.dst_port = APP_KEEP + 1;
	assert_int_equal(world_from_client(w, &syn), VERDICT_HOLD);
	release(w, 1);
	assert_int_equal(w->n_settled, 0);
	release(w, 2);
	assert_int_equal(w->n_settled, 2);
}

static void established_flows_do_not_wait(void **state)
{
	struct world *w = *state;
	struct packet_spec data = world_client_tcp(ACK, 1101, 5201, 10);

	world_establish(w, 40000, BROWSER);
	hold(w, 1);
	assert_int_equal(world_from_client(w, &data), VERDICT_REWRITE);
}

static void a_retransmitted_syn_is_held_once(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);

	hold(w, 1);
	world_from_client(w, &syn);
	assert_int_equal(world_from_client(w, &syn), VERDICT_DROP);
	assert_int_equal(world_count(w, REASON_HELD_DUPLICATE), 1);
	syn.seq++; /* another connection of the same port */
	assert_int_equal(world_from_client(w, &syn), VERDICT_HOLD);
	release(w, 1);
	assert_int_equal(w->n_settled, 2);
	assert_int_equal(world_flows(w), 1);
}

static void a_client_may_not_fill_the_hold(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);
	int held_ones = 0;

	hold(w, 1);
	for (int i = 0; i < HELD_MAX; i++, syn.src_port++)
		held_ones += world_from_client(w, &syn) == VERDICT_HOLD;
	assert_int_equal(held_ones, HELD_MAX / 4);
	assert_int_equal(world_count(w, REASON_HELD_FULL),
			 HELD_MAX - HELD_MAX / 4);
	syn.src = "198.18.0.2";
	assert_int_equal(world_from_client(w, &syn), VERDICT_HOLD);
}

static void the_hold_is_bounded_and_usable_again(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);
	char source[] = "198.18.1.10";

	for (int round = 0; round < 3; round++) {
		world_forget_sent(w);
		hold(w, 1);
		syn.src = source;
		for (int i = 0; i < HELD_MAX + 4; i++) {
			source[9] = (char)('1' + i / 10);
			source[10] = (char)('0' + i % 10);
			world_from_client(w, &syn);
		}
		assert_int_equal(held(w), HELD_MAX);
		release(w, 1);
		assert_int_equal(w->n_settled, HELD_MAX);
		assert_int_equal(held(w), 0);
		world_assign(w, 1, 1, round % 2 ? 1 : 2);
	}
}

static void datagrams_wait_with_their_payload(void **state)
{
	struct world *w = *state;
	struct packet_spec in = { .src = WORLD_CLIENT,
				  .dst = WORLD_VIP,
				  .protocol = IPPROTO_UDP,
				  .src_port = 40000,
				  .dst_port = DATAGRAMS,
				  .payload = 1472 };

	hold(w, 1);
	assert_int_equal(world_from_client(w, &in), VERDICT_HOLD);
	assert_int_equal(world_from_client(w, &in), VERDICT_HOLD);
	in.payload = 1473;
	assert_int_equal(world_from_client(w, &in), VERDICT_DROP);
	release(w, 1);
	assert_int_equal(w->n_settled, 2);
	assert_int_equal(w->settled[1].len, 1500);
	assert_true(packet_is_sound(w->settled[1].data, 1500));
	assert_int_equal(world_flows(w), 1);
}

static void a_release_without_a_node_refuses(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);

	hold(w, 1);
	world_from_client(w, &syn);
	world_assign(w, 1, 1, 0);
	release(w, 1);
	assert_int_equal(w->settled[0].verdict, VERDICT_DROP);
	assert_int_equal(w->n_sent, 1);
	assert_int_equal(w->sent[0].data[33], RST | ACK);
	assert_int_equal(world_count(w, REASON_UNOWNED), 1);
	assert_int_equal(world_count(w, REASON_RELEASED), 0);
}

static void a_held_partial_checksum_is_completed_at_the_release(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);
	struct packet p = { .direction = FROM_CLIENT,
			    .csum_not_ready = true,
			    .id = 9 };
	struct built b;

	syn.partial = true;
	b = packet_build(&syn);
	p.data = b.data;
	p.len = (uint32_t)b.len;
	hold(w, 1);
	assert_int_equal(engine_packet(w->engine, &p, w->now_ns), VERDICT_HOLD);
	release(w, 1);
	assert_int_equal(w->settled[0].id, 9);
	assert_true(packet_is_sound(w->settled[0].data, w->settled[0].len));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_held_syn_goes_to_the_node_of_the_release),
		TEST(only_the_routes_that_are_held_wait),
		TEST(established_flows_do_not_wait),
		TEST(a_retransmitted_syn_is_held_once),
		TEST(a_client_may_not_fill_the_hold),
		TEST(the_hold_is_bounded_and_usable_again),
		TEST(datagrams_wait_with_their_payload),
		TEST(a_release_without_a_node_refuses),
		TEST(a_held_partial_checksum_is_completed_at_the_release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
