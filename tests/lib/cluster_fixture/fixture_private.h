/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the two halves of the fixture: the world (cluster_fixture.c) and what
 * becomes of effects, promises included (promises.c).
 */
#ifndef HALO_TESTS_FIXTURE_PRIVATE_H
#define HALO_TESTS_FIXTURE_PRIVATE_H

#include "cluster_fixture.h"

/* A line of the script, with the time. */
__attribute__((format(printf, 2, 3))) void fixture_say(struct fixture *f,
						       const char *fmt, ...);
/* The first one stands. */
__attribute__((format(printf, 2, 3))) void fixture_break(struct fixture *f,
							 const char *fmt, ...);

#define promise(f, cond, ...)                          \
	do {                                           \
		if (!(cond))                           \
			fixture_break(f, __VA_ARGS__); \
	} while (0)

struct fixture_agent *fixture_agent_at(struct fixture *f, uint64_t link);
/* Its connection is gone, for both sides. */
void fixture_cut(struct fixture *f, struct fixture_agent *a);

void fixture_build_model(struct fixture *f);
void fixture_carry_out(struct fixture *f, const struct effect *e);
void fixture_check(struct fixture *f);

#endif
