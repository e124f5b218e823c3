// SPDX-License-Identifier: GPL-2.0-or-later
/* Pages that check the server, asked of a little one in this process that
 * answers well, badly, without end or not at all. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
/* after the above, which it needs */
#include <cmocka.h>

#include "../../nodeagent/http_check.h"
#include "base/units.h"

#define LONG_NS	   (20 * NS_PER_S)
#define TOO_LONG_S 10.

struct guest {
	ev_io io;
	struct world *world;
	char request[1024];
	unsigned len;
	const char *flood; /* said again and again */
};

struct world {
	int listener;
	uint16_t port;
	ev_io accepting;
	struct guest guest; /* one at a time */
	unsigned requests, told;
	uint64_t sent;
	int ok;
	char why[300];
	ev_timer too_long, pulse;
	unsigned pulses;
};

static const struct {
	const char *path, *answer, *flood;
} pages[] = {
	{ "/well", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", NULL },
	{ "/moved",
	  "HTTP/1.1 301 Moved\r\nLocation: http://198.18.0.1/\r\n"
	  "Content-Length: 0\r\n\r\n",
	  NULL },
	{ "/ill", "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", NULL },
	{ "/gone", "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", NULL },
	{ "/endless", "HTTP/1.1 200 OK\r\n\r\n", "all work and no play " },
	{ "/ill-endless", "HTTP/1.1 503 No\r\n\r\n", "all work and no play " },
	{ "/headers", "HTTP/1.1 200 OK\r\n", "Header: of many\r\n" },
	{ "/continue", "", "HTTP/1.1 100 Continue\r\n\r\n" },
	{ "/garbage", "\x01\xff\033[31m no http\r\n\r\n", NULL },
	{ "/half", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal", NULL },
};

static void hang_up(struct guest *g)
{
	if (!ev_is_active(&g->io))
		return;
	ev_io_stop(EV_DEFAULT, &g->io);
	close(g->io.fd);
}

static void serve(struct guest *g)
{
	g->world->requests++;
	for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
		size_t len = strlen(pages[i].path);

		if (strncmp(g->request + 4, pages[i].path, len) ||
		    g->request[4 + len] != ' ')
			continue;
		g->flood = pages[i].flood;
		assert_true(write(g->io.fd, pages[i].answer,
				  strlen(pages[i].answer)) >= 0);
		if (!strcmp(pages[i].path, "/garbage"))
			shutdown(g->io.fd, SHUT_WR);
	}
	if (!g->flood)
		return;
	ev_io_stop(EV_DEFAULT, &g->io);
	ev_io_set(&g->io, g->io.fd, EV_WRITE);
	ev_io_start(EV_DEFAULT, &g->io);
}

static void on_guest(struct ev_loop *loop, ev_io *io, int revents)
{
	struct guest *g = io->data;
	ssize_t n;

	if (g->flood) {
		n = send(io->fd, g->flood, strlen(g->flood), MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			hang_up(g);
		g->world->sent += n > 0 ? (uint64_t)n : 0;
		return;
	}
	n = read(io->fd, g->request + g->len, sizeof(g->request) - 1 - g->len);
	if (n <= 0) {
		hang_up(g);
		return;
	}
	g->len += (unsigned)n;
	g->request[g->len] = 0;
	if (strstr(g->request, "\r\n\r\n"))
		serve(g);
}

static void on_accept(struct ev_loop *loop, ev_io *io, int revents)
{
	struct world *w = io->data;
	struct guest *g = &w->guest;

	hang_up(g);
	memset(g, 0, sizeof(*g));
	g->world = w;
	ev_io_init(&g->io, on_guest, accept4(io->fd, NULL, NULL, SOCK_NONBLOCK),
		   EV_READ);
	g->io.data = g;
	ev_io_start(loop, &g->io);
}

static void on_too_long(struct ev_loop *loop, ev_timer *t, int revents)
{
	fail_msg("nothing is told");
}

static void on_pulse(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct world *w = t->data;

	w->pulses++;
}

static void on_result(void *arg, int ok, const char *why)
{
	struct world *w = arg;

	w->told++;
	w->ok = ok;
	snprintf(w->why, sizeof(w->why), "%s", why);
	ev_break(EV_DEFAULT, EVBREAK_ALL);
}

static int set_up(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct world *w = calloc(1, sizeof(*w));
	socklen_t len = sizeof(at);

	w->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(w->listener, (struct sockaddr *)&at, len) ||
	    listen(w->listener, 8) ||
	    getsockname(w->listener, (struct sockaddr *)&at, &len))
		return -1;
	w->port = ntohs(at.sin_port);
	ev_io_init(&w->accepting, on_accept, w->listener, EV_READ);
	ev_timer_init(&w->too_long, on_too_long, TOO_LONG_S, 0.);
	ev_timer_init(&w->pulse, on_pulse, .005, .005);
	w->accepting.data = w->pulse.data = w;
	ev_io_start(EV_DEFAULT, &w->accepting);
	ev_timer_start(EV_DEFAULT, &w->too_long);
	ev_timer_start(EV_DEFAULT, &w->pulse);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	hang_up(&w->guest);
	ev_io_stop(EV_DEFAULT, &w->accepting);
	ev_timer_stop(EV_DEFAULT, &w->too_long);
	ev_timer_stop(EV_DEFAULT, &w->pulse);
	close(w->listener);
	free(w);
	return 0;
}

static struct http_check *begin(struct world *w, const char *host,
				const char *path, unsigned status, char url[64])
{
	struct http_check *x;

	snprintf(url, 64, "http://%s:%u%s", host, w->port, path);
	assert_int_equal(
		http_check_new(&x, EV_DEFAULT, url, status, on_result, w), 0);
	return x;
}

static void ask(struct world *w, struct http_check *x, uint64_t timeout_ns)
{
	w->told = 0;
	assert_int_equal(http_check_start(x, timeout_ns), 0);
	assert_int_equal(http_check_start(x, timeout_ns), 0); /* the same */
	while (!w->told)
		ev_run(EV_DEFAULT, 0);
	assert_int_equal(w->told, 1);
}

static void run(struct world *w, const char *path, unsigned status,
		uint64_t timeout_ns)
{
	char url[64];
	struct http_check *x = begin(w, "127.0.0.1", path, status, url);

	ask(w, x, timeout_ns);
	http_check_free(x);
}

static void the_status_is_the_result(void **state)
{
	static const struct {
		const char *path;
		unsigned status;
		int ok;
		const char *why;
	} rows[] = {
		{ "/well", 0, 1, "status 200" },
		{ "/well", 200, 1, "status 200" },
		{ "/well", 204, 0, "status 200" },
		{ "/moved", 0, 1, "status 301" }, /* and not followed */
		{ "/moved", 200, 0, "status 301" },
		{ "/gone", 0, 0, "status 404" },
		{ "/gone", 404, 1, "status 404" },
		{ "/ill", 0, 0, "status 500" },
	};
	struct world *w = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		print_message("  %s %u\n", rows[i].path, rows[i].status);
		run(w, rows[i].path, rows[i].status, LONG_NS);
		assert_int_equal(w->ok, rows[i].ok);
		assert_string_equal(w->why, rows[i].why);
		assert_int_equal(w->requests, i + 1);
	}
}

static void an_answer_without_end_is_cut_off(void **state)
{
	struct world *w = *state;

	run(w, "/endless", 0, LONG_NS);
	assert_int_equal(w->ok, 1);
	assert_true(w->sent < 100 * HTTP_CHECK_ANSWER_MAX);
	run(w, "/ill-endless", 0, LONG_NS);
	assert_int_equal(w->ok, 0);
	assert_string_equal(w->why, "status 503");
	run(w, "/headers", 0, LONG_NS);
	run(w, "/continue", 0, LONG_NS);
	assert_int_equal(w->ok, 0);
}

static void one_that_is_late_is_against_the_server(void **state)
{
	struct world *w = *state;

	run(w, "/silent", 0, 100 * NS_PER_MS);
	assert_int_equal(w->ok, 0);
	assert_non_null(strstr(w->why, "timed out"));
	assert_true(w->pulses >= 5); /* the loop went on */
	run(w, "/half", 0, 50 * NS_PER_MS);
	assert_int_equal(w->ok, 0);
}

static void garbage_is_no_answer_and_is_not_logged(void **state)
{
	struct world *w = *state;

	run(w, "/garbage", 0, LONG_NS);
	assert_int_equal(w->ok, 0);
	for (const char *c = w->why; *c; c++)
		assert_true(*c >= 0x20 && *c < 0x7f);
}

static void a_refused_connection_is_against_the_server(void **state)
{
	struct world *w = *state;

	close(w->listener);
	ev_io_stop(EV_DEFAULT, &w->accepting);
	run(w, "/well", 0, LONG_NS);
	w->listener = -1;
	assert_int_equal(w->ok, 0);
	assert_non_null(strstr(w->why, "connect"));
}

static void each_question_is_asked_anew(void **state)
{
	char url[64];
	struct world *w = *state;
	struct http_check *x = begin(w, "localhost", "/well", 0, url);

	for (unsigned i = 0; i < 5; i++) {
		ask(w, x, LONG_NS);
		assert_int_equal(w->ok, 1);
		assert_int_equal(w->requests, i + 1);
	}
	assert_non_null(strstr(w->guest.request, "Host: localhost:"));
	http_check_free(x);
}

static void one_that_is_given_up_tells_nothing(void **state)
{
	char url[64];
	struct world *w = *state;
	struct http_check *x = begin(w, "127.0.0.1", "/silent", 0, url);

	assert_int_equal(http_check_start(x, LONG_NS), 0);
	while (!w->requests)
		ev_run(EV_DEFAULT, EVRUN_ONCE);
	http_check_free(x);
	for (unsigned i = 0; i < 5; i++)
		ev_run(EV_DEFAULT, EVRUN_ONCE);
	assert_int_equal(w->told, 0);
}

static void no_descriptor_left_says_nothing_about_the_server(void **state)
{
	char url[64];
	struct world *w = *state;
	struct http_check *x = begin(w, "127.0.0.1", "/well", 0, url);
	struct rlimit before, none;
	int full = dup(0); /* the lowest that is free */

	close(full);
	getrlimit(RLIMIT_NOFILE, &before);
	none = (struct rlimit){ (rlim_t)full, before.rlim_max };
	setrlimit(RLIMIT_NOFILE, &none);
	ask(w, x, LONG_NS);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(w->ok, -EMFILE);
	ask(w, x, LONG_NS);
	assert_int_equal(w->ok, 1);
	http_check_free(x);
}

static void a_host_nobody_knows_is_refused_at_once(void **state)
{
	struct http_check *x;

	assert_int_equal(http_check_new(&x, EV_DEFAULT,
					"http://no-such-host.invalid/", 0,
					on_result, NULL),
			 -ENXIO);
	assert_int_equal(http_check_url("http://h:80/x"), 0);
	assert_int_equal(http_check_url("ftp://h/"), -EINVAL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_status_is_the_result),
		T(an_answer_without_end_is_cut_off),
		T(one_that_is_late_is_against_the_server),
		T(garbage_is_no_answer_and_is_not_logged),
		T(a_refused_connection_is_against_the_server),
		T(each_question_is_asked_anew),
		T(one_that_is_given_up_tells_nothing),
		T(no_descriptor_left_says_nothing_about_the_server),
		T(a_host_nobody_knows_is_refused_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
