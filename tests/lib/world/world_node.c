// SPDX-License-Identifier: GPL-2.0-or-later
#include "world_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ENDING_TAKES (3 * MS)

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t world_node_due(const struct world *w, unsigned i)
{
	const struct world_node *n = &w->node[i];

	if (!n->agent || n->frozen)
		return TIME_NEVER;
	return earlier(
		earlier(earlier(agent_deadline(n->agent), n->connected_at),
			n->ended_at),
		earlier(n->done_at, n->health_at));
}

static void on_moving(struct world *w, struct world_node *n, uint32_t id)
{
	if (!id || n->manners == NEVER_ANSWERS)
		return;
	n->done_id = id;
	n->done_at = w->core.now + n->manners;
}

static void on_event(struct world *w, struct world_node *n,
		     const struct agent_event *e)
{
	switch (e->kind) {
	case AGENT_WELCOME:
		n->fenced = false;
		if (e->state == NODE_RESERVE || e->state == NODE_QUARANTINED)
			n->routes = 0;
		break;
	case AGENT_ASSIGNED:
		n->routes = e->routes.count;
		n->fenced = false;
		break;
	case AGENT_FENCED:
		n->fenced = true;
		break;
	case AGENT_MOVING:
		on_moving(w, n, e->id);
		break;
	default:
		break;
	}
	fixture_say(&w->core, "    %s: %s, %u routes", n->name,
		    agent_event_name(e->kind), e->routes.count);
}

static void hang_up(struct world *w, struct world_node *n)
{
	n->connected_at = TIME_NEVER;
	if (n->conn)
		world_close_by_agent(w, n->conn);
	n->conn = NULL;
}

static void end_agent(struct world *w, struct world_node *n)
{
	hang_up(w, n);
	agent_free(n->agent);
	n->agent = NULL;
	n->routes = 0;
	n->fenced = false;
	n->done_at = n->health_at = n->ended_at = TIME_NEVER;
}

/* true: the agent's process goes on */
static bool act(struct world *w, struct world_node *n,
		const struct agent_action *a)
{
	switch (a->type) {
	case ACTION_CONNECT:
		n->connected_at = w->core.now + 4 * w->conf.latency_ns;
		break;
	case ACTION_SEND:
		if (n->conn)
			world_send_to_halod(w, n->conn, &a->message);
		break;
	case ACTION_CLOSE:
		hang_up(w, n);
		break;
	case ACTION_EVENT:
		on_event(w, n, &a->event);
		break;
	case ACTION_PACE:
		break;
	case ACTION_CUT:
		n->ending = a->cut.id;
		n->ended_at = w->core.now + ENDING_TAKES;
		break;
	case ACTION_SPARE:
		if (n->ending == a->cut.id)
			n->ended_at = TIME_NEVER;
		break;
	case ACTION_EXIT:
		end_agent(w, n);
		return false;
	}
	return true;
}

void world_feed_agent(struct world *w, unsigned i, const struct agent_input *in)
{
	static struct agent_actions out;
	struct world_node *n = &w->node[i];

	if (!n->agent)
		return;
	agent_step(n->agent, in, w->core.now, &out);
	for (unsigned k = 0; k < out.count; k++)
		if (!act(w, n, &out.items[k]))
			return;
}

/* A cut cable says nothing: the agent's own patience ends the attempt. */
static void end_attempt(struct world *w, unsigned i)
{
	struct world_node *n = &w->node[i];
	struct agent_input in = { .type = INPUT_DISCONNECTED };

	if (n->cut) {
		n->connected_at = TIME_NEVER;
		return;
	}
	if (w->running && w->stalled > w->core.now) {
		n->connected_at = w->stalled;
		return;
	}
	n->connected_at = TIME_NEVER;
	if (w->running) {
		n->conn = world_connect(w, i);
		in.type = INPUT_CONNECTED;
	}
	world_feed_agent(w, i, &in);
}

static void tell_health(struct world *w, unsigned i)
{
	struct world_node *n = &w->node[i];
	struct agent_input in = { .type = INPUT_HEALTH,
				  .health =
					  n->server ? HEALTH_UP : HEALTH_DOWN };

	n->health_at = TIME_NEVER;
	world_feed_agent(w, i, &in);
}

void world_run_node(struct world *w, unsigned i)
{
	struct world_node *n = &w->node[i];
	struct agent_input tick = { .type = INPUT_TICK };
	struct agent_input done = { .type = INPUT_DONE, .id = n->done_id };
	struct agent_input ended = { .type = INPUT_CUT, .id = n->ending };

	if (n->health_at <= w->core.now) {
		tell_health(w, i);
	} else if (n->done_at <= w->core.now) {
		n->done_at = TIME_NEVER;
		world_feed_agent(w, i, &done);
	} else if (n->ended_at <= w->core.now) {
		n->ended_at = TIME_NEVER;
		world_feed_agent(w, i, &ended);
	} else if (n->connected_at <= w->core.now) {
		end_attempt(w, i);
	} else {
		world_feed_agent(w, i, &tick);
	}
}

void world_start_agent(struct world *w, unsigned i)
{
	struct world_node *n = &w->node[i];
	struct agent_conf conf = { .wish = n->wish, .cuts = true };
	const uint8_t address[4] = { 198, 18, 0, (uint8_t)(i + 1) };
	struct agent_input start = { .type = INPUT_START };

	if (n->agent)
		return;
	fixture_say(&w->core, "%s: the agent starts", n->name);
	conf.instance = ++w->core.next_instance;
	conf.seed = world_draw(w);
	conf.addr[FAMILY_V4] = addr_v4(address);
	memcpy(conf.name, n->name, sizeof(conf.name));
	n->agent = agent_new(&conf);
	assert(n->agent);
	tell_health(w, i);
	world_feed_agent(w, i, &start);
}

void world_kill_agent(struct world *w, unsigned i)
{
	fixture_say(&w->core, "%s: the agent is killed", w->node[i].name);
	if (w->node[i].agent)
		end_agent(w, &w->node[i]);
}

void world_stop_agent(struct world *w, unsigned i)
{
	struct agent_input leave = { .type = INPUT_LEAVE };

	fixture_say(&w->core, "%s: the agent is asked to end", w->node[i].name);
	if (!w->node[i].frozen)
		world_feed_agent(w, i, &leave);
}

void world_freeze(struct world *w, unsigned i, bool on)
{
	fixture_say(&w->core, "%s: the machine %s", w->node[i].name,
		    on ? "stands still" : "runs");
	w->node[i].frozen = on;
}

void world_cut(struct world *w, unsigned i, bool on)
{
	fixture_say(&w->core, "%s: the cable is %s", w->node[i].name,
		    on ? "cut" : "whole");
	w->node[i].cut = on;
}

void world_set_server(struct world *w, unsigned i, bool up)
{
	struct world_node *n = &w->node[i];

	fixture_say(&w->core, "%s: the server %s", n->name,
		    up ? "is up" : "dies");
	n->server = up;
	if (n->agent)
		n->health_at = w->core.now + w->conf.cluster.interval_ns;
}
