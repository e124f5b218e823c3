// SPDX-License-Identifier: GPL-2.0-or-later
#include "control/cluster_private.h"

#include <stdio.h>
#include <string.h>

static void say_moving(struct cluster *cl, uint64_t link,
		       const struct handover *h)
{
	struct message_moving *m =
		&say_message(cl, link, MESSAGE_MOVING)->message.moving;

	m->id = h->id;
	m->reason = h->reason;
	/* 0 would say that it has happened */
	m->deadline_ms = (uint32_t)((h->deadline_ns - cl->now) / NS_PER_MS);
	if (!m->deadline_ms && !h->forced)
		m->deadline_ms = 1;
	m->routes = h->set;
	m->doors = cl->conf.doors;
}

static void say_stays(struct cluster *cl, const struct member *m)
{
	struct message_moving *s =
		&say_message(cl, m->node.link, MESSAGE_MOVING)->message.moving;

	s->reason = MOVE_UNDO;
	s->stays = true;
	s->routes = m->set;
}

/* Who was told that routes leave it, and keeps them, must not end what it has
 * to do with them. */
void announce_stays(struct cluster *cl)
{
	if (!cl->n_staying)
		return;
	cl->n_staying = 0;
	for (unsigned i = 0; i < cl->n_members; i++) {
		struct member *m = cl->members[i];

		m->set.count = m->staying;
		m->set.ids = m->fill = effects_ids(cl->fx, m->staying);
	}
	for (unsigned r = 1; r <= cl->conf.routes; r++) {
		if (cl->stays[r])
			*member_by_tag(cl, cl->served[r])->fill++ = (uint16_t)r;
		cl->stays[r] = false;
	}
	for (unsigned i = 0; i < cl->n_members; i++) {
		struct member *m = cl->members[i];

		if (m->staying && m->node.link)
			say_stays(cl, m);
		m->staying = 0;
	}
}

/* The former node is told once: when a planned move begins, or (its link still
 * living: a killed server) when a forced one is done. */
void announce_moves(struct cluster *cl)
{
	for (struct list *at = cl->handovers.next; at != &cl->handovers;
	     at = at->next) {
		const struct handover *h = list_entry(at, struct handover, all);
		const struct member *from = member_by_tag(cl, h->from);

		if (from && from->node.link && h->run == cl->run &&
		    !h->inherited)
			say_moving(cl, from->node.link, h);
	}
}

static struct member *if_to_be_told(const struct cluster *cl, uint32_t tag)
{
	struct member *m = member_by_tag(cl, tag);

	return m && m->assign_due && m->node.link ? m : NULL;
}

/* Who is to be told of a route: it has it, or is to have it. */
struct hearers {
	struct member *node[2]; /* NULL: not to be told */
};

static struct hearers hearers_of(const struct cluster *cl, unsigned r)
{
	const struct handover *h = cl->moving[r];

	return (struct hearers){ {
		if_to_be_told(cl, cl->served[r]),
		h ? if_to_be_told(cl, h->to) : NULL,
	} };
}

static void count_sets(struct cluster *cl)
{
	for (unsigned i = 0; i < cl->n_members; i++)
		cl->members[i]->set.count = 0;
	for (unsigned r = 1; r <= cl->conf.routes; r++) {
		struct hearers to = hearers_of(cl, r);

		for (unsigned i = 0; i < ARRAY_SIZE(to.node); i++)
			if (to.node[i])
				to.node[i]->set.count++;
	}
}

static void take_room(struct cluster *cl)
{
	for (unsigned i = 0; i < cl->n_members; i++) {
		struct member *m = cl->members[i];

		m->set.ids = m->fill = effects_ids(cl->fx, m->set.count);
	}
}

static void collect_sets(struct cluster *cl)
{
	count_sets(cl);
	take_room(cl);
	for (unsigned r = 1; r <= cl->conf.routes; r++) {
		struct hearers to = hearers_of(cl, r);

		for (unsigned i = 0; i < ARRAY_SIZE(to.node); i++)
			if (to.node[i])
				*to.node[i]->fill++ = (uint16_t)r;
	}
}

static void say_assigned(struct cluster *cl, struct member *m)
{
	struct message_assigned *a =
		&say_message(cl, m->node.link, MESSAGE_ASSIGNED)
			 ->message.assigned;

	a->version = cl->table->version;
	a->routes = m->set;
	if (m->assigned_version != a->version)
		m->told_again = false;
	m->assigned_version = a->version;
	m->assigned_ns = cl->now;
	m->digest = route_digest(&m->set);
}

void announce_assigned(struct cluster *cl)
{
	if (cl->tell_due)
		collect_sets(cl);
	for (unsigned i = 0; cl->tell_due && i < cl->n_members; i++) {
		struct member *m = cl->members[i];

		if (m->assign_due && m->node.link)
			say_assigned(cl, m);
		m->assign_due = false;
	}
	cl->tell_due = false;
}

static void name_of(const struct cluster *cl, uint32_t tag, char *out)
{
	const struct member *m = member_by_tag(cl, tag);

	if (m)
		memcpy(out, m->node.name, NODE_NAME_MAX);
}

static enum note_kind kind_of(const struct handover *h)
{
	if (!h->done)
		return NOTE_MOVING;
	return h->to ? NOTE_MOVED : NOTE_UNOWNED;
}

static void note_move(struct cluster *cl, const struct handover *h)
{
	struct note *note = say_note(cl, NULL, kind_of(h), h->why);
	const struct member *from = member_by_tag(cl, h->from);
	uint64_t since = h->forced && from ? from->node.beat_ns : h->began_ns;

	name_of(cl, h->from, note->from);
	name_of(cl, h->to, note->to);
	note->reason = h->reason;
	note->routes = h->set;
	say_cause(cl, &h->cause, note->event, sizeof(note->event));
	if (h->done)
		note->ms = (cl->now - since) / NS_PER_MS;
}

void announce_notes(struct cluster *cl)
{
	for (struct list *at = cl->handovers.next; at != &cl->handovers;
	     at = at->next) {
		const struct handover *h = list_entry(at, struct handover, all);

		if (h->done || (h->run == cl->run && !h->inherited))
			note_move(cl, h);
	}
}
