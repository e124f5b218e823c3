/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables on their way into the kernel and back, in a network namespace of its
 * own: what is adopted is what was applied, after any sequence of changes.
 */
#include <errno.h>
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
#include "io/nft_text.h"
#include "plane/plane_nft_doors.h"
#include "plane/plane_nft_table.h"

#define ROUTES 40
#define SEATS  7
#define SEED   0x4a10d

static const struct engine_conf engine = {
	.routes = ROUTES,
	.vip = { { AF_INET, { 198, 18, 0, 100 } },
		 { AF_INET6, { 0xfd, 0x00, 0x01, 0x98 } } },
	.n_services = 2,
	.services = { { "browser", 8001, IPPROTO_TCP, false },
		      { "beats", 7001, IPPROTO_UDP, false } },
};
static const struct plane_nft_conf conf = {
	.engine = &engine,
	.queue = 5,
	.group = 5,
	.mark = 1,
	.replay = 2,
	.tag = { 0xffff0000, 16 },
	.how = RULES_XT_QUEUE,
};

static struct plane_nft_table opened(void)
{
	struct plane_nft_table t;
	char err[256] = "";

	if (plane_nft_table_init(&t, &conf, err, sizeof(err)))
		fail_msg("%s", err);
	return t;
}

static struct table *empty_table(void)
{
	struct table *t = table_new(ROUTES, SEATS);

	assert_non_null(t);
	return t;
}

static void seat_node(struct table *t, unsigned seat, uint32_t tag, bool v4,
		      bool v6)
{
	struct table_seat *s = &t->seat[seat];

	*s = (struct table_seat){ .tag = tag };
	snprintf(s->name, sizeof(s->name), "node-%u", tag);
	if (v4)
		s->addr[FAMILY_V4] = addr_v4((uint8_t[]){
			198, 19, (uint8_t)(tag >> 8), (uint8_t)tag });
	if (v6)
		s->addr[FAMILY_V6] = addr_v6((uint8_t[16]){
			0xfd, 0x00, 0x01, 0x98, [14] = (uint8_t)(tag >> 8),
			[15] = (uint8_t)tag });
}

static void assert_same_seat(const struct table_seat *a,
			     const struct table_seat *b)
{
	assert_int_equal(a->tag, b->tag);
	assert_string_equal(a->name, b->name);
	for (unsigned f = 0; f < FAMILIES; f++)
		assert_true(addr_equal(&a->addr[f], &b->addr[f]));
}

static void assert_same_table(const struct table *a, const struct table *b)
{
	static const struct table_seat nobody;

	assert_int_equal(a->version, b->version);
	assert_memory_equal(a->seat_of + 1, b->seat_of + 1,
			    ROUTES * sizeof(a->seat_of[0]));
	for (unsigned s = 1; s <= SEATS; s++)
		assert_same_seat(s <= a->seats ? &a->seat[s] : &nobody,
				 s <= b->seats ? &b->seat[s] : &nobody);
}

static void a_new_table_is_not_adopted(void **state)
{
	struct plane_nft_table t = opened();

	assert_false(t.adopted);
	plane_nft_table_fini(&t);
}

/* Seat 3 and 4 may have one instance, as a node that hands back has two. */
static void change_at_random(struct table *t, unsigned *seed)
{
	unsigned seat = 1 + (unsigned)rand_r(seed) % SEATS;
	uint32_t tag = (uint32_t)rand_r(seed) % 65534 + 1;

	switch (rand_r(seed) % 4) {
	case 0:
		seat_node(t, seat, tag, rand_r(seed) % 4, rand_r(seed) % 2);
		if (!addr_is_set(&t->seat[seat].addr[FAMILY_V4]))
			seat_node(t, seat, tag, false, true);
		break;
	case 1:
		t->seat[seat] = (struct table_seat){ 0 };
		break;
	case 2:
		t->seat[4] = t->seat[3];
		break;
	default:
		for (unsigned r = 1; r <= ROUTES; r++)
			if (rand_r(seed) % 4 == 0)
				t->seat_of[r] =
					(uint16_t)((unsigned)rand_r(seed) %
						   (SEATS + 1));
	}
}

static void what_was_applied_is_adopted_bit_for_bit(void **state)
{
	unsigned seed = SEED;
	struct plane_nft_table t = opened();
	struct table *to = empty_table();

	print_message("seed %#x\n", seed);
	for (unsigned i = 1; i <= 60; i++) {
		struct table *next = table_copy(to);

		table_put(to);
		to = next;
		change_at_random(to, &seed);
		to->version = (uint64_t)i << 33 | i;
		assert_int_equal(plane_nft_table_load(&t, to), 0);
		plane_nft_table_fini(&t);
		t = opened(); /* the next change is the adopter's */
		assert_true(t.adopted);
		assert_same_table(t.now, to);
	}
	plane_nft_table_fini(&t);
	table_put(to);
}

static void a_table_of_other_services_is_not_adopted(void **state)
{
	struct engine_conf other_engine = engine;
	struct plane_nft_conf other = conf;
	struct plane_nft_table t = opened();
	struct table *to = empty_table();
	char err[256];

	to->version = 7;
	assert_int_equal(plane_nft_table_load(&t, to), 0);
	plane_nft_table_fini(&t);
	other_engine.services[0].listen = 8101;
	other.engine = &other_engine;
	assert_int_equal(plane_nft_table_init(&t, &other, err, sizeof(err)), 0);
	assert_false(t.adopted);
	plane_nft_table_fini(&t);
	table_put(to);
}

static void a_table_with_its_tags_elsewhere_is_written_anew(void **state)
{
	struct plane_nft_conf other = conf;
	struct plane_nft_table t = opened();
	struct table *to = empty_table();
	char err[256];

	to->version = 7;
	seat_node(to, 1, 11, true, true);
	to->seat_of[3] = 1;
	assert_int_equal(plane_nft_table_load(&t, to), 0);
	plane_nft_table_fini(&t);
	other.tag = plane_nft_tag_at(0x000ffff0);
	for (unsigned again = 0; again < 2; again++) {
		assert_int_equal(
			plane_nft_table_init(&t, &other, err, sizeof(err)), 0);
		assert_true(t.adopted);
		assert_int_equal(t.now->version, 7);
		assert_int_equal(t.now->seat[t.now->seat_of[3]].tag, 11);
		plane_nft_table_fini(&t);
	}
	table_put(to);
}

static void a_failed_change_is_told_and_changes_nothing_here(void **state)
{
	struct plane_nft_table t = opened();
	struct table *first = empty_table(), *to = empty_table();
	char err[256];

	first->version = 1;
	assert_int_equal(plane_nft_table_load(&t, first), 0);
	assert_int_equal(plane_nft_table_remove(err, sizeof(err)), 0);
	seat_node(to, 1, 11, true, true);
	to->version = 2;
	assert_int_equal(plane_nft_table_load(&t, to), -ENOENT);
	assert_ptr_equal(t.now, first);
	plane_nft_table_fini(&t);
	table_put(to);
	table_put(first);
}

static void a_rebuilt_table_is_the_one_last_applied(void **state)
{
	struct plane_nft_table t = opened(), again;
	struct table *to = empty_table();
	char err[256];

	seat_node(to, 2, 12, true, false);
	to->seat_of[5] = 2;
	to->version = 3;
	assert_int_equal(plane_nft_table_load(&t, to), 0);
	assert_int_equal(plane_nft_table_remove(err, sizeof(err)), 0);
	assert_int_equal(plane_nft_table_rebuild(&t), 0);
	again = opened();
	assert_true(again.adopted);
	assert_same_table(again.now, to);
	plane_nft_table_fini(&again);
	plane_nft_table_fini(&t);
	table_put(to);
}

static void count_element(void *arg, const struct nft_element *e)
{
	++*(unsigned *)arg;
}

static unsigned elements(const char *set)
{
	unsigned n = 0;

	assert_int_equal(
		nft_read_elements(PLANE_NFT_TABLE, set, count_element, &n), 0);
	return n;
}

static void a_hold_covers_all_doors_of_a_route(void **state)
{
	struct plane_nft_table t = opened();
	uint16_t ids[] = { 3, 9, 40 };
	struct route_set all = { ids, 3 }, one = { ids + 1, 1 };

	assert_int_equal(plane_nft_table_hold(&t, &all, true), 0);
	assert_int_equal(plane_nft_table_hold(&t, &one, true), 0);
	assert_int_equal(elements("hold4"), 6);
	assert_int_equal(elements("hold6"), 6);
	assert_int_equal(elements("alive"), 2);
	assert_int_equal(plane_nft_table_hold(&t, &one, false), 0);
	assert_int_equal(plane_nft_table_hold(&t, &one, false), 0);
	assert_int_equal(elements("hold4"), 4);
	plane_nft_table_fini(&t);
}

static void a_node_that_left_is_known_for_a_while(void **state)
{
	struct plane_nft_table t = opened();
	struct table *to = empty_table(), *next;

	seat_node(to, 1, 11, true, false);
	seat_node(to, 2, 11, true, false);
	assert_int_equal(plane_nft_table_load(&t, to), 0);
	assert_int_equal(elements("nodes4"), 1);
	assert_int_equal(elements("former4"), 0);
	next = table_copy(to);
	next->seat[1] = (struct table_seat){ 0 };
	assert_int_equal(plane_nft_table_load(&t, next), 0);
	assert_int_equal(elements("nodes4"), 1);
	table_put(to);
	to = table_copy(next);
	to->seat[2] = (struct table_seat){ 0 };
	assert_int_equal(plane_nft_table_load(&t, to), 0);
	assert_int_equal(elements("nodes4"), 0);
	assert_int_equal(elements("former4"), 1);
	plane_nft_table_fini(&t);
	table_put(to);
	table_put(next);
}

/* A table with other doors than `engine`, which it may change to. */
struct changing {
	struct engine_conf doors;
	struct plane_nft_conf conf;
	struct plane_nft_table t;
};

static void open_with(struct changing *c, const struct engine_conf *doors)
{
	char err[256] = "";

	c->doors = *doors;
	c->conf = conf;
	c->conf.engine = &c->doors;
	if (plane_nft_table_init(&c->t, &c->conf, err, sizeof(err)))
		fail_msg("%s", err);
}

static void change_to(struct changing *c, const struct engine_conf *to)
{
	struct engine_conf former = c->doors;
	char err[256] = "";

	if (plane_nft_doors_change(&c->t, to, err, sizeof(err)))
		fail_msg("%s", err);
	c->doors = *to;
	plane_nft_doors_tidy(&c->t, &former);
}

static void serve_half(struct changing *c)
{
	struct table *to = empty_table();
	uint16_t ids[] = { 3, 30 };
	struct route_set held = { ids, 2 };

	seat_node(to, 1, 11, true, true);
	seat_node(to, 2, 12, true, true);
	for (unsigned r = 1; r <= ROUTES / 2; r++)
		to->seat_of[r] = (uint16_t)(1 + r % 2);
	to->version = 5;
	assert_int_equal(plane_nft_table_load(&c->t, to), 0);
	assert_int_equal(plane_nft_table_hold(&c->t, &held, true), 0);
	table_put(to);
}

static struct engine_conf random_doors(unsigned *seed)
{
	struct engine_conf d = engine;

	d.n_services = 1 + (unsigned)rand_r(seed) % 4;
	for (unsigned i = 0; i < d.n_services; i++)
		d.services[i] = (struct engine_service){
			.listen =
				(uint16_t)(1000 * (i + 1) + rand_r(seed) % 60),
			.protocol =
				rand_r(seed) % 3 ? IPPROTO_TCP : IPPROTO_UDP,
		};
	if (rand_r(seed) % 3 == 0)
		d.vip[FAMILY_V6] = (struct addr){ 0 };
	d.vip[FAMILY_V4].bytes[3] = (uint8_t)(100 + rand_r(seed) % 2);
	return d;
}

static unsigned families_of(const struct engine_conf *d)
{
	return addr_is_set(&d->vip[FAMILY_V6]);
}

/* As if it had been written for these doors from the first. */
static void changed_doors_are_those_of_a_new_table(void **state)
{
	struct engine_conf doors = engine;
	struct changing c = { 0 }, again;
	unsigned seed = SEED;

	open_with(&c, &doors);
	serve_half(&c);
	for (unsigned i = 0; i < 40; i++) {
		unsigned n;

		doors = random_doors(&seed);
		n = doors.n_services;
		change_to(&c, &doors);
		assert_int_equal(elements("doors4"), n * ROUTES / 2);
		assert_int_equal(elements("doors6"),
				 families_of(&doors) * n * ROUTES / 2);
		assert_int_equal(elements("hold4"), 2 * n);
		assert_int_equal(elements("hold6"),
				 families_of(&doors) * 2 * n);
	}
	open_with(&again, &doors);
	assert_true(again.t.adopted);
	assert_same_table(again.t.now, c.t.now);
	plane_nft_table_fini(&again.t);
	plane_nft_table_fini(&c.t);
}

static void a_change_of_doors_that_fails_leaves_what_there_was(void **state)
{
	struct engine_conf to = engine;
	struct changing c = { 0 };
	uint32_t layout;
	char err[256] = "";

	open_with(&c, &engine);
	serve_half(&c);
	layout = c.t.layout;
	to.n_services = 3;
	to.services[1].listen = 7003; /* most ports lead elsewhere */
	to.services[2] =
		(struct engine_service){ "new", 6001, IPPROTO_TCP, false };
	assert_int_equal(nft_text_run("flush chain inet halod depart\n"
				      "delete chain inet halod depart\n",
				      err, sizeof(err)),
			 0);
	assert_int_not_equal(
		plane_nft_doors_change(&c.t, &to, err, sizeof(err)), 0);
	assert_true(*err);
	assert_int_equal(c.t.layout, layout);
	assert_int_equal(elements("doors4"), 2 * ROUTES / 2);
	assert_int_equal(elements("hold4"), 4);
	plane_nft_table_fini(&c.t);
	open_with(&c, &engine);
	assert_true(c.t.adopted);
	plane_nft_table_fini(&c.t);
}

static int leave_nothing(void **state)
{
	char err[256];

	return plane_nft_table_remove(err, sizeof(err));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup(fn, leave_nothing)
	const struct CMUnitTest tests[] = {
		TEST(a_new_table_is_not_adopted),
		TEST(what_was_applied_is_adopted_bit_for_bit),
		TEST(a_table_of_other_services_is_not_adopted),
		TEST(a_table_with_its_tags_elsewhere_is_written_anew),
		TEST(a_failed_change_is_told_and_changes_nothing_here),
		TEST(a_rebuilt_table_is_the_one_last_applied),
		TEST(a_hold_covers_all_doors_of_a_route),
		TEST(a_node_that_left_is_known_for_a_while),
		TEST(changed_doors_are_those_of_a_new_table),
		TEST(a_change_of_doors_that_fails_leaves_what_there_was),
	};

	if (unshare(CLONE_NEWNET)) {
		printf("skip - needs root for a network namespace\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
