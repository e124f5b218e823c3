/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A restart: what the store kept becomes the cluster again (section 8 of the
 * design). Whether nodes return in time is the cluster's business.
 */
#ifndef HALO_RECOVER_H
#define HALO_RECOVER_H

#include "base/route_set.h"
#include "control/cluster.h"
#include "io/store.h"

/* Nothing happens when there is no store or nothing in it, or when it does not
 * fit the configuration: that is logged. ids: room for ROUTES_MAX; *relearn
 * becomes the routes whose node did not change, in ids. */
void recover(struct store *store, struct cluster *cluster, struct effects *fx,
	     uint16_t *ids, struct route_set *relearn);

#endif
