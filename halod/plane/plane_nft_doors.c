// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/plane_nft_doors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/nft_text.h"
#include "plane/plane_nft_seat.h"

/* A change on its way: each function below writes one part of it. */
struct change {
	struct plane_nft_table *table;
	const struct engine_conf *from, *to;
};

static uint16_t route_at(const struct engine_conf *c, const struct addr *vip,
			 uint16_t port, uint8_t protocol)
{
	struct endpoint at = { *vip, port };
	struct engine_door door = engine_door(c, &at, protocol);

	return door.found ? door.route : 0;
}

static uint16_t seat_of(const struct plane_nft_table *t, uint16_t route)
{
	return route ? t->now->seat_of[route] : SEAT_NONE;
}

static bool is_held(const struct plane_nft_table *t, uint16_t route)
{
	return route && route_bits_has(&t->held, route);
}

static void lead(struct plane_nft_table *t, unsigned family,
		 const struct plane_nft_door *door, uint16_t was, uint16_t is)
{
	char chain[PLANE_NFT_SEAT_NAME_MAX];
	struct nft_element e = { .key = door->key, .key_len = door->len };
	const char *map = plane_nft_door_map(family);

	if (seat_of(t, was) != SEAT_NONE)
		nft_txn_remove(&t->txn, map, &e);
	if (seat_of(t, is) == SEAT_NONE)
		return;
	e.jump = plane_nft_seat_name(seat_of(t, is), chain);
	nft_txn_add(&t->txn, map, &e);
}

static void keep_held(struct plane_nft_table *t, unsigned family,
		      const struct plane_nft_door *door, uint16_t was,
		      uint16_t is)
{
	struct nft_element e = { .key = door->key, .key_len = door->len };

	if (is_held(t, was) && !is_held(t, is))
		nft_txn_remove(&t->txn, plane_nft_door_holds(family), &e);
	if (is_held(t, is) && !is_held(t, was))
		nft_txn_add(&t->txn, plane_nft_door_holds(family), &e);
}

/* Calls fn for each door of `of` that leads to another route in `other`. */
typedef void (*door_fn)(struct plane_nft_table *t, unsigned family,
			const struct plane_nft_door *door, uint16_t here,
			uint16_t there);
static void for_each_change(const struct change *c,
			    const struct engine_conf *of,
			    const struct engine_conf *other, unsigned family,
			    door_fn fn)
{
	const struct addr *vip = &of->vip[family];

	for (unsigned i = 0; addr_is_set(vip) && i < of->n_services; i++) {
		const struct engine_service *s = &of->services[i];

		for (unsigned r = 1; r <= of->routes; r++) {
			uint16_t port = (uint16_t)(s->listen + r - 1);
			uint16_t there =
				route_at(other, vip, port, s->protocol);
			struct plane_nft_door door =
				plane_nft_door(s->protocol, vip, port);

			if (there != r)
				fn(c->table, family, &door, (uint16_t)r, there);
		}
	}
}

static void lead_new(struct plane_nft_table *t, unsigned family,
		     const struct plane_nft_door *door, uint16_t is,
		     uint16_t was)
{
	lead(t, family, door, was, is);
}

static void hold_new(struct plane_nft_table *t, unsigned family,
		     const struct plane_nft_door *door, uint16_t is,
		     uint16_t was)
{
	keep_held(t, family, door, was, is);
}

/* Those that lead elsewhere now are dealt with as new ones. */
static void drop_former(struct plane_nft_table *t, unsigned family,
			const struct plane_nft_door *door, uint16_t was,
			uint16_t is)
{
	if (!is)
		lead(t, family, door, was, 0);
}

static void release_former(struct plane_nft_table *t, unsigned family,
			   const struct plane_nft_door *door, uint16_t was,
			   uint16_t is)
{
	if (!is)
		keep_held(t, family, door, was, 0);
}

static int add_new(const struct change *c)
{
	for (unsigned f = 0; f < FAMILIES; f++) {
		for_each_change(c, c->to, c->from, f, lead_new);
		for_each_change(c, c->to, c->from, f, hold_new);
	}
	return nft_txn_commit(&c->table->txn);
}

static int remove_former(const struct change *c)
{
	for (unsigned f = 0; f < FAMILIES; f++) {
		for_each_change(c, c->from, c->to, f, drop_former);
		for_each_change(c, c->from, c->to, f, release_former);
	}
	return nft_txn_commit(&c->table->txn);
}

static int change_rules(struct plane_nft_table *t, const struct engine_conf *to,
			char *err, unsigned err_size)
{
	struct plane_nft_conf conf = t->conf;
	uint32_t layout;
	char *text;
	int ret = -ENOMEM;

	conf.engine = to;
	text = plane_nft_text_doors(&conf, &layout);
	if (text)
		ret = nft_text_run(text, err, err_size);
	else
		snprintf(err, err_size, "%s", strerror(ENOMEM));
	free(text);
	if (!ret)
		t->layout = layout;
	return ret;
}

int plane_nft_doors_change(struct plane_nft_table *t,
			   const struct engine_conf *to, char *err,
			   unsigned err_size)
{
	struct change change = { t, t->conf.engine, to };
	struct change back = { t, to, t->conf.engine };
	struct plane_nft_conf other = t->conf;
	int ret;

	other.engine = to;
	if (!plane_nft_text_hides_alike(&t->conf, &other)) {
		snprintf(err, err_size,
			 "services with snat cannot change while halod runs: "
			 "restart it");
		return -EOPNOTSUPP;
	}
	ret = add_new(&change);
	if (ret) {
		snprintf(err, err_size, "new doors: %s", strerror(-ret));
		return ret;
	}
	ret = change_rules(t, to, err, err_size);
	if (!ret)
		return 0;
	if (add_new(&back) || remove_former(&back))
		plane_nft_table_rebuild(t);
	return ret;
}

void plane_nft_doors_tidy(struct plane_nft_table *t,
			  const struct engine_conf *former)
{
	struct change change = { t, former, t->conf.engine };

	if (remove_former(&change))
		plane_nft_table_rebuild(t);
}
