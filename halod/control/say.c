// SPDX-License-Identifier: GPL-2.0-or-later
#include "control/cluster_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct effect *say_message(struct cluster *cl, uint64_t link,
			   enum message_type type)
{
	struct effect *e = effects_add(cl->fx, EFFECT_SEND);

	assert(link);
	e->link = link;
	e->message.type = type;
	return e;
}

void say_error(struct cluster *cl, uint64_t link, enum error_code code,
	       const char *text)
{
	struct message_error *error =
		&say_message(cl, link, MESSAGE_ERROR)->message.error;

	error->code = code;
	snprintf(error->text, sizeof(error->text), "%s", text);
	say_close(cl, link);
}

void say_close(struct cluster *cl, uint64_t link)
{
	effects_add(cl->fx, EFFECT_CLOSE)->link = link;
}

void say_welcome(struct cluster *cl, const struct member *m)
{
	struct message_welcome *w =
		&say_message(cl, m->node.link, MESSAGE_WELCOME)
			 ->message.welcome;

	w->state = m->node.state;
	w->slot = m->node.slot;
	w->interval_us = (uint32_t)(cl->conf.interval_ns / NS_PER_US);
	w->miss = (uint16_t)cl->conf.miss;
	w->version = cl->table->version;
}

/* After the table: a failover does not wait for goodbyes. */
void say_close_later(struct cluster *cl, uint64_t link)
{
	effects_add(cl->later, EFFECT_CLOSE)->link = link;
}

static const struct addr *any_addr(const struct node *n)
{
	return &n->addr[addr_is_set(&n->addr[FAMILY_V4]) ? FAMILY_V4
							 : FAMILY_V6];
}

/* Only a node that serves has a door to knock at. */
void say_probe(struct cluster *cl, struct member *m)
{
	struct effect *e = effects_add(cl->fx, EFFECT_PROBE);

	e->tag = m->node.tag;
	e->addr = *any_addr(&m->node);
	e->route = m->first_route;
	m->probing = true;
	m->probed_ns = cl->now;
}

/* m may be NULL: about no one node. */
struct note *say_note(struct cluster *cl, const struct member *m,
		      enum note_kind kind, const char *why)
{
	struct note *note = &effects_add(cl->later, EFFECT_NOTE)->note;

	note->kind = kind;
	note->version = cl->table->version;
	snprintf(note->why, sizeof(note->why), "%s", why);
	if (m) {
		memcpy(note->node, m->node.name, sizeof(note->node));
		note->slot = m->node.slot;
	}
	return note;
}

void say_cause(const struct cluster *cl, const struct cause *c, char *out,
	       unsigned size)
{
	static const char *const words[] = {
		[CAUSE_NONE] = "",
		[CAUSE_JOIN] = "join of ",
		[CAUSE_LOSS] = "loss of ",
		[CAUSE_DRAIN] = "drain of ",
		[CAUSE_GOODBYE] = "goodbye of ",
		[CAUSE_REPLACE] = "replacement of ",
		[CAUSE_LOAD] = "load of a table",
	};
	const struct member *m = c->node ? cl->by_id[c->node] : NULL;
	bool lost = c->kind == CAUSE_LOSS;
	char more[24] = "";

	if (c->more)
		snprintf(more, sizeof(more), " and %u more", c->more);
	snprintf(out, size, "%s%s%s%s%s", words[c->kind], m ? m->node.name : "",
		 lost ? ": " : "",
		 lost ? lost_cause_name((enum lost_cause)c->lost) : "", more);
}

/* routes NULL: all of the tag */
void say_end_flows(struct cluster *cl, uint32_t tag,
		   const struct route_set *routes, bool forced)
{
	struct effect *e = effects_add(cl->fx, EFFECT_END_FLOWS);

	e->tag = tag;
	e->forced = forced;
	if (routes)
		e->routes = *routes;
}
