// SPDX-License-Identifier: GPL-2.0-or-later
#include "spawn.h"

#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <unistd.h>

static void set_attributes(posix_spawnattr_t *attr)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP |
					       POSIX_SPAWN_SETSIGMASK |
					       POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(attr, 0);
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setsigdefault(attr, &all);
}

int spawn_shell(const char *text, int in, int out, char **env, pid_t *pid)
{
	char sh[] = "sh", option[] = "-c";
	char *const argv[] = { sh, option, (char *)(uintptr_t)text, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int ret;

	posix_spawn_file_actions_init(&files);
	if (in >= 0)
		posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	if (out >= 0) {
		posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
		posix_spawn_file_actions_adddup2(&files, out, STDERR_FILENO);
	}
	posix_spawnattr_init(&attr);
	set_attributes(&attr);
	ret = -posix_spawn(pid, "/bin/sh", &files, &attr, argv,
			   env ? env : environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return ret;
}
