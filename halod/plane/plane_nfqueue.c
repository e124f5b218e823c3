// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every packet of every door through user space: this file is the main
 * thread's side. The rules spread clients over queues, a worker serves each.
 */
#include "plane/plane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "base/units.h"
#include "io/clock.h"
#include "io/nfq.h"
#include "io/nft_foreign.h"
#include "io/rules.h"
#include "plane/doors.h"
#include "plane/ends.h"
#include "plane/event_queue.h"
#include "plane/known_nodes.h"
#include "plane/worker.h"

#define PACKET_MARK 0x48616c6f /* "Halo": on packets HaloD makes */

struct plane {
	struct engine_conf engine; /* what each worker has */
	struct rules_conf rules;
	uint64_t written;	  /* what the kernel has, as we left it */
	struct nft_foreign watch; /* of our changes as well */
	bool meddled;		  /* by others; to be repaired */
	bool stuck_told;
	int event_fd; /* of events and watch */
	struct known_nodes nodes;
	struct event_queue events;
	struct ends ends;
	unsigned n_workers;
	struct worker *workers[];
};

static int refuse(int err, uint16_t queue, char *text, unsigned size)
{
	if (err == -EBUSY)
		snprintf(text, size,
			 "NFQUEUE %u is taken by another program "
			 "(see /proc/net/netfilter/nfnetlink_queue): end it or "
			 "set nfqueue.queue to a free number",
			 queue);
	else if (err == -EPERM)
		snprintf(text, size,
			 "the nfqueue plane needs CAP_NET_ADMIN "
			 "and CAP_NET_RAW: run halod as root or give it both");
	else
		snprintf(text, size, "NFQUEUE %u: %s", queue, strerror(-err));
	return err;
}

/* -ETIMEDOUT: at least one is stuck, and stays, with what it borrowed. */
static int free_workers(struct plane *p)
{
	int err = 0;

	while (p->n_workers) {
		int ret = worker_free(p->workers[--p->n_workers]);

		err = err ? err : ret;
	}
	return err;
}

static int start_workers(struct plane *p, const struct plane_conf *conf,
			 char *text, unsigned size)
{
	struct worker_conf w = {
		.engine = &p->engine,
		.relearn = &conf->relearn,
		.queue_len = conf->queue_len,
		.realtime = conf->realtime,
		.mark = PACKET_MARK,
	};

	for (unsigned i = 0; i < conf->workers; i++) {
		int err;

		w.queue = (uint16_t)(conf->queue + i);
		err = worker_new(&p->workers[i], &w, &p->events);
		if (err)
			return refuse(err, w.queue, text, size);
		p->n_workers++;
	}
	return 0;
}

static unsigned share(unsigned limit, unsigned workers)
{
	return (limit + workers - 1) / workers;
}

static struct plane *new_plane(const struct plane_conf *conf)
{
	struct plane *p =
		calloc(1, sizeof(*p) + conf->workers * sizeof(*p->workers));

	if (!p)
		return NULL;
	p->engine = conf->engine;
	p->engine.flows_max = share(conf->engine.flows_max, conf->workers);
	p->engine.held_max = share(conf->engine.held_max, conf->workers);
	p->rules = (struct rules_conf){ .engine = &p->engine,
					.queue = conf->queue,
					.workers = conf->workers,
					.mark = PACKET_MARK };
	known_nodes_init(&p->nodes);
	ends_init(&p->ends);
	return p;
}

static int watch(int epoll_fd, int fd)
{
	struct epoll_event readable = { .events = EPOLLIN };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &readable) ? -errno : 0;
}

static void close_events(struct plane *p)
{
	close(p->event_fd);
	nft_foreign_fini(&p->watch);
	event_queue_fini(&p->events);
}

static int open_events(struct plane *p)
{
	int err = event_queue_init(&p->events);

	if (err)
		return err;
	err = nft_foreign_init(&p->watch, RULES_TABLE);
	if (err)
		goto err_events;
	p->event_fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->event_fd < 0) {
		err = -errno;
		goto err_watch;
	}
	err = watch(p->event_fd, p->events.fd);
	if (!err)
		err = watch(p->event_fd, nft_foreign_fd(&p->watch));
	if (!err)
		return 0;
	close(p->event_fd);
err_watch:
	nft_foreign_fini(&p->watch);
err_events:
	event_queue_fini(&p->events);
	return err;
}

/* After each change of ours. Once read, its notifications do not make us look
 * again; what others do from here on rings. */
static void remember_written(struct plane *p)
{
	nft_foreign_drain(&p->watch);
	if (rules_fingerprint(&p->written))
		p->written = 0;
}

static bool has_drifted(struct plane *p)
{
	uint64_t now;

	return nft_foreign_drain(&p->watch) &&
	       (rules_fingerprint(&now) || now != p->written);
}

static int write_rules(struct plane *p, char *err, unsigned err_size)
{
	int ret = rules_write(&p->rules, err, err_size);

	if (!ret)
		remember_written(p);
	return ret;
}

/* What a former life left stays even when we cannot begin: its flows may yet be
 * taken over. Where nothing was, doors without a worker are not left shut. */
static int write_first_rules(struct plane *p, char *err, unsigned err_size)
{
	char ignored[128];
	uint64_t found;
	bool none = rules_fingerprint(&found) == -ENOENT;
	int ret = write_rules(p, err, err_size);

	if (ret && none)
		rules_remove(ignored, sizeof(ignored));
	return ret;
}

/* Queues before rules: what a former life's rules send waits for the first
 * table instead of being lost. */
static int nfqueue_open(struct plane **out, const struct plane_conf *conf,
			char *err, unsigned err_size)
{
	struct plane *p = new_plane(conf);
	int ret = -ENOMEM;

	if (!p)
		return refuse(ret, conf->queue, err, err_size);
	ret = open_events(p);
	if (ret) {
		refuse(ret, conf->queue, err, err_size);
		goto err_free;
	}
	ret = start_workers(p, conf, err, err_size);
	if (ret)
		goto err_workers;
	ret = rules_probe(&p->rules.how, err, err_size);
	if (!ret)
		ret = write_first_rules(p, err, err_size);
	if (ret)
		goto err_workers;
	*out = p;
	return 0;

err_workers:
	if (free_workers(p))
		return ret;
	close_events(p);
err_free:
	free(p);
	return ret;
}

static int nfqueue_adopt(struct plane *p, struct table **found)
{
	return -ENOENT; /* the kernel keeps rules, not routes */
}

/* All at once; returns when the last one has done it, or -ETIMEDOUT. */
static int on_all_workers(struct plane *p, worker_fn fn, void *arg)
{
	int err = 0;

	for (unsigned i = 0; i < p->n_workers; i++)
		worker_post(p->workers[i], fn, arg);
	for (unsigned i = 0; i < p->n_workers; i++) {
		int ret = worker_wait(p->workers[i]);

		err = err ? err : ret;
	}
	return err;
}

/* One after the other, for what shares arg. */
static int on_each_worker(struct plane *p, worker_fn fn, void *arg)
{
	int err = 0;

	for (unsigned i = 0; !err && i < p->n_workers; i++) {
		worker_post(p->workers[i], fn, arg);
		err = worker_wait(p->workers[i]);
	}
	return err;
}

struct table_request {
	struct table *table;
	const struct known_nodes *nodes;
};

static void set_table(struct worker *w, uint64_t now_ns, void *arg)
{
	const struct table_request *r = arg;

	worker_set_table(w, r->table, r->nodes);
}

/* Looks first: what others did would be taken for ours afterwards. */
static int update_nodes(struct plane *p, const struct table *to)
{
	int err;

	p->meddled |= has_drifted(p);
	err = known_nodes_update(&p->nodes, to, clock_monotonic_ns());
	remember_written(p);
	if (p->meddled)
		event_queue_wake(&p->events);
	return err;
}

/* The kernel must know a node before packets go there, or its first answers
 * would pass unseen. */
static int nfqueue_apply(struct plane *p, const struct table_diff *diff)
{
	struct table_request r = { diff->to, &p->nodes };
	int err = 0;

	if (diff->n_seats || !p->nodes.written)
		err = update_nodes(p, diff->to);
	return err ? err : on_all_workers(p, set_table, &r);
}

static void set_doors(struct worker *w, uint64_t now_ns, void *arg)
{
	worker_set_doors(w, arg, now_ns);
}

/* The rules first, for they can fail: a packet in between is at worst one of a
 * door that is not there yet, or no longer. */
static int nfqueue_set_doors(struct plane *p, const struct engine_conf *conf,
			     char *err, unsigned err_size)
{
	struct engine_conf to = p->engine;
	struct rules_conf rules = p->rules;
	int ret;

	doors_copy(&to, conf);
	rules.engine = &to;
	p->meddled |= has_drifted(p);
	ret = rules_change_doors(&rules, err, err_size);
	remember_written(p);
	if (p->meddled)
		event_queue_wake(&p->events);
	if (ret)
		return ret;
	p->engine = to;
	ret = on_all_workers(p, set_doors, &p->engine);
	if (ret)
		snprintf(err, err_size, "a worker does not answer");
	return ret;
}

static void hold(struct worker *w, uint64_t now_ns, void *arg)
{
	engine_hold(worker_engine(w), arg);
}

static void release(struct worker *w, uint64_t now_ns, void *arg)
{
	engine_release(worker_engine(w), arg, now_ns);
}

static int nfqueue_hold(struct plane *p, const struct route_set *routes,
			bool on)
{
	return on_all_workers(p, on ? hold : release, (void *)routes);
}

struct end_request {
	uint32_t tag;
	const struct route_set *routes;
	bool forced;
};

static void end_flows(struct worker *w, uint64_t now_ns, void *arg)
{
	const struct end_request *r = arg;

	worker_end_flows(w, r->tag, r->routes, r->forced, now_ns);
}

static int nfqueue_end_flows(struct plane *p, uint32_t tag,
			     const struct route_set *routes, bool forced)
{
	struct end_request r = { tag, routes, forced };
	int err = ends_ask(&p->ends, tag);

	return err ? err : on_all_workers(p, end_flows, &r);
}

struct flows_request {
	const struct flow_query *query;
	struct flow_view *out;
	unsigned count, max;
};

static void collect_flows(struct worker *w, uint64_t now_ns, void *arg)
{
	struct flows_request *r = arg;

	r->count += engine_flows(worker_engine(w), r->query, r->out + r->count,
				 r->max - r->count, now_ns);
}

static int nfqueue_flows(struct plane *p, const struct flow_query *q,
			 struct flow_view *out, unsigned max)
{
	struct flows_request r = { .query = q, .out = out, .max = max };

	int err = on_each_worker(p, collect_flows, &r);

	return err ? err : (int)r.count;
}

static void add_engine_stats(struct engine_stats *sum,
			     const struct engine_stats *s)
{
	for (unsigned i = 0; i < ENGINE_REASONS; i++)
		sum->count[i] += s->count[i];
	sum->flows += s->flows;
	sum->flows_max += s->flows_max;
	sum->held += s->held;
}

static void collect_stats(struct worker *w, uint64_t now_ns, void *arg)
{
	struct plane_stats *sum = arg;
	struct nfq_stats q = worker_nfq_stats(w);
	struct engine_stats e;

	engine_stats(worker_engine(w), &e);
	add_engine_stats(&sum->engine, &e);
	sum->queued += q.packets;
	sum->batches += q.batches;
	sum->truncated += q.truncated;
	sum->failed += q.failed;
}

static void collect_losses(struct plane *p, struct plane_stats *sum)
{
	for (unsigned i = 0; i < p->n_workers; i++) {
		struct nfq_counters c;

		if (nfq_counters((uint16_t)(p->rules.queue + i), &c))
			continue;
		sum->lost_queue += c.lost_queue;
		sum->lost_socket += c.lost_socket;
	}
}

static int nfqueue_stats(struct plane *p, struct plane_stats *out)
{
	struct plane_stats sum = { .workers = p->n_workers };

	int err = on_each_worker(p, collect_stats, &sum);

	if (err)
		return err;
	collect_losses(p, &sum);
	snprintf(sum.detail, sizeof(sum.detail), "%s",
		 p->rules.how == RULES_NFT_QUEUE
			 ? "nft queue"
			 : "xt NFQUEUE (no nft queue here)");
	*out = sum;
	return 0;
}

static void answer(struct worker *w, uint64_t now_ns, void *arg)
{
}

static bool nfqueue_is_alive(struct plane *p)
{
	return !on_all_workers(p, answer, NULL);
}

static int nfqueue_event_fd(struct plane *p)
{
	return p->event_fd;
}

/* A request is finished when the slowest worker has finished it. */
static bool next_end(struct plane *p, struct plane_event *out)
{
	uint64_t done = UINT64_MAX, resets = 0;

	for (unsigned i = 0; i < p->n_workers; i++) {
		uint64_t own = worker_ends_done(p->workers[i]);

		done = own < done ? own : done;
		resets += worker_resets(p->workers[i]);
	}
	return ends_next(&p->ends, done, resets, out);
}

/* Somebody's `nft flush ruleset` takes our table along; others edit it. */
static bool next_drift(struct plane *p, struct plane_event *out)
{
	uint64_t since_ns = clock_monotonic_ns();
	char err[128] = "";

	if (!has_drifted(p) && !p->meddled)
		return false;
	p->meddled = false;
	*out = (struct plane_event){ .type = PLANE_DRIFT };
	if (write_rules(p, err, sizeof(err)))
		log_error("rules not repaired", "error=\"%s\"", err);
	else
		out->ok = !known_nodes_rewrite(&p->nodes);
	out->took_ns = clock_monotonic_ns() - since_ns;
	remember_written(p);
	return true;
}

static bool next_stuck(struct plane *p, struct plane_event *out)
{
	for (unsigned i = 0; !p->stuck_told && i < p->n_workers; i++)
		p->stuck_told = worker_is_stuck(p->workers[i]);
	*out = (struct plane_event){ .type = PLANE_STUCK };
	return p->stuck_told;
}

static int nfqueue_next_event(struct plane *p, struct plane_event *out)
{
	/* first quiet, then look: what comes in between rings again */
	event_queue_quiet(&p->events);
	if ((p->stuck_told || !next_stuck(p, out)) &&
	    !event_queue_pop(&p->events, out) && !next_end(p, out) &&
	    !next_drift(p, out))
		return -EAGAIN;
	event_queue_wake(&p->events);
	return 0;
}

static void nfqueue_close(struct plane *p, bool flush)
{
	char err[128];

	if (flush && rules_remove(err, sizeof(err)))
		log_error("rules not removed",
			  "error=\"%s\" remedy=\"nft delete table "
			  "inet " RULES_TABLE "\"",
			  err);
	if (free_workers(p))
		return;
	close_events(p);
	known_nodes_fini(&p->nodes);
	ends_fini(&p->ends);
	free(p);
}

const struct plane_ops plane_nfqueue = {
	.name = "nfqueue",
	.open = nfqueue_open,
	.adopt = nfqueue_adopt,
	.apply = nfqueue_apply,
	.hold = nfqueue_hold,
	.set_doors = nfqueue_set_doors,
	.end_flows = nfqueue_end_flows,
	.flows = nfqueue_flows,
	.stats = nfqueue_stats,
	.is_alive = nfqueue_is_alive,
	.event_fd = nfqueue_event_fd,
	.next_event = nfqueue_next_event,
	.close = nfqueue_close,
};
