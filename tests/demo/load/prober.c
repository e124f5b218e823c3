/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "prober.h"

#include <errno.h>
#include <stdlib.h>

#define PROBES_MAX 2048 /* under way at once */
#define TIMEOUT_S  3.0

struct probe {
	struct prober *all;
	struct stream stream;
	uint64_t up_ns; /* 0: not yet */
	bool answered;
	ev_timer timeout;
};

struct prober {
	const struct target *target;
	struct score *score;
	bool paused;
	unsigned next_route, next_probe;
	ev_timer tick;
	struct probe one[PROBES_MAX];
};

static void settle(struct probe *probe)
{
	struct prober *p = probe->all;
	uint64_t up_ns = probe->up_ns ? probe->up_ns : now_ns();

	ev_timer_stop(p->target->loop, &probe->timeout);
	score_probe(p->score, probe->stream.opened_ns, up_ns, probe->up_ns);
	if (probe->up_ns && !probe->answered)
		score_cut_short(p->score);
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

	probe->answered = true;
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

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct prober *p = timer->data;
	struct probe *probe = &p->one[p->next_probe];
	uint16_t port = (uint16_t)(p->target->browser + p->next_route);

	if (p->paused || stream_is_open(&probe->stream))
		return;
	p->next_probe = (p->next_probe + 1) % PROBES_MAX;
	p->next_route = (p->next_route + 1) % p->target->routes;
	probe->up_ns = 0;
	probe->answered = false;
	if (stream_open(&probe->stream, p->target, p->next_probe, port))
		return;
	ev_timer_set(&probe->timeout, TIMEOUT_S, 0);
	ev_timer_start(loop, &probe->timeout);
}

struct prober *prober_new(const struct target *t, struct score *score,
			  unsigned per_second)
{
	struct prober *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->target = t;
	p->score = score;
	p->paused = true;
	for (unsigned i = 0; i < PROBES_MAX; i++) {
		p->one[i].all = p;
		stream_init(&p->one[i].stream, &handler, &p->one[i]);
		ev_timer_init(&p->one[i].timeout, on_timeout, TIMEOUT_S, 0);
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

void prober_free(struct prober *p)
{
	if (!p)
		return;
	ev_timer_stop(p->target->loop, &p->tick);
	for (unsigned i = 0; i < PROBES_MAX; i++) {
		ev_timer_stop(p->target->loop, &p->one[i].timeout);
		stream_close(&p->one[i].stream);
	}
	free(p);
}
