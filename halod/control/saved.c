// SPDX-License-Identifier: GPL-2.0-or-later
#include "control/cluster_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One that has left is, for as long as routes are still with it: else the next
 * halod would not know whose flows it finds. */
static bool is_worth_saving(const struct cluster *cl, const struct member *m)
{
	return placement_has(cl->place, m->node.id) || m->serves ||
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

static void save_node(const struct member *m, struct cluster_saved_node *out)
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
}

/* By id, since thousands may wait in the queue. */
static void save_nodes(const struct cluster *cl, struct cluster_saved *s)
{
	uint16_t reserve_at[NODES_MAX + 1] = { 0 };

	for (unsigned i = 0; i < placement_reserves(cl->place); i++)
		reserve_at[placement_reserve(cl->place, i)] = (uint16_t)(i + 1);
	for (unsigned i = 0; i < cl->n_members; i++) {
		const struct member *m = cl->members[i];

		if (!is_worth_saving(cl, m))
			continue;
		save_node(m, &s->nodes[s->n_nodes]);
		s->nodes[s->n_nodes++].reserve_at = reserve_at[m->node.id];
	}
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
	save_nodes(cl, &s);
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
