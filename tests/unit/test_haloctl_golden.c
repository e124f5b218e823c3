// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * haloctl itself against a server that gives canned answers: what it asks,
 * what it prints and how it exits, a file of tests/golden/haloctl a case:
 *
 *	@ tty | @ down | @ NAME=VALUE	on a terminal, no server, environment
 *	$ node list			the command line
 *	< {"schema":1, …}		the answers, in order
 *	=				and what is expected:
 *	> {"cmd":"node.list"}		what was asked
 *	…				what was printed, both streams
 *	exit 0
 *
 * GOLDEN_UPDATE=1 writes what is expected anew: read the difference.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/clock.h"

#define FOLDER	    "tests/golden/haloctl"
#define CASES_MAX   200
#define WORDS_MAX   16
#define LINES_MAX   32
#define TEXT_MAX    (256 * 1024)
#define DEADLINE_MS 10000

struct golden {
	const char *path;
	char *input;	/* the file, cut into lines */
	char *expected; /* what stands behind "=" */
	bool tty, down;
	char *words[WORDS_MAX + 4];
	unsigned n_words;
	char *env[LINES_MAX], *answers[LINES_MAX];
	unsigned n_env, n_answers;
};

struct run {
	const struct golden *golden;
	char folder[64], socket[96];
	int listen_fd, client_fd, output_fd;
	pid_t pid;
	unsigned answered;
	char asked[TEXT_MAX], printed[TEXT_MAX];
	size_t n_asked, n_printed;
};

static char *read_file(const char *path)
{
	char *text = calloc(1, TEXT_MAX);
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_true(fread(text, 1, TEXT_MAX - 1, f) > 0);
	fclose(f);
	return text;
}

static void take_line(struct golden *g, char *line)
{
	char *rest = line + 2, *save;

	if (!strcmp(line, "@ tty"))
		g->tty = true;
	else if (!strcmp(line, "@ down"))
		g->down = true;
	else if (*line == '@')
		g->env[g->n_env++] = rest;
	else if (*line == '<')
		g->answers[g->n_answers++] = rest;
	else if (*line == '$')
		for (char *w = strtok_r(rest, " ", &save); w;
		     w = strtok_r(NULL, " ", &save))
			g->words[g->n_words++] = w;
	assert_true(g->n_env < LINES_MAX && g->n_answers < LINES_MAX &&
		    g->n_words < WORDS_MAX);
}

static void load(struct golden *g, const char *path)
{
	char *save = NULL, *end;

	*g = (struct golden){ .path = path, .input = read_file(path) };
	end = strstr(g->input, "\n=\n");
	assert_non_null(end);
	*end = 0;
	g->expected = end + 3;
	for (char *line = strtok_r(g->input, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		take_line(g, line);
}

/* build/tests/unit/test_x → build/haloctl */
static void find_haloctl(char *out, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", out, size - 1);

	assert_true(n > 0);
	out[n] = 0;
	for (unsigned i = 0; i < 3; i++)
		*strrchr(out, '/') = 0;
	assert_true(strlen(out) + sizeof("/haloctl") <= size);
	strcat(out, "/haloctl");
}

static void run_haloctl(const struct run *r)
{
	const struct golden *g = r->golden;
	const char *argv[WORDS_MAX + 4] = { "haloctl", "-s", r->socket };
	char path[4096];

	find_haloctl(path, sizeof(path));
	memcpy(argv + 3, g->words, g->n_words * sizeof(g->words[0]));
	clearenv();
	setenv("LC_ALL", "C.UTF-8", 1);
	setenv("TERM", "xterm", 1);
	for (unsigned i = 0; i < g->n_env; i++)
		putenv(g->env[i]);
	execv(path, (char **)argv);
	perror(path);
	_exit(127);
}

static void spawn_on_tty(struct run *r)
{
	struct winsize size = { .ws_col = 100, .ws_row = 24 };

	r->pid = forkpty(&r->output_fd, NULL, NULL, &size);
	assert_true(r->pid >= 0);
	if (!r->pid)
		run_haloctl(r);
}

static void spawn_on_pipe(struct run *r)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	r->pid = fork();
	assert_true(r->pid >= 0);
	if (!r->pid) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		run_haloctl(r);
	}
	close(fds[1]);
	r->output_fd = fds[0];
}

static void start(struct run *r)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	r->client_fd = -1;
	strcpy(r->folder, "/tmp/halo-golden-XXXXXX");
	assert_non_null(mkdtemp(r->folder));
	snprintf(r->socket, sizeof(r->socket), "%s/sock", r->folder);
	r->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strcpy(addr.sun_path, r->socket);
	if (!r->golden->down) {
		assert_int_equal(bind(r->listen_fd, (struct sockaddr *)&addr,
				      sizeof(addr)),
				 0);
		assert_int_equal(listen(r->listen_fd, 4), 0);
	}
	if (r->golden->tty)
		spawn_on_tty(r);
	else
		spawn_on_pipe(r);
}

/* A line asked is answered by the next answer; without one, by the end. */
static void answer(struct run *r)
{
	const struct golden *g = r->golden;
	const char *text;

	if (r->answered == g->n_answers) {
		close(r->client_fd);
		r->client_fd = -1;
		return;
	}
	text = g->answers[r->answered++];
	send(r->client_fd, text, strlen(text), MSG_NOSIGNAL);
	send(r->client_fd, "\n", 1, MSG_NOSIGNAL);
	if (strstr(text, "\"kind\"")) /* a stream goes on unasked */
		answer(r);
}

static void serve(struct run *r)
{
	char block[4096];
	ssize_t n = recv(r->client_fd, block, sizeof(block), 0);

	if (n <= 0) {
		close(r->client_fd);
		r->client_fd = -1;
		return;
	}
	for (ssize_t i = 0; i < n && r->n_asked + 3 < TEXT_MAX; i++) {
		if (!r->n_asked || r->asked[r->n_asked - 1] == '\n') {
			r->asked[r->n_asked++] = '>';
			r->asked[r->n_asked++] = ' ';
		}
		r->asked[r->n_asked++] = block[i];
		if (block[i] == '\n')
			answer(r);
	}
}

/* False at the end of the output. */
static bool turn(struct run *r)
{
	struct pollfd fds[] = {
		{ .fd = r->output_fd, .events = POLLIN },
		{ .fd = r->client_fd, .events = POLLIN },
		{ .fd = r->golden->down ? -1 : r->listen_fd, .events = POLLIN },
	};
	ssize_t n;

	poll(fds, 3, 100);
	if (fds[2].revents && r->client_fd < 0)
		r->client_fd = accept(r->listen_fd, NULL, NULL);
	if (fds[1].revents)
		serve(r);
	if (!fds[0].revents)
		return true;
	n = read(r->output_fd, r->printed + r->n_printed,
		 TEXT_MAX - 1 - r->n_printed);
	if (n > 0)
		r->n_printed += (size_t)n;
	return n > 0;
}

/* Waits for the end; what the process returned. */
static int finish(struct run *r)
{
	uint64_t end = clock_monotonic_ns() + DEADLINE_MS * 1000000ull;
	int status;

	while (turn(r) && clock_monotonic_ns() < end)
		;
	if (clock_monotonic_ns() >= end)
		kill(r->pid, SIGKILL);
	waitpid(r->pid, &status, 0);
	close(r->output_fd);
	close(r->listen_fd);
	if (r->client_fd >= 0)
		close(r->client_fd);
	unlink(r->socket);
	rmdir(r->folder);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void append_masked(char *out, const char *text, const char *folder)
{
	size_t len = strlen(folder);

	out += strlen(out);
	while (*text) {
		if (!strncmp(text, folder, len)) {
			out = stpcpy(out, "TMP");
			text += len;
		} else if (*text == '\r') {
			text++;
		} else {
			*out++ = *text++;
		}
	}
	*out = 0;
}

static void update(const struct golden *g, const char *is)
{
	char *text = read_file(g->path);
	FILE *f;

	strstr(text, "\n=\n")[3] = 0;
	f = fopen(g->path, "w");
	assert_non_null(f);
	fprintf(f, "%s%s", text, is);
	fclose(f);
	free(text);
}

static void haloctl_behaves_as_in_the_file(void **state)
{
	struct run *r = calloc(1, sizeof(*r));
	char *is = calloc(1, 2 * TEXT_MAX), line[32];
	struct golden g;

	load(&g, *state);
	r->golden = &g;
	start(r);
	snprintf(line, sizeof(line), "exit %d\n", finish(r));
	append_masked(is, r->asked, r->folder);
	append_masked(is, r->printed, r->folder);
	strcat(is, line);
	if (getenv("GOLDEN_UPDATE"))
		update(&g, is);
	else if (strcmp(is, g.expected))
		fail_msg("%s\nexpected:\n%s\nis:\n%s", g.path, g.expected, is);
	free(g.input);
	free(is);
	free(r);
}

static int is_case(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && !strcmp(dot, ".case");
}

static struct CMUnitTest make_test(struct dirent *take_entry)
{
	struct CMUnitTest test = {
		.test_func = haloctl_behaves_as_in_the_file,
	};
	char *path = NULL;

	if (asprintf(&path, FOLDER "/%s", take_entry->d_name) < 0)
		abort();
	free(take_entry);
	test.name = test.initial_state = path;
	return test;
}

int main(void)
{
	static struct CMUnitTest tests[CASES_MAX];
	struct dirent **entries;
	int n = scandir(FOLDER, &entries, is_case, alphasort), failed;

	if (n <= 0 || n > CASES_MAX) {
		fprintf(stderr, "no cases in %s: run from the top\n", FOLDER);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < n; i++)
		tests[i] = make_test(entries[i]);
	free(entries);
	failed = _cmocka_run_group_tests("haloctl", tests, (size_t)n, NULL,
					 NULL);
	for (int i = 0; i < n; i++)
		free(tests[i].initial_state);
	return failed;
}
