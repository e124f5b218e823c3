/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "prober.h"

#include <errno.h>
#include <stdlib.h>

/* Opened at once, at most, when this process was kept from running. */
#define CATCH_UP 64

struct probe {
	struct prober *all;
	struct stream stream;
	uint64_t up_ns, answer_ns; /* 0: not yet */
	ev_timer timeout;
};

struct prober {
	const struct target *target;
	struct score *score;
	bool paused;
	unsigned next_route, next_probe;
	uint64_t gap_ns, due_ns; /* between two; when the next is due */
	double patience_s;
	ev_timer tick;
	unsigned count; /* under way at once, at most */
	struct probe one[];
};

static void settle(struct probe *probe)
{
	struct prober *p = probe->all;
	struct score_probe fared = { .opened_ns = probe->stream.opened_ns,
				     .up_ns = probe->up_ns,
				     .answer_ns = probe->answer_ns,
				     .end_ns = now_ns() };

	ev_timer_stop(p->target->loop, &probe->timeout);
	score_probe(p->score, &fared);
}

static void on_up(struct stream *s)
{
	static const char request[] = "GET / HTTP/1.0\r\n\r\n";
	struct probe *probe = s->owner;

	probe->up_ns = now_ns();
	stream_send(s, request, sizeof(request) - 1);
}

static size_t on_data(struct stream *s, const char *bytes, size_t len)
{
	struct probe *probe = s->owner;

	if (!probe->answer_ns)
		probe->answer_ns = now_ns();
	return len;
}

static void on_end(struct stream *s, int err)
{
	struct probe *probe = s->owner;

	/* Before a connection is established, a reset is ECONNREFUSED. */
	if (err == ECONNRESET && !probe->up_ns)
		probe->up_ns = now_ns();
	settle(probe);
}

static const struct stream_handler handler = { on_up, on_data, on_end };

static void on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct probe *probe = timer->data;

	stream_close(&probe->stream);
	settle(probe);
}

static void open_next(struct prober *p)
{
	struct probe *probe = &p->one[p->next_probe];
	uint16_t port = (uint16_t)(p->target->browser + p->next_route);

	if (stream_is_open(&probe->stream))
		return;
	p->next_probe = (p->next_probe + 1) % p->count;
	p->next_route = (p->next_route + 1) % p->target->routes;
	probe->up_ns = 0;
	probe->answer_ns = 0;
	if (stream_open(&probe->stream, p->target, p->next_probe, port))
		return;
	ev_timer_set(&probe->timeout, p->patience_s, 0);
	ev_timer_start(p->target->loop, &probe->timeout);
}

/* An event loop's timers are whole milliseconds, and late: the pace is kept by
 * the clock. */
static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct prober *p = timer->data;
	uint64_t now = now_ns(), late = CATCH_UP * p->gap_ns;

	if (p->paused || p->due_ns + late < now)
		p->due_ns = now;
	for (; !p->paused && p->due_ns <= now; p->due_ns += p->gap_ns)
		open_next(p);
}

struct prober *prober_new(const struct target *t, struct score *score,
			  unsigned per_second, unsigned patience_s)
{
	unsigned count = per_second * (patience_s + 1);
	struct prober *p = calloc(1, sizeof(*p) + count * sizeof(p->one[0]));

	if (!p)
		return NULL;
	p->target = t;
	p->score = score;
	p->paused = true;
	p->count = count;
	p->patience_s = patience_s;
	p->gap_ns = NS_PER_S / per_second;
	for (unsigned i = 0; i < count; i++) {
		p->one[i].all = p;
		stream_init(&p->one[i].stream, &handler, &p->one[i]);
		ev_timer_init(&p->one[i].timeout, on_timeout, patience_s, 0);
		p->one[i].timeout.data = &p->one[i];
	}
	ev_timer_init(&p->tick, on_tick, 0, 1.0 / per_second);
	p->tick.data = p;
	ev_timer_start(t->loop, &p->tick);
	return p;
}

void prober_pause(struct prober *p, bool on)
{
	p->paused = on;
}

unsigned prober_waiting(const struct prober *p, uint64_t longer_ns)
{
	uint64_t now = now_ns();
	unsigned waiting = 0;

	for (unsigned i = 0; i < p->count; i++) {
		const struct probe *probe = &p->one[i];

		waiting += stream_is_open(&probe->stream) &&
			   !probe->answer_ns &&
			   probe->stream.opened_ns + longer_ns < now;
	}
	return waiting;
}

void prober_free(struct prober *p)
{
	if (!p)
		return;
	ev_timer_stop(p->target->loop, &p->tick);
	for (unsigned i = 0; i < p->count; i++) {
		ev_timer_stop(p->target->loop, &p->one[i].timeout);
		stream_close(&p->one[i].stream);
	}
	free(p);
}
