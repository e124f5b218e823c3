/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "did you mean …": the known word that is nearest to one that is not known.
 */
#ifndef HALO_CONF_SUGGEST_H
#define HALO_CONF_SUGGEST_H

#define SUGGEST_WORD_MAX 32 /* longer ones are not compared */

/* How many letters must be changed, added or dropped to get from a to b;
 * SUGGEST_WORD_MAX when one of them is that long. */
unsigned suggest_distance(const char *a, const char *b);

/* The best of the words seen so far; start from { .text = … }. */
struct suggest {
	const char *text; /* what was written */
	const char *best; /* borrowed; NULL: nothing is near enough */
	unsigned distance;
};

void suggest_offer(struct suggest *s, const char *word);

#endif
