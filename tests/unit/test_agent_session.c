// SPDX-License-Identifier: GPL-2.0-or-later
/* A whole agent in this process: how it starts, greets, leaves, and does not
 * start. Run under the leak checker, too: each ladder must undo all it did. */
#include "door_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/un.h>

#include "../../nodeagent/session.h"

#define TOO_LONG_S 10.

struct place {
	char dir[64], events[96], gateway[32], key[96], err[256];
	struct door door;
	struct options options;
	ev_timer too_long;
};

static void on_too_long(struct ev_loop *loop, ev_timer *t, int revents)
{
	fail_msg("the agent does not end");
}

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->dir, "/tmp/halo-session-XXXXXX");
	if (!mkdtemp(p->dir))
		return -1;
	door_open(&p->door, EV_DEFAULT, INADDR_LOOPBACK);
	ev_timer_init(&p->too_long, on_too_long, TOO_LONG_S, 0.);
	ev_timer_start(EV_DEFAULT, &p->too_long);
	snprintf(p->gateway, sizeof(p->gateway), "127.0.0.1:%u", p->door.port);
	snprintf(p->events, sizeof(p->events), "%s/events", p->dir);
	p->options = (struct options){ .gateways = { p->gateway },
				       .n_gateways = 1,
				       .events = p->events,
				       .name = "web-1",
				       .no_auth = true,
				       .log_level = LOG_LEVEL_ERROR };
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;
	char command[96];

	ev_timer_stop(EV_DEFAULT, &p->too_long);
	door_close(&p->door);
	snprintf(command, sizeof(command), "rm -r %s", p->dir);
	if (system(command))
		return -1;
	free(p);
	return 0;
}

static int start(struct place *p, struct session **s)
{
	strcpy(p->err, "nothing was said");
	return session_open(s, EV_DEFAULT, &p->options, p->err, sizeof(p->err));
}

static void terminate(struct door *d, const struct message *m)
{
	if (m->type == MESSAGE_HELLO)
		raise(SIGTERM);
}

static void it_greets_and_leaves_when_asked(void **state)
{
	struct place *p = *state;
	struct session *s;

	p->door.message = terminate;
	assert_int_equal(start(p, &s), 0);
	session_run(s);
	session_free(s);
	assert_int_equal(p->door.got[MESSAGE_HELLO], 1);
}

static void its_hello_says_what_was_configured(void **state)
{
	struct place *p = *state;
	struct message hello;
	struct session *s;

	addr_parse(&p->options.addr[FAMILY_V4], "198.18.0.9");
	p->options.wish = WISH_RESERVE;
	p->door.message = terminate;
	assert_int_equal(start(p, &s), 0);
	session_run(s);
	session_free(s);
	assert_int_equal(p->door.got[MESSAGE_HELLO], 1);
	hello = p->door.last;
	assert_int_equal(hello.type, MESSAGE_HELLO);
	assert_string_equal(hello.hello.name, "web-1");
	assert_int_equal(hello.hello.wish, WISH_RESERVE);
	assert_true(addr_equal(&hello.hello.addr[FAMILY_V4],
			       &p->options.addr[FAMILY_V4]));
}

/* All that has been sent to the manager, a line each. */
static void heard(int fd, char *out, size_t size)
{
	ssize_t n;

	*out = 0;
	while ((n = recv(fd, out + strlen(out), size - strlen(out) - 2,
			 MSG_DONTWAIT)) > 0)
		strcpy(out + strlen(out), "\n");
}

static void the_service_manager_hears_how_it_fares(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct place *p = *state;
	struct session *s;
	char text[4096] = { 0 };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s/manager", p->dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	setenv("NOTIFY_SOCKET", at.sun_path, 1);
	p->door.message = terminate;
	assert_int_equal(start(p, &s), 0);
	session_run(s);
	session_free(s);
	heard(fd, text, sizeof(text));
	close(fd);
	assert_non_null(strstr(text, "READY=1"));
	assert_non_null(strstr(text, "STATUS=connected"));
	assert_non_null(strstr(text, "STOPPING=1"));
	assert_null(getenv("NOTIFY_SOCKET"));
}

static void assert_does_not_start(struct place *p, const char *word)
{
	struct session *s = NULL;

	assert_true(start(p, &s) < 0);
	assert_null(s);
	if (!strstr(p->err, word))
		fail_msg("\"%s\" does not say \"%s\"", p->err, word);
}

static void a_key_that_is_missing_keeps_it_from_starting(void **state)
{
	struct place *p = *state;

	snprintf(p->key, sizeof(p->key), "%s/no-key", p->dir);
	p->options.no_auth = false;
	p->options.key = p->key;
	assert_does_not_start(p, "no-key");
}

static void events_in_no_folder_keep_it_from_starting(void **state)
{
	struct place *p = *state;

	snprintf(p->events, sizeof(p->events), "/proc/none/events");
	assert_does_not_start(p, "/proc/none/events");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(it_greets_and_leaves_when_asked),
		T(its_hello_says_what_was_configured),
		T(the_service_manager_hears_how_it_fares),
		T(a_key_that_is_missing_keeps_it_from_starting),
		T(events_in_no_folder_keep_it_from_starting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
