/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "../lib/packet_world/packet_world.h"

#define ALL    ((struct route_set){ 0 }) /* count 0: every route */
#define ENOUGH 1000

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

static void assert_reset(const struct world *w, unsigned i, const char *src,
			 const char *dst, uint32_t seq)
{
	const struct world_packet *p = &w->sent[i];

	assert_true(i < w->n_sent);
	assert_true(packet_is_sound(p->data, p->len));
	assert_true(packet_src_is(p->data, src));
	assert_true(packet_dst_is(p->data, dst));
	assert_int_equal(packet_get32(p->data, 24), seq);
	assert_int_equal(p->data[33], RST);
}

static bool end(struct world *w, struct route_set routes, bool forced)
{
	return engine_end_flows(w->engine, TAG_A, &routes, forced, ENOUGH,
				w->now_ns);
}

static void a_forced_end_resets_the_client_at_its_next_byte(void **state)
{
	struct world *w = *state;

	world_establish(w, 40000, BROWSER);
	world_assign(w, 1, 24, 2);
	assert_true(end(w, ALL, true));
	assert_int_equal(w->n_sent, 1);
	assert_reset(w, 0, WORLD_VIP, WORLD_CLIENT, 5201);
	assert_int_equal(world_flows(w), 0);
	assert_int_equal(world_count(w, REASON_RESET_CLIENT), 1);
	assert_int_equal(world_count(w, REASON_RESET_NODE), 0);
}

static void
a_lost_segment_gets_a_second_reset_where_the_client_waits(void **state)
{
	struct world *w = *state;
	struct packet_spec lost = world_node_tcp(ACK, 5201, 1101, 1448);

	world_establish(w, 40000, BROWSER);
	world_from_node(w, &lost);
	end(w, ALL, true);
	assert_int_equal(w->n_sent, 2);
	assert_reset(w, 0, WORLD_VIP, WORLD_CLIENT, 6649);
	assert_reset(w, 1, WORLD_VIP, WORLD_CLIENT, 5201);
}

static void retransmissions_and_keepalives_do_not_lower_the_mark(void **state)
{
	struct world *w = *state;
	struct packet_spec again = world_node_tcp(ACK, 5001, 1101, 200);
	struct packet_spec keepalive = world_node_tcp(ACK, 5200, 1101, 0);

	world_establish(w, 40000, BROWSER);
	world_from_node(w, &again);
	world_from_node(w, &keepalive);
	end(w, ALL, true);
	assert_int_equal(w->n_sent, 1);
	assert_reset(w, 0, WORLD_VIP, WORLD_CLIENT, 5201);
}

static void sequence_numbers_wrap(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 7, 0, 0);
	struct packet_spec syn_ack =
		world_node_tcp(SYN | ACK, 0xfffffff0, 8, 0);
	struct packet_spec ack = world_client_tcp(ACK, 8, 0xfffffff1, 0);
	struct packet_spec data = world_node_tcp(ACK, 0xfffffff1, 8, 100);

	world_from_client(w, &syn);
	world_from_node(w, &syn_ack);
	world_from_client(w, &ack);
	world_from_node(w, &data);
	end(w, ALL, true);
	assert_reset(w, 0, WORLD_VIP, WORLD_CLIENT, 0x55);
}

static void a_planned_end_resets_both_sides(void **state)
{
	struct world *w = *state;

	world_establish(w, 40000, BROWSER);
	end(w, ALL, false);
	assert_int_equal(w->n_sent, 2);
	assert_reset(w, 0, WORLD_CLIENT, WORLD_NODE_A, 1101);
	assert_reset(w, 1, WORLD_VIP, WORLD_CLIENT, 5201);
	assert_int_equal(world_count(w, REASON_RESET_NODE), 1);
}

static void a_planned_end_leaves_services_with_keep_alone(void **state)
{
	struct world *w = *state;
	struct packet_spec data = world_client_tcp(ACK, 1101, 5201, 10);
	struct packet_spec syn = world_client_tcp(SYN, 1, 0, 0);

	world_establish(w, 40000, APP_KEEP);
	world_assign(w, 1, 24, 2);
	end(w, ALL, false);
	assert_int_equal(w->n_sent, 0);
	data.dst_port = syn.dst_port = APP_KEEP;
	assert_int_equal(world_from_client(w, &data), VERDICT_REWRITE);
	assert_true(packet_dst_is(w->last.data, WORLD_NODE_A));
	syn.src_port = 40001;
	assert_int_equal(world_from_client(w, &syn), VERDICT_REWRITE);
	assert_true(packet_dst_is(w->last.data, WORLD_NODE_B));
	end(w, ALL, true);
	assert_int_equal(w->n_sent, 1);
	assert_int_equal(world_flows(w), 1);
}

static void only_flows_of_the_tag_and_the_routes_end(void **state)
{
	struct world *w = *state;
	struct packet_spec to_b = world_client_tcp(SYN, 1, 0, 0);

	world_establish(w, 40001, BROWSER);
	world_establish(w, 40002, BROWSER + 1);
	world_assign(w, 3, 3, 2);
	to_b.dst_port = BROWSER + 2;
	world_from_client(w, &to_b);
	end(w, world_route(2), true);
	assert_int_equal(world_flows(w), 2);
	assert_int_equal(packet_get16(w->sent[0].data, 22), 40002);
}

static void an_unanswered_syn_is_replayed_to_the_new_node(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);
	struct packet_spec answer = world_node_tcp(SYN | ACK, 9000, 1001, 0);
	struct built expected;

	syn.tcp_options = 20;
	world_from_client(w, &syn);
	world_assign(w, 1, 24, 2);
	end(w, ALL, true);
	syn.dst = WORLD_NODE_B;
	expected = packet_build(&syn);
	assert_int_equal(w->n_sent, 1);
	assert_int_equal(w->sent[0].len, expected.len);
	assert_memory_equal(w->sent[0].data, expected.data, expected.len);
	assert_int_equal(world_count(w, REASON_REPLAYED), 1);

	answer.src = WORLD_NODE_B;
	assert_int_equal(world_from_node(w, &answer), VERDICT_REWRITE);
	assert_true(packet_src_is(w->last.data, WORLD_VIP));
}

static void the_latest_syn_of_a_port_is_the_one_replayed(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);

	world_from_client(w, &syn);
	syn.seq = 9000;
	world_from_client(w, &syn);
	world_assign(w, 1, 24, 2);
	end(w, ALL, true);
	assert_int_equal(w->n_sent, 1);
	assert_int_equal(packet_get32(w->sent[0].data, 24), 9000);
}

static void a_syn_too_long_to_be_kept_waits_for_its_retransmission(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 500);

	world_from_client(w, &syn);
	world_assign(w, 1, 24, 2);
	end(w, ALL, true);
	assert_int_equal(w->n_sent, 0);
	assert_int_equal(world_from_client(w, &syn), VERDICT_REWRITE);
	assert_true(packet_dst_is(w->last.data, WORLD_NODE_B));
}

static void ipv6_clients_are_reset_and_replayed_as_well(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = { .src = WORLD_CLIENT_V6,
				   .dst = WORLD_VIP_V6,
				   .src_port = 1,
				   .dst_port = BROWSER,
				   .flags = SYN };
	struct packet_spec answer = { .src = WORLD_NODE_A_V6,
				      .dst = WORLD_CLIENT_V6,
				      .src_port = BROWSER,
				      .dst_port = 1,
				      .flags = SYN | ACK,
				      .seq = 70,
				      .ack = 1 };

	world_from_client(w, &syn);
	end(w, ALL, true); /* to the same node: the table did not change */
	assert_int_equal(w->n_sent, 1);
	assert_true(packet_is_sound(w->sent[0].data, w->sent[0].len));
	assert_true(packet_dst_is(w->sent[0].data, WORLD_NODE_A_V6));
	world_from_node(w, &answer);
	end(w, ALL, true);
	assert_int_equal(w->n_sent, 2);
	assert_true(packet_is_sound(w->sent[1].data, w->sent[1].len));
	assert_true(packet_src_is(w->sent[1].data, WORLD_VIP_V6));
	assert_int_equal(packet_get32(w->sent[1].data, 44), 71);
}

static void a_replayed_partial_checksum_is_complete(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);
	struct packet p = { .direction = FROM_CLIENT, .csum_not_ready = true };
	struct built b;

	syn.partial = true;
	b = packet_build(&syn);
	p.data = b.data;
	p.len = (uint32_t)b.len;
	engine_packet(w->engine, &p, w->now_ns);
	world_assign(w, 1, 24, 2);
	end(w, ALL, true);
	assert_true(packet_is_sound(w->sent[0].data, w->sent[0].len));
}

static void a_corrupted_syn_is_not_repaired_by_its_replay(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);
	struct built b = packet_build(&syn);

	b.data[34] ^= 0x40; /* the window */
	world_put(w, &b, FROM_CLIENT);
	world_assign(w, 1, 24, 2);
	end(w, ALL, true);
	assert_int_equal(packet_check_error(w->sent[0].data, 40),
			 packet_check_error(b.data, 40));
}

static void a_planned_end_replays_too_and_tells_the_node(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);

	world_from_client(w, &syn);
	world_assign(w, 1, 24, 2);
	end(w, ALL, false);
	assert_int_equal(w->n_sent, 2);
	assert_reset(w, 0, WORLD_CLIENT, WORLD_NODE_A, 1001);
	assert_true(packet_dst_is(w->sent[1].data, WORLD_NODE_B));
}

static void a_syn_whose_route_lost_its_node_is_refused(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);

	world_from_client(w, &syn);
	world_assign(w, 1, 24, 0);
	end(w, ALL, true);
	assert_int_equal(w->n_sent, 1);
	assert_true(packet_is_sound(w->sent[0].data, 40));
	assert_int_equal(packet_get32(w->sent[0].data, 28), 1001);
	assert_int_equal(w->sent[0].data[33], RST | ACK);
	assert_int_equal(world_flows(w), 0);
}

static void a_syn_waits_for_a_node_while_its_route_is_held(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);
	struct route_set one = world_route(1);

	world_from_client(w, &syn);
	engine_hold(w->engine, &one);
	world_assign(w, 1, 24, 0);
	end(w, ALL, true);
	assert_int_equal(w->n_sent, 0);
	assert_int_equal(world_from_client(w, &syn), VERDICT_HOLD);
}

static void a_syn_that_was_answered_is_reset_not_replayed(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);
	struct packet_spec answer = world_node_tcp(SYN | ACK, 5000, 1001, 0);

	world_from_client(w, &syn);
	world_from_node(w, &answer);
	world_assign(w, 1, 24, 2);
	end(w, ALL, true);
	assert_int_equal(w->n_sent, 1);
	assert_reset(w, 0, WORLD_VIP, WORLD_CLIENT, 5001);
}

static void udp_flows_vanish_and_go_to_the_new_node(void **state)
{
	struct world *w = *state;
	struct packet_spec in = { .src = WORLD_CLIENT,
				  .dst = WORLD_VIP,
				  .protocol = IPPROTO_UDP,
				  .src_port = 40000,
				  .dst_port = DATAGRAMS };

	world_from_client(w, &in);
	world_assign(w, 1, 24, 2);
	end(w, ALL, true);
	assert_int_equal(w->n_sent, 0);
	assert_int_equal(world_flows(w), 0);
	assert_int_equal(world_from_client(w, &in), VERDICT_REWRITE);
	assert_true(packet_dst_is(w->last.data, WORLD_NODE_B));
}

static void a_connection_that_was_reset_is_ended_in_silence(void **state)
{
	struct world *w = *state;
	struct packet_spec rst = world_client_tcp(RST, 1101, 0, 0);

	world_establish(w, 40000, BROWSER);
	world_from_client(w, &rst);
	end(w, ALL, false);
	assert_int_equal(w->n_sent, 0);
	assert_int_equal(world_flows(w), 0);
}

static void the_work_keeps_to_its_budget_and_goes_on(void **state)
{
	struct world *w = *state;
	struct route_set all = ALL;
	int calls = 1;

	for (uint16_t i = 0; i < 50; i++)
		world_establish(w, (uint16_t)(1000 + i), BROWSER);
	assert_false(
		engine_end_flows(w->engine, TAG_A, &all, true, 10, w->now_ns));
	assert_int_equal(w->n_sent, 10);
	while (!engine_end_flows_more(w->engine, 10, w->now_ns))
		calls++;
	assert_in_range(calls, 4, 6);
	assert_int_equal(w->n_sent, 50);
	assert_int_equal(world_flows(w), 0);
}

static void many_ends_queue_up_and_none_is_lost(void **state)
{
	struct world *w = *state;
	struct route_set all = ALL;

	for (uint16_t i = 0; i < 10; i++)
		world_establish(w, (uint16_t)(1000 + i), BROWSER);
	for (uint32_t tag = 200; tag < 400; tag++)
		engine_end_flows(w->engine, tag, &all, true, 0, w->now_ns);
	engine_end_flows(w->engine, TAG_A, &all, true, 0, w->now_ns);
	assert_int_equal(world_flows(w), 10);
	while (!engine_end_flows_more(w->engine, 100, w->now_ns))
		;
	assert_int_equal(world_flows(w), 0);
}

static void
a_stale_flow_is_reset_on_both_sides_by_the_clients_segment(void **state)
{
	struct world *w = *state;
	struct packet_spec data = world_client_tcp(ACK, 1101, 5201, 10);

	world_establish(w, 40000, BROWSER);
	world_assign(w, 1, 1, 2);
	assert_int_equal(world_from_client(w, &data), VERDICT_DROP);
	assert_int_equal(w->n_sent, 3);
	assert_reset(w, 0, WORLD_CLIENT, WORLD_NODE_A, 1111);
	assert_reset(w, 1, WORLD_CLIENT, WORLD_NODE_A, 1101);
	assert_reset(w, 2, WORLD_VIP, WORLD_CLIENT, 5201);
	assert_int_equal(world_count(w, REASON_STALE_FLOW), 1);
	assert_int_equal(world_flows(w), 0);
}

static void
a_stale_flow_is_reset_on_both_sides_by_the_nodes_segment(void **state)
{
	struct world *w = *state;
	struct packet_spec data = world_node_tcp(ACK, 5201, 1101, 10);

	world_establish(w, 40000, BROWSER);
	world_assign(w, 1, 1, 2);
	assert_int_equal(world_from_node(w, &data), VERDICT_DROP);
	assert_int_equal(w->n_sent, 2);
	assert_reset(w, 0, WORLD_VIP, WORLD_CLIENT, 5201);
	assert_reset(w, 1, WORLD_CLIENT, WORLD_NODE_A, 1101);
	assert_int_equal(world_flows(w), 0);
}

static void a_former_instance_is_cut_off_from_the_new_ones_flow(void **state)
{
	struct world *w = *state;
	struct packet_spec data = world_node_tcp(ACK, 5201, 1101, 10);

	world_establish(w, 40000, BROWSER);
	data.src = WORLD_NODE_B;
	assert_int_equal(world_from_node(w, &data), VERDICT_DROP);
	assert_int_equal(w->n_sent, 1);
	assert_reset(w, 0, WORLD_CLIENT, WORLD_NODE_B, 1101);
	assert_int_equal(world_count(w, REASON_STALE_FLOW), 1);
	assert_int_equal(world_flows(w), 1);
}

static void a_syn_on_a_stale_flow_begins_anew(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);

	world_from_client(w, &syn);
	world_assign(w, 1, 1, 2);
	assert_int_equal(world_from_client(w, &syn), VERDICT_REWRITE);
	assert_true(packet_dst_is(w->last.data, WORLD_NODE_B));
	assert_int_equal(world_flows(w), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_forced_end_resets_the_client_at_its_next_byte),
		TEST(a_lost_segment_gets_a_second_reset_where_the_client_waits),
		TEST(retransmissions_and_keepalives_do_not_lower_the_mark),
		TEST(sequence_numbers_wrap),
		TEST(a_planned_end_resets_both_sides),
		TEST(a_planned_end_leaves_services_with_keep_alone),
		TEST(only_flows_of_the_tag_and_the_routes_end),
		TEST(an_unanswered_syn_is_replayed_to_the_new_node),
		TEST(the_latest_syn_of_a_port_is_the_one_replayed),
		TEST(a_syn_too_long_to_be_kept_waits_for_its_retransmission),
		TEST(ipv6_clients_are_reset_and_replayed_as_well),
		TEST(a_replayed_partial_checksum_is_complete),
		TEST(a_corrupted_syn_is_not_repaired_by_its_replay),
		TEST(a_planned_end_replays_too_and_tells_the_node),
		TEST(a_syn_whose_route_lost_its_node_is_refused),
		TEST(a_syn_waits_for_a_node_while_its_route_is_held),
		TEST(a_syn_that_was_answered_is_reset_not_replayed),
		TEST(udp_flows_vanish_and_go_to_the_new_node),
		TEST(a_connection_that_was_reset_is_ended_in_silence),
		TEST(the_work_keeps_to_its_budget_and_goes_on),
		TEST(many_ends_queue_up_and_none_is_lost),
		TEST(a_stale_flow_is_reset_on_both_sides_by_the_clients_segment),
		TEST(a_stale_flow_is_reset_on_both_sides_by_the_nodes_segment),
		TEST(a_former_instance_is_cut_off_from_the_new_ones_flow),
		TEST(a_syn_on_a_stale_flow_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
