// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A restart: what a store kept and what the plane still carries become the
 * cluster again (section 8 of the design). Nobody is moved here.
 */
#include "control/cluster_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "table/assign.h"

#define TAGS_UNSAVED 256 /* given since the last write, at most */

/* Positions 1..count, each taken once. */
struct places {
	node_id at[NODES_MAX];
	unsigned count;
};

static int take_place(struct places *p, unsigned place, node_id node)
{
	if (!place)
		return 0;
	if (place > NODES_MAX || p->at[place - 1])
		return -EINVAL;
	p->at[place - 1] = node;
	p->count++;
	return 0;
}

static bool is_dense(const struct places *p)
{
	for (unsigned i = 0; i < p->count; i++)
		if (!p->at[i])
			return false;
	return true;
}

static bool is_sound(const struct cluster *cl,
		     const struct cluster_saved_node *n)
{
	return memchr(n->name, 0, sizeof(n->name)) &&
	       node_name_is_valid(n->name) && !member_by_name(cl, n->name) &&
	       n->tag <= TAG_MAX && !member_by_tag(cl, n->tag) &&
	       (n->tag || !(n->slot || n->reserve_at)) &&
	       !(n->slot && n->reserve_at);
}

/* Out of the table: what it then was, without a connection. */
static enum node_state absent_state(const struct cluster_saved_node *n)
{
	return n->state == NODE_DRAINED ? NODE_DRAINED : NODE_LOST;
}

static int add_node(struct cluster *cl, const struct cluster_saved_node *n,
		    struct places *slots, struct places *reserves)
{
	struct member *m;
	int err;

	if (!is_sound(cl, n) || cl->n_members == NODES_MAX)
		return -EINVAL;
	err = member_prepare(cl);
	if (err)
		return err;
	m = member_new(cl, n->name);
	member_set_tag(cl, m, n->tag);
	memcpy(m->node.addr, n->addr, sizeof(m->node.addr));
	m->node.instance = n->instance;
	m->node.wish = n->wish;
	m->node.failures = n->failures;
	m->node.slot = n->slot;
	m->node.beat_ns = m->joined_ns = cl->now;
	m->barred = n->state == NODE_QUARANTINED;
	member_set_state(cl, m,
			 n->slot	 ? NODE_ACTIVE
			 : n->reserve_at ? NODE_RESERVE
					 : absent_state(n));
	return take_place(slots, n->slot, m->node.id)
		       ?: take_place(reserves, n->reserve_at, m->node.id);
}

static int add_nodes(struct cluster *cl, const struct cluster_saved *saved,
		     struct places *slots, struct places *reserves)
{
	for (uint32_t i = 0; i < saved->n_nodes; i++) {
		int err = add_node(cl, &saved->nodes[i], slots, reserves);

		if (err)
			return err;
	}
	if (!is_dense(slots) || !is_dense(reserves) ||
	    slots->count != saved->slots)
		return -EINVAL;
	return placement_restore(cl->place, slots->at, slots->count,
				 reserves->at, reserves->count);
}

static int add_all(struct cluster *cl, const struct cluster_saved *saved)
{
	struct places *places = calloc(2, sizeof(*places));
	int err;

	if (!places)
		return -ENOMEM;
	err = add_nodes(cl, saved, &places[0], &places[1]);
	free(places);
	return err;
}

static void forget_all(struct cluster *cl)
{
	placement_restore(cl->place, NULL, 0, NULL, 0);
	memset(cl->table->seat, 0,
	       (cl->table->seats + 1) * sizeof(cl->table->seat[0]));
	memset(cl->table->seat_of, 0,
	       (cl->table->routes + 1) * sizeof(cl->table->seat_of[0]));
	cl->table->version = 0;
	while (cl->n_members)
		member_forget(cl, cl->members[cl->n_members - 1]);
	cl->moves_due = cl->store_due = false;
}

/* ---- the kernel's copy is the newer one ---- */

static const struct table_seat *seat_named(const struct table *t,
					   const char *name)
{
	for (unsigned s = 1; s <= t->seats; s++)
		if (t->seat[s].tag && !strcmp(t->seat[s].name, name))
			return &t->seat[s];
	return NULL;
}

static void sit_down(struct cluster_saved_node *n, const struct table_seat *s)
{
	n->tag = s->tag;
	memcpy(n->addr, s->addr, sizeof(n->addr));
	n->state = NODE_ACTIVE;
	n->reserve_at = 0;
}

/* Who had a slot and serves nothing any more comes as a newcomer. */
static void keep_known(struct cluster_saved *out,
		       const struct cluster_saved *saved,
		       const struct table *carried)
{
	for (uint32_t i = 0; i < saved->n_nodes; i++) {
		struct cluster_saved_node n = saved->nodes[i];
		const struct table_seat *seat = seat_named(carried, n.name);

		if (n.slot && !seat)
			continue;
		n.slot = 0;
		if (seat)
			sit_down(&n, seat);
		out->nodes[out->n_nodes++] = n;
	}
}

static bool is_listed(const struct cluster_saved *out, uint32_t tag)
{
	for (uint32_t i = 0; i < out->n_nodes; i++)
		if (out->nodes[i].tag == tag)
			return true;
	return false;
}

static void add_unknown(struct cluster_saved *out, const struct table *carried)
{
	for (unsigned s = 1; s <= carried->seats; s++) {
		const struct table_seat *seat = &carried->seat[s];
		struct cluster_saved_node *n = &out->nodes[out->n_nodes];

		if (!seat->tag || !seat->name[0] || is_listed(out, seat->tag))
			continue;
		memset(n, 0, sizeof(*n));
		memcpy(n->name, seat->name, sizeof(n->name));
		sit_down(n, seat);
		out->n_nodes++;
	}
}

/* The reserve queue in its order, without those who serve by now. */
static void close_ranks(struct cluster_saved *out, uint32_t places)
{
	uint16_t last = 0;

	for (uint32_t at = 1; at <= places; at++)
		for (uint32_t i = 0; i < out->n_nodes; i++)
			if (out->nodes[i].reserve_at == at)
				out->nodes[i].reserve_at = ++last;
}

static struct cluster_saved_node *node_of_tag(struct cluster_saved *out,
					      uint32_t tag)
{
	for (uint32_t i = 0; i < out->n_nodes; i++)
		if (out->nodes[i].tag == tag)
			return &out->nodes[i];
	return NULL;
}

static unsigned count_serving(const struct cluster_saved *out)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < out->n_nodes; i++)
		n += out->nodes[i].state == NODE_ACTIVE;
	return n;
}

/* Each slot of T(N, n) to who serves a route of it: at rest that is exact,
 * during handovers as good as any. The rest sit down where there is room. */
static void take_slots(struct cluster_saved *out, const struct table *carried,
		       const struct assign *t, bool *taken)
{
	uint16_t free_slot = 1;

	for (unsigned r = 1; r <= carried->routes; r++) {
		const struct table_seat *seat =
			table_lookup(carried, (uint16_t)r);
		struct cluster_saved_node *n =
			seat ? node_of_tag(out, seat->tag) : NULL;
		uint16_t slot = assign_owner(t, (uint16_t)r);

		if (n && !n->slot && !taken[slot]) {
			n->slot = slot;
			taken[slot] = true;
		}
	}
	for (uint32_t i = 0; i < out->n_nodes; i++) {
		if (out->nodes[i].state != NODE_ACTIVE || out->nodes[i].slot)
			continue;
		while (taken[free_slot])
			free_slot++;
		out->nodes[i].slot = free_slot;
		taken[free_slot] = true;
	}
}

static int find_slots(struct cluster_saved *out, const struct table *carried)
{
	unsigned slots = count_serving(out);
	struct assign *t = assign_new(out->routes, slots ? slots : 1);
	bool *taken = calloc(slots + 2, sizeof(*taken));
	int err = t && taken ? assign_grow_to(t, slots) : -ENOMEM;

	if (!err)
		take_slots(out, carried, t, taken);
	out->slots = (uint16_t)slots;
	assign_free(t);
	free(taken);
	return err;
}

/* What a store would have kept if it had kept up with the kernel. */
static int catch_up(struct cluster_saved *out,
		    const struct cluster_saved *saved,
		    const struct table *carried)
{
	int err;

	*out = (struct cluster_saved){
		.version = carried->version,
		/* tags were given since; their flows may live */
		.next_tag = saved->next_tag + TAGS_UNSAVED,
		.routes = saved->routes,
		.frozen = saved->frozen,
	};
	out->nodes = calloc(saved->n_nodes + carried->seats + 1u,
			    sizeof(*out->nodes));
	if (!out->nodes)
		return -ENOMEM;
	keep_known(out, saved, carried);
	add_unknown(out, carried);
	close_ranks(out, saved->n_nodes);
	err = find_slots(out, carried);
	if (err)
		cluster_saved_fini(out);
	return err;
}

/* ---- the table ---- */

/* Served by the node that the plane has there, if it may go on. */
static uint32_t carried_tag(const struct cluster *cl,
			    const struct table *carried, unsigned r)
{
	const struct table_seat *seat =
		carried ? table_lookup(carried, (uint16_t)r) : NULL;
	const struct member *m = seat ? member_by_tag(cl, seat->tag) : NULL;

	if (!m || (!placement_has(cl->place, m->node.id) &&
		   m->node.state != NODE_DRAINED))
		return 0;
	return m->node.tag;
}

static uint32_t placed_tag(const struct cluster *cl, unsigned r)
{
	uint16_t slot = placement_owner(cl->place, (uint16_t)r);
	node_id id = slot ? placement_node(cl->place, slot) : 0;

	return id ? cl->by_id[id]->node.tag : 0;
}

/* Its routes were on their way: they still are. */
static void resume_drains(struct cluster *cl)
{
	for (unsigned r = 1; r <= cl->conf.routes; r++) {
		struct member *m = member_by_tag(cl, cl->served[r]);

		if (m && m->node.state == NODE_DRAINED)
			member_set_state(cl, m, NODE_DRAINING);
	}
}

static void publish_restored(struct cluster *cl, struct table *carried)
{
	for (unsigned r = 1; r <= cl->conf.routes; r++) {
		uint32_t tag = carried_tag(cl, carried, r);

		cl->served[r] = (uint16_t)(tag ? tag : placed_tag(cl, r));
		cl->since[r] = cl->table->version + 1;
	}
	resume_drains(cl);
	publish_table(cl, false);
}

static void await_return(struct cluster *cl, struct member *m)
{
	if (!placement_has(cl->place, m->node.id) && !m->serves)
		return;
	m->node.agent_away = true;
	m->rejoin_ns = cl->now + cl->conf.restart_grace_ns;
	m->node.until_ns = m->rejoin_ns;
	liveness_probe(cl, m);
}

/* The table that the plane has becomes the published one, so that seats stay
 * what they are there. */
static int start_from(struct cluster *cl, uint64_t version,
		      struct table *carried)
{
	struct table *t =
		carried ? table_copy(carried) : table_new(cl->conf.routes, 0);

	if (!t)
		return -ENOMEM;
	if (t->version < version)
		t->version = version;
	table_put(cl->table);
	cl->table = t;
	return 0;
}

static int restore(struct cluster *cl, const struct cluster_saved *saved,
		   struct table *carried, struct effects *fx)
{
	int err = add_all(cl, saved);

	if (!err)
		err = start_from(cl, saved->version, carried);
	if (!err)
		err = cluster_prepare(cl, cl->now, fx);
	if (err) {
		forget_all(cl);
		return err;
	}
	cl->next_tag = saved->next_tag % (TAG_MAX + 1);
	cl->frozen = saved->frozen;
	publish_restored(cl, carried);
	for (unsigned i = 0; i < cl->n_members; i++)
		await_return(cl, cl->members[i]);
	if (carried)
		cl->still_ns = cl->now + cl->conf.restart_grace_ns;
	return 0;
}

int cluster_restore(struct cluster *cl, const struct cluster_saved *saved,
		    struct table *carried, uint64_t now_ns, struct effects *fx)
{
	bool behind = carried && carried->version > saved->version;
	struct cluster_saved newer;
	int err;

	if (saved->routes != cl->conf.routes || cl->n_members ||
	    (carried && carried->routes != saved->routes))
		return -EINVAL;
	cl->now = now_ns;
	if (behind) {
		err = catch_up(&newer, saved, carried);
		if (err)
			return err;
		err = restore(cl, &newer, carried, fx);
		cluster_saved_fini(&newer);
	} else {
		err = restore(cl, saved, carried, fx);
	}
	if (err)
		return err;
	say_note(cl, NULL, NOTE_RESTORED,
		 behind ? "from the kernel, which is newer than the store"
			: "from the store");
	cluster_conclude(cl);
	return 0;
}
