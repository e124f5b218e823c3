/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table that planes carry: an immutable, counted snapshot that says which
 * node instance serves each route now. Not the assignment: while a planned
 * move is being handed over, the table still shows the former node.
 *
 * A route points at a *seat*, a seat at a node instance. A seat is what one
 * slot's occupant sits in; a lost node's successor takes over the seat itself,
 * so that a loss changes one seat however many routes stand behind it. Planned
 * moves change routes. Seats are not dense and not the slots of T(N, n): a node
 * that is handing routes back may hold two for a while.
 */
#ifndef HALO_TABLE_TABLE_H
#define HALO_TABLE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/units.h"

#define SEAT_NONE 0

struct table_seat {
	uint32_t tag; /* node instance, 1..65534; 0: nobody sits here */
	struct addr addr[FAMILIES]; /* unset where the node has none */
	char name[NODE_NAME_MAX];   /* the node's; "": not known */
};

struct table {
	uint64_t version; /* never goes backwards */
	uint16_t routes;  /* N */
	uint16_t seats;	  /* highest seat number in use or not */
	uint32_t refs;	  /* atomic; use table_get/put */
	uint16_t *seat_of;	  /* [routes + 1]; seat_of[0] unused */
	struct table_seat *seat; /* [seats + 1]; seat[0] stays empty */
};

/* All routes unowned, all seats empty, version 0; one reference. NULL: no
 * memory. */
struct table *table_new(unsigned routes, unsigned seats);
/* A private copy to edit before it is published; one reference. */
struct table *table_copy(const struct table *t);
struct table *table_get(struct table *t);
void table_put(struct table *t); /* NULL is fine */

/* Who serves the route: NULL when it is unowned. */
static inline const struct table_seat *table_lookup(const struct table *t,
						    uint16_t route)
{
	const struct table_seat *s = &t->seat[t->seat_of[route]];

	return s->tag ? s : NULL;
}

#endif
