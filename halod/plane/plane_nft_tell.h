/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes both ends of a flow notice that it has ended, or its client alone when
 * the node is lost (forced). It deletes nothing: that comes before.
 */
#ifndef HALO_PLANE_PLANE_NFT_TELL_H
#define HALO_PLANE_PLANE_NFT_TELL_H

#include <stdbool.h>

#include "io/conntrack.h"
#include "io/ct_seq.h"
#include "io/rawsock.h"

/* numbers: found is false when they are not known, then they are asked. */
void plane_nft_tell(struct rawsock *raw, const struct conntrack_entry *c,
		    const struct ct_seq_item *numbers, bool forced);
/* Once more, by a segment that whoever believes in the flow answers. */
void plane_nft_tell_ask(struct rawsock *raw, const struct conntrack_entry *c,
			bool forced);

#endif
