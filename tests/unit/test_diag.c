// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/diag.h"

static struct diag_list list; /* 50 kB */

static int clear(void **state)
{
	memset(&list, 0, sizeof(list));
	return 0;
}

static void errors_and_warnings_are_kept_in_order(void **state)
{
	diag_warning(&list, "a", 1, "%s", "first");
	diag_error(&list, "b", 2, "number %d", 2);
	assert_int_equal(list.count, 2);
	assert_int_equal(list.errors, 1);
	assert_true(list.items[0].warning);
	assert_false(list.items[1].warning);
	assert_string_equal(list.items[1].file, "b");
	assert_int_equal(list.items[1].line, 2);
	assert_string_equal(list.items[1].text, "number 2");
}

static void no_more_than_the_limit_are_kept(void **state)
{
	for (int i = 0; i < DIAG_MAX + 5; i++)
		diag_error(&list, "f", 1, "%d", i);
	assert_int_equal(list.count, DIAG_MAX);
	assert_int_equal(list.errors, DIAG_MAX + 5);
	assert_int_equal(list.dropped, 5);
	assert_string_equal(list.items[DIAG_MAX - 1].text, "99");
}

static void long_texts_are_cut(void **state)
{
	char text[1000];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	diag_error(&list, text, 1, "%s", text);
	assert_int_equal(strlen(list.items[0].text), DIAG_TEXT_MAX - 1);
	assert_int_equal(strlen(list.items[0].file),
			 sizeof(list.items[0].file) - 1);
}

static void file_may_be_unknown(void **state)
{
	diag_error(&list, NULL, 0, "lost");
	assert_string_equal(list.items[0].file, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(errors_and_warnings_are_kept_in_order,
				       clear),
		cmocka_unit_test_setup(no_more_than_the_limit_are_kept, clear),
		cmocka_unit_test_setup(long_texts_are_cut, clear),
		cmocka_unit_test_setup(file_may_be_unknown, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
