// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/plane_nft_seat.h"

#include <libnftnl/expr.h>
#include <libnftnl/udata.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/message.h"

#define PREFIX	    "seat_"
#define COMMENT_MAX (NODE_NAME_MAX + 8)

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

/* Shown by nft, and what a later halod knows the node by. */
static bool add_comment(struct nftnl_rule *r, const char *name)
{
	struct nftnl_udata_buf *data = nftnl_udata_buf_alloc(COMMENT_MAX);
	bool good;

	if (!data)
		return false;
	good = nftnl_udata_put_strz(data, NFTNL_UDATA_RULE_COMMENT, name);
	if (good)
		nftnl_rule_set_data(r, NFTNL_RULE_USERDATA,
				    nftnl_udata_buf_data(data),
				    nftnl_udata_buf_len(data));
	nftnl_udata_buf_free(data);
	return good;
}

struct nftnl_rule *plane_nft_seat_rule(unsigned seat,
				       const struct table_seat *occupant,
				       const struct plane_nft_tag *place)
{
	struct nftnl_rule *r = nftnl_rule_alloc();
	char chain[PLANE_NFT_SEAT_NAME_MAX];

	if (!r)
		return NULL;
	nftnl_rule_set_str(r, NFTNL_RULE_CHAIN,
			   plane_nft_seat_name(seat, chain));
	if (!add_mark(r, occupant->tag << place->shift, place->mask) ||
	    !add_comment(r, occupant->name)) {
		nftnl_rule_free(r);
		return NULL;
	}
	return r;
}

static int read_expression(struct nftnl_expr *e, void *arg)
{
	uint32_t len, *mark = arg;
	const void *value;

	if (strcmp(nftnl_expr_get_str(e, NFTNL_EXPR_NAME), "bitwise"))
		return 0;
	value = nftnl_expr_get(e, NFTNL_EXPR_BITWISE_XOR, &len);
	if (value && len == sizeof(*mark))
		memcpy(mark, value, sizeof(*mark));
	return 0;
}

static int read_comment(const struct nftnl_udata *attr, void *arg)
{
	struct table_seat *occupant = arg;
	unsigned len = nftnl_udata_len(attr);

	if (nftnl_udata_type(attr) == NFTNL_UDATA_RULE_COMMENT &&
	    len <= sizeof(occupant->name))
		memcpy(occupant->name, nftnl_udata_get(attr), len);
	return 0;
}

void plane_nft_seat_read(const struct nftnl_rule *r,
			 const struct plane_nft_tag *place,
			 struct table_seat *occupant)
{
	uint32_t mark = 0, len;
	const void *data = nftnl_rule_get_data(r, NFTNL_RULE_USERDATA, &len);

	nftnl_expr_foreach((struct nftnl_rule *)(uintptr_t)r, read_expression,
			   &mark);
	occupant->tag = plane_nft_tag_of(place, mark);
	memset(occupant->name, 0, sizeof(occupant->name));
	if (data)
		nftnl_udata_parse(data, len, read_comment, occupant);
	if (!node_name_is_valid(occupant->name))
		occupant->name[0] = 0;
}
