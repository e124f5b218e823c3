/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "base/units.h"
#include "packet/flow.h"
#include "packet/journal.h"

#define FLOWS 64
#define KEYS  200
#define SEED  20240607u

static struct flow_key key_of(unsigned n)
{
	struct flow_key key = { .protocol = IPPROTO_TCP,
				.client_port = (uint16_t)(n * 7),
				.door_port = 8001 };

	key.client = addr_v4((const uint8_t[]){ 198, 18, 0, (uint8_t)n });
	return key;
}

/* What is compared with: which keys are there, and when they were added. */
struct model {
	bool there[KEYS];
	unsigned count;
};

static void toggle(struct flow_table *t, struct model *m, unsigned n,
		   uint64_t now_ns)
{
	struct flow_key key = key_of(n);
	struct flow *f = flow_find(t, &key);

	assert_int_equal(f != NULL, m->there[n]);
	if (f) {
		flow_remove(t, f);
		m->count--;
	} else if (!flow_table_is_full(t)) {
		flow_add(t, &key, FLOW_ESTABLISHED, now_ns);
		m->count++;
	} else {
		return;
	}
	m->there[n] = !m->there[n];
}

static void the_table_agrees_with_a_plain_array(void **state)
{
	struct flow_table *t = flow_table_new(FLOWS, SEED);
	struct model m = { 0 };
	uint32_t rng = SEED;

	for (uint64_t step = 0; step < 100000; step++) {
		rng = rng * 1664525 + 1013904223;
		toggle(t, &m, (rng >> 16) % KEYS, step);
		assert_int_equal(flow_table_count(t), m.count);
	}
	for (unsigned n = 0; n < KEYS; n++) {
		struct flow_key key = key_of(n);

		assert_int_equal(flow_find(t, &key) != NULL, m.there[n]);
	}
	assert_true(flow_table_span(t) <= FLOWS);
	flow_table_free(t);
}

static struct flow *add(struct flow_table *t, unsigned n, enum flow_state state,
			uint64_t now_ns)
{
	struct flow_key key = key_of(n);

	return flow_add(t, &key, state, now_ns);
}

static void half_open_flows_give_way_before_idler_ones_that_work(void **state)
{
	struct flow_table *t = flow_table_new(FLOWS, SEED);
	struct flow *idle = add(t, 1, FLOW_ESTABLISHED, 1);
	struct flow *udp = add(t, 2, FLOW_UDP, 2);
	struct flow *closing = add(t, 3, FLOW_CLOSING, 4);
	struct flow *syn = add(t, 4, FLOW_SYN_SENT, 3);

	assert_ptr_equal(flow_victim(t), syn);
	flow_remove(t, syn);
	assert_ptr_equal(flow_victim(t), closing);
	flow_remove(t, closing);
	assert_ptr_equal(flow_victim(t), idle);
	flow_remove(t, idle);
	assert_ptr_equal(flow_victim(t), udp);
	flow_remove(t, udp);
	assert_null(flow_victim(t));
	flow_table_free(t);
}

static void a_touched_flow_becomes_the_newest_of_its_state(void **state)
{
	struct flow_table *t = flow_table_new(FLOWS, SEED);
	struct flow *a = add(t, 1, FLOW_SYN_SENT, 0);
	struct flow *b = add(t, 2, FLOW_SYN_SENT, 1);

	flow_touch(t, a, FLOW_SYN_SENT, FLOW_TOUCH_GRAIN_NS - 1);
	assert_ptr_equal(flow_victim(t), a);
	flow_touch(t, a, FLOW_SYN_SENT, FLOW_TOUCH_GRAIN_NS);
	assert_ptr_equal(flow_victim(t), b);
	flow_table_free(t);
}

static const struct {
	enum flow_state state;
	uint64_t timeout_s;
} timeouts[] = {
	{ FLOW_SYN_SENT, 60 }, { FLOW_SYN_RECEIVED, 60 },
	{ FLOW_CLOSING, 60 },  { FLOW_ESTABLISHED, 5 * 86400 },
	{ FLOW_UDP_NEW, 30 },  { FLOW_UDP, 180 },
};

static void each_state_has_its_timeout(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(timeouts); i++) {
		struct flow_table *t = flow_table_new(FLOWS, SEED);
		struct flow *f = add(t, 1, timeouts[i].state, 5);
		uint64_t due_ns = 5 + timeouts[i].timeout_s * NS_PER_S;

		assert_null(flow_expired(t, due_ns - 1));
		assert_ptr_equal(flow_expired(t, due_ns), f);
		flow_table_free(t);
	}
}

static void the_journal_forgets_the_oldest_syn(void **state)
{
	const uint8_t syn[JOURNAL_SYN_MAX] = { 1, 2, 3 };
	struct journal *j = journal_new(2);
	uint32_t a = journal_put(j, 10, syn, 40, false);
	uint32_t b = journal_put(j, 11, syn, JOURNAL_SYN_MAX, true);

	assert_int_equal(journal_get(j, a, 10)->len, 40);
	assert_true(journal_get(j, b, 11)->csum_not_ready);
	journal_put(j, 12, syn, 40, false);
	assert_null(journal_get(j, a, 10));
	assert_non_null(journal_get(j, b, 11));
	assert_null(journal_get(j, JOURNAL_NONE, 10));
	journal_free(j);
}

static void a_syn_that_is_too_long_is_not_journalled(void **state)
{
	const uint8_t syn[JOURNAL_SYN_MAX + 1] = { 0 };
	struct journal *j = journal_new(1);

	assert_int_equal(journal_put(j, 1, syn, sizeof(syn), false),
			 JOURNAL_NONE);
	journal_free(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_agrees_with_a_plain_array),
		cmocka_unit_test(
			half_open_flows_give_way_before_idler_ones_that_work),
		cmocka_unit_test(
			a_touched_flow_becomes_the_newest_of_its_state),
		cmocka_unit_test(each_state_has_its_timeout),
		cmocka_unit_test(the_journal_forgets_the_oldest_syn),
		cmocka_unit_test(a_syn_that_is_too_long_is_not_journalled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
