// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEATS_REMEMBERED 64 /* when they were sent, for the lease */

enum phase {
	PHASE_IDLE,	  /* until retry_ns */
	PHASE_CONNECTING, /* until retry_ns */
	PHASE_GREETING,	  /* HELLO sent, until retry_ns */
	PHASE_UP,
	PHASE_LEAVING, /* up, GOODBYE sent, until leave_ns */
	PHASE_GONE,
};

/*
 * A planned move the gateway waits for. Once the clients were told, or cannot
 * be waited for any longer, its connections are ended, and only then the
 * gateway hears MOVED_OK: no publisher is left here when subscribers are
 * elsewhere. What is not through at the deadline is the gateway's.
 */
struct handover {
	uint32_t id;
	uint64_t hurry_ns;    /* the clients have had their time */
	uint64_t deadline_ns; /* MOVED_OK at the latest */
	uint64_t gentle_for_ns, gentle_ns;
	enum { TELLING, CUTTING, CUTTING_ALL } stage;
	enum move_reason reason;
	uint16_t *ids; /* owned */
	uint32_t count;
	struct door_ports doors;
};

struct agent {
	struct agent_conf conf;
	enum phase phase;
	uint64_t rng;
	uint64_t backoff_ns, retry_ns, leave_ns;
	bool leave; /* asked to, whatever the phase */

	uint64_t interval_ns, beat_ns; /* the next beat */
	unsigned miss;
	enum node_health health;
	uint64_t seq;
	uint64_t hello_ns;		    /* sent */
	uint64_t sent_ns[BEATS_REMEMBERED]; /* by seq */
	uint64_t acked_ns;		    /* last answer */
	uint64_t lease_ns; /* until then no other node has its routes */
	bool fenced;
	bool fence_told; /* the node believes that it is */

	uint64_t version; /* of routes */
	uint32_t n_routes;
	uint16_t routes[ROUTES_MAX];
	unsigned n_handovers;
	struct handover handovers[AGENT_HANDOVERS_MAX];
	unsigned n_told; /* handovers answered in this step, whose routes … */
	uint16_t *told[AGENT_HANDOVERS_MAX]; /* … its events still name */
};

struct agent *agent_new(const struct agent_conf *conf)
{
	struct agent *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->conf = *conf;
	a->rng = conf->seed | 1;
	a->backoff_ns = AGENT_BACKOFF_MIN_NS;
	a->lease_ns = TIME_NEVER;
	a->retry_ns = TIME_NEVER; /* until INPUT_START */
	return a;
}

static void forget_told(struct agent *a)
{
	while (a->n_told)
		free(a->told[--a->n_told]);
}

void agent_free(struct agent *a)
{
	if (!a)
		return;
	forget_told(a);
	while (a->n_handovers)
		free(a->handovers[--a->n_handovers].ids);
	free(a);
}

static struct agent_action *act(struct agent_actions *out,
				enum agent_action_type type)
{
	struct agent_action *action = &out->items[out->count++];

	assert(out->count <= AGENT_ACTIONS_MAX);
	memset(action, 0, sizeof(*action));
	action->type = type;
	return action;
}

static struct message *say(struct agent_actions *out, enum message_type type)
{
	struct message *m = &act(out, ACTION_SEND)->message;

	m->type = type;
	return m;
}

static struct agent_event *tell(const struct agent *a,
				struct agent_actions *out,
				enum agent_event_kind kind)
{
	struct agent_event *e = &act(out, ACTION_EVENT)->event;

	e->kind = kind;
	e->version = a->version;
	return e;
}

struct route_set agent_routes(const struct agent *a)
{
	return (struct route_set){ a->routes, a->n_routes };
}

static void lift_fence(struct agent *a, struct agent_actions *out)
{
	if (a->fence_told)
		tell(a, out, AGENT_UNFENCED);
	a->fence_told = false;
}

static void tell_routes(struct agent *a, struct agent_actions *out)
{
	lift_fence(a, out);
	tell(a, out, AGENT_ASSIGNED)->routes = agent_routes(a);
}

static bool is_up(const struct agent *a)
{
	return a->phase == PHASE_UP || a->phase == PHASE_LEAVING;
}

static uint64_t rng_next(struct agent *a)
{
	a->rng ^= a->rng << 13;
	a->rng ^= a->rng >> 7;
	a->rng ^= a->rng << 17;
	return a->rng;
}

static void leave_now(struct agent *a, struct agent_actions *out)
{
	a->phase = PHASE_GONE;
	act(out, ACTION_CLOSE);
	act(out, ACTION_EXIT);
}

static void forget(struct agent *a, unsigned i)
{
	free(a->handovers[i].ids);
	a->handovers[i] = a->handovers[--a->n_handovers];
}

/* The gateway is gone, and may never switch. */
static void drop_handovers(struct agent *a, struct agent_actions *out)
{
	while (a->n_handovers) {
		if (a->handovers[0].stage != TELLING)
			act(out, ACTION_SPARE)->cut.id = a->handovers[0].id;
		forget(a, 0);
	}
}

/* Half the back-off and a random part of the other half, then doubled: agents
 * that lost one gateway do not return in step. */
static void retry_later(struct agent *a, uint64_t now,
			struct agent_actions *out)
{
	uint64_t half = a->backoff_ns / 2;

	drop_handovers(a, out);
	a->phase = PHASE_IDLE;
	a->retry_ns = now + half + rng_next(a) % (half + 1);
	a->backoff_ns *= 2;
	if (a->backoff_ns > AGENT_BACKOFF_MAX_NS)
		a->backoff_ns = AGENT_BACKOFF_MAX_NS;
}

static void connect_now(struct agent *a, uint64_t now,
			struct agent_actions *out)
{
	a->phase = PHASE_CONNECTING;
	a->retry_ns = now + AGENT_GREETING_NS;
	act(out, ACTION_CONNECT);
}

static void greet(struct agent *a, uint64_t now, struct agent_actions *out)
{
	struct message_hello *h;

	if (a->phase != PHASE_CONNECTING)
		return;
	a->phase = PHASE_GREETING;
	a->hello_ns = now;
	tell(a, out, AGENT_CONNECTED);
	h = &say(out, MESSAGE_HELLO)->hello;
	memcpy(h->name, a->conf.name, sizeof(h->name));
	memcpy(h->addr, a->conf.addr, sizeof(h->addr));
	h->instance = a->conf.instance;
	h->wish = a->conf.wish;
	h->health = a->health;
	h->version = a->version;
}

static void beat(struct agent *a, uint64_t now, struct agent_actions *out)
{
	struct message_beat *b = &say(out, MESSAGE_BEAT)->beat;

	b->seq = ++a->seq;
	b->health = a->health;
	b->version = a->version;
	a->sent_ns[a->seq % BEATS_REMEMBERED] = now;
	a->beat_ns += a->interval_ns;
	if (a->beat_ns <= now) /* late: no burst to make up for it */
		a->beat_ns = now + a->interval_ns;
}

/* The gateway counts from when it had a beat, which is not before the beat was
 * sent: until then plus its patience the routes are nobody else's. */
static void extend_lease(struct agent *a, uint64_t sent_ns)
{
	uint64_t until = sent_ns + a->miss * a->interval_ns;

	if (a->lease_ns == TIME_NEVER || until > a->lease_ns)
		a->lease_ns = until;
}

/* A WELCOME on a connection that is up: the gateway was told to judge by
 * another interval. All else goes on. */
static void change_pace(struct agent *a, const struct message_welcome *w,
			uint64_t now, struct agent_actions *out)
{
	a->interval_ns = w->interval_us * NS_PER_US;
	a->miss = w->miss;
	a->acked_ns = now;
	a->beat_ns = now;
	act(out, ACTION_PACE)->interval_ns = a->interval_ns;
	beat(a, now, out);
}

static void on_welcome(struct agent *a, const struct message_welcome *w,
		       uint64_t now, struct agent_actions *out)
{
	struct agent_event *e;

	if (is_up(a)) {
		change_pace(a, w, now, out);
		return;
	}
	if (a->phase != PHASE_GREETING)
		return;
	a->phase = PHASE_UP;
	a->interval_ns = w->interval_us * NS_PER_US;
	a->miss = w->miss;
	a->acked_ns = now;
	a->beat_ns = now;
	a->fenced = false;
	/* HELLO was the first sign of life */
	a->lease_ns = a->hello_ns + a->miss * a->interval_ns;
	if (w->state == NODE_RESERVE || w->state == NODE_QUARANTINED)
		a->n_routes = 0;
	act(out, ACTION_PACE)->interval_ns = a->interval_ns;
	e = tell(a, out, AGENT_WELCOME);
	e->version = w->version;
	e->state = w->state;
	e->slot = w->slot;
	if (!a->n_routes) /* else when it knows them again */
		lift_fence(a, out);
	beat(a, now, out);
}

static void on_error(struct agent *a, const struct message_error *m,
		     struct agent_actions *out)
{
	struct agent_event *e = tell(a, out, AGENT_REFUSED);

	snprintf(e->reason, sizeof(e->reason), "%.190s", m->text);
	/* These need an operator; haste would only fill logs. */
	if (m->code == ERROR_VERSION || m->code == ERROR_NAME ||
	    m->code == ERROR_ADDRESS || m->code == ERROR_REMOVED)
		a->backoff_ns = AGENT_BACKOFF_MAX_NS;
}

static void on_beat_ack(struct agent *a, const struct message_beat_ack *ack,
			uint64_t now, struct agent_actions *out)
{
	if (!is_up(a) || ack->seq > a->seq ||
	    a->seq - ack->seq >= BEATS_REMEMBERED)
		return;
	a->acked_ns = now;
	a->backoff_ns = AGENT_BACKOFF_MIN_NS;
	extend_lease(a, a->sent_ns[ack->seq % BEATS_REMEMBERED]);
	if (!a->fenced || a->lease_ns <= now)
		return;
	a->fenced = false;
	tell_routes(a, out);
}

static void on_assigned(struct agent *a, const struct message_assigned *m,
			struct agent_actions *out)
{
	struct message_assigned_ok *ok;

	if (!is_up(a))
		return;
	a->version = m->version;
	a->n_routes = m->routes.count;
	if (a->n_routes)
		memcpy(a->routes, m->routes.ids,
		       sizeof(*a->routes) * a->n_routes);
	if (a->n_routes && a->conf.cuts)
		act(out, ACTION_SPARE); /* what it had lost may be its again */
	if (!a->fenced) /* else with the next answer, if it comes in time */
		tell_routes(a, out);
	ok = &say(out, MESSAGE_ASSIGNED_OK)->assigned_ok;
	ok->version = m->version;
	ok->digest = route_digest(&m->routes);
	if (a->phase == PHASE_LEAVING && !a->n_routes)
		leave_now(a, out);
}

/* MOVED_OK for the i-th handover, which is over. */
static void answer(struct agent *a, unsigned i, struct agent_actions *out)
{
	struct handover h = a->handovers[i];
	struct agent_event *e;

	a->handovers[i] = a->handovers[--a->n_handovers];
	say(out, MESSAGE_MOVED_OK)->moved_ok.id = h.id;
	e = tell(a, out, AGENT_MOVED);
	e->id = h.id;
	snprintf(e->reason, sizeof(e->reason), "%s",
		 move_reason_name(h.reason));
	e->routes = (struct route_set){ h.ids, h.count };
	a->told[a->n_told++] = h.ids;
}

/* From MOVED_OK on connections are the gateway's to end: the routes may be back
 * before the last is. */
static void answer_now(struct agent *a, unsigned i, struct agent_actions *out)
{
	if (a->handovers[i].stage != TELLING)
		act(out, ACTION_SPARE)->cut.id = a->handovers[i].id;
	answer(a, i, out);
}

static void cut(const struct handover *h, struct agent_actions *out)
{
	act(out, ACTION_CUT)->cut =
		(struct agent_cut){ .id = h->id,
				    .routes = { h->ids, h->count },
				    .doors = h->doors,
				    .gentle_ns = h->gentle_ns };
}

/* Its clients were told, or it is high time (gentle_ns 0). */
static void part(struct agent *a, unsigned i, uint64_t gentle_ns,
		 struct agent_actions *out)
{
	struct handover *h = &a->handovers[i];

	if (!a->conf.cuts || !h->doors.count || !h->count) {
		answer(a, i, out);
		return;
	}
	h->stage = gentle_ns ? CUTTING : CUTTING_ALL;
	h->gentle_ns = gentle_ns;
	cut(h, out);
}

static void remember(struct agent *a, const struct message_moving *m,
		     uint64_t now)
{
	struct handover *h = &a->handovers[a->n_handovers++];
	uint64_t grace = m->deadline_ms * NS_PER_MS;

	*h = (struct handover){ .id = m->id,
				.reason = m->reason,
				.doors = m->doors,
				.gentle_for_ns = grace / 10,
				.hurry_ns = now + grace - grace / 10,
				.deadline_ns = now + grace };
	h->ids = calloc(m->routes.count + 1u, sizeof(*h->ids));
	if (!h->ids)
		return; /* then `moved` names the id alone */
	h->count = m->routes.count;
	if (h->count)
		memcpy(h->ids, m->routes.ids, sizeof(*h->ids) * h->count);
}

/* Takes the routes out of a handover; true when it has none left. */
static bool leave_out(struct handover *h, const struct route_set *routes)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < h->count; i++)
		if (!route_set_has(routes, h->ids[i]))
			h->ids[kept++] = h->ids[i];
	h->count = kept;
	return !kept;
}

static void on_stays(struct agent *a, const struct message_moving *m,
		     struct agent_actions *out)
{
	for (unsigned i = a->n_handovers; i-- > 0;) {
		struct handover *h = &a->handovers[i];
		uint32_t before = h->count;
		bool empty = leave_out(h, &m->routes);

		if (h->count == before)
			continue;
		if (h->stage != TELLING && !empty)
			cut(h, out);
		else if (h->stage != TELLING)
			act(out, ACTION_SPARE)->cut.id = h->id;
		if (empty)
			forget(a, i);
	}
	tell(a, out, AGENT_STAYS)->routes = m->routes;
}

/* The gateway has switched already: what is left of the connections is of no
 * use to anybody. */
static void on_moved(struct agent *a, const struct message_moving *m,
		     struct agent_actions *out)
{
	struct agent_event *e = tell(a, out, AGENT_MOVED);

	e->routes = m->routes;
	snprintf(e->reason, sizeof(e->reason), "%s",
		 move_reason_name(m->reason));
	if (!a->conf.cuts || !m->doors.count)
		return;
	act(out, ACTION_CUT)->cut =
		(struct agent_cut){ .routes = m->routes, .doors = m->doors };
}

static void on_moving(struct agent *a, const struct message_moving *m,
		      uint64_t now, struct agent_actions *out)
{
	struct agent_event *e;

	if (!is_up(a))
		return;
	if (m->stays || !m->deadline_ms) {
		(m->stays ? on_stays : on_moved)(a, m, out);
		return;
	}
	e = tell(a, out, AGENT_MOVING);
	e->routes = m->routes;
	e->deadline_ms = m->deadline_ms;
	snprintf(e->reason, sizeof(e->reason), "%s",
		 move_reason_name(m->reason));
	e->id = m->id;
	if (a->n_handovers == AGENT_HANDOVERS_MAX)
		answer_now(a, 0, out);
	remember(a, m, now);
}

static void on_message(struct agent *a, const struct message *m, uint64_t now,
		       struct agent_actions *out)
{
	switch (m->type) {
	case MESSAGE_WELCOME:
		on_welcome(a, &m->welcome, now, out);
		break;
	case MESSAGE_ERROR:
		on_error(a, &m->error, out);
		break;
	case MESSAGE_BEAT_ACK:
		on_beat_ack(a, &m->beat_ack, now, out);
		break;
	case MESSAGE_MOVING:
		on_moving(a, &m->moving, now, out);
		break;
	case MESSAGE_ASSIGNED:
		on_assigned(a, &m->assigned, out);
		break;
	default: /* an agent's: the gateway never sends them */
		break;
	}
}

static void on_disconnected(struct agent *a, uint64_t now,
			    struct agent_actions *out)
{
	if (a->leave) {
		a->phase = PHASE_GONE;
		act(out, ACTION_EXIT);
		return;
	}
	if (is_up(a))
		tell(a, out, AGENT_GATEWAY_LOST);
	if (a->phase != PHASE_IDLE)
		retry_later(a, now, out);
}

/* Only the worst news cannot wait for the next beat. */
static void on_health(struct agent *a, enum node_health health, uint64_t now,
		      struct agent_actions *out)
{
	bool fell = health == HEALTH_DOWN && a->health != HEALTH_DOWN;

	a->health = health;
	if (fell && is_up(a)) {
		a->beat_ns = now;
		beat(a, now, out);
	}
}

/* The i-th of this id and stage; n_handovers: none */
static unsigned find(const struct agent *a, uint32_t id, bool telling)
{
	unsigned i = 0;

	while (i < a->n_handovers &&
	       (a->handovers[i].id != id ||
		(a->handovers[i].stage == TELLING) != telling))
		i++;
	return i;
}

static void on_done(struct agent *a, uint32_t id, uint64_t now,
		    struct agent_actions *out)
{
	unsigned i = find(a, id, true);

	if (i < a->n_handovers)
		part(a, i, now + a->handovers[i].gentle_for_ns, out);
}

static void on_cut(struct agent *a, uint32_t id, struct agent_actions *out)
{
	unsigned i = find(a, id, false);

	if (i < a->n_handovers)
		answer(a, i, out);
}

static void on_leave(struct agent *a, uint64_t now, struct agent_actions *out)
{
	struct message *m;

	bool again = a->leave;

	a->leave = true;
	if (again || a->phase != PHASE_UP) {
		leave_now(a, out);
		return;
	}
	m = say(out, MESSAGE_GOODBYE);
	snprintf(m->goodbye.reason, sizeof(m->goodbye.reason), "terminated");
	a->phase = PHASE_LEAVING;
	a->leave_ns = now + AGENT_LEAVE_NS;
	if (!a->n_routes)
		leave_now(a, out);
}

static uint64_t gateway_deadline(const struct agent *a)
{
	return a->acked_ns + a->miss * a->interval_ns;
}

static bool has_lease_to_lose(const struct agent *a)
{
	return !a->fenced && a->n_routes && a->lease_ns != TIME_NEVER;
}

static void tick_up(struct agent *a, uint64_t now, struct agent_actions *out)
{
	for (unsigned i = a->n_handovers; i-- > 0;) {
		const struct handover *h = &a->handovers[i];

		if (h->deadline_ns <= now)
			answer_now(a, i, out);
		else if (h->stage != CUTTING_ALL && h->hurry_ns <= now)
			part(a, i, 0, out);
	}
	if (a->phase == PHASE_LEAVING && a->leave_ns <= now) {
		leave_now(a, out);
	} else if (gateway_deadline(a) <= now) {
		tell(a, out, AGENT_GATEWAY_LOST);
		act(out, ACTION_CLOSE);
		retry_later(a, now, out);
	} else if (a->beat_ns <= now) {
		beat(a, now, out);
	}
}

static void on_tick(struct agent *a, uint64_t now, struct agent_actions *out)
{
	if (has_lease_to_lose(a) && a->lease_ns <= now) {
		a->fenced = a->fence_told = true;
		tell(a, out, AGENT_FENCED)->routes = agent_routes(a);
	}
	if (is_up(a)) {
		tick_up(a, now, out);
	} else if (a->phase == PHASE_IDLE && a->retry_ns <= now) {
		connect_now(a, now, out);
	} else if (a->phase != PHASE_GONE && a->phase != PHASE_IDLE &&
		   a->retry_ns <= now) {
		act(out, ACTION_CLOSE);
		retry_later(a, now, out);
	}
}

void agent_step(struct agent *a, const struct agent_input *in, uint64_t now_ns,
		struct agent_actions *out)
{
	out->count = 0;
	forget_told(a);
	if (a->phase == PHASE_GONE)
		return;
	switch (in->type) {
	case INPUT_START:
		connect_now(a, now_ns, out);
		break;
	case INPUT_CONNECTED:
		greet(a, now_ns, out);
		break;
	case INPUT_DISCONNECTED:
		on_disconnected(a, now_ns, out);
		break;
	case INPUT_MESSAGE:
		on_message(a, in->message, now_ns, out);
		break;
	case INPUT_HEALTH:
		on_health(a, in->health, now_ns, out);
		break;
	case INPUT_DONE:
		on_done(a, in->id, now_ns, out);
		break;
	case INPUT_CUT:
		on_cut(a, in->id, out);
		break;
	case INPUT_LEAVE:
		on_leave(a, now_ns, out);
		break;
	case INPUT_TICK:
		on_tick(a, now_ns, out);
		break;
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t agent_deadline(const struct agent *a)
{
	uint64_t at = has_lease_to_lose(a) ? a->lease_ns : TIME_NEVER;

	if (a->phase == PHASE_GONE)
		return TIME_NEVER;
	if (!is_up(a))
		return earlier(at, a->retry_ns);
	at = earlier(at, earlier(a->beat_ns, gateway_deadline(a)));
	if (a->phase == PHASE_LEAVING)
		at = earlier(at, a->leave_ns);
	for (unsigned i = 0; i < a->n_handovers; i++)
		at = earlier(at, a->handovers[i].stage == CUTTING_ALL
					 ? a->handovers[i].deadline_ns
					 : a->handovers[i].hurry_ns);
	return at;
}

const char *agent_event_name(enum agent_event_kind kind)
{
	static const char *const names[] = {
		[AGENT_CONNECTED] = "connected",
		[AGENT_WELCOME] = "welcome",
		[AGENT_ASSIGNED] = "assigned",
		[AGENT_MOVING] = "moving",
		[AGENT_MOVED] = "moved",
		[AGENT_STAYS] = "stays",
		[AGENT_FENCED] = "fenced",
		[AGENT_UNFENCED] = "unfenced",
		[AGENT_GATEWAY_LOST] = "gateway-lost",
		[AGENT_REFUSED] = "refused",
	};

	return names[kind];
}
