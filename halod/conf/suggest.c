// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/suggest.h"

#include <stddef.h>
#include <string.h>

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein, one row at a time. */
unsigned suggest_distance(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	unsigned row[SUGGEST_WORD_MAX];

	if (a_len >= SUGGEST_WORD_MAX || b_len >= SUGGEST_WORD_MAX)
		return SUGGEST_WORD_MAX;
	for (unsigned j = 0; j <= b_len; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a_len; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= b_len; j++) {
			unsigned above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1,
				      diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[b_len];
}

void suggest_offer(struct suggest *s, const char *word)
{
	unsigned distance = suggest_distance(s->text, word);
	size_t len = strlen(word);

	/* a third of the letters wrong is a typing error, more another word */
	if (distance > (len + 2) / 3 || (s->best && distance >= s->distance))
		return;
	s->best = word;
	s->distance = distance;
}
