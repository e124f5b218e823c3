// SPDX-License-Identifier: GPL-2.0-or-later
#include "fixture_private.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fixture_say(struct fixture *f, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (f->script_cap - f->script_len < 512) {
		f->script_cap = f->script_cap ? 2 * f->script_cap : 1 << 16;
		f->script = realloc(f->script, f->script_cap);
		assert(f->script);
	}
	f->script_len += (size_t)sprintf(f->script + f->script_len, "%9.3f ",
					 (double)f->now / 1e9);
	va_start(ap, fmt);
	n = vsnprintf(f->script + f->script_len, 480, fmt, ap);
	va_end(ap);
	f->script_len += (size_t)(n < 480 ? n : 479);
	f->script[f->script_len++] = '\n';
	f->script[f->script_len] = 0;
}

void fixture_break(struct fixture *f, const char *fmt, ...)
{
	va_list ap;

	if (f->broken[0])
		return;
	va_start(ap, fmt);
	vsnprintf(f->broken, sizeof(f->broken), fmt, ap);
	va_end(ap);
	fixture_say(f, "BROKEN: %s", f->broken);
}

/* T(N, n), as section 2 of the design words it. */
static unsigned owned(const uint16_t *owner, unsigned routes, unsigned node)
{
	unsigned n = 0;

	for (unsigned r = 1; r <= routes; r++)
		n += owner[r] == node;
	return n;
}

/* One visit: the donor's highest route goes to the newcomer. */
static bool give_highest(uint16_t *owner, unsigned routes, unsigned donor,
			 unsigned to)
{
	for (unsigned r = routes; r >= 1; r--)
		if (owner[r] == donor) {
			owner[r] = (uint16_t)to;
			return true;
		}
	return false;
}

static void rank_donors(const uint16_t *owner, unsigned routes, unsigned n,
			unsigned *rank)
{
	unsigned has[FIXTURE_AGENTS + 1];

	for (unsigned d = 1; d <= n; d++) {
		unsigned at = d - 1;

		has[d] = owned(owner, routes, d);
		while (at && has[rank[at - 1]] <= has[d]) {
			rank[at] = rank[at - 1];
			at--;
		}
		rank[at] = d;
	}
}

static void add_node(uint16_t *owner, unsigned routes, unsigned m)
{
	unsigned rank[FIXTURE_AGENTS], left = routes / (m + 1);

	if (m == 0) {
		for (unsigned r = 1; r <= routes; r++)
			owner[r] = 1;
		return;
	}
	rank_donors(owner, routes, m, rank);
	for (unsigned i = 0; left; i = (i + 1) % m)
		left -= give_highest(owner, routes, rank[i], m + 1);
}

void fixture_build_model(struct fixture *f)
{
	size_t n = f->conf.routes + 1;

	f->model = calloc(FIXTURE_AGENTS + 1, sizeof(*f->model));
	assert(f->model);
	for (unsigned i = 0; i <= FIXTURE_AGENTS; i++) {
		f->model[i] = calloc(n, sizeof(uint16_t));
		assert(f->model[i]);
		if (!i)
			continue;
		memcpy(f->model[i], f->model[i - 1], n * sizeof(uint16_t));
		add_node(f->model[i], f->conf.routes, i - 1);
	}
}

static void take_assigned(struct fixture_agent *a,
			  const struct message_assigned *m)
{
	struct route_bits still = { 0 };
	bool any = false;

	a->version = m->version;
	a->routes = m->routes.count;
	for (uint32_t i = 0; i < m->routes.count; i++)
		if (route_bits_has(&a->leaving, m->routes.ids[i])) {
			route_bits_add(&still, m->routes.ids[i]);
			any = true;
		}
	a->leaving = still;
	a->told_of_moves = any;
	a->digest = route_digest(&m->routes);
}

/* Its agent will end the connections of what leaves. */
static void take_moving(struct fixture_agent *a, const struct message_moving *m)
{
	a->told_of_moves = true;
	if (m->deadline_ms)
		route_bits_add_set(&a->leaving, &m->routes);
	else
		route_bits_remove_set(&a->leaving, &m->routes);
}

static void receive(struct fixture *f, struct fixture_agent *a,
		    const struct message *m)
{
	char routes[120] = "";

	switch (m->type) {
	case MESSAGE_WELCOME:
		a->welcome = m->welcome;
		break;
	case MESSAGE_ERROR:
		a->errors++;
		a->last_error = m->error.code;
		break;
	case MESSAGE_BEAT_ACK:
		promise(f, m->beat_ack.digest == a->digest,
			"%s is meant to have other routes than it was told",
			a->name);
		return;
	case MESSAGE_ASSIGNED:
		take_assigned(a, &m->assigned);
		route_set_format(&m->assigned.routes, routes, sizeof(routes));
		break;
	case MESSAGE_MOVING:
		a->moving = m->moving;
		a->moving.routes.ids = NULL;
		take_moving(a, &m->moving);
		a->movings++;
		route_set_format(&m->moving.routes, routes, sizeof(routes));
		if (m->moving.deadline_ms && a->answer_after != NEVER_ANSWERS) {
			a->moved_at = f->now + a->answer_after;
			a->moved_id = m->moving.id;
		}
		break;
	default:
		promise(f, false, "the gateway sent a %s",
			message_type_name(m->type));
	}
	fixture_say(f, "  %s ← %s %s", a->name, message_type_name(m->type),
		    routes);
}

static void carry_send(struct fixture *f, const struct effect *e)
{
	struct fixture_agent *a = fixture_agent_at(f, e->link);

	promise(f, a != NULL, "%s is sent to a closed link",
		message_type_name(e->message.type));
	if (a && !a->silent)
		receive(f, a, &e->message);
	else if (a && e->message.type == MESSAGE_ASSIGNED)
		/* it lies in the socket, to be read before it speaks again */
		take_assigned(a, &e->message.assigned);
	else if (a && e->message.type == MESSAGE_MOVING)
		take_moving(a, &e->message.moving);
}

static void carry_close(struct fixture *f, const struct effect *e)
{
	struct fixture_agent *a = fixture_agent_at(f, e->link);

	promise(f, a != NULL, "a closed link is closed again");
	if (a)
		fixture_cut(f, a);
}

static bool is_lost(const struct fixture *f, uint32_t tag)
{
	const struct node *n = cluster_node_by_tag(f->cl, tag);

	return !n || n->state == NODE_LOST || n->state == NODE_QUARANTINED;
}

static void carry_apply(struct fixture *f, const struct effect *e)
{
	const struct table *t = e->table;
	unsigned moved = 0;

	promise(f, t->version > f->version, "version %llu after %llu",
		(unsigned long long)t->version, (unsigned long long)f->version);
	f->version = t->version;
	table_put(f->carried);
	f->carried = table_get(e->table);
	for (unsigned r = 1; r <= t->routes; r++) {
		const struct table_seat *s = table_lookup(t, (uint16_t)r);
		uint32_t was = f->tag[r], is = s ? s->tag : 0;

		if (was == is)
			continue;
		moved++;
		promise(f, !was || is_lost(f, was) || f->held[r],
			"route %u is moved by plan without a hold", r);
		f->ends[r] = was;
		f->tag[r] = is;
	}
	fixture_say(f, "  APPLY version %llu, %u routes",
		    (unsigned long long)t->version, moved);
}

static void carry_end_flows(struct fixture *f, const struct effect *e)
{
	fixture_say(f, "  END_FLOWS tag %u, %u routes%s", e->tag,
		    e->routes.count, e->forced ? ", forced" : "");
	for (unsigned r = 1; r <= f->conf.routes; r++)
		if (f->ends[r] == e->tag &&
		    (!e->routes.count ||
		     route_set_has(&e->routes, (uint16_t)r)))
			f->ends[r] = 0;
}

static void carry_hold(struct fixture *f, const struct effect *e, bool on)
{
	char text[120];

	fixture_say(f, "  %s %s", on ? "HOLD" : "RELEASE",
		    route_set_format(&e->routes, text, sizeof(text)));
	promise(f, e->routes.count, "an empty hold");
	for (uint32_t i = 0; i < e->routes.count; i++) {
		uint16_t r = e->routes.ids[i];

		promise(f, f->held[r] != on, "route %u is %s twice", r,
			on ? "held" : "released");
		promise(f, on || !f->ends[r],
			"route %u is released before its flows end", r);
		f->held[r] = on;
	}
}

static void carry_note(struct fixture *f, const struct note *n)
{
	char text[120];

	fixture_say(f, "  note %s %s %s>%s (%s) %s", note_kind_name(n->kind),
		    n->node, n->from, n->to, n->why,
		    route_set_format(&n->routes, text, sizeof(text)));
}

static void carry_probe(struct fixture *f, const struct effect *e)
{
	fixture_say(f, "  PROBE tag %u route %u", e->tag, e->route);
	promise(f, addr_is_set(&e->addr) && e->route, "a probe of nowhere");
	if (f->n_probes < ARRAY_SIZE(f->probe))
		f->probe[f->n_probes++] = e->tag;
}

void fixture_carry_out(struct fixture *f, const struct effect *e)
{
	switch (e->type) {
	case EFFECT_SEND:
		if (f->hooks)
			f->hooks->send(f->hooks->arg, e->link, &e->message);
		else
			carry_send(f, e);
		break;
	case EFFECT_CLOSE:
		if (f->hooks)
			f->hooks->close(f->hooks->arg, e->link);
		else
			carry_close(f, e);
		break;
	case EFFECT_HOLD:
	case EFFECT_RELEASE:
		carry_hold(f, e, e->type == EFFECT_HOLD);
		break;
	case EFFECT_APPLY:
		carry_apply(f, e);
		break;
	case EFFECT_END_FLOWS:
		carry_end_flows(f, e);
		break;
	case EFFECT_PROBE:
		carry_probe(f, e);
		break;
	case EFFECT_STORE:
		if (f->hooks)
			f->hooks->store(f->hooks->arg);
		break;
	case EFFECT_NOTE:
		carry_note(f, &e->note);
		if (f->hooks)
			f->hooks->note(f->hooks->arg, &e->note);
		break;
	}
}

static void check_placement(struct fixture *f)
{
	const struct placement *p = cluster_placement(f->cl);
	const uint16_t *owner = f->model[placement_slots(p)];

	for (unsigned r = 1; r <= f->conf.routes; r++)
		if (placement_owner(p, (uint16_t)r) != owner[r]) {
			promise(f, false, "route %u is not as in T(N, %u)", r,
				placement_slots(p));
			return;
		}
}

/* Who keeps a route is not to end its connections. */
static void check_leaving(struct fixture *f, const struct fixture_agent *a)
{
	for (unsigned r = 1; r <= f->conf.routes; r++) {
		struct route_view v;

		if (!route_bits_has(&a->leaving, (uint16_t)r))
			continue;
		cluster_route(f->cl, (uint16_t)r, &v);
		promise(f,
			v.deadline_ns || !v.node ||
				strcmp(v.node->name, a->name),
			"%s thinks that route %u leaves it", a->name, r);
	}
}

static void check_route(struct fixture *f, uint16_t r, bool served)
{
	struct route_view v;

	cluster_route(f->cl, r, &v);
	promise(f, !f->ends[r], "flows of route %u were left", r);
	promise(f, (v.node ? v.node->tag : 0) == f->tag[r],
		"route %u is not what the plane carries", r);
	promise(f, !served || v.node, "route %u is owned by nobody", r);
	promise(f, !v.node || v.node != v.to, "route %u moves to itself", r);
	promise(f,
		!v.node || (v.node->state != NODE_LOST &&
			    v.node->state != NODE_QUARANTINED &&
			    v.node->state != NODE_DRAINED),
		"route %u is served by %s, which is %s", r,
		v.node ? v.node->name : "",
		v.node ? node_state_name(v.node->state) : "");
	promise(f, !v.deadline_ns || f->held[r], "route %u moves unheld", r);
	promise(f,
		!f->held[r] || v.deadline_ns ||
			(v.node && v.node->state == NODE_SUSPECT) ||
			cluster_is_frozen(f->cl),
		"route %u is held for nothing", r);
	if (v.slot && v.node && v.node->slot != v.slot &&
	    !cluster_is_frozen(f->cl) && !cluster_is_still(f->cl))
		promise(f, v.to, "route %u is stuck with %s", r, v.node->name);
}

void fixture_check(struct fixture *f)
{
	bool served = placement_slots(cluster_placement(f->cl)) &&
		      !cluster_is_frozen(f->cl);

	check_placement(f);
	for (unsigned r = 1; r <= f->conf.routes && !f->broken[0]; r++)
		check_route(f, (uint16_t)r, served);
	for (unsigned i = 0; i < FIXTURE_AGENTS; i++)
		if (f->agent[i].link && f->agent[i].told_of_moves)
			check_leaving(f, &f->agent[i]);
}

void fixture_check_rest(struct fixture *f)
{
	promise(f, !fixture_held(f), "routes are held at rest");
	promise(f, !fixture_moving(f), "routes are moving at rest");
	for (unsigned i = 0; i < FIXTURE_AGENTS; i++) {
		const struct fixture_agent *a = &f->agent[i];

		if (a->link && !a->silent)
			promise(f, a->routes == fixture_served(f, i),
				"%s thinks it has %u routes, it has %u",
				a->name, a->routes, fixture_served(f, i));
	}
}
