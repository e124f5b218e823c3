/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "subscribers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct subscriber {
	struct subscribers *all;
	unsigned who, route;
	struct stream stream[2];
	unsigned now;	    /* which of them is the one in use */
	bool listening;	    /* the one in use has been answered */
	bool told;	    /* the other one was asked for by the server */
	uint64_t token;	    /* of the last request to reconnect */
	uint64_t broken_ns; /* 0: never was */
	ev_timer retry;
};

struct subscribers {
	const struct target *target;
	struct score *score;
	unsigned count, connected;
	double away_s;
	struct subscriber one[];
};

static struct stream *current(struct subscriber *sub)
{
	return &sub->stream[sub->now];
}

static struct stream *other(struct subscriber *sub)
{
	return &sub->stream[!sub->now];
}

static int open_stream(struct subscriber *sub, struct stream *s)
{
	const struct target *t = sub->all->target;

	return stream_open(s, t, sub->who,
			   (uint16_t)(t->browser + sub->route - 1));
}

static void retry_later(struct subscriber *sub)
{
	ev_timer_set(&sub->retry, sub->all->away_s, 0);
	ev_timer_start(sub->all->target->loop, &sub->retry);
}

static void on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct subscriber *sub = timer->data;

	if (open_stream(sub, current(sub)))
		retry_later(sub);
}

static void set_listening(struct subscriber *sub, bool on)
{
	if (on != sub->listening)
		sub->all->connected += on ? 1 : -1u;
	sub->listening = on;
}

static void on_up(struct stream *s)
{
	static const char request[] = "GET /sub HTTP/1.1\r\nHost: halo\r\n"
				      "Accept: text/event-stream\r\n\r\n";

	stream_send(s, request, sizeof(request) - 1);
}

/* The next connection is answered: what the old one still had is read. */
static void take_over(struct subscriber *sub)
{
	struct stream *old = current(sub);

	sub->now = !sub->now;
	sub->told = false;
	stream_finish(old);
}

static void answered(struct subscriber *sub, struct stream *s)
{
	uint64_t now = now_ns();

	if (s != current(sub))
		take_over(sub);
	if (!sub->listening && sub->broken_ns)
		score_back(sub->all->score, sub->broken_ns, now);
	set_listening(sub, true);
	score_listens(sub->all->score, sub->who, sub->route);
}

/* Servers keep messages for late subscribers, so a request to reconnect can
 * come again on the very connection it led to: each is obeyed once. */
static void reconnect(struct subscriber *sub, struct stream *s, uint64_t token)
{
	if (s != current(sub) || sub->told || token <= sub->token)
		return;
	sub->token = token;
	sub->told = open_stream(sub, other(sub)) == 0;
}

static void on_line(struct subscriber *sub, struct stream *s, const char *line)
{
	uint64_t token;
	unsigned route;
	uint32_t seq;

	if (!strncmp(line, "HTTP/1.1 200", 12))
		answered(sub, s);
	else if (sscanf(line, "data: reconnect %" SCNu64, &token) == 1)
		reconnect(sub, s, token);
	else if (sscanf(line, "data: %u %u", &route, &seq) == 2 &&
		 route == sub->route)
		score_received(sub->all->score, sub->who, seq);
}

static size_t on_data(struct stream *s, const char *bytes, size_t len)
{
	size_t used = 0;
	const char *nl;

	while (stream_is_open(s) &&
	       (nl = memchr(bytes + used, '\n', len - used))) {
		size_t n = (size_t)(nl - bytes) - used;
		char line[256];

		if (n < sizeof(line)) {
			memcpy(line, bytes + used, n);
			line[n && line[n - 1] == '\r' ? n - 1 : n] = 0;
			on_line(s->owner, s, line);
		}
		used += n + 1;
	}
	return used;
}

static void on_end(struct stream *s, int err)
{
	struct subscriber *sub = s->owner;

	if (s != current(sub)) {
		sub->told = false;
		return;
	}
	if (sub->listening) {
		sub->broken_ns = now_ns();
		score_broken(sub->all->score,
			     target_is_home(sub->all->target, sub->who),
			     sub->broken_ns);
	}
	set_listening(sub, false);
	if (stream_is_open(other(sub))) {
		sub->now = !sub->now;
		sub->told = false;
	} else {
		retry_later(sub);
	}
}

static const struct stream_handler handler = { on_up, on_data, on_end };

static void subscriber_init(struct subscribers *s, unsigned who)
{
	struct subscriber *sub = &s->one[who];

	sub->all = s;
	sub->who = who;
	sub->route = who % s->target->routes + 1;
	stream_init(&sub->stream[0], &handler, sub);
	stream_init(&sub->stream[1], &handler, sub);
	ev_timer_init(&sub->retry, on_retry, 0, 0);
	sub->retry.data = sub;
	if (open_stream(sub, current(sub)))
		retry_later(sub);
}

struct subscribers *subscribers_new(const struct target *t, struct score *score,
				    unsigned count, unsigned away_ms)
{
	struct subscribers *s =
		calloc(1, sizeof(*s) + count * sizeof(s->one[0]));

	if (!s)
		return NULL;
	s->target = t;
	s->score = score;
	s->count = count;
	s->away_s = away_ms / 1e3;
	for (unsigned i = 0; i < count; i++)
		subscriber_init(s, i);
	return s;
}

unsigned subscribers_connected(const struct subscribers *s)
{
	return s->connected;
}

void subscribers_free(struct subscribers *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->count; i++) {
		ev_timer_stop(s->target->loop, &s->one[i].retry);
		stream_close(&s->one[i].stream[0]);
		stream_close(&s->one[i].stream[1]);
	}
	free(s);
}
