// SPDX-License-Identifier: GPL-2.0-or-later
#include "cluster_fixture.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_TAKES (5 * MS)

struct cluster_conf fixture_conf(unsigned routes, unsigned reserve)
{
	return (struct cluster_conf){
		.routes = routes,
		.reserve = reserve,
		.interval_ns = 200 * MS,
		.miss = 5,
		.settle_ns = 500 * MS,
		.move_grace_ns = 500 * MS,
		.rejoin_ns = 5 * NS_PER_S,
		.hold_down_ns = 10 * NS_PER_S,
		.hold_down_max_ns = 300 * NS_PER_S,
		.restart_grace_ns = 10 * NS_PER_S,
		.panic = 0.5,
	};
}

__attribute__((format(printf, 2, 3))) static void say(struct fixture *f,
						      const char *fmt, ...)
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

__attribute__((format(printf, 2, 3))) static void
break_promise(struct fixture *f, const char *fmt, ...)
{
	va_list ap;

	if (f->broken[0])
		return;
	va_start(ap, fmt);
	vsnprintf(f->broken, sizeof(f->broken), fmt, ap);
	va_end(ap);
	say(f, "BROKEN: %s", f->broken);
}

#define promise(f, cond, ...)                          \
	do {                                           \
		if (!(cond))                           \
			break_promise(f, __VA_ARGS__); \
	} while (0)

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

static void build_model(struct fixture *f)
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

void fixture_init(struct fixture *f, const struct cluster_conf *conf)
{
	memset(f, 0, sizeof(*f));
	f->conf = *conf;
	f->now = NS_PER_S;
	f->cl = cluster_new(conf, f->now);
	f->fx = effects_new();
	f->tag = calloc(conf->routes + 1, sizeof(*f->tag));
	f->held = calloc(conf->routes + 1, sizeof(*f->held));
	f->ends = calloc(conf->routes + 1, sizeof(*f->ends));
	assert(f->cl && f->fx && f->tag && f->held && f->ends);
	f->probes_answered = true;
	for (unsigned i = 0; i < FIXTURE_AGENTS; i++) {
		struct fixture_agent *a = &f->agent[i];

		snprintf(a->name, sizeof(a->name), "n%u", i);
		a->server = a->checked = true;
		a->answer_after = 20 * MS;
		a->beat_at = a->connect_at = TIME_NEVER;
	}
	build_model(f);
}

void fixture_fini(struct fixture *f)
{
	for (unsigned i = 0; i <= FIXTURE_AGENTS; i++)
		free(f->model[i]);
	free(f->model);
	cluster_free(f->cl);
	effects_free(f->fx);
	free(f->tag);
	free(f->held);
	free(f->ends);
	free(f->script);
}

static struct fixture_agent *agent_at(struct fixture *f, uint64_t link)
{
	for (unsigned i = 0; i < FIXTURE_AGENTS; i++)
		if (link && f->agent[i].link == link)
			return &f->agent[i];
	return NULL;
}

static void cut(struct fixture *f, struct fixture_agent *a)
{
	a->link = 0;
	a->beat_at = TIME_NEVER;
	a->moved_at = 0;
	a->connect_at = a->running ? f->now + 300 * MS : TIME_NEVER;
}

static void take_assigned(struct fixture_agent *a,
			  const struct message_assigned *m)
{
	a->version = m->version;
	a->routes = m->routes.count;
	a->digest = route_digest(&m->routes);
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
	say(f, "  %s ← %s %s", a->name, message_type_name(m->type), routes);
}

static void carry_send(struct fixture *f, const struct effect *e)
{
	struct fixture_agent *a = agent_at(f, e->link);

	promise(f, a != NULL, "%s is sent to a closed link",
		message_type_name(e->message.type));
	if (a && !a->silent)
		receive(f, a, &e->message);
	else if (a && e->message.type == MESSAGE_ASSIGNED)
		/* it lies in the socket, to be read before it speaks again */
		take_assigned(a, &e->message.assigned);
}

static void carry_close(struct fixture *f, const struct effect *e)
{
	struct fixture_agent *a = agent_at(f, e->link);

	promise(f, a != NULL, "a closed link is closed again");
	if (a)
		cut(f, a);
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
	say(f, "  APPLY version %llu, %u routes",
	    (unsigned long long)t->version, moved);
}

static void carry_end_flows(struct fixture *f, const struct effect *e)
{
	say(f, "  END_FLOWS tag %u, %u routes%s", e->tag, e->routes.count,
	    e->forced ? ", forced" : "");
	for (unsigned r = 1; r <= f->conf.routes; r++)
		if (f->ends[r] == e->tag &&
		    (!e->routes.count ||
		     route_set_has(&e->routes, (uint16_t)r)))
			f->ends[r] = 0;
}

static void carry_hold(struct fixture *f, const struct effect *e, bool on)
{
	char text[120];

	say(f, "  %s %s", on ? "HOLD" : "RELEASE",
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

	say(f, "  note %s %s %s>%s (%s) %s", note_kind_name(n->kind), n->node,
	    n->from, n->to, n->why,
	    route_set_format(&n->routes, text, sizeof(text)));
}

static void carry_probe(struct fixture *f, const struct effect *e)
{
	say(f, "  PROBE tag %u route %u", e->tag, e->route);
	promise(f, addr_is_set(&e->addr) && e->route, "a probe of nowhere");
	if (f->n_probes < ARRAY_SIZE(f->probe))
		f->probe[f->n_probes++] = e->tag;
}

static void carry_out(struct fixture *f, const struct effect *e)
{
	switch (e->type) {
	case EFFECT_SEND:
		carry_send(f, e);
		break;
	case EFFECT_CLOSE:
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
		break;
	case EFFECT_NOTE:
		carry_note(f, &e->note);
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
	    !cluster_is_frozen(f->cl))
		promise(f, v.to, "route %u is stuck with %s", r, v.node->name);
}

static void check(struct fixture *f)
{
	bool served = placement_slots(cluster_placement(f->cl)) &&
		      !cluster_is_frozen(f->cl);

	check_placement(f);
	for (unsigned r = 1; r <= f->conf.routes && !f->broken[0]; r++)
		check_route(f, (uint16_t)r, served);
}

static const char *event_name(enum event_type type)
{
	static const char *const names[] = {
		"HELLO",	"BEAT",	  "MOVED_OK", "ASSIGNED_OK",
		"GOODBYE",	"CLOSED", "PROBED",   "REFUSED",
		"APPLY_FAILED", "drain",  "undrain",  "fail",
		"rm",		"freeze", "thaw",     "tick",
	};

	return names[type];
}

static void say_event(struct fixture *f, const struct event *ev)
{
	const struct fixture_agent *a = agent_at(f, ev->link);

	if (ev->type == EVENT_BEAT)
		return;
	say(f, "%s %s%s%s", event_name(ev->type),
	    ev->name ? ev->name
	    : a	     ? a->name
		     : "",
	    ev->tag ? " tag" : "",
	    ev->type == EVENT_PROBED ? (ev->ok ? " ok" : " refused") : "");
}

int fixture_step(struct fixture *f, const struct event *ev)
{
	bool changed = false;
	int err;

	effects_clear(f->fx);
	f->steps++;
	say_event(f, ev);
	err = cluster_step(f->cl, ev, f->now, f->fx);
	for (unsigned i = 0; i < effects_count(f->fx); i++) {
		const struct effect *e = effects_at(f->fx, i);

		changed |= e->type != EFFECT_SEND;
		carry_out(f, e);
	}
	if (changed)
		check(f);
	promise(f, ev->type != EVENT_TICK || cluster_deadline(f->cl) > f->now,
		"a tick leaves its deadline where it was");
	return err;
}

static struct addr address_of(unsigned i)
{
	const uint8_t bytes[4] = { 198, 18, 0, (uint8_t)(i + 1) };

	return addr_v4(bytes);
}

static enum node_health health_of(const struct fixture_agent *a)
{
	if (!a->checked)
		return HEALTH_UNKNOWN;
	return a->server ? HEALTH_UP : HEALTH_DOWN;
}

static void send_hello(struct fixture *f, unsigned i)
{
	struct fixture_agent *a = &f->agent[i];
	struct message_hello hello = { .instance = a->instance,
				       .wish = a->wish,
				       .health = health_of(a),
				       .version = a->version };
	struct event ev = { .type = EVENT_HELLO, .hello = &hello };

	memcpy(hello.name, a->name, sizeof(hello.name));
	hello.addr[FAMILY_V4] = address_of(i);
	a->link = ev.link = ++f->next_link;
	a->beat_at = f->now + f->conf.interval_ns;
	a->connect_at = TIME_NEVER;
	a->said_goodbye = false;
	fixture_step(f, &ev);
}

static void send_beat(struct fixture *f, struct fixture_agent *a)
{
	struct message_beat beat = { .seq = ++a->seq,
				     .health = health_of(a),
				     .version = a->version };
	struct event ev = { .type = EVENT_BEAT,
			    .link = a->link,
			    .beat = &beat };

	a->beat_at = f->now + f->conf.interval_ns;
	fixture_step(f, &ev);
}

static void send_moved_ok(struct fixture *f, struct fixture_agent *a)
{
	struct event ev = { .type = EVENT_MOVED_OK,
			    .link = a->link,
			    .id = a->moved_id };

	a->moved_at = 0;
	fixture_step(f, &ev);
}

static uint64_t agent_due(const struct fixture_agent *a)
{
	uint64_t due = a->link ? a->beat_at : a->connect_at;

	if (a->silent)
		return TIME_NEVER;
	return a->moved_at && a->moved_at < due ? a->moved_at : due;
}

static void run_agent(struct fixture *f, unsigned i)
{
	struct fixture_agent *a = &f->agent[i];

	if (a->link && a->moved_at && a->moved_at <= f->now)
		send_moved_ok(f, a);
	else if (a->link && a->beat_at <= f->now)
		send_beat(f, a);
	else if (!a->link && a->connect_at <= f->now)
		send_hello(f, i);
}

static void answer_probe(struct fixture *f, uint32_t tag)
{
	const struct node *n = cluster_node_by_tag(f->cl, tag);
	struct event ev = { .type = EVENT_PROBED, .tag = tag };

	for (unsigned i = 0; n && i < FIXTURE_AGENTS; i++)
		if (!strcmp(f->agent[i].name, n->name))
			ev.ok = f->agent[i].server && !f->agent[i].silent;
	fixture_step(f, &ev);
}

static void answer_probes(struct fixture *f)
{
	uint32_t probe[ARRAY_SIZE(f->probe)];
	unsigned n = f->n_probes;

	memcpy(probe, f->probe, sizeof(probe));
	f->n_probes = 0;
	f->now += PROBE_TAKES;
	for (unsigned i = 0; i < n; i++)
		answer_probe(f, probe[i]);
}

static void tick(struct fixture *f)
{
	struct event ev = { .type = EVENT_TICK };

	fixture_step(f, &ev);
}

void fixture_run(struct fixture *f, uint64_t ns)
{
	uint64_t end = f->now + ns;

	while (!f->broken[0]) {
		uint64_t at = cluster_deadline(f->cl);
		unsigned who = FIXTURE_AGENTS;

		if (f->n_probes && f->probes_answered) {
			answer_probes(f);
			continue;
		}
		/* a beat that has arrived is read before a deadline counts */
		for (unsigned i = 0; i < FIXTURE_AGENTS; i++)
			if (agent_due(&f->agent[i]) <= at) {
				at = agent_due(&f->agent[i]);
				who = i;
			}
		if (at > end)
			break;
		f->now = at > f->now ? at : f->now;
		if (who < FIXTURE_AGENTS)
			run_agent(f, who);
		else
			tick(f);
	}
	f->now = f->now > end ? f->now : end;
}

void fixture_start(struct fixture *f, unsigned i)
{
	const struct route_set none = { .count = 0 };
	struct fixture_agent *a = &f->agent[i];

	a->version = a->routes = 0;
	a->digest = route_digest(&none);
	a->running = true;
	a->silent = false;
	a->instance = ++f->next_instance;
	send_hello(f, i);
}

void fixture_join(struct fixture *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fixture_start(f, i);
	fixture_run(f, f->conf.settle_ns + f->conf.interval_ns);
}

void fixture_silence(struct fixture *f, unsigned i)
{
	say(f, "%s: the machine falls silent", f->agent[i].name);
	f->agent[i].silent = true;
}

void fixture_wake(struct fixture *f, unsigned i)
{
	struct fixture_agent *a = &f->agent[i];

	say(f, "%s: the machine wakes", a->name);
	a->silent = false;
	if (a->link)
		a->beat_at = f->now;
	else if (a->running)
		a->connect_at = f->now;
}

static void close_link(struct fixture *f, struct fixture_agent *a)
{
	struct event ev = { .type = EVENT_LINK_CLOSED, .link = a->link };

	if (!a->link)
		return;
	cut(f, a);
	fixture_step(f, &ev);
}

void fixture_kill_agent(struct fixture *f, unsigned i)
{
	say(f, "%s: the agent ends", f->agent[i].name);
	f->agent[i].running = false;
	f->agent[i].connect_at = TIME_NEVER;
	close_link(f, &f->agent[i]);
}

void fixture_kill_server(struct fixture *f, unsigned i)
{
	say(f, "%s: the server dies", f->agent[i].name);
	f->agent[i].server = false;
}

void fixture_heal_server(struct fixture *f, unsigned i)
{
	say(f, "%s: the server is up", f->agent[i].name);
	f->agent[i].server = true;
}

void fixture_goodbye(struct fixture *f, unsigned i)
{
	struct event ev = { .type = EVENT_GOODBYE, .link = f->agent[i].link };

	f->agent[i].said_goodbye = true;
	fixture_step(f, &ev);
}

int fixture_order(struct fixture *f, enum event_type type, unsigned i)
{
	struct event ev = { .type = type, .name = f->agent[i].name };

	return fixture_step(f, &ev);
}

void fixture_reconf(struct fixture *f, const struct cluster_conf *conf)
{
	int err;

	effects_clear(f->fx);
	err = cluster_reconf(f->cl, conf, f->now, f->fx);
	promise(f, !err, "reconf: %s", strerror(-err));
	f->conf = *conf;
	for (unsigned i = 0; i < effects_count(f->fx); i++)
		carry_out(f, effects_at(f->fx, i));
	check(f);
}

static void lose_everything(struct fixture *f)
{
	for (unsigned i = 0; i < FIXTURE_AGENTS; i++)
		if (f->agent[i].link)
			cut(f, &f->agent[i]);
	memset(f->held, 0, f->conf.routes + 1);
	memset(f->tag, 0, (f->conf.routes + 1) * sizeof(*f->tag));
	f->n_probes = 0;
}

void fixture_restart(struct fixture *f)
{
	struct cluster_saved saved;
	int err;

	say(f, "halod ends and starts again");
	err = cluster_save(f->cl, &saved);
	assert(!err);
	cluster_free(f->cl);
	f->cl = cluster_new(&f->conf, f->now);
	effects_clear(f->fx);
	lose_everything(f);
	err = cluster_restore(f->cl, &saved, f->now, f->fx);
	promise(f, !err, "restore: %s", strerror(-err));
	for (unsigned i = 0; i < effects_count(f->fx); i++)
		carry_out(f, effects_at(f->fx, i));
	cluster_saved_fini(&saved);
	check(f);
}

const struct node *fixture_node(const struct fixture *f, unsigned i)
{
	return cluster_node_by_name(f->cl, f->agent[i].name);
}

enum node_state fixture_state(const struct fixture *f, unsigned i)
{
	const struct node *n = fixture_node(f, i);

	return n ? n->state : NODE_STATES;
}

unsigned fixture_served(const struct fixture *f, unsigned i)
{
	const struct node *n = fixture_node(f, i);
	unsigned served = 0;

	for (unsigned r = 1; n && n->tag && r <= f->conf.routes; r++)
		served += f->tag[r] == n->tag;
	return served;
}

unsigned fixture_held(const struct fixture *f)
{
	unsigned n = 0;

	for (unsigned r = 1; r <= f->conf.routes; r++)
		n += f->held[r];
	return n;
}

unsigned fixture_moving(const struct fixture *f)
{
	struct route_view v;
	unsigned n = 0;

	for (unsigned r = 1; r <= f->conf.routes; r++) {
		cluster_route(f->cl, (uint16_t)r, &v);
		n += v.deadline_ns != 0;
	}
	return n;
}

int fixture_find(const struct fixture *f, enum effect_type type, unsigned nth)
{
	for (unsigned i = 0; i < effects_count(f->fx); i++)
		if (effects_at(f->fx, i)->type == type && !nth--)
			return (int)i;
	return -1;
}

bool fixture_saw(const struct fixture *f, const char *text)
{
	return f->script && strstr(f->script, text);
}

void fixture_forget_script(struct fixture *f)
{
	f->script_len = 0;
	if (f->script)
		f->script[0] = 0;
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
