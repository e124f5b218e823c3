/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What changes between two tables, as a plane has to write it: seats that got
 * another occupant, and routes that point at another seat.
 */
#ifndef HALO_TABLE_DIFF_H
#define HALO_TABLE_DIFF_H

#include <stdint.h>

#include "table/table.h"

struct table_route_change {
	uint16_t route, from, to; /* seats; SEAT_NONE: unowned */
};

struct table_diff {
	struct table *from; /* NULL: everything is new. Reference held. */
	struct table *to;   /* Reference held. */
	uint32_t n_routes, n_seats;
	struct table_route_change *routes; /* ascending by route */
	/* Ascending; compare from->seat[], to->seat[]. The two may differ in
	 * their number of seats: one that a table lacks is empty there. */
	uint16_t *seats;
};

/* 0 or -ENOMEM; *out changes on success only. from and to have the same N. */
int table_diff_init(struct table_diff *out, struct table *from,
		    struct table *to);
void table_diff_fini(struct table_diff *diff);

/* How many routes change the node instance that serves them; from none and
 * to none count. */
uint32_t table_diff_moved(const struct table_diff *diff);

#endif
