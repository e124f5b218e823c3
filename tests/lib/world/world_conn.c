// SPDX-License-Identifier: GPL-2.0-or-later
#include "world_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RETRANSMISSION (200 * MS) /* the least Linux waits */

static uint64_t arrival(struct world *w)
{
	uint64_t at = w->core.now + w->conf.latency_ns;

	at += world_draw(w) % (w->conf.latency_ns + 1);
	if (world_draw(w) % 1000 < w->conf.loss_permille)
		at += RETRANSMISSION;
	return at;
}

struct world_conn *world_connect(struct world *w, unsigned node)
{
	struct world_conn *c = calloc(1, sizeof(*c));

	assert(c);
	c->link = ++w->core.next_link;
	c->node = node;
	c->at_halod.max = FRAME_LEN_MAX_AGENT;
	c->at_agent.max = FRAME_LEN_MAX;
	c->next = w->conns;
	w->conns = c;
	return c;
}

static struct world_conn *conn_at(struct world *w, uint64_t link)
{
	struct world_conn *c = w->conns;

	while (c && (c->link != link || c->halod_closed))
		c = c->next;
	return c;
}

static void put(struct world *w, struct pipe *p, const struct message *m)
{
	size_t size = frame_size(m);
	uint8_t *data = malloc(size);
	int len;

	assert(data);
	len = frame_encode(data, size, m);
	assert(len > 0);
	pipe_put(p, data, (size_t)len, arrival(w));
	free(data);
}

void world_send_to_halod(struct world *w, struct world_conn *c,
			 const struct message *m)
{
	put(w, &c->up, m);
}

void world_send_to_agent(void *arg, uint64_t link, const struct message *m)
{
	struct world *w = arg;
	struct world_conn *c = conn_at(w, link);

	promise(&w->core, c != NULL, "%s is sent to a closed link",
		message_type_name(m->type));
	if (c)
		put(w, &c->down, m);
}

void world_close_link(void *arg, uint64_t link)
{
	struct world *w = arg;
	struct world_conn *c = conn_at(w, link);

	promise(&w->core, c != NULL, "a closed link is closed again");
	if (!c)
		return;
	c->halod_closed = true;
	pipe_put(&c->down, NULL, 0, arrival(w));
}

void world_close_by_agent(struct world *w, struct world_conn *c)
{
	c->agent_closed = true;
	pipe_put(&c->up, NULL, 0, arrival(w));
}

struct receiver {
	struct world *w;
	struct world_conn *c;
	uint16_t *routes;
};

static bool event_of(struct event *ev, const struct message *m)
{
	switch (m->type) {
	case MESSAGE_HELLO:
		ev->type = EVENT_HELLO;
		ev->hello = &m->hello;
		return true;
	case MESSAGE_BEAT:
		ev->type = EVENT_BEAT;
		ev->beat = &m->beat;
		return true;
	case MESSAGE_MOVED_OK:
		ev->type = EVENT_MOVED_OK;
		ev->id = m->moved_ok.id;
		return true;
	case MESSAGE_ASSIGNED_OK:
		ev->type = EVENT_ASSIGNED_OK;
		ev->assigned_ok = &m->assigned_ok;
		return true;
	case MESSAGE_GOODBYE:
		ev->type = EVENT_GOODBYE;
		return true;
	default:
		return false;
	}
}

static int frame_at_halod(void *arg, const uint8_t *frame, size_t len)
{
	struct receiver *r = arg;
	struct world *w = r->w;
	struct event ev = { .link = r->c->link };
	struct frame_error why;
	struct message m;

	if (frame_decode(&m, frame, len, NULL, &why) || !event_of(&ev, &m)) {
		fixture_break(&w->core, "an agent's frame: %s", why.text);
		return -1;
	}
	if (ev.type == EVENT_BEAT || ev.type == EVENT_HELLO)
		w->node[r->c->node].heard_ns = w->core.now;
	world_step(w, &ev);
	return r->c->halod_closed;
}

void world_deliver_to_halod(struct world *w, struct world_conn *c)
{
	struct receiver r = { .w = w, .c = c };
	struct event closed = { .type = EVENT_LINK_CLOSED, .link = c->link };
	struct frame_error why;
	size_t len;
	uint8_t *data = pipe_take(&c->up, &len);

	if (len) {
		assembler_feed(&c->at_halod, data, len, frame_at_halod, &r,
			       &why);
	} else {
		c->halod_closed = true;
		pipe_put(&c->down, NULL, 0, arrival(w));
		world_step(w, &closed);
	}
	free(data);
}

static int frame_at_agent(void *arg, const uint8_t *frame, size_t len)
{
	struct receiver *r = arg;
	struct agent_input in = { .type = INPUT_MESSAGE };
	struct frame_error why;
	struct message m;

	if (frame_decode(&m, frame, len, r->routes, &why)) {
		fixture_break(&r->w->core, "halod's frame: %s", why.text);
		return -1;
	}
	in.message = &m;
	world_feed_agent(r->w, r->c->node, &in);
	return r->c->agent_closed;
}

void world_deliver_to_agent(struct world *w, struct world_conn *c)
{
	static uint16_t routes[ROUTES_MAX];
	struct receiver r = { .w = w, .c = c, .routes = routes };
	struct agent_input gone = { .type = INPUT_DISCONNECTED };
	struct frame_error why;
	size_t len;
	uint8_t *data = pipe_take(&c->down, &len);

	if (len) {
		assembler_feed(&c->at_agent, data, len, frame_at_agent, &r,
			       &why);
	} else {
		world_close_by_agent(w, c);
		w->node[c->node].conn = NULL;
		world_feed_agent(w, c->node, &gone);
	}
	free(data);
}

void world_reset_conns(struct world *w)
{
	for (struct world_conn *c = w->conns; c; c = c->next) {
		if (c->halod_closed)
			continue;
		c->halod_closed = true;
		pipe_put(&c->down, NULL, 0, arrival(w));
	}
}

static void conn_free(struct world_conn *c)
{
	pipe_fini(&c->up);
	pipe_fini(&c->down);
	assembler_fini(&c->at_halod);
	assembler_fini(&c->at_agent);
	free(c);
}

/* What is under way to a closed end goes nowhere. */
void world_forget_closed(struct world *w)
{
	struct world_conn **at = &w->conns;

	while (*at) {
		struct world_conn *c = *at;

		if (!c->agent_closed || !c->halod_closed) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		conn_free(c);
	}
}

void world_free_conns(struct world *w)
{
	while (w->conns) {
		struct world_conn *c = w->conns;

		w->conns = c->next;
		conn_free(c);
	}
}
