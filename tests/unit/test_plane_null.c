// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "plane/plane_null.h"

#define ROUTES 24

struct fixture {
	struct plane *plane;
	struct table *table;
};

static int setup(void **state)
{
	static struct fixture f;
	struct plane_conf conf = { .engine = { .routes = ROUTES } };
	char err[64];

	assert_int_equal(plane_null.open(&f.plane, &conf, err, sizeof(err)), 0);
	f.table = table_new(ROUTES, 2);
	assert_non_null(f.table);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	plane_null.close(f->plane, true);
	table_put(f->table);
	return 0;
}

static bool has_event(struct plane *p)
{
	struct pollfd fd = { .fd = plane_null.event_fd(p), .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

static void a_plane_is_found_by_its_configured_name(void **state)
{
	static const struct {
		const char *name;
		const struct plane_ops *ops;
	} rows[] = {
		{ "nfqueue", &plane_nfqueue },
		{ "null", &plane_null },
		{ "nft", &plane_nft },
		{ "auto", NULL }, /* plane_choose()'s */
		{ "kmod", &plane_kmod },
		{ "ebpf", NULL },
		{ "", NULL },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_ptr_equal(plane_by_name(rows[i].name), rows[i].ops);
}

/* No rights are needed to find out that it is switched off. */
static void auto_says_why_it_is_the_plane_that_it_is(void **state)
{
	char why[240] = "unset";

	assert_ptr_equal(plane_choose("nfqueue", false, why, sizeof(why)),
			 &plane_nfqueue);
	assert_string_equal(why, "");
	setenv("HALO_FORCE_NO_NAT", "1", 1);
	assert_ptr_equal(plane_choose("auto", false, why, sizeof(why)),
			 &plane_nfqueue);
	assert_non_null(strstr(why, "HALO_FORCE_NO_NAT"));
	assert_ptr_equal(plane_choose("nft", false, why, sizeof(why)),
			 &plane_nft);
	unsetenv("HALO_FORCE_NO_NAT");
}

static void it_keeps_the_table_that_was_applied_last(void **state)
{
	struct fixture *f = *state;
	struct table_diff diff = { .to = f->table };

	assert_null(plane_null_table(f->plane));
	f->table->version = 7;
	assert_int_equal(plane_null.apply(f->plane, &diff), 0);
	assert_int_equal(plane_null.apply(f->plane, &diff), 0);
	assert_int_equal(plane_null_table(f->plane)->version, 7);
	assert_int_equal(plane_null_calls(f->plane).applied, 2);
}

static void a_route_is_held_until_it_is_released(void **state)
{
	struct fixture *f = *state;
	const uint16_t ids[] = { 3, 24 };
	struct route_set both = { ids, 2 }, one = { ids, 1 };

	plane_null.hold(f->plane, &both, true);
	plane_null.hold(f->plane, &one, false);
	assert_false(plane_null_holds(f->plane, 3));
	assert_true(plane_null_holds(f->plane, 24));
}

static void an_end_of_flows_is_told_once(void **state)
{
	struct fixture *f = *state;
	struct route_set all = { 0 };
	struct plane_event ev;

	assert_false(has_event(f->plane));
	assert_int_equal(plane_null.end_flows(f->plane, 11, &all, true), 0);
	assert_true(has_event(f->plane));
	assert_int_equal(plane_null.next_event(f->plane, &ev), 0);
	assert_int_equal(ev.type, PLANE_FLOWS_ENDED);
	assert_int_equal(ev.tag, 11);
	assert_int_equal(plane_null.next_event(f->plane, &ev), -EAGAIN);
	assert_false(has_event(f->plane));
}

static void it_carries_nothing_and_left_nothing(void **state)
{
	struct fixture *f = *state;
	struct flow_query any = { 0 };
	struct flow_view view;
	struct table *found;

	assert_int_equal(plane_null.flows(f->plane, &any, &view, 1), 0);
	assert_int_equal(plane_null.adopt(f->plane, &found), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plane_is_found_by_its_configured_name),
		cmocka_unit_test(auto_says_why_it_is_the_plane_that_it_is),
		cmocka_unit_test_setup_teardown(
			it_keeps_the_table_that_was_applied_last, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_route_is_held_until_it_is_released, setup, teardown),
		cmocka_unit_test_setup_teardown(an_end_of_flows_is_told_once,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			it_carries_nothing_and_left_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
