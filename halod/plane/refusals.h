/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resets by which nodes refuse SYNs. Each waits in the queue, bounded in number
 * and time, while its node is looked at; when another serves the route by then
 * the SYN is sent there and its client never hears of it. Belongs to the gate's
 * thread; it judges no node.
 */
#ifndef HALO_PLANE_REFUSALS_H
#define HALO_PLANE_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

#include "io/nfq.h"
#include "packet/parse.h"
#include "plane/doors.h"
#include "plane/event_queue.h"
#include "plane/plane.h"
#include "plane/plane_nft_syns.h"

struct refusals;

/* All borrowed. Verdicts go to the queue, which the caller flushes. */
struct refusals_conf {
	struct doors *doors;
	struct nfq *nfq;
	struct event_queue *events;  /* PLANE_REFUSED */
	struct plane_nft_syns *syns; /* NULL: the kernel sends them again */
	uint32_t replay;	     /* mark of SYNs that are sent again */
};

struct refusals_stats {
	uint64_t held, passed, averted, full, waiting;
};

int refusals_new(struct refusals **out, const struct refusals_conf *conf);
/* Clients get the refusals that still wait. */
void refusals_free(struct refusals *r);

/* Has seen to the packet's verdict if it is a refusal; false: it is none.
 * now: who serves; NULL: not known yet. */
bool refusals_take(struct refusals *r, const struct nfq_packet *in,
		   const struct parsed *at, const struct table *now,
		   uint64_t now_ns);
/* Others may serve now. */
void refusals_look(struct refusals *r, const struct table *now);
/* Passes on those that have waited long enough. Returns when the next has;
 * UINT64_MAX: none waits. */
uint64_t refusals_expire(struct refusals *r, uint64_t now_ns);

/* Any thread. */
void refusals_stats(const struct refusals *r, struct refusals_stats *out);

#endif
