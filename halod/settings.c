// SPDX-License-Identifier: GPL-2.0-or-later
#include "settings.h"

#include <string.h>

static bool any_keeps(const struct conf *c)
{
	for (unsigned i = 0; i < c->n_services; i++)
		if (c->services[i].handover == HANDOVER_KEEP)
			return true;
	return false;
}

void settings_cluster(struct cluster_conf *out, const struct conf *c)
{
	*out = (struct cluster_conf){
		.routes = c->routes,
		.reserve = c->reserve,
		.interval_ns = c->agents.interval_ns,
		.miss = c->agents.miss,
		.settle_ns = c->settle_ns,
		.move_grace_ns = c->move_grace_ns,
		.rejoin_ns = c->rejoin_ns,
		.hold_down_ns = c->hold_down_ns,
		.hold_down_max_ns = c->hold_down_max_ns,
		.restart_grace_ns = c->restart_grace_ns,
		.drain_deadline_ns = c->drain_deadline_ns,
		.panic = c->panic,
		.keep = any_keeps(c),
	};
}

void settings_engine(struct engine_conf *out, const struct conf *c)
{
	*out = (struct engine_conf){
		.routes = (uint16_t)c->routes,
		.vip = { c->vip[FAMILY_V4], c->vip[FAMILY_V6] },
		.n_services = c->n_services,
		.flows_max = c->nfqueue.flows_max,
		.held_max = c->nfqueue.held_max,
	};
	for (unsigned i = 0; i < c->n_services; i++) {
		struct engine_service *to = &out->services[i];

		memcpy(to->name, c->services[i].name, sizeof(to->name));
		to->listen = c->services[i].listen;
		to->protocol = c->services[i].protocol;
		to->keep = c->services[i].handover == HANDOVER_KEEP;
	}
}
