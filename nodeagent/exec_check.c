// SPDX-License-Identifier: GPL-2.0-or-later
#include "exec_check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/units.h"
#include "spawn.h"

#define READ_MAX 4096 /* at once: a flood waits, and costs little */
#define LEFT_MAX 16   /* reads for what a pipe holds */

struct exec_check {
	struct ev_loop *loop;
	const char *text;
	exec_check_fn fn;
	void *arg;
	int out; /* what it writes; -1 */
	ev_io io;
	ev_child child; /* active while it runs */
	ev_timer timeout;
	bool late;
	bool line_ended; /* the next octet begins a line */
	unsigned len;
	char line[EXEC_CHECK_WHY_MAX]; /* the last one that is not empty */
};

static void add(struct exec_check *x, char c)
{
	if (c == '\n') {
		x->line_ended = true;
		return;
	}
	if (x->line_ended)
		x->len = 0;
	x->line_ended = false;
	if (x->len + 1 < sizeof(x->line))
		x->line[x->len++] = c >= 0x20 && c < 0x7f ? c : '?';
	x->line[x->len] = 0;
}

/* Bytes read, 0 at the end or when there is nothing. */
static ssize_t read_some(struct exec_check *x)
{
	char buf[READ_MAX];
	ssize_t n = read(x->out, buf, sizeof(buf));

	for (ssize_t i = 0; i < n; i++)
		add(x, buf[i]);
	return n;
}

static void on_output(struct ev_loop *loop, ev_io *io, int revents)
{
	struct exec_check *x = io->data;
	ssize_t n = read_some(x);

	if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
		ev_io_stop(loop, io);
}

static void close_output(struct exec_check *x)
{
	ev_io_stop(x->loop, &x->io);
	if (x->out >= 0)
		close(x->out);
	x->out = -1;
}

static void describe(const struct exec_check *x, int status, char *out,
		     unsigned size)
{
	if (x->late)
		snprintf(out, size, "killed: it took too long");
	else if (x->len)
		snprintf(out, size, "%s", x->line);
	else if (WIFSIGNALED(status))
		snprintf(out, size, "killed by signal %d", WTERMSIG(status));
	else
		snprintf(out, size, "exit status %d", WEXITSTATUS(status));
}

/* What it left running may hold the pipe open: nobody waits for that. */
static void on_exit_of_child(struct ev_loop *loop, ev_child *child, int revents)
{
	struct exec_check *x = child->data;
	char why[EXEC_CHECK_WHY_MAX];

	ev_child_stop(loop, child);
	ev_timer_stop(loop, &x->timeout);
	for (unsigned i = 0; i < LEFT_MAX && read_some(x) > 0; i++)
		;
	close_output(x);
	describe(x, child->rstatus, why, sizeof(why));
	x->fn(x->arg, !child->rstatus && !x->late, why);
}

static void on_timeout(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct exec_check *x = timer->data;

	x->late = true;
	kill(-x->child.pid, SIGKILL);
}

struct exec_check *exec_check_new(struct ev_loop *loop, const char *text,
				  exec_check_fn fn, void *arg)
{
	struct exec_check *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	*x = (struct exec_check){
		.loop = loop, .text = text, .fn = fn, .arg = arg, .out = -1
	};
	ev_init(&x->io, on_output);
	ev_init(&x->child, on_exit_of_child);
	ev_init(&x->timeout, on_timeout);
	x->io.data = x->child.data = x->timeout.data = x;
	return x;
}

static void watch(struct exec_check *x, pid_t pid, int out, uint64_t timeout_ns)
{
	x->late = x->line_ended = false;
	x->len = 0;
	x->out = out;
	ev_io_set(&x->io, out, EV_READ);
	ev_io_start(x->loop, &x->io);
	ev_child_set(&x->child, pid, 0);
	ev_child_start(x->loop, &x->child);
	ev_timer_set(&x->timeout, (double)timeout_ns / NS_PER_S, 0.);
	ev_timer_start(x->loop, &x->timeout);
}

int exec_check_start(struct exec_check *x, uint64_t timeout_ns)
{
	int pipe_fds[2], in, ret;
	pid_t pid;

	if (ev_is_active(&x->child))
		return 0;
	if (pipe2(pipe_fds, O_CLOEXEC))
		return -errno;
	fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
	in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ret = spawn_shell(x->text, in, pipe_fds[1], NULL, &pid);
	if (in >= 0)
		close(in);
	close(pipe_fds[1]);
	if (ret)
		close(pipe_fds[0]);
	else
		watch(x, pid, pipe_fds[0], timeout_ns);
	return ret;
}

void exec_check_free(struct exec_check *x)
{
	if (!x)
		return;
	if (ev_is_active(&x->child))
		kill(-x->child.pid, SIGKILL);
	ev_child_stop(x->loop, &x->child);
	ev_timer_stop(x->loop, &x->timeout);
	close_output(x);
	free(x);
}
