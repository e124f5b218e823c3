// SPDX-License-Identifier: GPL-2.0-or-later
#include "view.h"

#include <stdio.h>
#include <time.h>

json_t *view_string(const char *text)
{
	json_t *value = text && *text ? json_string(text) : json_null();

	/* what an agent called its reason need not be UTF-8 */
	return value ? value : json_string("(not text)");
}

json_t *view_number(uint64_t value)
{
	return value ? json_integer((json_int_t)value) : json_null();
}

const char *view_wish(enum node_wish wish)
{
	return wish == WISH_ACTIVE    ? "active"
	       : wish == WISH_RESERVE ? "reserve"
				      : "none";
}

json_t *view_addrs(const struct addr addrs[FAMILIES])
{
	json_t *list = json_array();
	char text[ADDR_STRLEN];

	for (unsigned i = 0; i < FAMILIES; i++) {
		if (addr_is_set(&addrs[i]))
			json_array_append_new(list, json_string(addr_format(
							    &addrs[i], text)));
	}
	return list;
}

json_t *view_ranges(const struct route_set *routes, unsigned max)
{
	json_t *list = json_array();
	struct route_range r;
	uint32_t at = 0;

	while (max-- && route_set_next_range(routes, &at, &r))
		json_array_append_new(list, json_pack("[ii]", r.first, r.last));
	return list;
}

json_t *view_time(uint64_t epoch_ms)
{
	time_t seconds = (time_t)(epoch_ms / 1000);
	char text[40], whole[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(whole, sizeof(whole), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03uZ", whole,
		 (unsigned)(epoch_ms % 1000));
	return json_string(text);
}

static json_t *ms_since(uint64_t then_ns, uint64_t now_ns)
{
	if (!then_ns || then_ns > now_ns)
		return json_null();
	return json_integer((json_int_t)((now_ns - then_ns) / NS_PER_MS));
}

json_t *view_node(const struct node *n, unsigned routes, uint64_t now_ns)
{
	return json_pack("{s:s, s:s, s:o, s:i, s:o, s:s, s:I, s:b, s:o, s:o, "
			 "s:o}",
			 "name", n->name, "state", node_state_name(n->state),
			 "slot", view_number(n->slot), "routes", (int)routes,
			 "addresses", view_addrs(n->addr), "health",
			 node_health_name(n->health), "connections",
			 (json_int_t)n->connections, "connected", n->link != 0,
			 "silent_ms", ms_since(n->beat_ns, now_ns), "since_ms",
			 ms_since(n->since_ns, now_ns), "tag",
			 view_number(n->tag));
}

void view_add(json_t *object, json_t *take_more)
{
	json_object_update(object, take_more);
	json_decref(take_more);
}
