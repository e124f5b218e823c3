// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The published table follows the placement (section 5 of the design). Each
 * route whose serving node is not the one of T(N, n) is in one handover; a run
 * begins those that are missing, drops those that have become pointless, and
 * switches those that are done, in one publication.
 */
#include "control/cluster_private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Per node and step, generously: its own notes with a CLOSE, and what else it
 * is sent or probed. */
#define NOTES_A_MEMBER 6
#define SAYS_A_MEMBER  7

/* A run looks at every route. When thousands of nodes say that they are done,
 * one a time, that must not keep beats waiting: 10 ms at N = 65535. */
#define RUN_PAUSE_A_ROUTE (150 * UINT64_C(1)) /* ns */
#define FEW_ROUTES	  1024		      /* for these there is none */

static struct handover *next_of(const struct list *at)
{
	return list_entry(at, struct handover, all);
}

uint32_t handover_served(const struct cluster *cl, unsigned route)
{
	return cl->served[route];
}

/* While frozen all is well as it is; after a restart, whoever still lives. */
static bool stays(const struct cluster *cl, unsigned route)
{
	const struct member *m;

	if (cluster_is_frozen(cl))
		return true;
	if (!cluster_is_still(cl))
		return false;
	m = member_by_tag(cl, cl->served[route]);
	return m && member_is_alive(m);
}

/* Whom T(N, n) gives the route. */
static uint32_t target(const struct cluster *cl, unsigned route)
{
	uint16_t slot;

	if (stays(cl, route))
		return cl->served[route];
	slot = placement_owner(cl->place, (uint16_t)route);
	return slot ? cl->by_id[placement_node(cl->place, slot)]->node.tag : 0;
}

/* Handovers never outnumber routes: each has one at least. */
static struct handover *take_from_pool(struct cluster *cl)
{
	struct handover *h = cl->pool_free;

	if (h) {
		cl->pool_free = h->next;
	} else {
		assert(cl->pool_used <= cl->conf.routes);
		h = &cl->pool[cl->pool_used++];
	}
	memset(h, 0, sizeof(*h));
	list_init(&h->all);
	return h;
}

static struct handover **leaving(struct cluster *cl, uint32_t from)
{
	struct member *m = member_by_tag(cl, from);

	return m ? &m->leaving : &cl->orphans;
}

static void end(struct cluster *cl, struct handover *h)
{
	struct handover **at = leaving(cl, h->from);
	struct member *to = member_by_tag(cl, h->to);

	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	if (to && to->recent == h)
		to->recent = NULL;
	list_leave(&h->all);
	h->next = cl->pool_free;
	cl->pool_free = h;
}

/* At the end of the step, when all is settled. */
void handover_tell(struct cluster *cl, struct member *m)
{
	m->assign_due = true;
	cl->tell_due = true;
}

static void must_be_told(struct cluster *cl, uint32_t tag)
{
	struct member *m = member_by_tag(cl, tag);

	if (m)
		handover_tell(cl, m);
}

/* Takes the route out of its handover; who thought to get it is told. */
static void drop_route(struct cluster *cl, unsigned r)
{
	struct handover *h = cl->moving[r];

	if (!h)
		return;
	cl->moving[r] = NULL;
	must_be_told(cl, h->to);
	if (!--h->count)
		end(cl, h);
}

static enum move_reason reason_of(const struct cluster *cl,
				  const struct member *from,
				  const struct member *to)
{
	if (!from)
		return MOVE_JOIN;
	if (!member_is_alive(from))
		return MOVE_LOSS;
	if (!placement_has(cl->place, from->node.id))
		return MOVE_DRAIN;
	return to && to->arrival == ARRIVAL_JOIN ? MOVE_JOIN : MOVE_UNDO;
}

static const char *rule_of(const struct member *from, const struct member *to)
{
	if (!to)
		return "no node is left";
	if (to->arrival == ARRIVAL_LOAD)
		return "a loaded table says so";
	if (!from)
		return "unowned routes get a node";
	switch (to->arrival) {
	case ARRIVAL_JOIN:
		return "join";
	case ARRIVAL_RESERVE:
		return "reserve takes the slot";
	case ARRIVAL_REPLACE:
		return "replace: takes the slot by operator";
	case ARRIVAL_HIGHEST:
		return "highest slot takes the slot";
	default:
		return "undo: routes handed back";
	}
}

/* What brought it about: what became of either node, else of the batch. */
static struct cause cause_of(const struct cluster *cl,
			     const struct member *from, const struct member *to)
{
	struct cause c = { .node = from ? from->node.id : 0 };

	if (to && to->arrival == ARRIVAL_LOAD)
		return (struct cause){ .kind = CAUSE_LOAD };
	if (from && !member_is_alive(from)) {
		c.kind = CAUSE_LOSS;
		c.lost = from->node.cause;
		return c;
	}
	if (from && !placement_has(cl->place, from->node.id)) {
		c.kind = from->left				? CAUSE_GOODBYE
			 : to && to->arrival == ARRIVAL_REPLACE ? CAUSE_REPLACE
								: CAUSE_DRAIN;
		return c;
	}
	if (to && to->arrival == ARRIVAL_JOIN)
		return (struct cause){ .kind = CAUSE_JOIN,
				       .node = to->node.id };
	return cl->cause;
}

/* What a handover of a route is to be like. */
struct wish {
	uint32_t from, to;
	bool forced;
	const struct handover *was; /* its deadline and id go on; or NULL */
};

static bool is_wanted(const struct cluster *cl, const struct handover *h,
		      const struct wish *w)
{
	if (h->to != w->to || h->forced != w->forced)
		return false;
	if (w->was)
		return h->inherited && h->id == w->was->id;
	return h->run == cl->run && !h->inherited;
}

static struct handover *begin(struct cluster *cl, const struct wish *w)
{
	const struct member *from = member_by_tag(cl, w->from);
	const struct member *to = member_by_tag(cl, w->to);
	struct handover *h = take_from_pool(cl);
	struct handover **at = leaving(cl, w->from);

	h->from = w->from;
	h->to = w->to;
	h->forced = w->forced;
	h->inherited = w->was != NULL;
	h->run = cl->run;
	h->id = w->was ? w->was->id : ++cl->next_handover;
	h->began_ns = w->was ? w->was->began_ns : cl->now;
	h->deadline_ns = w->was	     ? w->was->deadline_ns
			 : w->forced ? cl->now
				     : cl->now + cl->conf.move_grace_ns;
	h->ready = w->was && w->was->ready;
	h->reason = reason_of(cl, from, to);
	h->why = rule_of(from, to);
	h->cause = cause_of(cl, from, to);
	h->next = *at;
	*at = h;
	list_append(&cl->handovers, &h->all);
	cl->store_due = true;
	return h;
}

/* Neighbours mostly move together: the last one found is tried first. */
static struct handover *find_or_begin(struct cluster *cl, const struct wish *w)
{
	struct member *to = member_by_tag(cl, w->to);
	struct handover *h = to ? to->recent : NULL;

	if (h && h->from == w->from && is_wanted(cl, h, w))
		return h;
	h = *leaving(cl, w->from);
	while (h && !is_wanted(cl, h, w))
		h = h->next;
	if (!h)
		h = begin(cl, w);
	if (to)
		to->recent = h;
	return h;
}

/* Announced to the node that serves the route, and not to be. */
static void call_off(struct cluster *cl, unsigned r)
{
	struct member *m = member_by_tag(cl, cl->moving[r]->from);

	if (m) {
		m->staying++;
		cl->n_staying++;
		cl->stays[r] = true;
		handover_tell(cl, m);
	}
	drop_route(cl, r);
}

static void reconcile_route(struct cluster *cl, unsigned r)
{
	struct handover *was = cl->moving[r], *h;
	struct wish w = { .from = handover_served(cl, r), .to = target(cl, r) };
	const struct member *from = member_by_tag(cl, w.from);

	if (w.from == w.to) {
		if (was)
			call_off(cl, r);
		return;
	}
	w.forced = !from || !member_is_alive(from);
	if (was && was->to == w.to && !w.forced)
		return;
	w.was = w.forced ? NULL : was;
	h = find_or_begin(cl, &w);
	h->count++;
	must_be_told(cl, h->to);
	drop_route(cl, r);
	cl->moving[r] = h;
}

static bool is_due(const struct cluster *cl, const struct handover *h)
{
	/* one that has just begun waits at least for the next step: its
	 * routes are held before they are switched */
	if (h->run == cl->run && !h->inherited && !h->forced)
		return false;
	return h->forced || h->ready || h->deadline_ns <= cl->now;
}

/* The routes of each handover that says or does something in this run. */
static void collect_routes(struct cluster *cl)
{
	for (struct list *at = cl->handovers.next; at != &cl->handovers;
	     at = at->next) {
		struct handover *h = next_of(at);

		h->done = is_due(cl, h);
		h->set.count = h->count;
		h->set.ids = h->fill = NULL;
		if (h->done || h->run == cl->run)
			h->set.ids = h->fill = effects_ids(cl->fx, h->count);
	}
	for (unsigned r = 1; r <= cl->conf.routes; r++) {
		struct handover *h = cl->moving[r];

		if (h && h->fill)
			*h->fill++ = (uint16_t)r;
	}
}

/* Who serves from now on, to be published. True when any route changes its
 * node; *forced when one does by loss. */
static bool settle_served(struct cluster *cl, bool *forced)
{
	bool any = false;

	*forced = false;
	for (unsigned r = 1; r <= cl->conf.routes; r++) {
		const struct handover *h = cl->moving[r];

		if (!h || !h->done)
			continue;
		cl->served[r] = (uint16_t)h->to;
		any = true;
		*forced |= h->forced && h->from;
	}
	return any;
}

static void switch_routes(struct cluster *cl)
{
	for (unsigned r = 1; r <= cl->conf.routes; r++) {
		struct handover *h = cl->moving[r];

		if (!h || !h->done)
			continue;
		cl->reason[r] = (uint8_t)h->reason;
		cl->since[r] = cl->table->version;
		cl->moving[r] = NULL;
		must_be_told(cl, h->from);
	}
}

static void end_flows(struct cluster *cl)
{
	for (unsigned i = 0; i < cl->n_members; i++) {
		struct member *m = cl->members[i];

		if (m->fell)
			say_end_flows(cl, m->node.tag, NULL, true);
	}
	for (struct list *at = cl->handovers.next; at != &cl->handovers;
	     at = at->next) {
		const struct handover *h = next_of(at);

		if (h->done && !h->forced)
			say_end_flows(cl, h->from, &h->set, false);
	}
}

static bool is_to_be_held(const struct cluster *cl, unsigned r)
{
	const struct member *m = member_by_tag(cl, handover_served(cl, r));

	return cl->moving[r] || (m && member_is_suspended(m));
}

/* Emits the routes whose hold is to change to `on`. */
static void hold(struct cluster *cl, bool on)
{
	struct route_set set = { .count = 0 };
	uint16_t *ids;

	for (unsigned r = 1; r <= cl->conf.routes; r++)
		set.count += cl->held[r] != on && is_to_be_held(cl, r) == on;
	if (!set.count)
		return;
	set.ids = ids = effects_ids(cl->fx, set.count);
	for (unsigned r = 1; r <= cl->conf.routes; r++)
		if (cl->held[r] != on && is_to_be_held(cl, r) == on) {
			cl->held[r] = on;
			*ids++ = (uint16_t)r;
		}
	effects_add(cl->fx, on ? EFFECT_HOLD : EFFECT_RELEASE)->routes = set;
}

static void end_done(struct cluster *cl)
{
	struct list *at = cl->handovers.next;

	while (at != &cl->handovers) {
		struct handover *h = next_of(at);

		at = at->next;
		if (h->done)
			end(cl, h);
	}
	for (unsigned i = 0; i < cl->n_members; i++)
		cl->members[i]->fell = false;
}

void handover_run(struct cluster *cl)
{
	bool forced, any;

	cl->run++;
	cl->run_ns = cl->now;
	cl->ready_ns = TIME_NEVER;
	cl->moves_due = false;
	for (unsigned r = 1; r <= cl->conf.routes; r++)
		reconcile_route(cl, r);
	collect_routes(cl);
	any = settle_served(cl, &forced);
	if (any || cl->publish_due)
		publish_table(cl, !forced);
	switch_routes(cl);
	end_flows(cl);
	hold(cl, false);
	announce_stays(cl);
	announce_moves(cl);
	announce_assigned(cl);
	hold(cl, true);
	announce_notes(cl);
	end_done(cl);
}

static bool is_unsettled(const struct cluster *cl, const struct member *m)
{
	return (m->node.state != NODE_ACTIVE &&
		m->node.state != NODE_RESERVE) ||
	       m->doom != LOST_NOT || m->drain_due || m->node.agent_away ||
	       cl->now - m->node.beat_ns >= cl->conf.interval_ns * 3 / 2;
}

/* Handovers that a step may begin: each node that comes or goes may exchange
 * routes with all others, and send one more (of the highest slot) on its way;
 * one under way may be retargeted to any. And no more than there are routes. */
static uint64_t handovers_at_most(const struct cluster *cl, unsigned under_way)
{
	uint64_t changes = 1 + under_way, pairs;

	if (cl->loading)
		return cl->conf.routes;
	for (unsigned i = 0; i < cl->n_members; i++)
		changes += is_unsettled(cl, cl->members[i]);
	pairs = 2 * changes * (cl->n_members + 1);
	return pairs < cl->conf.routes ? pairs : cl->conf.routes;
}

/* Room for all that one step may say. */
int handover_prepare(struct cluster *cl)
{
	unsigned under_way = 0, pairs, notes, n;
	int err;

	for (struct list *at = cl->handovers.next; at != &cl->handovers;
	     at = at->next)
		under_way++;
	pairs = (unsigned)handovers_at_most(cl, under_way) + under_way;
	notes = pairs + NOTES_A_MEMBER * (cl->n_members + 1);
	n = notes + 2 * pairs + SAYS_A_MEMBER * (cl->n_members + 1);
	/* handovers, hold, release, stays: N each at most; ASSIGNED: two */
	err = effects_reserve(cl->fx, n, 6 * cl->conf.routes);
	return err ? err : effects_reserve(cl->later, notes, 0);
}

uint64_t handover_deadline(const struct cluster *cl)
{
	uint64_t due = TIME_NEVER;

	for (struct list *at = cl->handovers.next; at != &cl->handovers;
	     at = at->next)
		if (next_of(at)->deadline_ns < due)
			due = next_of(at)->deadline_ns;
	return due;
}

static bool mark_ready(struct cluster *cl, const struct event *ev)
{
	struct member *m = member_by_link(cl, ev->link);
	bool any = false;

	for (struct handover *h = m ? m->leaving : NULL; h; h = h->next)
		if (h->id == ev->id)
			any = h->ready = true;
	return any;
}

int handover_moved_ok(struct cluster *cl, const struct event *ev)
{
	if (mark_ready(cl, ev))
		cl->moves_due = true;
	return 0;
}

bool handover_moved_plainly(struct cluster *cl, const struct event *ev)
{
	uint64_t next = cl->run_ns + cl->conf.routes * RUN_PAUSE_A_ROUTE;

	if (cl->conf.routes <= FEW_ROUTES || cl->now >= next)
		return false;
	if (!mark_ready(cl, ev))
		return true;
	cl->ready_ns = next;
	if (next < cl->timers_ns)
		cl->timers_ns = next;
	return true;
}

bool handover_assigned_plainly(struct cluster *cl, const struct event *ev)
{
	struct member *m = member_by_link(cl, ev->link);

	if (!m)
		return true;
	if (ev->assigned_ok->version != m->assigned_version ||
	    ev->assigned_ok->digest != m->digest)
		return false;
	m->node.version = ev->assigned_ok->version;
	m->misread = m->node.diverged = m->told_again = false;
	return true;
}

/* What handover_assigned_plainly() has left. */
int handover_assigned_ok(struct cluster *cl, const struct event *ev)
{
	struct member *m = member_by_link(cl, ev->link);

	m->node.version = ev->assigned_ok->version;
	if (ev->assigned_ok->version != m->assigned_version)
		return 0;
	m->misread = true;
	liveness_note_divergence(cl, m, ev->assigned_ok->version);
	return 0;
}
