/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the plane that carries nothing has been told: for simulations and
 * tests. All its operations succeed; every end of flows is told at once.
 */
#ifndef HALO_PLANE_PLANE_NULL_H
#define HALO_PLANE_PLANE_NULL_H

#include "plane/plane.h"

struct plane_null_calls {
	uint64_t applied, ended, doors_set;
};

/* NULL before the first apply; borrowed until the next. */
const struct table *plane_null_table(const struct plane *p);
bool plane_null_holds(const struct plane *p, uint16_t route);
struct plane_null_calls plane_null_calls(const struct plane *p);

#endif
