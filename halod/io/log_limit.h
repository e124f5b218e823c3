/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps strangers from filling the log: so many lines a second, and a count of
 * those left out. It writes nothing itself.
 */
#ifndef HALO_IO_LOG_LIMIT_H
#define HALO_IO_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct log_limit { /* zeroed but for per_second */
	unsigned per_second;
	unsigned used;
	unsigned suppressed; /* since the last line that passed */
	uint64_t second;
};

/* Whether a line may be written now; *left_out: how many were not since. */
static inline bool log_limit_pass(struct log_limit *l, uint64_t now_ns,
				  unsigned *left_out)
{
	uint64_t second = now_ns / 1000000000ull;

	if (second != l->second) {
		l->second = second;
		l->used = 0;
	}
	if (l->used >= l->per_second) {
		l->suppressed++;
		return false;
	}
	l->used++;
	*left_out = l->suppressed;
	l->suppressed = 0;
	return true;
}

#endif
