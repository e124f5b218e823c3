/* SPDX-License-Identifier: GPL-2.0-or-later */
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

static void assert_sent_reset(const struct world *w, unsigned i,
			      const char *src, const char *dst, uint32_t seq,
			      uint32_t ack, uint8_t flags)
{
	const struct world_packet *p = &w->sent[i];

	assert_true(i < w->n_sent);
	assert_int_equal(p->len, 40);
	assert_true(packet_is_sound(p->data, p->len));
	assert_true(packet_src_is(p->data, src));
	assert_true(packet_dst_is(p->data, dst));
	assert_int_equal(packet_get32(p->data, 24), seq);
	assert_int_equal(packet_get32(p->data, 28), ack);
	assert_int_equal(p->data[33], flags);
}

static void a_syn_goes_to_the_routes_node(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0), expected;
	struct built b;

	syn.tcp_options = 20;
	assert_int_equal(world_from_client(w, &syn), VERDICT_REWRITE);
	expected = syn;
	expected.dst = WORLD_NODE_A;
	b = packet_build(&expected);
	assert_memory_equal(w->last.data, b.data, b.len);
	assert_int_equal(world_count(w, REASON_NEW_FLOW), 1);
}

static void the_answer_comes_from_the_virtual_address(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);
	struct packet_spec answer = world_node_tcp(SYN | ACK, 5000, 1001, 0);
	struct built b;

	world_from_client(w, &syn);
	assert_int_equal(world_from_node(w, &answer), VERDICT_REWRITE);
	answer.src = WORLD_VIP;
	b = packet_build(&answer);
	assert_memory_equal(w->last.data, b.data, b.len);
	assert_int_equal(world_count(w, REASON_NODE_TO_CLIENT), 1);
}

static void a_connection_is_established_by_its_handshake(void **state)
{
	struct world *w = *state;
	struct flow_query any = { 0 };
	struct flow_view view;

	world_establish(w, 40000, BROWSER + 4);
	assert_int_equal(engine_flows(w->engine, &any, &view, 1, w->now_ns), 1);
	assert_true(view.established);
	assert_int_equal(view.route, 5);
	assert_int_equal(view.tag, TAG_A);
	assert_int_equal(view.client.port, 40000);
}

static void one_flow_is_found_by_its_client(void **state)
{
	struct world *w = *state;
	struct flow_query one = { .client.port = 40001,
				  .door.port = BROWSER + 5,
				  .protocol = IPPROTO_TCP };
	struct flow_view view;

	addr_parse(&one.client.addr, WORLD_CLIENT);
	addr_parse(&one.door.addr, WORLD_VIP);
	world_establish(w, 40000, BROWSER + 4);
	world_establish(w, 40001, BROWSER + 5);
	assert_int_equal(engine_flows(w->engine, &one, &view, 1, w->now_ns), 1);
	assert_int_equal(view.route, 6);
	one.door.port--;
	assert_int_equal(engine_flows(w->engine, &one, &view, 1, w->now_ns), 0);
	one.door.port++;
	one.protocol = IPPROTO_UDP;
	assert_int_equal(engine_flows(w->engine, &one, &view, 1, w->now_ns), 0);
}

static void ipv6_is_carried_both_ways(void **state)
{
	struct world *w = *state;
	struct packet_spec in = { .src = WORLD_CLIENT_V6,
				  .dst = WORLD_VIP_V6,
				  .src_port = 1,
				  .dst_port = BROWSER,
				  .flags = SYN };
	struct packet_spec out = { .src = WORLD_NODE_A_V6,
				   .dst = WORLD_CLIENT_V6,
				   .src_port = BROWSER,
				   .dst_port = 1,
				   .flags = SYN | ACK,
				   .ack = 1 };

	assert_int_equal(world_from_client(w, &in), VERDICT_REWRITE);
	assert_true(packet_dst_is(w->last.data, WORLD_NODE_A_V6));
	assert_true(packet_is_sound(w->last.data, w->last.len));
	assert_int_equal(world_from_node(w, &out), VERDICT_REWRITE);
	assert_true(packet_src_is(w->last.data, WORLD_VIP_V6));
	assert_true(packet_is_sound(w->last.data, w->last.len));
}

static void a_node_without_an_ipv6_address_refuses_ipv6(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = { .src = WORLD_CLIENT_V6,
				   .dst = WORLD_VIP_V6,
				   .src_port = 1,
				   .dst_port = BROWSER,
				   .flags = SYN };

	world_assign(w, 1, 1, 2);
	assert_int_equal(world_from_client(w, &syn), VERDICT_DROP);
	assert_int_equal(world_count(w, REASON_FAMILY), 1);
	assert_int_equal(w->n_sent, 1);
	assert_true(packet_is_sound(w->sent[0].data, w->sent[0].len));
	assert_int_equal(w->sent[0].data[53], RST | ACK);
}

static struct packet_spec datagram(const char *src, const char *dst,
				   uint16_t src_port, uint16_t dst_port)
{
	return (struct packet_spec){ .src = src,
				     .dst = dst,
				     .protocol = IPPROTO_UDP,
				     .src_port = src_port,
				     .dst_port = dst_port,
				     .payload = 11 };
}

static void udp_is_carried_both_ways(void **state)
{
	struct world *w = *state;
	struct packet_spec in =
		datagram(WORLD_CLIENT, WORLD_VIP, 40000, DATAGRAMS + 1);
	struct packet_spec out =
		datagram(WORLD_NODE_A, WORLD_CLIENT, DATAGRAMS + 1, 40000);

	assert_int_equal(world_from_client(w, &in), VERDICT_REWRITE);
	assert_true(packet_dst_is(w->last.data, WORLD_NODE_A));
	assert_true(packet_is_sound(w->last.data, w->last.len));
	assert_int_equal(world_from_node(w, &out), VERDICT_REWRITE);
	assert_true(packet_src_is(w->last.data, WORLD_VIP));
	assert_int_equal(world_flows(w), 1);
}

static void a_datagram_that_a_server_sends_first_founds_a_flow(void **state)
{
	struct world *w = *state;
	struct packet_spec out =
		datagram(WORLD_NODE_A, WORLD_CLIENT, DATAGRAMS, 40000);
	struct packet_spec other =
		datagram(WORLD_NODE_B, WORLD_CLIENT, DATAGRAMS, 40001);

	assert_int_equal(world_from_node(w, &out), VERDICT_REWRITE);
	assert_int_equal(world_from_node(w, &other), VERDICT_DROP);
	assert_int_equal(world_count(w, REASON_RESET_FLOWLESS), 1);
	assert_int_equal(w->n_sent, 0);
}

static void what_is_not_of_a_door_passes_as_it_was(void **state)
{
	struct world *w = *state;
	struct packet_spec others[] = {
		world_client_tcp(SYN, 1, 0, 0), /* port before the doors */
		world_client_tcp(SYN, 1, 0, 0), /* behind them */
		world_client_tcp(SYN, 1, 0, 0), /* another address */
		datagram(WORLD_CLIENT, WORLD_VIP, 1, BROWSER),
	};

	others[0].dst_port = BROWSER - 1;
	others[1].dst_port = BROWSER + WORLD_ROUTES;
	others[2].dst = "198.18.0.101";
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct built b = packet_build(&others[i]);

		assert_int_equal(world_put(w, &b, FROM_CLIENT), VERDICT_ACCEPT);
		assert_memory_equal(w->last.data, b.data, b.len);
	}
	assert_int_equal(world_count(w, REASON_NOT_OURS), 4);
}

static void a_nodes_own_connection_passes_as_it_was(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_node_tcp(SYN, 1, 0, 0);

	assert_int_equal(world_from_node(w, &syn), VERDICT_ACCEPT);
	assert_int_equal(world_count(w, REASON_NOT_OURS), 1);
}

static void our_own_answers_are_not_packets_of_a_node(void **state)
{
	struct world *w = *state;
	struct packet_spec rst = world_node_tcp(RST, 1, 0, 0);

	rst.src = WORLD_VIP;
	assert_int_equal(world_from_node(w, &rst), VERDICT_ACCEPT);
}

static void an_unowned_route_refuses_a_syn(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 5);

	world_assign(w, 1, 1, 0);
	assert_int_equal(world_from_client(w, &syn), VERDICT_DROP);
	assert_sent_reset(w, 0, WORLD_VIP, WORLD_CLIENT, 0, 1006, RST | ACK);
	assert_int_equal(world_count(w, REASON_UNOWNED), 1);
}

static void an_unowned_route_answers_a_datagram_by_unreachable(void **state)
{
	struct world *w = *state;
	struct packet_spec in =
		datagram(WORLD_CLIENT, WORLD_VIP, 40000, DATAGRAMS);
	struct packet_spec in6 =
		datagram(WORLD_CLIENT_V6, WORLD_VIP_V6, 40000, DATAGRAMS);
	const struct world_packet *v4 = &w->sent[0], *v6 = &w->sent[1];
	struct built b = packet_build(&in);

	world_assign(w, 1, 1, 0);
	assert_int_equal(world_from_client(w, &in), VERDICT_DROP);
	assert_int_equal(world_from_client(w, &in6), VERDICT_DROP);
	assert_int_equal(w->n_sent, 2);
	assert_true(packet_is_sound(v4->data, v4->len));
	assert_int_equal(packet_get16(v4->data, 20), 0x0303);
	assert_memory_equal(v4->data + 28, b.data, b.len);
	assert_true(packet_is_sound(v6->data, v6->len));
	assert_int_equal(packet_get16(v6->data, 40), 0x0104);
}

static void before_the_first_table_nobody_is_answered(void **state)
{
	struct engine_conf conf = {
		.routes = 24, .n_services = 1, .flows_max = 10, .held_max = 1
	};
	struct world w = { 0 };
	struct engine_sink sink = { 0 };
	struct packet_spec ack = world_client_tcp(ACK, 1, 1, 0);

	conf.services[0] = (struct engine_service){ "browser", BROWSER,
						    IPPROTO_TCP, false };
	addr_parse(&conf.vip[FAMILY_V4], WORLD_VIP);
	w.engine = engine_new(&conf, &sink);
	assert_int_equal(world_from_client(&w, &ack), VERDICT_DROP);
	engine_free(w.engine);
}

static void a_mid_stream_segment_without_a_flow_is_reset(void **state)
{
	struct world *w = *state;
	struct packet_spec with_ack = world_client_tcp(ACK, 77, 88, 5);
	struct packet_spec without = world_client_tcp(FIN, 77, 0, 5);
	struct packet_spec of_node = world_node_tcp(ACK, 55, 66, 9);

	assert_int_equal(world_from_client(w, &with_ack), VERDICT_DROP);
	assert_int_equal(world_from_client(w, &without), VERDICT_DROP);
	assert_int_equal(world_from_node(w, &of_node), VERDICT_DROP);
	assert_sent_reset(w, 0, WORLD_VIP, WORLD_CLIENT, 88, 0, RST);
	assert_sent_reset(w, 1, WORLD_VIP, WORLD_CLIENT, 0, 83, RST | ACK);
	assert_sent_reset(w, 2, WORLD_CLIENT, WORLD_NODE_A, 66, 0, RST);
	assert_int_equal(world_count(w, REASON_RESET_FLOWLESS), 3);
}

static void a_reset_is_never_answered(void **state)
{
	struct world *w = *state;
	struct packet_spec rst = world_client_tcp(RST | ACK, 77, 88, 0);
	struct packet_spec of_node = world_node_tcp(RST, 77, 0, 0);

	assert_int_equal(world_from_client(w, &rst), VERDICT_DROP);
	assert_int_equal(world_from_node(w, &of_node), VERDICT_DROP);
	assert_int_equal(w->n_sent, 0);
}

static void flows_of_unmoved_routes_are_relearned(void **state)
{
	struct world *w = *state;
	struct route_set all = world_all_routes();
	struct packet_spec of_client = world_client_tcp(ACK, 77, 88, 5);
	struct packet_spec of_node = world_node_tcp(ACK, 55, 66, 9);
	struct packet_spec syn_ack = world_node_tcp(SYN | ACK, 1, 2, 0);

	of_node.dst_port = 40001;
	syn_ack.dst_port = 40002;
	engine_set_relearn(w->engine, &all);
	assert_int_equal(world_from_client(w, &of_client), VERDICT_REWRITE);
	assert_int_equal(world_from_node(w, &of_node), VERDICT_REWRITE);
	assert_int_equal(world_from_node(w, &syn_ack), VERDICT_REWRITE);
	assert_int_equal(world_count(w, REASON_RELEARNED), 3);
	assert_int_equal(world_flows(w), 3);
}

static void a_node_that_does_not_serve_the_route_relearns_nothing(void **state)
{
	struct world *w = *state;
	struct route_set all = world_all_routes();
	struct packet_spec of_node = world_node_tcp(ACK, 55, 66, 9);

	of_node.src = WORLD_NODE_B;
	engine_set_relearn(w->engine, &all);
	assert_int_equal(world_from_node(w, &of_node), VERDICT_DROP);
	assert_sent_reset(w, 0, WORLD_CLIENT, WORLD_NODE_B, 66, 0, RST);
}

static void a_route_that_moved_is_relearned_no_more(void **state)
{
	struct world *w = *state;
	struct route_set all = world_all_routes();
	struct packet_spec ack = world_client_tcp(ACK, 77, 88, 5);

	engine_set_relearn(w->engine, &all);
	world_assign(w, 1, 1, 2);
	world_assign(w, 1, 1, 1);
	engine_set_relearn(w->engine, &all);
	assert_int_equal(world_from_client(w, &ack), VERDICT_DROP);
	ack.dst_port++;
	assert_int_equal(world_from_client(w, &ack), VERDICT_REWRITE);
}

static void an_empty_set_ends_the_time_of_relearning(void **state)
{
	struct world *w = *state;
	struct route_set all = world_all_routes(), none = { 0 };
	struct packet_spec of_client = world_client_tcp(ACK, 77, 88, 5);
	struct packet_spec of_node = world_node_tcp(ACK, 88, 82, 0);

	engine_set_relearn(w->engine, &all);
	world_from_client(w, &of_client);
	engine_set_relearn(w->engine, &none);
	assert_int_equal(world_from_node(w, &of_node), VERDICT_REWRITE);
	of_client.src_port++;
	assert_int_equal(world_from_client(w, &of_client), VERDICT_DROP);
	of_node.dst_port++;
	assert_int_equal(world_from_node(w, &of_node), VERDICT_DROP);
}

static unsigned established(struct world *w)
{
	struct flow_query any = { 0 };
	struct flow_view views[100];
	unsigned n = engine_flows(w->engine, &any, views, 100, w->now_ns);
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++)
		count += views[i].established;
	return count;
}

static void a_client_is_relearned_for_good_once_its_node_answers(void **state)
{
	struct world *w = *state;
	struct route_set all = world_all_routes();
	struct packet_spec of_client = world_client_tcp(ACK, 77, 88, 5);
	struct packet_spec of_node = world_node_tcp(ACK, 88, 82, 0);

	engine_set_relearn(w->engine, &all);
	world_from_client(w, &of_client);
	assert_int_equal(established(w), 0);
	world_from_node(w, &of_node);
	assert_int_equal(established(w), 1);
}

static void forged_segments_displace_no_flow_that_works(void **state)
{
	struct world *w = *state;
	struct route_set all = world_all_routes();
	struct packet_spec forged = world_client_tcp(ACK, 77, 88, 5);
	struct packet_spec of_node = world_node_tcp(ACK, 55, 66, 9);

	engine_set_relearn(w->engine, &all);
	for (uint16_t i = 0; i < 80; i++)
		world_establish(w, (uint16_t)(1000 + i), BROWSER);
	for (of_node.dst_port = 2000; of_node.dst_port < 2010;
	     of_node.dst_port++)
		world_from_node(w, &of_node);
	for (forged.src_port = 20000; forged.src_port < 22000;
	     forged.src_port++) {
		w->now_ns += NS_PER_US;
		world_from_client(w, &forged);
	}
	assert_int_equal(world_flows(w), 100);
	assert_int_equal(established(w), 90);
}

static void a_reused_port_begins_anew_once_its_flow_closes(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 99000, 0, 0);
	struct packet_spec fin = world_client_tcp(FIN | ACK, 1101, 5201, 0);

	world_establish(w, 40000, BROWSER);
	assert_int_equal(world_from_client(w, &syn), VERDICT_REWRITE);
	assert_int_equal(world_count(w, REASON_NEW_FLOW), 1);
	world_from_client(w, &fin);
	assert_int_equal(world_from_client(w, &syn), VERDICT_REWRITE);
	assert_int_equal(world_count(w, REASON_NEW_FLOW), 2);
	assert_int_equal(world_flows(w), 1);
}

static void a_blind_reset_does_not_close_a_flow(void **state)
{
	struct world *w = *state;
	struct packet_spec blind = world_client_tcp(RST, 31337, 0, 0);
	struct packet_spec exact = world_client_tcp(RST, 1101, 0, 0);

	world_establish(w, 40000, BROWSER);
	assert_int_equal(world_from_client(w, &blind), VERDICT_REWRITE);
	w->now_ns += 3600 * NS_PER_S;
	engine_expire(w->engine, 100, w->now_ns);
	assert_int_equal(world_flows(w), 1);
	assert_int_equal(world_from_client(w, &exact), VERDICT_REWRITE);
	w->now_ns += 60 * NS_PER_S;
	engine_expire(w->engine, 100, w->now_ns);
	assert_int_equal(world_flows(w), 0);
}

static void an_idle_connection_outlives_everything_else(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1, 0, 0);
	struct packet_spec udp =
		datagram(WORLD_CLIENT, WORLD_VIP, 40000, DATAGRAMS);

	world_establish(w, 40001, BROWSER);
	world_from_client(w, &syn);
	world_from_client(w, &udp);
	assert_int_equal(world_flows(w), 3);
	w->now_ns += 200 * NS_PER_S;
	engine_expire(w->engine, 100, w->now_ns);
	assert_int_equal(world_flows(w), 1);
	w->now_ns += 4 * 86400 * NS_PER_S;
	engine_expire(w->engine, 100, w->now_ns);
	assert_int_equal(world_flows(w), 1);
	w->now_ns += 86400 * NS_PER_S;
	engine_expire(w->engine, 100, w->now_ns);
	assert_int_equal(world_flows(w), 0);
}

static void expiry_keeps_to_its_budget(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1, 0, 0);

	for (int i = 0; i < 10; i++, syn.src_port++)
		world_from_client(w, &syn);
	w->now_ns += 60 * NS_PER_S;
	engine_expire(w->engine, 3, w->now_ns);
	assert_int_equal(world_flows(w), 7);
}

static void a_flood_of_syns_evicts_no_established_flow(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1, 0, 0);

	for (uint16_t i = 0; i < 90; i++)
		world_establish(w, (uint16_t)(1000 + i), BROWSER);
	for (syn.src_port = 20000; syn.src_port < 22000; syn.src_port++) {
		w->now_ns += NS_PER_US;
		assert_int_equal(world_from_client(w, &syn), VERDICT_REWRITE);
	}
	assert_int_equal(world_count(w, REASON_FLOWS_FULL), 2000 - 10);
	assert_int_equal(world_flows(w), 100);
	assert_int_equal(established(w), 90);
}

static void a_full_table_of_working_flows_loses_its_idlest(void **state)
{
	struct world *w = *state;
	struct packet_spec ack = world_client_tcp(ACK, 1101, 5201, 0);

	for (uint16_t i = 0; i < 100; i++) {
		world_establish(w, (uint16_t)(1000 + i), BROWSER);
		w->now_ns += NS_PER_S;
	}
	ack.src_port = 1000;
	world_from_client(w, &ack); /* so that 1001 is the idlest */
	world_establish(w, 5000, BROWSER);
	assert_int_equal(world_from_client(w, &ack), VERDICT_REWRITE);
	ack.src_port = 1001;
	assert_int_equal(world_from_client(w, &ack), VERDICT_DROP);
}

static void partial_checksums_are_completed_unless_the_kernel_will(void **state)
{
	struct world *w = *state;
	struct packet_spec data = world_client_tcp(ACK, 1101, 5201, 1000);
	struct built b;
	struct packet p = { .direction = FROM_CLIENT, .csum_not_ready = true };

	data.partial = true;
	b = packet_build(&data);
	world_establish(w, 40000, BROWSER);
	p.data = b.data;
	p.len = (uint32_t)b.len;
	assert_int_equal(engine_packet(w->engine, &p, w->now_ns),
			 VERDICT_REWRITE);
	assert_true(packet_is_sound(b.data, b.len));

	b = packet_build(&data);
	p.gso = true;
	assert_int_equal(engine_packet(w->engine, &p, w->now_ns),
			 VERDICT_REWRITE);
	assert_int_equal(packet_get16(b.data, b.check),
			 packet_pseudo_sum(b.data, b.len));
}

static const struct {
	const char *title;
	size_t at;
	uint8_t value;
	enum engine_reason reason;
} malformed[] = {
	{ "version", 0, 0x75, REASON_BAD_HEADER },
	{ "a header beyond the packet", 0, 0x4f, REASON_SHORT },
	{ "a length beyond the packet", 3, 200, REASON_BAD_LENGTH },
	{ "a fragment", 6, 0x20, REASON_FRAGMENT },
	{ "the TCP offset", 32, 0x10, REASON_BAD_HEADER },
};

static void malformed_packets_are_dropped_and_counted(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1, 0, 0);

	for (size_t i = 0; i < ARRAY_SIZE(malformed); i++) {
		uint64_t before = world_count(w, malformed[i].reason);
		struct built b = packet_build(&syn);

		b.data[malformed[i].at] = malformed[i].value;
		if (world_put(w, &b, FROM_CLIENT) != VERDICT_DROP ||
		    world_count(w, malformed[i].reason) != before + 1)
			fail_msg("%s", malformed[i].title);
	}
	assert_int_equal(w->n_sent, 0);
}

static void every_reason_has_a_name(void **state)
{
	for (int i = 0; i < ENGINE_REASONS; i++)
		assert_non_null(engine_reason_name(i));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void a_mark_takes_the_place_of_rewriting(void **state)
{
	struct world *w = *state;
	struct packet_spec syn = world_client_tcp(SYN, 1000, 0, 0);
	struct packet_spec answer = world_node_tcp(SYN | ACK, 5000, 1001, 0);
	struct built b = packet_build(&syn);

	w->by_mark = true;
	assert_int_equal(world_from_client(w, &syn), VERDICT_MARK);
	assert_int_equal(w->mark, 11);
	assert_memory_equal(w->last.data, b.data, b.len);
	assert_int_equal(world_from_node(w, &answer), VERDICT_MARK);
	assert_int_equal(w->mark, WORLD_DOOR_MARK);
}

static void a_packet_that_was_cut_counts_whole(void **state)
{
	struct world *w = *state;
	struct packet_spec data = world_client_tcp(ACK | PSH, 1101, 5201, 1600);
	struct packet_spec again = world_client_tcp(ACK, 1101, 5201, 0);
	bool counted = false;

	world_establish(w, 40000, BROWSER);
	w->by_mark = true;
	w->cut_at = 1501;
	assert_int_equal(world_from_client(w, &data), VERDICT_MARK);
	assert_int_equal(w->mark, 11);
	world_assign(w, 1, WORLD_ROUTES, 2);
	world_forget_sent(w);
	assert_int_equal(world_from_client(w, &again), VERDICT_DROP);
	for (unsigned i = 0; i < w->n_sent; i++)
		counted |= packet_dst_is(w->sent[i].data, WORLD_NODE_A) &&
			   packet_get32(w->sent[i].data, 24) == 1101 + 1600;
	assert_true(counted);
}

static void a_packet_that_was_cut_is_never_sent_on_as_it_is(void **state)
{
	struct world *w = *state;
	struct packet_spec data = world_client_tcp(ACK | PSH, 1101, 5201, 1600);

	world_establish(w, 40000, BROWSER);
	w->cut_at = 1501;
	assert_int_equal(world_from_client(w, &data), VERDICT_DROP);
	assert_int_equal(world_count(w, REASON_BAD_LENGTH), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_syn_goes_to_the_routes_node),
		TEST(the_answer_comes_from_the_virtual_address),
		TEST(a_connection_is_established_by_its_handshake),
		TEST(one_flow_is_found_by_its_client),
		TEST(ipv6_is_carried_both_ways),
		TEST(a_node_without_an_ipv6_address_refuses_ipv6),
		TEST(udp_is_carried_both_ways),
		TEST(a_datagram_that_a_server_sends_first_founds_a_flow),
		TEST(what_is_not_of_a_door_passes_as_it_was),
		TEST(a_nodes_own_connection_passes_as_it_was),
		TEST(our_own_answers_are_not_packets_of_a_node),
		TEST(an_unowned_route_refuses_a_syn),
		TEST(an_unowned_route_answers_a_datagram_by_unreachable),
		TEST(before_the_first_table_nobody_is_answered),
		TEST(a_mid_stream_segment_without_a_flow_is_reset),
		TEST(a_reset_is_never_answered),
		TEST(flows_of_unmoved_routes_are_relearned),
		TEST(a_node_that_does_not_serve_the_route_relearns_nothing),
		TEST(a_route_that_moved_is_relearned_no_more),
		TEST(an_empty_set_ends_the_time_of_relearning),
		TEST(a_client_is_relearned_for_good_once_its_node_answers),
		TEST(forged_segments_displace_no_flow_that_works),
		TEST(a_reused_port_begins_anew_once_its_flow_closes),
		TEST(a_blind_reset_does_not_close_a_flow),
		TEST(an_idle_connection_outlives_everything_else),
		TEST(expiry_keeps_to_its_budget),
		TEST(a_flood_of_syns_evicts_no_established_flow),
		TEST(a_full_table_of_working_flows_loses_its_idlest),
		TEST(partial_checksums_are_completed_unless_the_kernel_will),
		TEST(malformed_packets_are_dropped_and_counted),
		TEST(a_mark_takes_the_place_of_rewriting),
		TEST(a_packet_that_was_cut_counts_whole),
		TEST(a_packet_that_was_cut_is_never_sent_on_as_it_is),
		TEST(every_reason_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
