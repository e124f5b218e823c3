// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whose change of a table it was, in a network namespace of its own. Strangers
 * are nft programs: another process, another port.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "io/nft_foreign.h"
#include "io/nft_text.h"

static struct nft_foreign watch;

static void write_anew(void)
{
	char err[128];

	if (nft_text_run("add table inet ours\ndelete table inet ours\n"
			 "table inet ours {\nset first { type mark; }\n"
			 "set layout { type mark; }\nchain c { }\n}\n",
			 err, sizeof(err)))
		fail_msg("%s", err);
}

static int begin(void **state)
{
	if (nft_foreign_init(&watch, "ours"))
		return -1;
	write_anew();
	return nft_foreign_since(&watch, "layout");
}

static int end(void **state)
{
	nft_foreign_fini(&watch);
	return 0;
}

static void meddle(const char *command)
{
	assert_int_equal(system(command), 0);
}

static void a_stranger_is_told_from_us(void **state)
{
	assert_false(nft_foreign_drain(&watch));
	meddle("nft add set inet ours theirs '{ type mark; }'");
	assert_true(nft_foreign_drain(&watch));
	assert_false(nft_foreign_drain(&watch));
}

static void other_tables_are_none_of_ours(void **state)
{
	meddle("nft 'add table inet theirs; delete table inet theirs'");
	assert_false(nft_foreign_drain(&watch));
}

static void what_was_before_our_text_is_gone(void **state)
{
	meddle("nft delete table inet ours");
	write_anew();
	assert_false(nft_foreign_since(&watch, "layout"));
}

static void what_comes_after_our_text_is_noticed(void **state)
{
	write_anew();
	meddle("nft delete table inet ours");
	assert_true(nft_foreign_since(&watch, "layout"));
	write_anew();
	meddle("nft add set inet ours theirs '{ type mark; }'");
	assert_true(nft_foreign_since(&watch, "layout"));
}

static void a_change_of_ours_hides_no_other(void **state)
{
	static const char change[] =
		"flush chain inet ours c\nadd element inet ours layout { 1 }\n";
	char err[128];

	assert_int_equal(nft_text_run(change, err, sizeof(err)), 0);
	assert_false(nft_foreign_since(&watch, "layout"));
	meddle("nft add set inet ours theirs '{ type mark; }'");
	assert_int_equal(nft_text_run(change, err, sizeof(err)), 0);
	assert_true(nft_foreign_since(&watch, "layout"));
	assert_int_equal(nft_text_run(change, err, sizeof(err)), 0);
	meddle("nft delete set inet ours theirs");
	assert_true(nft_foreign_since(&watch, "layout"));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_stranger_is_told_from_us),
		TEST(other_tables_are_none_of_ours),
		TEST(what_was_before_our_text_is_gone),
		TEST(what_comes_after_our_text_is_noticed),
		TEST(a_change_of_ours_hides_no_other),
	};

	if (unshare(CLONE_NEWNET)) {
		printf("skip - needs root for a network namespace\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
