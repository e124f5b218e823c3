// SPDX-License-Identifier: GPL-2.0-or-later
#include "control/cluster_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_worth_saving(const struct cluster *cl, const struct member *m)
{
	return placement_has(cl->place, m->node.id) ||
	       (!m->left && m->node.state != NODE_JOINING);
}

/* A stay in quarantine begins anew with the next HELLO; one that the operator
 * ordered is kept as what it is. */
static enum node_state lasting_state(const struct member *m)
{
	enum node_state state = m->node.state;

	if (state == NODE_SUSPECT)
		state = m->node.suspect_from;
	if (m->barred)
		return NODE_QUARANTINED;
	if (state == NODE_QUARANTINED)
		return NODE_LOST;
	return state == NODE_DRAINING ? NODE_DRAINED : state;
}

static void save_node(const struct cluster *cl, const struct member *m,
		      struct cluster_saved_node *out)
{
	memset(out, 0, sizeof(*out));
	memcpy(out->name, m->node.name, sizeof(out->name));
	memcpy(out->addr, m->node.addr, sizeof(out->addr));
	out->tag = m->node.tag;
	out->instance = m->node.instance;
	out->state = lasting_state(m);
	out->wish = m->node.wish;
	out->slot = m->node.slot;
	out->failures = m->node.failures;
	for (unsigned i = 0; i < placement_reserves(cl->place); i++)
		if (placement_reserve(cl->place, i) == m->node.id)
			out->reserve_at = (uint16_t)(i + 1);
}

int cluster_save(const struct cluster *cl, struct cluster_saved *out)
{
	struct cluster_saved s = { .version = cl->table->version,
				   .next_tag = cl->next_tag,
				   .routes = (uint16_t)cl->conf.routes,
				   .slots =
					   (uint16_t)placement_slots(cl->place),
				   .frozen = cl->frozen };

	s.nodes = malloc((cl->n_members + 1) * sizeof(*s.nodes));
	s.moving = malloc((cl->conf.routes + 1) * sizeof(*s.moving));
	if (!s.nodes || !s.moving) {
		cluster_saved_fini(&s);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < cl->n_members; i++)
		if (is_worth_saving(cl, cl->members[i]))
			save_node(cl, cl->members[i], &s.nodes[s.n_nodes++]);
	for (unsigned r = 1; r <= cl->conf.routes; r++)
		if (cl->moving[r])
			s.moving[s.n_moving++] = (uint16_t)r;
	*out = s;
	return 0;
}

void cluster_saved_fini(struct cluster_saved *saved)
{
	free(saved->nodes);
	free(saved->moving);
	memset(saved, 0, sizeof(*saved));
}

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
	while (cl->n_members)
		member_forget(cl, cl->members[cl->n_members - 1]);
	cl->moves_due = cl->store_due = false;
}

static void publish_restored(struct cluster *cl, uint64_t version)
{
	cl->table->version = version; /* not published: still ours alone */
	for (unsigned r = 1; r <= cl->conf.routes; r++) {
		uint16_t slot = placement_owner(cl->place, (uint16_t)r);
		node_id id = slot ? placement_node(cl->place, slot) : 0;

		cl->served[r] = id ? (uint16_t)cl->by_id[id]->node.tag : 0;
		cl->since[r] = version + 1;
	}
	publish_table(cl, true);
}

static void await_return(struct cluster *cl, struct member *m)
{
	if (!placement_has(cl->place, m->node.id))
		return;
	m->node.agent_away = true;
	m->rejoin_ns = cl->now + cl->conf.restart_grace_ns;
	m->node.until_ns = m->rejoin_ns;
	liveness_probe(cl, m);
}

int cluster_restore(struct cluster *cl, const struct cluster_saved *saved,
		    uint64_t now_ns, struct effects *fx)
{
	int err;

	if (saved->routes != cl->conf.routes || cl->n_members)
		return -EINVAL;
	cl->now = now_ns;
	err = add_all(cl, saved);
	if (!err)
		err = cluster_prepare(cl, now_ns, fx);
	if (err) {
		forget_all(cl);
		return err;
	}
	cl->next_tag = saved->next_tag % (TAG_MAX + 1);
	cl->frozen = saved->frozen;
	publish_restored(cl, saved->version);
	for (unsigned i = 0; i < cl->n_members; i++)
		await_return(cl, cl->members[i]);
	say_note(cl, NULL, NOTE_RESTORED, "from the store");
	cluster_conclude(cl);
	return 0;
}
