// SPDX-License-Identifier: GPL-2.0-or-later
/* Durations and points in time as an operator writes them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../tools/haloctl/when.h"

#define NOW_MS	1763694000000ull /* 2025-11-21T03:00:00Z */
#define ROWS(a) (sizeof(a) / sizeof((a)[0]))
#define REFUSED UINT64_MAX

struct row {
	const char *text;
	uint64_t ms;
};

static void durations_carry_a_unit(void **state)
{
	static const struct row rows[] = {
		{ "500ms", 500 },
		{ "0s", 0 },
		{ "10s", 10000 },
		{ "10m", 600000 },
		{ "10min", 600000 },
		{ "2h", 7200000 },
		{ "3d", 259200000 },
		{ "10", REFUSED },
		{ "", REFUSED },
		{ "m", REFUSED },
		{ "-5m", REFUSED },
		{ "+5m", REFUSED },
		{ " 5m", REFUSED },
		{ "5 m", REFUSED },
		{ "5mm", REFUSED },
		{ "1.5h", REFUSED },
		{ "99999999999999999999s", REFUSED },
		{ "18446744073709551615d", REFUSED },
	};

	for (unsigned i = 0; i < ROWS(rows); i++) {
		uint64_t ms = 7;
		int err = when_parse_duration(rows[i].text, &ms);

		print_message("# '%s'\n", rows[i].text);
		assert_int_equal(err, rows[i].ms == REFUSED ? -EINVAL : 0);
		assert_int_equal(ms, err ? 7 : rows[i].ms);
	}
}

static void a_time_is_ago_or_a_date_or_an_epoch(void **state)
{
	static const struct row rows[] = {
		{ "10m", NOW_MS - 600000 },
		{ "1763694001", NOW_MS + 1000 },
		{ "0", 0 },
		{ "2025-11-21T03:00:00Z", NOW_MS },
		{ "2025-11-21T03:00:00", NOW_MS },
		{ "2025-11-21T03:00:00.123Z", NOW_MS },
		{ "2025-11-21T04:00:00+01:00", NOW_MS },
		{ "2025-11-20T22:30:00-04:30", NOW_MS },
		{ "2025-11-21 03:00", NOW_MS },
		{ "2025-11-21", NOW_MS - 3 * 3600000 },
		{ "999999999999d", REFUSED },
		{ "2025-11-21T03:00:00X", REFUSED },
		{ "2025-11-21T03:00:00+1", REFUSED },
		{ "2025-13-01", REFUSED },
		{ "1913-01-01", REFUSED },
		{ "soon", REFUSED },
		{ "", REFUSED },
		{ "-1", REFUSED },
		{ "18446744073709551615", REFUSED },
	};

	for (unsigned i = 0; i < ROWS(rows); i++) {
		uint64_t ms = 7;
		int err = when_parse_since(rows[i].text, NOW_MS, &ms);

		print_message("# '%s'\n", rows[i].text);
		assert_int_equal(err, rows[i].ms == REFUSED ? -EINVAL : 0);
		assert_int_equal(ms, err ? 7 : rows[i].ms);
	}
}

static void what_is_older_than_the_epoch_is_everything(void **state)
{
	uint64_t ms = 7;

	assert_int_equal(when_parse_since("36500d", NOW_MS, &ms), 0);
	assert_int_equal(ms, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_carry_a_unit),
		cmocka_unit_test(a_time_is_ago_or_a_date_or_an_epoch),
		cmocka_unit_test(what_is_older_than_the_epoch_is_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
