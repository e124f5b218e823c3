// SPDX-License-Identifier: GPL-2.0-or-later
#include "recovery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "io/clock.h"

static void find_unmoved(struct recovery *r)
{
	struct route_set moving = { r->saved.moving, r->saved.n_moving };

	for (unsigned route = 1; route <= r->saved.routes; route++)
		if (!route_set_has(&moving, (uint16_t)route))
			r->ids[r->unmoved.count++] = (uint16_t)route;
	r->unmoved.ids = r->ids;
}

int recovery_init(struct recovery *r, struct store *store, unsigned routes)
{
	*r = (struct recovery){ .ids = calloc(ROUTES_MAX, sizeof(*r->ids)) };
	if (!r->ids)
		return -ENOMEM;
	if (!store || store_load(store, &r->saved))
		return 0;
	if (r->saved.routes != routes) {
		log_warn("stored table not used",
			 "stored_routes=%u routes=%u why=\"routes changed\"",
			 r->saved.routes, routes);
		cluster_saved_fini(&r->saved);
		return 0;
	}
	r->found = true;
	find_unmoved(r);
	return 0;
}

void recovery_run(struct recovery *r, struct cluster *cluster,
		  struct effects *fx, struct table *carried)
{
	int err;

	if (!r->found && !carried)
		return;
	if (!r->found)
		r->saved = (struct cluster_saved){
			.routes = (uint16_t)cluster_conf(cluster)->routes,
			.next_tag = 1,
		};
	err = cluster_restore(cluster, &r->saved, carried, clock_monotonic_ns(),
			      fx);
	if (err)
		log_error("stored table not used", "why=\"%s\"",
			  strerror(-err));
}

void recovery_fini(struct recovery *r)
{
	if (r->found)
		cluster_saved_fini(&r->saved);
	free(r->ids);
}
