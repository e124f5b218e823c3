/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A seat's rule, which marks flows with the tag of who sits there: what it is
 * made of, and what it says. No netlink socket here; transactions carry it.
 */
#ifndef HALO_PLANE_PLANE_NFT_SEAT_H
#define HALO_PLANE_PLANE_NFT_SEAT_H

#include <libnftnl/rule.h>
#include <stdbool.h>
#include <stdint.h>

#include "table/table.h"

#define PLANE_NFT_SEAT_NAME_MAX 16

/* The chain of a seat; returns out. */
const char *plane_nft_seat_name(unsigned seat,
				char out[PLANE_NFT_SEAT_NAME_MAX]);
/* Back; SEAT_NONE: not such a chain. */
uint16_t plane_nft_seat_number(const char *chain);

/* Where the tag is in a flow's ct mark; other bits are not HaloD's. */
struct plane_nft_tag {
	uint32_t mask, shift;
};

static inline struct plane_nft_tag plane_nft_tag_at(uint32_t mask)
{
	return (struct plane_nft_tag){ mask, (uint32_t)__builtin_ctz(mask) };
}

static inline uint32_t plane_nft_tag_of(const struct plane_nft_tag *place,
					uint32_t mark)
{
	return (mark & place->mask) >> place->shift;
}

/* ct mark set (ct mark & ~mask) | tag << shift, with the node's name as its
 * comment. Of expressions that the kernel need not validate: a rule with an
 * address in it would make it walk all doors with every change. NULL: no
 * memory. The caller owns it. */
struct nftnl_rule *plane_nft_seat_rule(unsigned seat,
				       const struct table_seat *occupant,
				       const struct plane_nft_tag *place);
/* Who sits there by the rule: tag and name; tag 0: it is no seat's rule. */
void plane_nft_seat_read(const struct nftnl_rule *r,
			 const struct plane_nft_tag *place,
			 struct table_seat *occupant);

#endif
