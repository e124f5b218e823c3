/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clocks, and a timer on CLOCK_MONOTONIC that is on time: a timerfd in the
 * event loop, since ev_timer was measured 0.6 ms late in the median.
 */
#ifndef HALO_IO_CLOCK_H
#define HALO_IO_CLOCK_H

#include <ev.h>
#include <stdint.h>

uint64_t clock_monotonic_ns(void);
uint64_t clock_wall_ms(void); /* since the epoch */

typedef void (*clock_timer_fn)(void *arg);

struct clock_timer {
	struct ev_loop *loop;
	ev_io io;
	int fd;
	uint64_t armed_ns; /* TIME_NEVER: not armed */
	clock_timer_fn fn;
	void *arg;
};

int clock_timer_init(struct clock_timer *t, struct ev_loop *loop,
		     clock_timer_fn fn, void *arg);
/* Fires once, at or after at_ns (absolute; the past fires at once). A later
 * call replaces an earlier one; TIME_NEVER disarms. */
void clock_timer_set(struct clock_timer *t, uint64_t at_ns);
/* Makes sure that it fires no later than at_ns. Costs a system call only when
 * it is armed for later: a deadline that moves away needs no new alarm, its
 * owner looks again when the old one rings. */
void clock_timer_advance(struct clock_timer *t, uint64_t at_ns);
void clock_timer_fini(struct clock_timer *t);

#endif
