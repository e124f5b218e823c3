// SPDX-License-Identifier: GPL-2.0-or-later
/* haloctl simulate: the rules of slots and routes, tried out; without a daemon
 * unless it begins with the running table. */
#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "base/route_set.h"
#include "commands.h"
#include "control/simulate.h"
#include "live.h"
#include "options.h"

#define SCRIPT_MAX   (16u << 20) /* bytes */
#define STRIP_ROUTES 512	 /* more are a table only */
#define STRIP_WIDTH  64
#define COLOURS	     6 /* of a terminal, without black and white */

struct script {
	const char *name; /* as errors call it */
	char *text;
	size_t len;
};

static int fail(struct haloctl *ctl, const struct script *script,
		const char *why)
{
	return haloctl_fail(ctl, HALOCTL_FAILED,
			    &(struct haloctl_error){
				    .what = "cannot simulate",
				    .object = script->name,
				    .why = why,
			    });
}

struct column {
	const char *name; /* NULL ends a table */
	int flags;	  /* SCOLS_FL_* */
};

/* 0 or -errno; the text is the caller's to free. */
static int read_all(FILE *in, struct script *script)
{
	char *text = malloc(SCRIPT_MAX + 1);
	size_t len;

	if (!text)
		return -ENOMEM;
	errno = 0;
	len = fread(text, 1, SCRIPT_MAX + 1, in);
	if (ferror(in) || len > SCRIPT_MAX) {
		free(text);
		return len > SCRIPT_MAX ? -EFBIG : -errno;
	}
	script->text = text;
	script->len = len;
	return 0;
}

static int read_script(const char *path, struct script *script)
{
	FILE *in;
	int err;

	if (!strcmp(path, "-")) {
		script->name = "standard input";
		return read_all(stdin, script);
	}
	script->name = path;
	in = fopen(path, "r");
	if (!in)
		return -errno;
	err = read_all(in, script);
	fclose(in);
	return err;
}

static json_t *names_json(char (*names)[NODE_NAME_MAX], unsigned n)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(list, json_string(names[i]));
	return list;
}

static json_t *owner_json(const struct simulate_result *r)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < r->routes; i++)
		json_array_append_new(list, json_integer(r->owner[i]));
	return list;
}

static json_t *steps_json(const struct simulate_result *r)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < r->n_steps; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:I}", "event",
						r->steps[i].event, "moved",
						(json_int_t)r->steps[i].moved));
	return list;
}

static json_t *losses_json(const struct simulate_result *r)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < r->n_losses; i++) {
		const struct simulate_loss *l = &r->losses[i];

		json_array_append_new(
			list,
			json_pack("{s:s, s:o, s:i, s:i, s:s?, s:i}", "node",
				  l->node, "slot",
				  l->slot ? json_integer(l->slot) : json_null(),
				  "routes", (int)l->routes, "moved",
				  (int)l->moved, "successor",
				  *l->successor ? l->successor : NULL, "takers",
				  (int)l->takers));
	}
	return list;
}

static int print_json(struct haloctl *ctl, const struct simulate_result *r)
{
	json_t *all = json_pack("{s:i, s:i, s:o, s:o, s:o, s:o, s:I}", "schema",
				HALOCTL_SCHEMA, "routes", (int)r->routes,
				"slots", names_json(r->slots, r->n_slots),
				"reserve", names_json(r->reserve, r->n_reserve),
				"owner", owner_json(r), "steps", steps_json(r),
				"moved", (json_int_t)r->moved);

	if (r->losses)
		json_object_set_new(all, "each", losses_json(r));
	return haloctl_print_json(ctl, all);
}

static struct libscols_table *new_table(struct haloctl *ctl,
					const struct column *columns)
{
	struct libscols_table *table = scols_new_table();

	scols_table_set_stream(table, ctl->out);
	for (; columns->name; columns++)
		scols_table_new_column(table, columns->name, 0, columns->flags);
	return table;
}

static void set_number(struct libscols_line *line, size_t column,
		       unsigned long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lu", value);
	scols_line_set_data(line, column, text);
}

static void print_steps(struct haloctl *ctl, const struct simulate_result *r)
{
	static const struct column columns[] = {
		{ "STEP", SCOLS_FL_RIGHT },
		{ "MOVED", SCOLS_FL_RIGHT },
		{ "EVENT", 0 },
		{ NULL, 0 },
	};
	struct libscols_table *table = new_table(ctl, columns);

	for (unsigned i = 0; i < r->n_steps; i++) {
		struct libscols_line *line = scols_table_new_line(table, NULL);

		set_number(line, 0, i + 1);
		set_number(line, 1, r->steps[i].moved);
		scols_line_set_data(line, 2, r->steps[i].event);
	}
	scols_print_table(table);
	scols_unref_table(table);
	fputc('\n', ctl->out);
}

/* Sorts the routes by slot into ids[]; the set of slot s + 1 is sets[s]. */
static void sort_by_slot(const struct simulate_result *r, uint16_t *ids,
			 struct route_set *sets)
{
	uint32_t at = 0;

	for (unsigned i = 0; i < r->routes; i++)
		if (r->owner[i])
			sets[r->owner[i] - 1].count++;
	for (unsigned s = 0; s < r->n_slots; s++) {
		sets[s].ids = ids + at;
		at += sets[s].count;
		sets[s].count = 0;
	}
	for (unsigned i = 0; i < r->routes; i++) {
		struct route_set *set;

		if (!r->owner[i])
			continue;
		set = &sets[r->owner[i] - 1];
		ids[set->ids - ids + set->count++] = (uint16_t)(i + 1);
	}
}

static void print_slots(struct haloctl *ctl, const struct simulate_result *r,
			const struct route_set *sets)
{
	static const struct column columns[] = {
		{ "SLOT", SCOLS_FL_RIGHT },
		{ "NODE", 0 },
		{ "COUNT", SCOLS_FL_RIGHT },
		{ "ROUTES", 0 },
		{ NULL, 0 },
	};
	struct libscols_table *table = new_table(ctl, columns);
	char ranges[80];

	for (unsigned s = 0; s < r->n_slots; s++) {
		struct libscols_line *line = scols_table_new_line(table, NULL);

		set_number(line, 0, s + 1);
		scols_line_set_data(line, 1, r->slots[s]);
		set_number(line, 2, sets[s].count);
		scols_line_set_data(
			line, 3,
			route_set_format(&sets[s], ranges, sizeof(ranges)));
	}
	scols_print_table(table);
	scols_unref_table(table);
	fputc('\n', ctl->out);
}

/* A letter a route: its slot. */
static void print_strip(struct haloctl *ctl, const struct simulate_result *r)
{
	static const char letters[] = ".123456789abcdefghijklmnopqrstuvwxyz";

	if (r->routes > STRIP_ROUTES || r->n_slots >= sizeof(letters) - 1)
		return;
	for (unsigned i = 0; i < r->routes; i++) {
		uint16_t slot = r->owner[i];

		if (ctl->colour && slot)
			fprintf(ctl->out, "\033[3%um%c\033[0m",
				1 + (slot - 1u) % COLOURS, letters[slot]);
		else
			fputc(letters[slot], ctl->out);
		if ((i + 1) % STRIP_WIDTH == 0 || i + 1 == r->routes)
			fputc('\n', ctl->out);
	}
	fputc('\n', ctl->out);
}

static void print_summary(struct haloctl *ctl, const struct simulate_result *r)
{
	fprintf(ctl->out, "routes %u, moved %llu", r->routes,
		(unsigned long long)r->moved);
	fprintf(ctl->out, ", in reserve:%s", r->n_reserve ? "" : " none");
	for (unsigned i = 0; i < r->n_reserve; i++)
		fprintf(ctl->out, " %s", r->reserve[i]);
	fputc('\n', ctl->out);
}

static void print_losses(struct haloctl *ctl, const struct simulate_result *r)
{
	static const struct column columns[] = {
		{ "IF LOST", 0 },
		{ "SLOT", SCOLS_FL_RIGHT },
		{ "ROUTES", SCOLS_FL_RIGHT },
		{ "MOVED", SCOLS_FL_RIGHT },
		{ "SLOT GOES TO", 0 },
		{ "TAKERS", SCOLS_FL_RIGHT },
		{ NULL, 0 },
	};
	struct libscols_table *table = new_table(ctl, columns);

	for (unsigned i = 0; i < r->n_losses; i++) {
		struct libscols_line *line = scols_table_new_line(table, NULL);
		const struct simulate_loss *l = &r->losses[i];

		scols_line_set_data(line, 0, l->node);
		if (l->slot)
			set_number(line, 1, l->slot);
		else
			scols_line_set_data(line, 1, "-");
		set_number(line, 2, l->routes);
		set_number(line, 3, l->moved);
		scols_line_set_data(line, 4,
				    *l->successor ? l->successor : "-");
		set_number(line, 5, l->takers);
	}
	if (r->n_losses)
		scols_print_table(table);
	else
		fputs("there is no node to lose\n", ctl->out);
	scols_unref_table(table);
	fputc('\n', ctl->out);
}

/* 0 or -ENOMEM. */
static int print_text(struct haloctl *ctl, const struct simulate_result *r)
{
	uint16_t *ids = calloc(r->routes, sizeof(*ids));
	struct route_set *sets = calloc(r->n_slots + 1, sizeof(*sets));
	int err = ids && sets ? 0 : -ENOMEM;

	if (!err) {
		sort_by_slot(r, ids, sets);
		if (r->n_steps)
			print_steps(ctl, r);
		if (r->n_slots)
			print_slots(ctl, r, sets);
		print_strip(ctl, r);
		if (r->losses)
			print_losses(ctl, r);
		print_summary(ctl, r);
	}
	free(ids);
	free(sets);
	return err;
}

/* 0, or HALOCTL_USAGE after telling what is allowed. */
static int parse_number(struct haloctl *ctl, const char *option,
			const char *text, unsigned long min, unsigned long max,
			unsigned *out)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || value < min ||
	    value > max)
		return haloctl_usage(ctl,
				     "'--%s %s': a number from %lu to %lu "
				     "is wanted",
				     option, text, min, max);
	*out = (unsigned)value;
	return 0;
}

static int refuse(struct haloctl *ctl, const struct script *script,
		  const struct diag *diag)
{
	char why[sizeof(diag->text) + 24];

	snprintf(why, sizeof(why), "line %u: %s", diag->line, diag->text);
	return fail(ctl, script, why);
}

static int simulate(struct haloctl *ctl, const struct script *script,
		    const struct simulate_start *start)
{
	struct simulate_result result;
	struct diag diag;
	int err =
		simulate_run(script->text, script->len, start, &result, &diag);

	if (err == -EINVAL)
		return refuse(ctl, script, &diag);
	if (err)
		return fail(ctl, script, strerror(-err));
	if (ctl->json)
		err = print_json(ctl, &result);
	else
		err = print_text(ctl, &result);
	simulate_result_fini(&result);
	return err ? fail(ctl, script, strerror(ENOMEM)) : HALOCTL_OK;
}

struct wishes {
	const char *routes, *reserve, *script;
	bool live, each;
};

/* Where to begin: 0, or an exit code after telling why not. */
static int take_start(struct haloctl *ctl, const struct wishes *w,
		      struct live *live)
{
	int err;

	if (w->live && (w->routes || w->reserve))
		return haloctl_usage(ctl, "'--live' takes the routes and the "
					  "reserve of the running table");
	if (w->live)
		return live_ask(ctl, live);
	if (!w->routes)
		return haloctl_usage(ctl, "'--routes' or '--live' is missing");
	err = parse_number(ctl, "routes", w->routes, 1, ROUTES_MAX,
			   &live->start.routes);
	if (!err && w->reserve)
		err = parse_number(ctl, "reserve", w->reserve, 0, NODES_MAX,
				   &live->start.reserve);
	return err;
}

/* With --live or --each a script may be left out. */
static const char *script_of(const struct wishes *w)
{
	if (w->script)
		return w->script;
	return w->live || w->each ? "/dev/null" : "-";
}

int cmd_simulate(struct haloctl *ctl, int argc, char **argv)
{
	struct wishes w = { .script = NULL };
	const struct option_spec options[] = {
		{ .name = "routes", .value = &w.routes },
		{ .name = "reserve", .value = &w.reserve },
		{ .name = "script", .value = &w.script },
		{ .name = "live", .flag = &w.live },
		{ .name = "each", .flag = &w.each },
		{ .name = NULL },
	};
	struct script script = { .text = NULL };
	struct live live = { .slots = NULL };
	int err = options_parse(ctl, &argc, argv, options, 0, 0);

	if (!err)
		err = take_start(ctl, &w, &live);
	if (err)
		return err;
	live.start.each = w.each;
	err = read_script(script_of(&w), &script);
	err = err ? fail(ctl, &script, strerror(-err))
		  : simulate(ctl, &script, &live.start);
	free(script.text);
	live_fini(&live);
	return err;
}
