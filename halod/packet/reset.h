/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP resets as whole IP packets. Which sequence number is right is track's to
 * know for a flow; for a segment without one it is RFC 9293's.
 */
#ifndef HALO_PACKET_RESET_H
#define HALO_PACKET_RESET_H

#include "packet/parse.h"

#define RESET_LEN_MAX (40 + 20)
#define RESET_TTL     64

struct reset {
	struct endpoint src, dst; /* of one family */
	uint32_t seq, ack;	  /* ack: only with TCP_ACK */
	uint8_t flags;		  /* TCP_RST, perhaps TCP_ACK */
};

/* Writes the packet with complete checksums; returns its length. */
size_t reset_build(const struct reset *r, uint8_t out[RESET_LEN_MAX]);

/* The answer to a segment of no connection (RFC 9293, section 3.10.7.1), from
 * the segment's destination to its source; false: an RST gets none. */
bool reset_answer(const struct parsed *p, struct reset *out);

#endif
