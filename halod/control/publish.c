// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the node instance wanted for each route to a new table. A seat whose
 * routes all go to one successor is taken over as it is: one change for the
 * plane, however many routes. A planned publication tidies: a node that came
 * to several seats goes back to one.
 */
#include "control/cluster_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SEATS_FIRST 16
#define HEIR_NONE   UINT32_MAX /* no route seen yet */
#define HEIR_MANY   (UINT32_MAX - 1)

/* Each seat in use has a route: N seats are always enough, and no more than
 * one is new for each node. */
static unsigned seats_needed(const struct cluster *cl)
{
	unsigned n = cl->n_members + 2;

	for (unsigned s = 1; s <= cl->table->seats; s++)
		n += cl->table->seat[s].tag != 0;
	return n;
}

static int grow_scratch(struct cluster *cl, unsigned seats)
{
	uint32_t *routes, *heir;

	if (seats <= cl->seats)
		return 0;
	routes = realloc(cl->seat_routes, (seats + 1) * sizeof(*routes));
	if (!routes)
		return -ENOMEM;
	cl->seat_routes = routes;
	heir = realloc(cl->heir, (seats + 1) * sizeof(*heir));
	if (!heir)
		return -ENOMEM;
	cl->heir = heir;
	cl->seats = seats;
	return 0;
}

/* Memory for one publication. */
int publish_prepare(struct cluster *cl)
{
	unsigned need = seats_needed(cl);
	unsigned seats = cl->seats ? cl->seats : SEATS_FIRST;
	int err;

	while (seats < need)
		seats *= 2;
	if (seats > cl->conf.routes)
		seats = cl->conf.routes;
	if (seats < cl->table->seats) /* of a former life */
		seats = cl->table->seats;
	err = grow_scratch(cl, seats);
	if (err)
		return err;
	if (cl->spare && cl->spare->seats >= cl->seats)
		return 0;
	table_put(cl->spare);
	cl->spare = table_new(cl->conf.routes, cl->seats);
	return cl->spare ? 0 : -ENOMEM;
}

static void copy_published(struct cluster *cl, struct table *t)
{
	const struct table *old = cl->table;

	memcpy(t->seat, old->seat, (old->seats + 1) * sizeof(t->seat[0]));
	memset(t->seat + old->seats + 1, 0,
	       (t->seats - old->seats) * sizeof(t->seat[0]));
	memcpy(t->seat_of, old->seat_of,
	       (t->routes + 1) * sizeof(t->seat_of[0]));
}

static void seat_occupant(struct table *t, unsigned s, const struct member *m)
{
	t->seat[s].tag = m->node.tag;
	memcpy(t->seat[s].addr, m->node.addr, sizeof(m->node.addr));
	memcpy(t->seat[s].name, m->node.name, sizeof(m->node.name));
}

static void find_heirs(struct cluster *cl, const struct table *t)
{
	for (unsigned s = 0; s <= t->seats; s++)
		cl->heir[s] = HEIR_NONE;
	for (unsigned r = 1; r <= t->routes; r++) {
		uint32_t *heir = &cl->heir[t->seat_of[r]];

		if (*heir == HEIR_NONE)
			*heir = cl->served[r];
		else if (*heir != cl->served[r])
			*heir = HEIR_MANY;
	}
}

static void take_over_seats(struct cluster *cl, struct table *t)
{
	find_heirs(cl, t);
	for (unsigned s = 1; s <= t->seats; s++) {
		const struct member *heir = member_by_tag(cl, cl->heir[s]);

		if (heir && heir->node.tag != t->seat[s].tag)
			seat_occupant(t, s, heir);
	}
}

static void count_routes(struct cluster *cl, const struct table *t)
{
	memset(cl->seat_routes, 0, (t->seats + 1) * sizeof(cl->seat_routes[0]));
	for (unsigned r = 1; r <= t->routes; r++)
		cl->seat_routes[t->seat_of[r]]++;
}

/* Of several seats the one with most routes is home. */
static void find_homes(struct cluster *cl, const struct table *t)
{
	for (unsigned i = 0; i < cl->n_members; i++)
		cl->members[i]->seat = SEAT_NONE;
	count_routes(cl, t);
	for (unsigned s = 1; s <= t->seats; s++) {
		struct member *m = member_by_tag(cl, t->seat[s].tag);

		if (m &&
		    (!m->seat || cl->seat_routes[s] > cl->seat_routes[m->seat]))
			m->seat = (uint16_t)s;
	}
}

static bool is_seated_well(const struct cluster *cl, const struct table *t,
			   unsigned r, bool tidy)
{
	unsigned s = t->seat_of[r];

	return s && t->seat[s].tag == cl->served[r] &&
	       (!tidy || member_by_tag(cl, cl->served[r])->seat == s);
}

static void leave_seats(struct cluster *cl, struct table *t, bool tidy)
{
	for (unsigned r = 1; r <= t->routes; r++) {
		const struct member *m = member_by_tag(cl, cl->served[r]);

		if (!is_seated_well(cl, t, r, tidy))
			t->seat_of[r] = m ? m->seat : SEAT_NONE;
	}
}

static void clear_empty_seats(struct cluster *cl, struct table *t)
{
	count_routes(cl, t);
	for (unsigned s = 1; s <= t->seats; s++) {
		struct member *m = member_by_tag(cl, t->seat[s].tag);

		if (cl->seat_routes[s])
			continue;
		if (m && m->seat == s)
			m->seat = SEAT_NONE;
		memset(&t->seat[s], 0, sizeof(t->seat[s]));
	}
}

static unsigned free_seat(const struct table *t, unsigned from)
{
	while (t->seat[from].tag)
		from++;
	assert(from <= t->seats);
	return from;
}

static void seat_the_rest(struct cluster *cl, struct table *t)
{
	unsigned next = 1;

	for (unsigned r = 1; r <= t->routes; r++) {
		struct member *m = member_by_tag(cl, cl->served[r]);

		if (!m || t->seat_of[r])
			continue;
		if (!m->seat) {
			next = free_seat(t, next);
			seat_occupant(t, next, m);
			m->seat = (uint16_t)next;
		}
		t->seat_of[r] = m->seat;
	}
}

/* How many routes each node serves, and the first, for probes. */
static void count_served(struct cluster *cl)
{
	for (unsigned i = 0; i < cl->n_members; i++)
		cl->members[i]->serves = cl->members[i]->first_route = 0;
	for (unsigned r = 1; r <= cl->conf.routes; r++) {
		struct member *m = member_by_tag(cl, cl->served[r]);

		if (!m)
			continue;
		if (!m->serves++)
			m->first_route = (uint16_t)r;
		m->had_routes = true;
	}
}

/* Publishes cl->served[]: the spare becomes the table. */
void publish_table(struct cluster *cl, bool tidy)
{
	struct table *t = cl->spare;

	copy_published(cl, t);
	take_over_seats(cl, t);
	find_homes(cl, t);
	leave_seats(cl, t, tidy);
	clear_empty_seats(cl, t);
	seat_the_rest(cl, t);
	t->version = cl->table->version;
	if (t->version < cl->version_floor)
		t->version = cl->version_floor;
	t->version++;
	table_put(cl->table);
	cl->table = t;
	cl->spare = NULL;
	count_served(cl);
	effects_add(cl->fx, EFFECT_APPLY)->table = table_get(t);
	cl->publish_due = false;
	cl->retry_ns = 0;
	cl->store_due = true;
}

/* The plane kept the former table: the same again, by a new version. */
int publish_failed(struct cluster *cl, const struct event *ev)
{
	if (ev->version != cl->table->version)
		return 0;
	cl->retry_ns = cl->now + APPLY_RETRY;
	say_note(cl, NULL, NOTE_APPLY_FAILED,
		 "the plane kept the former table: again in 1 s");
	return 0;
}
