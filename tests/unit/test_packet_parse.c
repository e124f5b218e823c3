/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "../lib/packet_build.h"
#include "base/units.h"
#include "packet/parse.h"

#define V4    .src = "198.18.0.1", .dst = "198.18.0.100"
#define V6    .src = "fd00:198:18::1", .dst = "fd00:198:18::100"
#define PORTS .src_port = 40000, .dst_port = 8001

static const uint8_t all_extensions[] = { IPPROTO_HOPOPTS, IPPROTO_DSTOPTS,
					  IPPROTO_ROUTING, IPPROTO_FRAGMENT };
static const uint8_t fragment_only[] = { IPPROTO_FRAGMENT };
static const uint8_t nine_extensions[9] = { IPPROTO_HOPOPTS, IPPROTO_DSTOPTS,
					    IPPROTO_DSTOPTS, IPPROTO_DSTOPTS,
					    IPPROTO_DSTOPTS, IPPROTO_DSTOPTS,
					    IPPROTO_DSTOPTS, IPPROTO_DSTOPTS,
					    IPPROTO_DSTOPTS };

static const struct {
	const char *title;
	struct packet_spec spec;
	enum parse_error error;
	uint32_t payload;
	size_t transport;
} shapes[] = {
	{ "IPv4 TCP", { V4, PORTS, .flags = ACK, .payload = 7 }, 0, 7, 20 },
	{ "IPv4 with the most options there can be",
	  { V4, PORTS, .ip_options = 40, .tcp_options = 40 },
	  0,
	  0,
	  60 },
	{ "IPv4 UDP",
	  { V4, PORTS, .protocol = IPPROTO_UDP, .payload = 3 },
	  0,
	  3,
	  20 },
	{ "IPv6 TCP", { V6, PORTS, .payload = 9 }, 0, 9, 40 },
	{ "IPv6 UDP without a payload",
	  { V6, PORTS, .protocol = IPPROTO_UDP },
	  0,
	  0,
	  40 },
	{ "each IPv6 extension header, an atomic fragment among them",
	  { V6, PORTS, .extensions = all_extensions, .n_extensions = 4 },
	  0,
	  0,
	  72 },
	{ "an extension header too many",
	  { V6, PORTS, .extensions = nine_extensions, .n_extensions = 9 },
	  PARSE_BAD_HEADER,
	  0,
	  0 },
	{ "IPv4 don't fragment", { V4, PORTS, .fragment = 0x4000 }, 0, 0, 20 },
	{ "IPv4 first fragment",
	  { V4, PORTS, .fragment = 0x2000 },
	  PARSE_FRAGMENT,
	  0,
	  0 },
	{ "IPv4 later fragment",
	  { V4, PORTS, .fragment = 0x0010 },
	  PARSE_FRAGMENT,
	  0,
	  0 },
	{ "IPv6 first fragment",
	  { V6, PORTS, .extensions = fragment_only, .n_extensions = 1,
	    .fragment = 0x0001 },
	  PARSE_FRAGMENT,
	  0,
	  0 },
	{ "IPv6 later fragment",
	  { V6, PORTS, .extensions = fragment_only, .n_extensions = 1,
	    .fragment = 0x0008 },
	  PARSE_FRAGMENT,
	  0,
	  0 },
};

static void each_shape_is_understood_or_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		struct built b = packet_build(&shapes[i].spec);
		struct parsed p = { 0 };
		enum parse_error err = parse_packet(b.data, b.len, &p);

		if (err != shapes[i].error)
			fail_msg("%s: error %d", shapes[i].title, err);
		if (err)
			continue;
		if (p.payload != shapes[i].payload ||
		    p.transport != shapes[i].transport || p.check != b.check ||
		    p.end != b.len)
			fail_msg("%s: payload %u at %zu", shapes[i].title,
				 p.payload, p.transport);
		assert_int_equal(p.src_port, 40000);
		assert_int_equal(p.dst_port, 8001);
	}
}

static void tcp_fields_are_read(void **state)
{
	struct packet_spec spec = { V4,
				    PORTS,
				    .seq = 0xfffffffe,
				    .ack = 7,
				    .flags = FIN | ACK,
				    .payload = 5 };
	struct built b = packet_build(&spec);
	struct parsed p;
	struct addr client;

	addr_parse(&client, "198.18.0.1");
	assert_int_equal(parse_packet(b.data, b.len, &p), PARSE_OK);
	assert_int_equal(p.seq, 0xfffffffe);
	assert_int_equal(p.ack, 7);
	assert_int_equal(p.flags, TCP_FIN | TCP_ACK);
	assert_int_equal(parsed_seq_len(&p), 6);
	assert_true(addr_equal(&p.src, &client));
}

static const struct {
	const char *title;
	size_t at;
	uint8_t value;
	enum parse_error error;
} spoilt[] = {
	{ "version 5", 0, 0x55, PARSE_BAD_HEADER },
	{ "IHL 4", 0, 0x44, PARSE_BAD_HEADER },
	{ "IHL beyond the packet", 0, 0x4f, PARSE_SHORT },
	{ "total length beyond the packet", 3, 41, PARSE_BAD_LENGTH },
	{ "total length below the header", 3, 19, PARSE_BAD_LENGTH },
	{ "total length within the TCP header", 3, 39, PARSE_SHORT },
	{ "TCP offset 4", 32, 0x40, PARSE_BAD_HEADER },
	{ "TCP offset beyond the packet", 32, 0x60, PARSE_BAD_HEADER },
	{ "a UDP length below its header", 9, IPPROTO_UDP, PARSE_BAD_LENGTH },
};

static void contradicting_fields_are_refused(void **state)
{
	struct packet_spec spec = { V4, PORTS, .seq = 3 }; /* UDP length 0 */

	for (size_t i = 0; i < ARRAY_SIZE(spoilt); i++) {
		struct built b = packet_build(&spec);
		struct parsed p;
		enum parse_error err;

		b.data[spoilt[i].at] = spoilt[i].value;
		err = parse_packet(b.data, b.len, &p);
		if (err != spoilt[i].error)
			fail_msg("%s: error %d", spoilt[i].title, err);
	}
}

static void every_truncation_is_refused(void **state)
{
	struct packet_spec specs[] = {
		{ V4, PORTS, .ip_options = 8, .tcp_options = 12 },
		{ V6, PORTS, .extensions = all_extensions, .n_extensions = 4 },
		{ V6, PORTS, .protocol = IPPROTO_UDP, .payload = 10 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		struct built b = packet_build(&specs[i]);

		for (size_t len = 0; len < b.len; len++) {
			struct parsed p;

			assert_int_not_equal(parse_packet(b.data, len, &p),
					     PARSE_OK);
		}
	}
}

static void a_routing_header_that_is_not_done_is_refused(void **state)
{
	static const uint8_t routing[] = { IPPROTO_ROUTING };
	struct packet_spec spec = { V6, PORTS, .extensions = routing,
				    .n_extensions = 1 };
	struct built b = packet_build(&spec);
	struct parsed p;

	b.data[40 + 3] = 1; /* segments left */
	assert_int_equal(parse_packet(b.data, b.len, &p), PARSE_BAD_HEADER);
}

static void bytes_behind_the_packet_are_not_part_of_it(void **state)
{
	struct packet_spec spec = { V4, PORTS, .payload = 1 };
	struct built b = packet_build(&spec);
	struct parsed p;

	assert_int_equal(parse_packet(b.data, b.len + 5, &p), PARSE_OK);
	assert_int_equal(p.payload, 1);
	assert_int_equal(p.end, b.len);
}

static void a_datagram_ends_where_its_own_length_says(void **state)
{
	struct packet_spec spec = { V4, PORTS, .protocol = IPPROTO_UDP,
				    .payload = 9 };
	struct built b = packet_build(&spec);
	struct parsed p;

	packet_put16(b.data, b.transport + 4, 8 + 5);
	assert_int_equal(parse_packet(b.data, b.len, &p), PARSE_OK);
	assert_int_equal(p.payload, 5);
	assert_int_equal(p.end, b.len - 4);
}

static void a_packet_may_be_cut_behind_its_headers(void **state)
{
	struct packet_spec spec = { V4, PORTS, .payload = 100 };
	struct built b = packet_build(&spec);
	struct parsed p;

	for (size_t have = 0; have < b.transport + 20; have++)
		assert_int_not_equal(parse_cut(b.data, have, b.len, &p),
				     PARSE_OK);
	assert_int_equal(parse_cut(b.data, b.transport + 20, b.len, &p),
			 PARSE_OK);
	assert_int_equal(p.payload, 100);
	assert_int_equal(p.end, b.len);
	assert_int_equal(parse_cut(b.data, b.transport + 20, b.len - 1, &p),
			 PARSE_BAD_LENGTH);
}

static void a_quote_may_be_cut_behind_the_ports(void **state)
{
	struct packet_spec spec = { V4, PORTS, .payload = 100 };
	struct built b = packet_build(&spec);
	struct parsed p;

	assert_int_equal(parse_quoted(b.data, 23, 0, &p), PARSE_SHORT);
	assert_int_equal(parse_quoted(b.data, 24, 0, &p), PARSE_OK);
	assert_int_equal(p.dst_port, 8001);
	assert_int_equal(p.check, 0);
	assert_int_equal(parse_quoted(b.data, 37, 0, &p), PARSE_OK);
	assert_int_equal(p.check, 0);
	assert_int_equal(parse_quoted(b.data, 38, 0, &p), PARSE_OK);
	assert_int_equal(p.check, 36);
}

static void a_quote_of_a_later_fragment_has_no_ports(void **state)
{
	struct packet_spec spec = { V4, PORTS, .fragment = 1 };
	struct built b = packet_build(&spec);
	struct parsed p;

	assert_int_equal(parse_quoted(b.data, b.len, 0, &p), PARSE_FRAGMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_shape_is_understood_or_refused),
		cmocka_unit_test(tcp_fields_are_read),
		cmocka_unit_test(contradicting_fields_are_refused),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(a_routing_header_that_is_not_done_is_refused),
		cmocka_unit_test(bytes_behind_the_packet_are_not_part_of_it),
		cmocka_unit_test(a_datagram_ends_where_its_own_length_says),
		cmocka_unit_test(a_packet_may_be_cut_behind_its_headers),
		cmocka_unit_test(a_quote_may_be_cut_behind_the_ports),
		cmocka_unit_test(a_quote_of_a_later_fragment_has_no_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
