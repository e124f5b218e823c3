// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/route_set.h"
#include "base/units.h"

static const uint16_t ids[] = { 1, 2, 3, 5, 7, 8, 65534, 65535 };
static const struct route_set set = { ids, ARRAY_SIZE(ids) };
static const char whole[] = "1-3,5,7-8,65534-65535";

static void set_is_stepped_through_as_ranges(void **state)
{
	static const struct route_range want[] = {
		{ 1, 3 }, { 5, 5 }, { 7, 8 }, { 65534, 65535 }
	};
	struct route_range r;
	uint32_t at = 0;

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_true(route_set_next_range(&set, &at, &r));
		assert_int_equal(r.first, want[i].first);
		assert_int_equal(r.last, want[i].last);
	}
	assert_false(route_set_next_range(&set, &at, &r));
}

static void set_has_its_members_only(void **state)
{
	struct route_set empty = { NULL, 0 };

	for (unsigned route = 0; route <= ROUTES_MAX; route++) {
		bool want = false;

		for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
			want |= ids[i] == route;
		assert_int_equal(route_set_has(&set, (uint16_t)route), want);
		assert_false(route_set_has(&empty, (uint16_t)route));
	}
}

static void empty_set_has_no_range_and_an_empty_text(void **state)
{
	struct route_set empty = { NULL, 0 };
	struct route_range r;
	uint32_t at = 0;
	char text[8] = "junk";

	assert_false(route_set_next_range(&empty, &at, &r));
	assert_string_equal(route_set_format(&empty, text, sizeof(text)), "");
}

/* Every size, in a block of exactly that size so that ASan sees a slip. */
static void text_is_cut_at_a_whole_range(void **state)
{
	for (unsigned size = 1; size < 40; size++) {
		char *text = malloc(size), *sign;

		route_set_format(&set, text, size);
		assert_true(strlen(text) < size);
		sign = strstr(text, "…");
		if (sign)
			assert_string_equal(sign, "…");
		if (size >= sizeof(whole))
			assert_string_equal(text, whole);
		if (sign)
			*sign = 0;
		assert_memory_equal(text, whole, strlen(text));
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_is_stepped_through_as_ranges),
		cmocka_unit_test(set_has_its_members_only),
		cmocka_unit_test(empty_set_has_no_range_and_an_empty_text),
		cmocka_unit_test(text_is_cut_at_a_whole_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
