/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread that ends flows of a node instance after the table has been
 * switched: deletes them from conntrack, twice, sends unanswered SYNs again and
 * makes both ends of the others notice. Flows that begin are not its business.
 */
#ifndef HALO_PLANE_PLANE_NFT_ENDS_H
#define HALO_PLANE_PLANE_NFT_ENDS_H

#include <stdbool.h>
#include <stdint.h>

#include "io/ct_seq.h"
#include "plane/doors.h"
#include "plane/event_queue.h"
#include "plane/plane.h"
#include "plane/plane_nft_seat.h"
#include "plane/plane_nft_syns.h"

struct plane_nft_ends;

struct plane_nft_ends_conf {
	struct doors *doors; /* borrowed */
	struct plane_nft_tag tag;
	uint32_t mark;	 /* of packets that are not tracked */
	uint32_t replay; /* of SYNs that are sent again */
	bool realtime;
};

struct plane_nft_ends_stats {
	uint64_t replayed, told_clients, told_nodes, ended;
};

/* events, syns: borrowed. 0 or -errno. */
int plane_nft_ends_new(struct plane_nft_ends **out,
		       const struct plane_nft_ends_conf *conf,
		       struct event_queue *events, struct plane_nft_syns *syns);
/* Before anything is asked for: clients are told by resets with the numbers
 * that seq knows. Borrowed. */
void plane_nft_ends_use(struct plane_nft_ends *e, struct ct_seq *seq);
/* What is asked for and not begun is left. */
void plane_nft_ends_free(struct plane_nft_ends *e);

/* All flows of the instance may have to be ended in a moment: they are looked
 * for already. Or no longer. From one thread; returns at once. */
void plane_nft_ends_expect(struct plane_nft_ends *e, uint32_t tag, bool on);

/* Returns at once; PLANE_FLOWS_ENDED follows. count 0: all routes. Copies
 * routes. -ENOMEM. */
int plane_nft_ends_ask(struct plane_nft_ends *e, uint32_t tag,
		       const struct route_set *routes, bool forced);

/* The same for flows of doors that were there in former and are no more. */
int plane_nft_ends_ask_gone(struct plane_nft_ends *e,
			    const struct engine_conf *former);

void plane_nft_ends_stats(const struct plane_nft_ends *e,
			  struct plane_nft_ends_stats *out);

#endif
