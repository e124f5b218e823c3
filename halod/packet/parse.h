/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where things are in an IP packet: IPv4 with options, IPv6 with extension
 * headers, TCP, UDP, ICMP. It checks every length and judges nothing else:
 * checksums are neither read nor verified here.
 */
#ifndef HALO_PACKET_PARSE_H
#define HALO_PACKET_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define PARSE_EXTENSIONS_MAX 8 /* IPv6 extension headers in a row */

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

enum parse_error {
	PARSE_OK,
	PARSE_SHORT,	  /* ends within a header */
	PARSE_BAD_LENGTH, /* length fields contradict the bytes there are */
	PARSE_BAD_HEADER, /* version, IHL, extension chain, TCP offset */
	PARSE_FRAGMENT,	  /* part of a packet; an atomic fragment is whole */
};

/* Offsets count from the first byte of the data that was parsed. */
struct parsed {
	uint8_t family;	  /* FAMILY_V4 or FAMILY_V6 */
	uint8_t protocol; /* IPPROTO_*, behind any extension headers */
	uint8_t flags;	  /* TCP_* */
	uint8_t type;	  /* of ICMP */
	uint16_t src_port, dst_port; /* 0 unless TCP or UDP */
	uint32_t seq, ack;	     /* of TCP */
	uint32_t payload;	     /* bytes behind the TCP or UDP header */
	size_t ip;		     /* offset of the IP header */
	size_t transport;	     /* offset of the TCP, UDP, ICMP header */
	size_t check; /* offset of that header's checksum; 0: none, or cut */
	size_t end;   /* offset of the first byte behind the packet */
	struct addr src, dst;
};

/* *out changes on success only. Other protocols parse as well: look at
 * out->protocol. */
enum parse_error parse_packet(const uint8_t *data, size_t len,
			      struct parsed *out);

/* The same of a packet of which only the first have of its len bytes are there:
 * its headers must be among them. */
enum parse_error parse_cut(const uint8_t *data, size_t have, size_t len,
			   struct parsed *out);

/* The packet that an ICMP error quotes, at an offset: it may be cut anywhere
 * behind the ports. seq, ack, flags and payload are not read. */
enum parse_error parse_quoted(const uint8_t *data, size_t len, size_t at,
			      struct parsed *out);

/* A SYN that opens a connection, as opposed to one that answers. */
static inline bool parsed_is_syn(const struct parsed *p)
{
	return (p->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

/* Sequence space the segment takes. */
static inline uint32_t parsed_seq_len(const struct parsed *p)
{
	return p->payload + !!(p->flags & TCP_SYN) + !!(p->flags & TCP_FIN);
}

#endif
