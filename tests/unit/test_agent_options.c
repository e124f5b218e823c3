// SPDX-License-Identifier: GPL-2.0-or-later
/* The agent's command line: what it means, and how what is wrong is named. */
#include <errno.h>
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* after the above, which it needs */
#include <cmocka.h>

#include "../../nodeagent/options.h"

#define WORDS_MAX 80

static int parse(struct options *o, const char *line, char *err, unsigned size)
{
	static char words[2048]; /* the options borrow it */
	char *argv[WORDS_MAX + 2] = { (char[]){ "halo-agent" } };
	int argc = 1;

	assert_true(strlen(line) < sizeof(words));
	strcpy(words, line);
	for (char *w = strtok(words, " "); w; w = strtok(NULL, " ")) {
		assert_true(argc <= WORDS_MAX);
		argv[argc++] = w;
	}
	optind = 0; /* glibc: begin anew */
	return options_parse(o, argc, argv, err, size);
}

static struct options parsed(const char *line)
{
	char err[256] = "";
	struct options o;

	if (parse(&o, line, err, sizeof(err)))
		fail_msg("%s", err);
	return o;
}

static void what_is_not_said_has_its_default(void **state)
{
	struct options o = parsed("--gateway 198.19.0.1:7460 --key k --name a");

	assert_string_equal(o.gateways[0], "198.19.0.1:7460");
	assert_string_equal(o.key, "k");
	assert_string_equal(o.name, "a");
	assert_string_equal(o.events, "/run/halo-agent/events.sock");
	assert_int_equal(o.log_level, LOG_LEVEL_INFO);
	assert_int_equal(o.n_checks, 0);
	assert_null(o.on_event);
	assert_false(o.no_auth || o.realtime || o.help || o.version);
	assert_false(addr_is_set(&o.addr[FAMILY_V4]));
}

static void everything_can_be_said(void **state)
{
	struct options o = parsed(
		"--gateway [fd00::1]:7460 --gateway 198.19.0.2:7460 --no-auth "
		"--name web-1 "
		"--address 198.18.0.9 --address fd00:198:18::9 --wish reserve "
		"--check listen:8001 --check tcp:80 --on-event hook "
		"--events /tmp/e --realtime --log-level debug "
		"--no-end-sockets");
	char text[ADDR_STRLEN];

	assert_true(o.no_auth && o.realtime && o.no_end_sockets);
	assert_string_equal(addr_format(&o.addr[FAMILY_V4], text),
			    "198.18.0.9");
	assert_string_equal(addr_format(&o.addr[FAMILY_V6], text),
			    "fd00:198:18::9");
	assert_int_equal(o.wish, WISH_RESERVE);
	assert_int_equal(o.n_gateways, 2);
	assert_string_equal(o.gateways[1], "198.19.0.2:7460");
	assert_int_equal(o.n_checks, 2);
	assert_int_equal(o.checks[1].kind, CHECK_TCP);
	assert_string_equal(o.on_event, "hook");
	assert_string_equal(o.events, "/tmp/e");
	assert_int_equal(o.log_level, LOG_LEVEL_DEBUG);
}

static void help_and_version_need_nothing_else(void **state)
{
	assert_true(parsed("--help").help);
	assert_true(parsed("--version").version);
}

static void what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *line, *said;
	} rows[] = {
		{ "", "--gateway HOST:PORT is missing" },
		{ "--gateway h:1 --name a", "--key FILE is missing" },
		{ "--gateway h:1 --key k --no-auth", "exclude each other" },
		{ "--gateway h:1 --gateway h:1", "named twice" },
		{ "--gateway h:1 --gateway h:2 --gateway h:3 --gateway h:4 "
		  "--gateway h:5",
		  "at most 4" },
		{ "--gateway h", "HOST:PORT is wanted" },
		{ "--gateway", "--gateway: its value is missing" },
		{ "--nonsense", "--nonsense: no such option" },
		{ "-x", "no such option" },
		{ "--help more", "more: no argument is expected" },
		{ "--name -a", "1 to 63" },
		{ "--name a/b", "1 to 63" },
		{ "--address host", "not an IPv4 or IPv6 address" },
		{ "--address 198.18.0.1 --address 198.18.0.2",
		  "one of each family" },
		{ "--wish both", "active or reserve" },
		{ "--check http:80", "listen:PORT, tcp" },
		{ "--log-level loud", "error, warn, info or debug" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options o = { .log_level = LOG_LEVEL_WARN };
		char err[256] = "";

		print_message("  %s\n", rows[i].line);
		assert_int_equal(parse(&o, rows[i].line, err, sizeof(err)),
				 -EINVAL);
		if (!strstr(err, rows[i].said))
			fail_msg("\"%s\" does not say \"%s\"", err,
				 rows[i].said);
		assert_int_equal(o.log_level, LOG_LEVEL_WARN);
	}
}

static void one_check_too_many_is_refused(void **state)
{
	char line[1024] = "--gateway h:1 --no-auth --name a", err[256];
	struct options o;

	for (unsigned i = 0; i < CHECKS_MAX; i++)
		strcat(line, " --check tcp:80");
	assert_int_equal(parse(&o, line, err, sizeof(err)), 0);
	assert_int_equal(o.n_checks, CHECKS_MAX);
	strcat(line, " --check tcp:80");
	assert_int_equal(parse(&o, line, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "at most"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said_has_its_default),
		cmocka_unit_test(everything_can_be_said),
		cmocka_unit_test(help_and_version_need_nothing_else),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(one_check_too_many_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
