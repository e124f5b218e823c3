/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every setting as a row: its name, kind, place in struct conf and what is
 * allowed. Reading, "did you mean" and printing all go by these rows.
 */
#ifndef HALO_CONF_RULE_H
#define HALO_CONF_RULE_H

#include <stdint.h>

#include "conf/conf.h"

enum rule_kind {
	RULE_INTEGER,	/* size 2 or 4; min..max */
	RULE_DURATION,	/* uint64_t ns; min..max */
	RULE_SHARE,	/* double */
	RULE_BOOL,	/* bool */
	RULE_MASK,	/* uint32_t; min: how many bits, side by side */
	RULE_PATH,	/* char[size], absolute */
	RULE_NAME,	/* char[size], [A-Za-z0-9._-] */
	RULE_WORD,	/* size 1 or 4; the value of one of words */
	RULE_WORD_TEXT, /* char[size]; one of words itself */
	RULE_ENDPOINT,	/* struct endpoint */
	RULE_VIPS,	/* struct addr[FAMILIES] */
	RULE_NETWORKS,	/* offset 0: struct conf_agents */
	RULE_SERVICES,	/* offset 0: struct conf; rules of one service */
	RULE_GROUP,	/* rules of the group */
	RULE_KINDS
};

struct rule_word {
	const char *text; /* NULL ends the list */
	unsigned value;
};

struct rule {
	const char *name; /* NULL ends the list */
	enum rule_kind kind;
	unsigned offset; /* in the struct that the group is read into */
	unsigned size;
	uint64_t min, max;
	const struct rule_word *words;
	const struct rule *rules;
	bool optional; /* RULE_PATH: "" is none */
	bool live; /* may change while halod runs: see the daemon's reload */
};

extern const struct rule rule_root[]; /* into struct conf */

/* NULL when there is none of that name. */
const struct rule *rule_find(const struct rule *rules, const char *name);
/* The word of a value; it is one of them. */
const char *rule_word_text(const struct rule_word *words, unsigned value);

#endif
