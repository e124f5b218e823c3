/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the service manager hears of the daemon: whether it is ready, a line of
 * how the cluster is, and that main loop and plane do their work. The messages
 * are io/notify.h's.
 */
#ifndef HALO_MANAGER_H
#define HALO_MANAGER_H

#include <ev.h>

#include "carrier.h"
#include "control/cluster.h"
#include "io/notify.h"

struct manager {
	struct notify notify;
	struct ev_loop *loop;
	struct carrier *carrier; /* both the daemon's */
	const struct cluster *cluster;
	ev_timer pulse;
};

/* Before any thread is started. */
void manager_init(struct manager *m);
/* All is in force: says so, and from then on how it is. */
void manager_ready(struct manager *m, struct ev_loop *loop,
		   struct carrier *carrier, const struct cluster *cluster);
void manager_reloading(const struct manager *m);
void manager_reloaded(const struct manager *m);
void manager_fini(struct manager *m); /* also if it was never ready */

#endif
