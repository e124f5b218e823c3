/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publishers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_S	 0.005
#define AGAIN_NS (100 * NS_PER_MS)

struct publisher {
	struct publishers *all;
	unsigned route;
	uint32_t wanted; /* highest number to publish */
	uint32_t next;	 /* the one to send, or that was sent */
	bool waiting;	 /* for the answer to it */
	struct stream stream;
	ev_timer tick, retry;
};

struct publishers {
	const struct target *target;
	struct score *score;
	bool paused;
	struct publisher one[];
};

static void publish_next(struct publisher *pub)
{
	char body[32], request[256];
	int body_len, len;

	if (pub->waiting || !pub->stream.is_up || pub->next > pub->wanted)
		return;
	body_len = snprintf(body, sizeof(body), "%u %u", pub->route, pub->next);
	len = snprintf(request, sizeof(request),
		       "POST /pub HTTP/1.1\r\nHost: halo\r\n"
		       "Content-Length: %d\r\n\r\n%s",
		       body_len, body);
	pub->waiting = true;
	stream_send(&pub->stream, request, (size_t)len);
}

static void open_stream(struct publisher *pub)
{
	const struct target *t = pub->all->target;

	if (stream_open(&pub->stream, t, pub->route,
			(uint16_t)(t->app + pub->route - 1)))
		ev_timer_start(t->loop, &pub->retry);
}

/* How long a whole answer is; 0 when more has to come. */
static size_t answer_len(const char *bytes, size_t len)
{
	const char *end = memmem(bytes, len, "\r\n\r\n", 4);
	const char *field = memmem(bytes, len, "Content-Length: ", 16);
	size_t head, body = 0;

	if (!end)
		return 0;
	head = (size_t)(end - bytes) + 4;
	if (field && field < end)
		body = strtoul(field + 16, NULL, 10);
	return head + body <= len ? head + body : 0;
}

static size_t on_data(struct stream *s, const char *bytes, size_t len)
{
	struct publisher *pub = s->owner;
	size_t n = answer_len(bytes, len);

	if (!n)
		return 0;
	pub->waiting = false;
	if (n > 12 && !strncmp(bytes, "HTTP/1.1 2", 10)) {
		score_accepted(pub->all->score, pub->route, pub->next,
			       now_ns());
		pub->next++;
	}
	publish_next(pub);
	return n;
}

static void on_up(struct stream *s)
{
	publish_next(s->owner);
}

static void rewind_recent(struct publisher *pub, uint64_t now)
{
	while (pub->next > 1) {
		uint64_t at = score_accepted_at(pub->all->score, pub->route,
						pub->next - 1);

		if (at + AGAIN_NS < now)
			break;
		pub->next--;
	}
}

static void on_end(struct stream *s, int err)
{
	struct publisher *pub = s->owner;

	pub->waiting = false;
	rewind_recent(pub, now_ns());
	ev_timer_start(pub->all->target->loop, &pub->retry);
}

static const struct stream_handler handler = { on_up, on_data, on_end };

static void on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct publisher *pub = timer->data;

	ev_timer_set(&pub->retry, RETRY_S, 0);
	open_stream(pub);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct publisher *pub = timer->data;

	if (pub->all->paused || pub->wanted == SCORE_MESSAGES_MAX)
		return;
	pub->wanted++;
	publish_next(pub);
}

static void publisher_init(struct publishers *p, unsigned i, double interval_s)
{
	struct publisher *pub = &p->one[i];
	unsigned routes = p->target->routes;

	pub->all = p;
	pub->route = i + 1;
	pub->next = 1;
	stream_init(&pub->stream, &handler, pub);
	ev_timer_init(&pub->retry, on_retry, RETRY_S, 0);
	pub->retry.data = pub;
	ev_timer_init(&pub->tick, on_tick, interval_s * i / routes, interval_s);
	pub->tick.data = pub;
	ev_timer_start(p->target->loop, &pub->tick);
	open_stream(pub);
}

struct publishers *publishers_new(const struct target *t, struct score *score,
				  unsigned interval_ms)
{
	struct publishers *p =
		calloc(1, sizeof(*p) + t->routes * sizeof(p->one[0]));

	if (!p)
		return NULL;
	p->target = t;
	p->score = score;
	p->paused = true;
	for (unsigned i = 0; i < t->routes; i++)
		publisher_init(p, i, interval_ms / 1000.0);
	return p;
}

void publishers_pause(struct publishers *p, bool on)
{
	p->paused = on;
}

bool publishers_idle(const struct publishers *p)
{
	for (unsigned i = 0; i < p->target->routes; i++)
		if (p->one[i].next <= p->one[i].wanted)
			return false;
	return true;
}

void publishers_free(struct publishers *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < p->target->routes; i++) {
		ev_timer_stop(p->target->loop, &p->one[i].tick);
		ev_timer_stop(p->target->loop, &p->one[i].retry);
		stream_close(&p->one[i].stream);
	}
	free(p);
}
