/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose flows are listed before they are to be ended, and for how long, in a
 * network namespace of its own: that of an instance whose node is suspect.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"
#include "io/clock.h"
#include "plane/plane_nft_early.h"

#define ROUTES 12
#define SEATS  3

static const struct plane_nft_tag place = { 0xffff0000, 16 };

/* Routes 1 to 4 on seat 1 with tag 11, and so on. */
static struct table *three_nodes(void)
{
	struct table *t = table_new(ROUTES, SEATS);

	assert_non_null(t);
	for (unsigned r = 1; r <= ROUTES; r++)
		t->seat_of[r] = (uint16_t)((r - 1) / 4 + 1);
	for (unsigned s = 1; s <= SEATS; s++)
		t->seat[s].tag = 10 + s;
	return t;
}

static struct route_set routes(uint16_t *ids, unsigned first, unsigned last)
{
	struct route_set set = { .ids = ids };

	for (unsigned r = first; r <= last; r++)
		ids[set.count++] = (uint16_t)r;
	return set;
}

static unsigned suspects(const struct table *t, unsigned first, unsigned last,
			 unsigned held_before, uint32_t *out, unsigned max)
{
	struct route_bits held = { 0 };
	uint16_t ids[ROUTES], before[ROUTES];
	struct route_set set = routes(ids, first, last),
			 former = routes(before, 1, held_before);

	route_bits_add_set(&held, &former);
	route_bits_add_set(&held, &set);
	return plane_nft_early_suspects(t, &held, &set, out, max);
}

static void who_has_all_routes_held_is_suspect(void **state)
{
	struct table *t = three_nodes();
	uint32_t tags[SEATS];

	assert_int_equal(suspects(t, 1, 4, 0, tags, SEATS), 1);
	assert_int_equal(tags[0], 11);
	assert_int_equal(suspects(t, 5, 12, 0, tags, SEATS), 2);
	assert_int_equal(tags[0], 12);
	assert_int_equal(tags[1], 13);
	assert_int_equal(suspects(t, 1, 12, 0, tags, 2), 2);
	table_put(t);
}

static void who_keeps_a_route_is_not(void **state)
{
	struct table *t = three_nodes();
	uint32_t tags[SEATS];

	assert_int_equal(suspects(t, 2, 4, 0, tags, SEATS), 0);
	assert_int_equal(suspects(t, 2, 4, 1, tags, SEATS), 1);
	t->seat[1].tag = 0; /* nobody sits there */
	assert_int_equal(suspects(t, 1, 4, 0, tags, SEATS), 0);
	table_put(t);
}

static int in_namespace(void **state)
{
	struct conntrack *ct;

	if (conntrack_probe() || conntrack_open(&ct))
		return -1;
	*state = ct;
	return 0;
}

static int leave(void **state)
{
	conntrack_close(*state);
	return 0;
}

static void whoever_is_expected_is_listed_once(void **state)
{
	struct plane_nft_early e = { 0 };
	struct plane_nft_flows flows;

	assert_false(plane_nft_early_is_due(&e, clock_monotonic_ns()));
	assert_false(plane_nft_early_take(&e, 11, &flows));
	assert_false(plane_nft_early_take(&e, 0, &flows)); /* of no one */
	plane_nft_early_expect(&e, 11, true);
	plane_nft_early_expect(&e, 11, true);
	assert_true(plane_nft_early_is_due(&e, clock_monotonic_ns()));
	assert_false(plane_nft_early_take(&e, 11, &flows));
	assert_int_equal(plane_nft_early_work(&e, *state, &place), 0);
	assert_false(plane_nft_early_is_due(&e, clock_monotonic_ns()));
	assert_false(plane_nft_early_take(&e, 12, &flows));
	assert_true(plane_nft_early_take(&e, 11, &flows));
	assert_int_equal(flows.count, 0);
	assert_false(plane_nft_early_take(&e, 11, &flows));
	assert_false(plane_nft_early_is_due(&e, clock_monotonic_ns()));
	plane_nft_early_fini(&e);
}

static void a_list_is_dropped_when_its_node_is_back(void **state)
{
	struct plane_nft_early e = { 0 };
	struct plane_nft_flows flows;

	plane_nft_early_expect(&e, 11, true);
	assert_int_equal(plane_nft_early_work(&e, *state, &place), 0);
	plane_nft_early_expect(&e, 11, false);
	assert_true(plane_nft_early_is_due(&e, clock_monotonic_ns()));
	assert_int_equal(plane_nft_early_work(&e, *state, &place), 0);
	assert_false(plane_nft_early_is_due(&e, clock_monotonic_ns()));
	assert_false(plane_nft_early_take(&e, 11, &flows));
	plane_nft_early_fini(&e);
}

static void one_more_than_there_is_room_for_takes_the_oldest_place(void **state)
{
	struct plane_nft_early e = { 0 };
	struct plane_nft_flows flows;

	for (uint32_t tag = 1; tag <= PLANE_NFT_EARLY_MAX + 1; tag++) {
		plane_nft_early_expect(&e, tag, true);
		assert_int_equal(plane_nft_early_work(&e, *state, &place), 0);
	}
	assert_false(plane_nft_early_take(&e, 1, &flows));
	for (uint32_t tag = 2; tag <= PLANE_NFT_EARLY_MAX + 1; tag++)
		assert_true(plane_nft_early_take(&e, tag, &flows));
	plane_nft_early_fini(&e);
}

static void a_flapping_node_is_not_listed_all_the_time(void **state)
{
	uint64_t began_ns = clock_monotonic_ns(), listing_ns = 0;
	struct plane_nft_early e = { 0 };
	unsigned times = 0;

	for (;;) {
		uint64_t at_ns = clock_monotonic_ns();

		plane_nft_early_expect(&e, 11, true);
		if (!plane_nft_early_is_due(&e, at_ns))
			break;
		assert_int_equal(plane_nft_early_work(&e, *state, &place), 0);
		listing_ns += clock_monotonic_ns() - at_ns;
		plane_nft_early_expect(&e, 11, false);
		assert_int_equal(plane_nft_early_work(&e, *state, &place), 0);
		times++;
		assert_true(clock_monotonic_ns() - began_ns < 20 * NS_PER_S);
	}
	assert_true(times > 1);
	assert_true(plane_nft_early_is_due(&e, clock_monotonic_ns() +
						       11 * listing_ns));
	plane_nft_early_fini(&e);
}

int main(void)
{
	const struct CMUnitTest pure[] = {
		cmocka_unit_test(who_has_all_routes_held_is_suspect),
		cmocka_unit_test(who_keeps_a_route_is_not),
	};
	const struct CMUnitTest kernel[] = {
		cmocka_unit_test(whoever_is_expected_is_listed_once),
		cmocka_unit_test(a_list_is_dropped_when_its_node_is_back),
		cmocka_unit_test(
			one_more_than_there_is_room_for_takes_the_oldest_place),
		cmocka_unit_test(a_flapping_node_is_not_listed_all_the_time),
	};
	int failed = cmocka_run_group_tests(pure, NULL, NULL);

	if (unshare(CLONE_NEWNET)) {
		printf("skip - needs root for a network namespace\n");
		return failed;
	}
	return failed + cmocka_run_group_tests(kernel, in_namespace, leave);
}
