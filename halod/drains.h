/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watches nodes that are drained while connections live on (handover = keep),
 * and tells when the last one has ended, before the deadline.
 */
#ifndef HALO_DRAINS_H
#define HALO_DRAINS_H

#include <ev.h>

#include "carrier.h"
#include "control/cluster.h"

/* No established flow of the instance is left. */
typedef void (*drains_fn)(void *arg, uint32_t tag);

struct drains {
	struct ev_loop *loop;
	const struct cluster *cluster;
	const struct carrier *carrier;
	ev_timer timer;
	uint64_t next_ns;
	drains_fn fn;
	void *arg;
};

/* All borrowed; fn may step the cluster. */
void drains_start(struct drains *d, struct ev_loop *loop,
		  const struct cluster *cluster, const struct carrier *carrier,
		  drains_fn fn, void *arg);
void drains_stop(struct drains *d);

#endif
