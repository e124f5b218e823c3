// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/plane_null.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "plane/event_queue.h"

struct plane {
	uint16_t routes;
	struct table *table; /* the last one applied */
	uint64_t applied, ended, doors_set;
	bool *held; /* [routes + 1] */
	struct event_queue events;
};

static int null_open(struct plane **out, const struct plane_conf *conf,
		     char *err, unsigned err_size)
{
	struct plane *p = calloc(1, sizeof(*p));
	int ret = -ENOMEM;

	if (!p)
		goto err_text;
	p->routes = conf->engine.routes;
	p->held = calloc(p->routes + 1u, sizeof(*p->held));
	if (!p->held)
		goto err_free;
	ret = event_queue_init(&p->events);
	if (ret)
		goto err_held;
	*out = p;
	return 0;

err_held:
	free(p->held);
err_free:
	free(p);
err_text:
	snprintf(err, err_size, "%s", strerror(-ret));
	return ret;
}

static int null_adopt(struct plane *p, struct table **found)
{
	return -ENOENT;
}

static int null_apply(struct plane *p, const struct table_diff *diff)
{
	table_put(p->table);
	p->table = table_get(diff->to);
	p->applied++;
	return 0;
}

static int null_hold(struct plane *p, const struct route_set *routes, bool on)
{
	for (uint32_t i = 0; i < routes->count; i++)
		p->held[routes->ids[i]] = on;
	return 0;
}

static int null_set_doors(struct plane *p, const struct engine_conf *conf,
			  char *err, unsigned err_size)
{
	p->doors_set++;
	return 0;
}

static int null_end_flows(struct plane *p, uint32_t tag,
			  const struct route_set *routes, bool forced)
{
	struct plane_event ev = { .type = PLANE_FLOWS_ENDED,
				  .tag = tag,
				  .ok = true };

	p->ended++;
	event_queue_push(&p->events, &ev);
	return 0;
}

static int null_flows(struct plane *p, const struct flow_query *q,
		      struct flow_view *out, unsigned max)
{
	return 0;
}

static int null_stats(struct plane *p, struct plane_stats *out)
{
	*out = (struct plane_stats){ .detail = "null: no packet is carried" };
	return 0;
}

static bool null_is_alive(struct plane *p)
{
	return true;
}

static int null_event_fd(struct plane *p)
{
	return p->events.fd;
}

static int null_next_event(struct plane *p, struct plane_event *out)
{
	event_queue_quiet(&p->events);
	if (!event_queue_pop(&p->events, out))
		return -EAGAIN;
	event_queue_wake(&p->events);
	return 0;
}

static void null_close(struct plane *p, bool flush)
{
	event_queue_fini(&p->events);
	table_put(p->table);
	free(p->held);
	free(p);
}

const struct plane_ops plane_null = {
	.name = "null",
	.open = null_open,
	.adopt = null_adopt,
	.apply = null_apply,
	.hold = null_hold,
	.set_doors = null_set_doors,
	.end_flows = null_end_flows,
	.flows = null_flows,
	.stats = null_stats,
	.is_alive = null_is_alive,
	.event_fd = null_event_fd,
	.next_event = null_next_event,
	.close = null_close,
};

const struct table *plane_null_table(const struct plane *p)
{
	return p->table;
}

bool plane_null_holds(const struct plane *p, uint16_t route)
{
	return p->held[route];
}

struct plane_null_calls plane_null_calls(const struct plane *p)
{
	return (struct plane_null_calls){ p->applied, p->ended, p->doors_set };
}
