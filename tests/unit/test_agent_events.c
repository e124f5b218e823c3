// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How a node's programs hear of events: the lines, the socket, the command.
 */
#include <errno.h>
#include <ev.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
/* after the above, which it needs */
#include <cmocka.h>

#include "../../nodeagent/command.h"
#include "../../nodeagent/event_json.h"
#include "../../nodeagent/events.h"
#include "io/clock.h"

#define WAIT_NS (10 * NS_PER_S) /* a condition that is late is an error */

struct fixture {
	struct ev_loop *loop;
	ev_timer pulse; /* so that a round of the loop ends */
	char dir[64], path[96], file[96];
	struct events *events;
	char said[EVENTS_LINE_MAX]; /* by a client, the last line */
	bool answers;		    /* what is said, by an event */
	unsigned lines;
	uint64_t done[8]; /* commands, in order */
	unsigned n_done;
};

static void on_pulse(struct ev_loop *loop, ev_timer *timer, int revents)
{
}

static void on_line(void *arg, const char *line)
{
	struct fixture *f = arg;

	snprintf(f->said, sizeof(f->said), "%s", line);
	f->lines++;
	if (f->answers)
		events_publish(f->events, "so be it\n", EVENTS_PASSING);
}

static void on_done(void *arg, uint64_t id)
{
	struct fixture *f = arg;

	f->done[f->n_done++ % ARRAY_SIZE(f->done)] = id;
}

#define WAIT_UNTIL(f, cond)                                            \
	do {                                                           \
		uint64_t until_ns = clock_monotonic_ns() + WAIT_NS;    \
		while (!(cond)) {                                      \
			if (clock_monotonic_ns() > until_ns)           \
				fail_msg("waited in vain for " #cond); \
			ev_run((f)->loop, EVRUN_ONCE);                 \
		}                                                      \
	} while (0)

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char err[256];

	strcpy(f->dir, "/tmp/halo-events-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/sub/events.sock", f->dir);
	snprintf(f->file, sizeof(f->file), "%s/out", f->dir);
	f->loop = ev_default_loop(0);
	ev_timer_init(&f->pulse, on_pulse, 0.002, 0.002);
	ev_timer_start(f->loop, &f->pulse);
	*state = f;
	return events_open(&f->events, f->loop, f->path, on_line, f, err,
			   sizeof(err));
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];

	events_free(f->events);
	ev_timer_stop(f->loop, &f->pulse);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	free(f);
	return system(command);
}

static int join(struct fixture *f)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	unsigned before = events_clients(f->events);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(at.sun_path, f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	WAIT_UNTIL(f, events_clients(f->events) == before + 1);
	return fd;
}

static void assert_hears(int fd, const char *text)
{
	char got[256] = "";

	assert_int_equal(recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT),
			 (ssize_t)strlen(text));
	assert_string_equal(got, text);
}

static void an_event_is_one_line_of_json(void **state)
{
	static const uint16_t ids[] = { 1, 2, 3, 12 };
	const struct event_origin from = { "a", "198.19.0.1:7460", 5 };
	struct agent_event e = { .kind = AGENT_MOVING,
				 .version = 9,
				 .id = 5,
				 .deadline_ms = 500,
				 .reason = "join",
				 .routes = { ids, 4 } };
	char *line = event_json(&e, &from, 1234);

	assert_string_equal(line,
			    "{\"event\":\"moving\",\"time_ms\":1234,"
			    "\"node\":\"a\","
			    "\"gateway\":\"198.19.0.1:7460\",\"version\":9,"
			    "\"routes\":[[1,3],[12,12]],\"reason\":\"join\","
			    "\"id\":5,\"deadline_ms\":500}\n");
	free(line);
}

static void no_routes_are_an_empty_list(void **state)
{
	const struct event_origin from = { "a", "g:1", 0 };
	struct agent_event e = { .kind = AGENT_ASSIGNED };
	char *line = event_json(&e, &from, 0);

	assert_non_null(strstr(line, "\"routes\":[]"));
	free(line);
}

static void only_done_with_a_number_is_understood(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"{\"done\":\"1\"}",
		"[1]",
		"{\"done\":-1}",
		"{\"done\":17179869184}",
		"done 1",
		"{\"done\":1.5}",
		"{\"done\":1",
	};
	uint64_t id = 0;

	assert_int_equal(event_json_parse_done("{\"done\":4294967303}", &id),
			 0);
	assert_int_equal(id, 1ull << 32 | 7);
	assert_int_equal(event_json_parse_done("{\"done\":7}", &id), 0);
	assert_int_equal(id, 7);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(event_json_parse_done(bad[i], &id), -EINVAL);
	assert_int_equal(id, 7);
}

static void every_client_hears_an_event(void **state)
{
	struct fixture *f = *state;
	int a = join(f), b = join(f);

	events_publish(f->events, "x\n", EVENTS_PASSING);
	assert_hears(a, "x\n");
	assert_hears(b, "x\n");
	close(a);
	close(b);
	WAIT_UNTIL(f, events_clients(f->events) == 0);
}

static void who_comes_later_hears_what_is_remembered(void **state)
{
	struct fixture *f = *state;
	int fd;

	events_publish(f->events, "old\n", 0);
	events_publish(f->events, "new\n", 0);
	events_publish(f->events, "passing\n", EVENTS_PASSING);
	fd = join(f);
	assert_hears(fd, "new\n");
	close(fd);
}

static void a_clients_lines_are_handed_up_whole(void **state)
{
	struct fixture *f = *state;
	int fd = join(f);

	assert_int_equal(send(fd, "on", 2, 0), 2);
	ev_run(f->loop, EVRUN_ONCE);
	assert_int_equal(f->lines, 0);
	assert_int_equal(send(fd, "e\ntwo\n", 6, 0), 6);
	WAIT_UNTIL(f, f->lines == 2);
	assert_string_equal(f->said, "two");
	close(fd);
}

static void a_line_without_an_end_is_cut_off(void **state)
{
	struct fixture *f = *state;
	char junk[2 * EVENTS_LINE_MAX];
	int fd = join(f);

	memset(junk, 'x', sizeof(junk));
	assert_int_equal(send(fd, junk, sizeof(junk), 0), sizeof(junk));
	WAIT_UNTIL(f, events_clients(f->events) == 0);
	close(fd);
}

static void a_client_that_does_not_read_is_dropped(void **state)
{
	struct fixture *f = *state;
	char line[4096];
	int lazy = join(f);

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = 0;
	for (int i = 0; i < 2000 && events_clients(f->events); i++)
		events_publish(f->events, line, EVENTS_PASSING);
	assert_int_equal(events_clients(f->events), 0);
	close(lazy);
}

/* {"done":1} and away, before the event that follows from it is told. */
static void a_client_may_leave_while_it_is_answered(void **state)
{
	struct fixture *f = *state;
	int fd = join(f);

	f->answers = true;
	assert_int_equal(send(fd, "one\ntwo\n", 8, 0), 8);
	close(fd);
	WAIT_UNTIL(f, events_clients(f->events) == 0);
	assert_int_equal(f->lines, 1);
	assert_string_equal(f->said, "one");
}

static void a_live_socket_is_not_taken_over(void **state)
{
	struct fixture *f = *state;
	struct events *second;
	char err[256];

	assert_int_equal(events_open(&second, f->loop, f->path, on_line, f, err,
				     sizeof(err)),
			 -EADDRINUSE);
	assert_non_null(strstr(err, f->path));
}

static void the_socket_is_for_owner_and_group(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
}

static void commands_run_in_order_with_the_event_on_stdin(void **state)
{
	struct fixture *f = *state;
	char text[512], got[128] = "";
	struct command *c;
	FILE *file;

	snprintf(text, sizeof(text),
		 "printf '%%s ' \"$HALO_EVENT\" >> %s; cat >> %s", f->file,
		 f->file);
	c = command_new(f->loop, text, on_done, f);
	command_run(c, "moving", "{1}", 1);
	command_run(c, "moved", "{2}", 2);
	command_run(c, "assigned", "{3}", 3);
	WAIT_UNTIL(f, f->n_done == 3);
	assert_int_equal(f->done[0], 1);
	assert_int_equal(f->done[2], 3);
	file = fopen(f->file, "r");
	assert_non_null(file);
	assert_true(fread(got, 1, sizeof(got) - 1, file) > 0);
	fclose(file);
	assert_string_equal(got, "moving {1}moved {2}assigned {3}");
	command_free(c);
}

static void a_failing_command_is_done_too(void **state)
{
	struct fixture *f = *state;
	struct command *c = command_new(f->loop, "exit 3", on_done, f);

	command_run(c, "moving", "{}", 4);
	WAIT_UNTIL(f, f->n_done == 1);
	assert_int_equal(f->done[0], 4);
	command_free(c);
}

static void too_many_waiting_commands_give_way(void **state)
{
	struct fixture *f = *state;
	struct command *c = command_new(f->loop, "exec sleep 1", on_done, f);

	for (uint32_t id = 1; id <= COMMAND_QUEUE_MAX + 2; id++)
		command_run(c, "moving", "{}", id);
	assert_int_equal(f->n_done, 2);
	assert_int_equal(f->done[0], 2); /* the first one is running */
	assert_int_equal(f->done[1], 3);
	command_free(c);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_is_one_line_of_json),
		cmocka_unit_test(no_routes_are_an_empty_list),
		cmocka_unit_test(only_done_with_a_number_is_understood),
		TEST(every_client_hears_an_event),
		TEST(who_comes_later_hears_what_is_remembered),
		TEST(a_clients_lines_are_handed_up_whole),
		TEST(a_line_without_an_end_is_cut_off),
		TEST(a_client_that_does_not_read_is_dropped),
		TEST(a_client_may_leave_while_it_is_answered),
		TEST(a_live_socket_is_not_taken_over),
		TEST(the_socket_is_for_owner_and_group),
		TEST(commands_run_in_order_with_the_event_on_stdin),
		TEST(a_failing_command_is_done_too),
		TEST(too_many_waiting_commands_give_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
