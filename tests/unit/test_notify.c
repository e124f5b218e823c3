// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the service manager is told, on a socket of the test's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
/* after the above, which it needs */
#include <cmocka.h>

#include "base/units.h"
#include "io/notify.h"

struct manager {
	int fd;
	char path[64];
	char heard[512];
	struct notify notify;
};

/* name: "@…" for an abstract socket */
static void listen_at(struct manager *m, const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				    strlen(name));

	strcpy(at.sun_path, name);
	if (*name == '@')
		at.sun_path[0] = 0;
	m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(m->fd, (struct sockaddr *)&at, len), 0);
	setenv("NOTIFY_SOCKET", name, 1);
}

static int set_up(void **state)
{
	struct manager *m = calloc(1, sizeof(*m));

	snprintf(m->path, sizeof(m->path), "/tmp/halo-notify-%d", getpid());
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	listen_at(m, m->path);
	*state = m;
	return 0;
}

static int tear_down(void **state)
{
	struct manager *m = *state;

	notify_fini(&m->notify);
	if (m->fd >= 0)
		close(m->fd);
	unlink(m->path);
	unsetenv("NOTIFY_SOCKET");
	free(m);
	return 0;
}

/* The next datagram, or "". */
static const char *heard(struct manager *m)
{
	ssize_t n = recv(m->fd, m->heard, sizeof(m->heard) - 1, 0);

	m->heard[n > 0 ? n : 0] = 0;
	return m->heard;
}

static void the_manager_hears_what_it_is_told(void **state)
{
	struct manager *m = *state;

	notify_init(&m->notify);
	notify_ready(&m->notify);
	assert_string_equal(heard(m), "READY=1\n");
	notify_reloading(&m->notify, 1234567890);
	assert_string_equal(heard(m), "RELOADING=1\nMONOTONIC_USEC=1234567\n");
	notify_alive(&m->notify);
	assert_string_equal(heard(m), "WATCHDOG=1\n");
	notify_status(&m->notify, "%u nodes", 3);
	assert_string_equal(heard(m), "STATUS=3 nodes");
	notify_stopping(&m->notify);
	assert_string_equal(heard(m), "STOPPING=1\n");
}

static void an_abstract_socket_is_found(void **state)
{
	struct manager *m = *state;
	char name[64];

	close(m->fd);
	snprintf(name, sizeof(name), "@halo-notify-%d", getpid());
	listen_at(m, name);
	notify_init(&m->notify);
	notify_ready(&m->notify);
	assert_string_equal(heard(m), "READY=1\n");
}

static void children_do_not_speak_for_us(void **state)
{
	struct manager *m = *state;

	setenv("WATCHDOG_USEC", "1000000", 1);
	notify_init(&m->notify);
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
	assert_true(fcntl(m->notify.fd, F_GETFD) & FD_CLOEXEC);
}

static void without_a_manager_nothing_is_said(void **state)
{
	static const char *const nobody[] = { NULL, "", "/", "relative",
					      "vsock:2:1" };
	struct manager *m = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(nobody); i++) {
		unsetenv("NOTIFY_SOCKET");
		if (nobody[i])
			setenv("NOTIFY_SOCKET", nobody[i], 1);
		setenv("WATCHDOG_USEC", "1000000", 1);
		notify_init(&m->notify);
		assert_int_equal(m->notify.fd, -1);
		assert_int_equal(m->notify.watchdog_ns, 0);
		notify_ready(&m->notify);
		notify_status(&m->notify, "unheard");
	}
	assert_string_equal(heard(m), "");
}

static void an_address_too_long_is_none(void **state)
{
	struct manager *m = *state;
	char path[sizeof(m->notify.to.sun_path) + 2];

	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = 0;
	setenv("NOTIFY_SOCKET", path, 1);
	notify_init(&m->notify);
	assert_int_equal(m->notify.fd, -1);
	path[sizeof(m->notify.to.sun_path) - 1] = 0; /* the longest there is */
	setenv("NOTIFY_SOCKET", path, 1);
	notify_init(&m->notify);
	assert_true(m->notify.fd >= 0);
	notify_ready(&m->notify); /* nobody is there: nothing happens */
}

static void the_watchdog_is_that_of_this_process(void **state)
{
	char own[16];
	const struct row {
		const char *usec, *pid;
		uint64_t ns;
	} rows[] = {
		{ "2000000", NULL, 2 * NS_PER_S },
		{ "2000000", own, 2 * NS_PER_S },
		{ "2000000", "1", 0 },
		{ "2000000", "", 0 },
		{ NULL, NULL, 0 },
		{ "0", NULL, 0 },
		{ "-5", NULL, 0 },
		{ "12 s", NULL, 0 },
		{ "18446744073709551615", NULL, 0 },
		{ "99999999999999999999", NULL, 0 },
	};
	struct manager *m = *state;

	snprintf(own, sizeof(own), "%d", getpid());
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		notify_fini(&m->notify);
		setenv("NOTIFY_SOCKET", m->path, 1);
		if (rows[i].usec)
			setenv("WATCHDOG_USEC", rows[i].usec, 1);
		if (rows[i].pid)
			setenv("WATCHDOG_PID", rows[i].pid, 1);
		notify_init(&m->notify);
		assert_int_equal(m->notify.watchdog_ns, rows[i].ns);
	}
}

static void a_status_is_one_bounded_line(void **state)
{
	struct manager *m = *state;
	char text[2 * NOTIFY_STATUS_MAX];

	notify_init(&m->notify);
	notify_status(&m->notify, "two\nREADY=1\x7f");
	assert_string_equal(heard(m), "STATUS=two READY=1 ");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	notify_status(&m->notify, "%s", text);
	assert_int_equal(strlen(heard(m)),
			 strlen("STATUS=") + NOTIFY_STATUS_MAX - 1);
}

static void a_manager_that_does_not_read_holds_nobody_up(void **state)
{
	struct manager *m = *state;

	notify_init(&m->notify);
	for (int i = 0; i < 10000; i++)
		notify_alive(&m->notify);
	assert_string_equal(heard(m), "WATCHDOG=1\n");
	close(m->fd);
	m->fd = -1;
	notify_alive(&m->notify);
	unlink(m->path);
	notify_alive(&m->notify);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(the_manager_hears_what_it_is_told),
		test(an_abstract_socket_is_found),
		test(children_do_not_speak_for_us),
		test(without_a_manager_nothing_is_said),
		test(an_address_too_long_is_none),
		test(the_watchdog_is_that_of_this_process),
		test(a_status_is_one_bounded_line),
		test(a_manager_that_does_not_read_holds_nobody_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
