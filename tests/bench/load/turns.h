/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads that are compared run at the same time and take turns of a tenth of a
 * second: what the machine's neighbours do meets all of them alike. It measures
 * nothing itself.
 */
#ifndef HALO_BENCH_TURNS_H
#define HALO_BENCH_TURNS_H

#include <stdint.h>

#include "base/units.h"

#define TURN_NS	   (100 * NS_PER_MS)
#define TURNS_IN_S (NS_PER_S / TURN_NS)

/* Owned by the caller. */
struct turns {
	uint64_t from_ns;  /* CLOCK_MONOTONIC: the first turn of the first */
	uint64_t rest_ns;  /* after each turn, for what is under way to end */
	unsigned mine, of; /* we are number mine, from 0, of so many */
};

uint64_t turns_now_ns(void);

/* The only one, from now on. */
struct turns turns_alone(void);

/* FROM_US,MINE,OF,REST_MS with FROM_US of CLOCK_REALTIME. -EINVAL. */
int turns_parse(struct turns *t, const char *text);

/* Sleeps until our turn number i, from 0; returns when it ends. */
uint64_t turns_await(const struct turns *t, unsigned i);

#endif
