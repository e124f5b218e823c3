// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whole deployments through random schedules in virtual time: latency, loss,
 * cut cables, frozen machines, a halod that is stopped, killed and started
 * again, a store that fails. The world checks the promises of the design after
 * every step; here is only what happens to it.
 *
 * A schedule is data: drawn from a seed, printed when a promise is broken (made
 * as short as it can be and still break it), and read back:
 *
 *   HALO_SIM_RUNS=N       how many seeds
 *   HALO_SIM_FIRST=N      the first of them
 *   HALO_SIM_SCRIPT=FILE  play this schedule, and say all that happens
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../lib/world/schedule.h"

#ifdef __SANITIZE_ADDRESS__ /* five times slower */
#define RUNS_DEFAULT 10
#else
#define RUNS_DEFAULT 60
#endif

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void play_script(const char *path)
{
	struct schedule s;
	FILE *file = fopen(path, "r");
	char *why = NULL;

	assert_non_null(file);
	if (schedule_read(&s, file)) {
		fclose(file);
		fail_msg("%s is no schedule", path);
	}
	fclose(file);
	if (!schedule_play(&s, &why, stderr))
		fail_msg("%s", why);
}

static void print_failure(struct schedule *s, uint64_t seed)
{
	char *why = NULL;

	fprintf(stderr, "seed %llu breaks a promise\n",
		(unsigned long long)seed);
	schedule_shorten(s);
	schedule_play(s, &why, stderr);
	fprintf(stderr, "%s\nreplay with HALO_SIM_SCRIPT=FILE of:\n", why);
	schedule_print(s, stderr);
	free(why);
}

static void random_schedules_keep_every_promise(void **state)
{
	uint64_t first = number_from("HALO_SIM_FIRST", 1);
	uint64_t runs = number_from("HALO_SIM_RUNS", RUNS_DEFAULT);

	(void)state;
	if (getenv("HALO_SIM_SCRIPT")) {
		play_script(getenv("HALO_SIM_SCRIPT"));
		return;
	}
	print_message("seeds %llu..%llu\n", (unsigned long long)first,
		      (unsigned long long)(first + runs - 1));
	for (uint64_t seed = first; seed < first + runs; seed++) {
		struct schedule s;

		schedule_draw(&s, seed);
		if (!schedule_play(&s, NULL, NULL)) {
			print_failure(&s, seed);
			fail_msg("seed %llu", (unsigned long long)seed);
		}
	}
}

static void printed_schedule_is_read_back_as_it_was(void **state)
{
	struct schedule drawn, again;
	char *text = NULL;
	size_t len;
	FILE *file = open_memstream(&text, &len);

	(void)state;
	schedule_draw(&drawn, 7);
	schedule_print(&drawn, file);
	fclose(file);
	file = fmemopen(text, len, "r");
	assert_int_equal(schedule_read(&again, file), 0);
	fclose(file);
	free(text);
	assert_memory_equal(&drawn, &again, sizeof(drawn));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(printed_schedule_is_read_back_as_it_was),
		cmocka_unit_test(random_schedules_keep_every_promise),
	};

	return cmocka_run_group_tests_name("world_sim", tests, NULL, NULL);
}
