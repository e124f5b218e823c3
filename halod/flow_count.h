/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many connections a node instance still has, by route: what a drain waits
 * for. Counted are those that are established; whose they are is route show's.
 */
#ifndef HALO_FLOW_COUNT_H
#define HALO_FLOW_COUNT_H

#include "plane/plane.h"

#define FLOW_COUNT_MAX 65536 /* looked at; then there are more */

struct flow_count {
	unsigned total;
	bool more;	  /* than that */
	unsigned *routes; /* by route, 1..N; owned */
};

/* 0, -ENOMEM, or the plane's error. Blocks as plane_ops.flows() does: some
 * microseconds a connection of the instance. */
int flow_count_init(struct flow_count *out, const struct plane_ops *ops,
		    struct plane *plane, uint32_t tag);
void flow_count_fini(struct flow_count *c);

#endif
