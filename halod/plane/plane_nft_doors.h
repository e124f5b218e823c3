/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Other doors for a table that is in use: what of the kernel's table names an
 * address or a port. Who serves a route is plane_nft_table.h's.
 */
#ifndef HALO_PLANE_PLANE_NFT_DOORS_H
#define HALO_PLANE_PLANE_NFT_DOORS_H

#include "plane/plane_nft_table.h"

/*
 * Doors that lead to the same route as before are not touched; rules change in
 * one step, new doors are there before it and former ones are left. 0, or
 * -errno with a line in err and all is as it was. On success the caller changes
 * what conf.engine points to, which is his, and calls plane_nft_doors_tidy().
 */
int plane_nft_doors_change(struct plane_nft_table *t,
			   const struct engine_conf *to, char *err,
			   unsigned err_size);
/* Doors of former that are none any more: no rule leads to them. */
void plane_nft_doors_tidy(struct plane_nft_table *t,
			  const struct engine_conf *former);

#endif
