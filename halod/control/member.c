// SPDX-License-Identifier: GPL-2.0-or-later
#include "control/cluster_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static unsigned name_bucket(const char *name)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	while (*name)
		h = (h ^ (uint8_t)*name++) * 16777619u;
	return h % BUCKETS;
}

static unsigned link_bucket(uint64_t link)
{
	return (unsigned)(link * 0x9e3779b97f4a7c15ull >> 51) % BUCKETS;
}

struct member *member_by_name(const struct cluster *cl, const char *name)
{
	struct member *m = cl->by_name[name_bucket(name)];

	while (m && strcmp(m->node.name, name))
		m = m->name_next;
	return m;
}

struct member *member_by_link(const struct cluster *cl, uint64_t link)
{
	struct member *m = link ? cl->by_link[link_bucket(link)] : NULL;

	while (m && m->node.link != link)
		m = m->link_next;
	return m;
}

struct member *member_by_tag(const struct cluster *cl, uint32_t tag)
{
	return tag && tag <= TAG_MAX ? cl->by_tag[tag] : NULL;
}

static node_id free_id(const struct cluster *cl)
{
	node_id id = 1;

	while (cl->by_id[id])
		id++;
	return id;
}

/* Memory for one member_new(). */
int member_prepare(struct cluster *cl)
{
	if (!cl->newcomer)
		cl->newcomer = calloc(1, sizeof(*cl->newcomer));
	return cl->newcomer ? 0 : -ENOMEM;
}

/* After member_prepare(); the caller has made sure of room. */
struct member *member_new(struct cluster *cl, const char *name)
{
	const struct route_set none = { .count = 0 };
	struct member *m = cl->newcomer, **bucket;

	assert(m && cl->n_members < NODES_MAX);
	cl->newcomer = NULL;
	list_init(&m->age);
	list_init(&m->queue);
	m->digest = route_digest(&none);
	m->node.id = free_id(cl);
	m->node.since_ns = cl->now;
	/* not yet any state's: member_set_state() comes next */
	m->node.state = NODE_LOST;
	strncpy(m->node.name, name, sizeof(m->node.name) - 1);
	bucket = &cl->by_name[name_bucket(name)];
	m->name_next = *bucket;
	*bucket = m;
	cl->by_id[m->node.id] = m;
	cl->members[cl->n_members++] = m;
	return m;
}

static void leave_names(struct cluster *cl, struct member *m)
{
	struct member **at = &cl->by_name[name_bucket(m->node.name)];

	while (*at != m)
		at = &(*at)->name_next;
	*at = m->name_next;
}

static void leave_links(struct cluster *cl, struct member *m)
{
	struct member **at = &cl->by_link[link_bucket(m->node.link)];

	while (*at != m)
		at = &(*at)->link_next;
	*at = m->link_next;
}

static void leave_members(struct cluster *cl, const struct member *m)
{
	unsigned i = 0;

	while (cl->members[i] != m)
		i++;
	cl->n_members--;
	memmove(&cl->members[i], &cl->members[i + 1],
		(cl->n_members - i) * sizeof(cl->members[0]));
}

void member_forget(struct cluster *cl, struct member *m)
{
	assert(!m->serves && !m->leaving);
	assert(!placement_has(cl->place, m->node.id));
	member_pardon(cl, m);
	list_leave(&m->queue);
	member_set_link(cl, m, 0);
	member_set_tag(cl, m, 0);
	leave_names(cl, m);
	leave_members(cl, m);
	cl->by_id[m->node.id] = NULL;
	cl->store_due = true;
	free(m);
}

void member_set_link(struct cluster *cl, struct member *m, uint64_t link)
{
	struct member **bucket;

	if (m->node.link)
		leave_links(cl, m);
	list_leave(&m->age);
	m->node.link = link;
	if (!link)
		return;
	bucket = &cl->by_link[link_bucket(link)];
	m->link_next = *bucket;
	*bucket = m;
	list_append(&cl->fresh, &m->age);
}

void member_set_tag(struct cluster *cl, struct member *m, uint32_t tag)
{
	if (m->node.tag)
		cl->by_tag[m->node.tag] = NULL;
	m->node.tag = tag;
	if (tag)
		cl->by_tag[tag] = m;
}

/* Rotates through the whole space: a tag rests as long as can be. */
uint32_t member_draw_tag(struct cluster *cl)
{
	do
		cl->next_tag = cl->next_tag % TAG_MAX + 1;
	while (cl->by_tag[cl->next_tag]);
	return cl->next_tag;
}

void member_set_state(struct cluster *cl, struct member *m,
		      enum node_state state)
{
	/* suspicion is of the moment: it holds doors, a store need not know */
	if (state == NODE_SUSPECT || m->node.state == NODE_SUSPECT)
		cl->moves_due = true;
	else
		cl->store_due = true;
	list_leave(&m->queue);
	if (state == NODE_JOINING)
		list_append(&cl->joiners, &m->queue);
	m->node.state = state;
	m->node.since_ns = cl->now;
	m->node.until_ns = 0;
}

bool member_is_alive(const struct member *m)
{
	return m->node.state != NODE_LOST &&
	       m->node.state != NODE_QUARANTINED &&
	       m->node.state != NODE_DRAINED;
}

bool member_is_active(const struct cluster *cl, const struct member *m)
{
	return placement_slot(cl->place, m->node.id) != 0;
}

bool member_is_suspended(const struct member *m)
{
	return m->node.state == NODE_SUSPECT || m->doom != LOST_NOT;
}

void member_doom(struct cluster *cl, struct member *m, enum lost_cause cause)
{
	if (m->doom != LOST_NOT)
		return;
	m->doom = cause;
	cl->n_doomed++;
	cl->moves_due = true;
}

void member_pardon(struct cluster *cl, struct member *m)
{
	if (m->doom == LOST_NOT)
		return;
	m->doom = LOST_NOT;
	cl->n_doomed--;
	cl->moves_due = true;
}
