/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A list of conntrack's flows that grows as they are found. One thread's.
 */
#ifndef HALO_PLANE_PLANE_NFT_FLOWS_H
#define HALO_PLANE_PLANE_NFT_FLOWS_H

#include <stddef.h>

#include "io/conntrack.h"

struct plane_nft_flows {
	struct conntrack_entry *entries;
	size_t count, room;
};

/* A copy. 0 or -ENOMEM, then it is as it was. */
int plane_nft_flows_add(struct plane_nft_flows *f,
			const struct conntrack_entry *e);
/* Empty, and without memory. */
void plane_nft_flows_clear(struct plane_nft_flows *f);

#endif
