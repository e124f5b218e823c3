/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread at the queue of held packets: new connections wait there until
 * their route is released, bounded in number and time, and so do refusals while
 * their node is looked at. It also keeps the holds
 * alive in the kernel, takes in copies of SYNs and watches for others that
 * change our table. It rewrites no packet: what is released is looked up by the
 * kernel.
 */
#ifndef HALO_PLANE_PLANE_NFT_GATE_H
#define HALO_PLANE_PLANE_NFT_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "plane/doors.h"
#include "plane/event_queue.h"
#include "plane/plane.h"
#include "plane/plane_nft_refusals.h"
#include "plane/plane_nft_syns.h"

struct plane_nft_gate;

struct plane_nft_gate_conf {
	struct doors *doors; /* borrowed */
	uint16_t queue;
	unsigned queue_len;
	bool realtime;
	uint32_t mark;	 /* of the resets it makes */
	uint32_t replay; /* of SYNs that are sent again */
};

struct plane_nft_gate_stats {
	uint64_t queued, held, released, duplicates, full, refused;
	uint64_t waiting;
	uint64_t failed; /* verdicts */
	struct plane_nft_refusals_stats refusals;
};

/* Binds the queue and starts the thread. events, syns: borrowed. -EBUSY: the
 * queue is taken. */
int plane_nft_gate_new(struct plane_nft_gate **out,
		       const struct plane_nft_gate_conf *conf,
		       struct event_queue *events, struct plane_nft_syns *syns);
/* Packets that still wait are dropped. */
void plane_nft_gate_free(struct plane_nft_gate *g);

/* The kernel sends the routes' new connections here, or does no longer: those
 * that wait go on within a moment. */
void plane_nft_gate_hold(struct plane_nft_gate *g,
			 const struct route_set *routes, bool on);
/* No route has a node: all wait. */
void plane_nft_gate_set_unowned(struct plane_nft_gate *g, bool unowned);

/* Who serves, in the kernel as well: refused connections to other nodes go on
 * to these. */
void plane_nft_gate_set_table(struct plane_nft_gate *g, struct table *now);

/* The netlink ports whose changes of the table are our own, besides the
 * gate's; 0: none. */
void plane_nft_gate_set_ports(struct plane_nft_gate *g, uint32_t port,
			      uint32_t other);
/* When another was first seen to change our table, since the last time this was
 * asked; 0: none has. */
uint64_t plane_nft_gate_take_drift(struct plane_nft_gate *g);
/* Our text is about to make or change the table, as it is once the gate was
 * made; and has: what others changed meanwhile is drift, unless the text has
 * overwritten it. */
void plane_nft_gate_begin_rewrite(struct plane_nft_gate *g);
void plane_nft_gate_end_rewrite(struct plane_nft_gate *g);

void plane_nft_gate_stats(struct plane_nft_gate *g,
			  struct plane_nft_gate_stats *out);

#endif
