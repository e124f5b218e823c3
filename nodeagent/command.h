/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs the operator's --on-event command for one event after the other, in
 * order: the event's JSON on its standard input. A slow one is killed; it
 * never holds up the agent.
 */
#ifndef HALO_NODEAGENT_COMMAND_H
#define HALO_NODEAGENT_COMMAND_H

#include <ev.h>
#include <stdint.h>

#define COMMAND_TIMEOUT_S 10
#define COMMAND_QUEUE_MAX 256 /* the oldest waiting one gives way */

struct command;

/* The command for the event with this id has ended, or will never run. */
typedef void (*command_fn)(void *arg, uint64_t id);

/* loop: the default one, which reaps children. NULL: no memory. */
struct command *command_new(struct ev_loop *loop, const char *shell_text,
			    command_fn fn, void *arg);
/* name goes into HALO_EVENT. */
void command_run(struct command *c, const char *name, const char *json,
		 uint64_t id);
void command_free(struct command *c);

#endif
