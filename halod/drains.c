// SPDX-License-Identifier: GPL-2.0-or-later
#include "drains.h"

#include "base/units.h"
#include "flow_count.h"
#include "io/clock.h"

#define EVERY_S 1.
/* Counting takes the main thread: at most one part of its time in so many. */
#define SHARE	     100
#define AT_LATEST_NS (5 * NS_PER_S) /* should a look have been held up */

static bool serves(const struct cluster *cl, const struct node *n)
{
	const struct table *t = cluster_table(cl);

	for (unsigned s = 1; s <= t->seats; s++)
		if (t->seat[s].tag == n->tag)
			return true;
	return false;
}

static bool waits_for_flows(const struct cluster *cl, const struct node *n)
{
	return n->state == NODE_DRAINING && n->tag && cluster_conf(cl)->keep &&
	       !serves(cl, n);
}

/* Looks at one node; the next ones have their turn when it is done. */
static uint32_t find_ended(struct drains *d)
{
	const struct carrier *c = d->carrier;
	struct flow_count count;

	for (unsigned i = 0; i < cluster_node_count(d->cluster); i++) {
		const struct node *n = cluster_node_at(d->cluster, i);
		bool none;

		if (!waits_for_flows(d->cluster, n) ||
		    flow_count_init(&count, c->ops, c->plane, n->tag))
			continue;
		none = !count.total;
		flow_count_fini(&count);
		if (none)
			return n->tag;
	}
	return 0;
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct drains *d = timer->data;
	uint64_t began = clock_monotonic_ns(), took;
	uint32_t tag;

	if (began < d->next_ns)
		return;
	tag = find_ended(d);
	took = clock_monotonic_ns() - began;
	took = SHARE * took < AT_LATEST_NS ? SHARE * took : AT_LATEST_NS;
	d->next_ns = began + took;
	if (tag)
		d->fn(d->arg, tag);
}

void drains_start(struct drains *d, struct ev_loop *loop,
		  const struct cluster *cluster, const struct carrier *carrier,
		  drains_fn fn, void *arg)
{
	*d = (struct drains){ .loop = loop,
			      .cluster = cluster,
			      .carrier = carrier,
			      .fn = fn,
			      .arg = arg };
	ev_timer_init(&d->timer, on_timer, EVERY_S, EVERY_S);
	d->timer.data = d;
	ev_timer_start(loop, &d->timer);
}

void drains_stop(struct drains *d)
{
	if (d->loop)
		ev_timer_stop(d->loop, &d->timer);
}
