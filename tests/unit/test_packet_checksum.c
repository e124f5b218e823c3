/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "packet/checksum.h"

static const struct {
	const char *title;
	uint8_t data[8];
	size_t len;
	uint16_t sum;
} sums[] = {
	{ "nothing", { 0 }, 0, 0 },
	{ "one byte is padded behind", { 0xab }, 1, 0xab00 },
	{ "the example of RFC 1071, section 3",
	  { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 },
	  8,
	  0xddf2 },
	{ "carries wrap around", { 0xff, 0xff, 0x00, 0x01 }, 4, 0x0001 },
	{ "five bytes", { 0, 1, 0, 2, 3 }, 5, 0x0303 },
};

static void sums_are_those_of_rfc_1071(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(sums); i++) {
		uint16_t sum =
			checksum_fold(checksum_sum(sums[i].data, sums[i].len));

		if (sum != sums[i].sum)
			fail_msg("%s: %04x", sums[i].title, sum);
	}
}

/* HC, m and m' of RFC 1624, section 4, where eqn 2 gives 0xffff. */
static void equation_3_gives_zero_where_equation_2_does_not(void **state)
{
	const uint8_t old[] = { 0x55, 0x55 }, new[] = { 0x32, 0x85 };

	assert_int_equal(checksum_adjust(0xdd2f, checksum_delta(old, new, 2)),
			 0x0000);
}

static void adjusting_equals_summing_anew(void **state)
{
	uint8_t data[64], changed[64];
	uint32_t rng = 12345;

	for (int round = 0; round < 10000; round++) {
		size_t len = 2u << round % 4, at;
		uint16_t check, expected;

		for (size_t i = 0; i < sizeof(data); i++) {
			rng = rng * 1664525 + 1013904223;
			data[i] = (uint8_t)(rng >> 24);
		}
		memcpy(changed, data, sizeof(data));
		at = (rng >> 8) % ((sizeof(data) - len) / 2) * 2;
		for (size_t i = 0; i < len; i++)
			changed[at + i] ^= (uint8_t)(rng >> i);
		check = (uint16_t)~checksum_fold(checksum_sum(data, 64));
		expected = (uint16_t)~checksum_fold(checksum_sum(changed, 64));
		check = checksum_adjust(
			check, checksum_delta(data + at, changed + at, len));
		assert_int_equal(check % 0xffff, expected % 0xffff);
	}
}

static void a_change_and_its_undo_restore_the_checksum(void **state)
{
	const uint8_t a[] = { 198, 18, 0, 100 }, b[] = { 198, 19, 0, 11 };

	for (uint32_t check = 0; check <= 0xffff; check++) {
		uint16_t there = checksum_adjust((uint16_t)check,
						 checksum_delta(a, b, 4));
		uint16_t back = checksum_adjust(there, checksum_delta(b, a, 4));

		assert_int_equal(back % 0xffff, check % 0xffff);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_those_of_rfc_1071),
		cmocka_unit_test(
			equation_3_gives_zero_where_equation_2_does_not),
		cmocka_unit_test(adjusting_equals_summing_anew),
		cmocka_unit_test(a_change_and_its_undo_restore_the_checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
