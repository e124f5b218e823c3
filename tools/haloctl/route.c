// SPDX-License-Identifier: GPL-2.0-or-later
/* haloctl route list, show, why */
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "commands.h"
#include "event.h"
#include "options.h"
#include "print.h"

#define RANGES_WIDTH 160

static const char *or_nobody(const char *name)
{
	return *name ? name : "nobody";
}

static const char *slot_of(const json_t *run, char *out)
{
	long long slot = print_number(run, "slot");

	return slot ? print_count(slot, out) : "-";
}

static void print_runs(struct haloctl *ctl, const json_t *routes)
{
	static const char *const headings[] = { ">FIRST", ">LAST",     ">SLOT",
						"NODE",	  "MOVING TO", NULL };
	struct print_table *t = print_table_new(ctl, headings);
	char slot[PRINT_UNIT_MAX];
	const json_t *run;
	size_t i;

	json_array_foreach(routes, i, run)
	{
		const char *node = print_text(run, "node");
		const char *to = print_text(run, "to");

		print_cell(t, NULL, "%lld", print_number(run, "first"));
		print_cell(t, NULL, "%lld", print_number(run, "last"));
		print_cell(t, NULL, "%s", slot_of(run, slot));
		print_cell(t, *node ? NULL : "red", "%s", or_nobody(node));
		print_cell(t, "yellow", "%s", *to ? to : "-");
	}
	print_table_end(t, "no route is that node's");
}

/* Runs that differ only in what the text does not show become one. */
static void append_range(json_t *ranges, long long first, long long last)
{
	size_t n = json_array_size(ranges);
	json_t *end = json_array_get(json_array_get(ranges, n - 1), 1);

	if (end && json_integer_value(end) + 1 == first)
		json_integer_set(end, last);
	else
		json_array_append_new(ranges,
				      json_pack("[I, I]", (json_int_t)first,
						(json_int_t)last));
}

/* node → {"count":…, "moving":…, "ranges":[[first,last],…]}, in order of first
 * appearance; the key "" is nobody. */
static json_t *group_by_node(const json_t *routes)
{
	json_t *groups = json_object();
	const json_t *run;
	size_t i;

	json_array_foreach(routes, i, run)
	{
		const char *node = print_text(run, "node");
		json_t *group = json_object_get(groups, node);
		long long first = print_number(run, "first");
		long long last = print_number(run, "last");
		long long moving =
			*print_text(run, "to") ? last - first + 1 : 0;

		if (!group) {
			group = json_pack("{s:i, s:i, s:[]}", "count", 0,
					  "moving", 0, "ranges");
			json_object_set_new(groups, node, group);
		}
		json_integer_set(json_object_get(group, "count"),
				 print_number(group, "count") + last - first +
					 1);
		json_integer_set(json_object_get(group, "moving"),
				 print_number(group, "moving") + moving);
		append_range(json_object_get(group, "ranges"), first, last);
	}
	return groups;
}

static void print_groups(struct haloctl *ctl, const json_t *routes)
{
	static const char *const headings[] = { "NODE", ">COUNT", ">MOVING",
						"ROUTES", NULL };
	struct print_table *t = print_table_new(ctl, headings);
	json_t *groups = group_by_node(routes), *group;
	char ranges[RANGES_WIDTH];
	const char *node;

	json_object_foreach(groups, node, group)
	{
		long long moving = print_number(group, "moving");

		print_cell(t, *node ? NULL : "red", "%s", or_nobody(node));
		print_cell(t, NULL, "%lld", print_number(group, "count"));
		print_cell(t, moving ? "yellow" : NULL, "%lld", moving);
		print_cell(t, NULL, "%s",
			   print_ranges(json_object_get(group, "ranges"),
					ranges, sizeof(ranges)));
	}
	print_table_end(t, "no route is that node's");
	json_decref(groups);
}

/* Leaves only what the node serves or is about to. */
static void keep_node(json_t *routes, const char *node)
{
	for (size_t i = json_array_size(routes); i-- > 0;) {
		const json_t *run = json_array_get(routes, i);

		if (strcmp(print_text(run, "node"), node) &&
		    strcmp(print_text(run, "to"), node))
			json_array_remove(routes, i);
	}
}

int cmd_route_list(struct haloctl *ctl, int argc, char **argv)
{
	const char *node = NULL;
	bool each = false;
	const struct option_spec specs[] = {
		{ .name = "node", .value = &node },
		{ .name = "each", .flag = &each },
		{ 0 },
	};
	int err = options_parse(ctl, &argc, argv, specs, 0, 0);
	json_t *answer;

	if (!err)
		err = client_ask_all(ctl,
				     json_pack("{s:s}", "cmd", "route.list"),
				     "routes", "from", &answer);
	if (err)
		return err;
	if (node)
		keep_node(json_object_get(answer, "routes"), node);
	if (ctl->json)
		return haloctl_print_json(ctl, answer);
	if (each)
		print_runs(ctl, json_object_get(answer, "routes"));
	else
		print_groups(ctl, json_object_get(answer, "routes"));
	json_decref(answer);
	return HALOCTL_OK;
}

/* " -> port 80 on the node", or "" where it is the door's. */
static const char *print_node_port(const json_t *door, char out[32])
{
	long long port = print_number(door, "node_port");

	*out = '\0';
	if (port && port != print_number(door, "port"))
		snprintf(out, 32, " -> port %lld on the node", port);
	return out;
}

static void print_head(struct haloctl *ctl, const json_t *route)
{
	const char *node = print_text(route, "node");
	const char *to = print_text(route, "to"), *label = "doors";
	const json_t *door;
	char left[PRINT_UNIT_MAX], port[32];
	size_t i;

	print_field(ctl, "route", "%lld", print_number(route, "route"));
	if (*node)
		print_field(ctl, "node", "%s (slot %lld), since version %lld",
			    node, print_number(route, "slot"),
			    print_number(route, "since_version"));
	else
		print_field(ctl, "node", "nobody");
	if (*to)
		print_field(ctl, "moving", "to %s (%s), at most %s more", to,
			    print_text(route, "reason"),
			    print_duration(print_number(route, "deadline_ms"),
					   left));
	json_array_foreach(json_object_get(route, "doors"), i, door)
	{
		print_field(ctl, label, "%s:%lld = %lld/%s%s",
			    print_text(door, "service"),
			    print_number(route, "route"),
			    print_number(door, "port"),
			    print_text(door, "protocol"),
			    print_node_port(door, port));
		label = "";
	}
}

static void print_flows(struct haloctl *ctl, const json_t *flows)
{
	static const char *const headings[] = { "CLIENT", "SERVICE", "NODE",
						"STATE",  ">IDLE",   NULL };
	struct print_table *t = print_table_new(ctl, headings);
	char idle[PRINT_UNIT_MAX];
	const json_t *f;
	size_t i;

	fputc('\n', ctl->out);
	json_array_foreach(flows, i, f)
	{
		bool established =
			json_is_true(json_object_get(f, "established"));

		print_cell(t, NULL, "%s", print_text(f, "client"));
		print_cell(t, NULL, "%s", print_text(f, "service"));
		print_cell(t, NULL, "%s", or_nobody(print_text(f, "node")));
		print_cell(t, established ? NULL : "yellow", "%s",
			   established ? "established" : "opening");
		print_cell(t, NULL, "%s",
			   print_duration(print_number(f, "idle_ms"), idle));
	}
	print_table_end(t, "no flows");
}

static void print_shown(struct haloctl *ctl, const json_t *answer)
{
	const json_t *route =
		json_array_get(json_object_get(answer, "routes"), 0);

	print_head(ctl, route);
	print_flows(ctl, json_object_get(route, "flows"));
}

static void print_chain(struct haloctl *ctl, const json_t *chain)
{
	const char *label = "history";
	const json_t *link;
	size_t i;

	json_array_foreach(chain, i, link)
	{
		print_field(ctl, label,
			    i ? "slot %lld took it when it was the newest"
			      : "slot %lld had it from the first",
			    print_number(link, "slot"));
		label = "";
	}
}

static void print_why(struct haloctl *ctl, const json_t *answer)
{
	const json_t *route =
		json_array_get(json_object_get(answer, "routes"), 0);
	const json_t *last = json_object_get(route, "last_move");

	print_head(ctl, route);
	print_field(ctl, "rule", "%s", print_text(route, "rule"));
	print_chain(ctl, json_object_get(route, "chain"));
	if (json_is_object(last)) {
		fputc('\n', ctl->out);
		event_print(ctl, last);
	}
}

static int ask(struct haloctl *ctl, int argc, char **argv, const char *cmd,
	       void (*print)(struct haloctl *, const json_t *))
{
	int err = options_parse(ctl, &argc, argv, NULL, 1, 1);

	return err ? err
		   : client_show(ctl,
				 json_pack("{s:s, s:s}", "cmd", cmd, "route",
					   argv[1]),
				 print);
}

int cmd_route_show(struct haloctl *ctl, int argc, char **argv)
{
	return ask(ctl, argc, argv, "route.show", print_shown);
}

int cmd_route_why(struct haloctl *ctl, int argc, char **argv)
{
	return ask(ctl, argc, argv, "route.why", print_why);
}
