/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps one thread of a process from running until the process ends. Says
 * "stopped" when it stands still. Usage: stop_thread PID THREAD-NAME
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

static bool has_name(const char *tasks, const char *tid, const char *name)
{
	char path[600], is[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/comm", tasks, tid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (fgets(is, sizeof(is), f))
		is[strcspn(is, "\n")] = 0;
	fclose(f);
	return !strcmp(is, name);
}

static int find(const char *pid, const char *name)
{
	struct dirent *e;
	char tasks[64];
	int tid = -1;
	DIR *dir;

	snprintf(tasks, sizeof(tasks), "/proc/%s/task", pid);
	dir = opendir(tasks);
	while (dir && tid < 0 && (e = readdir(dir)))
		if (has_name(tasks, e->d_name, name))
			tid = atoi(e->d_name);
	if (dir)
		closedir(dir);
	return tid;
}

/* A thread that is traced is not gone before its tracer has heard of it. */
static void wait_for_end(int tid)
{
	int status;

	while (waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status))
		;
}

int main(int argc, char **argv)
{
	int tid = argc == 3 ? find(argv[1], argv[2]) : -1, status;

	if (tid < 0) {
		fprintf(stderr, "usage: stop_thread PID THREAD-NAME\n");
		return 2;
	}
	if (ptrace(PTRACE_SEIZE, tid, 0, 0) ||
	    ptrace(PTRACE_INTERRUPT, tid, 0, 0) ||
	    waitpid(tid, &status, __WALL) != tid) {
		perror("stop_thread");
		return 1;
	}
	puts("stopped");
	fflush(stdout);
	wait_for_end(tid);
	return 0;
}
