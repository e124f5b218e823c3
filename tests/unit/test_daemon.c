// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How the daemon starts, fails to start, and ends, on the plane that carries
 * nothing. Run under the leak checker, too: each ladder must undo all it did.
 */
#include <arpa/inet.h>
#include <ev.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
/* after the above, which it needs */
#include <cmocka.h>

#include "../../halod/daemon.h"
#include "base/log.h"
#include "wire/frame.h"

struct place {
	struct conf conf;
	char dir[64];
	char err[256];
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	static struct diag_list diags;
	char text[1024];

	strcpy(p->dir, "/tmp/halo-daemon-XXXXXX");
	if (!mkdtemp(p->dir))
		return -1;
	snprintf(text, sizeof(text),
		 "routes = 24;\n"
		 "virtual-address = [ \"198.18.0.100\" ];\n"
		 "services = ( { name = \"browser\"; listen = 8001; } );\n"
		 "agents = { listen = \"127.0.0.1:1\"; auth = \"none\"; };\n"
		 "state = \"%s/db\"; control = \"%s/control\";\n",
		 p->dir, p->dir);
	diags = (struct diag_list){ 0 };
	if (conf_parse(&p->conf, text, "test", &diags))
		return -1;
	p->conf.agents.listen.port = 0; /* any */
	strcpy(p->conf.plane, "null");
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;
	char command[96];

	snprintf(command, sizeof(command), "rm -r %s", p->dir);
	if (system(command))
		return -1;
	free(p);
	return 0;
}

static int start(struct place *p, struct daemon **d)
{
	strcpy(p->err, "nothing was said");
	return daemon_open(d, &p->conf, "test", p->err, sizeof(p->err));
}

/* A listener on a port of its own; the caller's to close. */
static int take_port(uint16_t *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static void use_unknown_plane(struct place *p)
{
	strcpy(p->conf.plane, "none-such");
}

static void use_missing_folders(struct place *p)
{
	strcpy(p->conf.control, "/proc/no/such/control");
}

static void use_missing_keys(struct place *p)
{
	p->conf.agents.auth = AUTH_PSK;
	snprintf(p->conf.agents.keys, sizeof(p->conf.agents.keys), "%s/keys",
		 p->dir);
}

static void use_foreign_address(struct place *p)
{
	assert_int_equal(addr_parse(&p->conf.agents.listen.addr, "198.18.9.9"),
			 0);
}

static void a_start_that_fails_says_why(void **state)
{
	static const struct {
		const char *title;
		void (*spoil)(struct place *p);
		const char *said;
	} rows[] = {
		{ "unknown plane", use_unknown_plane, "plane \"none-such\"" },
		{ "no folder", use_missing_folders, "set `control` to a path" },
		{ "no keys", use_missing_keys, "haloctl key new" },
		{ "no such address", use_foreign_address, "cannot listen on" },
	};
	struct place *p = *state;
	struct conf good = p->conf;
	struct daemon *d = NULL;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		p->conf = good;
		rows[i].spoil(p);
		if (!start(p, &d) || !strstr(p->err, rows[i].said))
			fail_msg("%s: \"%s\"", rows[i].title, p->err);
		assert_null(strchr(p->err, '\n'));
		assert_null(d);
	}
	p->conf = good;
	assert_int_equal(start(p, &d), 0); /* nothing was left behind */
	daemon_close(d);
}

/* The plane's rules may be another halod's, whose place this one wants. */
static void what_another_has_is_found_before_the_plane(void **state)
{
	struct place *p = *state, other = *p;
	struct daemon *first, *second;
	int fd;

	use_unknown_plane(&other);
	assert_int_equal(start(p, &first), 0);
	assert_int_not_equal(start(&other, &second), 0);
	assert_non_null(strstr(other.err, "another halod is listening there"));
	daemon_close(first);
	fd = take_port(&other.conf.agents.listen.port);
	assert_int_not_equal(start(&other, &second), 0);
	assert_non_null(strstr(other.err, "Address already in use"));
	close(fd);
}

static void a_halod_without_a_store_starts_and_ends(void **state)
{
	struct place *p = *state;
	struct daemon *d;

	strcpy(p->conf.state, "/proc/no/such/db");
	assert_int_equal(start(p, &d), 0);
	raise(SIGTERM);
	daemon_run(d);
	daemon_close(d);
}

static int ask(const struct place *p, const char *requests)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(at.sun_path, p->conf.control);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_true(write(fd, requests, strlen(requests)) > 0);
	return fd;
}

static unsigned count_lines(int fd)
{
	char text[4096];
	unsigned lines = 0;
	ssize_t n;

	while ((n = read(fd, text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < n; i++)
			lines += text[i] == '\n';
	return lines;
}

static void two_orders_to_stop_are_one(void **state)
{
	static const char order[] = "{\"cmd\":\"shutdown\"}\n";
	struct place *p = *state;
	struct daemon *d;
	char twice[64];
	int fd;

	assert_int_equal(start(p, &d), 0);
	snprintf(twice, sizeof(twice), "%s%s", order, order);
	fd = ask(p, twice);
	daemon_run(d);
	daemon_close(d);
	assert_int_equal(count_lines(fd), 2);
	close(fd);
	/* no watcher of the first is left in the loop */
	assert_int_equal(start(p, &d), 0);
	raise(SIGTERM);
	daemon_run(d);
	daemon_close(d);
}

/* Greets as another agent of the name and waits for what comes of it. */
static bool greet(uint16_t port, uint64_t instance)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons(port) };
	struct message m = { .type = MESSAGE_HELLO,
			     .hello = { .name = "a", .instance = instance } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), len;
	uint8_t frame[FRAME_LEN_MAX_AGENT];
	bool heard;

	len = frame_encode(frame, sizeof(frame), &m);
	heard = !connect(fd, (struct sockaddr *)&at, sizeof(at)) &&
		write(fd, frame, (size_t)len) == len &&
		read(fd, frame, sizeof(frame)) > 0;
	if (instance > 1) /* the first one stays */
		close(fd);
	return heard;
}

/* How many events there were when 200 agents had wanted one name; 0 when they
 * were not heard. */
static int quarrel(const struct place *p)
{
	char answer[8192] = "", *seq;
	int fd;

	for (uint64_t instance = 1; instance <= 200; instance++)
		if (!greet(p->conf.agents.listen.port, instance))
			return 0;
	fd = ask(p, "{\"cmd\":\"status\"}\n");
	if (read(fd, answer, sizeof(answer) - 1) <= 0)
		return 0;
	seq = strstr(answer, "\"seq\":");
	return seq ? atoi(seq + 6) : 0;
}

static void a_quarrel_over_a_name_does_not_fill_the_history(void **state)
{
	struct place *p = *state;
	struct daemon *d;
	int told[2], events = 0;

	close(take_port(&p->conf.agents.listen.port));
	assert_int_equal(pipe(told), 0);
	assert_int_equal(start(p, &d), 0);
	if (!fork()) {
		events = quarrel(p);
		if (write(told[1], &events, sizeof(events)) < 0)
			_exit(1);
		kill(getppid(), SIGTERM);
		_exit(0);
	}
	daemon_run(d);
	daemon_close(d);
	assert_int_equal(read(told[0], &events, sizeof(events)),
			 sizeof(events));
	close(told[0]);
	close(told[1]);
	assert_in_range(events, 1, 100);
}

/* Writes the file that is reloaded; base: what set_up() has. */
static void write_conf(struct place *p, const char *more)
{
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), "%s/conf", p->dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f,
		"routes = 24; plane = \"null\";\n"
		"virtual-address = [ \"198.18.0.100\" ];\n"
		"agents = { listen = \"127.0.0.1:%u\"; auth = \"none\"; };\n"
		"state = \"%s/db\"; control = \"%s/control\";\n"
		"%s",
		p->conf.agents.listen.port, p->dir, p->dir, more);
	assert_int_equal(fclose(f), 0);
}

static const char services[] =
	"services = ( { name = \"browser\"; listen = 8001; } );\n";

static void start_from_file(struct place *p, struct daemon **d)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/conf", p->dir);
	assert_int_equal(daemon_open(d, &p->conf, path, p->err, sizeof(p->err)),
			 0);
}

/* What comes back to the requests, which end with a shutdown. */
static void say_and_run(struct place *p, struct daemon *d, const char *requests,
			char *answer, size_t size)
{
	char all[512];
	size_t len = 0;
	ssize_t n;
	int fd;

	snprintf(all, sizeof(all), "%s{\"cmd\":\"shutdown\"}\n", requests);
	fd = ask(p, all);
	daemon_run(d);
	daemon_close(d);
	while ((n = read(fd, answer + len, size - len - 1)) > 0)
		len += (size_t)n;
	answer[len] = 0;
	close(fd);
}

#define RELOAD "{\"cmd\":\"config.reload\"}\n"
#define STATUS "{\"cmd\":\"status\"}\n"

static void a_reload_puts_the_file_in_force(void **state)
{
	struct place *p = *state;
	char answer[16384];
	struct daemon *d;

	close(take_port(&p->conf.agents.listen.port));
	write_conf(p, "reserve = 3;\n"
		      "services = ( { name = \"browser\"; listen = 8001; },\n"
		      "  { name = \"app\"; listen = 9001; } );\n");
	start_from_file(p, &d);
	say_and_run(p, d, RELOAD STATUS, answer, sizeof(answer));
	assert_non_null(
		strstr(answer, "\"changed\":[\"services\",\"reserve\"]"));
	assert_non_null(strstr(answer, "\"reserve_wanted\":3"));
	assert_non_null(strstr(answer, "\"name\":\"app\""));
	assert_null(strstr(answer, "not in force"));
}

static void a_reload_that_fails_changes_nothing_and_says_why(void **state)
{
	struct place *p = *state;
	char answer[16384];
	struct daemon *d;

	close(take_port(&p->conf.agents.listen.port));
	write_conf(p, "reserve = 3;\nmove-grase = \"1 s\";\n");
	start_from_file(p, &d);
	say_and_run(p, d, RELOAD STATUS, answer, sizeof(answer));
	assert_non_null(strstr(answer, "\"code\":\"refused\""));
	assert_non_null(strstr(answer, "what was in force still is"));
	assert_non_null(strstr(answer, "did you mean \\\"move-grace\\\"?"));
	assert_non_null(strstr(answer, "services is missing"));
	assert_non_null(strstr(answer, "\"reserve_wanted\":0"));
	assert_non_null(strstr(answer, "the configuration file is not in "
				       "force"));
}

static void what_cannot_change_refuses_the_whole_reload(void **state)
{
	struct place *p = *state;
	char answer[16384], more[200];
	struct daemon *d;

	close(take_port(&p->conf.agents.listen.port));
	snprintf(more, sizeof(more),
		 "%sreserve = 3;\nnfqueue = { workers = 2; };\n", services);
	write_conf(p, more);
	start_from_file(p, &d);
	say_and_run(p, d, RELOAD STATUS, answer, sizeof(answer));
	assert_non_null(strstr(answer, "\"line\":7"));
	assert_non_null(
		strstr(answer, "nfqueue.workers: cannot go from 1 to 2"));
	assert_non_null(strstr(answer, "\"reserve_wanted\":0"));
}

static void a_file_that_is_gone_leaves_what_is_in_force(void **state)
{
	struct place *p = *state;
	char answer[16384];
	struct daemon *d;

	close(take_port(&p->conf.agents.listen.port));
	start_from_file(p, &d); /* it was never there */
	say_and_run(p, d, RELOAD, answer, sizeof(answer));
	assert_non_null(strstr(answer, "No such file or directory"));
	assert_non_null(strstr(answer, "\"code\":\"refused\""));
}

/* Each is answered by a reading that began after it had asked. */
static void reloads_at_the_same_time_are_all_answered(void **state)
{
	struct place *p = *state;
	char answer[16384];
	struct daemon *d;
	int fds[8];

	close(take_port(&p->conf.agents.listen.port));
	write_conf(p, services);
	start_from_file(p, &d);
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = ask(p, RELOAD);
	close(ask(p, RELOAD)); /* and one that does not wait for it */
	raise(SIGHUP);
	raise(SIGHUP);
	say_and_run(p, d, RELOAD RELOAD, answer, sizeof(answer));
	assert_non_null(strstr(answer, "\"changed\":[]"));
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
		assert_int_equal(count_lines(fds[i]), 1);
		close(fds[i]);
	}
}

/* A halod that ends does not wait for the answer of a reload under way. */
static void a_halod_ends_while_it_reloads(void **state)
{
	struct place *p = *state;
	struct daemon *d;

	close(take_port(&p->conf.agents.listen.port));
	write_conf(p, services);
	start_from_file(p, &d);
	raise(SIGHUP);
	raise(SIGTERM);
	daemon_run(d);
	daemon_close(d);
}

/* What the service manager hears, a datagram each. */
static int manager_listen(const char *dir)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s/notify", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	setenv("NOTIFY_SOCKET", at.sun_path, 1);
	setenv("WATCHDOG_USEC", "400000", 1);
	return fd;
}

static void hear_all(int fd, char *out, size_t size)
{
	ssize_t n;
	size_t len = 0;

	while ((n = recv(fd, out + len, size - len - 1, 0)) > 0)
		len += (size_t)n;
	out[len] = 0;
}

static void stop_later(struct ev_loop *loop, ev_timer *t, int revents)
{
	raise(SIGTERM);
}

static void the_service_manager_is_told_how_it_goes(void **state)
{
	struct place *p = *state;
	char heard[8192];
	struct daemon *d;
	ev_timer stop;
	int fd = manager_listen(p->dir);

	close(take_port(&p->conf.agents.listen.port));
	write_conf(p, services);
	start_from_file(p, &d);
	raise(SIGHUP);
	ev_timer_init(&stop, stop_later, 0.3, 0.);
	ev_timer_start(ev_default_loop(0), &stop);
	daemon_run(d);
	daemon_close(d);
	hear_all(fd, heard, sizeof(heard));
	close(fd);
	assert_non_null(strstr(heard, "STATUS=0 active, 0 in reserve"));
	assert_non_null(strstr(heard, "READY=1\nRELOADING=1\nMONOTONIC_USEC="));
	assert_non_null(strstr(strstr(heard, "RELOADING=1"), "READY=1\n"));
	assert_non_null(strstr(heard, "WATCHDOG=1\n"));
	assert_non_null(strstr(heard, "STOPPING=1\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_start_that_fails_says_why,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_another_has_is_found_before_the_plane, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			a_halod_without_a_store_starts_and_ends, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(two_orders_to_stop_are_one,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_quarrel_over_a_name_does_not_fill_the_history, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(a_reload_puts_the_file_in_force,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_reload_that_fails_changes_nothing_and_says_why,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_cannot_change_refuses_the_whole_reload, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			a_file_that_is_gone_leaves_what_is_in_force, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			reloads_at_the_same_time_are_all_answered, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			the_service_manager_is_told_how_it_goes, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(a_halod_ends_while_it_reloads,
						set_up, tear_down),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
