/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resets by which nodes refuse SYNs. Each waits in the queue, bounded in number
 * and time, while its node is looked at; when another serves the route by then
 * the SYN is sent there and its client never hears of it. Belongs to the gate's
 * thread; it judges no node.
 */
#ifndef HALO_PLANE_PLANE_NFT_REFUSALS_H
#define HALO_PLANE_PLANE_NFT_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

#include "io/nfq.h"
#include "packet/parse.h"
#include "plane/doors.h"
#include "plane/event_queue.h"
#include "plane/plane.h"
#include "plane/plane_nft_syns.h"

struct plane_nft_refusals;

/* All borrowed. Verdicts go to the queue, which the caller flushes. */
struct plane_nft_refusals_conf {
	struct doors *doors;
	struct nfq *nfq;
	struct event_queue *events; /* PLANE_REFUSED */
	struct plane_nft_syns *syns;
	uint32_t replay; /* mark of SYNs that are sent again */
};

struct plane_nft_refusals_stats {
	uint64_t held, passed, averted, full, waiting;
};

int plane_nft_refusals_new(struct plane_nft_refusals **out,
			   const struct plane_nft_refusals_conf *conf);
/* Clients get the refusals that still wait. */
void plane_nft_refusals_free(struct plane_nft_refusals *r);

/* Has seen to the packet's verdict if it is a refusal; false: it is none.
 * now: who serves; NULL: not known yet. */
bool plane_nft_refusals_take(struct plane_nft_refusals *r,
			     const struct nfq_packet *in,
			     const struct parsed *at, const struct table *now,
			     uint64_t now_ns);
/* Others may serve now. */
void plane_nft_refusals_look(struct plane_nft_refusals *r,
			     const struct table *now);
/* Passes on those that have waited long enough. Returns when the next has;
 * UINT64_MAX: none waits. */
uint64_t plane_nft_refusals_expire(struct plane_nft_refusals *r,
				   uint64_t now_ns);

/* Any thread. */
void plane_nft_refusals_stats(const struct plane_nft_refusals *r,
			      struct plane_nft_refusals_stats *out);

#endif
