/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turns.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t turns_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

struct turns turns_alone(void)
{
	return (struct turns){ .from_ns = turns_now_ns(), .of = 1 };
}

int turns_parse(struct turns *t, const char *text)
{
	unsigned long long from_us;
	unsigned mine, of, rest_ms;
	char end;

	if (sscanf(text, "%llu,%u,%u,%u%c", &from_us, &mine, &of, &rest_ms,
		   &end) != 4 ||
	    mine >= of)
		return -EINVAL;
	*t = (struct turns){
		.from_ns = from_us * NS_PER_US + turns_now_ns() -
			   clock_ns(CLOCK_REALTIME),
		.rest_ns = rest_ms * NS_PER_MS,
		.mine = mine,
		.of = of,
	};
	return 0;
}

uint64_t turns_await(const struct turns *t, unsigned i)
{
	uint64_t number = (uint64_t)i * t->of + t->mine;
	uint64_t begins = t->from_ns + number * (TURN_NS + t->rest_ns);
	struct timespec at = { .tv_sec = (time_t)(begins / NS_PER_S),
			       .tv_nsec = (long)(begins % NS_PER_S) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) ==
	       EINTR)
		;
	return begins + TURN_NS;
}
