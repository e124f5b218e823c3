/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who sits in which slot, and who waits in reserve: T(N, n) plus the batch
 * rule of section 2 of the design. Knows no time, no state of a node, no
 * handover; cluster (the daemon's core) and simulate both run on it.
 */
#ifndef HALO_CONTROL_PLACEMENT_H
#define HALO_CONTROL_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "table/assign.h"
#include "wire/message.h"

typedef uint16_t node_id; /* 1..NODES_MAX, chosen by the caller; 0: nobody */

struct placement;

struct placement_batch {
	const node_id *active; /* joiners that take a new slot, in order */
	unsigned n_active;
	const node_id *reserve; /* joiners to the reserve queue's tail */
	unsigned n_reserve;
	const node_id *gone; /* deaths or drains: active or reserve nodes */
	unsigned n_gone;
};

/* NULL: no memory. */
struct placement *placement_new(unsigned routes);
struct placement *placement_copy(const struct placement *p);
void placement_free(struct placement *p); /* NULL is fine */

/* Replace all by what a store kept: slots 1..n in order, then the reserve
 * queue, head first. -EINVAL (a node stands twice, an id is not 1..NODES_MAX)
 * changes nothing. */
int placement_restore(struct placement *p, const node_id *slots, unsigned n,
		      const node_id *reserve, unsigned n_reserve);

/*
 * One batch: joins first, then the gone. All or nothing: -EINVAL (a joiner that
 * is already there, a gone node that is neither there nor a joiner of this
 * batch, one node twice in a list, an id beyond NODES_MAX) changes nothing.
 * Never allocates. More active nodes than N are legal: the slots beyond N own
 * no route (placement_takes_active() is what keeps a cluster from that).
 */
int placement_apply(struct placement *p, const struct placement_batch *batch);

/* `to`, a reserve or nobody's so far, takes the slot of `from`, which leaves:
 * only the routes of `from` change their node. -EINVAL (from has no slot, to
 * has one, an id beyond NODES_MAX) changes nothing. */
int placement_replace(struct placement *p, node_id from, node_id to);

unsigned placement_routes(const struct placement *p);
unsigned placement_slots(const struct placement *p);
unsigned placement_reserves(const struct placement *p);
node_id placement_node(const struct placement *p, uint16_t slot); /* 1..n */
uint16_t placement_slot(const struct placement *p, node_id node); /* 0: none */
node_id placement_reserve(const struct placement *p, unsigned i); /* 0 = head */
bool placement_has(const struct placement *p, node_id node);
uint16_t placement_owner(const struct placement *p, uint16_t route); /* slot */
struct route_set placement_owned(const struct placement *p, uint16_t slot);

/*
 * The rule of section 2 for a node that registers, counting those already
 * chosen in the same batch (extra_active, extra_reserve): true = active.
 * A wish for reserve is always granted, one for active up to N active nodes;
 * pass WISH_NONE to have a node serve rather than nobody.
 */
bool placement_takes_active(const struct placement *p, unsigned extra_active,
			    unsigned extra_reserve, unsigned reserve_wanted,
			    enum node_wish wish);

#endif
