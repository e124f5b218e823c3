/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Units of time and the limits every layer shares. Time is CLOCK_MONOTONIC
 * nanoseconds in a uint64_t named now_ns or *_ns; it always comes from outside.
 */
#ifndef HALO_BASE_UNITS_H
#define HALO_BASE_UNITS_H

#include <stdint.h>

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull
#define TIME_NEVER UINT64_MAX

#define ROUTES_MAX    65535
#define NODES_MAX     4096 /* slots, reserve and lost nodes together */
#define SERVICES_MAX  16
#define NODE_NAME_MAX 64 /* with the terminating 0; [A-Za-z0-9._-] */

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
