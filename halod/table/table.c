/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "table/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

static size_t seats_size(unsigned seats)
{
	return sizeof(struct table_seat) * (seats + 1);
}

static size_t routes_size(unsigned routes)
{
	return sizeof(uint16_t) * (routes + 1);
}

struct table *table_new(unsigned routes, unsigned seats)
{
	struct table *t;

	assert(routes >= 1 && routes <= ROUTES_MAX && seats <= UINT16_MAX);
	t = calloc(1, sizeof(*t) + seats_size(seats) + routes_size(routes));
	if (!t)
		return NULL;
	t->routes = (uint16_t)routes;
	t->seats = (uint16_t)seats;
	t->refs = 1;
	t->seat = (struct table_seat *)(t + 1);
	t->seat_of = (uint16_t *)(t->seat + seats + 1);
	return t;
}

struct table *table_copy(const struct table *t)
{
	struct table *copy = table_new(t->routes, t->seats);

	if (!copy)
		return NULL;
	copy->version = t->version;
	memcpy(copy->seat, t->seat, seats_size(t->seats));
	memcpy(copy->seat_of, t->seat_of, routes_size(t->routes));
	return copy;
}

struct table *table_get(struct table *t)
{
	__atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
	return t;
}

void table_put(struct table *t)
{
	/* release: our reads are done; acquire: so are those of all others */
	if (t && !__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL))
		free(t);
}
