// SPDX-License-Identifier: GPL-2.0-or-later
#include "settings.h"

#include <netinet/in.h>
#include <string.h>

#include "base/log.h"

static bool any_keeps(const struct conf *c)
{
	for (unsigned i = 0; i < c->n_services; i++)
		if (c->services[i].handover == HANDOVER_KEEP)
			return true;
	return false;
}

/* Of services with handover = keep connections outlive the move; behind one
 * port for all of them the routes cannot be told apart on the node. */
static struct door_ports doors_that_end(const struct conf *c)
{
	struct door_ports doors = { .count = 0 };

	for (unsigned i = 0; i < c->n_services; i++) {
		const struct conf_service *s = &c->services[i];

		if (s->protocol == IPPROTO_TCP &&
		    s->handover != HANDOVER_KEEP && !s->node_port)
			doors.first[doors.count++] = s->listen;
	}
	return doors;
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
		.doors = doors_that_end(c),
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
		.no_node_hold_ns = c->no_node_hold_ns,
	};
	for (unsigned i = 0; i < c->n_services; i++) {
		struct engine_service *to = &out->services[i];

		memcpy(to->name, c->services[i].name, sizeof(to->name));
		to->listen = c->services[i].listen;
		to->protocol = c->services[i].protocol;
		to->keep = c->services[i].handover == HANDOVER_KEEP;
		out->nat[i].node_port = c->services[i].node_port;
		out->nat[i].snat = c->services[i].snat;
	}
}

static enum log_level level_of(const struct conf *c)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	unsigned i = 0;

	while (strcmp(c->log_level, names[i]))
		i++;
	return (enum log_level)i;
}

void settings_log_level(const struct conf *from, const struct conf *to)
{
	bool told = log_enabled(LOG_LEVEL_DEBUG) &&
		    level_of(from) != LOG_LEVEL_DEBUG;

	if (!told)
		log_set_level(level_of(to));
}
