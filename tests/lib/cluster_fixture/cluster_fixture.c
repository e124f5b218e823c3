// SPDX-License-Identifier: GPL-2.0-or-later
#include "fixture_private.h"

#include <assert.h>
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
	fixture_build_model(f);
}

void fixture_fini(struct fixture *f)
{
	for (unsigned i = 0; i <= FIXTURE_AGENTS; i++)
		free(f->model[i]);
	free(f->model);
	cluster_free(f->cl);
	effects_free(f->fx);
	table_put(f->carried);
	free(f->tag);
	free(f->held);
	free(f->ends);
	free(f->script);
}

struct fixture_agent *fixture_agent_at(struct fixture *f, uint64_t link)
{
	for (unsigned i = 0; i < FIXTURE_AGENTS; i++)
		if (link && f->agent[i].link == link)
			return &f->agent[i];
	return NULL;
}

void fixture_cut(struct fixture *f, struct fixture_agent *a)
{
	a->link = 0;
	a->beat_at = TIME_NEVER;
	a->moved_at = 0;
	memset(&a->leaving, 0, sizeof(a->leaving));
	a->connect_at = a->running ? f->now + 300 * MS : TIME_NEVER;
}

static const char *event_name(enum event_type type)
{
	static const char *const names[] = {
		[EVENT_HELLO] = "HELLO",
		[EVENT_BEAT] = "BEAT",
		[EVENT_MOVED_OK] = "MOVED_OK",
		[EVENT_ASSIGNED_OK] = "ASSIGNED_OK",
		[EVENT_GOODBYE] = "GOODBYE",
		[EVENT_LINK_CLOSED] = "CLOSED",
		[EVENT_REVOKED] = "REVOKED",
		[EVENT_PROBED] = "PROBED",
		[EVENT_REFUSED] = "REFUSED",
		[EVENT_APPLY_FAILED] = "APPLY_FAILED",
		[EVENT_FLOWS_GONE] = "FLOWS_GONE",
		[EVENT_DRAIN] = "drain",
		[EVENT_REPLACE] = "replace",
		[EVENT_UNDRAIN] = "undrain",
		[EVENT_FAIL] = "fail",
		[EVENT_RM] = "rm",
		[EVENT_FREEZE] = "freeze",
		[EVENT_THAW] = "thaw",
		[EVENT_LOAD] = "load",
		[EVENT_TICK] = "tick",
	};

	return names[type];
}

static void say_event(struct fixture *f, const struct event *ev)
{
	const struct fixture_agent *a = fixture_agent_at(f, ev->link);

	if (ev->type == EVENT_BEAT)
		return;
	fixture_say(f, "%s %s%s%s", event_name(ev->type),
		    ev->name ? ev->name
		    : a	     ? a->name
			     : "",
		    ev->tag ? " tag" : "",
		    ev->type == EVENT_PROBED ? (ev->ok ? " ok" : " refused")
					     : "");
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
		fixture_carry_out(f, e);
	}
	if (changed)
		fixture_check(f);
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
	fixture_say(f, "%s: the machine falls silent", f->agent[i].name);
	f->agent[i].silent = true;
}

void fixture_wake(struct fixture *f, unsigned i)
{
	struct fixture_agent *a = &f->agent[i];

	fixture_say(f, "%s: the machine wakes", a->name);
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
	fixture_cut(f, a);
	fixture_step(f, &ev);
}

void fixture_kill_agent(struct fixture *f, unsigned i)
{
	fixture_say(f, "%s: the agent ends", f->agent[i].name);
	f->agent[i].running = false;
	f->agent[i].connect_at = TIME_NEVER;
	close_link(f, &f->agent[i]);
}

void fixture_kill_server(struct fixture *f, unsigned i)
{
	fixture_say(f, "%s: the server dies", f->agent[i].name);
	f->agent[i].server = false;
}

void fixture_heal_server(struct fixture *f, unsigned i)
{
	fixture_say(f, "%s: the server is up", f->agent[i].name);
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

static void carry_out_all(struct fixture *f)
{
	for (unsigned i = 0; i < effects_count(f->fx); i++)
		fixture_carry_out(f, effects_at(f->fx, i));
}

void fixture_reconf(struct fixture *f, const struct cluster_conf *conf)
{
	int err;

	effects_clear(f->fx);
	err = cluster_reconf(f->cl, conf, f->now, f->fx);
	promise(f, !err, "reconf: %s", strerror(-err));
	f->conf = *conf;
	carry_out_all(f);
	fixture_check(f);
}

/* Holds are void when nobody renews them. */
static void lose_process(struct fixture *f)
{
	for (unsigned i = 0; i < FIXTURE_AGENTS; i++)
		if (f->agent[i].link)
			fixture_cut(f, &f->agent[i]);
	memset(f->held, 0, f->conf.routes + 1);
	f->n_probes = 0;
}

static void lose_everything(struct fixture *f)
{
	lose_process(f);
	memset(f->tag, 0, (f->conf.routes + 1) * sizeof(*f->tag));
	table_put(f->carried);
	f->carried = NULL;
}

void fixture_restart(struct fixture *f)
{
	struct cluster_saved saved;
	int err;

	fixture_say(f, "halod ends and starts again");
	err = cluster_save(f->cl, &saved);
	assert(!err);
	cluster_free(f->cl);
	f->cl = cluster_new(&f->conf, f->now);
	effects_clear(f->fx);
	lose_everything(f);
	err = cluster_restore(f->cl, &saved, NULL, f->now, f->fx);
	promise(f, !err, "restore: %s", strerror(-err));
	carry_out_all(f);
	cluster_saved_fini(&saved);
	fixture_check(f);
}

void fixture_recover(struct fixture *f, const struct cluster_saved *saved)
{
	struct cluster_saved none = { .routes = (uint16_t)f->conf.routes,
				      .next_tag = 1 };
	struct cluster_saved now = saved ? *saved : none;
	int err;

	fixture_say(f, "halod starts");
	cluster_free(f->cl);
	f->cl = cluster_new(&f->conf, f->now);
	assert(f->cl);
	effects_clear(f->fx);
	lose_process(f);
	memset(f->ends, 0, (f->conf.routes + 1) * sizeof(*f->ends));
	if (!saved && !f->carried)
		return;
	err = cluster_restore(f->cl, &now, f->carried, f->now, f->fx);
	promise(f, !err, "restore: %s", strerror(-err));
	carry_out_all(f);
	fixture_check(f);
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
