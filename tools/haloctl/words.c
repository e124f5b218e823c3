// SPDX-License-Identifier: GPL-2.0-or-later
#include "words.h"

#include <stddef.h>
#include <string.h>

#define WORD_MAX 32 /* longer ones are nobody's slip */

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein's distance, one row at a time. */
static unsigned distance(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	unsigned row[WORD_MAX + 1];

	if (a_len > WORD_MAX || b_len > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1,
				      diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[b_len];
}

const char *words_nearest(const char *word, const char *const *candidates)
{
	unsigned best = (unsigned)strlen(word) / 3 + 2;
	const char *nearest = NULL;

	for (; *candidates; candidates++) {
		unsigned d = distance(word, *candidates);

		if (d < best && d < strlen(*candidates)) {
			best = d;
			nearest = *candidates;
		}
	}
	return nearest;
}
