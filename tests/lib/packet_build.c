/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet_build.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

uint16_t packet_get16(const uint8_t *data, size_t at)
{
	return (uint16_t)(data[at] * 256 + data[at + 1]);
}

uint32_t packet_get32(const uint8_t *data, size_t at)
{
	return (uint32_t)packet_get16(data, at) << 16 |
	       packet_get16(data, at + 2);
}

void packet_put16(uint8_t *data, size_t at, uint16_t v)
{
	data[at] = (uint8_t)(v >> 8);
	data[at + 1] = (uint8_t)v;
}

static void put32(uint8_t *data, size_t at, uint32_t v)
{
	packet_put16(data, at, (uint16_t)(v >> 16));
	packet_put16(data, at + 2, (uint16_t)v);
}

/* Byte by byte, as the textbook has it. */
static uint32_t naive_sum(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? data[i] : data[i] * 256u;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static bool is_v6(const uint8_t *data)
{
	return data[0] >> 4 == 6;
}

/* Where the transport header is, and its protocol; of well-formed packets. */
static size_t find_transport(const uint8_t *data, uint8_t *protocol)
{
	size_t at = 40;

	if (!is_v6(data)) {
		*protocol = data[9];
		return (data[0] & 15) * 4u;
	}
	*protocol = data[6];
	while (*protocol == 0 || *protocol == 43 || *protocol == 44 ||
	       *protocol == 60) {
		size_t len = *protocol == 44 ? 8 : data[at + 1] * 8u + 8;

		*protocol = data[at];
		at += len;
	}
	return at;
}

static size_t check_at(uint8_t protocol)
{
	if (protocol == IPPROTO_TCP)
		return 16;
	return protocol == IPPROTO_UDP ? 6 : 2;
}

uint16_t packet_pseudo_sum(const uint8_t *data, size_t len)
{
	uint8_t protocol;
	size_t at = find_transport(data, &protocol);
	uint32_t sum =
		is_v6(data) ? naive_sum(data + 8, 32) : naive_sum(data + 12, 8);

	if (protocol == IPPROTO_ICMP)
		return 0;
	return fold(sum + protocol + (uint32_t)(len - at));
}

uint16_t packet_check_error(const uint8_t *data, size_t len)
{
	uint8_t protocol;
	size_t at = find_transport(data, &protocol);
	uint32_t sum = packet_pseudo_sum(data, len);

	return (uint16_t)((0xffff -
			   fold(sum + naive_sum(data + at, len - at))) %
			  0xffff);
}

bool packet_is_sound(const uint8_t *data, size_t len)
{
	if (!is_v6(data) && naive_sum(data, (data[0] & 15) * 4u) != 0xffff)
		return false;
	return packet_check_error(data, len) == 0;
}

static void put_v4(struct built *b, const char *src, const char *dst,
		   uint8_t protocol, size_t options, uint16_t fragment)
{
	memset(b->data + 20, 1, options);
	b->transport = 20 + options;
	b->data[0] = (uint8_t)(0x40 | b->transport / 4);
	packet_put16(b->data, 4, 0x1234);
	packet_put16(b->data, 6, fragment);
	b->data[8] = 61;
	b->data[9] = protocol;
	inet_pton(AF_INET, src, b->data + 12);
	inet_pton(AF_INET, dst, b->data + 16);
}

static void put_v6(struct built *b, const struct packet_spec *spec,
		   uint8_t protocol)
{
	uint8_t *next = &b->data[6];
	size_t at = 40;

	b->data[0] = 0x60;
	b->data[7] = 61;
	inet_pton(AF_INET6, spec->src, b->data + 8);
	inet_pton(AF_INET6, spec->dst, b->data + 24);
	for (size_t i = 0; i < spec->n_extensions; i++, at += 8) {
		*next = spec->extensions[i];
		next = &b->data[at];
		if (spec->extensions[i] == IPPROTO_FRAGMENT)
			packet_put16(b->data, at + 2, spec->fragment);
	}
	*next = protocol;
	b->transport = at;
}

static void put_lengths(struct built *b)
{
	if (is_v6(b->data))
		packet_put16(b->data, 4, (uint16_t)(b->len - 40));
	else
		packet_put16(b->data, 2, (uint16_t)b->len);
}

static void put_header_check(struct built *b)
{
	if (is_v6(b->data))
		return;
	packet_put16(b->data, 10, 0);
	packet_put16(b->data, 10,
		     (uint16_t)~naive_sum(b->data, (b->data[0] & 15) * 4u));
}

static void put_check(struct built *b, bool partial)
{
	uint32_t sum = packet_pseudo_sum(b->data, b->len);
	uint16_t check;

	packet_put16(b->data, b->check, 0);
	if (partial) {
		packet_put16(b->data, b->check, fold(sum));
		return;
	}
	sum += naive_sum(b->data + b->transport, b->len - b->transport);
	check = (uint16_t)~fold(sum);
	packet_put16(b->data, b->check,
		     !check && b->data[9] == IPPROTO_UDP ? 0xffff : check);
}

static void put_ports(struct built *b, const struct packet_spec *spec)
{
	packet_put16(b->data, b->transport, spec->src_port);
	packet_put16(b->data, b->transport + 2, spec->dst_port);
}

static void put_tcp(struct built *b, const struct packet_spec *spec)
{
	size_t header = 20 + spec->tcp_options;

	put_ports(b, spec);
	put32(b->data, b->transport + 4, spec->seq);
	put32(b->data, b->transport + 8, spec->ack);
	b->data[b->transport + 12] = (uint8_t)(header / 4 << 4);
	b->data[b->transport + 13] = spec->flags;
	packet_put16(b->data, b->transport + 14, 512);
	memset(b->data + b->transport + 20, 1, spec->tcp_options);
	b->len = b->transport + header;
}

static void put_udp(struct built *b, const struct packet_spec *spec)
{
	put_ports(b, spec);
	packet_put16(b->data, b->transport + 4, (uint16_t)(8 + spec->payload));
	b->len = b->transport + 8;
}

struct built packet_build(const struct packet_spec *spec)
{
	uint8_t protocol = spec->protocol ? spec->protocol : IPPROTO_TCP;
	struct built b = { 0 };

	if (strchr(spec->src, ':'))
		put_v6(&b, spec, protocol);
	else
		put_v4(&b, spec->src, spec->dst, protocol, spec->ip_options,
		       spec->fragment);
	if (protocol == IPPROTO_TCP)
		put_tcp(&b, spec);
	else
		put_udp(&b, spec);
	b.check = b.transport + check_at(protocol);
	for (size_t i = 0; i < spec->payload; i++)
		b.data[b.len++] = (uint8_t)(i * 7 + 3);
	put_lengths(&b);
	put_header_check(&b);
	if (!spec->no_udp_checksum)
		put_check(&b, spec->partial);
	return b;
}

struct built packet_build_error(const char *src, const char *dst, uint8_t type,
				uint8_t code, uint32_t rest,
				const uint8_t *quote, size_t quoted)
{
	struct packet_spec spec = { .src = src, .dst = dst };
	struct built b = { 0 };

	if (strchr(src, ':'))
		put_v6(&b, &spec, IPPROTO_ICMPV6);
	else
		put_v4(&b, src, dst, IPPROTO_ICMP, 0, 0);
	b.data[b.transport] = type;
	b.data[b.transport + 1] = code;
	put32(b.data, b.transport + 4, rest);
	memcpy(b.data + b.transport + 8, quote, quoted);
	b.len = b.transport + 8 + quoted;
	b.check = b.transport + 2;
	put_lengths(&b);
	put_header_check(&b);
	put_check(&b, false);
	return b;
}

static bool address_is(const uint8_t *data, size_t v4_at, size_t v6_at,
		       const char *addr)
{
	uint8_t bytes[16];

	if (is_v6(data))
		return inet_pton(AF_INET6, addr, bytes) == 1 &&
		       !memcmp(data + v6_at, bytes, 16);
	return inet_pton(AF_INET, addr, bytes) == 1 &&
	       !memcmp(data + v4_at, bytes, 4);
}

bool packet_src_is(const uint8_t *data, const char *addr)
{
	return address_is(data, 12, 8, addr);
}

bool packet_dst_is(const uint8_t *data, const char *addr)
{
	return address_is(data, 16, 24, addr);
}
