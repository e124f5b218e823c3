/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Structs as JSON values, for requests. Each returns a new reference; NULL
 * only when memory is short. Not parsers: nothing is read from JSON here.
 */
#ifndef HALO_VIEW_H
#define HALO_VIEW_H

#include <jansson.h>

#include "base/addr.h"
#include "base/route_set.h"
#include "control/cluster.h"

/* null for NULL and "" */
json_t *view_string(const char *text);
/* null for 0 */
json_t *view_number(uint64_t value);
/* "active", "reserve", "none" */
const char *view_wish(enum node_wish wish);
/* the addresses that are set, as strings */
json_t *view_addrs(const struct addr addrs[FAMILIES]);
/* [[first,last],…], at most max ranges */
json_t *view_ranges(const struct route_set *routes, unsigned max);
/* "2026-11-21T03:04:45.123Z" */
json_t *view_time(uint64_t epoch_ms);
/* What `node list` shows; routes: how many it serves. */
json_t *view_node(const struct node *n, unsigned routes, uint64_t now_ns);
/* Takes the members of more, which must be a new object, into object. */
void view_add(json_t *object, json_t *take_more);

#endif
