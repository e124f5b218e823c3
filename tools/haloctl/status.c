// SPDX-License-Identifier: GPL-2.0-or-later
/* haloctl status */
#include <string.h>

#include "client.h"
#include "commands.h"
#include "options.h"
#include "print.h"

static void print_health(struct haloctl *ctl, const json_t *degraded)
{
	size_t n = json_array_size(degraded);

	print_coloured(ctl, "bold", "health", 11);
	print_coloured(ctl, n ? "red" : "green", n ? "degraded" : "good", 0);
	fputc('\n', ctl->out);
	for (size_t i = 0; i < n; i++)
		print_field(ctl, "", "%s",
			    json_string_value(json_array_get(degraded, i)));
}

static void print_table_line(struct haloctl *ctl, const json_t *table)
{
	long long moving = print_number(table, "moving");
	long long unowned = print_number(table, "unowned");

	print_coloured(ctl, "bold", "table", 11);
	fprintf(ctl->out, "version %lld, %lld routes in %lld slots",
		print_number(table, "version"), print_number(table, "routes"),
		print_number(table, "slots"));
	if (moving)
		fprintf(ctl->out, ", %lld moving", moving);
	if (unowned)
		fprintf(ctl->out, ", %lld unowned", unowned);
	fputc('\n', ctl->out);
}

static void print_nodes(struct haloctl *ctl, const json_t *answer)
{
	/* those that serve, those that might, those that do not */
	static const char *const order[] = { "active",	    "suspect",
					     "draining",    "reserve",
					     "joining",	    "drained",
					     "quarantined", "lost" };
	const json_t *states = json_object_get(answer, "nodes");
	const char *comma = "";

	print_coloured(ctl, "bold", "nodes", 11);
	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		long long count = print_number(states, order[i]);
		char text[48];

		if (!count)
			continue;
		snprintf(text, sizeof(text), "%lld %s", count, order[i]);
		fputs(comma, ctl->out);
		print_coloured(ctl, print_state_colour(order[i]), text, 0);
		comma = ", ";
	}
	fprintf(ctl->out, "%s (%lld in reserve wanted)\n", *comma ? "" : "none",
		print_number(answer, "reserve_wanted"));
}

static void print_plane(struct haloctl *ctl, const json_t *plane)
{
	const char *name = print_text(plane, "name");
	const char *detail = print_text(plane, "detail");
	const char *why = print_text(plane, "why");

	/* a detail that begins with the name says it all */
	if (strncmp(detail, name, strlen(name)))
		print_field(ctl, "plane", "%s%s%s, %lld workers", name,
			    *detail ? ": " : "", detail,
			    print_number(plane, "workers"));
	else
		print_field(ctl, "plane", "%s, %lld workers", detail,
			    print_number(plane, "workers"));
	if (*why)
		print_field(ctl, "", "%s", why);
	print_carried(ctl, "", plane);
}

static void print_doors(struct haloctl *ctl, const json_t *answer)
{
	const json_t *vip = json_object_get(answer, "vip"), *service;
	const char *label = "services";
	size_t i;

	print_coloured(ctl, "bold", "address", 11);
	for (i = 0; i < json_array_size(vip); i++)
		fprintf(ctl->out, "%s%s", i ? ", " : "",
			json_string_value(json_array_get(vip, i)));
	fputc('\n', ctl->out);
	json_array_foreach(json_object_get(answer, "services"), i, service)
	{
		bool keep = !strcmp(print_text(service, "handover"), "keep");

		long long port = print_number(service, "node_port");
		char node[32] = "";

		if (port)
			snprintf(node, sizeof(node), ", nodes' port %lld",
				 port);
		print_field(ctl, label, "%s %s %lld-%lld%s%s%s",
			    print_text(service, "name"),
			    print_text(service, "protocol"),
			    print_number(service, "first_port"),
			    print_number(service, "last_port"), node,
			    json_is_true(json_object_get(service, "snat"))
				    ? ", hides nodes' neighbours"
				    : "",
			    keep ? ", keeps flows in a handover" : "");
		label = "";
	}
}

static void print_state(struct haloctl *ctl, const json_t *answer)
{
	const json_t *agents = json_object_get(answer, "agents");
	const json_t *store = json_object_get(answer, "store");
	char beats[PRINT_UNIT_MAX];

	print_field(ctl, "agents",
		    "%lld connected, %s beats, %lld refused, %lld protocol "
		    "errors",
		    print_number(agents, "authenticated"),
		    print_count(print_number(agents, "beats"), beats),
		    print_number(agents, "refused") +
			    print_number(agents, "handshake_failures"),
		    print_number(agents, "protocol_errors"));
	if (json_is_true(json_object_get(store, "healthy")))
		print_field(ctl, "state", "stored, %lld events",
			    print_number(store, "seq"));
	else
		print_field(ctl, "state", "not stored: %s",
			    print_text(store, "error"));
}

static void print_status(struct haloctl *ctl, const json_t *answer)
{
	char up[PRINT_UNIT_MAX];

	print_field(ctl, "halod", "%s, pid %lld, up %s",
		    print_text(answer, "version"), print_number(answer, "pid"),
		    print_duration(print_number(answer, "uptime_ms"), up));
	print_health(ctl, json_object_get(answer, "degraded"));
	print_table_line(ctl, json_object_get(answer, "table"));
	print_pending(ctl, json_object_get(answer, "moves"));
	if (*print_text(answer, "frozen_by"))
		print_field(ctl, "frozen", "by the %s",
			    print_text(answer, "frozen_by"));
	if (print_number(answer, "drifts"))
		print_field(ctl, "drift",
			    "others have changed HaloD's rules %lld times: "
			    "see the log",
			    print_number(answer, "drifts"));
	print_nodes(ctl, answer);
	print_doors(ctl, answer);
	print_plane(ctl, json_object_get(answer, "plane"));
	print_state(ctl, answer);
}

int cmd_status(struct haloctl *ctl, int argc, char **argv)
{
	int err = options_parse(ctl, &argc, argv, NULL, 0, 0);

	return err ? err
		   : client_show(ctl, json_pack("{s:s}", "cmd", "status"),
				 print_status);
}
