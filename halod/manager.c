// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager.h"

#include "io/clock.h"

#define STATUS_S 5. /* between two lines of how it is */

void manager_init(struct manager *m)
{
	notify_init(&m->notify);
}

static void tell_status(const struct manager *m)
{
	const struct placement *p = cluster_placement(m->cluster);

	notify_status(&m->notify,
		      "%u active, %u in reserve, %u known; table %llu of %u "
		      "routes%s; plane %s",
		      placement_slots(p), placement_reserves(p),
		      cluster_node_count(m->cluster),
		      (unsigned long long)cluster_table(m->cluster)->version,
		      placement_routes(p),
		      cluster_is_frozen(m->cluster) ? ", frozen" : "",
		      m->carrier->ops->name);
}

/* That this runs says that the main loop does. */
static void on_pulse(struct ev_loop *loop, ev_timer *timer, int revents)
{
	const struct manager *m = timer->data;

	tell_status(m);
	if (m->notify.watchdog_ns && carrier_is_alive(m->carrier))
		notify_alive(&m->notify);
}

static double pulse_s(const struct notify *n)
{
	double half = (double)(n->watchdog_ns / 2) / NS_PER_S;

	return half > 0 && half < STATUS_S ? half : STATUS_S;
}

void manager_ready(struct manager *m, struct ev_loop *loop,
		   struct carrier *carrier, const struct cluster *cluster)
{
	if (m->notify.fd < 0)
		return;
	m->loop = loop;
	m->carrier = carrier;
	m->cluster = cluster;
	ev_timer_init(&m->pulse, on_pulse, pulse_s(&m->notify),
		      pulse_s(&m->notify));
	m->pulse.data = m;
	ev_timer_start(loop, &m->pulse);
	tell_status(m);
	notify_ready(&m->notify);
}

void manager_reloading(const struct manager *m)
{
	notify_reloading(&m->notify, clock_monotonic_ns());
}

void manager_reloaded(const struct manager *m)
{
	notify_ready(&m->notify);
}

void manager_fini(struct manager *m)
{
	if (m->loop) {
		ev_timer_stop(m->loop, &m->pulse);
		notify_stopping(&m->notify);
	}
	notify_fini(&m->notify);
}
