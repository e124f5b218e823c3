// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/gate.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/units.h"
#include "io/clock.h"
#include "io/nfq.h"
#include "io/rawsock.h"
#include "io/realtime.h"
#include "packet/held.h"
#include "packet/reset.h"
#include "packet/route_bits.h"

#define FIFO_PRIORITY 5 /* below the thread that judges silence */
#define TICK_NS	      (GATE_RENEW_MS * NS_PER_MS)
/* Copies of SYNs are taken in so often at the most, however many come. */
#define SYNS_REST_NS (20 * NS_PER_MS)

struct gate {
	pthread_t thread;
	pthread_mutex_t lock; /* of all that is not the thread's alone */
	int wake_fd;
	struct event_queue *events;
	struct plane_nft_syns *syns;
	struct gate_conf conf;

	bool stop, unowned;
	uint32_t n_holding;
	struct route_bits holding;
	struct table *table; /* who serves; NULL: not known yet */

	/* the thread's alone */
	struct nfq *nfq;
	struct held *held;
	struct refusals *refusals;
	struct rawsock raw;
	uint64_t next_tick_ns, syns_rest_ns, refusal_due_ns, hold_due_ns;

	_Atomic uint64_t turns;
	uint64_t turns_seen; /* the asking thread's */
	struct {
		_Atomic uint64_t queued, held, released, duplicates, full,
			refused, waiting, failed;
	} count;
};

static bool waits(struct gate *g, uint16_t route)
{
	bool yes;

	pthread_mutex_lock(&g->lock);
	yes = g->unowned || route_bits_has(&g->holding, route);
	pthread_mutex_unlock(&g->lock);
	return yes;
}

static bool holds_any(struct gate *g)
{
	bool yes;

	pthread_mutex_lock(&g->lock);
	yes = g->unowned || g->n_holding;
	pthread_mutex_unlock(&g->lock);
	return yes;
}

/* A reference; NULL: not known yet. */
static struct table *who_serves(struct gate *g)
{
	struct table *t;

	pthread_mutex_lock(&g->lock);
	t = g->table ? table_get(g->table) : NULL;
	pthread_mutex_unlock(&g->lock);
	return t;
}

static bool take_refusal(struct gate *g, const struct nfq_packet *in,
			 const struct parsed *at, uint64_t now_ns)
{
	struct table *now;
	bool taken;

	if (at->protocol != IPPROTO_TCP || !(at->flags & TCP_RST))
		return false;
	now = who_serves(g);
	taken = refusals_take(g->refusals, in, at, now, now_ns);
	table_put(now);
	return taken;
}

static void look_at_refusals(struct gate *g)
{
	struct table *now = who_serves(g);

	refusals_look(g->refusals, now);
	table_put(now);
	nfq_flush(g->nfq);
}

static void hold(struct gate *g, const struct nfq_packet *in,
		 const struct parsed *at, uint16_t route, uint64_t now_ns)
{
	struct packet p = { .data = in->data, .len = in->len, .id = in->id };
	struct flow_key key = { .client = at->src,
				.protocol = at->protocol,
				.client_port = at->src_port,
				.door_port = at->dst_port };
	int err = held_add(g->held, &p, &key, route, at->seq);

	if (!err) {
		held_find(g->held, &key)->since_ns = now_ns;
		g->count.held++;
		return;
	}
	if (err == -EEXIST)
		g->count.duplicates++;
	else
		g->count.full++;
	nfq_drop(g->nfq, in->id);
}

/* The kernel looks up its door. */
static void let_go(struct gate *g, uint32_t id)
{
	if (g->conf.repeat)
		nfq_repeat(g->nfq, id);
	else
		nfq_accept(g->nfq, id);
}

static void judge(struct gate *g, const struct nfq_packet *in, uint64_t now_ns)
{
	struct engine_door door = { 0 };
	struct parsed at;

	if (!parse_packet(in->data, in->len, &at)) {
		if (take_refusal(g, in, &at, now_ns))
			return;
		door = doors_find(g->conf.doors,
				  &(struct endpoint){ at.dst, at.dst_port },
				  at.protocol, NULL);
	}
	if (door.found && waits(g, door.route))
		hold(g, in, &at, door.route, now_ns);
	else
		let_go(g, in->id);
}

static void take_batch(struct gate *g)
{
	struct nfq_packet packets[NFQ_BATCH];
	unsigned n = nfq_receive(g->nfq, packets);
	uint64_t now_ns = clock_monotonic_ns();

	for (unsigned i = 0; i < n; i++)
		judge(g, &packets[i], now_ns);
	g->count.queued += n;
	nfq_flush(g->nfq);
}

/* Those that nothing holds any more go on. */
static void release(struct gate *g)
{
	struct held_packet *w = held_next(g->held, NULL), *next;

	for (; w; w = next) {
		next = held_next(g->held, w);
		if (waits(g, w->route))
			continue;
		let_go(g, w->packet.id);
		held_remove(g->held, w);
		g->count.released++;
	}
	nfq_flush(g->nfq);
}

static void refuse(struct gate *g, const struct held_packet *w)
{
	uint8_t out[RESET_LEN_MAX];
	struct parsed at;
	struct reset r;

	nfq_drop(g->nfq, w->packet.id);
	g->count.refused++;
	if (!parse_packet(w->packet.data, w->packet.len, &at) &&
	    at.protocol == IPPROTO_TCP && reset_answer(&at, &r))
		rawsock_send(&g->raw, out, reset_build(&r, out));
}

/* Those that have waited for no-node-hold. Returns when the next will have;
 * UINT64_MAX: none waits. */
static uint64_t refuse_overdue(struct gate *g, uint64_t now_ns)
{
	uint64_t limit_ns = doors_no_node_hold_ns(g->conf.doors);
	struct held_packet *w;

	while ((w = held_next(g->held, NULL)) &&
	       now_ns - w->since_ns >= limit_ns) {
		refuse(g, w);
		held_remove(g->held, w);
	}
	return w ? w->since_ns + limit_ns : UINT64_MAX;
}

static void renew(struct gate *g)
{
	int err = g->conf.renew(g->conf.arg);

	if (err)
		log_warn("hold not renewed", "error=\"%s\"", strerror(-err));
}

static void tick(struct gate *g, uint64_t now_ns)
{
	g->refusal_due_ns = refusals_expire(g->refusals, now_ns);
	g->hold_due_ns = refuse_overdue(g, now_ns);
	nfq_flush(g->nfq);
	if (now_ns < g->next_tick_ns)
		return;
	g->next_tick_ns = now_ns + TICK_NS;
	if (g->conf.always || holds_any(g))
		renew(g);
}

static int wait_ms(const struct gate *g, uint64_t now_ns)
{
	uint64_t until = g->next_tick_ns;

	if (g->syns_rest_ns > now_ns && g->syns_rest_ns < until)
		until = g->syns_rest_ns;
	if (g->refusal_due_ns < until)
		until = g->refusal_due_ns;
	if (g->hold_due_ns < until)
		until = g->hold_due_ns;
	return until <= now_ns ? 0 : (int)((until - now_ns) / NS_PER_MS) + 1;
}

static void take_syns(struct gate *g, uint64_t now_ns)
{
	plane_nft_syns_drain(g->syns);
	g->syns_rest_ns = now_ns + SYNS_REST_NS;
}

static void enter_realtime(const struct gate *g)
{
	int err = g->conf.realtime ? realtime_enter(FIFO_PRIORITY) : 0;

	if (err)
		log_warn("queue of held packets without real-time priority",
			 "error=\"%s\"", strerror(-err));
}

static bool stopped(struct gate *g)
{
	bool yes;

	pthread_mutex_lock(&g->lock);
	yes = g->stop;
	pthread_mutex_unlock(&g->lock);
	return yes;
}

static void *work(void *arg)
{
	enum { WAKE, QUEUE, WATCH, SYNS };
	struct gate *g = arg;
	struct pollfd fds[] = {
		[WAKE] = { g->wake_fd, POLLIN, 0 },
		[QUEUE] = { nfq_poll_fd(g->nfq), POLLIN, 0 },
		[WATCH] = { .events = POLLIN },
		[SYNS] = { .events = POLLIN },
	};
	eventfd_t ignored;

	enter_realtime(g);
	while (!stopped(g)) {
		uint64_t now_ns = clock_monotonic_ns();

		fds[SYNS].fd = !g->syns || now_ns < g->syns_rest_ns
				       ? -1
				       : plane_nft_syns_fd(g->syns);
		fds[WATCH].fd = g->conf.watch_fd(g->conf.arg);
		poll(fds, ARRAY_SIZE(fds), wait_ms(g, now_ns));
		if (fds[QUEUE].revents)
			take_batch(g);
		if (fds[WAKE].revents) {
			eventfd_read(g->wake_fd, &ignored);
			release(g);
			look_at_refusals(g);
		}
		if (fds[WATCH].revents)
			g->conf.watch(g->conf.arg);
		now_ns = clock_monotonic_ns();
		if (fds[SYNS].revents)
			take_syns(g, now_ns);
		tick(g, now_ns);
		g->count.waiting = held_count(g->held);
		g->turns++;
		g->count.failed = nfq_stats(g->nfq).failed;
	}
	return NULL;
}

/* What the thread needs, in the order in which close_all() undoes it. */
static int open_all(struct gate *g, const struct gate_conf *conf)
{
	struct refusals_conf refusals = { .doors = conf->doors,
					  .events = g->events,
					  .syns = g->syns,
					  .replay = conf->replay };
	int err = nfq_new(&g->nfq, conf->queue, conf->queue_len, NFQ_WHOLE);

	if (err)
		return err;
	err = rawsock_init(&g->raw, conf->mark);
	if (err)
		goto err_nfq;
	refusals.nfq = g->nfq;
	err = refusals_new(&g->refusals, &refusals);
	if (err)
		goto err_raw;
	return 0;

err_raw:
	rawsock_fini(&g->raw);
err_nfq:
	nfq_free(g->nfq);
	return err;
}

static void close_all(struct gate *g)
{
	refusals_free(g->refusals);
	rawsock_fini(&g->raw);
	nfq_free(g->nfq);
}

int gate_new(struct gate **out, const struct gate_conf *conf,
	     struct event_queue *events, struct plane_nft_syns *syns)
{
	struct gate *g = calloc(1, sizeof(*g));
	int err = -ENOMEM;

	if (!g)
		return err;
	g->conf = *conf;
	g->events = events;
	g->syns = syns;
	pthread_mutex_init(&g->lock, NULL);
	g->held = held_new(conf->doors->conf.held_max, conf->doors->conf.seed);
	if (!g->held)
		goto err_free;
	g->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (g->wake_fd < 0) {
		err = -errno;
		goto err_held;
	}
	err = open_all(g, conf);
	if (err)
		goto err_wake;
	err = -pthread_create(&g->thread, NULL, work, g);
	if (err)
		goto err_open;
	*out = g;
	return 0;

err_open:
	close_all(g);
err_wake:
	close(g->wake_fd);
err_held:
	held_free(g->held);
err_free:
	free(g);
	return err;
}

void gate_free(struct gate *g)
{
	if (!g)
		return;
	pthread_mutex_lock(&g->lock);
	g->stop = true;
	pthread_mutex_unlock(&g->lock);
	eventfd_write(g->wake_fd, 1);
	pthread_join(g->thread, NULL);
	close_all(g);
	close(g->wake_fd);
	held_free(g->held);
	table_put(g->table);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static void note_hold(struct gate *g, uint16_t route, bool on)
{
	if (route_bits_has(&g->holding, route) == on)
		return;
	if (on) {
		route_bits_add(&g->holding, route);
		g->n_holding++;
	} else {
		route_bits_remove(&g->holding, route);
		g->n_holding--;
	}
}

void gate_hold(struct gate *g, const struct route_set *routes, bool on)
{
	pthread_mutex_lock(&g->lock);
	for (uint32_t i = 0; i < routes->count; i++)
		note_hold(g, routes->ids[i], on);
	pthread_mutex_unlock(&g->lock);
	if (!on)
		eventfd_write(g->wake_fd, 1);
}

void gate_set_unowned(struct gate *g, bool unowned)
{
	bool released;

	pthread_mutex_lock(&g->lock);
	released = g->unowned && !unowned;
	g->unowned = unowned;
	pthread_mutex_unlock(&g->lock);
	if (released)
		eventfd_write(g->wake_fd, 1);
}

void gate_set_table(struct gate *g, struct table *now)
{
	struct table *former;

	table_get(now);
	pthread_mutex_lock(&g->lock);
	former = g->table;
	g->table = now;
	pthread_mutex_unlock(&g->lock);
	table_put(former);
	eventfd_write(g->wake_fd, 1);
}

void gate_wake(struct gate *g)
{
	eventfd_write(g->wake_fd, 1);
}

void gate_add_stats(struct gate *g, struct plane_stats *s)
{
	uint64_t *count = s->engine.count;
	struct refusals_stats refusals;

	refusals_stats(g->refusals, &refusals);
	s->queued = g->count.queued;
	s->failed = g->count.failed;
	s->engine.held = g->count.waiting + refusals.waiting;
	count[REASON_HELD] = g->count.held;
	count[REASON_RELEASED] = g->count.released;
	count[REASON_HELD_DUPLICATE] = g->count.duplicates;
	count[REASON_HELD_FULL] = g->count.full;
	count[REASON_UNOWNED] += g->count.refused;
	count[REASON_REFUSAL_HELD] = refusals.held;
	count[REASON_REFUSAL_PASSED] = refusals.passed;
	count[REASON_REFUSAL_AVERTED] = refusals.averted;
	count[REASON_REFUSAL_FULL] = refusals.full;
}

bool gate_has_turned(struct gate *g)
{
	uint64_t before = g->turns_seen;

	g->turns_seen = g->turns;
	return g->turns_seen != before;
}
