/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starts a shell command of the operator. Waiting for it, and ending it, is
 * the caller's: kill(-pid) reaches all that it started.
 */
#ifndef HALO_NODEAGENT_SPAWN_H
#define HALO_NODEAGENT_SPAWN_H

#include <sys/types.h>

/* sh -c text in a process group of its own, with default signals; in and out
 * (both of its outputs) are borrowed, -1: the agent's. env NULL: the agent's.
 * 0 or -errno. */
int spawn_shell(const char *text, int in, int out, char **env, pid_t *pid);

#endif
