// SPDX-License-Identifier: GPL-2.0-or-later
#include "cutter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/log.h"
#include "io/clock.h"
#include "sockdiag.h"

#define LOOK_AGAIN_NS (5 * NS_PER_MS) /* for those that were spared */

/* All that may carry or have carried a client's bytes. */
#define CONNECTED                                                           \
	(1u << TCP_ESTABLISHED | 1u << TCP_SYN_RECV | 1u << TCP_FIN_WAIT1 | \
	 1u << TCP_FIN_WAIT2 | 1u << TCP_CLOSE_WAIT | 1u << TCP_LAST_ACK |  \
	 1u << TCP_CLOSING)

struct ports {
	uint64_t word[65536 / 64];
};

/* A cut goes through the questions again and again until a round finds nothing
 * to end: a socket that goes while the kernel lists its neighbours can hide
 * one. Who listens is asked in the first round only. */
static const struct question {
	uint8_t family;
	uint32_t states;
} questions[] = {
	{ AF_INET, 1u << TCP_LISTEN },
	{ AF_INET6, 1u << TCP_LISTEN },
	{ AF_INET, CONNECTED },
	{ AF_INET6, CONNECTED },
};
#define FIRST_CONNECTED 2

struct job {
	uint32_t id;
	struct ports wanted, heard; /* heard: somebody listens there */
	struct addr local[FAMILIES];
	uint64_t gentle_ns, give_up_ns, began_ns;
	uint64_t due_ns;	/* the next round */
	unsigned question;	/* of questions[] */
	unsigned found, spared; /* in this round */
	unsigned ended;		/* in all */
	struct job *prev, *next;
};

struct cutter {
	struct ev_loop *loop;
	struct sockdiag *asks, *orders;
	ev_io io;
	struct clock_timer timer;
	cutter_fn fn;
	void *arg;
	struct job *jobs;
	bool asking;	     /* an answer is under way … */
	struct job *current; /* … for it; NULL: it was cancelled */
	bool refused;	     /* by the kernel, as was said */
	unsigned n_batch;
	struct sockdiag_socket batch[SOCKDIAG_BATCH_MAX];
};

static bool ports_has(const struct ports *p, uint16_t port)
{
	return p->word[port / 64] >> (port % 64) & 1;
}

static void ports_add(struct ports *p, uint16_t port)
{
	p->word[port / 64] |= 1ull << (port % 64);
}

/* Neighbours as one range; all as one when there are too many. At least one. */
static unsigned ports_ranges(const struct ports *p,
			     struct port_range out[SOCKDIAG_RANGES_MAX])
{
	unsigned n = 0;

	out[0] = (struct port_range){ 0, 0 };
	for (unsigned port = 1; port < 65536; port++) {
		if (!ports_has(p, (uint16_t)port))
			continue;
		if (n &&
		    (out[n - 1].last == port - 1 || n == SOCKDIAG_RANGES_MAX))
			out[n - 1].last = (uint16_t)port;
		else
			out[n++] = (struct port_range){ (uint16_t)port,
							(uint16_t)port };
	}
	return n ? n : 1;
}

static bool is_own(const struct job *j, const struct addr *a)
{
	return addr_equal(a, &j->local[FAMILY_V4]) ||
	       addr_equal(a, &j->local[FAMILY_V6]);
}

/* Somebody must listen: then no connection that the node makes has that port.
 * A client on the node itself has not come through the gateway. */
static bool came_through_the_door(const struct job *j,
				  const struct sockdiag_socket *s)
{
	return ports_has(&j->wanted, s->local.port) &&
	       ports_has(&j->heard, s->local.port) &&
	       is_own(j, &s->local.addr) && !is_own(j, &s->peer.addr);
}

static void say_undone(int err)
{
	log_warn("connections of moved routes are not ended here",
		 "error=\"%s\" try=\"%s\" instead=\"the gateway resets them\"",
		 strerror(-err),
		 err == -EPERM ? "CAP_NET_ADMIN, or --no-end-sockets"
			       : "--no-end-sockets");
}

/* For good when the kernel says that it never will. */
static void on_order_failed(struct cutter *c, int err)
{
	if (!c->refused)
		say_undone(err);
	c->refused = err == -EPERM || err == -EOPNOTSUPP;
}

static void end_batch(struct cutter *c, struct job *j)
{
	int ret = c->n_batch ? sockdiag_destroy(c->orders, c->batch, c->n_batch)
			     : 0;

	c->n_batch = 0;
	if (ret < 0)
		on_order_failed(c, ret);
	else
		j->ended += (unsigned)ret;
}

static void on_socket(void *arg, const struct sockdiag_socket *s)
{
	struct cutter *c = arg;
	struct job *j = c->current;

	if (!j || c->refused)
		return;
	if (s->state == TCP_LISTEN) {
		ports_add(&j->heard, s->local.port);
		return;
	}
	if (!came_through_the_door(j, s))
		return;
	if ((s->unacked || s->unread) && clock_monotonic_ns() < j->gentle_ns) {
		j->spared++;
		return;
	}
	j->found++;
	c->batch[c->n_batch++] = *s;
	if (c->n_batch == SOCKDIAG_BATCH_MAX)
		end_batch(c, j);
}

static void remove_job(struct cutter *c, struct job *j)
{
	if (c->current == j)
		c->current = NULL;
	DL_DELETE(c->jobs, j);
	free(j);
}

static void finish(struct cutter *c, struct job *j)
{
	uint32_t id = j->id;

	if (j->ended)
		log_info("connections ended", "handover=%u count=%u ms=%llu",
			 id, j->ended,
			 (unsigned long long)((clock_monotonic_ns() -
					       j->began_ns) /
					      NS_PER_MS));
	remove_job(c, j);
	c->fn(c->arg, id);
}

static struct job *first_due(const struct cutter *c)
{
	struct job *j, *first = c->jobs;

	DL_FOREACH (c->jobs, j)
		if (j->due_ns < first->due_ns)
			first = j;
	return first;
}

/* The round is over: false when the job is, too. */
static bool is_to_look_again(struct cutter *c, struct job *j, uint64_t now)
{
	if (c->refused || now >= j->give_up_ns || !(j->found + j->spared))
		return false;
	j->due_ns = j->found ? now : now + LOOK_AGAIN_NS;
	j->question = FIRST_CONNECTED;
	j->found = j->spared = 0;
	return true;
}

static int ask(struct cutter *c, const struct job *j)
{
	const struct question *q = &questions[j->question];
	struct port_range ranges[SOCKDIAG_RANGES_MAX];
	unsigned n = ports_ranges(&j->wanted, ranges);
	int ret = sockdiag_ask(c->asks, q->family, q->states, ranges, n);

	if (ret)
		say_undone(ret);
	return ret;
}

/* Asks for the job that is due first, or waits until one is. */
static void go_on(void *arg)
{
	struct cutter *c = arg;
	struct job *j;

	while (!c->asking && (j = first_due(c))) {
		if (j->due_ns > clock_monotonic_ns()) {
			clock_timer_set(&c->timer, j->due_ns);
			return;
		}
		if (c->refused || ask(c, j)) {
			finish(c, j);
			continue;
		}
		c->asking = true;
		c->current = j;
		ev_io_start(c->loop, &c->io);
	}
}

/* The next question, or the next round, or the end of the job. */
static void on_answered(struct cutter *c, struct job *j)
{
	j->question++;
	if (j->question < ARRAY_SIZE(questions))
		return;
	if (!is_to_look_again(c, j, clock_monotonic_ns()))
		finish(c, j);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int revents)
{
	struct cutter *c = io->data;
	int ret = sockdiag_receive(c->asks, on_socket, c);
	struct job *j = c->current;

	if (j)
		end_batch(c, j);
	if (ret > 0)
		return;
	ev_io_stop(loop, io);
	c->asking = false;
	c->current = NULL;
	if (ret < 0)
		say_undone(ret);
	if (j && ret < 0)
		finish(c, j);
	else if (j)
		on_answered(c, j);
	go_on(c);
}

int cutter_new(struct cutter **out, struct ev_loop *loop, cutter_fn fn,
	       void *arg)
{
	struct cutter *c = calloc(1, sizeof(*c));
	int ret;

	if (!c)
		return -ENOMEM;
	c->loop = loop;
	c->fn = fn;
	c->arg = arg;
	ret = clock_timer_init(&c->timer, loop, go_on, c);
	if (ret) {
		free(c);
		return ret;
	}
	ret = sockdiag_open(&c->asks);
	if (!ret)
		ret = sockdiag_open(&c->orders);
	if (ret) {
		cutter_free(c);
		return ret;
	}
	ev_io_init(&c->io, on_readable, sockdiag_fd(c->asks), EV_READ);
	c->io.data = c;
	*out = c;
	return 0;
}

static struct job *find(const struct cutter *c, uint32_t id)
{
	struct job *j;

	DL_FOREACH (c->jobs, j)
		if (j->id == id)
			return j;
	return NULL;
}

static void want(struct ports *p, const struct cut *cut)
{
	memset(p, 0, sizeof(*p));
	for (unsigned d = 0; d < cut->doors.count; d++)
		for (uint32_t i = 0; i < cut->routes.count; i++) {
			unsigned port =
				cut->doors.first[d] + cut->routes.ids[i] - 1u;

			if (port < 65536)
				ports_add(p, (uint16_t)port);
		}
}

/* One that was under way begins anew, so that all is asked for it. */
void cutter_begin(struct cutter *c, const struct cut *cut)
{
	struct job *j = calloc(1, sizeof(*j));
	uint64_t now = clock_monotonic_ns();

	cutter_cancel(c, cut->id);
	if (!j) {
		log_warn("connections of moved routes are not ended here",
			 "handover=%u error=\"out of memory\"", cut->id);
		return; /* its deadline ends it */
	}
	j->id = cut->id;
	j->gentle_ns = cut->gentle_ns;
	j->began_ns = now;
	j->give_up_ns = now + CUTTER_PATIENCE_NS;
	memcpy(j->local, cut->local, sizeof(j->local));
	want(&j->wanted, cut);
	DL_APPEND(c->jobs, j);
	clock_timer_set(&c->timer, 0);
}

void cutter_cancel(struct cutter *c, uint32_t id)
{
	struct job *j = find(c, id);

	if (j)
		remove_job(c, j);
}

void cutter_free(struct cutter *c)
{
	if (!c)
		return;
	while (c->jobs)
		remove_job(c, c->jobs);
	ev_io_stop(c->loop, &c->io);
	clock_timer_fini(&c->timer);
	sockdiag_close(c->asks);
	sockdiag_close(c->orders);
	free(c);
}
