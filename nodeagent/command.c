// SPDX-License-Identifier: GPL-2.0-or-later
#include "command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utlist.h>

#include "base/log.h"
#include "base/units.h"
#include "spawn.h"

struct job {
	uint64_t id;
	char name[32];
	char *json;
	struct job *prev, *next;
};

struct command {
	struct ev_loop *loop;
	const char *text;
	command_fn fn;
	void *arg;
	unsigned queued;
	struct job *jobs; /* the first one is running if child is active */
	ev_child child;
	ev_timer timeout;
};

static void start_next(struct command *c);

static void free_job(struct command *c, struct job *job)
{
	DL_DELETE(c->jobs, job);
	c->queued--;
	free(job->json);
	free(job);
}

static void finish_first(struct command *c)
{
	uint64_t id = c->jobs->id;

	free_job(c, c->jobs);
	c->fn(c->arg, id);
}

/* A file in memory, read from its start: no writer has to wait for a reader. */
static int stdin_with(const char *json)
{
	size_t len = strlen(json);
	int fd = memfd_create("event", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, json, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET)) {
		close(fd);
		return -EIO;
	}
	return fd;
}

/* This environment with HALO_EVENT in it; free() the array. */
static char **environment(char *setting)
{
	unsigned n = 0, kept = 0;
	char **env;

	while (environ[n])
		n++;
	env = calloc(n + 2, sizeof(*env));
	for (unsigned i = 0; env && i < n; i++)
		if (strncmp(environ[i], "HALO_EVENT=", 11))
			env[kept++] = environ[i];
	if (env)
		env[kept] = setting;
	return env;
}

static int start(struct command *c, const struct job *job, pid_t *pid)
{
	char setting[64];
	char **env;
	int in, ret = -ENOMEM;

	in = stdin_with(job->json);
	if (in < 0)
		return in;
	snprintf(setting, sizeof(setting), "HALO_EVENT=%s", job->name);
	env = environment(setting);
	if (env)
		ret = spawn_shell(c->text, in, -1, env, pid);
	free(env);
	close(in);
	return ret;
}

static void on_exit_of_child(struct ev_loop *loop, ev_child *child, int revents)
{
	struct command *c = child->data;

	ev_child_stop(loop, child);
	ev_timer_stop(loop, &c->timeout);
	if (child->rstatus)
		log_warn("on-event command failed", "event=%s status=%d",
			 c->jobs->name, child->rstatus);
	finish_first(c);
	start_next(c);
}

static void on_timeout(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct command *c = timer->data;

	log_warn("on-event command killed", "event=%s after_s=%d",
		 c->jobs->name, COMMAND_TIMEOUT_S);
	kill(-c->child.pid, SIGKILL);
}

static void watch(struct command *c, pid_t pid)
{
	ev_child_init(&c->child, on_exit_of_child, pid, 0);
	c->child.data = c;
	ev_child_start(c->loop, &c->child);
	ev_timer_set(&c->timeout, COMMAND_TIMEOUT_S, 0.);
	ev_timer_start(c->loop, &c->timeout);
}

static void start_next(struct command *c)
{
	while (c->jobs && !ev_is_active(&c->child)) {
		pid_t pid;
		int ret = start(c, c->jobs, &pid);

		if (!ret) {
			watch(c, pid);
			return;
		}
		log_warn("on-event command not started", "error=\"%s\"",
			 strerror(-ret));
		finish_first(c);
	}
}

struct command *command_new(struct ev_loop *loop, const char *shell_text,
			    command_fn fn, void *arg)
{
	struct command *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct command){
		.loop = loop, .text = shell_text, .fn = fn, .arg = arg
	};
	ev_init(&c->child, on_exit_of_child);
	ev_init(&c->timeout, on_timeout);
	c->timeout.data = c;
	return c;
}

/* The first job may be running. */
static void forget_oldest_waiting(struct command *c)
{
	struct job *oldest = c->jobs->next;
	uint64_t id = oldest->id;

	log_warn("on-event command skipped", "event=%s why=\"too many wait\"",
		 oldest->name);
	free_job(c, oldest);
	c->fn(c->arg, id);
}

void command_run(struct command *c, const char *name, const char *json,
		 uint64_t id)
{
	struct job *job = calloc(1, sizeof(*job));
	char *copy = strdup(json);

	if (!job || !copy) {
		free(job);
		free(copy);
		return;
	}
	if (c->queued == COMMAND_QUEUE_MAX)
		forget_oldest_waiting(c);
	job->id = id;
	job->json = copy;
	snprintf(job->name, sizeof(job->name), "%s", name);
	DL_APPEND(c->jobs, job);
	c->queued++;
	start_next(c);
}

void command_free(struct command *c)
{
	if (!c)
		return;
	ev_child_stop(c->loop, &c->child);
	ev_timer_stop(c->loop, &c->timeout);
	while (c->jobs)
		free_job(c, c->jobs);
	free(c);
}
