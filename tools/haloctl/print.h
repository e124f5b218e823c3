/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How results look as text: tables, labelled lines, colours, human units. Not
 * for JSON, which is printed as it came.
 */
#ifndef HALOCTL_PRINT_H
#define HALOCTL_PRINT_H

#include <stdint.h>

#include "haloctl.h"

/* Reading an answer: "" and 0 for what is missing or null. */
const char *print_text(const json_t *object, const char *key);
long long print_number(const json_t *object, const char *key);

/* Units a human reads, into a buffer of PRINT_UNIT_MAX; return it. */
#define PRINT_UNIT_MAX 32
const char *print_duration(long long ms, char *out); /* "12 ms", "2 h 5 m" */
const char *print_count(long long n, char *out);     /* "950", "1.2 M" */
/* What the plane carries: its own flows, or where the kernel does it for the
 * plane, all that conntrack knows. */
void print_carried(struct haloctl *ctl, const char *title, const json_t *plane);
/* "1-8,12", from [[first,last],…]; ends in "…" when it is cut to size. */
const char *print_ranges(const json_t *ranges, char *out, unsigned size);

/* Colours by name as libsmartcols knows them; NULL: none. */
const char *print_state_colour(const char *state);
/* The text in that colour, padded to width. */
void print_coloured(struct haloctl *ctl, const char *colour, const char *text,
		    int width);
/* "label       text"; continues below with an empty label. */
__attribute__((format(printf, 3, 4))) void
print_field(struct haloctl *ctl, const char *label, const char *fmt, ...);

/* "moving      a -> b, 8 routes, drain, at most 400 ms more", a line a move */
void print_pending(struct haloctl *ctl, const json_t *moves);

/* A table is filled cell by cell, from left to right; a row begins with the
 * first. Nothing but the headings' absence is printed for no rows. */
struct print_table;

/* Headings; one that begins with '>' is aligned to the right. NULL ends. */
struct print_table *print_table_new(struct haloctl *ctl,
				    const char *const *headings);
__attribute__((format(printf, 3, 4))) void
print_cell(struct print_table *t, const char *colour, const char *fmt, ...);
/* Prints and frees it; empty is what is said when there are no rows. */
void print_table_end(struct print_table *t, const char *empty);

#endif
