// SPDX-License-Identifier: GPL-2.0-or-later
#include "event.h"

#include <string.h>

#include "print.h"

#define RANGES_WIDTH 48

static const char *colour_of(const char *kind)
{
	static const struct {
		const char *kind, *colour;
	} colours[] = {
		{ "joined", "green" },	    { "recovered", "green" },
		{ "agent-back", "green" },  { "undrained", "green" },
		{ "restored", "green" },    { "suspect", "yellow" },
		{ "agent-away", "yellow" }, { "diverged", "yellow" },
		{ "frozen", "yellow" },	    { "draining", "yellow" },
		{ "lost", "red" },	    { "quarantined", "red" },
		{ "unowned", "red" },	    { "panic", "red" },
		{ "apply-failed", "red" },  { "refused", "red" },
		{ "moving", "cyan" },	    { "moved", "cyan" },
		{ "reserved", "cyan" },	    { "repaired", "yellow" },
		{ "repair-failed", "red" },
	};

	for (unsigned i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
		if (!strcmp(kind, colours[i].kind))
			return colours[i].colour;
	}
	return NULL;
}

/* "2026-11-21T03:04:05.123Z" reads better with a blank and without the Z. */
static void print_time(struct haloctl *ctl, const json_t *event)
{
	char text[32];

	snprintf(text, sizeof(text), "%s", print_text(event, "time"));
	text[strcspn(text, "T")] = ' ';
	text[strcspn(text, "Z")] = 0;
	print_coloured(ctl, "darkgray", text, 0);
}

/* "node, 3 routes 1-3, join": sep is what stands before the next part. */
static const char *print_places(struct haloctl *ctl, const json_t *event)
{
	const char *node = print_text(event, "node");
	const char *from = print_text(event, "from");
	const char *to = print_text(event, "to");

	if (*from || *to)
		fprintf(ctl->out, "%s -> %s", *from ? from : "nobody",
			*to ? to : "nobody");
	else if (*node)
		fputs(node, ctl->out);
	return *from || *to || *node ? ", " : "";
}

static const char *print_routes(struct haloctl *ctl, const json_t *event,
				const char *sep)
{
	long long count = print_number(event, "count");
	char ranges[RANGES_WIDTH];

	if (!count)
		return sep;
	fprintf(ctl->out, "%s%lld route%s %s", sep, count,
		count == 1 ? "" : "s",
		print_ranges(json_object_get(event, "routes"), ranges,
			     sizeof(ranges)));
	return ", ";
}

/* Unless why begins with the same word. */
static const char *reason_of(const json_t *event)
{
	const char *reason = print_text(event, "reason");

	return strncmp(print_text(event, "why"), reason, strlen(reason))
		       ? reason
		       : "";
}

static const char *print_details(struct haloctl *ctl, const json_t *event,
				 const char *sep)
{
	long long slot = print_number(event, "slot");
	const char *reason = reason_of(event);
	long long ms = print_number(event, "ms");
	char text[PRINT_UNIT_MAX];

	if (slot)
		fprintf(ctl->out, "%sslot %lld", sep, slot);
	sep = slot ? ", " : sep;
	if (*reason)
		fprintf(ctl->out, "%s%s", sep, reason);
	sep = *reason ? ", " : sep;
	if (ms)
		fprintf(ctl->out, "%s%s", sep, print_duration(ms, text));
	return ms ? ", " : sep;
}

static const char *print_us(long long us, char *out)
{
	if (us >= 1000000)
		return print_duration(us / 1000, out);
	snprintf(out, PRINT_UNIT_MAX, "%lld.%lld ms", us / 1000,
		 us % 1000 / 100);
	return out;
}

/* " [loss of web-2: server dead; applied in 0.4 ms; …]" */
static void print_course(struct haloctl *ctl, const json_t *event)
{
	const char *what = print_text(event, "event"), *sep = " [";
	long long applied = print_number(event, "applied_us");
	long long first = print_number(event, "first_packet_us");
	char text[PRINT_UNIT_MAX];

	if (*what)
		fprintf(ctl->out, "%s%s", sep, what);
	sep = *what ? "; " : sep;
	if (applied)
		fprintf(ctl->out, "%sapplied in %s", sep,
			print_us(applied, text));
	sep = applied ? "; " : sep;
	if (first)
		fprintf(ctl->out, "%sfirst packet after %s", sep,
			print_us(first, text));
	if (*what || applied || first)
		fputc(']', ctl->out);
}

void event_print(struct haloctl *ctl, const json_t *event)
{
	const char *kind = print_text(event, "kind");
	const char *why = print_text(event, "why"), *sep;

	print_time(ctl, event);
	fprintf(ctl->out, " %5lld  ", print_number(event, "seq"));
	print_coloured(ctl, colour_of(kind), kind, 13);
	sep = print_places(ctl, event);
	sep = print_routes(ctl, event, sep);
	sep = print_details(ctl, event, sep);
	if (*why)
		fprintf(ctl->out, "%s%s", *sep ? ": " : "", why);
	print_course(ctl, event);
	fputc('\n', ctl->out);
}
