// SPDX-License-Identifier: GPL-2.0-or-later
#include "world_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_TAKES (5 * MS)

uint64_t world_draw(struct world *w)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return w->rng;
}

static void on_note(void *arg, const struct note *n)
{
	struct world *w = arg;

	for (unsigned i = 0; n->kind == NOTE_LOST && i < WORLD_NODES; i++)
		if (!strcmp(w->node[i].name, n->node))
			world_check_loss(w, &w->node[i]);
}

void world_init(struct world *w, const struct world_conf *conf)
{
	static const struct fixture_hooks hooks = {
		.send = world_send_to_agent,
		.close = world_close_link,
		.store = world_store,
		.note = on_note,
	};

	memset(w, 0, sizeof(*w));
	w->conf = *conf;
	w->rng = conf->seed * 2 + 1;
	w->hooks = hooks;
	w->hooks.arg = w;
	w->write_at = w->probe_at = TIME_NEVER;
	w->running = true;
	fixture_init(&w->core, &conf->cluster);
	w->core.hooks = &w->hooks;
	for (unsigned i = 0; i < WORLD_NODES; i++) {
		struct world_node *n = &w->node[i];

		snprintf(n->name, sizeof(n->name), "n%u", i);
		n->server = true;
		n->manners = 20 * MS;
		n->connected_at = n->done_at = TIME_NEVER;
		n->health_at = n->ended_at = TIME_NEVER;
	}
}

void world_fini(struct world *w)
{
	for (unsigned i = 0; i < WORLD_NODES; i++)
		agent_free(w->node[i].agent);
	world_free_conns(w);
	if (w->on_disk)
		cluster_saved_fini(&w->disk);
	if (w->writing)
		cluster_saved_fini(&w->write);
	fixture_fini(&w->core);
}

/* ---- what happens next ---- */

/* In this order at one moment: what has arrived is read, agents look at their
 * clocks, and only then does halod look at its own. */
enum doing {
	DELIVER_TO_HALOD,
	DELIVER_TO_AGENT,
	RUN_NODE,
	ANSWER_PROBES,
	WRITE_STORE,
	TICK,
	NOTHING
};

struct next {
	enum doing what;
	uint64_t at;
	struct world_conn *conn;
	unsigned node;
};

static void consider(struct next *best, enum doing what, uint64_t at,
		     struct world_conn *conn, unsigned node)
{
	if (at < best->at || (at == best->at && what < best->what))
		*best = (struct next){ what, at, conn, node };
}

static uint64_t when_halod_runs(const struct world *w, uint64_t at)
{
	if (!w->running || at == TIME_NEVER)
		return TIME_NEVER;
	return at > w->stalled ? at : w->stalled;
}

static void consider_conn(const struct world *w, struct next *best,
			  struct world_conn *c)
{
	const struct world_node *n = &w->node[c->node];

	if (n->cut)
		return;
	if (!c->halod_closed)
		consider(best, DELIVER_TO_HALOD,
			 when_halod_runs(w, pipe_due(&c->up)), c, c->node);
	if (!c->agent_closed && !n->frozen)
		consider(best, DELIVER_TO_AGENT, pipe_due(&c->down), c,
			 c->node);
}

static struct next find_next(struct world *w)
{
	struct next best = { NOTHING, TIME_NEVER, NULL, 0 };

	for (struct world_conn *c = w->conns; c; c = c->next)
		consider_conn(w, &best, c);
	for (unsigned i = 0; i < WORLD_NODES; i++)
		consider(&best, RUN_NODE, world_node_due(w, i), NULL, i);
	consider(&best, ANSWER_PROBES, when_halod_runs(w, w->probe_at), NULL,
		 0);
	consider(&best, WRITE_STORE, w->running ? w->write_at : TIME_NEVER,
		 NULL, 0);
	consider(&best, TICK,
		 when_halod_runs(w, w->running ? cluster_deadline(w->core.cl)
					       : TIME_NEVER),
		 NULL, 0);
	return best;
}

static void answer_probes(struct world *w)
{
	uint32_t probe[ARRAY_SIZE(w->core.probe)];
	unsigned n = w->core.n_probes;

	memcpy(probe, w->core.probe, sizeof(probe));
	w->core.n_probes = 0;
	w->probe_at = TIME_NEVER;
	for (unsigned i = 0; i < n; i++) {
		const struct node *node =
			cluster_node_by_tag(w->core.cl, probe[i]);
		struct event ev = { .type = EVENT_PROBED, .tag = probe[i] };

		for (unsigned k = 0; node && k < WORLD_NODES; k++)
			if (!strcmp(w->node[k].name, node->name))
				ev.ok = w->node[k].server && !w->node[k].cut &&
					!w->node[k].frozen;
		world_step(w, &ev);
	}
}

static void carry_out(struct world *w, const struct next *n)
{
	struct event tick = { .type = EVENT_TICK };

	switch (n->what) {
	case DELIVER_TO_HALOD:
		world_deliver_to_halod(w, n->conn);
		break;
	case DELIVER_TO_AGENT:
		world_deliver_to_agent(w, n->conn);
		break;
	case RUN_NODE:
		world_run_node(w, n->node);
		break;
	case ANSWER_PROBES:
		answer_probes(w);
		break;
	case WRITE_STORE:
		world_write(w);
		break;
	case TICK:
		world_step(w, &tick);
		break;
	case NOTHING:
		break;
	}
}

void world_step(struct world *w, const struct event *ev)
{
	fixture_step(&w->core, ev);
	if (w->core.n_probes && w->probe_at == TIME_NEVER)
		w->probe_at = w->core.now + PROBE_TAKES;
}

void world_run(struct world *w, uint64_t ns)
{
	uint64_t end = w->core.now + ns;

	while (!w->core.broken[0]) {
		struct next n = find_next(w);

		if (n.at > end)
			break;
		if (n.at > w->core.now)
			w->core.now = n.at;
		carry_out(w, &n);
		world_forget_closed(w);
	}
	if (w->core.now < end)
		w->core.now = end;
}

/* ---- halod's own fate ---- */

void world_order(struct world *w, enum event_type type, unsigned i)
{
	struct event ev = { .type = type, .name = w->node[i].name };

	if (w->running && w->stalled <= w->core.now)
		world_step(w, &ev);
}

void world_kill_halod(struct world *w)
{
	if (!w->running)
		return;
	fixture_say(&w->core, "halod is killed");
	w->running = false;
	w->stalled = 0;
	world_reset_conns(w);
	w->core.n_probes = 0;
	w->probe_at = w->write_at = TIME_NEVER;
	if (w->writing)
		cluster_saved_fini(&w->write);
	w->writing = false;
}

void world_start_halod(struct world *w)
{
	size_t size = (w->conf.cluster.routes + 1) * sizeof(*w->core.tag);
	uint32_t *before = malloc(size);

	assert(before);
	if (!w->running) {
		memcpy(before, w->core.tag, size);
		w->running = true;
		fixture_recover(&w->core, w->on_disk ? &w->disk : NULL);
		if (w->core.n_probes)
			w->probe_at = w->core.now + PROBE_TAKES;
		promise(&w->core, !memcmp(before, w->core.tag, size),
			"a restart moves routes by itself");
	}
	free(before);
}

void world_stall_halod(struct world *w, uint64_t ns)
{
	fixture_say(&w->core, "halod is stopped for %llu ms",
		    (unsigned long long)(ns / MS));
	w->stalled = w->core.now + ns;
}

/* ---- the store ---- */

/* The newest state waits to be written; one that has not begun is not. */
void world_store(void *arg)
{
	struct world *w = arg;
	int err;

	if (w->writing)
		cluster_saved_fini(&w->write);
	err = cluster_save(w->core.cl, &w->write);
	assert(!err);
	w->writing = true;
	if (w->write_at == TIME_NEVER)
		w->write_at = w->core.now + w->conf.write_ns;
}

void world_write(struct world *w)
{
	if (w->disk_fails) {
		w->write_at = w->core.now + NS_PER_S;
		return;
	}
	if (w->on_disk)
		cluster_saved_fini(&w->disk);
	w->disk = w->write;
	w->on_disk = true;
	w->writing = false;
	w->write_at = TIME_NEVER;
}

/* ---- promises beyond the fixture's ---- */

/* Silence is what halod has heard, never less than miss intervals of it; and
 * who is merely cut off knows by then that its routes are not its own. */
void world_check_loss(struct world *w, const struct world_node *n)
{
	const struct node *node = cluster_node_by_name(w->core.cl, n->name);
	uint64_t patience = w->conf.cluster.miss * w->conf.cluster.interval_ns;
	uint64_t silent = w->core.now - n->heard_ns;

	if (!node || node->cause != LOST_MACHINE)
		return;
	promise(&w->core, silent >= patience,
		"%s is lost after %llu us of silence", n->name,
		(unsigned long long)(silent / NS_PER_US));
	promise(&w->core, !n->agent || n->frozen || n->fenced || !n->routes,
		"%s is lost and its agent believes in %u routes", n->name,
		n->routes);
}

void world_check_rest(struct world *w)
{
	fixture_check_rest(&w->core);
	for (unsigned i = 0; i < WORLD_NODES; i++) {
		const struct world_node *n = &w->node[i];
		unsigned served = fixture_served(&w->core, i);

		if (n->agent && n->conn)
			promise(&w->core, n->routes == served && !n->fenced,
				"%s believes in %u%s routes, it has %u",
				n->name, n->routes, n->fenced ? " lost" : "",
				served);
	}
}
