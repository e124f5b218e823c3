/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ICMP errors about packets of a flow, translated so that their receiver
 * recognises its own packet in the quote; and the one error HaloD crafts, port
 * unreachable. Echo and everything else that is not an error is not for here.
 */
#ifndef HALO_PACKET_ICMP_H
#define HALO_PACKET_ICMP_H

#include "packet/parse.h"

#define ICMP_UNREACHABLE_MAX 1280 /* RFC 4443, section 2.4 (c) */

/* ICMP 3, 11, 12 (RFC 792), ICMPv6 1 to 4 (RFC 4443): they quote a packet. */
bool icmp_is_error(const struct parsed *p);

/* The packet that an error quotes. */
enum parse_error icmp_quote(const uint8_t *data, const struct parsed *error,
			    struct parsed *quote);

/* From outside to the node, about a packet that the node sent: as if it had
 * been about node → client all the way. */
void icmp_to_node(uint8_t *data, const struct parsed *error,
		  const struct parsed *quote, const struct addr *node);

/* To the client, about a packet that the client sent to the virtual address.
 * The error's own source becomes the virtual address as well, whoever sent it
 * (the node, the gateway, a router between), as conntrack does: the nodes'
 * network stays hidden. */
void icmp_to_client(uint8_t *data, const struct parsed *error,
		    const struct parsed *quote, const struct addr *vip);

/* Port unreachable, from the packet's destination to its source, quoting as
 * much as fits; returns the length written. */
size_t icmp_build_unreachable(const uint8_t *data, const struct parsed *p,
			      uint8_t out[ICMP_UNREACHABLE_MAX]);

#endif
