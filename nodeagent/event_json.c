// SPDX-License-Identifier: GPL-2.0-or-later
#include "event_json.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *routes_json(const struct route_set *routes)
{
	json_t *list = json_array();
	struct route_range r;
	uint32_t at = 0;

	while (route_set_next_range(routes, &at, &r))
		json_array_append_new(list, json_pack("[ii]", r.first, r.last));
	return list;
}

static bool has_routes(enum agent_event_kind kind)
{
	return kind == AGENT_ASSIGNED || kind == AGENT_MOVING ||
	       kind == AGENT_MOVED || kind == AGENT_STAYS ||
	       kind == AGENT_FENCED;
}

static void add_details(json_t *o, const struct agent_event *e, uint64_t id)
{
	if (e->kind == AGENT_WELCOME) {
		json_object_set_new(o, "state",
				    json_string(node_state_name(e->state)));
		json_object_set_new(o, "slot", json_integer(e->slot));
	}
	if (has_routes(e->kind))
		json_object_set_new(o, "routes", routes_json(&e->routes));
	if (*e->reason)
		json_object_set_new(o, "reason", json_string(e->reason));
	if (id)
		json_object_set_new(o, "id", json_integer((json_int_t)id));
	if (e->kind == AGENT_MOVING)
		json_object_set_new(o, "deadline_ms",
				    json_integer(e->deadline_ms));
}

static char *with_newline(char *text)
{
	size_t len = text ? strlen(text) : 0;
	char *line = text ? realloc(text, len + 2) : NULL;

	if (!line) {
		free(text);
		return NULL;
	}
	strcpy(line + len, "\n");
	return line;
}

char *event_json(const struct agent_event *e, const struct event_origin *from,
		 uint64_t time_ms)
{
	json_t *o = json_pack(
		"{s:s, s:I, s:s, s:s, s:I}", "event", agent_event_name(e->kind),
		"time_ms", (json_int_t)time_ms, "node", from->node, "gateway",
		from->gateway, "version", (json_int_t)e->version);
	char *text;

	if (!o)
		return NULL;
	add_details(o, e, from->id);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return with_newline(text);
}

int event_json_parse_done(const char *line, uint64_t *id)
{
	json_t *o = json_loads(line, 0, NULL);
	json_t *done = json_object_get(o, "done");
	json_int_t n = json_integer_value(done);
	int ret = -EINVAL;

	if (json_is_integer(done) && n >= 0 && n <= (json_int_t)EVENT_ID_MAX) {
		*id = (uint64_t)n;
		ret = 0;
	}
	json_decref(o);
	return ret;
}
