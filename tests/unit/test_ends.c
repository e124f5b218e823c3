// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "plane/ends.h"

static int setup(void **state)
{
	static struct ends e;

	ends_init(&e);
	*state = &e;
	return 0;
}

static int teardown(void **state)
{
	ends_fini(*state);
	return 0;
}

static void nothing_ends_that_was_not_asked_for(void **state)
{
	struct plane_event ev;

	assert_false(ends_next(*state, 5, 0, &ev));
}

static void requests_end_in_the_order_they_were_made(void **state)
{
	struct plane_event ev;

	ends_ask(*state, 11);
	ends_ask(*state, 12);
	assert_false(ends_next(*state, 0, 0, &ev));
	assert_true(ends_next(*state, 2, 30, &ev));
	assert_int_equal(ev.tag, 11);
	assert_int_equal(ev.count, 30);
	assert_true(ends_next(*state, 2, 30, &ev));
	assert_int_equal(ev.tag, 12);
	assert_int_equal(ev.count, 0);
	assert_false(ends_next(*state, 2, 30, &ev));
}

static void a_request_waits_for_the_slowest_worker(void **state)
{
	struct plane_event ev;

	ends_ask(*state, 11);
	ends_ask(*state, 12);
	assert_true(ends_next(*state, 1, 0, &ev));
	assert_false(ends_next(*state, 1, 0, &ev));
}

static void as_many_as_there_are_nodes_can_be_under_way(void **state)
{
	struct plane_event ev;

	ends_ask(*state, 1);
	ends_next(*state, 1, 0, &ev); /* the ring no longer starts at 0 */
	for (uint32_t tag = 2; tag <= 4097; tag++)
		assert_int_equal(ends_ask(*state, tag), 0);
	for (uint32_t tag = 2; tag <= 4097; tag++) {
		assert_true(ends_next(*state, 4097, 0, &ev));
		assert_int_equal(ev.tag, tag);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			nothing_ends_that_was_not_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(
			requests_end_in_the_order_they_were_made, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_request_waits_for_the_slowest_worker, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			as_many_as_there_are_nodes_can_be_under_way, setup,
			teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
