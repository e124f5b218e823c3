// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/plane_nft_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "io/nft.h"
#include "io/nft_text.h"
#include "plane/plane_nft_marks.h"
#include "plane/plane_nft_read.h"

/* As long as nfqueue's known_nodes: then the address may be another's. */
#define FORMER_MS (600ull * 1000)

static const struct family {
	const char *doors, *hold, *address, *nodes, *former;
} families[FAMILIES] = {
	[FAMILY_V4] = { "doors4", "hold4", "address4", "nodes4", "former4" },
	[FAMILY_V6] = { "doors6", "hold6", "address6", "nodes6", "former6" },
};

struct plane_nft_door plane_nft_door(uint8_t protocol, const struct addr *vip,
				     uint16_t port)
{
	size_t len = addr_len(vip);
	struct plane_nft_door d = { .key = { protocol },
				    .len = (uint32_t)(4 + len + 4) };

	memcpy(d.key + 4, vip->bytes, len);
	d.key[4 + len] = (uint8_t)(port >> 8);
	d.key[4 + len + 1] = (uint8_t)port;
	return d;
}

const char *plane_nft_door_map(unsigned family)
{
	return families[family].doors;
}

const char *plane_nft_door_holds(unsigned family)
{
	return families[family].hold;
}

/* Calls fn for each door of the route. */
typedef void (*door_fn)(struct plane_nft_table *t, unsigned family,
			const struct plane_nft_door *door, void *arg);
static void for_each_door(struct plane_nft_table *t, uint16_t route,
			  unsigned family, door_fn fn, void *arg)
{
	const struct engine_conf *c = t->conf.engine;

	for (unsigned i = 0; i < c->n_services; i++) {
		const struct engine_service *s = &c->services[i];
		struct plane_nft_door door =
			plane_nft_door(s->protocol, &c->vip[family],
				       (uint16_t)(s->listen + route - 1));

		fn(t, family, &door, arg);
	}
}

static bool has_family(const struct plane_nft_table *t, unsigned family)
{
	return addr_is_set(&t->conf.engine->vip[family]);
}

static void remove_door(struct plane_nft_table *t, unsigned family,
			const struct plane_nft_door *door, void *arg)
{
	struct nft_element e = { .key = door->key, .key_len = door->len };

	nft_txn_remove(&t->txn, families[family].doors, &e);
}

static void add_door(struct plane_nft_table *t, unsigned family,
		     const struct plane_nft_door *door, void *arg)
{
	struct nft_element e = { .key = door->key,
				 .key_len = door->len,
				 .jump = arg };

	nft_txn_add(&t->txn, families[family].doors, &e);
}

static void add_hold(struct plane_nft_table *t, unsigned family,
		     const struct plane_nft_door *door, void *arg)
{
	struct nft_element e = { .key = door->key, .key_len = door->len };

	nft_txn_add(&t->txn, families[family].hold, &e);
}

static void remove_hold(struct plane_nft_table *t, unsigned family,
			const struct plane_nft_door *door, void *arg)
{
	struct nft_element e = { .key = door->key, .key_len = door->len };

	nft_txn_remove(&t->txn, families[family].hold, &e);
}

/* Set by set and kind by kind, so that elements share messages. */
static void move_routes(struct plane_nft_table *t, const struct table_diff *d)
{
	char chain[PLANE_NFT_SEAT_NAME_MAX];

	for (unsigned f = 0; f < FAMILIES; f++) {
		if (!has_family(t, f))
			continue;
		for (uint32_t i = 0; i < d->n_routes; i++)
			if (d->routes[i].from != SEAT_NONE)
				for_each_door(t, d->routes[i].route, f,
					      remove_door, NULL);
		for (uint32_t i = 0; i < d->n_routes; i++)
			if (d->routes[i].to != SEAT_NONE)
				for_each_door(t, d->routes[i].route, f,
					      add_door,
					      (void *)plane_nft_seat_name(
						      d->routes[i].to, chain));
	}
}

static void add_chains(struct plane_nft_table *t, unsigned seats)
{
	char chain[PLANE_NFT_SEAT_NAME_MAX];

	for (unsigned s = t->seats + 1; s <= seats; s++)
		nft_txn_add_chain(&t->txn, plane_nft_seat_name(s, chain));
}

static const struct table_seat *seat_of(const struct table *t, unsigned seat)
{
	static const struct table_seat empty;

	return seat <= t->seats ? &t->seat[seat] : &empty;
}

static void write_seat(struct plane_nft_table *t, const struct table *to,
		       unsigned seat)
{
	const struct table_seat *s = seat_of(to, seat);
	char chain[PLANE_NFT_SEAT_NAME_MAX];

	nft_txn_flush_chain(&t->txn, plane_nft_seat_name(seat, chain));
	if (s->tag)
		nft_txn_add_rule(&t->txn,
				 plane_nft_seat_rule(seat, s, &t->conf.tag));
}

/* Where a node instance is reached, by any seat it has; NULL: by none. */
static const struct addr *address_of(const struct table *t, uint32_t tag,
				     unsigned family)
{
	for (unsigned s = 1; tag && s <= t->seats; s++)
		if (t->seat[s].tag == tag)
			return addr_is_set(&t->seat[s].addr[family])
				       ? &t->seat[s].addr[family]
				       : NULL;
	return NULL;
}

static bool is_same(const struct addr *a, const struct addr *b)
{
	return a && b ? addr_equal(a, b) : a == b;
}

/* Was it dealt with at a lower seat of the difference already? */
static bool tag_seen_before(const struct table_diff *d, const struct table *t,
			    uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (seat_of(t, d->seats[i])->tag ==
		    seat_of(t, d->seats[n])->tag)
			return true;
	return false;
}

static void write_address(struct plane_nft_table *t, const struct table_diff *d,
			  uint32_t n, unsigned f, const struct table *in)
{
	uint32_t tag = seat_of(in, d->seats[n])->tag;
	const struct addr *was = address_of(d->from, tag, f);
	const struct addr *is = address_of(d->to, tag, f);
	uint32_t mark = tag << t->conf.tag.shift;
	struct nft_element e = { .key = &mark, .key_len = sizeof(mark) };

	if (is_same(was, is) || tag_seen_before(d, in, n))
		return;
	if (was)
		nft_txn_remove(&t->txn, families[f].address, &e);
	if (!is)
		return;
	e.data = is->bytes;
	e.data_len = (uint32_t)addr_len(is);
	nft_txn_add(&t->txn, families[f].address, &e);
}

/* An instance that keeps its tag at another address is in both tables. */
static void write_addresses(struct plane_nft_table *t,
			    const struct table_diff *d, uint32_t n, unsigned f)
{
	uint32_t left = seat_of(d->from, d->seats[n])->tag;
	uint32_t came = seat_of(d->to, d->seats[n])->tag;

	if (left && left != came && !address_of(d->to, left, f))
		write_address(t, d, n, f, d->from);
	if (came)
		write_address(t, d, n, f, d->to);
}

static bool serves_anywhere(const struct table *t, const struct addr *a,
			    unsigned family, unsigned seats)
{
	for (unsigned s = 1; s <= seats; s++)
		if (seat_of(t, s)->tag &&
		    addr_equal(&seat_of(t, s)->addr[family], a))
			return true;
	return false;
}

/* Was it dealt with at a lower seat of the difference already? */
static bool seen_before(const struct table_diff *d, uint32_t n,
			const struct addr *a, unsigned family)
{
	for (uint32_t i = 0; i < n; i++)
		if (addr_equal(&seat_of(d->from, d->seats[i])->addr[family], a))
			return true;
	return false;
}

static void add_node(struct plane_nft_table *t, const char *set,
		     const struct addr *a, uint64_t timeout_ms)
{
	struct nft_element e = { .key = a->bytes,
				 .key_len = (uint32_t)addr_len(a),
				 .timeout_ms = timeout_ms };

	nft_txn_add(&t->txn, set, &e);
}

/* The addresses whose packets are nodes' packets: those that serve, and for a
 * while those that did. */
static void write_nodes(struct plane_nft_table *t, const struct table_diff *d,
			uint32_t n, unsigned f)
{
	const struct addr *was = &seat_of(d->from, d->seats[n])->addr[f];
	const struct addr *is = &seat_of(d->to, d->seats[n])->addr[f];
	struct nft_element e = { .key = was->bytes,
				 .key_len = (uint32_t)addr_len(was) };

	if (addr_is_set(is))
		add_node(t, families[f].nodes, is, 0);
	if (!addr_is_set(was) || serves_anywhere(d->to, was, f, d->to->seats) ||
	    seen_before(d, n, was, f))
		return;
	nft_txn_remove(&t->txn, families[f].nodes, &e);
	add_node(t, families[f].former, was, FORMER_MS);
}

static void add_protocols(struct nft_txn *txn, const char *set,
			  uint64_t timeout_ms)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };

	for (unsigned i = 0; i < ARRAY_SIZE(protocols); i++) {
		struct nft_element e = { .key = &protocols[i],
					 .key_len = 1,
					 .timeout_ms = timeout_ms };

		nft_txn_add(txn, set, &e);
	}
}

void plane_nft_table_keep_alive(struct nft_txn *txn)
{
	nft_txn_flush_set(txn, "alive");
	add_protocols(txn, "alive", PLANE_NFT_ALIVE_MS);
}

static void write_version(struct plane_nft_table *t, uint64_t version)
{
	uint32_t words[2] = { (uint32_t)(version >> 32), (uint32_t)version };
	struct nft_element e = { .key = words, .key_len = sizeof(words) };

	nft_txn_flush_set(&t->txn, "version");
	nft_txn_add(&t->txn, "version", &e);
}

bool plane_nft_table_is_unowned(const struct table *t)
{
	for (unsigned r = 1; r <= t->routes; r++)
		if (table_lookup(t, (uint16_t)r))
			return false;
	return true;
}

static void write_unowned(struct plane_nft_table *t, bool unowned)
{
	if (unowned == t->unowned)
		return;
	nft_txn_flush_set(&t->txn, "unowned");
	if (!unowned)
		return;
	add_protocols(&t->txn, "unowned", 0);
	plane_nft_table_keep_alive(&t->txn);
}

static int write_difference(struct plane_nft_table *t,
			    const struct table_diff *d, bool unowned)
{
	add_chains(t, d->to->seats);
	for (uint32_t i = 0; i < d->n_seats; i++) {
		write_seat(t, d->to, d->seats[i]);
		for (unsigned f = 0; f < FAMILIES; f++) {
			write_addresses(t, d, i, f);
			write_nodes(t, d, i, f);
		}
	}
	move_routes(t, d);
	write_unowned(t, unowned);
	if (!t->serving)
		add_protocols(&t->txn, "serving", 0);
	write_version(t, d->to->version);
	return nft_txn_commit(&t->txn);
}

int plane_nft_table_apply(struct plane_nft_table *t, const struct table_diff *d)
{
	bool unowned = plane_nft_table_is_unowned(d->to);
	int err;

	if (d->from != t->now)
		return plane_nft_table_load(t, d->to);
	err = write_difference(t, d, unowned);
	if (err)
		return err;
	table_get(d->to); /* which may be the one there is */
	table_put(t->now);
	t->now = d->to;
	t->seats = t->seats > d->to->seats ? t->seats : d->to->seats;
	t->serving = true;
	t->unowned = unowned;
	return 0;
}

int plane_nft_table_load(struct plane_nft_table *t, struct table *to)
{
	struct table_diff d;
	int err = table_diff_init(&d, t->now, to);

	if (err)
		return err;
	err = plane_nft_table_apply(t, &d);
	table_diff_fini(&d);
	return err;
}

static bool changes_hold(const struct plane_nft_table *t, uint16_t route,
			 bool on)
{
	return route_bits_has(&t->held, route) != on;
}

static void note_hold(struct plane_nft_table *t, uint16_t route, bool on)
{
	if (!changes_hold(t, route, on))
		return;
	if (on) {
		route_bits_add(&t->held, route);
		t->n_held++;
	} else {
		route_bits_remove(&t->held, route);
		t->n_held--;
	}
}

int plane_nft_table_hold(struct plane_nft_table *t,
			 const struct route_set *routes, bool on)
{
	int err;

	for (unsigned f = 0; f < FAMILIES; f++)
		for (uint32_t i = 0; i < routes->count && has_family(t, f); i++)
			if (changes_hold(t, routes->ids[i], on))
				for_each_door(t, routes->ids[i], f,
					      on ? add_hold : remove_hold,
					      NULL);
	if (on)
		plane_nft_table_keep_alive(&t->txn);
	err = nft_txn_commit(&t->txn);
	for (uint32_t i = 0; i < routes->count && !err; i++)
		note_hold(t, routes->ids[i], on);
	return err;
}

static int insert_xt_queue(struct plane_nft_table *t, char *err,
			   unsigned err_size)
{
	const struct plane_nft_conf *c = &t->conf;
	struct nft_batch b;
	int ret;

	if (c->how != RULES_XT_QUEUE)
		return 0;
	nft_batch_init(&b, PLANE_NFT_TABLE);
	nft_insert_xt_queue(&b, "held", c->queue, false);
	nft_insert_xt_queue(&b, "refused", c->queue, true);
	ret = nft_commit(&b);
	t->xt_port = b.port;
	if (ret)
		snprintf(err, err_size, "cannot insert the NFQUEUE rules: %s",
			 strerror(-ret));
	return ret;
}

/* Last, so that a table that is not whole is not adopted. */
static int write_layout(struct plane_nft_table *t)
{
	uint32_t words[2] = { t->layout, t->conf.tag.mask };
	struct nft_element e = { .key = words, .key_len = sizeof(words) };

	nft_txn_add(&t->txn, PLANE_NFT_LAYOUT_SET, &e);
	return nft_txn_commit(&t->txn);
}

/* An empty table in the kernel, and here. */
static int create(struct plane_nft_table *t, const char *text, char *err,
		  unsigned err_size)
{
	struct table *none = table_new(t->conf.engine->routes, 1);
	int ret = -ENOMEM;

	if (!none)
		return ret;
	ret = nft_text_run(text, err, err_size);
	if (!ret)
		ret = insert_xt_queue(t, err, err_size);
	if (!ret)
		ret = write_layout(t);
	if (ret) {
		table_put(none);
		return ret;
	}
	table_put(t->now);
	t->now = none;
	t->seats = 0;
	t->serving = t->unowned = false;
	return 0;
}

static int drop_holds(struct plane_nft_table *t)
{
	for (unsigned f = 0; f < FAMILIES; f++)
		nft_txn_flush_set(&t->txn, families[f].hold);
	return nft_txn_commit(&t->txn);
}

static int adopt(struct plane_nft_table *t)
{
	struct plane_nft_found found;
	int err =
		plane_nft_read(t->conf.engine, t->layout, &t->conf.tag, &found);

	if (err)
		return err;
	err = drop_holds(t);
	if (err) {
		table_put(found.table);
		return err;
	}
	t->now = found.table;
	t->adopted = t->serving = true;
	t->unowned = found.unowned;
	return 0;
}

/* What the kernel has if it differs in the place of the tags alone: the table,
 * and their place. */
static int find_elsewhere(const struct plane_nft_table *t,
			  struct plane_nft_found *found,
			  struct plane_nft_tag *place)
{
	struct plane_nft_conf former = t->conf;
	uint32_t mask, layout;
	char *text;

	if (plane_nft_read_mask(&mask) || !mask || mask == t->conf.tag.mask)
		return -ENOENT;
	*place = former.tag = plane_nft_tag_at(mask);
	text = plane_nft_text(&former, &layout);
	free(text);
	return text ? plane_nft_read(t->conf.engine, layout, place, found)
		    : -ENOMEM;
}

/* While doors are silent, and before flows with new marks come. */
static int move_tags(struct plane_nft_table *t, const char *text, char *err,
		     unsigned err_size)
{
	struct plane_nft_found found;
	struct plane_nft_tag from;
	int ret = find_elsewhere(t, &found, &from);

	if (ret)
		return ret;
	ret = create(t, text, err, err_size);
	if (!ret)
		ret = plane_nft_marks_move(t->conf.engine, &from, &t->conf.tag);
	if (!ret)
		ret = plane_nft_table_load(t, found.table);
	table_put(found.table);
	t->adopted = !ret;
	return ret;
}

int plane_nft_table_init(struct plane_nft_table *t,
			 const struct plane_nft_conf *conf, char *err,
			 unsigned err_size)
{
	char *text;
	int ret;

	*t = (struct plane_nft_table){ .conf = *conf };
	snprintf(err, err_size, "%s", strerror(ENOMEM));
	text = plane_nft_text(&t->conf, &t->layout);
	if (!text)
		return -ENOMEM;
	ret = nft_txn_init(&t->txn, PLANE_NFT_TABLE);
	if (ret)
		goto out;
	if (adopt(t) && move_tags(t, text, err, err_size))
		ret = create(t, text, err, err_size);
	if (ret)
		plane_nft_table_fini(t);
out:
	free(text);
	return ret;
}

void plane_nft_table_fini(struct plane_nft_table *t)
{
	nft_txn_fini(&t->txn);
	table_put(t->now);
}

int plane_nft_table_remove(char *err, unsigned err_size)
{
	return nft_text_run("add table inet " PLANE_NFT_TABLE "\n"
			    "delete table inet " PLANE_NFT_TABLE "\n",
			    err, err_size);
}

static int hold_again(struct plane_nft_table *t)
{
	for (unsigned f = 0; f < FAMILIES; f++)
		for (unsigned r = 1; r <= t->now->routes && has_family(t, f);
		     r++)
			if (route_bits_has(&t->held, (uint16_t)r))
				for_each_door(t, (uint16_t)r, f, add_hold,
					      NULL);
	if (t->n_held)
		plane_nft_table_keep_alive(&t->txn);
	return nft_txn_commit(&t->txn);
}

int plane_nft_table_rebuild(struct plane_nft_table *t)
{
	struct table *to = table_get(t->now);
	bool applied = t->serving;
	char err[128], *text = plane_nft_text(&t->conf, &t->layout);
	int ret = text ? create(t, text, err, sizeof(err)) : -ENOMEM;

	free(text);
	if (!ret)
		ret = hold_again(t);
	if (!ret && applied)
		ret = plane_nft_table_load(t, to);
	table_put(to);
	return ret;
}
