/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of the established flows of node instances that may be lost in a
 * moment: to walk conntrack takes 10 ms, which is what there is between
 * suspicion and loss. It ends no flow; what a list lacks, or a list that was
 * not made, costs the walk after the loss, nothing else.
 *
 * One thread says whom to expect, another one makes and takes the lists.
 */
#ifndef HALO_PLANE_PLANE_NFT_EARLY_H
#define HALO_PLANE_PLANE_NFT_EARLY_H

#include <stdbool.h>
#include <stdint.h>

#include "packet/route_bits.h"
#include "plane/plane_nft_flows.h"
#include "plane/plane_nft_seat.h"
#include "table/table.h"

#define PLANE_NFT_EARLY_MAX	  8	/* instances; a ninth replaces one */
#define PLANE_NFT_EARLY_FLOWS_MAX 65536 /* of all together: 8 MB */

/* Zero at start. */
struct plane_nft_early {
	_Atomic uint32_t expected[PLANE_NFT_EARLY_MAX]; /* tags; 0: none */
	unsigned next; /* the asking thread's: whose place is taken */

	/* the listing thread's alone */
	struct {
		uint32_t tag; /* 0: not listed */
		struct plane_nft_flows flows;
	} listed[PLANE_NFT_EARLY_MAX];
	size_t flows;	  /* of all lists */
	uint64_t paid_ns; /* when the time spent has been made up for */
};
void plane_nft_early_fini(struct plane_nft_early *e);

/* The instance may be lost; or no longer. */
void plane_nft_early_expect(struct plane_nft_early *e, uint32_t tag, bool on);

/* Of the routes' instances those of which a seat has all its routes held, at
 * most max; returns how many. */
unsigned plane_nft_early_suspects(const struct table *t,
				  const struct route_bits *held,
				  const struct route_set *routes, uint32_t *out,
				  unsigned max);

/* There is a list to make or to drop. Making them takes at most a tenth of the
 * time, 100 ms at once. */
bool plane_nft_early_is_due(const struct plane_nft_early *e, uint64_t now_ns);
/* Makes one list at most. 0 or -errno; blocks as conntrack_list() does. */
int plane_nft_early_work(struct plane_nft_early *e, struct conntrack *ct,
			 const struct plane_nft_tag *place);
/* The instance's flows, the caller's from now on; false: not listed. */
bool plane_nft_early_take(struct plane_nft_early *e, uint32_t tag,
			  struct plane_nft_flows *out);

#endif
