/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet/journal.h"

#include <stdlib.h>
#include <string.h>

struct journal {
	unsigned slots, next;
	struct journal_syn syn[];
};

struct journal *journal_new(unsigned slots)
{
	struct journal *j = calloc(1, sizeof(*j) + slots * sizeof(j->syn[0]));

	if (!j)
		return NULL;
	j->slots = slots;
	for (unsigned i = 0; i < slots; i++)
		j->syn[i].owner = JOURNAL_NONE;
	return j;
}

void journal_free(struct journal *j)
{
	free(j);
}

uint32_t journal_put(struct journal *j, uint32_t owner, const uint8_t *data,
		     size_t len, bool csum_not_ready)
{
	uint32_t slot = j->next;
	struct journal_syn *syn = &j->syn[slot];

	if (len > JOURNAL_SYN_MAX)
		return JOURNAL_NONE;
	j->next = (slot + 1) % j->slots;
	syn->owner = owner;
	syn->len = (uint8_t)len;
	syn->csum_not_ready = csum_not_ready;
	memcpy(syn->data, data, len);
	return slot;
}

const struct journal_syn *journal_get(const struct journal *j, uint32_t slot,
				      uint32_t owner)
{
	if (slot >= j->slots || j->syn[slot].owner != owner)
		return NULL;
	return &j->syn[slot];
}

const struct journal_syn *journal_newest(const struct journal *j, unsigned nth)
{
	const struct journal_syn *syn;

	if (nth >= j->slots)
		return NULL;
	syn = &j->syn[(j->next + j->slots - 1 - nth) % j->slots];
	return syn->owner == JOURNAL_NONE ? NULL : syn;
}
