/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The SYNs of the last moments, as the clients sent them, so that those sent
 * into a dead node can be sent again. A ring: the newest overwrites the oldest
 * and nothing is ever taken out; a flow asks whether its SYN is still there.
 */
#ifndef HALO_PACKET_JOURNAL_H
#define HALO_PACKET_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An IPv4 and a TCP header with all the options they can have. */
#define JOURNAL_SYN_MAX 120
#define JOURNAL_NONE	UINT32_MAX

struct journal;

struct journal_syn {
	uint32_t owner; /* flow_index() */
	uint8_t len;
	bool csum_not_ready;
	uint8_t data[JOURNAL_SYN_MAX];
};

/* NULL: no memory. slots ≥ 1. */
struct journal *journal_new(unsigned slots);
void journal_free(struct journal *j);

/* Returns the slot, JOURNAL_NONE when it is longer than JOURNAL_SYN_MAX. */
uint32_t journal_put(struct journal *j, uint32_t owner, const uint8_t *data,
		     size_t len, bool csum_not_ready);

/* NULL when the slot was given to another flow since, or is JOURNAL_NONE.
 * Borrowed until the next journal_put(). */
const struct journal_syn *journal_get(const struct journal *j, uint32_t slot,
				      uint32_t owner);
/* The newest (0), the one before it, and so on; NULL when there are no more.
 * Borrowed in the same way. */
const struct journal_syn *journal_newest(const struct journal *j, unsigned nth);

#endif
