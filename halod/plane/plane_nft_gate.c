// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/plane_nft_gate.h"

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
#include "io/nft_foreign.h"
#include "io/rawsock.h"
#include "io/realtime.h"
#include "packet/held.h"
#include "packet/reset.h"
#include "packet/route_bits.h"
#include "plane/plane_nft_table.h"

#define FIFO_PRIORITY 5 /* below the thread that judges silence */
#define TICK_NS	      (250 * NS_PER_MS)
/* Copies of SYNs are taken in so often at the most, however many come. */
#define SYNS_REST_NS (20 * NS_PER_MS)

struct plane_nft_gate {
	pthread_t thread;
	pthread_mutex_t lock; /* of all that is not the thread's alone */
	int wake_fd;
	struct event_queue *events;
	struct plane_nft_syns *syns;
	struct doors *doors;

	bool stop, unowned;
	bool rewriting;	   /* our text makes the table: nothing is drift yet */
	uint64_t drift_ns; /* another was seen to change our table; 0 */
	uint32_t n_holding;
	struct route_bits holding;
	struct table *table; /* who serves; NULL: not known yet */
	struct nft_foreign watch;

	/* the thread's alone */
	bool realtime;
	struct nfq *nfq;
	struct held *held;
	struct plane_nft_refusals *refusals;
	struct nft_txn txn;
	struct rawsock raw;
	uint64_t next_tick_ns, syns_rest_ns, refusal_due_ns, hold_due_ns;

	struct {
		_Atomic uint64_t queued, held, released, duplicates, full,
			refused, waiting, failed;
	} count;
};

static bool waits(struct plane_nft_gate *g, uint16_t route)
{
	bool yes;

	pthread_mutex_lock(&g->lock);
	yes = g->unowned || route_bits_has(&g->holding, route);
	pthread_mutex_unlock(&g->lock);
	return yes;
}

static bool holds_any(struct plane_nft_gate *g)
{
	bool yes;

	pthread_mutex_lock(&g->lock);
	yes = g->unowned || g->n_holding;
	pthread_mutex_unlock(&g->lock);
	return yes;
}

/* A reference; NULL: not known yet. */
static struct table *who_serves(struct plane_nft_gate *g)
{
	struct table *t;

	pthread_mutex_lock(&g->lock);
	t = g->table ? table_get(g->table) : NULL;
	pthread_mutex_unlock(&g->lock);
	return t;
}

static bool take_refusal(struct plane_nft_gate *g, const struct nfq_packet *in,
			 const struct parsed *at, uint64_t now_ns)
{
	struct table *now;
	bool taken;

	if (at->protocol != IPPROTO_TCP || !(at->flags & TCP_RST))
		return false;
	now = who_serves(g);
	taken = plane_nft_refusals_take(g->refusals, in, at, now, now_ns);
	table_put(now);
	return taken;
}

static void look_at_refusals(struct plane_nft_gate *g)
{
	struct table *now = who_serves(g);

	plane_nft_refusals_look(g->refusals, now);
	table_put(now);
	nfq_flush(g->nfq);
}

static void hold(struct plane_nft_gate *g, const struct nfq_packet *in,
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

static void judge(struct plane_nft_gate *g, const struct nfq_packet *in,
		  uint64_t now_ns)
{
	struct engine_door door = { 0 };
	struct parsed at;

	if (!parse_packet(in->data, in->len, &at)) {
		if (take_refusal(g, in, &at, now_ns))
			return;
		door = doors_find(g->doors,
				  &(struct endpoint){ at.dst, at.dst_port },
				  at.protocol, NULL);
	}
	if (door.found && waits(g, door.route))
		hold(g, in, &at, door.route, now_ns);
	else
		nfq_accept(g->nfq, in->id);
}

static void take_batch(struct plane_nft_gate *g)
{
	struct nfq_packet packets[NFQ_BATCH];
	unsigned n = nfq_receive(g->nfq, packets);
	uint64_t now_ns = clock_monotonic_ns();

	for (unsigned i = 0; i < n; i++)
		judge(g, &packets[i], now_ns);
	g->count.queued += n;
	nfq_flush(g->nfq);
}

/* Those that nothing holds any more go on; the kernel looks up their door. */
static void release(struct plane_nft_gate *g)
{
	struct held_packet *w = held_next(g->held, NULL), *next;

	for (; w; w = next) {
		next = held_next(g->held, w);
		if (waits(g, w->route))
			continue;
		nfq_accept(g->nfq, w->packet.id);
		held_remove(g->held, w);
		g->count.released++;
	}
	nfq_flush(g->nfq);
}

static void refuse(struct plane_nft_gate *g, const struct held_packet *w)
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
static uint64_t refuse_overdue(struct plane_nft_gate *g, uint64_t now_ns)
{
	uint64_t limit_ns = doors_no_node_hold_ns(g->doors);
	struct held_packet *w;

	while ((w = held_next(g->held, NULL)) &&
	       now_ns - w->since_ns >= limit_ns) {
		refuse(g, w);
		held_remove(g->held, w);
	}
	return w ? w->since_ns + limit_ns : UINT64_MAX;
}

static void renew(struct plane_nft_gate *g)
{
	int err;

	plane_nft_table_keep_alive(&g->txn);
	err = nft_txn_commit(&g->txn);
	if (err)
		log_warn("hold not renewed", "error=\"%s\"", strerror(-err));
}

static void tick(struct plane_nft_gate *g, uint64_t now_ns)
{
	g->refusal_due_ns = plane_nft_refusals_expire(g->refusals, now_ns);
	g->hold_due_ns = refuse_overdue(g, now_ns);
	nfq_flush(g->nfq);
	if (now_ns < g->next_tick_ns)
		return;
	g->next_tick_ns = now_ns + TICK_NS;
	if (holds_any(g))
		renew(g);
}

static void look_for_drift(struct plane_nft_gate *g)
{
	bool news = false;

	pthread_mutex_lock(&g->lock);
	if (!g->rewriting && nft_foreign_drain(&g->watch)) {
		news = true;
		if (!g->drift_ns)
			g->drift_ns = clock_monotonic_ns();
	}
	pthread_mutex_unlock(&g->lock);
	if (news)
		event_queue_wake(g->events);
}

static int wait_ms(const struct plane_nft_gate *g, uint64_t now_ns)
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

static void take_syns(struct plane_nft_gate *g, uint64_t now_ns)
{
	plane_nft_syns_drain(g->syns);
	g->syns_rest_ns = now_ns + SYNS_REST_NS;
}

static void enter_realtime(const struct plane_nft_gate *g)
{
	int err = g->realtime ? realtime_enter(FIFO_PRIORITY) : 0;

	if (err)
		log_warn("queue of held packets without real-time priority",
			 "error=\"%s\"", strerror(-err));
}

static bool is_rewriting(struct plane_nft_gate *g)
{
	bool yes;

	pthread_mutex_lock(&g->lock);
	yes = g->rewriting;
	pthread_mutex_unlock(&g->lock);
	return yes;
}

static bool stopped(struct plane_nft_gate *g)
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
	struct plane_nft_gate *g = arg;
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

		fds[SYNS].fd = now_ns < g->syns_rest_ns
				       ? -1
				       : plane_nft_syns_fd(g->syns);
		fds[WATCH].fd =
			is_rewriting(g) ? -1 : nft_foreign_fd(&g->watch);
		poll(fds, ARRAY_SIZE(fds), wait_ms(g, now_ns));
		if (fds[QUEUE].revents)
			take_batch(g);
		if (fds[WAKE].revents) {
			eventfd_read(g->wake_fd, &ignored);
			release(g);
			look_at_refusals(g);
		}
		if (fds[WATCH].revents)
			look_for_drift(g);
		now_ns = clock_monotonic_ns();
		if (fds[SYNS].revents)
			take_syns(g, now_ns);
		tick(g, now_ns);
		g->count.waiting = held_count(g->held);
		g->count.failed = nfq_stats(g->nfq).failed;
	}
	return NULL;
}

/* What the thread needs, in the order in which close_all() undoes it. */
static int open_all(struct plane_nft_gate *g,
		    const struct plane_nft_gate_conf *conf)
{
	struct plane_nft_refusals_conf refusals = { .doors = conf->doors,
						    .events = g->events,
						    .syns = g->syns,
						    .replay = conf->replay };
	int err = nfq_new(&g->nfq, conf->queue, conf->queue_len);

	if (err)
		return err;
	err = rawsock_init(&g->raw, conf->mark);
	if (err)
		goto err_nfq;
	refusals.nfq = g->nfq;
	err = plane_nft_refusals_new(&g->refusals, &refusals);
	if (err)
		goto err_raw;
	err = nft_txn_init(&g->txn, PLANE_NFT_TABLE);
	if (err)
		goto err_refusals;
	err = nft_foreign_init(&g->watch, PLANE_NFT_TABLE);
	if (err)
		goto err_txn;
	g->watch.ports[0] = nft_txn_port(&g->txn);
	return 0;

err_txn:
	nft_txn_fini(&g->txn);
err_refusals:
	plane_nft_refusals_free(g->refusals);
err_raw:
	rawsock_fini(&g->raw);
err_nfq:
	nfq_free(g->nfq);
	return err;
}

static void close_all(struct plane_nft_gate *g)
{
	nft_foreign_fini(&g->watch);
	nft_txn_fini(&g->txn);
	plane_nft_refusals_free(g->refusals);
	rawsock_fini(&g->raw);
	nfq_free(g->nfq);
}

int plane_nft_gate_new(struct plane_nft_gate **out,
		       const struct plane_nft_gate_conf *conf,
		       struct event_queue *events, struct plane_nft_syns *syns)
{
	struct plane_nft_gate *g = calloc(1, sizeof(*g));
	int err = -ENOMEM;

	if (!g)
		return err;
	g->doors = conf->doors;
	g->events = events;
	g->syns = syns;
	g->realtime = conf->realtime;
	g->rewriting = true;
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

void plane_nft_gate_free(struct plane_nft_gate *g)
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

static void note_hold(struct plane_nft_gate *g, uint16_t route, bool on)
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

void plane_nft_gate_hold(struct plane_nft_gate *g,
			 const struct route_set *routes, bool on)
{
	pthread_mutex_lock(&g->lock);
	for (uint32_t i = 0; i < routes->count; i++)
		note_hold(g, routes->ids[i], on);
	pthread_mutex_unlock(&g->lock);
	if (!on)
		eventfd_write(g->wake_fd, 1);
}

void plane_nft_gate_set_unowned(struct plane_nft_gate *g, bool unowned)
{
	bool released;

	pthread_mutex_lock(&g->lock);
	released = g->unowned && !unowned;
	g->unowned = unowned;
	pthread_mutex_unlock(&g->lock);
	if (released)
		eventfd_write(g->wake_fd, 1);
}

void plane_nft_gate_set_table(struct plane_nft_gate *g, struct table *now)
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

void plane_nft_gate_set_ports(struct plane_nft_gate *g, uint32_t port,
			      uint32_t other)
{
	pthread_mutex_lock(&g->lock);
	g->watch.ports[1] = port;
	g->watch.ports[2] = other;
	pthread_mutex_unlock(&g->lock);
}

uint64_t plane_nft_gate_take_drift(struct plane_nft_gate *g)
{
	uint64_t since_ns;

	pthread_mutex_lock(&g->lock);
	since_ns = g->drift_ns;
	g->drift_ns = 0;
	pthread_mutex_unlock(&g->lock);
	return since_ns;
}

void plane_nft_gate_begin_rewrite(struct plane_nft_gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->rewriting = true;
	pthread_mutex_unlock(&g->lock);
}

void plane_nft_gate_end_rewrite(struct plane_nft_gate *g)
{
	bool news;

	pthread_mutex_lock(&g->lock);
	news = nft_foreign_since(&g->watch, PLANE_NFT_LAYOUT_SET);
	if (news && !g->drift_ns)
		g->drift_ns = clock_monotonic_ns();
	g->rewriting = false;
	pthread_mutex_unlock(&g->lock);
	eventfd_write(g->wake_fd, 1);
	if (news)
		event_queue_wake(g->events);
}

void plane_nft_gate_stats(struct plane_nft_gate *g,
			  struct plane_nft_gate_stats *out)
{
	*out = (struct plane_nft_gate_stats){
		.queued = g->count.queued,
		.held = g->count.held,
		.released = g->count.released,
		.duplicates = g->count.duplicates,
		.full = g->count.full,
		.refused = g->count.refused,
		.waiting = g->count.waiting,
		.failed = g->count.failed,
	};
	plane_nft_refusals_stats(g->refusals, &out->refusals);
}
