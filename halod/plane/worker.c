// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/worker.h"

#include <assert.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/units.h"
#include "io/clock.h"
#include "io/rawsock.h"
#include "io/realtime.h"

#define TICK_NS		 (100 * NS_PER_MS)
#define TICKS_PER_LOOK	 10   /* at the kernel's loss counters */
#define EXPIRE_BUDGET	 4096 /* flows a tick: 0.1 to 0.4 ms */
#define END_FLOWS_BUDGET 512  /* flows a slice, packets wait meanwhile */
/* Servers that hold connections say something every minute or sooner (comments
 * of SSE, pings); by now the flows that live have shown themselves, and whoever
 * forges a segment need not be believed for ever. */
#define RELEARN_NS (300 * NS_PER_S)
/* More than is ever held: what is held is settled by its bytes. */
#define COPY_LEN      2048
#define TAKES_MAX     8 /* batches before anything else is looked at */
#define PATIENCE_S    5 /* with a worker; it takes microseconds */
#define FIFO_PRIORITY 5 /* below the thread that judges silence */

struct worker {
	pthread_t thread;
	uint16_t queue;
	bool realtime;
	struct nfq *nfq;
	struct rawsock raw;
	struct engine *engine;
	struct event_queue *events; /* borrowed */
	int wake_fd;

	/* the worker's thread alone */
	bool has_table, stop, ending;
	struct known_node *nodes; /* ascending by address */
	unsigned n_nodes;
	uint64_t next_tick_ns, lost_seen, ends_asked;
	uint64_t relearn_until_ns; /* 0: there is nothing to relearn */
	unsigned ticks;
	unsigned n_held; /* packets without a verdict */

	_Atomic uint64_t ends_done, resets;

	bool stuck; /* the main thread alone */

	/* the call under way, to be made until then; fn is NULL when there is
	 * none */
	pthread_mutex_t lock;
	pthread_cond_t done;
	struct timespec until;
	worker_fn fn;
	void *arg;
};

static void send_packet(void *arg, const uint8_t *data, size_t len)
{
	struct worker *w = arg;

	rawsock_send(&w->raw, data, len);
}

static void settle(void *arg, uint32_t id, enum verdict verdict,
		   const uint8_t *data, size_t len)
{
	struct worker *w = arg;

	w->n_held--;
	if (verdict == VERDICT_REWRITE)
		nfq_rewrite_copied(w->nfq, id, data, (uint32_t)len);
	else if (verdict == VERDICT_ACCEPT)
		nfq_accept(w->nfq, id);
	else
		nfq_drop(w->nfq, id);
}

static void refused(void *arg, uint32_t tag, uint16_t route)
{
	struct worker *w = arg;
	struct plane_event ev = {
		.type = PLANE_REFUSED, .tag = tag, .route = route, .count = 1
	};

	event_queue_push(w->events, &ev);
}

static uint32_t mark_of(void *arg, const struct addr *node)
{
	const struct worker *w = arg;

	return node ? known_nodes_mark(w->nodes, w->n_nodes, node)
		    : RULES_MARK_DOOR;
}

/* Marks of others survive, unless the packet is so large that there is no other
 * way. */
static void judge(struct worker *w, const struct nfq_packet *in,
		  uint64_t now_ns)
{
	struct packet p = {
		.data = in->data,
		.len = in->len,
		.cut = in->cut,
		.by_mark = !in->mark || in->cut,
		.direction = in->hook == NF_INET_PRE_ROUTING ? FROM_CLIENT
							     : FROM_NODE,
		.csum_not_ready = in->csum_not_ready,
		.gso = in->gso,
		.id = in->id,
	};

	switch (engine_packet(w->engine, &p, now_ns)) {
	case VERDICT_ACCEPT:
		nfq_accept(w->nfq, in->id);
		break;
	case VERDICT_REWRITE:
		nfq_rewrite(w->nfq, in->id, in->data, in->len);
		break;
	case VERDICT_MARK:
		if (w->n_held)
			nfq_mark(w->nfq, in->id, p.mark);
		else
			nfq_mark_alone(w->nfq, in->id, p.mark);
		break;
	case VERDICT_DROP:
		nfq_drop(w->nfq, in->id);
		break;
	case VERDICT_HOLD:
		w->n_held++;
		break;
	}
}

static unsigned take_batch(struct worker *w)
{
	struct nfq_packet packets[NFQ_BATCH];
	unsigned n = nfq_receive(w->nfq, packets);
	uint64_t now_ns = clock_monotonic_ns();

	for (unsigned i = 0; i < n; i++)
		judge(w, &packets[i], now_ns);
	nfq_flush(w->nfq);
	return n;
}

/* While they come in numbers there is no need to ask whether there are more. */
static void take_packets(struct worker *w)
{
	for (unsigned i = 0; i < TAKES_MAX; i++)
		if (take_batch(w) < NFQ_BATCH / 4)
			return;
}

static void publish_ends(struct worker *w)
{
	struct engine_stats s;

	engine_stats(w->engine, &s);
	atomic_store(&w->resets, s.count[REASON_RESET_CLIENT]);
	atomic_store(&w->ends_done, w->ends_asked);
	event_queue_wake(w->events);
}

static void end_more_flows(struct worker *w)
{
	w->ending = !engine_end_flows_more(w->engine, END_FLOWS_BUDGET,
					   clock_monotonic_ns());
	nfq_flush(w->nfq);
	if (!w->ending)
		publish_ends(w);
}

static void tell_losses(struct worker *w)
{
	struct plane_event ev = { .type = PLANE_LOST };
	struct nfq_counters c;

	if (nfq_counters(w->queue, &c))
		return;
	ev.count = c.lost_queue + c.lost_socket - w->lost_seen;
	w->lost_seen += ev.count;
	if (ev.count)
		event_queue_push(w->events, &ev);
}

static void end_relearning(struct worker *w)
{
	struct route_set none = { 0 };

	w->relearn_until_ns = 0;
	engine_set_relearn(w->engine, &none);
}

static void tick(struct worker *w, uint64_t now_ns)
{
	if (now_ns < w->next_tick_ns)
		return;
	w->next_tick_ns = now_ns + TICK_NS;
	engine_expire(w->engine, EXPIRE_BUDGET, now_ns);
	nfq_flush(w->nfq);
	if (w->relearn_until_ns && now_ns >= w->relearn_until_ns)
		end_relearning(w);
	if (++w->ticks % TICKS_PER_LOOK == 0)
		tell_losses(w);
}

static void run_call(struct worker *w)
{
	eventfd_t ignored;

	eventfd_read(w->wake_fd, &ignored);
	pthread_mutex_lock(&w->lock);
	if (w->fn) {
		w->fn(w, clock_monotonic_ns(), w->arg);
		nfq_flush(w->nfq);
		w->fn = NULL;
		pthread_cond_signal(&w->done);
	}
	pthread_mutex_unlock(&w->lock);
}

static int wait_ms(const struct worker *w, uint64_t now_ns)
{
	if (w->ending || now_ns >= w->next_tick_ns)
		return 0;
	return (int)((w->next_tick_ns - now_ns) / NS_PER_MS) + 1;
}

static void enter_realtime(const struct worker *w)
{
	int err = w->realtime ? realtime_enter(FIFO_PRIORITY) : 0;

	if (err)
		log_warn("worker without real-time priority",
			 "queue=%u error=\"%s\"", w->queue, strerror(-err));
}

/* top -H and ps -L show it. */
static void take_name(const struct worker *w)
{
	char name[16];

	snprintf(name, sizeof(name), "queue-%u", w->queue);
	pthread_setname_np(pthread_self(), name);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct pollfd fds[] = { { .fd = w->wake_fd, .events = POLLIN },
				{ .events = POLLIN } };

	take_name(w);
	enter_realtime(w);
	while (!w->stop) {
		/* a negative descriptor is passed over */
		fds[1].fd = w->has_table ? nfq_poll_fd(w->nfq) : -1;
		poll(fds, ARRAY_SIZE(fds), wait_ms(w, clock_monotonic_ns()));
		if (fds[0].revents)
			run_call(w);
		if (fds[1].revents)
			take_packets(w);
		if (w->ending)
			end_more_flows(w);
		tick(w, clock_monotonic_ns());
	}
	return NULL;
}

/* Nobody's flows are there to be saved: clients need not wait for nodes. */
static int set_empty_table(struct worker *w, unsigned routes)
{
	struct table *t = table_new(routes, 0);

	if (!t)
		return -ENOMEM;
	worker_set_table(w, t, &(struct known_nodes){ 0 });
	table_put(t);
	return 0;
}

static int new_engine(struct worker *w, const struct worker_conf *conf)
{
	struct engine_sink sink = { .send = send_packet,
				    .settle = settle,
				    .refused = refused,
				    .mark_of = mark_of,
				    .arg = w };

	w->engine = engine_new(conf->engine, &sink);
	if (!w->engine)
		return -ENOMEM;
	if (!conf->relearn->count)
		return set_empty_table(w, conf->engine->routes);
	engine_set_relearn(w->engine, conf->relearn);
	w->relearn_until_ns = clock_monotonic_ns() + RELEARN_NS;
	return 0;
}

int worker_new(struct worker **out, const struct worker_conf *conf,
	       struct event_queue *events)
{
	struct worker *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->queue = conf->queue;
	w->realtime = conf->realtime;
	w->events = events;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->done, NULL);
	err = rawsock_init(&w->raw, conf->mark);
	if (err)
		goto err_free;
	err = new_engine(w, conf);
	if (err)
		goto err_raw;
	w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->wake_fd < 0) {
		err = -errno;
		goto err_engine;
	}
	err = nfq_new(&w->nfq, conf->queue, conf->queue_len, COPY_LEN);
	if (err)
		goto err_wake;
	err = -pthread_create(&w->thread, NULL, work, w);
	if (err)
		goto err_nfq;
	*out = w;
	return 0;

err_nfq:
	nfq_free(w->nfq);
err_wake:
	close(w->wake_fd);
err_engine:
	engine_free(w->engine);
err_raw:
	rawsock_fini(&w->raw);
err_free:
	free(w->nodes);
	free(w);
	return err;
}

static void stop(struct worker *w, uint64_t now_ns, void *arg)
{
	w->stop = true;
}

int worker_free(struct worker *w)
{
	int err;

	worker_post(w, stop, NULL);
	err = worker_wait(w);
	if (err)
		return err;
	pthread_join(w->thread, NULL);
	nfq_free(w->nfq);
	close(w->wake_fd);
	engine_free(w->engine);
	rawsock_fini(&w->raw);
	free(w->nodes);
	pthread_cond_destroy(&w->done);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return 0;
}

void worker_post(struct worker *w, worker_fn fn, void *arg)
{
	if (w->stuck)
		return;
	clock_gettime(CLOCK_MONOTONIC, &w->until);
	w->until.tv_sec += PATIENCE_S;
	pthread_mutex_lock(&w->lock);
	assert(!w->fn);
	w->fn = fn;
	w->arg = arg;
	pthread_mutex_unlock(&w->lock);
	eventfd_write(w->wake_fd, 1);
}

/* A call that has begun is waited for, under its lock, without an end: it works
 * on what is the caller's. */
int worker_wait(struct worker *w)
{
	int err = w->stuck ? ETIMEDOUT : 0;

	if (err)
		return -err;
	pthread_mutex_lock(&w->lock);
	while (w->fn && !err)
		err = pthread_cond_clockwait(&w->done, &w->lock,
					     CLOCK_MONOTONIC, &w->until);
	w->stuck = w->fn;
	w->fn = NULL;
	pthread_mutex_unlock(&w->lock);
	if (!w->stuck)
		return 0;
	log_error("worker does not answer", "queue=%u waited_s=%u", w->queue,
		  PATIENCE_S);
	event_queue_wake(w->events);
	return -ETIMEDOUT;
}

bool worker_is_stuck(const struct worker *w)
{
	return w->stuck;
}

struct engine *worker_engine(struct worker *w)
{
	return w->engine;
}

static void set_nodes(struct worker *w, const struct known_nodes *nodes)
{
	size_t size = nodes->count * sizeof(*nodes->nodes);
	struct known_node *copy = size ? malloc(size) : NULL;

	if (copy)
		memcpy(copy, nodes->nodes, size);
	free(w->nodes);
	w->nodes = copy;
	w->n_nodes = copy ? nodes->count : 0;
}

void worker_set_table(struct worker *w, struct table *t,
		      const struct known_nodes *nodes)
{
	set_nodes(w, nodes);
	engine_set_table(w->engine, t);
	w->has_table = true;
}

void worker_set_doors(struct worker *w, const struct engine_conf *doors,
		      uint64_t now_ns)
{
	engine_set_doors(w->engine, doors, now_ns);
	w->ending = true;
}

void worker_end_flows(struct worker *w, uint32_t tag,
		      const struct route_set *routes, bool forced,
		      uint64_t now_ns)
{
	w->ends_asked++;
	w->ending = !engine_end_flows(w->engine, tag, routes, forced,
				      END_FLOWS_BUDGET, now_ns);
	if (!w->ending)
		publish_ends(w);
}

struct nfq_stats worker_nfq_stats(struct worker *w)
{
	return nfq_stats(w->nfq);
}

uint64_t worker_ends_done(struct worker *w)
{
	return atomic_load(&w->ends_done);
}

uint64_t worker_resets(struct worker *w)
{
	return atomic_load(&w->resets);
}
