// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/clock.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/units.h"

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ms(void)
{
	return read_clock(CLOCK_REALTIME) / NS_PER_MS;
}

static void on_expiry(struct ev_loop *loop, ev_io *io, int revents)
{
	struct clock_timer *t = io->data;
	uint64_t times;

	if (read(t->fd, &times, sizeof(times)) != sizeof(times))
		return; /* disarmed or set anew since */
	t->armed_ns = TIME_NEVER;
	t->fn(t->arg);
}

int clock_timer_init(struct clock_timer *t, struct ev_loop *loop,
		     clock_timer_fn fn, void *arg)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	*t = (struct clock_timer){ .loop = loop,
				   .fd = fd,
				   .fn = fn,
				   .arg = arg,
				   .armed_ns = TIME_NEVER };
	ev_io_init(&t->io, on_expiry, fd, EV_READ);
	t->io.data = t;
	ev_io_start(loop, &t->io);
	return 0;
}

void clock_timer_set(struct clock_timer *t, uint64_t at_ns)
{
	struct itimerspec its = { 0 };

	t->armed_ns = at_ns;
	if (at_ns != TIME_NEVER) {
		its.it_value.tv_sec = (time_t)(at_ns / NS_PER_S);
		its.it_value.tv_nsec = (long)(at_ns % NS_PER_S);
		if (!at_ns)
			its.it_value.tv_nsec = 1; /* 0 would disarm */
	}
	timerfd_settime(t->fd, TFD_TIMER_ABSTIME, &its, NULL);
}

void clock_timer_advance(struct clock_timer *t, uint64_t at_ns)
{
	if (at_ns < t->armed_ns)
		clock_timer_set(t, at_ns);
}

void clock_timer_fini(struct clock_timer *t)
{
	ev_io_stop(t->loop, &t->io);
	close(t->fd);
}
