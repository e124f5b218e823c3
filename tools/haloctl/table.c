// SPDX-License-Identifier: GPL-2.0-or-later
/* haloctl table dump, load */
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "commands.h"
#include "io/digest.h"
#include "options.h"
#include "print.h"

#define KIND	  "halod-table"
#define ASK_AGAIN 20 /* the table changed while its pages were read */

/* One go at all pages: 0 and *out, NULL when they are not of one moment. */
static int ask_once(struct haloctl *ctl, json_t **out)
{
	json_t *all = NULL, *page;
	long long from = 0;

	*out = NULL;
	do {
		int err =
			client_ask(ctl,
				   json_pack("{s:s, s:I}", "cmd", "table.dump",
					     "from", (json_int_t)from),
				   &page);

		if (err) {
			json_decref(all);
			return err;
		}
		from = print_number(page, "next");
		if (!all) {
			all = page;
			continue;
		}
		if (strcmp(print_text(all, "stamp"),
			   print_text(page, "stamp"))) {
			json_decref(page);
			json_decref(all);
			return 0;
		}
		json_array_extend(json_object_get(all, "nodes"),
				  json_object_get(page, "nodes"));
		json_decref(page);
	} while (from);
	*out = all;
	return 0;
}

int table_ask(struct haloctl *ctl, json_t **out)
{
	for (unsigned i = 0; i < ASK_AGAIN; i++) {
		int err = ask_once(ctl, out);

		if (err || *out)
			return err;
	}
	return haloctl_fail(
		ctl, HALOCTL_FAILED,
		&(struct haloctl_error){ .what = "cannot read the table of",
					 .object = ctl->socket,
					 .why = "it changes all the time",
					 .advice = "haloctl cluster freeze" });
}

/* Of all members but the checksum itself, in one order. */
static int checksum(const json_t *table, char out[DIGEST_TEXT_MAX])
{
	json_t *copy = json_copy((json_t *)table);
	char *text;
	int err;

	json_object_del(copy, "checksum");
	text = json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS);
	err = text ? digest_text(text, strlen(text), out) : -ENOMEM;
	free(text);
	json_decref(copy);
	return err;
}

static json_t *time_now(void)
{
	time_t now = time(NULL);
	char text[32];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

static json_t *make_dump(const json_t *answer)
{
	char sum[DIGEST_TEXT_MAX];
	json_t *dump =
		json_pack("{s:i, s:s, s:O, s:o, s:O, s:O, s:O, s:O}", "schema",
			  HALOCTL_SCHEMA, "kind", KIND, "halod",
			  json_object_get(answer, "halod"), "time", time_now(),
			  "routes", json_object_get(answer, "routes"),
			  "version", json_object_get(answer, "version"),
			  "slots", json_object_get(answer, "slots"), "nodes",
			  json_object_get(answer, "nodes"));

	if (dump && !checksum(dump, sum))
		json_object_set_new(dump, "checksum", json_string(sum));
	return dump;
}

int cmd_table_dump(struct haloctl *ctl, int argc, char **argv)
{
	int err = options_parse(ctl, &argc, argv, NULL, 0, 0);
	json_t *answer, *dump;

	if (!err)
		err = table_ask(ctl, &answer);
	if (err)
		return err;
	dump = make_dump(answer);
	json_decref(answer);
	if (ctl->json)
		return haloctl_print_json(ctl, dump);
	json_dumpf(dump, ctl->out, JSON_INDENT(1));
	fputc('\n', ctl->out);
	json_decref(dump);
	return HALOCTL_OK;
}

static int refuse(struct haloctl *ctl, const char *file, const char *why)
{
	return haloctl_fail(ctl, HALOCTL_FAILED,
			    &(struct haloctl_error){
				    .what = "cannot load the table in",
				    .object = file,
				    .why = why,
				    .advice = "haloctl table dump >FILE, on "
					      "the gateway that has it" });
}

/* What is wrong with the file itself; NULL: nothing. */
static const char *objection(const json_t *table)
{
	const char *sum = print_text(table, "checksum");
	char is[DIGEST_TEXT_MAX];

	if (strcmp(print_text(table, "kind"), KIND))
		return "it is no dump of a table";
	if (print_number(table, "schema") != HALOCTL_SCHEMA)
		return "it is of another schema: of a newer haloctl?";
	if (!*sum)
		return "its checksum is missing";
	if (checksum(table, is))
		return "its checksum cannot be computed";
	return strcmp(sum, is) ? "its checksum is wrong: it was changed or "
				 "damaged"
			       : NULL;
}

static int read_table(struct haloctl *ctl, const char *file, json_t **out)
{
	bool is_stdin = !strcmp(file, "-");
	FILE *in = is_stdin ? stdin : fopen(file, "r");
	const char *why;
	char text[240];
	json_error_t error;
	json_t *table;

	if (!in)
		return refuse(ctl, file, strerror(errno));
	table = json_loadf(in, JSON_REJECT_DUPLICATES, &error);
	if (!is_stdin)
		fclose(in);
	snprintf(text, sizeof(text), "line %d: %s", error.line, error.text);
	why = table ? objection(table) : text;
	if (!why) {
		*out = table;
		return 0;
	}
	json_decref(table);
	return refuse(ctl, file, why);
}

static void print_loaded(struct haloctl *ctl, const json_t *answer)
{
	bool dry = json_is_true(json_object_get(answer, "dry_run"));

	fprintf(ctl->out, "%lld nodes, %lld slots: %lld routes %s their node\n",
		print_number(answer, "nodes"), print_number(answer, "slots"),
		print_number(answer, "moved"), dry ? "would change" : "change");
	if (print_number(answer, "awaited"))
		fprintf(ctl->out,
			"%lld nodes are not here yet: they have "
			"restart-grace to come\n",
			print_number(answer, "awaited"));
	if (!dry)
		fprintf(ctl->out, "the table has version %lld\n",
			print_number(answer, "version"));
}

int cmd_table_load(struct haloctl *ctl, int argc, char **argv)
{
	bool move = false, dry_run = false;
	const struct option_spec specs[] = {
		{ .name = "move", .flag = &move },
		{ .name = "dry-run", .flag = &dry_run },
		{ 0 },
	};
	int err = options_parse(ctl, &argc, argv, specs, 1, 1);
	json_t *table = NULL;

	if (!err)
		err = read_table(ctl, argv[1], &table);
	return err ? err
		   : client_show(ctl,
				 json_pack("{s:s, s:o, s:b, s:b}", "cmd",
					   "table.load", "table", table, "move",
					   move, "dry_run", dry_run),
				 print_loaded);
}
