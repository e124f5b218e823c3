// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/plane_nft_seat.h"

#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "seat_"

const char *plane_nft_seat_name(unsigned seat,
				char out[PLANE_NFT_SEAT_NAME_MAX])
{
	snprintf(out, PLANE_NFT_SEAT_NAME_MAX, PREFIX "%u", seat);
	return out;
}

uint16_t plane_nft_seat_number(const char *chain)
{
	unsigned long n;
	char *end;

	if (strncmp(chain, PREFIX, strlen(PREFIX)))
		return SEAT_NONE;
	n = strtoul(chain + strlen(PREFIX), &end, 10);
	return *end || n > UINT16_MAX ? SEAT_NONE : (uint16_t)n;
}

/* Adds an expression of a kind to the rule; NULL: no memory. */
static struct nftnl_expr *add(struct nftnl_rule *r, const char *kind)
{
	struct nftnl_expr *e = nftnl_expr_alloc(kind);

	if (e)
		nftnl_rule_add_expr(r, e);
	return e;
}

static bool add_family(struct nftnl_rule *r, uint8_t family)
{
	struct nftnl_expr *meta = add(r, "meta"), *cmp = add(r, "cmp");

	if (!meta || !cmp)
		return false;
	nftnl_expr_set_u32(meta, NFTNL_EXPR_META_KEY, NFT_META_NFPROTO);
	nftnl_expr_set_u32(meta, NFTNL_EXPR_META_DREG, NFT_REG_1);
	nftnl_expr_set_u32(cmp, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(cmp, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
	nftnl_expr_set_u8(cmp, NFTNL_EXPR_CMP_DATA, family);
	return true;
}

static bool add_mark(struct nftnl_rule *r, uint32_t value, uint32_t mask)
{
	struct nftnl_expr *get = add(r, "ct"), *mix = add(r, "bitwise"),
			  *set = add(r, "ct");
	uint32_t keep = ~mask;

	if (!get || !mix || !set)
		return false;
	nftnl_expr_set_u32(get, NFTNL_EXPR_CT_KEY, NFT_CT_MARK);
	nftnl_expr_set_u32(get, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	nftnl_expr_set_u32(mix, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(mix, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(mix, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(mix, NFTNL_EXPR_BITWISE_LEN, sizeof(keep));
	nftnl_expr_set(mix, NFTNL_EXPR_BITWISE_MASK, &keep, sizeof(keep));
	nftnl_expr_set(mix, NFTNL_EXPR_BITWISE_XOR, &value, sizeof(value));
	nftnl_expr_set_u32(set, NFTNL_EXPR_CT_KEY, NFT_CT_MARK);
	nftnl_expr_set_u32(set, NFTNL_EXPR_CT_SREG, NFT_REG_1);
	return true;
}

static bool add_dnat(struct nftnl_rule *r, const struct addr *to,
		     uint8_t family)
{
	struct nftnl_expr *addr = add(r, "immediate"), *nat = add(r, "nat");

	if (!addr || !nat)
		return false;
	nftnl_expr_set_u32(addr, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
	nftnl_expr_set(addr, NFTNL_EXPR_IMM_DATA, to->bytes,
		       (uint32_t)addr_len(to));
	nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
	nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_FAMILY, family);
	nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
	nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_MAP_IPS);
	return true;
}

struct nftnl_rule *plane_nft_seat_rule(unsigned seat, uint32_t tag,
				       const struct addr *to,
				       const struct plane_nft_tag *place)
{
	uint8_t family = to->af == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
	struct nftnl_rule *r = nftnl_rule_alloc();
	char chain[PLANE_NFT_SEAT_NAME_MAX];

	if (!r)
		return NULL;
	nftnl_rule_set_str(r, NFTNL_RULE_CHAIN,
			   plane_nft_seat_name(seat, chain));
	if (!add_family(r, family) ||
	    !add_mark(r, tag << place->shift, place->mask) ||
	    !add_dnat(r, to, family)) {
		nftnl_rule_free(r);
		return NULL;
	}
	return r;
}

struct reading {
	struct table_seat seat;
	const struct plane_nft_tag *place;
};

static void read_tag(struct reading *r, struct nftnl_expr *e)
{
	uint32_t len;
	const void *value = nftnl_expr_get(e, NFTNL_EXPR_BITWISE_XOR, &len);
	uint32_t mark;

	if (!value || len != sizeof(mark))
		return;
	memcpy(&mark, value, sizeof(mark));
	r->seat.tag = (mark & r->place->mask) >> r->place->shift;
}

static void read_address(struct reading *r, struct nftnl_expr *e)
{
	uint32_t len = 0;
	const void *value = nftnl_expr_get(e, NFTNL_EXPR_IMM_DATA, &len);

	if (value && len == 4)
		r->seat.addr[FAMILY_V4] = addr_v4(value);
	else if (value && len == 16)
		r->seat.addr[FAMILY_V6] = addr_v6(value);
}

static int read_expression(struct nftnl_expr *e, void *arg)
{
	const char *kind = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);

	if (!strcmp(kind, "bitwise"))
		read_tag(arg, e);
	else if (!strcmp(kind, "immediate"))
		read_address(arg, e);
	return 0;
}

bool plane_nft_seat_read(const struct nftnl_rule *r, struct table_seat *out,
			 const struct plane_nft_tag *place)
{
	struct reading reading = { .seat = *out, .place = place };

	nftnl_expr_foreach((struct nftnl_rule *)(uintptr_t)r, read_expression,
			   &reading);
	if (!reading.seat.tag)
		return false;
	*out = reading.seat;
	return true;
}
