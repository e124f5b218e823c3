// SPDX-License-Identifier: GPL-2.0-or-later
#include "print.h"

#include <libsmartcols/libsmartcols.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_WIDTH 11

const char *print_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

long long print_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

const char *print_duration(long long ms, char *out)
{
	static const struct {
		long long ms;
		const char *unit, *rest_unit;
		long long rest_ms;
	} units[] = {
		{ 86400000, "d", "h", 3600000 },
		{ 3600000, "h", "m", 60000 },
		{ 60000, "m", "s", 1000 },
	};

	for (unsigned i = 0; i < 3; i++) {
		long long rest = ms % units[i].ms / units[i].rest_ms;

		if (ms < units[i].ms)
			continue;
		snprintf(out, PRINT_UNIT_MAX,
			 rest ? "%lld %s %lld %s" : "%lld %s", ms / units[i].ms,
			 units[i].unit, rest, units[i].rest_unit);
		return out;
	}
	if (ms < 1000)
		snprintf(out, PRINT_UNIT_MAX, "%lld ms", ms);
	else if (ms % 1000 < 100)
		snprintf(out, PRINT_UNIT_MAX, "%lld s", ms / 1000);
	else
		snprintf(out, PRINT_UNIT_MAX, "%lld.%lld s", ms / 1000,
			 ms % 1000 / 100);
	return out;
}

const char *print_count(long long n, char *out)
{
	if (n >= 1000000000)
		snprintf(out, PRINT_UNIT_MAX, "%.2f G", (double)n / 1e9);
	else if (n >= 1000000)
		snprintf(out, PRINT_UNIT_MAX, "%.2f M", (double)n / 1e6);
	else
		snprintf(out, PRINT_UNIT_MAX, "%lld", n);
	return out;
}

void print_carried(struct haloctl *ctl, const char *title, const json_t *plane)
{
	bool tracked = print_number(plane, "conntrack_max") > 0;
	char flows[PRINT_UNIT_MAX], most[PRINT_UNIT_MAX];

	print_count(
		print_number(plane, tracked ? "conntrack_entries" : "flows"),
		flows);
	print_count(
		print_number(plane, tracked ? "conntrack_max" : "flows_max"),
		most);
	print_field(ctl, title, "%s of at most %s %s, %lld packets held", flows,
		    most, tracked ? "connections tracked" : "flows",
		    print_number(plane, "held"));
}

const char *print_ranges(const json_t *ranges, char *out, unsigned size)
{
	static const char cut[] = "…";
	unsigned len = 0;

	out[0] = 0;
	for (size_t i = 0; i < json_array_size(ranges); i++) {
		const json_t *pair = json_array_get(ranges, i);
		int first = (int)json_integer_value(json_array_get(pair, 0));
		int last = (int)json_integer_value(json_array_get(pair, 1));
		char item[32];
		int n = snprintf(item, sizeof(item),
				 first == last ? "%s%d" : "%s%d-%d",
				 i ? "," : "", first, last);

		if (len + (unsigned)n + sizeof(cut) > size) {
			strcpy(out + len, cut);
			break;
		}
		strcpy(out + len, item);
		len += (unsigned)n;
	}
	return out;
}

const char *print_state_colour(const char *state)
{
	static const struct {
		const char *state, *colour;
	} colours[] = {
		{ "active", "green" },	  { "reserve", "cyan" },
		{ "joining", "cyan" },	  { "suspect", "yellow" },
		{ "draining", "yellow" }, { "drained", "darkgray" },
		{ "lost", "red" },	  { "quarantined", "red" },
	};

	for (unsigned i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
		if (!strcmp(state, colours[i].state))
			return colours[i].colour;
	}
	return NULL;
}

static const char *escape_of(const char *colour)
{
	static const struct {
		const char *name, *escape;
	} escapes[] = {
		{ "red", "\033[31m" },	  { "green", "\033[32m" },
		{ "yellow", "\033[33m" }, { "cyan", "\033[36m" },
		{ "bold", "\033[1m" },	  { "darkgray", "\033[90m" },
	};

	for (unsigned i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
		if (!strcmp(colour, escapes[i].name))
			return escapes[i].escape;
	}
	return "";
}

void print_coloured(struct haloctl *ctl, const char *colour, const char *text,
		    int width)
{
	if (ctl->colour && colour && *text)
		fprintf(ctl->out, "%s%-*s\033[0m", escape_of(colour), width,
			text);
	else
		fprintf(ctl->out, "%-*s", width, text);
}

void print_field(struct haloctl *ctl, const char *label, const char *fmt, ...)
{
	va_list ap;

	print_coloured(ctl, "bold", label, LABEL_WIDTH);
	va_start(ap, fmt);
	vfprintf(ctl->out, fmt, ap);
	va_end(ap);
	fputc('\n', ctl->out);
}

void print_pending(struct haloctl *ctl, const json_t *moves)
{
	const char *label = "moving";
	char left[PRINT_UNIT_MAX];
	const json_t *m;
	size_t i;

	json_array_foreach(moves, i, m)
	{
		const char *from = print_text(m, "from");

		print_field(
			ctl, label,
			"%s -> %s, %lld routes, %s, at most %s more",
			*from ? from : "nobody", print_text(m, "to"),
			print_number(m, "routes"), print_text(m, "reason"),
			print_duration(print_number(m, "deadline_ms"), left));
		label = "";
	}
}

struct print_table {
	struct haloctl *ctl;
	struct libscols_table *table;
	struct libscols_line *line;
	size_t columns, at;
};

struct print_table *print_table_new(struct haloctl *ctl,
				    const char *const *headings)
{
	struct print_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->ctl = ctl;
	t->table = scols_new_table();
	scols_table_set_stream(t->table, ctl->out);
	scols_table_enable_colors(t->table, ctl->colour);
	scols_table_set_column_separator(t->table, "  ");
	for (; *headings; headings++, t->columns++) {
		bool right = **headings == '>';

		scols_table_new_column(t->table, *headings + right, 0,
				       right ? SCOLS_FL_RIGHT : 0);
	}
	return t;
}

void print_cell(struct print_table *t, const char *colour, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int len;

	if (!t)
		return;
	if (t->at == 0)
		t->line = scols_table_new_line(t->table, NULL);
	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len >= 0)
		scols_line_refer_data(t->line, t->at, text);
	if (colour)
		scols_cell_set_color(scols_line_get_cell(t->line, t->at),
				     colour);
	t->at = (t->at + 1) % t->columns;
}

void print_table_end(struct print_table *t, const char *empty)
{
	if (!t)
		return;
	if (scols_table_get_nlines(t->table))
		scols_print_table(t->table);
	else
		fprintf(t->ctl->out, "%s\n", empty);
	scols_unref_table(t->table);
	free(t);
}
