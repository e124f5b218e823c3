// SPDX-License-Identifier: GPL-2.0-or-later
#include "command.h"

#include <string.h>

#include "commands.h"
#include "conf/suggest.h"

static const struct command commands[] = {
	{ "status", NULL, "", "how the daemon, its table and nodes are",
	  cmd_status },
	{ "doctor", NULL, "", "check the host and say what to fix",
	  cmd_doctor },
	{ "node", "list", "", "all nodes", cmd_node_list },
	{ "node", "show", "NAME", "one node, its routes and what befell it",
	  cmd_node_show },
	{ "node", "drain", "NAME [--wait] [--deadline 10m] [--dry-run]",
	  "hand its routes to others", cmd_node_drain },
	{ "node", "replace", "NAME BY [--dry-run]",
	  "have another take its slot, and drain it", cmd_node_replace },
	{ "node", "undrain", "NAME", "let it serve again", cmd_node_undrain },
	{ "node", "fail", "NAME", "treat it as lost, now", cmd_node_fail },
	{ "node", "rm", "NAME", "forget a node that does not serve",
	  cmd_node_rm },
	{ "route", "list", "[--node NAME] [--each]", "who serves which routes",
	  cmd_route_list },
	{ "route", "show", "ROUTE", "one route, its doors and flows",
	  cmd_route_show },
	{ "route", "why", "ROUTE", "how the route came to its node",
	  cmd_route_why },
	{ "service", "list", "", "what is offered, and on which ports",
	  cmd_service_list },
	{ "cluster", "freeze", "", "replace and move nothing",
	  cmd_cluster_freeze },
	{ "cluster", "thaw", "", "end a freeze", cmd_cluster_thaw },
	{ "table", "dump", "", "who sits where, to be kept or taken elsewhere",
	  cmd_table_dump },
	{ "table", "load", "FILE|- [--move] [--dry-run]",
	  "take over the table of another gateway", cmd_table_load },
	{ "monitor", NULL, "[--since SEQ] [--retry 1m]",
	  "events as they happen", cmd_monitor },
	{ "history", NULL, "[--node NAME] [--since TIME]",
	  "events that happened", cmd_history },
	{ "simulate", NULL,
	  "--routes N|--live [--reserve K] [--script FILE|-] [--each]",
	  "play joins and losses", cmd_simulate },
	{ "trace", NULL, "CLIENT[:PORT] ADDRESS:PORT [tcp|udp]",
	  "which node would get this packet, and why", cmd_trace },
	{ "key", "new", "NAME|PATTERN [--keys DIR]", "make a node's key",
	  cmd_key_new },
	{ "key", "list", "[--keys DIR]", "all keys", cmd_key_list },
	{ "key", "rm", "NAME|PATTERN [--keys DIR]", "revoke a key",
	  cmd_key_rm },
	{ "config", "check", "[FILE]", "all errors of a configuration",
	  cmd_config_check },
	{ "config", "reload", "", "have halod take over its file",
	  cmd_config_reload },
	{ "stats", NULL, "[--all]", "packets by what became of them",
	  cmd_stats },
	{ "report", NULL, "[FILE] [--config FILE]",
	  "gather all that helps to find a fault", cmd_report },
	{ "shutdown", NULL, "[--flush]", "end the daemon", cmd_shutdown },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static bool is_prefix(const char *word, const char *of)
{
	return !strncmp(word, of, strlen(word));
}

static void print_line(const struct command *c, FILE *out, const char *lead)
{
	fprintf(out, "%shaloctl %s%s%s%s%s\n", lead, c->object,
		c->verb ? " " : "", c->verb ? c->verb : "", *c->args ? " " : "",
		c->args);
}

void command_print_usage(const struct command *command, FILE *out)
{
	print_line(command, out, "usage: ");
}

static int print_object_help(struct haloctl *ctl, const char *object)
{
	for (unsigned i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].object, object))
			continue;
		print_line(&commands[i], ctl->out, "");
		fprintf(ctl->out, "        %s\n", commands[i].help);
	}
	return HALOCTL_OK;
}

static int print_help(struct haloctl *ctl)
{
	fputs("usage: haloctl [-j] [-s SOCKET] OBJECT [VERB] …\n\n", ctl->out);
	for (unsigned i = 0; i < COMMANDS; i++) {
		const struct command *c = &commands[i];
		char words[32];

		snprintf(words, sizeof(words), "%s %s", c->object,
			 c->verb ? c->verb : "");
		fprintf(ctl->out, "  %-16s %s\n", words, c->help);
	}
	fputs("\n"
	      "  -j, --json           one JSON object instead of text\n"
	      "  -s, --socket SOCKET  where halod listens "
	      "(" HALOCTL_SOCKET ")\n"
	      "      --version\n\n"
	      "Words may be cut short (haloctl n l). haloctl OBJECT help tells "
	      "the options;\nhaloctl(8) tells all.\n",
	      ctl->out);
	return HALOCTL_OK;
}

/* "status, simulate or stats": what word is a prefix of. */
static const char *list_objects(const char *word, char *out, size_t size)
{
	const char *last = "";
	size_t len = 0;

	out[0] = 0;
	for (unsigned i = 0; i < COMMANDS; i++) {
		const char *object = commands[i].object;

		if (!is_prefix(word, object) || !strcmp(object, last))
			continue;
		len += (size_t)snprintf(out + len, len < size ? size - len : 0,
					"%s'%s'", *last ? " or " : "", object);
		last = object;
	}
	return out;
}

/* The object that word means: itself, or the only one it is a prefix of. NULL
 * after telling. */
static const char *find_object(struct haloctl *ctl, const char *word)
{
	struct suggest near = { .text = word };
	const char *found = NULL;
	bool ambiguous = false;
	char names[128];

	for (unsigned i = 0; i < COMMANDS; i++) {
		const char *object = commands[i].object;

		if (!strcmp(word, object))
			return object;
		suggest_offer(&near, object);
		if (!is_prefix(word, object))
			continue;
		ambiguous |= found && strcmp(found, object);
		found = object;
	}
	if (ambiguous)
		haloctl_usage(ctl, "'%s' may be %s", word,
			      list_objects(word, names, sizeof(names)));
	else if (!found && near.best)
		haloctl_usage(ctl, "unknown object '%s': did you mean '%s'?",
			      word, near.best);
	else if (!found)
		haloctl_usage(ctl, "unknown object '%s': see haloctl help",
			      word);
	return ambiguous ? NULL : found;
}

/* The same for an object's verbs. */
static const struct command *find_verb(struct haloctl *ctl, const char *object,
				       const char *word)
{
	struct suggest near = { .text = word };
	const struct command *found = NULL;
	unsigned matches = 0;

	for (unsigned i = 0; i < COMMANDS; i++) {
		const struct command *c = &commands[i];

		if (strcmp(c->object, object))
			continue;
		if (!strcmp(word, c->verb))
			return c;
		suggest_offer(&near, c->verb);
		if (is_prefix(word, c->verb)) {
			found = c;
			matches++;
		}
	}
	if (matches > 1)
		haloctl_usage(ctl, "'%s %s' means more than one verb", object,
			      word);
	else if (!found && near.best)
		haloctl_usage(ctl, "unknown verb '%s %s': did you mean '%s'?",
			      object, word, near.best);
	else if (!found)
		haloctl_usage(ctl, "unknown verb '%s %s': see haloctl %s help",
			      object, word, object);
	return matches == 1 ? found : NULL;
}

static const struct command *first_of(const char *object)
{
	const struct command *c = commands;

	while (strcmp(c->object, object))
		c++;
	return c;
}

static int run(struct haloctl *ctl, const struct command *c, int argc,
	       char **argv)
{
	ctl->command = c;
	return c->run(ctl, argc, argv);
}

static bool is_help(const char *word)
{
	return !strcmp(word, "help") || !strcmp(word, "--help") ||
	       !strcmp(word, "-h");
}

static int help(struct haloctl *ctl, int argc, char **argv)
{
	const char *object;

	if (argc < 2)
		return print_help(ctl);
	object = find_object(ctl, argv[1]);
	return object ? print_object_help(ctl, object) : HALOCTL_USAGE;
}

int command_run(struct haloctl *ctl, int argc, char **argv)
{
	const struct command *c;
	const char *object;

	if (argc == 0 || is_help(argv[0]))
		return help(ctl, argc, argv);
	object = find_object(ctl, argv[0]);
	if (!object)
		return HALOCTL_USAGE;
	if (is_help(argv[argc - 1]))
		return print_object_help(ctl, object);
	c = first_of(object);
	if (!c->verb)
		return run(ctl, c, argc, argv);
	if (argc == 1)
		return haloctl_usage(ctl,
				     "'%s' wants a verb: see haloctl %s help",
				     object, object);
	c = find_verb(ctl, object, argv[1]);
	return c ? run(ctl, c, argc - 1, argv + 1) : HALOCTL_USAGE;
}
