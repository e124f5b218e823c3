/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "control/loss.h"

#include <assert.h>
#include <errno.h>

#include "base/units.h"

static node_id owner(const struct placement *p, unsigned route)
{
	uint16_t slot = placement_owner(p, (uint16_t)route);

	return slot ? placement_node(p, slot) : 0;
}

static void compare(const struct placement *before,
		    const struct placement *after, struct loss *out)
{
	bool takes[NODES_MAX + 1] = { false };

	for (unsigned r = 1; r <= placement_routes(before); r++) {
		node_id to = owner(after, r);

		if (owner(before, r) == to)
			continue;
		out->moved++;
		out->takers += to && !takes[to];
		takes[to] = true;
	}
}

int loss_foresee(const struct placement *p, node_id node, struct loss *out)
{
	struct placement_batch batch = { .gone = &node, .n_gone = 1 };
	uint16_t slot = placement_slot(p, node);
	struct loss loss = { .routes = 0 };
	struct placement *after;
	int err;

	if (slot)
		loss.routes = placement_owned(p, slot).count;
	after = placement_copy(p);
	if (!after)
		return -ENOMEM;
	err = placement_apply(after, &batch);
	assert(!err);
	(void)err;
	if (slot && slot <= placement_slots(after))
		loss.successor = placement_node(after, slot);
	compare(p, after, &loss);
	placement_free(after);
	*out = loss;
	return 0;
}
