// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * All joins, deaths and drains that are due become one new placement (the
 * batch rule of section 2). Routes move later, in handover.c.
 */
#include "control/cluster_private.h"

#include <assert.h>

static bool is_due(const struct cluster *cl)
{
	return cl->n_doomed || cl->n_drains_due || cl->replaced ||
	       cl->settle_ns <= cl->now;
}

static void collect_gone(struct cluster *cl, struct placement_batch *batch)
{
	for (unsigned i = 0; i < cl->n_members; i++) {
		const struct member *m = cl->members[i];

		if ((m->doom != LOST_NOT || m->drain_due) &&
		    placement_has(cl->place, m->node.id))
			cl->batch_gone[batch->n_gone++] = m->node.id;
	}
}

static void collect_joiner(struct cluster *cl, struct placement_batch *batch,
			   const struct member *m)
{
	if (placement_takes_active(cl->place, batch->n_active, batch->n_reserve,
				   cl->conf.reserve, m->node.wish))
		cl->batch_active[batch->n_active++] = m->node.id;
	else
		cl->batch_reserve[batch->n_reserve++] = m->node.id;
}

static void collect_joiners(struct cluster *cl, struct placement_batch *batch)
{
	batch->n_active = batch->n_reserve = 0;
	for (struct list *at = cl->joiners.next; at != &cl->joiners;
	     at = at->next) {
		const struct member *m = list_entry(at, struct member, queue);

		if (m != cl->replacer && admission_is_ready(cl, m) &&
		    m->doom == LOST_NOT)
			collect_joiner(cl, batch, m);
	}
}

/* n' of the batch rule: slots when it is through. */
static unsigned slots_after(const struct cluster *cl,
			    const struct placement_batch *batch)
{
	unsigned slots = placement_slots(cl->place) + batch->n_active;
	unsigned reserves = placement_reserves(cl->place) + batch->n_reserve;
	unsigned gone = 0;

	for (unsigned i = 0; i < batch->n_gone; i++)
		if (placement_slot(cl->place, batch->gone[i]))
			gone++;
		else
			reserves--;
	return gone > reserves ? slots - (gone - reserves) : slots;
}

/* Better a node that failed lately, or would rather wait, than nobody. */
static void avoid_nobody(struct cluster *cl, struct placement_batch *batch)
{
	if (slots_after(cl, batch))
		return;
	for (unsigned i = 0; i < cl->n_members; i++) {
		struct member *m = cl->members[i];

		if (m->node.state == NODE_QUARANTINED && !m->barred &&
		    admission_is_ready(cl, m))
			member_set_state(cl, m, NODE_JOINING);
	}
	collect_joiners(cl, batch);
	if (slots_after(cl, batch) || !batch->n_reserve)
		return;
	cl->batch_active[batch->n_active++] = cl->batch_reserve[0];
	batch->n_reserve--;
	batch->reserve++;
}

/* A new life, unless routes of the last one are still with it. */
static void enrol(struct cluster *cl, node_id id, enum node_state state)
{
	struct member *m = cl->by_id[id];

	if (!m->serves) {
		member_set_tag(cl, m, member_draw_tag(cl));
		m->had_routes = false;
	}
	member_set_state(cl, m, state);
	m->node.cause = LOST_NOT;
	m->joined_ns = cl->now;
	m->assigned_version = 0;
	m->node.diverged = m->told_again = m->misread = false;
	m->arrival = ARRIVAL_JOIN;
}

static void bury(struct cluster *cl, struct member *m)
{
	enum lost_cause cause = m->doom;
	uint64_t silence = cl->now - m->node.beat_ns;

	member_pardon(cl, m);
	if (cause == LOST_MACHINE && m->node.link) {
		say_close_later(cl, m->node.link);
		member_set_link(cl, m, 0);
	}
	if (cause != LOST_OPERATOR && cause != LOST_REVOKED)
		quarantine_count(cl, m);
	m->node.cause = cause;
	m->node.agent_away = m->probing = false;
	m->rejoin_ns = m->probe_ns = m->drain_ns = 0;
	m->left = false;
	m->fell = m->had_routes;
	member_set_state(cl, m, NODE_LOST);
	say_note(cl, m, NOTE_LOST, lost_cause_name(cause))->ms =
		silence / NS_PER_MS;
	if (m->node.link)
		quarantine_begin(
			cl, m,
			m->barred ? TIME_NEVER
				  : cl->now + quarantine_hold_down(
						      cl, m->node.failures));
}

static void begin_drain(struct cluster *cl, struct member *m)
{
	m->arrival = ARRIVAL_NONE;
	m->flows_gone = false;
	if (m->node.state == NODE_SUSPECT)
		m->node.suspect_from = NODE_DRAINING;
	else
		member_set_state(cl, m, NODE_DRAINING);
	m->node.until_ns = m->drain_ns;
	say_note(cl, m, NOTE_DRAINING,
		 m->left ? "it leaves on purpose" : "by operator");
}

static void take_leave(struct cluster *cl)
{
	for (unsigned i = 0; i < cl->n_members; i++) {
		struct member *m = cl->members[i];
		bool drains = m->drain_due;

		m->drain_due = false;
		if (m->doom != LOST_NOT)
			bury(cl, m);
		else if (drains)
			begin_drain(cl, m);
	}
	cl->n_drains_due = 0;
}

static void promote(struct cluster *cl, struct member *m)
{
	m->arrival =
		m->arrival == ARRIVAL_JOIN ? ARRIVAL_JOIN : ARRIVAL_RESERVE;
	if (m->node.state == NODE_SUSPECT)
		m->node.suspect_from = NODE_ACTIVE;
	else
		member_set_state(cl, m, NODE_ACTIVE);
}

static bool is_reserve(const struct member *m)
{
	return m->node.state == NODE_RESERVE ||
	       (m->node.state == NODE_SUSPECT &&
		m->node.suspect_from == NODE_RESERVE);
}

static void note_arrival(struct cluster *cl, const struct member *m)
{
	if (m->arrival == ARRIVAL_JOIN)
		say_note(cl, m, m->node.slot ? NOTE_JOINED : NOTE_RESERVED,
			 m->node.slot ? "join" : "waits in reserve");
	else if (m->arrival == ARRIVAL_RESERVE)
		say_note(cl, m, NOTE_JOINED, "reserve takes the slot");
	else if (m->arrival == ARRIVAL_REPLACE)
		say_note(cl, m, NOTE_JOINED, "replaces another by operator");
}

static void take_seat(struct cluster *cl, struct member *m)
{
	uint16_t slot = placement_slot(cl->place, m->node.id);

	if (m->arrival == ARRIVAL_REPLACE)
		member_set_state(cl, m, NODE_ACTIVE);
	else if (slot && is_reserve(m))
		promote(cl, m);
	else if (slot && m->node.slot && slot != m->node.slot)
		m->arrival = ARRIVAL_HIGHEST;
	m->node.slot = slot;
	note_arrival(cl, m);
}

/* After the batch: whoever it has already moved is left where it is. */
static void replace(struct cluster *cl)
{
	struct member *m = cl->replaced, *by = cl->replacer;

	cl->replaced = cl->replacer = NULL;
	if (!m || m->doom != LOST_NOT || by->doom != LOST_NOT ||
	    placement_replace(cl->place, m->node.id, by->node.id))
		return;
	if (by->node.state == NODE_JOINING)
		enrol(cl, by->node.id, NODE_RESERVE);
	by->arrival = ARRIVAL_REPLACE;
	m->drain_due = true;
}

/* The first that went, else that came, stands for the batch. */
static void remember_cause(struct cluster *cl,
			   const struct placement_batch *batch)
{
	unsigned n = batch->n_gone ? batch->n_gone : batch->n_active;
	struct cause c = { .kind = CAUSE_JOIN,
			   .more = n ? (uint16_t)(n - 1) : 0 };
	const struct member *m;

	if (!n)
		return;
	c.node = batch->n_gone ? batch->gone[0] : batch->active[0];
	m = cl->by_id[c.node];
	if (batch->n_gone && m->doom != LOST_NOT) {
		c.kind = CAUSE_LOSS;
		c.lost = m->doom;
	} else if (batch->n_gone) {
		c.kind = m->left ? CAUSE_GOODBYE : CAUSE_DRAIN;
	}
	cl->cause = c;
}

static void carry_out(struct cluster *cl, const struct placement_batch *batch)
{
	remember_cause(cl, batch);
	for (unsigned i = 0; i < cl->n_members; i++)
		cl->members[i]->arrival = ARRIVAL_NONE;
	replace(cl);
	for (unsigned i = 0; i < batch->n_active; i++)
		enrol(cl, batch->active[i], NODE_ACTIVE);
	for (unsigned i = 0; i < batch->n_reserve; i++)
		enrol(cl, batch->reserve[i], NODE_RESERVE);
	take_leave(cl);
	for (unsigned i = 0; i < cl->n_members; i++)
		take_seat(cl, cl->members[i]);
}

void batch_run(struct cluster *cl)
{
	struct placement_batch batch = { .active = cl->batch_active,
					 .reserve = cl->batch_reserve,
					 .gone = cl->batch_gone };
	unsigned missing, of;
	int err;

	if (cluster_is_frozen(cl) || !is_due(cl))
		return;
	if (cl->n_doomed && panic_trips(cl, &missing, &of)) {
		cl->replaced = cl->replacer = NULL;
		panic_begin(cl, missing, of);
		return;
	}
	collect_gone(cl, &batch);
	collect_joiners(cl, &batch);
	avoid_nobody(cl, &batch);
	err = placement_apply(cl->place, &batch);
	assert(!err);
	(void)err;
	carry_out(cl, &batch);
	cl->settle_ns = TIME_NEVER;
	cl->moves_due = true;
	cl->store_due = true;
}

static bool has_handed_over(const struct member *m)
{
	bool drains = m->node.state == NODE_DRAINING ||
		      (m->node.state == NODE_SUSPECT &&
		       m->node.suspect_from == NODE_DRAINING);

	return drains && !m->serves;
}

/* By force, since a planned end leaves what handover = keep protects. */
static void finish_drain(struct cluster *cl, struct member *m)
{
	if (cl->conf.keep && m->drain_ns && m->had_routes && !m->flows_gone)
		say_end_flows(cl, m->node.tag, NULL, true);
	m->drain_ns = 0;
	m->node.agent_away = false;
	m->rejoin_ns = m->probe_ns = 0;
	if (m->left)
		quarantine_count(cl, m);
	member_set_state(cl, m, NODE_DRAINED);
	say_note(cl, m, NOTE_DRAINED,
		 m->left ? "it has left" : "its routes are handed over");
}

/* What is left of a drained node's flows may live until its deadline. */
void batch_finish_drains(struct cluster *cl)
{
	for (unsigned i = 0; i < cl->n_members; i++) {
		struct member *m = cl->members[i];

		if (has_handed_over(m) &&
		    (!m->drain_ns || m->drain_ns <= cl->now || m->flows_gone ||
		     !cl->conf.keep))
			finish_drain(cl, m);
	}
}

int batch_flows_gone(struct cluster *cl, const struct event *ev)
{
	struct member *m = member_by_tag(cl, ev->tag);

	if (m && has_handed_over(m))
		m->flows_gone = true;
	return 0;
}
