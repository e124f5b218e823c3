// SPDX-License-Identifier: GPL-2.0-or-later
#include "recover.h"

#include <string.h>

#include "base/log.h"
#include "io/clock.h"

static struct route_set unmoved_routes(const struct cluster_saved *saved,
				       uint16_t *ids)
{
	struct route_set moving = { saved->moving, saved->n_moving };
	uint32_t n = 0;

	for (unsigned r = 1; r <= saved->routes; r++)
		if (!route_set_has(&moving, (uint16_t)r))
			ids[n++] = (uint16_t)r;
	return (struct route_set){ ids, n };
}

static void restore(struct cluster *cluster, struct effects *fx,
		    const struct cluster_saved *saved, uint16_t *ids,
		    struct route_set *relearn)
{
	unsigned routes = cluster_conf(cluster)->routes;
	int err;

	if (saved->routes != routes) {
		log_warn("stored table not used",
			 "stored_routes=%u routes=%u why=\"routes changed\"",
			 saved->routes, routes);
		return;
	}
	err = cluster_restore(cluster, saved, clock_monotonic_ns(), fx);
	if (err)
		log_error("stored table not used", "why=\"%s\"",
			  strerror(-err));
	else
		*relearn = unmoved_routes(saved, ids);
}

void recover(struct store *store, struct cluster *cluster, struct effects *fx,
	     uint16_t *ids, struct route_set *relearn)
{
	struct cluster_saved saved;

	if (!store || store_load(store, &saved))
		return;
	restore(cluster, fx, &saved, ids, relearn);
	cluster_saved_fini(&saved);
}
