// SPDX-License-Identifier: GPL-2.0-or-later
/* Commands that check the server, run for real: how they end, what they leave
 * behind, and what they may write. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
/* after the above, which it needs */
#include <cmocka.h>

#include "../../nodeagent/exec_check.h"
#include "base/units.h"

#define LONG_NS (20 * NS_PER_S)

struct world {
	unsigned told;
	bool ok;
	char why[EXEC_CHECK_WHY_MAX];
};

static void on_result(void *arg, bool ok, const char *why)
{
	struct world *w = arg;

	w->told++;
	w->ok = ok;
	snprintf(w->why, sizeof(w->why), "%s", why);
	ev_break(EV_DEFAULT, EVBREAK_ALL);
}

static struct world run(const char *text, uint64_t timeout_ns)
{
	struct world w = { 0 };
	struct exec_check *x = exec_check_new(EV_DEFAULT, text, on_result, &w);

	assert_int_equal(exec_check_start(x, timeout_ns), 0);
	assert_int_equal(exec_check_start(x, timeout_ns), 0); /* the same */
	while (!w.told)
		ev_run(EV_DEFAULT, 0);
	exec_check_free(x);
	assert_int_equal(w.told, 1);
	/* no child is left, dead or alive */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	return w;
}

static void how_a_command_ends_is_the_result(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		const char *why;
	} rows[] = {
		{ "true", true, "exit status 0" },
		{ "exit 3", false, "exit status 3" },
		{ "kill -SEGV $$", false, "killed by signal 11" },
		{ "echo down for repair; exit 1", false, "down for repair" },
		{ "echo one; echo two >&2; exit 1", false, "two" },
		{ "printf 'last\\n\\n\\n'; exit 1", false, "last" },
		{ "printf 'a\\033[31mb\\377'; exit 1", false, "a?[31mb?" },
		{ "no-such-command 2>/dev/null", false, "exit status 127" },
		{ "cat", true, "exit status 0" }, /* nothing to read */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct world w = run(rows[i].text, LONG_NS);

		print_message("  %s\n", rows[i].text);
		assert_int_equal(w.ok, rows[i].ok);
		assert_string_equal(w.why, rows[i].why);
	}
}

static void one_that_takes_too_long_is_killed_with_its_children(void **state)
{
	char path[] = "/tmp/halo-exec-XXXXXX", text[128];
	int fd = mkstemp(path);
	struct world w;
	pid_t child = 0;
	FILE *f;

	snprintf(text, sizeof(text), "sleep 60 & echo $! >%s; wait", path);
	w = run(text, 300 * NS_PER_MS);
	assert_false(w.ok);
	assert_string_equal(w.why, "killed: it took too long");
	f = fdopen(fd, "r");
	assert_int_equal(fscanf(f, "%d", &child), 1);
	fclose(f);
	unlink(path);
	/* it is nobody's here: gone, or a corpse that init will bury */
	for (unsigned i = 0; i < 100 && !kill(child, 0); i++) {
		char stat[64], line[128] = "";

		snprintf(stat, sizeof(stat), "/proc/%d/stat", child);
		f = fopen(stat, "r");
		if (!f || !fgets(line, sizeof(line), f) || strstr(line, ") Z"))
			child = 0;
		if (f)
			fclose(f);
		if (!child)
			return;
		usleep(20000);
	}
	assert_true(kill(child, 0));
}

static void a_flood_of_output_is_read_and_forgotten(void **state)
{
	struct world w = run("head -c 3000000 /dev/zero | tr '\\0' x; echo; "
			     "echo done; exit 1",
			     LONG_NS);

	assert_string_equal(w.why, "done");
	w = run("yes", 200 * NS_PER_MS);
	assert_string_equal(w.why, "killed: it took too long");
}

static void a_pipe_that_is_left_open_holds_up_nobody(void **state)
{
	struct world w = run("sleep 1 & exit 0", LONG_NS);

	assert_true(w.ok);
}

static void one_that_is_given_up_is_killed(void **state)
{
	struct world w = { 0 };
	struct exec_check *x =
		exec_check_new(EV_DEFAULT, "sleep 60", on_result, &w);
	int status;

	assert_int_equal(exec_check_start(x, LONG_NS), 0);
	exec_check_free(x);
	assert_true(waitpid(-1, &status, 0) > 0);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(w.told, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(how_a_command_ends_is_the_result),
		cmocka_unit_test(
			one_that_takes_too_long_is_killed_with_its_children),
		cmocka_unit_test(a_flood_of_output_is_read_and_forgotten),
		cmocka_unit_test(a_pipe_that_is_left_open_holds_up_nobody),
		cmocka_unit_test(one_that_is_given_up_is_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
