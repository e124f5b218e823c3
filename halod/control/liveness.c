// SPDX-License-Identifier: GPL-2.0-or-later
#include "control/cluster_private.h"

static bool is_slow(const struct cluster *cl)
{
	return cl->now < cl->slow_until_ns;
}

static uint64_t longer(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t suspect_after(const struct cluster *cl)
{
	return longer(cl->conf.interval_ns * 3 / 2,
		      is_slow(cl) ? cl->slow_suspect_ns : 0);
}

static uint64_t lost_after(const struct cluster *cl)
{
	return longer(cl->conf.interval_ns * cl->conf.miss,
		      is_slow(cl) ? cl->slow_lost_ns : 0);
}

static struct member *oldest(const struct list *l)
{
	return list_is_empty(l) ? NULL
				: list_entry(l->next, struct member, age);
}

/* A drained node whose flows live on is missed as well: their clients must be
 * told. */
static bool holds_a_place(const struct cluster *cl, const struct member *m)
{
	bool drains = m->node.state == NODE_DRAINING ||
		      (m->node.state == NODE_SUSPECT &&
		       m->node.suspect_from == NODE_DRAINING);

	return m->serves || placement_has(cl->place, m->node.id) ||
	       (cl->conf.keep && m->had_routes && drains);
}

static bool has_diverged(const struct cluster *cl, const struct member *m,
			 uint64_t version)
{
	if (m->misread)
		return true;
	return m->assigned_version && version < m->assigned_version &&
	       cl->now - m->assigned_ns > 3 * cl->conf.interval_ns;
}

/* Nothing to it but an answer: the path of all beats but a few. */
bool liveness_beat_is_plain(const struct cluster *cl, const struct member *m,
			    const struct message_beat *beat)
{
	return m->node.state != NODE_SUSPECT && m->doom == LOST_NOT &&
	       beat->health == m->node.health &&
	       (m->node.state != NODE_JOINING || cl->settle_ns != TIME_NEVER) &&
	       has_diverged(cl, m, beat->version) == m->node.diverged;
}

void liveness_answer(struct cluster *cl, struct member *m,
		     const struct message_beat *beat)
{
	struct message_beat_ack *ack;

	m->node.beat_ns = cl->now;
	m->node.beat_seq = beat->seq;
	m->node.connections = beat->connections;
	m->node.version = beat->version;
	list_leave(&m->age);
	list_append(&cl->fresh, &m->age);
	ack = &say_message(cl, m->node.link, MESSAGE_BEAT_ACK)
		       ->message.beat_ack;
	ack->seq = beat->seq;
	ack->version = m->assigned_version;
	ack->digest = m->digest;
	ack->state = m->node.state;
	ack->slot = m->node.slot;
}

static void recover(struct cluster *cl, struct member *m)
{
	if (m->node.state != NODE_SUSPECT)
		return;
	member_set_state(cl, m, m->node.suspect_from);
	say_note(cl, m, NOTE_RECOVERED, "it answers again");
}

/* It gave a sign of life, whatever else it said. */
void liveness_heard(struct cluster *cl, struct member *m)
{
	if (m->doom == LOST_MACHINE || m->doom == LOST_AGENT)
		member_pardon(cl, m);
	recover(cl, m);
}

static void server_is_up(struct cluster *cl, struct member *m)
{
	if (m->doom == LOST_SERVER)
		member_pardon(cl, m);
	quarantine_end_if_due(cl, m);
}

static void server_is_down(struct cluster *cl, struct member *m, bool flapped)
{
	if (holds_a_place(cl, m)) {
		member_doom(cl, m, LOST_SERVER);
	} else if (m->node.state == NODE_QUARANTINED && flapped && !m->barred) {
		quarantine_count(cl, m);
		m->node.until_ns =
			cl->now + quarantine_hold_down(cl, m->node.failures);
	}
}

void liveness_health(struct cluster *cl, struct member *m,
		     enum node_health health)
{
	bool flapped = m->node.health != HEALTH_DOWN;

	m->node.health = health;
	if (health == HEALTH_DOWN)
		server_is_down(cl, m, flapped);
	else
		server_is_up(cl, m);
}

void liveness_note_divergence(struct cluster *cl, struct member *m,
			      uint64_t version)
{
	bool diverged = has_diverged(cl, m, version);

	if (diverged && !m->node.diverged) {
		say_note(cl, m, NOTE_DIVERGED,
			 "its agent has not taken over its routes");
		if (!m->told_again)
			handover_tell(cl, m);
		m->told_again = true;
	}
	m->node.diverged = diverged;
}

int liveness_beat(struct cluster *cl, const struct event *ev)
{
	struct member *m = member_by_link(cl, ev->link);

	if (!m)
		return 0;
	liveness_heard(cl, m);
	liveness_note_divergence(cl, m, ev->beat->version);
	liveness_health(cl, m, ev->beat->health);
	liveness_answer(cl, m, ev->beat);
	if (m->node.state == NODE_JOINING && admission_is_ready(cl, m) &&
	    cl->settle_ns == TIME_NEVER)
		cl->settle_ns = cl->now + cl->conf.settle_ns;
	return 0;
}

void liveness_probe(struct cluster *cl, struct member *m)
{
	uint64_t every = cl->conf.interval_ns > PROBE_EVERY
				 ? cl->conf.interval_ns
				 : PROBE_EVERY;

	if (!m->serves) {
		m->probe_ns = 0;
		return;
	}
	m->probe_ns = m->node.agent_away ? cl->now + every : 0;
	if (!m->probing || cl->now - m->probed_ns >= PROBE_PATIENCE)
		say_probe(cl, m);
}

/* A reserve whose agent is away has been given routes: now it has a door. */
void liveness_probe_promoted(struct cluster *cl)
{
	for (unsigned i = 0; i < cl->n_members; i++) {
		struct member *m = cl->members[i];

		if (m->node.agent_away && m->serves && !m->probe_ns)
			liveness_probe(cl, m);
	}
}

/* The agent has ended and the machine may be well: ask its server. */
void liveness_away(struct cluster *cl, struct member *m, uint64_t patience)
{
	m->node.agent_away = true;
	m->rejoin_ns = cl->now + patience;
	m->node.until_ns = m->rejoin_ns;
	m->probing = false;
	liveness_probe(cl, m);
	cl->store_due = true;
	say_note(cl, m, NOTE_AGENT_AWAY, "its connection ended");
}

static void end_stillness(struct cluster *cl)
{
	for (unsigned i = 0; i < cl->n_members; i++)
		if (cl->members[i]->node.agent_away)
			return;
	cl->still_ns = 0;
	cl->moves_due = true;
}

void liveness_back(struct cluster *cl, struct member *m)
{
	m->node.agent_away = false;
	m->rejoin_ns = m->probe_ns = 0;
	m->node.until_ns = m->drain_ns;
	if (cl->still_ns)
		end_stillness(cl);
	cl->store_due = true;
	say_note(cl, m, NOTE_AGENT_BACK, "it resumes its slot");
}

int liveness_probed(struct cluster *cl, const struct event *ev)
{
	struct member *m = member_by_tag(cl, ev->tag);

	if (!m || !m->probing)
		return 0;
	m->probing = false;
	if (!m->serves)
		return 0;
	if (!ev->ok)
		member_doom(cl, m,
			    m->node.agent_away ? LOST_AGENT : LOST_SERVER);
	else if (m->node.agent_away)
		recover(cl, m);
	return 0;
}

int liveness_refused(struct cluster *cl, const struct event *ev)
{
	struct member *m = member_by_tag(cl, ev->tag);

	if (m && m->doom == LOST_NOT)
		liveness_probe(cl, m);
	return 0;
}

static void suspect(struct cluster *cl, struct member *m)
{
	list_leave(&m->age);
	list_append(&cl->silent, &m->age);
	if (!holds_a_place(cl, m) || m->node.state == NODE_SUSPECT)
		return;
	m->node.suspect_from = m->node.state;
	member_set_state(cl, m, NODE_SUSPECT);
	say_note(cl, m, NOTE_SUSPECT, "no beat for 1.5 intervals")->ms =
		(cl->now - m->node.beat_ns) / NS_PER_MS;
}

/* It stays in the list until it is buried: the panic guard may pardon it. */
static void give_up(struct cluster *cl, struct member *m)
{
	if (holds_a_place(cl, m)) {
		member_doom(cl, m, LOST_MACHINE);
		return;
	}
	say_close(cl, m->node.link);
	admission_link_ended(cl, m);
}

static void judge_silent(struct cluster *cl)
{
	struct list *at = cl->silent.next;

	while (at != &cl->silent) {
		struct member *m = list_entry(at, struct member, age);

		if (cl->now - m->node.beat_ns < lost_after(cl))
			return;
		at = at->next;
		give_up(cl, m);
	}
}

/* Agents learn the new pace by another WELCOME; whoever has not heard of it
 * after the patience there was is lost by that as well. */
void liveness_change_pace(struct cluster *cl, const struct cluster_conf *to)
{
	uint64_t suspect_ns = suspect_after(cl), lost_ns = lost_after(cl);

	if (to->interval_ns == cl->conf.interval_ns &&
	    to->miss == cl->conf.miss)
		return;
	cl->slow_suspect_ns = suspect_ns;
	cl->slow_lost_ns = lost_ns;
	cl->slow_until_ns = cl->now + lost_ns;
	cl->conf.interval_ns = to->interval_ns;
	cl->conf.miss = to->miss;
	for (unsigned i = 0; i < cl->n_members; i++)
		if (cl->members[i]->node.link)
			say_welcome(cl, cl->members[i]);
}

/* While frozen nobody is declared dead: silence is judged at the thaw. */
void liveness_judge(struct cluster *cl)
{
	struct member *m;

	while ((m = oldest(&cl->fresh)) &&
	       cl->now - m->node.beat_ns >= suspect_after(cl))
		suspect(cl, m);
	if (!cluster_is_frozen(cl))
		judge_silent(cl);
}

uint64_t liveness_deadline(const struct cluster *cl)
{
	const struct member *fresh = oldest(&cl->fresh);
	const struct member *silent = oldest(&cl->silent);
	uint64_t due = is_slow(cl) ? cl->slow_until_ns : TIME_NEVER;

	if (fresh && fresh->node.beat_ns + suspect_after(cl) < due)
		due = fresh->node.beat_ns + suspect_after(cl);
	if (silent && !cluster_is_frozen(cl) &&
	    silent->node.beat_ns + lost_after(cl) < due)
		due = silent->node.beat_ns + lost_after(cl);
	return due;
}
