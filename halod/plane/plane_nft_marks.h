/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tags of flows in another place of their ct marks. It knows no table, and
 * touches nobody else's flows.
 */
#ifndef HALO_PLANE_PLANE_NFT_MARKS_H
#define HALO_PLANE_PLANE_NFT_MARKS_H

#include "packet/engine.h"
#include "plane/plane_nft_seat.h"

/* Of all flows to doors, while none with a tag in the new place is there.
 * Blocks: 10 ms and some 2 µs a flow. 0 or -errno. */
int plane_nft_marks_move(const struct engine_conf *engine,
			 const struct plane_nft_tag *from,
			 const struct plane_nft_tag *to);

#endif
