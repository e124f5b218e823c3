// SPDX-License-Identifier: GPL-2.0-or-later
/* The demo's bookkeeping judges handovers: it must see what is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../demo/load/score.h"
#include "base/units.h"

#define ROUTES	    2
#define SUBSCRIBERS 3

static int setup(void **state)
{
	*state = score_new(ROUTES, SUBSCRIBERS);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	score_free(*state);
	return 0;
}

static struct score_totals totals(struct score *sc)
{
	struct score_totals t;

	score_totals(sc, &t);
	return t;
}

static void a_message_is_owed_to_each_subscriber_of_its_route(void **state)
{
	struct score *sc = *state;

	score_listens(sc, 0, 1);
	score_listens(sc, 1, 1);
	score_listens(sc, 2, 2);
	score_accepted(sc, 1, 1, NS_PER_S);
	score_received(sc, 0, 1);
	assert_int_equal(totals(sc).published, 1);
	assert_int_equal(totals(sc).expected, 2);
	assert_int_equal(totals(sc).delivered, 1);
	assert_int_equal(totals(sc).lost, 1);
}

static void what_was_accepted_before_one_listened_is_not_owed(void **state)
{
	struct score *sc = *state;

	score_accepted(sc, 1, 1, NS_PER_S);
	score_listens(sc, 0, 1);
	score_accepted(sc, 1, 2, NS_PER_S);
	score_received(sc, 0, 2);
	assert_int_equal(totals(sc).expected, 1);
	assert_int_equal(totals(sc).lost, 0);
}

static void a_message_that_comes_twice_is_delivered_once(void **state)
{
	struct score *sc = *state;

	score_listens(sc, 0, 1);
	score_accepted(sc, 1, 1, NS_PER_S);
	score_received(sc, 0, 1);
	score_received(sc, 0, 1);
	assert_int_equal(totals(sc).delivered, 1);
	assert_int_equal(totals(sc).duplicates, 1);
}

static void a_message_nobody_accepted_is_owed_to_nobody(void **state)
{
	struct score *sc = *state;

	score_listens(sc, 0, 1);
	score_accepted(sc, 1, 2, NS_PER_S);
	score_received(sc, 0, 2);
	assert_int_equal(totals(sc).expected, 1);
}

static void losses_of_a_forced_incident_are_counted_apart(void **state)
{
	struct score *sc = *state;

	score_listens(sc, 0, 1);
	score_begin(sc, "cut", true, 10 * NS_PER_S);
	score_accepted(sc, 1, 1, 10 * NS_PER_S + NS_PER_MS);
	score_begin(sc, "join", false, 11 * NS_PER_S);
	score_accepted(sc, 1, 2, 11 * NS_PER_S + NS_PER_MS);
	assert_int_equal(totals(sc).lost_forced, 1);
	assert_int_equal(totals(sc).lost, 1);
}

/* The line score_end() prints. */
static void end_line(struct score *sc, uint64_t now, char *out, size_t size)
{
	FILE *f = fmemopen(out, size, "w");

	assert_non_null(f);
	score_end(sc, now, f);
	fclose(f);
}

static void an_incident_counts_from_its_beginning(void **state)
{
	struct score *sc = *state;
	char line[1024] = "";

	score_begin(sc, "cut", true, NS_PER_S);
	score_broken(sc, true, NS_PER_S + 20 * NS_PER_MS);
	score_broken(sc, false, NS_PER_S + 30 * NS_PER_MS);
	score_back(sc, NS_PER_S + 30 * NS_PER_MS, NS_PER_S + 50 * NS_PER_MS);
	end_line(sc, 2 * NS_PER_S, line, sizeof(line));
	assert_non_null(strstr(line, "\"broken_last_ms\":30.0"));
	assert_non_null(strstr(line, "\"home_broken\":1"));
	assert_non_null(strstr(line, "\"home_broken_last_ms\":20.0"));
	assert_non_null(strstr(line, "\"back_last_ms\":50.0"));
	assert_non_null(strstr(line, "\"gap_max_ms\":20.0"));
}

static void what_a_connection_waited_before_an_incident_is_not_its(void **state)
{
	struct score *sc = *state;
	struct score_probe waited = { .opened_ns = NS_PER_S - 5 * NS_PER_MS,
				      .up_ns = NS_PER_S + 40 * NS_PER_MS,
				      .answer_ns = NS_PER_S + 42 * NS_PER_MS,
				      .end_ns = NS_PER_S + 43 * NS_PER_MS };
	char line[1024] = "";

	score_begin(sc, "cut", true, NS_PER_S);
	score_probe(sc, &waited);
	end_line(sc, 2 * NS_PER_S, line, sizeof(line));
	assert_non_null(strstr(line, "\"connects\":1,"));
	assert_non_null(strstr(line, "\"connect_max_ms\":40.0"));
	assert_non_null(strstr(line, "\"answers\":1,"));
	assert_non_null(strstr(line, "\"answer_max_ms\":42.0"));
}

static void a_refusal_and_an_answer_that_never_came_are_told_apart(void **state)
{
	struct score *sc = *state;
	uint64_t later = NS_PER_S + NS_PER_MS;
	struct score_probe refused = { .opened_ns = NS_PER_S, .end_ns = later };
	struct score_probe cut = { .opened_ns = NS_PER_S - 2 * NS_PER_MS,
				   .up_ns = NS_PER_S - NS_PER_MS,
				   .end_ns = later };
	char line[1024] = "";

	score_begin(sc, "cut", true, NS_PER_S);
	score_probe(sc, &refused);
	score_probe(sc, &cut);
	end_line(sc, 2 * NS_PER_S, line, sizeof(line));
	assert_non_null(strstr(line, "\"connects\":1,"));
	assert_non_null(strstr(line, "\"connect_failed\":1"));
	assert_non_null(strstr(line, "\"answers\":0,"));
	assert_non_null(strstr(line, "\"cut_short\":1}"));
}

static void an_incident_begins_when_the_fault_says(void **state)
{
	struct score *sc = *state;
	char line[1024] = "";

	score_begin(sc, "cut", true, NS_PER_S);
	score_began(sc, NS_PER_S + 5 * NS_PER_MS);
	score_broken(sc, false, NS_PER_S + 30 * NS_PER_MS);
	end_line(sc, 2 * NS_PER_S, line, sizeof(line));
	assert_non_null(strstr(line, "\"broken_last_ms\":25.0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_message_is_owed_to_each_subscriber_of_its_route),
		T(what_was_accepted_before_one_listened_is_not_owed),
		T(a_message_that_comes_twice_is_delivered_once),
		T(a_message_nobody_accepted_is_owed_to_nobody),
		T(losses_of_a_forced_incident_are_counted_apart),
		T(an_incident_counts_from_its_beginning),
		T(what_a_connection_waited_before_an_incident_is_not_its),
		T(a_refusal_and_an_answer_that_never_came_are_told_apart),
		T(an_incident_begins_when_the_fault_says),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
