/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens to a world, as data: settings and a list of acts with times. It
 * can be drawn from a seed, printed, read back, played, and made shorter while
 * it still breaks a promise.
 */
#ifndef HALO_TESTS_SCHEDULE_H
#define HALO_TESTS_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SCHEDULE_ACTS 96

struct schedule_act {
	uint32_t pause_ms; /* before it */
	uint32_t kind;	   /* index of the table of acts */
	uint32_t node;
	uint32_t arg;
};

struct schedule {
	uint64_t seed; /* of delays */
	uint32_t routes, reserve, interval_ms, miss, keep, drain_ms;
	uint32_t latency_us, loss_permille, write_ms;
	uint32_t n_acts;
	struct schedule_act act[SCHEDULE_ACTS];
};

void schedule_draw(struct schedule *s, uint64_t seed);
void schedule_print(const struct schedule *s, FILE *to);
/* 0 or -EINVAL */
int schedule_read(struct schedule *s, FILE *from);
/* true: every promise held, and in the end, when all is mended, all is well.
 * Else *why (the caller frees it) says which was broken. trace: all that
 * happened. Both may be NULL. */
bool schedule_play(const struct schedule *s, char **why, FILE *trace);
/* A broken one: leaves out what it does not need to break. */
void schedule_shorten(struct schedule *s);

#endif
