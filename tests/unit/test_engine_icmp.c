/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "../lib/packet_world/packet_world.h"

#define ROUTER	   "198.18.7.7"
#define ROUTER_V6  "fd00:198:18::7"
#define GATEWAY	   "198.19.0.1"
#define GATEWAY_V6 "fd00:198:19::1"
#define MTU	   1280

/* A connection of each family and protocol with node a. */
static int setup(void **state)
{
	struct world *w = world_new(100, 16);
	struct packet_spec v6 = { .src = WORLD_CLIENT_V6,
				  .dst = WORLD_VIP_V6,
				  .src_port = 40000,
				  .dst_port = BROWSER,
				  .flags = SYN };
	struct packet_spec udp = { .src = WORLD_CLIENT,
				   .dst = WORLD_VIP,
				   .protocol = IPPROTO_UDP,
				   .src_port = 40000,
				   .dst_port = DATAGRAMS };

	world_establish(w, 40000, BROWSER);
	world_from_client(w, &v6);
	world_from_client(w, &udp);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

static const struct icmp_case {
	const char *title;
	bool v6, udp, no_udp_checksum, to_node;
	uint8_t type, code;
	uint32_t rest;
	size_t quoted; /* 0: all */
} cases[] = {
	{ "fragmentation needed, to the node", .to_node = true, .type = 3,
	  .code = 4, .rest = MTU },
	{ "the same, quoting eight bytes", .to_node = true, .type = 3,
	  .code = 4, .rest = MTU, .quoted = 28 },
	{ "the same, cut behind an odd byte", .to_node = true, .type = 3,
	  .code = 4, .rest = MTU, .quoted = 71 },
	{ "time exceeded, to the node", .to_node = true, .type = 11 },
	{ "parameter problem, to the client", .type = 12 },
	{ "fragmentation needed, to the client", .type = 3, .code = 4,
	  .rest = MTU },
	{ "port unreachable for a datagram, to the client", .udp = true,
	  .type = 3, .code = 3 },
	{ "the same without a UDP checksum", .udp = true,
	  .no_udp_checksum = true, .type = 3, .code = 3 },
	{ "packet too big, to the node", .v6 = true, .to_node = true, .type = 2,
	  .rest = MTU },
	{ "packet too big, to the client", .v6 = true, .type = 2, .rest = MTU },
	{ "IPv6 unreachable, quoting eight bytes", .v6 = true, .type = 1,
	  .quoted = 48 },
	{ "IPv6 time exceeded, to the node", .v6 = true, .to_node = true,
	  .type = 3 },
	{ "IPv6 parameter problem, to the client", .v6 = true, .type = 4 },
};

/* The packet that an error is about: as the side that gets the error knows it
 * (translated) or as the network behind us saw it. */
static struct built about(const struct icmp_case *c, bool translated)
{
	const char *client = c->v6 ? WORLD_CLIENT_V6 : WORLD_CLIENT;
	const char *vip = c->v6 ? WORLD_VIP_V6 : WORLD_VIP;
	const char *node = c->v6 ? WORLD_NODE_A_V6 : WORLD_NODE_A;
	const char *ours = c->to_node == translated ? node : vip;
	uint16_t door = c->udp ? DATAGRAMS : BROWSER;
	struct packet_spec s = { .payload = 60,
				 .seq = 1101,
				 .flags = ACK,
				 .protocol = c->udp ? IPPROTO_UDP : IPPROTO_TCP,
				 .no_udp_checksum = c->no_udp_checksum };

	s.src = c->to_node ? ours : client;
	s.dst = c->to_node ? client : ours;
	s.src_port = c->to_node ? door : 40000;
	s.dst_port = c->to_node ? 40000 : door;
	return packet_build(&s);
}

static struct built error_of(const struct icmp_case *c, bool translated)
{
	struct built quote = about(c, translated);
	const char *client = c->v6 ? WORLD_CLIENT_V6 : WORLD_CLIENT;
	const char *vip = c->v6 ? WORLD_VIP_V6 : WORLD_VIP;
	const char *src, *dst;

	if (c->to_node) {
		src = c->v6 ? ROUTER_V6 : ROUTER;
		dst = c->v6 ? WORLD_NODE_A_V6 : WORLD_NODE_A;
		dst = translated ? dst : vip;
	} else {
		src = c->v6 ? GATEWAY_V6 : GATEWAY;
		src = translated ? vip : src;
		dst = client;
	}
	return packet_build_error(src, dst, c->type, c->code, c->rest,
				  quote.data,
				  c->quoted ? c->quoted : quote.len);
}

static enum packet_direction direction(const struct icmp_case *c)
{
	return c->to_node ? FROM_CLIENT : FROM_NODE;
}

static void errors_become_those_of_the_packet_their_receiver_sent(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct built in = error_of(&cases[i], false);
		struct built out = error_of(&cases[i], true);

		if (world_put(w, &in, direction(&cases[i])) != VERDICT_REWRITE)
			fail_msg("%s: not translated", cases[i].title);
		if (memcmp(w->last.data, out.data, out.len))
			fail_msg("%s: other bytes", cases[i].title);
	}
	assert_int_equal(world_count(w, REASON_ICMP_TO_NODE) +
				 world_count(w, REASON_ICMP_TO_CLIENT),
			 ARRAY_SIZE(cases));
}

static void a_corrupted_error_stays_exactly_as_wrong(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct built in = error_of(&cases[i], false);
		uint16_t wrong;

		in.data[in.len - 1] ^= 0x21;
		wrong = packet_check_error(in.data, in.len);
		world_put(w, &in, direction(&cases[i]));
		if (!wrong || packet_check_error(w->last.data, in.len) != wrong)
			fail_msg("%s", cases[i].title);
	}
}

static void errors_of_the_node_itself_hide_its_address(void **state)
{
	struct world *w = *state;
	struct built quote = about(&cases[5], false);
	struct built b = packet_build_error(WORLD_NODE_A, WORLD_CLIENT, 3, 1, 0,
					    quote.data, quote.len);

	assert_int_equal(world_put(w, &b, FROM_NODE), VERDICT_REWRITE);
	assert_true(packet_src_is(w->last.data, WORLD_VIP));
	assert_true(packet_is_sound(w->last.data, w->last.len));
}

static void assert_unrelated(struct world *w, const struct built *b,
			     enum packet_direction from)
{
	uint64_t before = world_count(w, REASON_ICMP_UNRELATED);

	assert_int_equal(world_put(w, b, from), VERDICT_ACCEPT);
	assert_memory_equal(w->last.data, b->data, b->len);
	assert_int_equal(world_count(w, REASON_ICMP_UNRELATED), before + 1);
}

static void an_error_about_no_flow_passes_as_it_was(void **state)
{
	struct world *w = *state;
	struct built quote = about(&cases[0], false), b;

	quote.data[23] ^= 1; /* another port of the client */
	b = packet_build_error(ROUTER, WORLD_VIP, 3, 4, MTU, quote.data,
			       quote.len);
	assert_unrelated(w, &b, FROM_CLIENT);
}

static void an_error_about_the_nodes_packets_is_not_for_the_client(void **state)
{
	struct world *w = *state;
	struct built quote = about(&cases[0], true);
	struct built b = packet_build_error(GATEWAY, WORLD_NODE_A, 3, 4, MTU,
					    quote.data, quote.len);

	assert_unrelated(w, &b, FROM_NODE);
}

static void echo_requests_and_cut_quotes_pass_as_they_were(void **state)
{
	struct world *w = *state;
	struct built quote = about(&cases[0], false), b;

	b = packet_build_error(ROUTER, WORLD_VIP, 8, 0, 1, quote.data, 56);
	assert_unrelated(w, &b, FROM_CLIENT);
	b = packet_build_error(ROUTER, WORLD_VIP, 3, 4, MTU, quote.data, 23);
	assert_unrelated(w, &b, FROM_CLIENT);
	b = packet_build_error(ROUTER, WORLD_VIP, 3, 4, MTU, quote.data, 0);
	assert_unrelated(w, &b, FROM_CLIENT);
}

static void a_quote_of_the_other_family_is_unrelated(void **state)
{
	struct world *w = *state;
	struct built quote = about(&cases[8], false);
	struct built b = packet_build_error(ROUTER, WORLD_VIP, 3, 4, MTU,
					    quote.data, quote.len);

	assert_unrelated(w, &b, FROM_CLIENT);
}

static void an_error_about_a_stale_flow_is_unrelated(void **state)
{
	struct world *w = *state;
	struct built b = error_of(&cases[0], false);

	world_assign(w, 1, 1, 2);
	assert_unrelated(w, &b, FROM_CLIENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(errors_become_those_of_the_packet_their_receiver_sent),
		TEST(a_corrupted_error_stays_exactly_as_wrong),
		TEST(errors_of_the_node_itself_hide_its_address),
		TEST(an_error_about_no_flow_passes_as_it_was),
		TEST(an_error_about_the_nodes_packets_is_not_for_the_client),
		TEST(echo_requests_and_cut_quotes_pass_as_they_were),
		TEST(a_quote_of_the_other_family_is_unrelated),
		TEST(an_error_about_a_stale_flow_is_unrelated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
