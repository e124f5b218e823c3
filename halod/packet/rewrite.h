/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts another address into a packet and adjusts what depends on it. Ports,
 * TTL and everything else stay; lengths never change.
 */
#ifndef HALO_PACKET_REWRITE_H
#define HALO_PACKET_REWRITE_H

#include "packet/parse.h"

enum rewrite_side { REWRITE_SRC, REWRITE_DST };

/* What the transport checksum holds. */
enum rewrite_check {
	CHECK_COMPLETE, /* a checksum: adjusted, right or wrong */
	CHECK_PSEUDO,	/* the pseudo header's sum, not complemented; whoever
			 * segments the packet completes it */
	CHECK_MISSING,	/* the same, but nobody will: computed in full. The
			 * packet was made on this host, so nothing that may
			 * be corrupted is blessed */
};

/* to: of the packet's family. p stays true but for the address replaced. */
void rewrite_packet(uint8_t *data, const struct parsed *p,
		    enum rewrite_side side, const struct addr *to,
		    enum rewrite_check check);

/* The address and the IPv4 header checksum alone; returns what this adds to
 * a pseudo header's sum, for checksum_adjust(). */
uint16_t rewrite_address(uint8_t *data, const struct parsed *p,
			 enum rewrite_side side, const struct addr *to);

/* Adjusts the TCP or UDP checksum at p->check, if there is one: an absent UDP
 * checksum (0) stays absent, a UDP result of 0 is sent as 0xffff (RFC 768). */
void rewrite_adjust(uint8_t *data, const struct parsed *p, uint16_t delta);

/* Computes the checksum at p->check over pseudo header and payload. */
void rewrite_complete(uint8_t *data, const struct parsed *p);

#endif
