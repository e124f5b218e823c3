/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshots: lookup, private copies, counted references, differences. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/units.h"
#include "table/diff.h"
#include "table/table.h"

static struct addr address(uint8_t last)
{
	return addr_v4((const uint8_t[]){ 198, 19, 0, last });
}

/* Seats 1 and 2 with tags 11 and 12; routes 1..4 → 1, 5..8 → 2. */
static struct table *two_nodes(void)
{
	struct table *t = table_new(8, 4);

	assert_non_null(t);
	for (uint8_t s = 1; s <= 2; s++)
		t->seat[s] = (struct table_seat){
			.tag = 10u + s,
			.addr = { [FAMILY_V4] = address(s) },
		};
	for (unsigned r = 1; r <= 8; r++)
		t->seat_of[r] = r <= 4 ? 1 : 2;
	t->version = 7;
	return t;
}

static void new_table_serves_nothing(void **state)
{
	struct table *t = table_new(ROUTES_MAX, NODES_MAX);

	assert_int_equal(0, t->version);
	assert_int_equal(ROUTES_MAX, t->routes);
	assert_int_equal(NODES_MAX, t->seats);
	for (unsigned r = 1; r <= ROUTES_MAX; r++)
		assert_null(table_lookup(t, (uint16_t)r));
	table_put(t);
}

static void lookup_gives_the_occupant_of_the_routes_seat(void **state)
{
	struct table *t = two_nodes();

	assert_int_equal(11, table_lookup(t, 4)->tag);
	assert_int_equal(12, table_lookup(t, 5)->tag);
	t->seat[2].tag = 0;
	assert_null(table_lookup(t, 5));
	table_put(t);
}

static void copy_is_private(void **state)
{
	struct table *t = two_nodes();
	struct table *copy = table_copy(t);

	copy->seat_of[1] = 2;
	copy->seat[2].tag = 99;
	copy->version++;

	assert_int_equal(7, t->version);
	assert_int_equal(11, table_lookup(t, 1)->tag);
	assert_int_equal(12, table_lookup(t, 8)->tag);
	assert_int_equal(99, table_lookup(copy, 1)->tag);
	assert_int_equal(11, table_lookup(copy, 2)->tag);
	table_put(t);
	table_put(copy);
}

static void *get_and_put(void *arg)
{
	for (unsigned i = 0; i < 20000; i++)
		table_put(table_get(arg));
	table_put(arg);
	return NULL;
}

static void references_are_counted_across_threads(void **state)
{
	struct table *t = two_nodes();
	pthread_t threads[3];

	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(0, pthread_create(&threads[i], NULL,
						   get_and_put, table_get(t)));
	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(1, t->refs);
	table_put(t);
}

static void putting_nothing_is_fine(void **state)
{
	table_put(NULL);
}

static void a_successor_in_the_seat_is_one_change(void **state)
{
	struct table *from = two_nodes(), *to = table_copy(from);
	struct table_diff diff;

	to->seat[2].tag = 13;
	to->seat[2].addr[FAMILY_V4] = address(3);
	assert_int_equal(0, table_diff_init(&diff, from, to));

	assert_int_equal(0, diff.n_routes);
	assert_int_equal(1, diff.n_seats);
	assert_int_equal(2, diff.seats[0]);
	assert_int_equal(4, table_diff_moved(&diff));
	table_diff_fini(&diff);
	table_put(from);
	table_put(to);
}

static void moved_routes_are_listed_ascending(void **state)
{
	struct table *from = two_nodes(), *to = table_copy(from);
	struct table_diff diff;

	to->seat_of[6] = SEAT_NONE;
	to->seat_of[3] = 2;
	assert_int_equal(0, table_diff_init(&diff, from, to));

	assert_int_equal(2, diff.n_routes);
	assert_int_equal(3, diff.routes[0].route);
	assert_int_equal(1, diff.routes[0].from);
	assert_int_equal(2, diff.routes[0].to);
	assert_int_equal(6, diff.routes[1].route);
	assert_int_equal(2, diff.routes[1].from);
	assert_int_equal(SEAT_NONE, diff.routes[1].to);
	assert_int_equal(0, diff.n_seats);
	assert_int_equal(2, table_diff_moved(&diff));
	table_diff_fini(&diff);
	table_put(from);
	table_put(to);
}

static void a_node_that_changes_its_seat_moves_no_route(void **state)
{
	struct table *from = two_nodes(), *to = table_copy(from);
	struct table_diff diff;

	to->seat[3] = to->seat[2];
	for (unsigned r = 5; r <= 8; r++)
		to->seat_of[r] = 3;
	assert_int_equal(0, table_diff_init(&diff, from, to));

	assert_int_equal(4, diff.n_routes);
	assert_int_equal(1, diff.n_seats);
	assert_int_equal(0, table_diff_moved(&diff));
	table_diff_fini(&diff);
	table_put(from);
	table_put(to);
}

static void a_new_address_of_the_same_instance_is_a_seat_change(void **state)
{
	struct table *from = two_nodes(), *to = table_copy(from);
	struct table_diff diff;

	to->seat[1].addr[FAMILY_V6] = addr_v6((const uint8_t[16]){ 0xfd, 1 });
	assert_int_equal(0, table_diff_init(&diff, from, to));

	assert_int_equal(1, diff.n_seats);
	assert_int_equal(1, diff.seats[0]);
	assert_int_equal(0, table_diff_moved(&diff));
	table_diff_fini(&diff);
	table_put(from);
	table_put(to);
}

static void without_a_former_table_everything_is_new(void **state)
{
	struct table *to = two_nodes();
	struct table_diff diff;

	assert_int_equal(0, table_diff_init(&diff, NULL, to));

	assert_int_equal(8, diff.n_routes);
	assert_int_equal(SEAT_NONE, diff.routes[0].from);
	assert_int_equal(1, diff.routes[0].to);
	assert_int_equal(2, diff.n_seats);
	assert_int_equal(8, table_diff_moved(&diff));
	table_diff_fini(&diff);
	table_put(to);
}

static void seats_that_one_table_lacks_are_empty_there(void **state)
{
	struct table *few = two_nodes(), *many = table_new(8, 9);
	struct table_diff diff;

	many->seat[9].tag = 11;
	assert_int_equal(0, table_diff_init(&diff, few, many));
	assert_int_equal(3, diff.n_seats);
	assert_int_equal(9, diff.seats[2]);
	table_diff_fini(&diff);

	assert_int_equal(0, table_diff_init(&diff, many, few));
	assert_int_equal(3, diff.n_seats);
	assert_int_equal(9, diff.seats[2]);
	table_diff_fini(&diff);
	table_put(few);
	table_put(many);
}

static void equal_tables_do_not_differ(void **state)
{
	struct table *t = two_nodes();
	struct table_diff diff;

	assert_int_equal(0, table_diff_init(&diff, t, t));

	assert_int_equal(0, diff.n_routes + diff.n_seats);
	assert_int_equal(0, table_diff_moved(&diff));
	table_diff_fini(&diff);
	assert_int_equal(1, t->refs);
	table_put(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_table_serves_nothing),
		cmocka_unit_test(lookup_gives_the_occupant_of_the_routes_seat),
		cmocka_unit_test(copy_is_private),
		cmocka_unit_test(references_are_counted_across_threads),
		cmocka_unit_test(putting_nothing_is_fine),
		cmocka_unit_test(a_successor_in_the_seat_is_one_change),
		cmocka_unit_test(moved_routes_are_listed_ascending),
		cmocka_unit_test(a_node_that_changes_its_seat_moves_no_route),
		cmocka_unit_test(
			a_new_address_of_the_same_instance_is_a_seat_change),
		cmocka_unit_test(without_a_former_table_everything_is_new),
		cmocka_unit_test(seats_that_one_table_lacks_are_empty_there),
		cmocka_unit_test(equal_tables_do_not_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
