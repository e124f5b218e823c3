/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets for tests, from a description, with checksums summed the naive way:
 * shares no code with halod/packet, which it is there to check.
 */
#ifndef HALO_TESTS_PACKET_BUILD_H
#define HALO_TESTS_PACKET_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_MAX 2048

enum {
	FIN = 0x01,
	SYN = 0x02,
	RST = 0x04,
	PSH = 0x08,
	ACK = 0x10,
};

struct packet_spec {
	const char *src, *dst; /* both IPv4 or both IPv6 */
	uint8_t protocol;      /* 0: TCP */
	uint16_t src_port, dst_port;
	uint32_t seq, ack;
	uint8_t flags;
	size_t payload;		   /* bytes of a fixed pattern */
	size_t ip_options;	   /* bytes of NOP, a multiple of 4 */
	size_t tcp_options;	   /* the same */
	const uint8_t *extensions; /* IPv6 next-header values */
	size_t n_extensions;
	uint16_t fragment;    /* flags and offset as on the wire */
	bool no_udp_checksum; /* 0 on the wire */
	bool partial;	      /* the checksum holds the pseudo header's sum */
};

struct built {
	uint8_t data[PACKET_MAX];
	size_t len;
	size_t transport; /* offset */
	size_t check;	  /* offset of the transport checksum */
};

struct built packet_build(const struct packet_spec *spec);

/* An ICMP error from src to dst that quotes the first `quoted` bytes. */
struct built packet_build_error(const char *src, const char *dst, uint8_t type,
				uint8_t code, uint32_t rest,
				const uint8_t *quote, size_t quoted);

/* The IPv4 header checksum (if any) and the transport checksum are right. */
bool packet_is_sound(const uint8_t *data, size_t len);

/* How wrong the transport checksum is: 0 is right; mod 0xffff. */
uint16_t packet_check_error(const uint8_t *data, size_t len);

/* The pseudo header's sum, folded, not complemented. */
uint16_t packet_pseudo_sum(const uint8_t *data, size_t len);

uint16_t packet_get16(const uint8_t *data, size_t at);
uint32_t packet_get32(const uint8_t *data, size_t at);
void packet_put16(uint8_t *data, size_t at, uint16_t v);

/* Written at the place the address has in the IP header. */
bool packet_src_is(const uint8_t *data, const char *addr);
bool packet_dst_is(const uint8_t *data, const char *addr);

#endif
