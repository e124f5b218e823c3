// SPDX-License-Identifier: GPL-2.0-or-later
/* The ring of the newest SYNs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "packet/journal.h"

#define SLOTS 4

static int setup(void **state)
{
	*state = journal_new(SLOTS);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	journal_free(*state);
	return 0;
}

static void put(struct journal *j, uint32_t owner)
{
	uint8_t syn[] = { 0x45 };

	journal_put(j, owner, syn, sizeof(syn), true);
}

static void an_empty_journal_has_no_newest(void **state)
{
	assert_null(journal_newest(*state, 0));
}

static void the_newest_come_newest_first(void **state)
{
	put(*state, 1);
	put(*state, 2);
	assert_int_equal(journal_newest(*state, 0)->owner, 2);
	assert_int_equal(journal_newest(*state, 1)->owner, 1);
	assert_null(journal_newest(*state, 2));
}

static void a_full_journal_ends_with_the_oldest_it_has(void **state)
{
	for (uint32_t owner = 1; owner <= SLOTS + 2; owner++)
		put(*state, owner);
	assert_int_equal(journal_newest(*state, 0)->owner, SLOTS + 2);
	assert_int_equal(journal_newest(*state, SLOTS - 1)->owner, 3);
	assert_null(journal_newest(*state, SLOTS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(an_empty_journal_has_no_newest),
		T(the_newest_come_newest_first),
		T(a_full_journal_ends_with_the_oldest_it_has),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
