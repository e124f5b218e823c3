// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * halo.ko carries the packets; only new connections that are held, and
 * refusals, come to user space. This file is the main thread's side: it writes
 * the table and the holds; the gate's thread does the rest.
 */
#include "plane/plane.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/units.h"
#include "io/clock.h"
#include "io/kmod.h"
#include "io/nfq.h"
#include "packet/route_bits.h"
#include "plane/event_queue.h"
#include "plane/gate.h"

#define MADE_MARK 0x48616c6f /* "Halo": packets HaloD makes */
/* Holds are void when nobody has renewed them for so long. */
#define ALIVE_MS 1000

struct plane {
	struct engine_conf engine;
	struct doors doors; /* the same, for the gate's thread */
	uint16_t queue;
	struct kmod *k;		  /* the main thread's */
	struct kmod *renewal;	  /* the gate's … */
	struct kmod_events *told; /* … likewise */
	struct gate *gate;
	struct event_queue events;
	struct table *now; /* what the kernel has */
	bool adopted, unowned;
	struct route_bits held;	   /* by order */
	_Atomic uint64_t drift_ns; /* another changed our table; 0 */
	char version[32];
};

/* ---- the gate's thread ---- */

static int renew(void *arg)
{
	struct plane *p = arg;

	return kmod_attend(p->renewal, p->queue, ALIVE_MS);
}

static void pass_on(struct plane *p, const struct kmod_event *e)
{
	struct plane_event ended = { .type = PLANE_FLOWS_ENDED,
				     .tag = e->tag,
				     .count = e->count,
				     .ok = true };

	if (e->type == KMOD_FLOWS_ENDED)
		event_queue_push(&p->events, &ended);
	else if (e->type == KMOD_CHANGED && e->port != kmod_port(p->k) &&
		 !p->drift_ns) {
		p->drift_ns = clock_monotonic_ns();
		event_queue_wake(&p->events);
	}
}

static int watch_fd(void *arg)
{
	const struct plane *p = arg;

	return kmod_events_fd(p->told);
}

/* Lost events may have told of a change. */
static void take_events(void *arg)
{
	struct plane *p = arg;
	struct kmod_event e;
	int err;

	while (!(err = kmod_events_next(p->told, &e)))
		pass_on(p, &e);
	if (err == -ENOBUFS && !p->drift_ns) {
		p->drift_ns = clock_monotonic_ns();
		event_queue_wake(&p->events);
	}
}

/* ---- the table ---- */

static bool is_unowned(const struct table *t)
{
	for (unsigned s = 1; s <= t->seats; s++)
		if (t->seat[s].tag)
			return false;
	return true;
}

static struct route_set routes_held(const struct plane *p, bool held,
				    uint16_t ids[ROUTES_MAX])
{
	struct route_set set = { .ids = ids };

	for (unsigned r = 1; r <= p->engine.routes; r++)
		if (route_bits_has(&p->held, (uint16_t)r) == held)
			ids[set.count++] = (uint16_t)r;
	return set;
}

/* While no route has a node all wait, whatever else is held. */
static int set_unowned(struct plane *p, bool unowned)
{
	uint16_t *ids = malloc(ROUTES_MAX * sizeof(*ids));
	struct route_set rest;
	int err;

	if (!ids)
		return -ENOMEM;
	rest = routes_held(p, false, ids);
	err = unowned ? kmod_hold(p->k, &rest) : kmod_release(p->k, &rest);
	free(ids);
	if (!err)
		p->unowned = unowned;
	return err;
}

static int hold_again(struct plane *p)
{
	uint16_t *ids = malloc(ROUTES_MAX * sizeof(*ids));
	struct route_set held;
	int err;

	if (!ids)
		return -ENOMEM;
	held = routes_held(p, true, ids);
	err = kmod_hold(p->k, &held);
	free(ids);
	if (!err && p->unowned)
		err = set_unowned(p, true);
	return err;
}

static int write_table(struct plane *p, const struct table_diff *diff)
{
	int err = kmod_change(p->k, diff);

	if (err == -ESTALE || err == -ENOENT)
		err = kmod_replace(p->k, &p->engine, diff->to);
	if (err)
		log_error("halo.ko refused the table",
			  "error=\"%s\" why=\"%s\"", strerror(-err),
			  kmod_why(p->k));
	return err;
}

/* Whoever has no node waits before the kernel answers him, and goes on after
 * it knows better. */
static int kmod_apply(struct plane *p, const struct table_diff *diff)
{
	bool unowned = is_unowned(diff->to);
	int err = 0;

	if (unowned && !p->unowned) {
		gate_set_unowned(p->gate, true);
		err = set_unowned(p, true);
	}
	if (!err)
		err = write_table(p, diff);
	if (!err) {
		table_put(p->now);
		p->now = table_get(diff->to);
		gate_set_table(p->gate, p->now);
	}
	if (p->unowned && !is_unowned(p->now)) {
		err = set_unowned(p, false) ?: err;
		gate_set_unowned(p->gate, false);
	}
	return err;
}

/* ---- life ---- */

static int refuse(int err, uint16_t queue, char *text, unsigned size)
{
	if (err == -EBUSY)
		snprintf(text, size,
			 "NFQUEUE %u is taken by another program: end it or "
			 "set nfqueue.queue to a free number",
			 queue);
	else
		snprintf(text, size, "NFQUEUE %u: %s", queue, strerror(-err));
	return err;
}

static int open_kernel(struct plane *p, char *err, unsigned err_size)
{
	struct kmod_info info;
	int ret = kmod_open(&p->k, err, err_size);

	if (!ret)
		ret = kmod_open(&p->renewal, err, err_size);
	if (ret)
		return ret;
	ret = kmod_info(p->k, &info);
	if (!ret)
		ret = kmod_events_open(&p->told);
	if (ret)
		snprintf(err, err_size, "halo.ko: %s", strerror(-ret));
	else
		snprintf(p->version, sizeof(p->version), "%s", info.version);
	return ret;
}

static int start_gate(struct plane *p, const struct plane_conf *conf, char *err,
		      unsigned err_size)
{
	struct gate_conf gate = {
		.doors = &p->doors,
		.queue = conf->queue,
		.queue_len = conf->queue_len,
		.realtime = conf->realtime,
		.mark = MADE_MARK,
		.repeat = true,
		.always = true,
		.watch_fd = watch_fd,
		.watch = take_events,
		.renew = renew,
		.arg = p,
	};
	int ret = gate_new(&p->gate, &gate, &p->events, NULL);

	return ret ? refuse(ret, conf->queue, err, err_size) : 0;
}

/* What a former life left goes on as it is; else all wait for a table. */
static int begin(struct plane *p, char *err, unsigned err_size)
{
	int ret = kmod_read(p->k, &p->engine, &p->now);

	p->adopted = !ret;
	if (ret) {
		p->now = table_new(p->engine.routes, 1);
		ret = p->now ? kmod_replace(p->k, &p->engine, p->now) : -ENOMEM;
	}
	if (!ret)
		ret = renew(p);
	/* of the former life's holds none is known any more */
	if (!ret && p->adopted)
		ret = set_unowned(p, false);
	if (!ret && is_unowned(p->now)) {
		gate_set_unowned(p->gate, true);
		ret = set_unowned(p, true);
	}
	if (ret)
		snprintf(err, err_size, "halo.ko: first table: %s%s%s",
			 strerror(-ret), *kmod_why(p->k) ? ": " : "",
			 kmod_why(p->k));
	else
		gate_set_table(p->gate, p->now);
	return ret;
}

static void kmod_close_plane(struct plane *p, bool flush)
{
	gate_free(p->gate);
	if (flush && kmod_flush(p->k))
		log_error("table not removed", "why=\"%s\"", kmod_why(p->k));
	else if (!flush && p->k)
		kmod_attend(p->k, p->queue, 0);
	kmod_events_close(p->told);
	kmod_close(p->renewal);
	kmod_close(p->k);
	table_put(p->now);
	event_queue_fini(&p->events);
	doors_fini(&p->doors);
	free(p);
}

static int kmod_open_plane(struct plane **out, const struct plane_conf *conf,
			   char *err, unsigned err_size)
{
	struct plane *p = calloc(1, sizeof(*p));
	int ret = -ENOMEM;

	if (!p) {
		snprintf(err, err_size, "%s", strerror(ENOMEM));
		return ret;
	}
	p->engine = conf->engine;
	p->queue = conf->queue;
	doors_init(&p->doors, &p->engine);
	ret = event_queue_init(&p->events);
	if (ret) {
		snprintf(err, err_size, "%s", strerror(-ret));
		doors_fini(&p->doors);
		free(p);
		return ret;
	}
	ret = open_kernel(p, err, err_size);
	if (!ret)
		ret = start_gate(p, conf, err, err_size);
	if (!ret)
		ret = begin(p, err, err_size);
	if (ret) {
		kmod_close_plane(p, false);
		return ret;
	}
	*out = p;
	return 0;
}

static int kmod_adopt(struct plane *p, struct table **found)
{
	if (!p->adopted)
		return -ENOENT;
	*found = table_get(p->now);
	return 0;
}

static int kmod_hold_routes(struct plane *p, const struct route_set *routes,
			    bool on)
{
	int err = 0;

	if (on) {
		gate_hold(p->gate, routes, true);
		err = kmod_hold(p->k, routes);
		route_bits_add_set(&p->held, routes);
	} else {
		route_bits_remove_set(&p->held, routes);
		if (!p->unowned)
			err = kmod_release(p->k, routes);
	}
	if (!on || err)
		gate_hold(p->gate, routes, false);
	return err;
}

/* Flows of doors that are gone go with the table that names them no more. */
static int kmod_set_doors(struct plane *p, const struct engine_conf *conf,
			  char *err, unsigned err_size)
{
	struct engine_conf former = p->engine, to = p->engine;
	int ret;

	doors_copy(&to, conf);
	doors_set(&p->doors, &to);
	ret = kmod_replace(p->k, &to, p->now);
	if (ret) {
		doors_set(&p->doors, &former);
		snprintf(err, err_size, "halo.ko: %s%s%s", strerror(-ret),
			 *kmod_why(p->k) ? ": " : "", kmod_why(p->k));
		return ret;
	}
	p->engine = to;
	return 0;
}

static int kmod_end(struct plane *p, uint32_t tag,
		    const struct route_set *routes, bool forced)
{
	return kmod_end_flows(p->k, tag, routes, forced);
}

static int kmod_list(struct plane *p, const struct flow_query *q,
		     struct flow_view *out, unsigned max)
{
	return kmod_flows(p->k, q, out, max);
}

static void add_gate(struct plane *p, struct plane_stats *s)
{
	struct nfq_counters c;

	gate_add_stats(p->gate, s);
	if (nfq_counters(p->queue, &c))
		return;
	s->lost_queue = c.lost_queue;
	s->lost_socket = c.lost_socket;
}

static int kmod_count(struct plane *p, struct plane_stats *out)
{
	struct plane_stats s = { .workers = 1 };
	int err = kmod_stats(p->k, &s.engine);

	add_gate(p, &s);
	snprintf(s.detail, sizeof(s.detail),
		 "halo.ko %s, holds by NFQUEUE %u%s", p->version, p->queue,
		 err ? " (the module does not answer)" : "");
	*out = s;
	return 0;
}

static bool kmod_is_alive(struct plane *p)
{
	return gate_has_turned(p->gate);
}

static int kmod_event_fd(struct plane *p)
{
	return p->events.fd;
}

/* What our own transaction brought about is told as well, and passed over. */
static void repair(struct plane *p, uint64_t since_ns, struct plane_event *out)
{
	int err = kmod_replace(p->k, &p->engine, p->now);

	if (!err)
		err = hold_again(p);
	*out = (struct plane_event){
		.type = PLANE_DRIFT,
		.ok = !err,
		.took_ns = clock_monotonic_ns() - since_ns,
	};
	if (err)
		log_error("table not repaired", "error=\"%s\" why=\"%s\"",
			  strerror(-err), kmod_why(p->k));
}

static int kmod_next_event(struct plane *p, struct plane_event *out)
{
	uint64_t drift_ns;

	/* first quiet, then look: what comes in between rings again */
	event_queue_quiet(&p->events);
	drift_ns = atomic_exchange(&p->drift_ns, 0);
	if (drift_ns)
		repair(p, drift_ns, out);
	else if (!event_queue_pop(&p->events, out))
		return -EAGAIN;
	event_queue_wake(&p->events);
	return 0;
}

const struct plane_ops plane_kmod = {
	.name = "kmod",
	.open = kmod_open_plane,
	.adopt = kmod_adopt,
	.apply = kmod_apply,
	.hold = kmod_hold_routes,
	.set_doors = kmod_set_doors,
	.end_flows = kmod_end,
	.flows = kmod_list,
	.stats = kmod_count,
	.is_alive = kmod_is_alive,
	.event_fd = kmod_event_fd,
	.next_event = kmod_next_event,
	.close = kmod_close_plane,
};
