/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slots and the reserve queue: the rules one by one, the batch rule against a
 * naive model over random batches, and the published sequences.
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
#include "control/placement.h"

#define NODES(...)                          \
	((const node_id[]){ __VA_ARGS__ }), \
		(sizeof((const node_id[]){ __VA_ARGS__ }) / sizeof(node_id))

static int join(struct placement *p, const node_id *nodes, unsigned n)
{
	return placement_apply(
		p, &(struct placement_batch){ .active = nodes, .n_active = n });
}

static int join_reserve(struct placement *p, const node_id *nodes, unsigned n)
{
	return placement_apply(p, &(struct placement_batch){ .reserve = nodes,
							     .n_reserve = n });
}

static int leave(struct placement *p, const node_id *nodes, unsigned n)
{
	return placement_apply(
		p, &(struct placement_batch){ .gone = nodes, .n_gone = n });
}

static void assert_slots(const struct placement *p, const node_id *nodes,
			 unsigned n)
{
	assert_int_equal(n, placement_slots(p));
	for (unsigned s = 1; s <= n; s++) {
		assert_int_equal(nodes[s - 1], placement_node(p, (uint16_t)s));
		assert_int_equal(s, placement_slot(p, nodes[s - 1]));
		assert_true(placement_has(p, nodes[s - 1]));
	}
}

static void assert_reserve(const struct placement *p, const node_id *nodes,
			   unsigned n)
{
	assert_int_equal(n, placement_reserves(p));
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(nodes[i], placement_reserve(p, i));
		assert_int_equal(0, placement_slot(p, nodes[i]));
		assert_true(placement_has(p, nodes[i]));
	}
}

static struct placement *with(unsigned routes, const node_id *nodes, unsigned n)
{
	struct placement *p = placement_new(routes);

	assert_non_null(p);
	assert_int_equal(0, join(p, nodes, n));
	return p;
}

static void joiners_take_the_next_slots_in_order(void **state)
{
	struct placement *p = with(24, NODES(7, 3));

	assert_int_equal(0, join(p, NODES(9)));

	assert_slots(p, NODES(7, 3, 9));
	assert_int_equal(8, placement_owned(p, 3).count);
	assert_int_equal(3, placement_owner(p, 9));
	placement_free(p);
}

static void head_of_the_reserve_takes_the_dead_nodes_slot(void **state)
{
	struct placement *p = with(24, NODES(1, 2, 3));

	join_reserve(p, NODES(4, 5));
	assert_int_equal(0, leave(p, NODES(2)));

	assert_slots(p, NODES(1, 4, 3));
	assert_reserve(p, NODES(5));
	assert_false(placement_has(p, 2));
	placement_free(p);
}

static void without_reserve_the_highest_slot_fills_the_hole(void **state)
{
	struct placement *p = with(24, NODES(1, 2, 3, 4));

	assert_int_equal(0, leave(p, NODES(2)));

	assert_slots(p, NODES(1, 4, 3));
	placement_free(p);
}

static void loss_of_the_highest_slot_is_just_undone(void **state)
{
	struct placement *p = with(24, NODES(1, 2, 3));

	assert_int_equal(0, leave(p, NODES(3)));

	assert_slots(p, NODES(1, 2));
	placement_free(p);
}

static void reserves_fill_the_lowest_holes_before_live_nodes_do(void **state)
{
	struct placement *p = with(24, NODES(1, 2, 3, 4, 5, 6));

	join_reserve(p, NODES(7, 8));
	/* r = 1 once 7 has left the queue: n' = 6 - (4 - 1) = 3 */
	assert_int_equal(0, leave(p, NODES(4, 7, 1, 3, 2)));

	assert_slots(p, NODES(8, 6, 5));
	assert_reserve(p, NULL, 0);
	placement_free(p);
}

static void joins_of_a_batch_count_before_its_deaths(void **state)
{
	struct placement *p = with(24, NODES(1, 2));
	struct placement_batch batch = {
		.active = (const node_id[]){ 3 },
		.n_active = 1,
		.reserve = (const node_id[]){ 4 },
		.n_reserve = 1,
		.gone = (const node_id[]){ 1, 3 },
		.n_gone = 2,
	};

	assert_int_equal(0, placement_apply(p, &batch));

	assert_slots(p, NODES(4, 2));
	assert_false(placement_has(p, 3));
	placement_free(p);
}

static void
last_node_lost_leaves_all_unowned_and_the_next_gets_slot_1(void **state)
{
	struct placement *p = with(24, NODES(1, 2));

	assert_int_equal(0, leave(p, NODES(2, 1)));
	assert_int_equal(0, placement_slots(p));
	for (unsigned r = 1; r <= 24; r++)
		assert_int_equal(0, placement_owner(p, (uint16_t)r));

	assert_int_equal(0, join(p, NODES(2)));
	assert_slots(p, NODES(2));
	assert_int_equal(24, placement_owned(p, 1).count);
	placement_free(p);
}

static void slots_beyond_the_routes_own_nothing(void **state)
{
	struct placement *p = with(2, NODES(1, 2, 3, 4));

	assert_slots(p, NODES(1, 2, 3, 4));
	assert_int_equal(0, placement_owned(p, 3).count);
	assert_int_equal(0, placement_owned(p, 4).count);
	assert_int_equal(0, leave(p, NODES(1)));
	assert_int_equal(4, placement_node(p, placement_owner(p, 1)));
	placement_free(p);
}

static void refused_batches_change_nothing(void **state)
{
	static const node_id one[] = { 1 }, two[] = { 2 }, nine[] = { 9 },
			     doubled[] = { 8, 8 }, zero[] = { 0 },
			     beyond[] = { NODES_MAX + 1 };
	static const struct {
		const char *title;
		struct placement_batch batch;
	} rows[] = {
		{ "joiner is active", { .active = one, .n_active = 1 } },
		{ "joiner is in reserve", { .active = two, .n_active = 1 } },
		{ "reserve is active", { .reserve = one, .n_reserve = 1 } },
		{ "joiner twice", { .active = doubled, .n_active = 2 } },
		{ "joiner in both lists",
		  { .active = nine,
		    .n_active = 1,
		    .reserve = nine,
		    .n_reserve = 1 } },
		{ "joiner that leaves twice",
		  { .active = doubled,
		    .n_active = 1,
		    .gone = doubled,
		    .n_gone = 2 } },
		{ "gone is unknown",
		  { .active = doubled,
		    .n_active = 1,
		    .gone = nine,
		    .n_gone = 1 } },
		{ "nobody joins", { .active = zero, .n_active = 1 } },
		{ "nobody is gone", { .gone = zero, .n_gone = 1 } },
		{ "id out of range", { .active = beyond, .n_active = 1 } },
		{ "gone out of range", { .gone = beyond, .n_gone = 1 } },
	};
	struct placement *p = with(24, one, 1);

	join_reserve(p, two, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (placement_apply(p, &rows[i].batch) != -EINVAL)
			fail_msg("%s: not refused", rows[i].title);
		assert_slots(p, one, 1);
		assert_reserve(p, two, 1);
		assert_false(placement_has(p, 8));
		assert_false(placement_has(p, 9));
	}
	placement_free(p);
}

static void all_nodes_there_can_be_are_placed(void **state)
{
	static node_id all[NODES_MAX];
	struct placement *p;

	for (unsigned i = 0; i < NODES_MAX; i++)
		all[i] = (node_id)(NODES_MAX - i);
	p = with(ROUTES_MAX, all, NODES_MAX);
	assert_slots(p, all, NODES_MAX);
	assert_int_equal(0, leave(p, all, NODES_MAX));
	assert_int_equal(0, join_reserve(p, all, NODES_MAX));
	assert_reserve(p, all, NODES_MAX);
	placement_free(p);
}

static void restore_brings_slots_and_queue_back(void **state)
{
	struct placement *p = with(24, NODES(1, 2, 3));
	struct placement *straight = with(24, NODES(5, 4));

	assert_int_equal(0, placement_restore(p, NODES(5, 4), NODES(9, 8)));

	assert_slots(p, NODES(5, 4));
	assert_reserve(p, NODES(9, 8));
	assert_false(placement_has(p, 1));
	for (unsigned r = 1; r <= 24; r++)
		assert_int_equal(placement_owner(straight, (uint16_t)r),
				 placement_owner(p, (uint16_t)r));
	placement_free(straight);
	placement_free(p);
}

static void contradictory_restore_changes_nothing(void **state)
{
	struct placement *p = with(24, NODES(1, 2));

	assert_int_equal(-EINVAL, placement_restore(p, NODES(5, 5), NODES(6)));
	assert_int_equal(-EINVAL, placement_restore(p, NODES(5, 6), NODES(6)));
	assert_int_equal(-EINVAL, placement_restore(p, NODES(0), NODES(6)));
	assert_int_equal(-EINVAL,
			 placement_restore(p, NODES(5), NODES(NODES_MAX + 1)));

	assert_slots(p, NODES(1, 2));
	assert_reserve(p, NULL, 0);
	placement_free(p);
}

static void copy_lives_its_own_life(void **state)
{
	struct placement *p = with(24, NODES(1, 2, 3));
	struct placement *copy;

	join_reserve(p, NODES(4));
	copy = placement_copy(p);
	assert_int_equal(0, leave(copy, NODES(1, 2)));

	assert_slots(copy, NODES(4, 3));
	assert_slots(p, NODES(1, 2, 3));
	assert_reserve(p, NODES(4));
	assert_int_equal(8, placement_owned(p, 1).count);
	placement_free(copy);
	placement_free(p);
}

static void replacement_takes_the_slot_and_nothing_else_moves(void **state)
{
	struct placement *p = with(24, NODES(1, 2, 3));

	join_reserve(p, NODES(4, 5));
	assert_int_equal(0, placement_replace(p, 2, 5));
	assert_slots(p, NODES(1, 5, 3));
	assert_reserve(p, NODES(4));
	assert_false(placement_has(p, 2));
	assert_int_equal(0, placement_replace(p, 1, 9)); /* nobody's so far */
	assert_slots(p, NODES(9, 5, 3));
	assert_int_equal(-EINVAL, placement_replace(p, 1, 4));
	assert_int_equal(-EINVAL, placement_replace(p, 4, 1));
	assert_int_equal(-EINVAL, placement_replace(p, 9, 3));
	assert_int_equal(-EINVAL, placement_replace(p, 0, 4));
	assert_int_equal(-EINVAL, placement_replace(p, 9, NODES_MAX + 1));
	assert_slots(p, NODES(9, 5, 3));
	assert_reserve(p, NODES(4));
	placement_free(p);
}

static void registration_follows_the_rule(void **state)
{
	static const struct {
		const char *title;
		unsigned active, reserves, extra_active, extra_reserve, wanted;
		enum node_wish wish;
		bool takes_active;
	} rows[] = {
		{ "the first is active", 0, 0, 0, 0, 1, WISH_NONE, true },
		{ "then the reserve fills", 1, 0, 0, 0, 1, WISH_NONE, false },
		{ "in the same batch", 0, 0, 1, 0, 1, WISH_NONE, false },
		{ "until it is full", 1, 1, 0, 0, 1, WISH_NONE, true },
		{ "by the same batch", 1, 0, 0, 1, 1, WISH_NONE, true },
		{ "no reserve wanted", 1, 0, 0, 0, 0, WISH_NONE, true },
		{ "N are active", 3, 0, 0, 0, 0, WISH_NONE, false },
		{ "N with the batch", 2, 5, 1, 0, 1, WISH_NONE, false },
		{ "wish for active", 1, 0, 0, 0, 1, WISH_ACTIVE, true },
		{ "not beyond N", 3, 0, 0, 0, 0, WISH_ACTIVE, false },
		{ "wish for reserve", 1, 4, 0, 0, 1, WISH_RESERVE, false },
		{ "even as the first", 0, 0, 0, 0, 0, WISH_RESERVE, false },
	};
	static const node_id ids[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct placement *p = with(3, ids, rows[i].active);

		join_reserve(p, ids + rows[i].active, rows[i].reserves);
		if (placement_takes_active(p, rows[i].extra_active,
					   rows[i].extra_reserve,
					   rows[i].wanted, rows[i].wish) !=
		    rows[i].takes_active)
			fail_msg("%s", rows[i].title);
		placement_free(p);
	}
}

/* The batch rule as the design words it, on plain lists. */
struct naive {
	unsigned n, n_reserve;
	node_id slot[NODES_MAX + 1]; /* 1..n */
	node_id reserve[NODES_MAX];
};

static bool is_in(node_id node, const node_id *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (list[i] == node)
			return true;
	return false;
}

static node_id naive_pop_reserve(struct naive *m)
{
	node_id head = m->reserve[0];

	m->n_reserve--;
	for (unsigned i = 0; i < m->n_reserve; i++)
		m->reserve[i] = m->reserve[i + 1];
	return head;
}

static void naive_forget_gone_reserves(struct naive *m,
				       const struct placement_batch *b)
{
	struct naive was = *m;

	m->n_reserve = 0;
	for (unsigned i = 0; i < was.n_reserve; i++)
		if (!is_in(was.reserve[i], b->gone, b->n_gone))
			m->reserve[m->n_reserve++] = was.reserve[i];
}

static void naive_apply(struct naive *m, const struct placement_batch *b)
{
	node_id live[NODES_MAX]; /* in slots > n', highest first */
	unsigned dead = 0, n_live = 0, used = 0, left;

	for (unsigned i = 0; i < b->n_active; i++)
		m->slot[++m->n] = b->active[i];
	for (unsigned i = 0; i < b->n_reserve; i++)
		m->reserve[m->n_reserve++] = b->reserve[i];
	naive_forget_gone_reserves(m, b);
	for (unsigned s = 1; s <= m->n; s++)
		dead += is_in(m->slot[s], b->gone, b->n_gone);
	left = m->n - (dead > m->n_reserve ? dead - m->n_reserve : 0);
	for (unsigned s = m->n; s > left; s--)
		if (!is_in(m->slot[s], b->gone, b->n_gone))
			live[n_live++] = m->slot[s];
	for (unsigned s = 1; s <= left; s++)
		if (is_in(m->slot[s], b->gone, b->n_gone))
			m->slot[s] = m->n_reserve ? naive_pop_reserve(m)
						  : live[used++];
	m->n = left;
}

static unsigned draw(uint64_t *seed, unsigned below)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)((*seed >> 33) % below);
}

/* Splits a shuffled part of the outsiders over the joiners' lists and names a
 * random part of everybody who is then there as gone. */
static void draw_batch(uint64_t *seed, const struct placement *p,
		       unsigned nodes, node_id lists[3][NODES_MAX],
		       struct placement_batch *out)
{
	unsigned joining = draw(seed, 4), reserving = draw(seed, 3);
	unsigned dying = draw(seed, 5), n[3] = { 0 };

	if (draw(seed, 20) == 0)
		dying = 10;
	for (unsigned k = 0, first = draw(seed, nodes); k < nodes; k++) {
		node_id node = (node_id)(1 + (first + k * 7) % nodes);
		bool there = placement_has(p, node);

		if (!there && draw(seed, 10) < joining) {
			lists[0][n[0]++] = node;
			there = true;
		} else if (!there && draw(seed, 10) < reserving) {
			lists[1][n[1]++] = node;
			there = true;
		}
		if (there && draw(seed, 10) < dying)
			lists[2][n[2]++] = node;
	}
	*out = (struct placement_batch){
		.active = lists[0],
		.n_active = n[0],
		.reserve = lists[1],
		.n_reserve = n[1],
		.gone = lists[2],
		.n_gone = n[2],
	};
}

static void random_batches_follow_the_naive_rule(void **state)
{
	static node_id lists[3][NODES_MAX];
	static struct naive naive;
	const char *given = getenv("HALO_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : 20240229;

	print_message("seed %llu\n", (unsigned long long)seed);
	for (unsigned run = 0; run < 60; run++) {
		unsigned nodes = 6 + 5 * (run % 11); /* not a multiple of 7 */
		struct placement *p = placement_new(97);

		nodes += nodes % 7 == 0;
		memset(&naive, 0, sizeof(naive));
		for (unsigned step = 0; step < 60; step++) {
			struct placement_batch batch;

			draw_batch(&seed, p, nodes, lists, &batch);
			assert_int_equal(0, placement_apply(p, &batch));
			naive_apply(&naive, &batch);
			assert_slots(p, naive.slot + 1, naive.n);
			assert_reserve(p, naive.reserve, naive.n_reserve);
		}
		placement_free(p);
	}
}

/* What an E line of the vectors speaks of. */
struct story {
	struct placement *p;
	unsigned moved, n_chain;
	uint16_t served_by[ROUTES_MAX]; /* node of route i + 1 */
	uint16_t *chain;		/* all tables, one after another */
};

static void tell_event(struct story *s, const char *event)
{
	node_id nodes[NODES_MAX];
	unsigned n = 0;
	char *end;
	int err;

	for (const char *at = event + 1; n < NODES_MAX; at = end + 1) {
		nodes[n++] = (node_id)strtoul(at, &end, 10);
		if (*end != ',')
			break;
	}
	err = *event == 'J'   ? join(s->p, nodes, n)
	      : *event == 'R' ? join_reserve(s->p, nodes, n)
			      : leave(s->p, nodes, n);
	assert_int_equal(0, err);
}

static void record_table(struct story *s)
{
	unsigned routes = placement_routes(s->p);

	s->chain = realloc(s->chain, sizeof(*s->chain) * (s->n_chain + routes));
	assert_non_null(s->chain);
	for (unsigned r = 1; r <= routes; r++) {
		uint16_t slot = placement_owner(s->p, (uint16_t)r);
		node_id node = slot ? placement_node(s->p, slot) : 0;

		s->moved += node != s->served_by[r - 1];
		s->served_by[r - 1] = node;
		s->chain[s->n_chain++] = node;
	}
}

static void format_list(char *out, size_t size, const struct placement *p,
			bool reserve)
{
	unsigned n = reserve ? placement_reserves(p) : placement_slots(p);
	size_t len = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < n; i++)
		len += (size_t)snprintf(
			out + len, size - len, "%s%u", i ? "," : "",
			reserve ? placement_reserve(p, i)
				: placement_node(p, (uint16_t)(i + 1)));
}

/* The part of an E line after the second bar, from what came out. */
static void format_outcome(char *out, size_t size, const struct story *s)
{
	static uint16_t owner[ROUTES_MAX];
	unsigned routes = placement_routes(s->p);
	char slots[SHA256_HEX], phys[SHA256_HEX], chain[SHA256_HEX];
	char map[512], reserve[512];

	for (unsigned r = 1; r <= routes; r++)
		owner[r - 1] = placement_owner(s->p, (uint16_t)r);
	format_list(map, sizeof(map), s->p, false);
	format_list(reserve, sizeof(reserve), s->p, true);
	snprintf(out, size,
		 "n=%u slots=%s phys=%s chain=%s map=%s reserve=%s moved=%u",
		 placement_slots(s->p), vectors_sha256(owner, routes, slots),
		 vectors_sha256(s->served_by, routes, phys),
		 vectors_sha256(s->chain, s->n_chain, chain), map, reserve,
		 s->moved);
}

/* "E seq N cap | events | outcome" */
static void check_sequence(char *line)
{
	static struct story s;
	char *events = strchr(line, '|') + 1;
	char *outcome = strchr(events, '|') + 2;
	char *rest = NULL, got[2048];
	unsigned seq, routes;

	outcome[-2] = '\0';
	assert_int_equal(2, sscanf(line, "E %u %u", &seq, &routes));
	memset(&s, 0, sizeof(s));
	s.p = placement_new(routes);
	for (char *event = strtok_r(events, " ", &rest); event;
	     event = strtok_r(NULL, " ", &rest)) {
		tell_event(&s, event);
		record_table(&s);
	}
	format_outcome(got, sizeof(got), &s);
	if (strcmp(outcome, got))
		fail_msg("E %u:\n should be %s\n but is    %s", seq, outcome,
			 got);
	free(s.chain);
	placement_free(s.p);
}

static void every_published_sequence_ends_as_published(void **state)
{
	assert_true(vectors_each('E', check_sequence) > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joiners_take_the_next_slots_in_order),
		cmocka_unit_test(head_of_the_reserve_takes_the_dead_nodes_slot),
		cmocka_unit_test(
			without_reserve_the_highest_slot_fills_the_hole),
		cmocka_unit_test(loss_of_the_highest_slot_is_just_undone),
		cmocka_unit_test(
			reserves_fill_the_lowest_holes_before_live_nodes_do),
		cmocka_unit_test(joins_of_a_batch_count_before_its_deaths),
		cmocka_unit_test(
			last_node_lost_leaves_all_unowned_and_the_next_gets_slot_1),
		cmocka_unit_test(slots_beyond_the_routes_own_nothing),
		cmocka_unit_test(refused_batches_change_nothing),
		cmocka_unit_test(all_nodes_there_can_be_are_placed),
		cmocka_unit_test(restore_brings_slots_and_queue_back),
		cmocka_unit_test(contradictory_restore_changes_nothing),
		cmocka_unit_test(copy_lives_its_own_life),
		cmocka_unit_test(
			replacement_takes_the_slot_and_nothing_else_moves),
		cmocka_unit_test(registration_follows_the_rule),
		cmocka_unit_test(random_batches_follow_the_naive_rule),
		cmocka_unit_test(every_published_sequence_ends_as_published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
