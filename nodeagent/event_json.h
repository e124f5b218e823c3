/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An event as the JSON line that halo-agent(8) documents.
 */
#ifndef HALO_NODEAGENT_EVENT_JSON_H
#define HALO_NODEAGENT_EVENT_JSON_H

#include "agent.h"

struct event_origin {
	const char *node, *gateway;
	uint64_t id; /* of the handover, among all gateways'; 0: none */
};

#define EVENT_ID_MAX ((1ull << 34) - 1) /* a JSON number everywhere */

/* Ends in a newline; free() it. NULL: no memory. */
char *event_json(const struct agent_event *e, const struct event_origin *from,
		 uint64_t time_ms);
/* {"done":ID}: 0 or -EINVAL */
int event_json_parse_done(const char *line, uint64_t *id);

#endif
