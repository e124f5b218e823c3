// SPDX-License-Identifier: GPL-2.0-or-later
/* The control socket against clients that behave and clients that do not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/units.h"
#include "io/clock.h"
#include "io/control_socket.h"

#define DEADLINE_NS (5 * NS_PER_S)

struct fixture {
	struct ev_loop *loop;
	struct control_socket *socket;
	struct control_client *kept; /* asked {"cmd":"wait"} */
	unsigned requests, gone;
	uint64_t busy_ns; /* in requests {"cmd":"work"} */
	char folder[64], path[96], twin_path[96];
	struct control_socket *twin;
};

static void work(struct fixture *f)
{
	uint64_t start = clock_monotonic_ns();

	while (clock_monotonic_ns() < start + NS_PER_MS)
		;
	f->busy_ns += clock_monotonic_ns() - start;
}

/* {"cmd":"wait"} is answered by the test, "watch" subscribes, "big" gets 2 MB,
 * "work" takes 1 ms; all else comes back as it was. */
static void on_request(void *arg, struct control_client *client,
		       json_t *request)
{
	const char *cmd = json_string_value(json_object_get(request, "cmd"));
	struct fixture *f = arg;

	f->requests++;
	if (cmd && !strcmp(cmd, "wait")) {
		f->kept = client;
	} else if (cmd && !strcmp(cmd, "watch")) {
		control_subscribe(client);
		control_send(client, json_pack("{s:b}", "watching", 1));
	} else if (cmd && !strcmp(cmd, "big")) {
		char *text = calloc(1, 2000001);

		memset(text, 'x', 2000000);
		control_reply(client, json_pack("{s:s}", "big", text));
		free(text);
	} else {
		if (cmd && !strcmp(cmd, "work"))
			work(f);
		control_reply(client, json_incref(request));
	}
}

static void on_gone(void *arg, struct control_client *client)
{
	struct fixture *f = arg;

	f->gone++;
	if (f->kept == client)
		f->kept = NULL;
}

static int open_at(struct fixture *f, struct control_socket **out)
{
	struct control_handler handler = { .request = on_request,
					   .gone = on_gone,
					   .arg = f };
	char err[200] = "";

	return control_socket_open(out, f->loop, f->path, &handler, err,
				   sizeof(err));
}

/* A second one, for everybody. */
static void open_twin(struct fixture *f)
{
	struct control_handler handler = { .request = on_request,
					   .gone = on_gone,
					   .limits = &control_limits_readonly,
					   .arg = f };
	char err[200] = "";

	assert_int_equal(control_socket_open(&f->twin, f->loop, f->twin_path,
					     &handler, err, sizeof(err)),
			 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/halo-control-XXXXXX");
	if (!mkdtemp(f->folder))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/run/sock", f->folder);
	snprintf(f->twin_path, sizeof(f->twin_path), "%s/run/twin", f->folder);
	f->loop = ev_loop_new(0);
	*state = f;
	return open_at(f, &f->socket);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char run[80];

	control_socket_free(f->socket);
	control_socket_free(f->twin);
	ev_loop_destroy(f->loop);
	unlink(f->path);
	snprintf(run, sizeof(run), "%s/run", f->folder);
	rmdir(run);
	rmdir(f->folder);
	free(f);
	return 0;
}

static int dial_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	return fd;
}

static int dial(struct fixture *f)
{
	return dial_at(f->path);
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
			 strlen(text));
}

/* Turns the loop until fd has a line, an end ("") or nothing by the deadline
 * (NULL). */
static const char *hear(struct fixture *f, int fd)
{
	static char line[4096];
	uint64_t end = clock_monotonic_ns() + DEADLINE_NS;
	size_t len = 0;

	while (clock_monotonic_ns() < end) {
		ssize_t n = recv(fd, line + len, 1, 0);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return len ? NULL : "";
		if (n == 1 && line[len] == '\n') {
			line[len] = 0;
			return line;
		}
		if (n == 1)
			len++;
		else
			ev_run(f->loop, EVRUN_NOWAIT);
		assert_true(len < sizeof(line));
	}
	return NULL;
}

/* Until *count is want; false after the deadline. */
static bool turn_until(struct fixture *f, const unsigned *count, unsigned want)
{
	uint64_t end = clock_monotonic_ns() + DEADLINE_NS;

	while (*count != want && clock_monotonic_ns() < end)
		ev_run(f->loop, EVRUN_NOWAIT);
	return *count == want;
}

static void is_error(const char *line, const char *why)
{
	json_t *answer = json_loads(line ? line : "", 0, NULL);
	json_t *error = json_object_get(answer, "error");

	assert_non_null(error);
	assert_int_equal(json_integer_value(json_object_get(answer, "schema")),
			 1);
	assert_non_null(
		strstr(json_string_value(json_object_get(error, "why")), why));
	json_decref(answer);
}

static void a_request_is_answered_on_one_line(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(fd, "{\"cmd\":\"echo\",\"n\":1}\n");
	assert_string_equal(hear(f, fd), "{\"cmd\":\"echo\",\"n\":1}");
	close(fd);
}

static void requests_sent_together_are_answered_in_order(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(fd, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
	assert_string_equal(hear(f, fd), "{\"n\":1}");
	assert_string_equal(hear(f, fd), "{\"n\":2}");
	assert_string_equal(hear(f, fd), "{\"n\":3}");
	close(fd);
}

static void a_request_may_come_in_pieces(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(fd, "{\"n\"");
	ev_run(f->loop, EVRUN_NOWAIT);
	say(fd, ":1}");
	ev_run(f->loop, EVRUN_NOWAIT);
	assert_int_equal(f->requests, 0);
	say(fd, "\n");
	assert_string_equal(hear(f, fd), "{\"n\":1}");
	close(fd);
}

static void a_half_closed_client_is_still_answered(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(fd, "{\"n\":1}");
	shutdown(fd, SHUT_WR);
	assert_string_equal(hear(f, fd), "{\"n\":1}");
	assert_string_equal(hear(f, fd), "");
	close(fd);
}

static void a_late_answer_reaches_a_half_closed_client(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(fd, "{\"cmd\":\"wait\"}\n");
	shutdown(fd, SHUT_WR);
	assert_true(turn_until(f, &f->requests, 1));
	ev_run(f->loop, EVRUN_NOWAIT);
	control_reply(f->kept, json_pack("{s:b}", "late", 1));
	assert_string_equal(hear(f, fd), "{\"late\":true}");
	assert_string_equal(hear(f, fd), "");
	assert_int_equal(f->gone, 0);
	close(fd);
}

static void a_client_that_leaves_while_it_waits_is_told_gone(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(fd, "{\"cmd\":\"wait\"}\n");
	assert_true(turn_until(f, &f->requests, 1));
	close(fd);
	assert_true(turn_until(f, &f->gone, 1));
	assert_null(f->kept);
}

static void what_is_no_json_object_is_refused_and_closed(void **state)
{
	static const struct {
		const char *title, *bytes, *why;
	} rows[] = {
		{ "words", "hello\n", "expected near 'hello'" },
		{ "an array", "[1]\n", "no JSON object" },
		{ "an empty line", "\n", "expected" },
		{ "half an object", "{\"cmd\":\n", "end of file" },
		{ "a member twice", "{\"a\":1,\"a\":2}\n", "duplicate" },
		{ "bytes that are no UTF-8", "{\"a\":\"\xff\"}\n",
		  "unable to decode" },
	};
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		int fd = dial(f);

		print_message("# %s\n", rows[i].title);
		say(fd, rows[i].bytes);
		is_error(hear(f, fd), rows[i].why);
		assert_string_equal(hear(f, fd), "");
		close(fd);
	}
	assert_int_equal(f->requests, 0);
}

static void a_request_of_2_MiB_is_refused(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);
	char block[1024];

	memset(block, 'x', sizeof(block));
	for (unsigned i = 0; i < CONTROL_REQUEST_MAX / sizeof(block); i++) {
		assert_int_equal(send(fd, block, sizeof(block), MSG_NOSIGNAL),
				 sizeof(block));
		ev_run(f->loop, EVRUN_NOWAIT);
	}
	is_error(hear(f, fd), "longer than 2048 KiB");
	assert_string_equal(hear(f, fd), "");
	close(fd);
}

static void a_client_that_dawdles_over_its_request_is_closed(void **state)
{
	struct fixture *f = *state;
	uint64_t start = clock_monotonic_ns();
	int fd;

	control_socket_set_patience(f->socket, 0.1);
	fd = dial(f);
	while (clock_monotonic_ns() - start < DEADLINE_NS) {
		/* a byte with each turn must not buy time */
		if (send(fd, " ", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		ev_run(f->loop, EVRUN_ONCE);
	}
	assert_true(clock_monotonic_ns() - start < DEADLINE_NS);
	close(fd);
}

static void a_client_that_does_not_read_its_answer_is_closed(void **state)
{
	struct fixture *f = *state;
	const unsigned one = 1;
	int fd, other;

	control_socket_set_patience(f->socket, 0.1);
	fd = dial(f);
	say(fd, "{\"cmd\":\"big\"}\n{\"cmd\":\"wait\"}\n");
	assert_true(turn_until(f, &f->requests, one));
	other = dial(f);
	/* the loop has ended the patience of the first when that of a later
	 * one, which says nothing either, has ended */
	assert_string_equal(hear(f, other), "");
	assert_int_equal(f->requests, 1);
	close(other);
	close(fd);
}

static void a_long_answer_arrives_whole(void **state)
{
	struct fixture *f = *state;
	uint64_t end = clock_monotonic_ns() + DEADLINE_NS;
	static char block[65536];
	size_t total = 0;
	int fd = dial(f);

	say(fd, "{\"cmd\":\"big\"}\n");
	while (total < 2000011 && clock_monotonic_ns() < end) {
		ssize_t n = recv(fd, block, sizeof(block), 0);

		if (n > 0)
			total += (size_t)n;
		else
			ev_run(f->loop, EVRUN_NOWAIT);
	}
	assert_int_equal(total, strlen("{\"big\":\"\"}\n") + 2000000);
	close(fd);
}

static void subscribers_get_what_is_published(void **state)
{
	struct fixture *f = *state;
	int a = dial(f), b = dial(f), c = dial(f);

	say(a, "{\"cmd\":\"watch\"}\n");
	say(b, "{\"cmd\":\"watch\"}\n");
	assert_string_equal(hear(f, a), "{\"watching\":true}");
	assert_string_equal(hear(f, b), "{\"watching\":true}");
	control_publish(f->socket, json_pack("{s:i}", "seq", 7));
	say(c, "{\"n\":1}\n");
	assert_string_equal(hear(f, a), "{\"seq\":7}");
	assert_string_equal(hear(f, b), "{\"seq\":7}");
	assert_string_equal(hear(f, c), "{\"n\":1}");
	close(a);
	assert_true(turn_until(f, &f->gone, 1));
	close(b);
	close(c);
}

static void a_subscriber_that_does_not_read_is_dropped(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);
	char text[10001];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	say(fd, "{\"cmd\":\"watch\"}\n");
	assert_true(turn_until(f, &f->requests, 1));
	for (unsigned i = 0; i < 1000 && !f->gone; i++) {
		control_publish(f->socket, json_pack("{s:s}", "x", text));
		ev_run(f->loop, EVRUN_NOWAIT);
	}
	assert_int_equal(f->gone, 1);
	close(fd);
}

static void clients_beyond_the_limit_are_turned_away(void **state)
{
	struct fixture *f = *state;
	int fd[CONTROL_CLIENTS_MAX], late;

	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		fd[i] = dial(f);
		ev_run(f->loop, EVRUN_NOWAIT);
	}
	late = dial(f);
	is_error(hear(f, late), "too many");
	assert_string_equal(hear(f, late), "");
	close(late);
	/* and there is room again when one has left */
	close(fd[0]);
	ev_run(f->loop, EVRUN_NOWAIT);
	fd[0] = dial(f);
	say(fd[0], "{\"n\":1}\n");
	assert_string_equal(hear(f, fd[0]), "{\"n\":1}");
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		close(fd[i]);
}

static void the_twin_is_open_to_all(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	open_twin(f);
	assert_int_equal(stat(f->twin_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0666);
}

static void main_answers(struct fixture *f)
{
	int fd = dial(f);

	say(fd, "{\"n\":1}\n");
	assert_string_equal(hear(f, fd), "{\"n\":1}");
	close(fd);
}

/* All say nothing and stay. */
static void
a_thousand_clients_of_the_twin_take_nothing_of_the_other(void **state)
{
	struct fixture *f = *state;
	unsigned turned_away = 0;
	static int fd[1000];

	open_twin(f);
	for (unsigned i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = dial_at(f->twin_path);
		ev_run(f->loop, EVRUN_NOWAIT);
		if (i % 100 == 50)
			main_answers(f);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(fd); i++) {
		char c;

		turned_away += recv(fd[i], &c, 1, 0) == 1;
		close(fd[i]);
	}
	assert_int_equal(turned_away,
			 ARRAY_SIZE(fd) - control_limits_readonly.clients);
}

static void all_who_are_turned_away_leave_the_twin_usable(void **state)
{
	int fd[2 * 16];
	struct fixture *f = *state;

	open_twin(f);
	for (unsigned i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = dial_at(f->twin_path);
		ev_run(f->loop, EVRUN_NOWAIT);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
	ev_run(f->loop, EVRUN_NOWAIT);
	fd[0] = dial_at(f->twin_path);
	say(fd[0], "{\"n\":1}\n");
	assert_string_equal(hear(f, fd[0]), "{\"n\":1}");
	close(fd[0]);
}

static void a_giant_request_to_the_twin_is_refused(void **state)
{
	struct fixture *f = *state;
	char block[1024];
	int fd;

	open_twin(f);
	fd = dial_at(f->twin_path);
	memset(block, 'x', sizeof(block));
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(send(fd, block, sizeof(block), MSG_NOSIGNAL),
				 sizeof(block));
		ev_run(f->loop, EVRUN_NOWAIT);
	}
	is_error(hear(f, fd), "longer than 16 KiB");
	assert_string_equal(hear(f, fd), "");
	close(fd);
	main_answers(f);
}

/* A quarter of what the main socket's may leave unread. */
static void a_monitor_of_the_twin_that_does_not_read_is_dropped(void **state)
{
	struct fixture *f = *state;
	unsigned published = 0;
	char text[10001];
	int fd;

	open_twin(f);
	fd = dial_at(f->twin_path);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	say(fd, "{\"cmd\":\"watch\"}\n");
	assert_true(turn_until(f, &f->requests, 1));
	for (; published < 1000 && !f->gone; published++) {
		control_publish(f->twin, json_pack("{s:s}", "x", text));
		ev_run(f->loop, EVRUN_NOWAIT);
	}
	assert_int_equal(f->gone, 1);
	/* a unix socket's own buffer holds less than 512 KiB */
	assert_true(published * sizeof(text) < (256 << 10) + (512 << 10));
	close(fd);
}

/* As many as can be ask one costly thing after the other. */
static void the_twin_takes_a_tenth_of_the_loops_time(void **state)
{
	struct fixture *f = *state;
	uint64_t start = clock_monotonic_ns(), took_ns;
	int fd[16];

	open_twin(f);
	for (unsigned i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = dial_at(f->twin_path);
		for (unsigned k = 0; k < 20; k++)
			say(fd[i], "{\"cmd\":\"work\"}\n");
	}
	assert_true(turn_until(f, &f->requests, 2 * ARRAY_SIZE(fd)));
	took_ns = clock_monotonic_ns() - start;
	/* the last one's rest is yet to come */
	assert_true(f->busy_ns * 10 < took_ns + 20 * NS_PER_MS);
	for (unsigned i = 0; i < ARRAY_SIZE(fd); i++) {
		char line[64];

		/* nobody was left out */
		assert_true(recv(fd[i], line, sizeof(line), 0) > 0);
		close(fd[i]);
	}
}

/* What it asks lies there while the twin rests; it is not read on. */
static void a_resting_twin_takes_no_more_than_a_request(void **state)
{
	struct fixture *f = *state;
	uint64_t sent = 0, end = clock_monotonic_ns() + 50 * NS_PER_MS;
	char block[4096];
	int fd, busy;

	open_twin(f);
	busy = dial_at(f->twin_path);
	fd = dial_at(f->twin_path);
	memset(block, ' ', sizeof(block));
	for (unsigned k = 0; k < 50; k++)
		say(busy, "{\"cmd\":\"work\"}\n");
	while (clock_monotonic_ns() < end) {
		ssize_t n = send(fd, block, sizeof(block), MSG_NOSIGNAL);

		sent += n > 0 ? (uint64_t)n : 0;
		ev_run(f->loop, EVRUN_NOWAIT);
		main_answers(f);
	}
	assert_true(sent < 1 << 20);
	close(busy);
	close(fd);
}

static void the_socket_is_closed_to_others(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
}

static void a_live_socket_is_not_taken_over(void **state)
{
	struct fixture *f = *state;
	struct control_socket *second = NULL;
	int fd;

	assert_int_equal(open_at(f, &second), -EADDRINUSE);
	assert_null(second);
	fd = dial(f);
	say(fd, "{\"n\":1}\n");
	assert_string_equal(hear(f, fd), "{\"n\":1}");
	close(fd);
}

/* Root may open everything; so another user asks. */
static void a_socket_that_may_not_be_opened_is_not_called_taken(void **state)
{
	struct fixture *f = *state;
	struct control_socket *second = NULL;
	bool root = !geteuid();

	assert_int_equal(chmod(f->path, 0), 0);
	if (root) {
		assert_int_equal(chmod(f->folder, 0755), 0);
		assert_int_equal(seteuid(65534), 0);
	}
	assert_int_equal(open_at(f, &second), -EACCES);
	if (root)
		assert_int_equal(seteuid(0), 0);
	assert_null(second);
	assert_int_equal(access(f->path, F_OK), 0);
}

static void a_stale_socket_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	control_socket_free(f->socket);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(open_at(f, &f->socket), 0);
}

static void a_file_in_the_way_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct control_socket *second = NULL;
	FILE *file;

	control_socket_free(f->socket);
	f->socket = NULL;
	file = fopen(f->path, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(open_at(f, &second), -EEXIST);
	assert_int_equal(access(f->path, F_OK), 0);
}

static void freeing_removes_the_socket_but_not_a_successor(void **state)
{
	struct fixture *f = *state;
	struct control_socket *second = NULL;

	unlink(f->path);
	assert_int_equal(open_at(f, &second), 0);
	control_socket_free(f->socket);
	assert_int_equal(access(f->path, F_OK), 0);
	control_socket_free(second);
	assert_int_equal(access(f->path, F_OK), -1);
	f->socket = NULL;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_request_is_answered_on_one_line),
		T(requests_sent_together_are_answered_in_order),
		T(a_request_may_come_in_pieces),
		T(a_half_closed_client_is_still_answered),
		T(a_late_answer_reaches_a_half_closed_client),
		T(a_client_that_leaves_while_it_waits_is_told_gone),
		T(what_is_no_json_object_is_refused_and_closed),
		T(a_request_of_2_MiB_is_refused),
		T(a_client_that_dawdles_over_its_request_is_closed),
		T(a_client_that_does_not_read_its_answer_is_closed),
		T(a_long_answer_arrives_whole),
		T(subscribers_get_what_is_published),
		T(a_subscriber_that_does_not_read_is_dropped),
		T(clients_beyond_the_limit_are_turned_away),
		T(the_twin_is_open_to_all),
		T(a_thousand_clients_of_the_twin_take_nothing_of_the_other),
		T(all_who_are_turned_away_leave_the_twin_usable),
		T(a_giant_request_to_the_twin_is_refused),
		T(a_monitor_of_the_twin_that_does_not_read_is_dropped),
		T(the_twin_takes_a_tenth_of_the_loops_time),
		T(a_resting_twin_takes_no_more_than_a_request),
		T(the_socket_is_closed_to_others),
		T(a_live_socket_is_not_taken_over),
		T(a_socket_that_may_not_be_opened_is_not_called_taken),
		T(a_stale_socket_is_replaced),
		T(a_file_in_the_way_is_left_alone),
		T(freeing_removes_the_socket_but_not_a_successor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
