/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "../lib/packet_build.h"
#include "base/units.h"
#include "packet/rewrite.h"

#define V4	.src = "198.18.0.1", .dst = "198.18.0.100"
#define V6	.src = "fd00:198:18::1", .dst = "fd00:198:18::100"
#define PORTS	.src_port = 40000, .dst_port = 8001
#define UDP	.protocol = IPPROTO_UDP
#define NODE_V4 "198.19.0.11"
#define NODE_V6 "fd00:198:19::11"

static const uint8_t extensions[] = { IPPROTO_HOPOPTS, IPPROTO_DSTOPTS };

static const struct {
	const char *title;
	struct packet_spec spec;
} cases[] = {
	{ "a SYN with options",
	  { V4, PORTS, .flags = SYN, .tcp_options = 20 } },
	{ "an odd payload", { V4, PORTS, .flags = ACK, .payload = 1447 } },
	{ "IP options", { V4, PORTS, .ip_options = 24, .payload = 5 } },
	{ "IPv6", { V6, PORTS, .flags = ACK, .payload = 33 } },
	{ "IPv6 extension headers",
	  { V6, PORTS, .extensions = extensions, .n_extensions = 2 } },
	{ "UDP", { V4, PORTS, UDP, .payload = 9 } },
	{ "UDP over IPv6", { V6, PORTS, UDP, .payload = 10 } },
};

static struct addr node_for(const struct packet_spec *spec)
{
	struct addr node;

	addr_parse(&node, strchr(spec->src, ':') ? NODE_V6 : NODE_V4);
	return node;
}

/* b as it is after its destination (or source) became the node's. */
static struct built rewritten(struct built b, enum rewrite_side side,
			      const struct addr *to, enum rewrite_check check)
{
	struct parsed p;

	assert_int_equal(parse_packet(b.data, b.len, &p), PARSE_OK);
	rewrite_packet(b.data, &p, side, to, check);
	return b;
}

static void the_result_is_the_packet_built_for_the_new_address(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct packet_spec spec = cases[i].spec;
		struct addr node = node_for(&spec);
		struct built b = packet_build(&spec), expected;

		b = rewritten(b, REWRITE_DST, &node, CHECK_COMPLETE);
		spec.dst = node.af == AF_INET ? NODE_V4 : NODE_V6;
		expected = packet_build(&spec);
		if (memcmp(b.data, expected.data, b.len))
			fail_msg("%s", cases[i].title);
		assert_true(packet_is_sound(b.data, b.len));
	}
}

static void a_corrupted_checksum_stays_exactly_as_wrong(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct built b = packet_build(&cases[i].spec);
		struct addr node = node_for(&cases[i].spec);
		uint16_t wrong;

		b.data[b.len - 1] ^= 0x5a;
		wrong = packet_check_error(b.data, b.len);
		assert_int_not_equal(wrong, 0);
		b = rewritten(b, REWRITE_SRC, &node, CHECK_COMPLETE);
		if (packet_check_error(b.data, b.len) != wrong)
			fail_msg("%s", cases[i].title);
	}
}

static void a_missing_checksum_is_computed_in_full(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct packet_spec spec = cases[i].spec;
		struct addr node = node_for(&spec);
		struct built b;

		spec.partial = true;
		b = packet_build(&spec);
		b = rewritten(b, REWRITE_DST, &node, CHECK_MISSING);
		if (!packet_is_sound(b.data, b.len))
			fail_msg("%s", cases[i].title);
	}
}

static void a_pseudo_header_sum_stays_one(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct packet_spec spec = cases[i].spec;
		struct addr node = node_for(&spec);
		struct built b;

		spec.partial = true;
		b = packet_build(&spec);
		b = rewritten(b, REWRITE_SRC, &node, CHECK_PSEUDO);
		if (packet_get16(b.data, b.check) !=
		    packet_pseudo_sum(b.data, b.len))
			fail_msg("%s", cases[i].title);
	}
}

static void an_absent_udp_checksum_stays_absent(void **state)
{
	struct packet_spec spec = { V4, PORTS, UDP, .payload = 4,
				    .no_udp_checksum = true };
	struct addr node = node_for(&spec);
	struct built b = packet_build(&spec);

	b = rewritten(b, REWRITE_DST, &node, CHECK_COMPLETE);
	assert_int_equal(packet_get16(b.data, b.check), 0);
}

/* Payload bytes are tried until the new packet's checksum would be 0. */
static void a_udp_checksum_that_becomes_zero_is_sent_as_ffff(void **state)
{
	struct packet_spec spec = { V4, PORTS, UDP, .payload = 2 };
	struct addr node = node_for(&spec);
	struct packet_spec there = spec;
	struct built b = packet_build(&spec), after;
	uint16_t check;

	there.dst = NODE_V4;
	after = packet_build(&there);
	check = packet_get16(after.data, after.check);
	/* Adding the checksum to the payload leaves none to be sent. */
	packet_put16(
		b.data, b.len - 2,
		(uint16_t)((packet_get16(b.data, b.len - 2) + check) % 0xffff));
	packet_put16(b.data, b.check, 0);
	packet_put16(b.data, b.check, packet_check_error(b.data, b.len));
	assert_int_equal(packet_check_error(b.data, b.len), 0);

	b = rewritten(b, REWRITE_DST, &node, CHECK_COMPLETE);
	assert_int_equal(packet_get16(b.data, b.check), 0xffff);
	assert_int_equal(packet_check_error(b.data, b.len), 0);
}

/* Summed by hand: the header's words add up to 0xffff, so do pseudo header
 * (c612 0001 c613 000b 0006 0014) and segment. */
static void known_bytes_become_known_bytes(void **state)
{
	const uint8_t in[40] = {
		0x45, 0x00, 0x00, 0x28, 0x00, 0x01, 0x40, 0x00, 0x40, 0x06,
		0x00, 0x00, 0xc6, 0x12, 0x00, 0x01, 0xc6, 0x12, 0x00, 0x64,
		0x9c, 0x40, 0x1f, 0x41, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
		0x00, 0x00, 0x50, 0x02, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00
	};
	struct built b = { .len = sizeof(in) };
	struct addr node;

	addr_parse(&node, NODE_V4);
	memcpy(b.data, in, sizeof(in));
	packet_put16(b.data, 10, 0xae45);
	packet_put16(b.data, 36, 0x66d5);
	assert_true(packet_is_sound(b.data, b.len));
	b = rewritten(b, REWRITE_DST, &node, CHECK_COMPLETE);

	assert_int_equal(packet_get16(b.data, 10), 0xae9d);
	assert_int_equal(packet_get16(b.data, 36), 0x672d);
	assert_true(packet_dst_is(b.data, NODE_V4));
	assert_memory_equal(b.data + 20, in + 20, 16);
	assert_memory_equal(b.data, in, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_result_is_the_packet_built_for_the_new_address),
		cmocka_unit_test(a_corrupted_checksum_stays_exactly_as_wrong),
		cmocka_unit_test(a_missing_checksum_is_computed_in_full),
		cmocka_unit_test(a_pseudo_header_sum_stays_one),
		cmocka_unit_test(an_absent_udp_checksum_stays_absent),
		cmocka_unit_test(
			a_udp_checksum_that_becomes_zero_is_sent_as_ffff),
		cmocka_unit_test(known_bytes_become_known_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
