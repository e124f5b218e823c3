/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs the node's checks, each at its interval, and adds them up: up when all
 * are, down when one is. What follows from it is agent.h's.
 */
#ifndef HALO_NODEAGENT_CHECKS_H
#define HALO_NODEAGENT_CHECKS_H

#include <ev.h>

#include "check.h"

#define CHECKS_MAX 16

struct checks;

/* Called when the sum changes. */
typedef void (*checks_fn)(void *arg, enum node_health health);

/* 0, or -errno: checks are copied. */
int checks_new(struct checks **out, struct ev_loop *loop,
	       const struct check *checks, unsigned count, checks_fn fn,
	       void *arg);
/* The interval of those that name none. */
void checks_pace(struct checks *c, uint64_t interval_ns);
void checks_free(struct checks *c);

#endif
