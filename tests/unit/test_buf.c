// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static void what_is_put_is_got_big_endian(void **state)
{
	static const uint8_t want[] = { 1, 2,  3,  4,  5,  6,  7, 8,
					9, 10, 11, 12, 13, 14, 15 };
	uint8_t bytes[sizeof(want)];
	struct buf w = buf_over(bytes, sizeof(bytes)), r;

	buf_put_u8(&w, 0x01);
	buf_put_be16(&w, 0x0203);
	buf_put_be32(&w, 0x04050607);
	buf_put_be64(&w, 0x08090a0b0c0d0e0full);
	assert_true(buf_ok(&w));
	assert_int_equal(buf_left(&w), 0);
	assert_memory_equal(bytes, want, sizeof(want));

	r = buf_reader(bytes, sizeof(bytes));
	assert_int_equal(buf_get_u8(&r), 0x01);
	assert_int_equal(buf_get_be16(&r), 0x0203);
	assert_int_equal(buf_get_be32(&r), 0x04050607);
	assert_true(buf_get_be64(&r) == 0x08090a0b0c0d0e0full);
	assert_true(buf_ok(&r));
}

static void read_past_the_end_gives_zero_and_sticks(void **state)
{
	uint8_t bytes[3] = { 0xff, 0xff, 0xff };
	struct buf r = buf_reader(bytes, sizeof(bytes));

	assert_int_equal(buf_get_be32(&r), 0);
	assert_false(buf_ok(&r));
	assert_int_equal(buf_left(&r), 0);
	assert_int_equal(buf_get_u8(&r), 0);
	assert_null(buf_take(&r, 0));
}

static void write_past_the_end_is_dropped_and_sticks(void **state)
{
	uint8_t bytes[4] = { 0 };
	struct buf w = buf_over(bytes, 3);

	buf_put_be16(&w, 0x1111);
	buf_put_be16(&w, 0x2222);
	buf_put_u8(&w, 0x33);
	buf_put(&w, "xy", 2);
	assert_false(buf_ok(&w));
	assert_memory_equal(bytes, ((uint8_t[]){ 0x11, 0x11, 0, 0 }), 4);
}

static void huge_length_does_not_wrap(void **state)
{
	uint8_t bytes[8] = { 0 };
	struct buf r = buf_reader(bytes, sizeof(bytes));

	buf_get_u8(&r);
	assert_null(buf_take(&r, SIZE_MAX));
	assert_false(buf_ok(&r));
}

static void part_is_consumed_and_bounded(void **state)
{
	uint8_t bytes[4] = { 1, 2, 3, 4 };
	struct buf r = buf_reader(bytes, sizeof(bytes));
	struct buf part = buf_sub(&r, 2), beyond;

	assert_int_equal(buf_get_be16(&part), 0x0102);
	assert_int_equal(buf_get_u8(&part), 0);
	assert_false(buf_ok(&part));
	assert_true(buf_ok(&r));
	assert_int_equal(buf_left(&r), 2);
	beyond = buf_sub(&r, 3);
	assert_false(buf_ok(&beyond));
	assert_false(buf_ok(&r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_got_big_endian),
		cmocka_unit_test(read_past_the_end_gives_zero_and_sticks),
		cmocka_unit_test(write_past_the_end_is_dropped_and_sticks),
		cmocka_unit_test(huge_length_does_not_wrap),
		cmocka_unit_test(part_is_consumed_and_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
