/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * T(N, n): which slot owns which route when n slots share N routes (section 2
 * of the design). Knows nothing of nodes: who sits in a slot is placement's.
 *
 * Kept as birth lists: the routes a slot was born with, ascending; what a slot
 * owns at any n is a prefix of its list. A join appends one list and shortens
 * others by moving their ends; its undo moves the ends back. O(moved).
 */
#ifndef HALO_TABLE_ASSIGN_H
#define HALO_TABLE_ASSIGN_H

#include <stdint.h>

#include "base/route_set.h"

struct assign;

/* routes 1..ROUTES_MAX; slots_max 1..NODES_MAX, also beyond N: such slots own
 * nothing. NULL: no memory. Allocates all it will ever need (growing never
 * fails for want of memory): 2 bytes for each of N·(1 + 1/2 + … + 1/slots_max)
 * routes, of which only what has been grown into is ever touched. */
struct assign *assign_new(unsigned routes, unsigned slots_max);
/* An independent copy that can grow as far; NULL: no memory. */
struct assign *assign_copy(const struct assign *a);
void assign_free(struct assign *a); /* NULL is fine */

unsigned assign_routes(const struct assign *a); /* N */
unsigned assign_slots(const struct assign *a);	/* n */

/* Adds slot n+1; returns how many routes moved to it: floor(N/(n+1)), N for
 * the first. -E2BIG beyond slots_max (nothing changes). */
int assign_grow(struct assign *a);
/* The same as growing one by one until there are that many slots (fewer are
 * left as they are), each route's owner written once. -E2BIG likewise. */
int assign_grow_to(struct assign *a, unsigned slots);
/* The exact undo of the last assign_grow(); returns how many routes moved.
 * -ENOENT when there is no slot. */
int assign_shrink(struct assign *a);

/* The slot that owns the route (1..N), 0 when there are no slots. */
uint16_t assign_owner(const struct assign *a, uint16_t route);
/* The routes a slot (1..n) owns now: borrowed until the next grow or shrink. */
struct route_set assign_owned(const struct assign *a, uint16_t slot);

#endif
