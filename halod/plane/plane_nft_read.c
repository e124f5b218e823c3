// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/plane_nft_read.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/units.h"
#include "io/nft_txn.h"
#include "plane/plane_nft_text.h"

struct found {
	const struct engine_conf *engine;
	const struct plane_nft_tag *place;
	struct table *table;
	uint32_t layout[2]; /* fingerprint, the tag's mask */
	bool unowned, whole;
};

static void find_layout(void *arg, const struct nft_element *e)
{
	struct found *f = arg;

	if (e->key_len == sizeof(f->layout))
		memcpy(f->layout, e->key, sizeof(f->layout));
}

static void find_version(void *arg, const struct nft_element *e)
{
	struct found *f = arg;
	uint32_t words[2];

	if (e->key_len != sizeof(words))
		return;
	memcpy(words, e->key, sizeof(words));
	f->table->version = (uint64_t)words[0] << 32 | words[1];
	f->whole = true;
}

static void find_unowned(void *arg, const struct nft_element *e)
{
	struct found *f = arg;

	f->unowned = true;
}

static void find_seat(void *arg, const struct nftnl_rule *r)
{
	struct found *f = arg;
	uint16_t seat =
		plane_nft_seat_number(nftnl_rule_get_str(r, NFTNL_RULE_CHAIN));

	if (seat == SEAT_NONE || seat > NODES_MAX)
		return;
	plane_nft_seat_read(r, f->place, &f->table->seat[seat]);
	if (f->table->seats < seat)
		f->table->seats = seat;
}

static void find_address(void *arg, const struct nft_element *e)
{
	struct found *f = arg;
	struct addr a = { 0 };
	uint32_t mark;

	if (e->key_len != sizeof(mark))
		return;
	memcpy(&mark, e->key, sizeof(mark));
	if (e->data_len == 4)
		a = addr_v4(e->data);
	else if (e->data_len == 16)
		a = addr_v6(e->data);
	for (unsigned s = 1; s <= f->table->seats; s++)
		if (f->table->seat[s].tag == mark >> f->place->shift)
			f->table->seat[s].addr[a.af == AF_INET6] = a;
}

/* The first service's doors tell where routes lead: all are written at once. */
static void find_door(void *arg, const struct nft_element *e)
{
	struct found *f = arg;
	const struct engine_conf *c = f->engine;
	struct buf b = buf_reader(e->key, e->key_len);
	uint8_t protocol = buf_get_u8(&b);
	uint16_t seat, port;

	buf_take(&b, e->key_len < 8 ? 0 : e->key_len - 5);
	port = buf_get_be16(&b);
	if (!buf_ok(&b) || !e->jump || protocol != c->services[0].protocol)
		return;
	seat = plane_nft_seat_number(e->jump);
	if (port < c->services[0].listen ||
	    port - c->services[0].listen >= c->routes || seat > NODES_MAX)
		return;
	f->table->seat_of[port - c->services[0].listen + 1] = seat;
	if (f->table->seats < seat)
		f->table->seats = seat;
}

static int read_all(struct found *f, uint32_t layout)
{
	static const char *const doors[FAMILIES] = { "doors4", "doors6" };
	unsigned family =
		addr_is_set(&f->engine->vip[FAMILY_V4]) ? FAMILY_V4 : FAMILY_V6;
	int err = nft_read_elements(PLANE_NFT_TABLE, PLANE_NFT_LAYOUT_SET,
				    find_layout, f);

	if (err || f->layout[0] != layout)
		return -ENOENT;
	err = nft_read_elements(PLANE_NFT_TABLE, "version", find_version, f);
	if (!err)
		err = nft_read_elements(PLANE_NFT_TABLE, "unowned",
					find_unowned, f);
	if (!err)
		err = nft_read_rules(PLANE_NFT_TABLE, find_seat, f);
	if (!err)
		err = nft_read_elements(PLANE_NFT_TABLE, "address4",
					find_address, f);
	if (!err)
		err = nft_read_elements(PLANE_NFT_TABLE, "address6",
					find_address, f);
	if (!err)
		err = nft_read_elements(PLANE_NFT_TABLE, doors[family],
					find_door, f);
	return err || !f->whole ? -ENOENT : 0;
}

int plane_nft_read_mask(uint32_t *out)
{
	struct found f = { 0 };
	int err = nft_read_elements(PLANE_NFT_TABLE, PLANE_NFT_LAYOUT_SET,
				    find_layout, &f);

	if (err || !f.layout[1])
		return -ENOENT;
	*out = f.layout[1];
	return 0;
}

int plane_nft_read(const struct engine_conf *engine, uint32_t layout,
		   const struct plane_nft_tag *place,
		   struct plane_nft_found *out)
{
	struct found f = { .engine = engine, .place = place };
	int err;

	f.table = table_new(engine->routes, NODES_MAX);
	if (!f.table)
		return -ENOMEM;
	f.table->seats = 0;
	err = read_all(&f, layout);
	if (err) {
		table_put(f.table);
		return err;
	}
	*out = (struct plane_nft_found){ f.table, f.unowned };
	return 0;
}
