// SPDX-License-Identifier: GPL-2.0-or-later
/* haloctl node list, show, replace, undrain, fail, rm */
#include <string.h>

#include "client.h"
#include "commands.h"
#include "event.h"
#include "node.h"
#include "options.h"
#include "print.h"
#include "when.h"

#define RANGES_WIDTH 600

static const char *duration_of(const json_t *node, const char *key, char *out)
{
	const json_t *value = json_object_get(node, key);

	return json_is_integer(value)
		       ? print_duration(json_integer_value(value), out)
		       : "-";
}

static const char *slot_of(const json_t *node, char *out)
{
	long long slot = print_number(node, "slot");

	return slot ? print_count(slot, out) : "-";
}

static const char *join_addresses(const json_t *node, char *out, size_t size)
{
	const json_t *list = json_object_get(node, "addresses");
	size_t i, len = 0;

	out[0] = 0;
	for (i = 0; i < json_array_size(list) && len < size; i++)
		len += (size_t)snprintf(
			out + len, size - len, "%s%s", i ? " " : "",
			json_string_value(json_array_get(list, i)));
	return len ? out : "-";
}

static const char *health_colour(const char *health)
{
	return !strcmp(health, "down") ? "red" : NULL;
}

static void print_nodes(struct haloctl *ctl, const json_t *answer)
{
	static const char *const headings[] = { "NAME",	   "STATE",   ">SLOT",
						">ROUTES", "ADDRESS", "HEALTH",
						">CONNS",  ">SILENT", ">SINCE",
						NULL };
	struct print_table *t = print_table_new(ctl, headings);
	char slot[PRINT_UNIT_MAX], silent[PRINT_UNIT_MAX],
		since[PRINT_UNIT_MAX], addresses[128];
	const json_t *n;
	size_t i;

	json_array_foreach(json_object_get(answer, "nodes"), i, n)
	{
		const char *state = print_text(n, "state");
		const char *health = print_text(n, "health");

		print_cell(t, NULL, "%s", print_text(n, "name"));
		print_cell(t, print_state_colour(state), "%s", state);
		print_cell(t, NULL, "%s", slot_of(n, slot));
		print_cell(t, NULL, "%lld", print_number(n, "routes"));
		print_cell(t, NULL, "%s",
			   join_addresses(n, addresses, sizeof(addresses)));
		print_cell(t, health_colour(health), "%s", health);
		print_cell(t, NULL, "%lld", print_number(n, "connections"));
		print_cell(t, NULL, "%s", duration_of(n, "silent_ms", silent));
		print_cell(t, NULL, "%s", duration_of(n, "since_ms", since));
	}
	print_table_end(t, "no node has registered");
}

int cmd_node_list(struct haloctl *ctl, int argc, char **argv)
{
	int err = options_parse(ctl, &argc, argv, NULL, 0, 0);
	json_t *answer;

	if (!err)
		err = client_ask_all(ctl,
				     json_pack("{s:s}", "cmd", "node.list"),
				     "nodes", "from", &answer);
	if (err)
		return err;
	if (ctl->json)
		return haloctl_print_json(ctl, answer);
	print_nodes(ctl, answer);
	json_decref(answer);
	return HALOCTL_OK;
}

static void print_standing(struct haloctl *ctl, const json_t *n)
{
	const char *state = print_text(n, "state");
	const char *cause = print_text(n, "cause");
	char since[PRINT_UNIT_MAX], until[PRINT_UNIT_MAX];

	print_coloured(ctl, "bold", "state", 11);
	print_coloured(ctl, print_state_colour(state), state, 0);
	if (*cause)
		fprintf(ctl->out, " (%s)", cause);
	fprintf(ctl->out, " for %s", duration_of(n, "since_ms", since));
	if (print_number(n, "until_ms"))
		fprintf(ctl->out, ", %s more",
			duration_of(n, "until_ms", until));
	fputc('\n', ctl->out);
	if (*print_text(n, "reason"))
		print_field(ctl, "", "%s", print_text(n, "reason"));
	print_pending(ctl, json_object_get(n, "moves"));
	if (json_is_true(json_object_get(n, "diverged")))
		print_field(ctl, "", "its view of its routes is not ours");
}

static void print_events(struct haloctl *ctl, const json_t *events)
{
	const json_t *event;
	size_t i;

	if (json_array_size(events))
		fputc('\n', ctl->out);
	json_array_foreach(events, i, event) event_print(ctl, event);
}

static void print_node(struct haloctl *ctl, const json_t *n)
{
	char text[RANGES_WIDTH], slot[PRINT_UNIT_MAX], silent[PRINT_UNIT_MAX];

	print_field(ctl, "node", "%s", print_text(n, "name"));
	print_standing(ctl, n);
	print_field(ctl, "slot", "%s", slot_of(n, slot));
	print_ranges(json_object_get(n, "ranges"), text, sizeof(text));
	print_field(ctl, "routes", "%lld%s%s", print_number(n, "routes"),
		    *text ? ": " : "", text);
	print_field(ctl, "address", "%s",
		    join_addresses(n, text, sizeof(text)));
	print_field(ctl, "server", "%s, %lld connections",
		    print_text(n, "health"), print_number(n, "connections"));
	if (json_is_integer(json_object_get(n, "flows")))
		print_field(ctl, "flows", "%lld", print_number(n, "flows"));
	print_field(ctl, "agent", "%s, silent for %s, instance %s, tag %lld",
		    json_is_true(json_object_get(n, "connected"))
			    ? "connected"
			    : "not connected",
		    duration_of(n, "silent_ms", silent),
		    print_text(n, "instance"), print_number(n, "tag"));
	print_field(ctl, "wish", "%s", print_text(n, "wish"));
	print_field(ctl, "failures", "%lld", print_number(n, "failures"));
	print_events(ctl, json_object_get(n, "events"));
}

static void print_shown(struct haloctl *ctl, const json_t *answer)
{
	print_node(ctl, json_array_get(json_object_get(answer, "nodes"), 0));
}

int cmd_node_show(struct haloctl *ctl, int argc, char **argv)
{
	int err = options_parse(ctl, &argc, argv, NULL, 1, 1);

	return err ? err
		   : client_show(ctl,
				 json_pack("{s:s, s:s}", "cmd", "node.show",
					   "name", argv[1]),
				 print_shown);
}

static void print_moves(struct haloctl *ctl, const json_t *answer)
{
	static const char *const headings[] = { "FROM", "TO", ">ROUTES", NULL };
	struct print_table *t = print_table_new(ctl, headings);
	const json_t *move;
	size_t i;

	json_array_foreach(json_object_get(answer, "moves"), i, move)
	{
		const char *to = print_text(move, "to");

		print_cell(t, NULL, "%s", print_text(move, "from"));
		print_cell(t, *to ? NULL : "red", "%s", *to ? to : "nobody");
		print_cell(t, NULL, "%lld", print_number(move, "routes"));
	}
	print_table_end(t, "no route would move");
}

void node_print_outcome(struct haloctl *ctl, const json_t *answer)
{
	const char *state = print_text(answer, "state");

	if (json_is_true(json_object_get(answer, "dry_run"))) {
		print_moves(ctl, answer);
		return;
	}
	fprintf(ctl->out, "%s is ", print_text(answer, "node"));
	print_coloured(ctl, print_state_colour(state), state, 0);
	fputc('\n', ctl->out);
}

int cmd_node_replace(struct haloctl *ctl, int argc, char **argv)
{
	bool dry_run = false;
	const struct option_spec specs[] = {
		{ .name = "dry-run", .flag = &dry_run },
		{ 0 },
	};
	int err = options_parse(ctl, &argc, argv, specs, 2, 2);

	return err ? err
		   : client_show(ctl,
				 json_pack("{s:s, s:s, s:s, s:b}", "cmd",
					   "node.replace", "name", argv[1],
					   "by", argv[2], "dry_run", dry_run),
				 node_print_outcome);
}

/* undrain, fail, rm: a name and nothing else */
static int one_word(struct haloctl *ctl, int argc, char **argv, const char *cmd)
{
	int err = options_parse(ctl, &argc, argv, NULL, 1, 1);

	return err ? err
		   : client_show(ctl,
				 json_pack("{s:s, s:s}", "cmd", cmd, "name",
					   argv[1]),
				 node_print_outcome);
}

int cmd_node_undrain(struct haloctl *ctl, int argc, char **argv)
{
	return one_word(ctl, argc, argv, "node.undrain");
}

int cmd_node_fail(struct haloctl *ctl, int argc, char **argv)
{
	return one_word(ctl, argc, argv, "node.fail");
}

int cmd_node_rm(struct haloctl *ctl, int argc, char **argv)
{
	return one_word(ctl, argc, argv, "node.rm");
}
