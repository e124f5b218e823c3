// SPDX-License-Identifier: GPL-2.0-or-later
#include "notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

static enum log_level level_of(enum note_kind kind)
{
	switch (kind) {
	case NOTE_PANIC:
	case NOTE_UNOWNED:
	case NOTE_APPLY_FAILED:
	case NOTE_REPAIR_FAILED:
		return LOG_LEVEL_ERROR;
	case NOTE_LOST:
	case NOTE_SUSPECT:
	case NOTE_AGENT_AWAY:
	case NOTE_QUARANTINED:
	case NOTE_REFUSED_NODE:
	case NOTE_DIVERGED:
	case NOTE_FROZEN:
	case NOTE_REPAIRED:
		return LOG_LEVEL_WARN;
	default:
		return LOG_LEVEL_INFO;
	}
}

/* key=value pairs of which the empty ones are left out. */
struct pairs {
	char text[512];
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void add(struct pairs *p,
						      const char *fmt, ...)
{
	size_t room = sizeof(p->text) - p->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(p->text + p->len, room, fmt, ap);
	va_end(ap);
	p->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void add_name(struct pairs *p, const char *key, const char *value)
{
	if (*value)
		add(p, "%s=%s ", key, value);
}

void notes_log(const struct note *n)
{
	struct pairs p = { .len = 0 };
	char routes[128];

	if (!log_enabled(level_of(n->kind)))
		return;
	add_name(&p, "node", n->node);
	if (n->slot)
		add(&p, "slot=%u ", n->slot);
	add_name(&p, "from", n->from);
	add_name(&p, "to", n->to);
	if (n->routes.count)
		add(&p, "routes=%s count=%u reason=%s ",
		    route_set_format(&n->routes, routes, sizeof(routes)),
		    n->routes.count, move_reason_name(n->reason));
	if (n->ms)
		add(&p, "ms=%llu ", (unsigned long long)n->ms);
	add(&p, "version=%llu", (unsigned long long)n->version);
	if (*n->event)
		add(&p, " event=\"%s\"", n->event);
	if (*n->why)
		add(&p, " why=\"%s\"", n->why);
	log_event(level_of(n->kind), note_kind_name(n->kind), "%s", p.text);
}
