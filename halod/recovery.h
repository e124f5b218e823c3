/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A restart: finds what the store kept and hands it, with what the kernel
 * still carries, to the cluster (section 8 of the design), which takes the
 * newer.
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
/* carried: the table that the plane still has, the caller's; NULL: none. */
void recovery_run(struct recovery *r, struct cluster *cluster,
		  struct effects *fx, struct table *carried);
void recovery_fini(struct recovery *r);

#endif
