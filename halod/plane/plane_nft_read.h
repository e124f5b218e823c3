/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table that a former life left in the kernel, read back. It changes
 * nothing there.
 */
#ifndef HALO_PLANE_PLANE_NFT_READ_H
#define HALO_PLANE_PLANE_NFT_READ_H

#include "packet/engine.h"
#include "plane/plane_nft_seat.h"

struct plane_nft_found {
	struct table *table; /* the caller's reference */
	bool unowned;	     /* new flows wait, as no route had a node */
};

/* Where the kernel's table has the tags in marks. -ENOENT: it does not say. */
int plane_nft_read_mask(uint32_t *out);

/* -ENOENT: there is none, it is not whole, or laid out in another way than
 * plane_nft_text() says now. */
int plane_nft_read(const struct engine_conf *engine, uint32_t layout,
		   const struct plane_nft_tag *place,
		   struct plane_nft_found *out);

#endif
