/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A set of routes as a view: an ascending run of route ids that somebody else
 * owns. Not a container: build the array, then point at it.
 */
#ifndef HALO_BASE_ROUTE_SET_H
#define HALO_BASE_ROUTE_SET_H

#include <stdbool.h>
#include <stdint.h>

struct route_set {
	const uint16_t *ids; /* ascending, unique, 1..N; borrowed */
	uint32_t count;
};

struct route_range {
	uint16_t first, last; /* inclusive */
};

/* Steps through a set as ranges: *at starts at 0; false when done. */
bool route_set_next_range(const struct route_set *s, uint32_t *at,
			  struct route_range *out);
bool route_set_has(const struct route_set *s, uint16_t route);
/* "1-8,12": at most size bytes, ending in "…" when cut; returns out */
const char *route_set_format(const struct route_set *s, char *out,
			     unsigned size);

#endif
