/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clients of the lab in one process: SSE subscribers, publishers and
 * newcomers, all through the gateway. Lines on stdin say what to do, lines of
 * JSON on stdout say how the clients fared:
 *
 *   publish on|off             probe on|off
 *   forced NAME [: COMMAND]    an incident begins now; sh runs COMMAND, which
 *                              may print `at NS`, the fault's own moment
 *   planned NAME [: COMMAND]   the same, and no message may be lost in it
 *   end                        … and is over: print it
 *   now                        print the figures so far, at once
 *   quit                       print the summary and leave
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load/prober.h"
#include "load/publishers.h"
#include "load/score.h"
#include "load/stream.h"
#include "load/subscribers.h"

/* What is on its way when publishing stops gets this long to arrive. */
#define QUIET_NS (500 * NS_PER_MS)
#define QUIT_NS	 (5 * NS_PER_S)
/* Who waits longer for an answer is told of in the figures. */
#define LONG_NS (200 * NS_PER_MS)

extern char **environ;

struct load {
	struct target target;
	unsigned n_subscribers, interval_ms, probes, patience_s, away_ms;
	struct score *score;
	struct subscribers *subscribers;
	struct publishers *publishers;
	struct prober *prober;
	ev_io in, command; /* what the incident's command prints */
	ev_timer report, quit;
	uint64_t quit_ns;
	size_t len;
	char line[1024];
};

static void forget_command(struct load *l)
{
	if (!ev_is_active(&l->command))
		return;
	ev_io_stop(l->target.loop, &l->command);
	close(l->command.fd);
}

/* Its first words alone are of interest. */
static void on_command(struct ev_loop *loop, ev_io *io, int events)
{
	struct load *l = io->data;
	unsigned long long at_ns;
	char text[64];
	ssize_t n = read(io->fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = 0;
	if (sscanf(text, "at %llu", &at_ns) == 1)
		score_began(l->score, at_ns);
	forget_command(l);
}

static int spawn(char *command, int out)
{
	char sh[] = "sh", dash_c[] = "-c";
	char *argv[] = { sh, dash_c, command, NULL };
	posix_spawn_file_actions_t files;
	pid_t pid;
	int err;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	err = posix_spawn(&pid, "/bin/sh", &files, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	return err;
}

static void run_command(struct load *l, char *command)
{
	int ends[2];

	forget_command(l);
	if (pipe2(ends, O_CLOEXEC))
		return;
	if (spawn(command, ends[1]))
		fprintf(stderr, "halo_load: cannot run: %s\n", command);
	close(ends[1]);
	ev_io_set(&l->command, ends[0], EV_READ);
	ev_io_start(l->target.loop, &l->command);
}

static void begin(struct load *l, char *name, bool forced)
{
	char *command = strstr(name, " : ");

	if (command) {
		*command = 0;
		command += 3;
	}
	if (score_begin(l->score, name, forced, now_ns()))
		fprintf(stderr, "halo_load: too many incidents\n");
	if (command)
		run_command(l, command);
}

static void print_totals(const struct load *l, const char *kind)
{
	struct score_totals t;

	score_totals(l->score, &t);
	printf("{\"%s\":true,\"subscribers\":%u,\"connected\":%u,"
	       "\"published\":%llu,\"expected\":%llu,\"delivered\":%llu,"
	       "\"duplicates\":%llu,\"lost\":%llu,\"lost_forced\":%llu,"
	       "\"probes\":%llu,\"probe_failures\":%llu,"
	       "\"probes_waiting\":%u,\"broken\":%u,\"back\":%u}\n",
	       kind, l->n_subscribers, subscribers_connected(l->subscribers),
	       (unsigned long long)t.published, (unsigned long long)t.expected,
	       (unsigned long long)t.delivered,
	       (unsigned long long)t.duplicates, (unsigned long long)t.lost,
	       (unsigned long long)t.lost_forced, (unsigned long long)t.probes,
	       (unsigned long long)t.probe_failures,
	       prober_waiting(l->prober, LONG_NS), t.broken, t.back);
	fflush(stdout);
}

static void begin_quit(struct load *l)
{
	prober_pause(l->prober, true);
	publishers_pause(l->publishers, true);
	l->quit_ns = now_ns();
	ev_timer_start(l->target.loop, &l->quit);
}

static void obey(struct load *l, char *line)
{
	if (!strncmp(line, "forced ", 7))
		begin(l, line + 7, true);
	else if (!strncmp(line, "planned ", 8))
		begin(l, line + 8, false);
	else if (!strcmp(line, "end"))
		score_end(l->score, now_ns(), stdout);
	else if (!strncmp(line, "publish ", 8))
		publishers_pause(l->publishers, strcmp(line + 8, "on") != 0);
	else if (!strncmp(line, "probe ", 6))
		prober_pause(l->prober, strcmp(line + 6, "on") != 0);
	else if (!strcmp(line, "now"))
		print_totals(l, "second");
	else if (!strcmp(line, "quit"))
		begin_quit(l);
	else
		fprintf(stderr, "halo_load: what is '%s'?\n", line);
}

static void on_stdin(struct ev_loop *loop, ev_io *io, int events)
{
	struct load *l = io->data;
	ssize_t n =
		read(io->fd, l->line + l->len, sizeof(l->line) - 1 - l->len);
	char *nl;

	if (n <= 0) {
		ev_io_stop(loop, io);
		begin_quit(l);
		return;
	}
	l->len += (size_t)n;
	while ((nl = memchr(l->line, '\n', l->len))) {
		size_t used = (size_t)(nl - l->line) + 1;

		*nl = 0;
		obey(l, l->line);
		l->len -= used;
		memmove(l->line, l->line + used, l->len);
	}
}

static void on_report(struct ev_loop *loop, ev_timer *timer, int events)
{
	const struct load *l = timer->data;

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	print_totals(l, "second");
}

static bool all_arrived(const struct load *l)
{
	struct score_totals t;

	score_totals(l->score, &t);
	return publishers_idle(l->publishers) &&
	       t.delivered + t.lost_forced == t.expected;
}

static void on_quit(struct ev_loop *loop, ev_timer *timer, int events)
{
	const struct load *l = timer->data;
	uint64_t waited = now_ns() - l->quit_ns;

	if (waited > QUIT_NS || (waited > QUIET_NS && all_arrived(l)))
		ev_break(loop, EVBREAK_ALL);
}

static int usage(void)
{
	fprintf(stderr,
		"usage: halo_load --vip A [--source A --sources N --home N]\n"
		"       [--routes 24] [--browser 8001] [--app 9001]\n"
		"       [--subscribers 200] [--away MS] [--interval MS]\n"
		"       [--probes PER_S] [--patience S]\n");
	return 2;
}

static int parse(struct load *l, int argc, char **argv)
{
	static const struct option options[] = {
		{ "vip", required_argument, NULL, 'v' },
		{ "source", required_argument, NULL, 's' },
		{ "sources", required_argument, NULL, 'n' },
		{ "home", required_argument, NULL, 'h' },
		{ "routes", required_argument, NULL, 'r' },
		{ "browser", required_argument, NULL, 'b' },
		{ "app", required_argument, NULL, 'a' },
		{ "subscribers", required_argument, NULL, 'c' },
		{ "interval", required_argument, NULL, 'i' },
		{ "probes", required_argument, NULL, 'p' },
		{ "patience", required_argument, NULL, 'w' },
		{ "away", required_argument, NULL, 'y' },
		{ 0 },
	};
	struct target *t = &l->target;
	int c, ok = 1;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		unsigned number = optarg ? (unsigned)atoi(optarg) : 0;

		switch (c) {
		case 'v':
			ok &= inet_pton(AF_INET, optarg, &t->vip);
			break;
		case 's':
			ok &= inet_pton(AF_INET, optarg, &t->source);
			break;
		case 'n':
			t->sources = number;
			break;
		case 'h':
			t->home = number;
			break;
		case 'r':
			t->routes = number;
			break;
		case 'b':
			t->browser = (uint16_t)number;
			break;
		case 'a':
			t->app = (uint16_t)number;
			break;
		case 'c':
			l->n_subscribers = number;
			break;
		case 'i':
			l->interval_ms = number;
			break;
		case 'p':
			l->probes = number;
			break;
		case 'w':
			l->patience_s = number;
			break;
		case 'y':
			l->away_ms = number;
			break;
		default:
			return -EINVAL;
		}
	}
	ok &= t->vip.s_addr && t->routes && t->home <= t->sources;
	ok &= l->probes && l->interval_ms && l->patience_s && l->away_ms;
	return ok ? 0 : -EINVAL;
}

static void allow_many_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int load_init(struct load *l)
{
	struct ev_loop *loop = ev_default_loop(0);

	l->target.loop = loop;
	l->score = score_new(l->target.routes, l->n_subscribers);
	if (!l->score)
		return -ENOMEM;
	l->subscribers = subscribers_new(&l->target, l->score, l->n_subscribers,
					 l->away_ms);
	l->publishers = publishers_new(&l->target, l->score, l->interval_ms);
	l->prober = prober_new(&l->target, l->score, l->probes, l->patience_s);
	if (!l->subscribers || !l->publishers || !l->prober)
		return -ENOMEM;
	ev_io_init(&l->in, on_stdin, STDIN_FILENO, EV_READ);
	l->in.data = l;
	ev_io_start(loop, &l->in);
	ev_init(&l->command, on_command);
	l->command.data = l;
	ev_timer_init(&l->report, on_report, 1, 1);
	l->report.data = l;
	ev_timer_start(loop, &l->report);
	ev_timer_init(&l->quit, on_quit, 0.05, 0.05);
	l->quit.data = l;
	return 0;
}

static void load_fini(struct load *l)
{
	forget_command(l);
	prober_free(l->prober);
	publishers_free(l->publishers);
	subscribers_free(l->subscribers);
	score_free(l->score);
}

int main(int argc, char **argv)
{
	struct load l = {
		.target = { .routes = 24, .browser = 8001, .app = 9001 },
		.n_subscribers = 200,
		.interval_ms = 100,
		.probes = 200,
		.patience_s = 3,
		.away_ms = 5,
	};

	if (parse(&l, argc, argv))
		return usage();
	signal(SIGPIPE, SIG_IGN);
	allow_many_files();
	if (load_init(&l)) {
		fprintf(stderr, "halo_load: no memory\n");
		return 1;
	}
	ev_run(l.target.loop, 0);
	print_totals(&l, "summary");
	load_fini(&l);
	return 0;
}
