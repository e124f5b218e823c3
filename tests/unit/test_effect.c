// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "control/effect.h"

static int set_up(void **state)
{
	*state = effects_new();
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	effects_free(*state);
	return 0;
}

static void ids_stay_put_when_more_room_is_made(void **state)
{
	struct effects *fx = *state;
	uint16_t *first;

	assert_int_equal(effects_reserve(fx, 1, 3), 0);
	first = effects_ids(fx, 3);
	first[0] = 7;
	assert_int_equal(effects_reserve(fx, 1, 100000), 0);
	memset(effects_ids(fx, 100000), 0xff, 200000);
	assert_int_equal(first[0], 7);
}

static void effects_keep_their_order_and_start_empty(void **state)
{
	struct effects *fx = *state;

	assert_int_equal(effects_reserve(fx, 1000, 0), 0);
	for (unsigned i = 0; i < 1000; i++)
		effects_add(fx, EFFECT_CLOSE)->link = i;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(effects_at(fx, i)->link, i);
	effects_clear(fx);
	assert_int_equal(effects_count(fx), 0);
	assert_int_equal(effects_add(fx, EFFECT_PROBE)->link, 0);
}

static void clearing_gives_back_the_references_to_tables(void **state)
{
	struct effects *fx = *state;
	struct table *t = table_new(1, 1);

	effects_add(fx, EFFECT_APPLY)->table = table_get(t);
	assert_int_equal(t->refs, 2);
	effects_clear(fx);
	assert_int_equal(t->refs, 1);
	table_put(t);
}

static void every_kind_of_note_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int a = 0; a < NOTE_KINDS; a++)
		for (int b = 0; b < a; b++)
			assert_string_not_equal(note_kind_name(a),
						note_kind_name(b));
}

#define effect(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		effect(ids_stay_put_when_more_room_is_made),
		effect(effects_keep_their_order_and_start_empty),
		effect(clearing_gives_back_the_references_to_tables),
		effect(every_kind_of_note_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests_name("effect", tests, NULL, NULL);
}
