// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The limits of the design: 65535 routes and thousands of nodes. What a step
 * may say is bounded before it begins (an assertion in effects_add() holds the
 * bound to it), and who is forgotten when there is no more room.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../lib/cluster_fixture/cluster_fixture.h"

#define MOVING_MAX 16384

struct crowd {
	struct cluster *cl;
	struct effects *fx;
	uint64_t now;
	unsigned errors;  /* ERROR messages */
	unsigned applies; /* tables */
	unsigned n_moving;
	struct {
		uint64_t link;
		uint32_t id;
	} moving[MOVING_MAX]; /* MOVING messages */
};

static void crowd_init(struct crowd *c, unsigned routes, unsigned reserve)
{
	struct cluster_conf conf = fixture_conf(routes, reserve);

	conf.panic = 1; /* here they may all vanish */
	memset(c, 0, sizeof(*c));
	c->now = NS_PER_S;
	c->cl = cluster_new(&conf, c->now);
	c->fx = effects_new();
}

static void crowd_fini(struct crowd *c)
{
	cluster_free(c->cl);
	effects_free(c->fx);
}

static void note_moving(struct crowd *c, const struct effect *e)
{
	if (e->message.type != MESSAGE_MOVING || c->n_moving == MOVING_MAX)
		return;
	c->moving[c->n_moving].link = e->link;
	c->moving[c->n_moving++].id = e->message.moving.id;
}

static void step(struct crowd *c, const struct event *ev)
{
	effects_clear(c->fx);
	assert_int_equal(cluster_step(c->cl, ev, c->now, c->fx), 0);
	for (unsigned i = 0; i < effects_count(c->fx); i++) {
		const struct effect *e = effects_at(c->fx, i);

		c->errors += e->type == EFFECT_SEND &&
			     e->message.type == MESSAGE_ERROR;
		c->applies += e->type == EFFECT_APPLY;
		if (e->type == EFFECT_SEND)
			note_moving(c, e);
	}
}

static void hello(struct crowd *c, unsigned i)
{
	const uint8_t bytes[4] = { 198, 18, (uint8_t)(i >> 8), (uint8_t)i };
	struct message_hello hello = { .instance = i, .health = HEALTH_UP };
	struct event ev = { .type = EVENT_HELLO, .link = i, .hello = &hello };

	snprintf(hello.name, sizeof(hello.name), "n%u", i);
	hello.addr[FAMILY_V4] = addr_v4(bytes);
	step(c, &ev);
}

static void beats(struct crowd *c, unsigned from, unsigned to)
{
	struct message_beat beat = { .health = HEALTH_UP };

	for (unsigned i = from; i <= to; i++) {
		struct event ev = { .type = EVENT_BEAT,
				    .link = i,
				    .beat = &beat };

		beat.version = cluster_table(c->cl)->version;
		step(c, &ev);
	}
}

/* Lets time pass in intervals; nodes from..to beat. */
static void pass(struct crowd *c, uint64_t ns, unsigned from, unsigned to)
{
	const struct event tick = { .type = EVENT_TICK };
	uint64_t end = c->now + ns;

	while (c->now < end) {
		c->now += 200 * MS;
		beats(c, from, to);
		while (cluster_deadline(c->cl) <= c->now)
			step(c, &tick);
	}
}

static void check_all_served(const struct crowd *c, unsigned routes)
{
	for (unsigned r = 1; r <= routes; r++) {
		struct route_view v;

		cluster_route(c->cl, (uint16_t)r, &v);
		assert_non_null(v.node);
		assert_null(v.to);
		assert_int_equal(v.node->slot, v.slot);
	}
}

static unsigned slots(const struct crowd *c)
{
	return placement_slots(cluster_placement(c->cl));
}

static void two_thousand_nodes_come_and_half_of_them_die(void **state)
{
	struct crowd c;

	crowd_init(&c, ROUTES_MAX, 0);
	for (unsigned i = 1; i <= 2048; i++)
		hello(&c, i);
	pass(&c, 1 * NS_PER_S, 1, 2048);
	assert_int_equal(slots(&c), 2048);
	check_all_served(&c, ROUTES_MAX);
	pass(&c, 3 * NS_PER_S, 1025, 2048);
	assert_int_equal(slots(&c), 1024);
	check_all_served(&c, ROUTES_MAX);
	crowd_fini(&c);
}

/* A run looks at all routes: one for each answer would keep beats waiting. */
static void answers_to_moving_are_carried_out_together(void **state)
{
	static struct crowd c;
	const struct event tick = { .type = EVENT_TICK };
	unsigned before;

	crowd_init(&c, ROUTES_MAX, 0);
	for (unsigned i = 1; i <= 128; i++)
		hello(&c, i);
	pass(&c, 1 * NS_PER_S, 1, 128);
	for (unsigned i = 129; i <= 192; i++)
		hello(&c, i);
	while (!c.n_moving)
		pass(&c, 200 * MS, 1, 192);
	assert_in_range(c.n_moving, 1000, MOVING_MAX);
	before = c.applies;
	for (unsigned i = 0; i < c.n_moving; i++) {
		struct event ok = { .type = EVENT_MOVED_OK,
				    .link = c.moving[i].link,
				    .id = c.moving[i].id };

		step(&c, &ok);
	}
	c.now += 10 * MS;
	assert_in_range(cluster_deadline(c.cl), 0, c.now);
	step(&c, &tick);
	assert_in_range(c.applies - before, 1, 2);
	check_all_served(&c, ROUTES_MAX);
	crowd_fini(&c);
}

static void joins_deaths_and_drains_overlap_at_scale(void **state)
{
	struct crowd c;

	crowd_init(&c, ROUTES_MAX, 3);
	for (unsigned i = 1; i <= 200; i++)
		hello(&c, i);
	pass(&c, 600 * MS, 1, 200);
	for (unsigned i = 201; i <= 260; i++) {
		struct event drain = { .type = EVENT_DRAIN };
		char name[16];

		snprintf(name, sizeof(name), "n%u", i - 200);
		drain.name = name;
		hello(&c, i);
		step(&c, &drain);
	}
	pass(&c, 3 * NS_PER_S, 100, 260);
	assert_int_equal(slots(&c), 161); /* the dead used up all reserves */
	check_all_served(&c, ROUTES_MAX);
	crowd_fini(&c);
}

static void more_nodes_than_routes_wait_in_reserve(void **state)
{
	struct crowd c;

	crowd_init(&c, 3, 0);
	for (unsigned i = 1; i <= 500; i++)
		hello(&c, i);
	pass(&c, 1 * NS_PER_S, 1, 500);
	assert_int_equal(slots(&c), 3);
	assert_int_equal(placement_reserves(cluster_placement(c.cl)), 497);
	crowd_fini(&c);
}

static void no_room_is_an_error_and_the_long_lost_give_way(void **state)
{
	struct crowd c;

	crowd_init(&c, 24, 0);
	for (unsigned i = 1; i <= NODES_MAX; i++)
		hello(&c, i);
	pass(&c, 600 * MS, 1, NODES_MAX);
	assert_int_equal(cluster_node_count(c.cl), NODES_MAX);
	hello(&c, NODES_MAX + 1);
	assert_int_equal(c.errors, 1);
	pass(&c, 2 * NS_PER_S, 2, NODES_MAX); /* node 1 is lost */
	hello(&c, NODES_MAX + 2);
	assert_int_equal(c.errors, 1);
	assert_null(cluster_node_by_name(c.cl, "n1"));
	assert_int_equal(cluster_node_count(c.cl), NODES_MAX);
	crowd_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_thousand_nodes_come_and_half_of_them_die),
		cmocka_unit_test(answers_to_moving_are_carried_out_together),
		cmocka_unit_test(joins_deaths_and_drains_overlap_at_scale),
		cmocka_unit_test(more_nodes_than_routes_wait_in_reserve),
		cmocka_unit_test(
			no_room_is_an_error_and_the_long_lost_give_way),
	};

	return cmocka_run_group_tests_name("cluster_scale", tests, NULL, NULL);
}
