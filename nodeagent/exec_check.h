/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs an operator's command as a check of the server: well when it ends with
 * 0 in time. What the answer means is check.h's.
 */
#ifndef HALO_NODEAGENT_EXEC_CHECK_H
#define HALO_NODEAGENT_EXEC_CHECK_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#define EXEC_CHECK_WHY_MAX 120

struct exec_check;

/* why: the last line of what it wrote, printable, or how it ended. */
typedef void (*exec_check_fn)(void *arg, bool ok, const char *why);

/* loop: the default one, which reaps children; text is borrowed. NULL: no
 * memory. */
struct exec_check *exec_check_new(struct ev_loop *loop, const char *text,
				  exec_check_fn fn, void *arg);
/* Nothing when it runs already. After timeout_ns it and all that it started
 * are killed. 0, or -errno: then nothing is told. */
int exec_check_start(struct exec_check *x, uint64_t timeout_ns);
/* Kills what runs. */
void exec_check_free(struct exec_check *x);

#endif
