/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nft plane's table as nft's own text: all that does not change while it is
 * in use. What changes (seats, doors, holds) is elements and seat chains, and
 * plane_nft_table.h's.
 */
#ifndef HALO_PLANE_PLANE_NFT_TEXT_H
#define HALO_PLANE_PLANE_NFT_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "io/rules.h"
#include "packet/engine.h"
#include "plane/plane_nft_seat.h"

#define PLANE_NFT_TABLE	     "halod"
#define PLANE_NFT_LAYOUT_SET "layout" /* each text makes it anew */

struct plane_nft_conf {
	const struct engine_conf *engine; /* addresses, services */
	uint16_t queue;			  /* where held packets go */
	uint16_t group;			  /* NFLOG: where copies of SYNs go */
	uint32_t mark;	 /* of packets HaloD makes: not tracked */
	uint32_t replay; /* of SYNs it sends again: not held */
	struct plane_nft_tag tag;
	bool unlogged; /* no NFLOG here: no SYN is copied */
	/* Their clients are hidden by services with snat. Borrowed. */
	const struct prefix *networks;
	unsigned n_networks;
	enum rules_queue how;
};

/* Replaces a table of that name, in one step; on the heap. *layout tells
 * tables of different text apart. NULL: no memory. */
char *plane_nft_text(const struct plane_nft_conf *c, uint32_t *layout);
/* Makes a table of other addresses and services that of c, in one step: rules
 * and layout, no element. The same ownership. */
char *plane_nft_text_doors(const struct plane_nft_conf *c, uint32_t *layout);
/* Neighbours of nodes are hidden by the same rules, which the above does not
 * change. */
bool plane_nft_text_hides_alike(const struct plane_nft_conf *a,
				const struct plane_nft_conf *b);

/* What is to stand while somebody has deleted that table: NAT goes on for the
 * flows that there are, and newcomers are not refused by the gateway itself. A
 * table of its own, owned by whoever writes it; on the heap. NULL: no memory.
 */
char *plane_nft_text_anchor(const struct engine_conf *engine);

#endif
