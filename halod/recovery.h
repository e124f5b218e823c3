/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A restart: what the store kept becomes the cluster again, with a version no
 * older than what the kernel carries (section 8 of the design). Whether nodes
 * return in time is the cluster's business.
 */
#ifndef HALO_RECOVERY_H
#define HALO_RECOVERY_H

#include "base/route_set.h"
#include "control/cluster.h"
#include "io/store.h"

struct recovery {
	bool found; /* a stored state that fits */
	struct cluster_saved saved;
	uint16_t *ids;		  /* [ROUTES_MAX], of unmoved */
	struct route_set unmoved; /* routes that were not between two nodes */
};

/* 0 or -ENOMEM. No store, or nothing in it, or a state that does not fit the
 * configuration (logged): nothing is found. */
int recovery_init(struct recovery *r, struct store *store, unsigned routes);
/* carried: the version of the table that the plane still has, 0: none. */
void recovery_run(struct recovery *r, struct cluster *cluster,
		  struct effects *fx, uint64_t carried);
void recovery_fini(struct recovery *r);

#endif
