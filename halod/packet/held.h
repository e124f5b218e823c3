/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets that wait for what becomes of their route: in the order they came,
 * bounded in all and per client address. Keeps copies; who decides what waits
 * and what becomes of it is the engine.
 */
#ifndef HALO_PACKET_HELD_H
#define HALO_PACKET_HELD_H

#include "packet/flow.h"
#include "packet/engine.h"

#define HELD_SYN_MAX	  120  /* as in the journal */
#define HELD_DATAGRAM_MAX 1500 /* and SYNs with data */
#define HELD_DATAGRAMS	  256  /* of that size at most */

struct held;

struct held_packet {
	struct flow_key key;
	uint16_t route;
	uint32_t seq;		      /* of a SYN */
	uint64_t since_ns;	      /* these two are the caller's, who may */
	uint32_t tag;		      /* fill them in */
	struct packet packet;	      /* its data is the copy */
	uint32_t chain, older, newer; /* held's own */
};

/* NULL: no memory. max ≥ 1. */
struct held *held_new(unsigned max, uint32_t seed);
void held_free(struct held *h);

/*
 * 0: copied, the caller answers VERDICT_HOLD.
 * -EEXIST: the same SYN waits already.
 * -ENOSPC: too many, in all or of this client's address (a quarter of all).
 * -EMSGSIZE: longer than HELD_DATAGRAM_MAX.
 */
int held_add(struct held *h, const struct packet *p, const struct flow_key *key,
	     uint16_t route, uint32_t seq);

/* In order of arrival: NULL begins, NULL ends. */
struct held_packet *held_next(struct held *h, const struct held_packet *after);
/* The latest of those with that key; NULL: none. */
struct held_packet *held_find(struct held *h, const struct flow_key *key);
void held_remove(struct held *h, struct held_packet *w);

unsigned held_count(const struct held *h);

#endif
