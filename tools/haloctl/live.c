// SPDX-License-Identifier: GPL-2.0-or-later
#include "live.h"

#include <stdlib.h>
#include <string.h>

#include "print.h"
#include "table.h"

static int not_understood(struct haloctl *ctl)
{
	return haloctl_fail(ctl, HALOCTL_FAILED,
			    &(struct haloctl_error){
				    .what = "cannot begin with the table of",
				    .object = ctl->socket,
				    .why = "it names no place of a node, or "
					   "one twice",
				    .advice = "haloctl --version" });
}

/* Puts name at place 1..n; false when it cannot be there. */
static bool put(char (*names)[NODE_NAME_MAX], size_t n, long long place,
		const char *name)
{
	if (place < 1 || place > (long long)n || *names[place - 1] ||
	    strlen(name) >= NODE_NAME_MAX)
		return false;
	strcpy(names[place - 1], name);
	return true;
}

static bool fill(struct live *live, const json_t *nodes)
{
	size_t n = json_array_size(nodes), i;
	const json_t *node;

	json_array_foreach(nodes, i, node)
	{
		long long slot = print_number(node, "slot");
		long long at = print_number(node, "reserve_at");
		const char *name = print_text(node, "name");

		if (slot && !put(live->slots, n, slot, name))
			return false;
		if (at && !put(live->in_reserve, n, at, name))
			return false;
		live->start.n_slots += slot != 0;
		live->start.n_reserve += at != 0;
	}
	return true;
}

int live_ask(struct haloctl *ctl, struct live *out)
{
	json_t *table;
	struct live live = { .slots = NULL };
	int err = table_ask(ctl, &table);
	size_t n;

	if (err)
		return err;
	n = json_array_size(json_object_get(table, "nodes")) + 1;
	live.slots = calloc(n, sizeof(*live.slots));
	live.in_reserve = calloc(n, sizeof(*live.in_reserve));
	live.start.slots = (const char(*)[NODE_NAME_MAX])live.slots;
	live.start.in_reserve = (const char(*)[NODE_NAME_MAX])live.in_reserve;
	live.start.routes = (unsigned)print_number(table, "routes");
	live.start.reserve = (unsigned)print_number(table, "reserve_wanted");
	if (!live.slots || !live.in_reserve || !live.start.routes ||
	    live.start.routes > ROUTES_MAX ||
	    !fill(&live, json_object_get(table, "nodes")))
		err = not_understood(ctl);
	json_decref(table);
	if (err)
		live_fini(&live);
	else
		*out = live;
	return err;
}

void live_fini(struct live *live)
{
	free(live->slots);
	free(live->in_reserve);
}
