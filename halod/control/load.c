// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A table that another gateway wrote down becomes ours (section 8 of the
 * design). On a gateway where nobody has a slot its nodes get the places they
 * had there, those that are not here yet a restart_grace to come. Where nodes
 * serve, the operator must have said so, and only nodes that are here take
 * part: routes go by handovers, none is ever given to a node nobody has seen.
 */
#include "control/cluster_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int refuse(struct cluster *cl, int err, const char *node,
		  const char *why)
{
	snprintf(cl->refusal_text, sizeof(cl->refusal_text), "%s%s%s", node,
		 *node ? " " : "", why);
	cl->refusal = cl->refusal_text;
	return err;
}

static bool has_place(const struct cluster_saved_node *n)
{
	return n->slot || n->reserve_at;
}

static bool shares_address(const struct addr *a, const struct addr *b)
{
	for (int f = 0; f < FAMILIES; f++)
		if (addr_is_set(&a[f]) && addr_equal(&a[f], &b[f]))
			return true;
	return false;
}

static bool has_address(const struct cluster_saved_node *n)
{
	return addr_is_set(&n->addr[FAMILY_V4]) ||
	       addr_is_set(&n->addr[FAMILY_V6]);
}

/* A node that is here and whom the table does not name has its address. */
static bool address_is_taken(const struct cluster *cl,
			     const struct cluster_saved_node *n)
{
	for (unsigned i = 0; i < cl->n_members; i++) {
		const struct member *m = cl->members[i];

		if (m->node.link && strcmp(m->node.name, n->name) &&
		    shares_address(m->node.addr, n->addr))
			return true;
	}
	return false;
}

/* Of one node, whatever the others are. */
static int check_node(struct cluster *cl, const struct cluster_saved_node *n)
{
	if (!memchr(n->name, 0, sizeof(n->name)) ||
	    !node_name_is_valid(n->name))
		return refuse(cl, -EINVAL, "", "a node has no valid name");
	if (n->slot && n->reserve_at)
		return refuse(cl, -EINVAL, n->name,
			      "has a slot and waits in reserve");
	if (has_place(n) && !has_address(n))
		return refuse(cl, -EINVAL, n->name, "has no address");
	if (has_place(n) && address_is_taken(cl, n))
		return refuse(cl, -EBUSY, n->name,
			      "has the address of another node that is here");
	return 0;
}

/* Positions 1..count, each taken once, by index in saved->nodes. */
static int check_places(struct cluster *cl, const struct cluster_saved *saved)
{
	static const char twice[] = "has a place that is another's, too";
	bool slots[NODES_MAX + 1] = { false }, queue[NODES_MAX + 1] = { false };
	unsigned n_slots = 0, n_queue = 0;

	for (uint32_t i = 0; i < saved->n_nodes; i++) {
		const struct cluster_saved_node *n = &saved->nodes[i];

		if (n->slot > NODES_MAX || n->reserve_at > NODES_MAX ||
		    (n->slot && slots[n->slot]) ||
		    (n->reserve_at && queue[n->reserve_at]))
			return refuse(cl, -EINVAL, n->name, twice);
		slots[n->slot] = queue[n->reserve_at] = true;
		n_slots += n->slot != 0;
		n_queue += n->reserve_at != 0;
	}
	for (unsigned s = 1; s <= n_slots; s++)
		if (!slots[s])
			return refuse(cl, -EINVAL, "", "a slot is missing");
	for (unsigned q = 1; q <= n_queue; q++)
		if (!queue[q])
			return refuse(cl, -EINVAL, "",
				      "a place in reserve is missing");
	return n_slots == saved->slots
		       ? 0
		       : refuse(cl, -EINVAL, "",
				"it has another number of slots than it says");
}

static unsigned strangers(const struct cluster *cl,
			  const struct cluster_saved *saved)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < saved->n_nodes; i++)
		n += !member_by_name(cl, saved->nodes[i].name);
	return n;
}

static int check_table(struct cluster *cl, const struct cluster_saved *saved)
{
	int err = 0;

	if (saved->routes != cl->conf.routes)
		return refuse(cl, -EINVAL, "",
			      "it has another number of routes than this "
			      "gateway");
	if (saved->version >= VERSION_LOADED_MAX)
		return refuse(cl, -EINVAL, "", "its version cannot be");
	if (saved->n_nodes > NODES_MAX ||
	    strangers(cl, saved) > NODES_MAX - cl->n_members)
		return refuse(cl, -EBUSY, "", "there is no room for its nodes");
	for (uint32_t i = 0; !err && i < saved->n_nodes; i++)
		err = check_node(cl, &saved->nodes[i]);
	return err ? err : check_places(cl, saved);
}

static bool is_well(const struct cluster *cl, const struct member *m)
{
	return m && m->doom == LOST_NOT && !m->barred &&
	       (m->node.state == NODE_ACTIVE || m->node.state == NODE_RESERVE ||
		m->node.state == NODE_JOINING) &&
	       admission_is_ready(cl, m);
}

/* Live routes would move: whoever takes part must be here and well. */
static int check_live(struct cluster *cl, const struct cluster_saved *saved)
{
	if (cluster_is_frozen(cl))
		return refuse(cl, -EPERM, "", "the cluster is frozen: thaw it");
	for (unsigned i = 0; i < cl->n_members; i++) {
		const struct member *m = cl->members[i];

		if (placement_has(cl->place, m->node.id) && !is_well(cl, m))
			return refuse(cl, -EBUSY, m->node.name,
				      "is active here, but not well: wait");
	}
	for (uint32_t i = 0; i < saved->n_nodes; i++) {
		const char *name = saved->nodes[i].name;

		if (has_place(&saved->nodes[i]) &&
		    !is_well(cl, member_by_name(cl, name)))
			return refuse(cl, -EBUSY, name,
				      "is not here, or not well, and live "
				      "routes would go to it");
	}
	return 0;
}

static int check(struct cluster *cl, const struct event *ev)
{
	int err = check_table(cl, ev->saved);

	if (err || !placement_slots(cl->place))
		return err;
	if (!ev->ok)
		return refuse(cl, -EBUSY, "",
			      "nodes serve here: their routes would move");
	return check_live(cl, ev->saved);
}

/* The nodes that were not known here, the last ones of members[]. */
static void forget_strangers(struct cluster *cl, unsigned n_members)
{
	while (cl->n_members > n_members)
		member_forget(cl, cl->members[cl->n_members - 1]);
}

static void add_stranger(struct cluster *cl, const struct cluster_saved_node *n)
{
	struct member *m = member_new(cl, n->name);

	m->node.instance = n->instance;
	m->node.wish = n->wish;
	m->node.failures = n->failures;
	memcpy(m->node.addr, n->addr, sizeof(m->node.addr));
	m->barred = n->state == NODE_QUARANTINED;
	m->node.state = n->state == NODE_DRAINED ? NODE_DRAINED : NODE_LOST;
}

static int add_strangers(struct cluster *cl, const struct cluster_saved *saved)
{
	for (unsigned i = 0; i < cl->n_members; i++)
		cl->members[i]->named = false;
	for (uint32_t i = 0; i < saved->n_nodes; i++) {
		const struct cluster_saved_node *n = &saved->nodes[i];
		int err = member_prepare(cl);

		if (err)
			return err;
		if (!member_by_name(cl, n->name))
			add_stranger(cl, n);
		if (member_by_name(cl, n->name)->named)
			return refuse(cl, -EINVAL, n->name, "stands twice");
		member_by_name(cl, n->name)->named = true;
	}
	return 0;
}

/* Who loses its place here registers anew. */
static void clear_places(struct cluster *cl)
{
	for (unsigned i = 0; i < cl->n_members; i++) {
		struct member *m = cl->members[i];

		m->arrival = ARRIVAL_NONE;
		m->node.slot = 0;
		if (placement_has(cl->place, m->node.id))
			admission_register(cl, m);
	}
	placement_restore(cl->place, NULL, 0, NULL, 0);
}

/* A new life unless routes of the last one are still with it. */
static void take_place(struct cluster *cl, struct member *m,
		       const struct cluster_saved_node *n)
{
	if (!m->serves)
		member_set_tag(cl, m, member_draw_tag(cl));
	if (!m->node.link)
		memcpy(m->node.addr, n->addr, sizeof(m->node.addr));
	member_pardon(cl, m);
	m->barred = m->left = m->probing = false;
	m->node.cause = LOST_NOT;
	m->node.slot = n->slot;
	m->arrival = ARRIVAL_LOAD;
	m->joined_ns = cl->now;
	m->assigned_version = 0;
	member_set_state(cl, m, n->slot ? NODE_ACTIVE : NODE_RESERVE);
	if (m->node.link && m->node.health == HEALTH_DOWN)
		member_doom(cl, m, LOST_SERVER);
	if (m->node.link)
		return;
	m->node.beat_ns = cl->now;
	m->node.agent_away = true;
	m->rejoin_ns = cl->now + cl->conf.restart_grace_ns;
	m->node.until_ns = m->rejoin_ns;
}

static void take_places(struct cluster *cl, const struct cluster_saved *saved)
{
	unsigned queued = 0;

	clear_places(cl);
	for (uint32_t i = 0; i < saved->n_nodes; i++) {
		const struct cluster_saved_node *n = &saved->nodes[i];
		struct member *m = member_by_name(cl, n->name);

		if (!has_place(n))
			continue;
		if (n->slot) {
			cl->batch_active[n->slot - 1] = m->node.id;
		} else {
			cl->batch_reserve[n->reserve_at - 1] = m->node.id;
			queued++;
		}
		take_place(cl, m, n);
	}
	placement_restore(cl->place, cl->batch_active, saved->slots,
			  cl->batch_reserve, queued);
}

/* Any route may move. */
static int make_room(struct cluster *cl)
{
	int err;

	cl->loading = true;
	err = cluster_prepare(cl, cl->now, cl->fx);
	cl->loading = false;
	return err;
}

int load_run(struct cluster *cl, const struct event *ev)
{
	unsigned n_members = cl->n_members;
	int err;

	cl->refusal = NULL;
	err = check(cl, ev);
	if (err || ev->rehearse)
		return err;
	err = add_strangers(cl, ev->saved);
	if (!err)
		err = make_room(cl);
	if (err) {
		forget_strangers(cl, n_members);
		return err;
	}
	take_places(cl, ev->saved);
	if (cl->version_floor < ev->saved->version)
		cl->version_floor = ev->saved->version;
	cl->publish_due = cl->moves_due = cl->store_due = true;
	say_note(cl, NULL, NOTE_RESTORED, "a table was loaded by the operator");
	cluster_conclude(cl);
	return 0;
}
