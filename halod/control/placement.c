/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "control/placement.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

/* Owned by its holder. A node is in at most one of node_of[] and queue[]. */
struct placement {
	struct assign *assign;
	unsigned n_queue;
	bool has[NODES_MAX + 1];	 /* by node */
	uint16_t slot_of[NODES_MAX + 1]; /* by node; 0: none */
	node_id node_of[NODES_MAX + 1];	 /* by slot, 1..n */
	node_id queue[NODES_MAX];	 /* reserves, head first */
};

/* Which nodes a list has named so far. */
struct roll {
	bool named[NODES_MAX + 1];
};

struct placement *placement_new(unsigned routes)
{
	struct placement *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->assign = assign_new(routes, NODES_MAX);
	if (!p->assign) {
		free(p);
		return NULL;
	}
	return p;
}

struct placement *placement_copy(const struct placement *p)
{
	struct placement *copy = malloc(sizeof(*copy));

	if (!copy)
		return NULL;
	*copy = *p;
	copy->assign = assign_copy(p->assign);
	if (!copy->assign) {
		free(copy);
		return NULL;
	}
	return copy;
}

void placement_free(struct placement *p)
{
	if (!p)
		return;
	assign_free(p->assign);
	free(p);
}

/* False when the id is no node's or was named before. */
static bool roll_name(struct roll *roll, node_id node)
{
	if (node == 0 || node > NODES_MAX || roll->named[node])
		return false;
	roll->named[node] = true;
	return true;
}

static bool roll_name_all(struct roll *roll, const node_id *nodes, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!roll_name(roll, nodes[i]))
			return false;
	return true;
}

static void resize(struct assign *a, unsigned slots)
{
	assert(slots <= NODES_MAX);
	assign_grow_to(a, slots);
	while (assign_slots(a) > slots)
		assign_shrink(a);
}

static void seat(struct placement *p, unsigned slot, node_id node)
{
	p->node_of[slot] = node;
	p->slot_of[node] = (uint16_t)slot;
	p->has[node] = true;
}

static void enqueue(struct placement *p, const node_id *nodes, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		p->queue[p->n_queue++] = nodes[i];
		p->has[nodes[i]] = true;
	}
}

static void dequeue(struct placement *p, unsigned heads)
{
	p->n_queue -= heads;
	memmove(p->queue, p->queue + heads, sizeof(*p->queue) * p->n_queue);
}

int placement_restore(struct placement *p, const node_id *slots, unsigned n,
		      const node_id *reserve, unsigned n_reserve)
{
	struct roll roll = { 0 };

	if (!roll_name_all(&roll, slots, n) ||
	    !roll_name_all(&roll, reserve, n_reserve))
		return -EINVAL;
	*p = (struct placement){ .assign = p->assign };
	for (unsigned i = 0; i < n; i++)
		seat(p, i + 1, slots[i]);
	enqueue(p, reserve, n_reserve);
	resize(p->assign, n);
	return 0;
}

static int check_batch(const struct placement *p,
		       const struct placement_batch *batch)
{
	struct roll joining = { 0 }, leaving = { 0 };

	for (node_id node = 1; node <= NODES_MAX; node++)
		joining.named[node] = p->has[node];
	if (!roll_name_all(&joining, batch->active, batch->n_active) ||
	    !roll_name_all(&joining, batch->reserve, batch->n_reserve) ||
	    !roll_name_all(&leaving, batch->gone, batch->n_gone))
		return -EINVAL;
	for (unsigned i = 0; i < batch->n_gone; i++)
		if (!joining.named[batch->gone[i]])
			return -EINVAL;
	return 0;
}

/* Returns how many slots their nodes have left empty. */
static unsigned leave(struct placement *p, const node_id *gone, unsigned n)
{
	unsigned empty = 0;

	for (unsigned i = 0; i < n; i++) {
		uint16_t slot = p->slot_of[gone[i]];

		p->has[gone[i]] = false;
		p->slot_of[gone[i]] = 0;
		p->node_of[slot] = 0;
		empty += slot != 0;
	}
	return empty;
}

static void drop_gone_reserves(struct placement *p)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < p->n_queue; i++)
		if (p->has[p->queue[i]])
			p->queue[kept++] = p->queue[i];
	p->n_queue = kept;
}

/* Fills the empty ones of slots 1..n, ascending: from the head of the reserve
 * queue, then from the nodes in slots n+1..last, highest first. */
static void fill_empty_slots(struct placement *p, unsigned n, unsigned last)
{
	unsigned heads = 0;

	for (unsigned slot = 1; slot <= n; slot++) {
		if (p->node_of[slot])
			continue;
		if (heads < p->n_queue) {
			seat(p, slot, p->queue[heads++]);
			continue;
		}
		while (!p->node_of[last])
			last--;
		seat(p, slot, p->node_of[last]);
		p->node_of[last--] = 0;
	}
	dequeue(p, heads);
}

int placement_apply(struct placement *p, const struct placement_batch *batch)
{
	unsigned n = placement_slots(p), empty, shrunk;
	int err = check_batch(p, batch);

	if (err)
		return err;
	for (unsigned i = 0; i < batch->n_active; i++)
		seat(p, ++n, batch->active[i]);
	enqueue(p, batch->reserve, batch->n_reserve);
	empty = leave(p, batch->gone, batch->n_gone);
	drop_gone_reserves(p);
	shrunk = empty > p->n_queue ? n - (empty - p->n_queue) : n;
	fill_empty_slots(p, shrunk, n);
	resize(p->assign, shrunk);
	return 0;
}

int placement_replace(struct placement *p, node_id from, node_id to)
{
	uint16_t slot;

	if (!from || !to || from > NODES_MAX || to > NODES_MAX ||
	    !p->slot_of[from] || p->slot_of[to])
		return -EINVAL;
	slot = p->slot_of[from];
	p->has[to] = false;
	drop_gone_reserves(p);
	leave(p, &from, 1);
	seat(p, slot, to);
	return 0;
}

unsigned placement_routes(const struct placement *p)
{
	return assign_routes(p->assign);
}

unsigned placement_slots(const struct placement *p)
{
	return assign_slots(p->assign);
}

unsigned placement_reserves(const struct placement *p)
{
	return p->n_queue;
}

node_id placement_node(const struct placement *p, uint16_t slot)
{
	assert(slot >= 1 && slot <= placement_slots(p));
	return p->node_of[slot];
}

uint16_t placement_slot(const struct placement *p, node_id node)
{
	assert(node <= NODES_MAX);
	return p->slot_of[node];
}

node_id placement_reserve(const struct placement *p, unsigned i)
{
	assert(i < p->n_queue);
	return p->queue[i];
}

bool placement_has(const struct placement *p, node_id node)
{
	assert(node <= NODES_MAX);
	return p->has[node];
}

uint16_t placement_owner(const struct placement *p, uint16_t route)
{
	return assign_owner(p->assign, route);
}

struct route_set placement_owned(const struct placement *p, uint16_t slot)
{
	return assign_owned(p->assign, slot);
}

bool placement_takes_active(const struct placement *p, unsigned extra_active,
			    unsigned extra_reserve, unsigned reserve_wanted,
			    enum node_wish wish)
{
	unsigned active = placement_slots(p) + extra_active;

	if (wish == WISH_RESERVE || active >= placement_routes(p))
		return false;
	if (wish == WISH_ACTIVE || active == 0)
		return true;
	return p->n_queue + extra_reserve >= reserve_wanted;
}
