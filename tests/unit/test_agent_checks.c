// SPDX-License-Identifier: GPL-2.0-or-later
/* The checks of a node, run for real, and what they add up to. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* after the above, which it needs */
#include <cmocka.h>

#include "../../nodeagent/checks.h"
#include "base/units.h"

#define TOO_LONG_S 10.

struct world {
	struct checks *checks;
	enum node_health health;
	unsigned told;
	int listener;
	uint16_t port;
	char path[64]; /* a file that exec: looks for */
	ev_timer too_long;
};

static void on_health(void *arg, enum node_health health)
{
	struct world *w = arg;

	w->told++;
	w->health = health;
	ev_break(EV_DEFAULT, EVBREAK_ALL);
}

static void on_too_long(struct ev_loop *loop, ev_timer *t, int revents)
{
	fail_msg("nothing is told");
}

static int set_up(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct world *w = calloc(1, sizeof(*w));
	socklen_t len = sizeof(at);
	int fd;

	w->listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(w->listener, (struct sockaddr *)&at, len) ||
	    listen(w->listener, 8) ||
	    getsockname(w->listener, (struct sockaddr *)&at, &len))
		return -1;
	w->port = ntohs(at.sin_port);
	strcpy(w->path, "/tmp/halo-checks-XXXXXX");
	fd = mkstemp(w->path);
	close(fd);
	ev_timer_init(&w->too_long, on_too_long, TOO_LONG_S, 0.);
	ev_timer_start(EV_DEFAULT, &w->too_long);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	ev_timer_stop(EV_DEFAULT, &w->too_long);
	checks_free(w->checks);
	if (w->listener >= 0)
		close(w->listener);
	unlink(w->path);
	free(w);
	return 0;
}

static void begin(struct world *w, const char *const *texts, unsigned count)
{
	struct check checks[4];
	char err[200];

	for (unsigned i = 0; i < count; i++)
		if (check_parse(&checks[i], texts[i], err, sizeof(err)))
			fail_msg("%s", err);
	assert_int_equal(
		checks_new(&w->checks, EV_DEFAULT, checks, count, on_health, w),
		0);
}

static void wait_for(struct world *w, enum node_health health)
{
	while (w->health != health)
		ev_run(EV_DEFAULT, 0);
}

static void the_node_is_up_when_all_are_and_down_when_one_is(void **state)
{
	char listens[64], connects[64], exists[128];
	const char *texts[] = { listens, connects, exists };
	struct world *w = *state;

	snprintf(listens, sizeof(listens), "listen:%u,interval=5ms", w->port);
	snprintf(connects, sizeof(connects), "tcp:%u,interval=5ms", w->port);
	snprintf(exists, sizeof(exists),
		 "exec:test -e %s,interval=20ms,rise=1,fall=1", w->path);
	begin(w, texts, 3);
	wait_for(w, HEALTH_UP);
	assert_int_equal(w->told, 1);
	unlink(w->path);
	wait_for(w, HEALTH_DOWN);
}

static void a_closed_listener_is_seen(void **state)
{
	const char *texts[1];
	char listens[64];
	struct world *w = *state;

	snprintf(listens, sizeof(listens), "listen:%u,interval=5ms", w->port);
	texts[0] = listens;
	begin(w, texts, 1);
	wait_for(w, HEALTH_UP);
	close(w->listener);
	w->listener = -1;
	wait_for(w, HEALTH_DOWN);
}

static void a_refused_connection_brings_it_down_after_so_many(void **state)
{
	const char *texts[1];
	char connects[64];
	struct world *w = *state;

	snprintf(connects, sizeof(connects), "tcp:%u,fall=2", w->port);
	texts[0] = connects;
	begin(w, texts, 1);
	checks_pace(w->checks, 5 * NS_PER_MS);
	wait_for(w, HEALTH_UP);
	close(w->listener);
	w->listener = -1;
	wait_for(w, HEALTH_DOWN);
	assert_int_equal(w->told, 2);
}

/* The listener of the test takes the question, and never answers. */
static void a_page_that_does_not_come_brings_it_down(void **state)
{
	const char *texts[1];
	char page[96];
	struct world *w = *state;

	snprintf(page, sizeof(page),
		 "http://127.0.0.1:%u/health,interval=5ms,timeout=30ms",
		 w->port);
	texts[0] = page;
	begin(w, texts, 1);
	wait_for(w, HEALTH_DOWN);
}

static void a_page_of_an_unknown_host_does_not_start(void **state)
{
	struct check check;
	struct world *w = *state;
	char err[200];

	assert_int_equal(check_parse(&check, "http://no-host.invalid/", err,
				     sizeof(err)),
			 0);
	assert_int_equal(
		checks_new(&w->checks, EV_DEFAULT, &check, 1, on_health, w),
		-ENXIO);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_node_is_up_when_all_are_and_down_when_one_is),
		T(a_closed_listener_is_seen),
		T(a_refused_connection_brings_it_down_after_so_many),
		T(a_page_that_does_not_come_brings_it_down),
		T(a_page_of_an_unknown_host_does_not_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
