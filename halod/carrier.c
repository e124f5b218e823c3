// SPDX-License-Identifier: GPL-2.0-or-later
#include "carrier.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/units.h"
#include "io/clock.h"
#include "settings.h"

#define EVENTS_PER_WAKEUP 64

static void on_flows_ended(struct carrier *c, const struct plane_event *e)
{
	log_debug("flows ended", "tag=%u count=%llu", e->tag,
		  (unsigned long long)e->count);
}

static void on_refused(struct carrier *c, const struct plane_event *e)
{
	c->refused(c->arg, e->tag);
}

static void on_lost(struct carrier *c, const struct plane_event *e)
{
	log_warn("packets lost before a worker saw them",
		 "count=%llu try=\"nfqueue.queue-length, nfqueue.workers\"",
		 (unsigned long long)e->count);
}

static void on_drift(struct carrier *c, const struct plane_event *e)
{
	c->drifts++;
	c->drifted(c->arg, e->ok, (e->took_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void on_stuck(struct carrier *c, const struct plane_event *e)
{
	c->stuck(c->arg);
}

static void (*const event_handlers[])(struct carrier *,
				      const struct plane_event *) = {
	[PLANE_FLOWS_ENDED] = on_flows_ended,
	[PLANE_REFUSED] = on_refused,
	[PLANE_LOST] = on_lost,
	[PLANE_DRIFT] = on_drift,
	[PLANE_STUCK] = on_stuck,
};

static void on_readable(struct ev_loop *loop, ev_io *io, int revents)
{
	struct carrier *c = io->data;
	struct plane_event e;

	for (int i = 0; i < EVENTS_PER_WAKEUP; i++) {
		if (c->ops->next_event(c->plane, &e))
			return;
		event_handlers[e.type](c, &e);
	}
}

/* Not guessable: a client must not choose its place in the flow table. */
static uint32_t flow_hash_seed(void)
{
	uint32_t seed = (uint32_t)clock_monotonic_ns();

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		log_warn("flow hash seeded by the clock", "why=\"%s\"",
			 strerror(errno));
	return seed;
}

static void settings_of(struct plane_conf *out, const struct conf *conf,
			const struct route_set *relearn)
{
	*out = (struct plane_conf){
		.queue = conf->nfqueue.queue,
		.workers = conf->nfqueue.workers,
		.queue_len = conf->nfqueue.queue_len,
		.realtime = conf->agents.profile == PROFILE_FAST,
		.ct_mark_mask = conf->ct_mark_mask,
		.networks = conf->agents.networks,
		.n_networks = conf->agents.n_networks,
		.relearn = *relearn,
	};
	settings_engine(&out->engine, conf);
	out->engine.now_ns = clock_monotonic_ns();
	out->engine.seed = flow_hash_seed();
}

static void watch_events(struct carrier *c)
{
	int fd = c->ops->event_fd(c->plane);

	if (fd < 0)
		return;
	ev_io_init(&c->io, on_readable, fd, EV_READ);
	c->io.data = c;
	ev_io_start(c->loop, &c->io);
}

static const char *needs_nft(const struct conf *conf)
{
	for (unsigned i = 0; i < conf->n_services; i++)
		if (conf->services[i].node_port || conf->services[i].snat)
			return conf->services[i].snat ? "snat" : "node-port";
	return NULL;
}

/* "auto" may have turned out to be another plane. */
static int check_needs(const struct carrier *c, const struct conf *conf,
		       char *err, unsigned err_size)
{
	const char *what = needs_nft(conf);

	if (!what || c->ops == &plane_nft)
		return 0;
	snprintf(err, err_size,
		 "a service has %s, which the plane nft alone can do, and it "
		 "is %s (%s): remove it, or use a kernel with NAT",
		 what, c->ops->name, c->why);
	return -EOPNOTSUPP;
}

int carrier_open(struct carrier *c, struct ev_loop *loop,
		 const struct conf *conf, const struct route_set *relearn,
		 char *err, unsigned err_size)
{
	struct plane_conf settings;
	int ret;

	c->loop = loop;
	c->ops = plane_choose(conf->plane, needs_nft(conf) != NULL, c->why,
			      sizeof(c->why));
	if (!c->ops) {
		snprintf(err, err_size,
			 "plane \"%s\" is not in this version: use \"auto\", "
			 "\"kmod\", \"nft\" or \"nfqueue\"",
			 conf->plane);
		return -EOPNOTSUPP;
	}
	ret = check_needs(c, conf, err, err_size);
	if (ret)
		return ret;
	c->table = table_new(conf->routes, 1);
	if (!c->table) {
		snprintf(err, err_size, "cannot start: out of memory");
		return -ENOMEM;
	}
	settings_of(&settings, conf, relearn);
	ret = c->ops->open(&c->plane, &settings, err, err_size);
	if (!ret)
		watch_events(c);
	return ret;
}

static void carry(struct carrier *c, struct table *take_table)
{
	table_put(c->table);
	c->table = take_table;
}

struct table *carrier_adopt(struct carrier *c)
{
	struct table *found;

	if (c->ops->adopt(c->plane, &found))
		return NULL;
	if (found->routes != c->table->routes) {
		log_warn("the kernel's table not used",
			 "kernel_routes=%u routes=%u why=\"routes changed\"",
			 found->routes, c->table->routes);
		table_put(found);
		return NULL;
	}
	carry(c, found);
	return found;
}

int carrier_apply(struct carrier *c, struct table *t)
{
	struct table_diff diff;
	int err = table_diff_init(&diff, c->table, t);

	if (!err) {
		err = c->ops->apply(c->plane, &diff);
		table_diff_fini(&diff);
	}
	if (err)
		log_error("apply failed", "version=%llu error=%s",
			  (unsigned long long)t->version, strerror(-err));
	else
		carry(c, table_get(t));
	return err;
}

void carrier_hold(struct carrier *c, const struct route_set *routes, bool on)
{
	int err = c->ops->hold(c->plane, routes, on);

	if (err)
		log_error(on ? "hold failed" : "release failed",
			  "routes=%u error=%s", routes->count, strerror(-err));
}

static bool same_service(const struct engine_conf *a,
			 const struct engine_conf *b, unsigned i)
{
	const struct engine_service *x = &a->services[i], *y = &b->services[i];

	return !strcmp(x->name, y->name) && x->listen == y->listen &&
	       x->protocol == y->protocol && x->keep == y->keep &&
	       a->nat[i].node_port == b->nat[i].node_port &&
	       a->nat[i].snat == b->nat[i].snat;
}

static bool same_doors(const struct engine_conf *a, const struct engine_conf *b)
{
	if (a->n_services != b->n_services ||
	    a->no_node_hold_ns != b->no_node_hold_ns)
		return false;
	for (unsigned i = 0; i < a->n_services; i++)
		if (!same_service(a, b, i))
			return false;
	return addr_equal(&a->vip[FAMILY_V4], &b->vip[FAMILY_V4]) &&
	       addr_equal(&a->vip[FAMILY_V6], &b->vip[FAMILY_V6]);
}

int carrier_set_doors(struct carrier *c, const struct conf *from,
		      const struct conf *to, char *err, unsigned err_size)
{
	struct engine_conf was, is;

	settings_engine(&was, from);
	settings_engine(&is, to);
	if (same_doors(&was, &is))
		return 0;
	return c->ops->set_doors(c->plane, &is, err, err_size);
}

void carrier_end_flows(struct carrier *c, uint32_t tag,
		       const struct route_set *routes, bool forced)
{
	int err = c->ops->end_flows(c->plane, tag, routes, forced);

	if (err)
		log_error("ending flows failed", "tag=%u error=%s", tag,
			  strerror(-err));
}

bool carrier_is_alive(struct carrier *c)
{
	return c->ops->is_alive(c->plane);
}

void carrier_close(struct carrier *c, bool flush)
{
	if (c->plane) {
		ev_io_stop(c->loop, &c->io);
		c->ops->close(c->plane, flush);
	}
	table_put(c->table);
}
