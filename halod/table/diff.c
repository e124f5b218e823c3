/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "table/diff.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

static uint16_t seat_of(const struct table *t, unsigned route)
{
	return t ? t->seat_of[route] : SEAT_NONE;
}

static struct table_seat occupant(const struct table *t, unsigned seat)
{
	return t && seat <= t->seats ? t->seat[seat] : (struct table_seat){ 0 };
}

static unsigned highest_seat(const struct table *from, const struct table *to)
{
	return from && from->seats > to->seats ? from->seats : to->seats;
}

static bool route_differs(const struct table *from, const struct table *to,
			  unsigned route)
{
	return seat_of(from, route) != seat_of(to, route);
}

static bool seat_differs(const struct table *from, const struct table *to,
			 unsigned seat)
{
	struct table_seat was = occupant(from, seat), is = occupant(to, seat);

	for (int family = 0; family < FAMILIES; family++)
		if (!addr_equal(&was.addr[family], &is.addr[family]))
			return true;
	return was.tag != is.tag;
}

static void count_changes(struct table_diff *d)
{
	for (unsigned r = 1; r <= d->to->routes; r++)
		d->n_routes += route_differs(d->from, d->to, r);
	for (unsigned s = 1; s <= highest_seat(d->from, d->to); s++)
		d->n_seats += seat_differs(d->from, d->to, s);
}

static void list_routes(struct table_diff *d)
{
	struct table_route_change *change = d->routes;

	for (unsigned r = 1; r <= d->to->routes; r++)
		if (route_differs(d->from, d->to, r))
			*change++ = (struct table_route_change){
				.route = (uint16_t)r,
				.from = seat_of(d->from, r),
				.to = seat_of(d->to, r),
			};
}

static void list_seats(struct table_diff *d)
{
	uint16_t *seat = d->seats;

	for (unsigned s = 1; s <= highest_seat(d->from, d->to); s++)
		if (seat_differs(d->from, d->to, s))
			*seat++ = (uint16_t)s;
}

int table_diff_init(struct table_diff *out, struct table *from,
		    struct table *to)
{
	struct table_diff d = { .from = from, .to = to };

	assert(!from || from->routes == to->routes);
	count_changes(&d);
	/* one more than needed: malloc(0) may return NULL */
	d.routes = malloc(sizeof(*d.routes) * (d.n_routes + 1));
	d.seats = malloc(sizeof(*d.seats) * (d.n_seats + 1));
	if (!d.routes || !d.seats) {
		free(d.routes);
		free(d.seats);
		return -ENOMEM;
	}
	list_routes(&d);
	list_seats(&d);
	table_get(to);
	if (from)
		table_get(from);
	*out = d;
	return 0;
}

void table_diff_fini(struct table_diff *diff)
{
	table_put(diff->from);
	table_put(diff->to);
	free(diff->routes);
	free(diff->seats);
	*diff = (struct table_diff){ 0 };
}

static uint32_t tag_of(const struct table *t, uint16_t route)
{
	const struct table_seat *seat = t ? table_lookup(t, route) : NULL;

	return seat ? seat->tag : 0;
}

uint32_t table_diff_moved(const struct table_diff *diff)
{
	uint32_t moved = 0;

	for (unsigned r = 1; r <= diff->to->routes; r++)
		moved += tag_of(diff->from, (uint16_t)r) !=
			 tag_of(diff->to, (uint16_t)r);
	return moved;
}
