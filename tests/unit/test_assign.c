/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * T(N, n) against the algorithm as section 2 of the design words it (the
 * naive model here), its proved properties, and the published vectors.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/vectors.h"
#include "base/units.h"
#include "table/assign.h"

#define SLOTS_MAX NODES_MAX

/* The literal algorithm. */
struct naive {
	unsigned routes, slots;
	uint16_t owner[ROUTES_MAX + 1];
};

struct donor {
	unsigned slot, owned;
	unsigned highest; /* its highest route */
};

static struct naive naive, before;

static int by_owned_then_id_descending(const void *l, const void *r)
{
	const struct donor *a = l, *b = r;

	if (a->owned != b->owned)
		return a->owned < b->owned ? 1 : -1;
	return a->slot < b->slot ? 1 : -1;
}

static void naive_start(struct naive *t, unsigned routes)
{
	t->routes = routes;
	t->slots = 0;
	memset(t->owner, 0, sizeof(t->owner));
}

static void naive_list_donors(const struct naive *t, struct donor *donors)
{
	for (unsigned d = 0; d < t->slots; d++)
		donors[d] = (struct donor){ .slot = d + 1 };
	for (unsigned r = 1; r <= t->routes; r++) {
		struct donor *donor = &donors[t->owner[r] - 1];

		donor->owned++;
		donor->highest = r;
	}
	qsort(donors, t->slots, sizeof(*donors), by_owned_then_id_descending);
}

static void naive_take_highest(struct naive *t, struct donor *donor,
			       unsigned taker)
{
	t->owner[donor->highest] = (uint16_t)taker;
	donor->owned--;
	while (donor->owned && t->owner[donor->highest] != donor->slot)
		donor->highest--;
}

static void naive_join(struct naive *t)
{
	static struct donor donors[SLOTS_MAX];
	unsigned taker = t->slots + 1, left = t->routes / taker;

	if (taker == 1) {
		for (unsigned r = 1; r <= t->routes; r++)
			t->owner[r] = 1;
	} else {
		naive_list_donors(t, donors);
		for (unsigned d = 0; left; d = (d + 1) % t->slots) {
			if (!donors[d].owned)
				continue;
			naive_take_highest(t, &donors[d], taker);
			left--;
		}
	}
	t->slots = taker;
}

static void assert_same_owners(const struct assign *a, const struct naive *t)
{
	for (unsigned r = 1; r <= t->routes; r++)
		if (assign_owner(a, (uint16_t)r) != t->owner[r])
			fail_msg("N=%u n=%u route %u: slot %u, should be %u",
				 t->routes, t->slots, r,
				 assign_owner(a, (uint16_t)r), t->owner[r]);
}

/* What each slot is said to own is exactly its routes, ascending. */
static void assert_owned_sets(const struct assign *a)
{
	unsigned total = 0;

	for (unsigned s = 1; s <= assign_slots(a); s++) {
		struct route_set set = assign_owned(a, (uint16_t)s);

		for (unsigned i = 0; i < set.count; i++) {
			assert_int_equal(s, assign_owner(a, set.ids[i]));
			assert_true(i == 0 || set.ids[i - 1] < set.ids[i]);
		}
		total += set.count;
	}
	assert_int_equal(assign_slots(a) ? assign_routes(a) : 0, total);
}

static void assert_spread_at_most_one(const struct assign *a)
{
	unsigned least = UINT32_MAX, most = 0;

	for (unsigned s = 1; s <= assign_slots(a); s++) {
		unsigned count = assign_owned(a, (uint16_t)s).count;

		least = count < least ? count : least;
		most = count > most ? count : most;
	}
	assert_true(most - least <= 1);
}

static struct assign *grown(unsigned routes, unsigned slots)
{
	struct assign *a = assign_new(routes, SLOTS_MAX);

	assert_non_null(a);
	while (assign_slots(a) < slots)
		assert_true(assign_grow(a) >= 0);
	return a;
}

static void every_small_table_is_the_literal_one(void **state)
{
	for (unsigned routes = 1; routes <= 512; routes++) {
		struct assign *a = grown(routes, 0);

		naive_start(&naive, routes);
		while (assign_slots(a) < routes + 3) {
			assign_grow(a);
			naive_join(&naive);
			assert_same_owners(a, &naive);
		}
		assert_owned_sets(a);
		assign_free(a);
	}
}

static void sampled_large_tables_are_the_literal_ones(void **state)
{
	static const struct {
		unsigned routes, slots;
	} samples[] = {
		{ 513, 516 },	{ 1000, 1003 },	 { 4095, 700 },	 { 4096, 700 },
		{ 4097, 700 },	{ 10007, 500 },	 { 32768, 300 }, { 65521, 300 },
		{ 65534, 300 }, { 65535, 4096 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(samples); i++) {
		struct assign *a = grown(samples[i].routes, 0);

		naive_start(&naive, samples[i].routes);
		while (assign_slots(a) < samples[i].slots) {
			assign_grow(a);
			naive_join(&naive);
			if (naive.slots < 40 || naive.slots % 61 == 0 ||
			    naive.slots == samples[i].slots)
				assert_same_owners(a, &naive);
		}
		assert_owned_sets(a);
		assign_free(a);
	}
}

static void undo_walks_back_through_the_same_tables(void **state)
{
	static const unsigned routes[] = { 1, 2, 3, 24, 97, 128, 1000, 4099 };

	for (unsigned i = 0; i < ARRAY_SIZE(routes); i++) {
		unsigned most = routes[i] < 300 ? routes[i] + 3 : 300;
		struct assign *a = grown(routes[i], most);

		for (unsigned n = most; n-- > 0;) {
			struct assign *fresh = grown(routes[i], n);

			assert_int_equal(routes[i] / (n + 1), assign_shrink(a));
			assert_int_equal(n, assign_slots(a));
			for (unsigned r = 1; r <= routes[i]; r++)
				assert_int_equal(
					assign_owner(fresh, (uint16_t)r),
					assign_owner(a, (uint16_t)r));
			assert_owned_sets(a);
			assign_free(fresh);
		}
		assign_free(a);
	}
}

static void growing_again_after_an_undo_gives_the_same_table(void **state)
{
	struct assign *a = grown(65535, 600);
	struct assign *straight = grown(65535, 512);

	while (assign_slots(a) > 7)
		assign_shrink(a);
	while (assign_slots(a) < 512)
		assign_grow(a);

	for (unsigned r = 1; r <= 65535; r++)
		assert_int_equal(assign_owner(straight, (uint16_t)r),
				 assign_owner(a, (uint16_t)r));
	assert_owned_sets(a);
	assign_free(straight);
	assign_free(a);
}

static void remember_owners(const struct assign *a, struct naive *out)
{
	for (unsigned r = 1; r <= assign_routes(a); r++)
		out->owner[r] = assign_owner(a, (uint16_t)r);
}

static void a_join_moves_the_minimum_and_only_to_the_new_slot(void **state)
{
	for (unsigned routes = 1; routes <= 260; routes++) {
		struct assign *a = grown(routes, 0);

		for (unsigned n = 1; n <= routes + 3; n++) {
			unsigned moved = 0;

			remember_owners(a, &before);
			assert_int_equal(routes / n, assign_grow(a));
			for (unsigned r = 1; r <= routes; r++) {
				uint16_t owner = assign_owner(a, (uint16_t)r);

				if (owner == before.owner[r])
					continue;
				assert_int_equal(n, owner);
				moved++;
			}
			assert_int_equal(routes / n, moved);
			assert_spread_at_most_one(a);
		}
		assign_free(a);
	}
}

static void a_slot_keeps_a_prefix_of_what_it_had(void **state)
{
	static uint16_t had[SLOTS_MAX + 1][64];
	static unsigned count[SLOTS_MAX + 1];
	struct assign *a = grown(4099, 80);

	for (unsigned n = 80; n < 400; n++) {
		for (unsigned s = 1; s <= n; s++) {
			struct route_set set = assign_owned(a, (uint16_t)s);

			count[s] = set.count;
			memcpy(had[s], set.ids, sizeof(*set.ids) * set.count);
		}
		assign_grow(a);
		for (unsigned s = 1; s <= n; s++) {
			struct route_set set = assign_owned(a, (uint16_t)s);

			assert_true(set.count <= count[s]);
			assert_memory_equal(had[s], set.ids,
					    sizeof(*set.ids) * set.count);
		}
	}
	assign_free(a);
}

static void the_published_table_of_24_routes_holds(void **state)
{
	static const uint16_t at_8[] = { 1, 1, 1, 8, 6, 5, 4, 4, 3, 3, 3, 8,
					 2, 2, 2, 8, 6, 5, 4, 7, 6, 5, 7, 7 };
	struct assign *a = grown(24, 8);

	for (unsigned r = 1; r <= 24; r++)
		assert_int_equal(at_8[r - 1], assign_owner(a, (uint16_t)r));
	assign_free(a);
}

static void nothing_is_owned_without_slots(void **state)
{
	struct assign *a = grown(24, 3);

	while (assign_slots(a))
		assign_shrink(a);

	for (unsigned r = 1; r <= 24; r++)
		assert_int_equal(0, assign_owner(a, (uint16_t)r));
	assert_int_equal(-ENOENT, assign_shrink(a));
	assign_free(a);
}

static void growing_stops_at_slots_max(void **state)
{
	struct assign *a = assign_new(5, 3);

	assert_int_equal(5, assign_grow(a));
	assert_int_equal(2, assign_grow(a));
	assert_int_equal(1, assign_grow(a));
	assert_int_equal(-E2BIG, assign_grow(a));
	assert_int_equal(3, assign_slots(a));
	assert_owned_sets(a);
	assign_free(a);
}

/* From none and from a few to many (at once), and by less than double. */
static void growing_to_many_is_growing_one_by_one(void **state)
{
	static const struct {
		unsigned routes, from, to;
	} steps[] = {
		{ 1, 0, 5 },	    { 24, 0, 8 },	{ 24, 3, 5 },
		{ 1000, 1, 4096 },  { 1000, 40, 2000 }, { 65535, 0, 2048 },
		{ 65535, 600, 900 }, { 24, 8, 3 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		unsigned from = steps[i].from, to = steps[i].to;
		struct assign *a = grown(steps[i].routes, from);
		struct assign *straight =
			grown(steps[i].routes, to > from ? to : from);

		assert_int_equal(0, assign_grow_to(a, to));
		assert_int_equal(assign_slots(straight), assign_slots(a));
		for (unsigned r = 1; r <= steps[i].routes; r++)
			assert_int_equal(assign_owner(straight, (uint16_t)r),
					 assign_owner(a, (uint16_t)r));
		assert_owned_sets(a);
		assert_int_equal(-E2BIG, assign_grow_to(a, SLOTS_MAX + 1));
		assign_free(straight);
		assign_free(a);
	}
}

static void a_copy_lives_its_own_life(void **state)
{
	struct assign *a = grown(1000, 9);
	struct assign *copy = assign_copy(a);
	struct assign *nine = grown(1000, 9), *seven = grown(1000, 7);

	assign_shrink(copy);
	assign_shrink(copy);
	for (int i = 0; i < 50; i++)
		assign_grow(copy);
	for (int i = 0; i < 50; i++)
		assign_shrink(copy);

	for (unsigned r = 1; r <= 1000; r++) {
		assert_int_equal(assign_owner(nine, (uint16_t)r),
				 assign_owner(a, (uint16_t)r));
		assert_int_equal(assign_owner(seven, (uint16_t)r),
				 assign_owner(copy, (uint16_t)r));
	}
	assign_free(nine);
	assign_free(seven);
	assign_free(copy);
	assign_free(a);
}

/* "T N n sha256 [rle]" */
static void check_table_vector(char *line)
{
	static uint16_t owners[ROUTES_MAX];
	unsigned routes, slots;
	char want[SHA256_HEX], got[SHA256_HEX];
	struct assign *a;

	assert_int_equal(3,
			 sscanf(line, "T %u %u %64s", &routes, &slots, want));
	a = grown(routes, slots);
	for (unsigned r = 1; r <= routes; r++)
		owners[r - 1] = assign_owner(a, (uint16_t)r);
	if (strcmp(want, vectors_sha256(owners, routes, got)))
		fail_msg("T(%u, %u) is %s", routes, slots, got);
	assign_free(a);
}

static void every_published_table_has_its_digest(void **state)
{
	assert_true(vectors_each('T', check_table_vector) > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_table_of_24_routes_holds),
		cmocka_unit_test(every_small_table_is_the_literal_one),
		cmocka_unit_test(sampled_large_tables_are_the_literal_ones),
		cmocka_unit_test(every_published_table_has_its_digest),
		cmocka_unit_test(undo_walks_back_through_the_same_tables),
		cmocka_unit_test(
			growing_again_after_an_undo_gives_the_same_table),
		cmocka_unit_test(
			a_join_moves_the_minimum_and_only_to_the_new_slot),
		cmocka_unit_test(a_slot_keeps_a_prefix_of_what_it_had),
		cmocka_unit_test(nothing_is_owned_without_slots),
		cmocka_unit_test(growing_stops_at_slots_max),
		cmocka_unit_test(growing_to_many_is_growing_one_by_one),
		cmocka_unit_test(a_copy_lives_its_own_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
