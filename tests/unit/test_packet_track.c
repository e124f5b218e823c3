/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "packet/track.h"

#define STEPS_MAX 6

/* Client ISN 1000, node ISN 5000. */
struct step {
	enum flow_end from;
	uint8_t flags;
	uint32_t seq, ack, payload;
	enum flow_state state; /* that it leads to; FLOW_FREE ends the case */
};

#define C FLOW_CLIENT
#define N FLOW_NODE
#define HANDSHAKE                                                           \
	{ C, TCP_SYN, 1000, 0, 0, FLOW_SYN_SENT },                          \
		{ N, TCP_SYN | TCP_ACK, 5000, 1001, 0, FLOW_SYN_RECEIVED }, \
	{                                                                   \
		C, TCP_ACK, 1001, 5001, 0, FLOW_ESTABLISHED                 \
	}

static const struct {
	const char *title;
	struct step step[STEPS_MAX];
} cases[] = {
	{ "a handshake establishes", { HANDSHAKE } },
	{ "a guessed ACK does not",
	  { { C, TCP_SYN, 1000, 0, 0, FLOW_SYN_SENT },
	    { N, TCP_SYN | TCP_ACK, 5000, 1001, 0, FLOW_SYN_RECEIVED },
	    { C, TCP_ACK, 1001, 4711, 0, FLOW_SYN_RECEIVED },
	    { C, TCP_FIN | TCP_ACK, 1001, 4711, 0, FLOW_SYN_RECEIVED },
	    { C, TCP_ACK, 1001, 5001, 0, FLOW_ESTABLISHED } } },
	{ "a SYN/ACK of another connection answers nothing",
	  { { C, TCP_SYN, 1000, 0, 0, FLOW_SYN_SENT },
	    { N, TCP_SYN | TCP_ACK, 5000, 77, 0, FLOW_SYN_SENT } } },
	{ "nor does a challenge ACK",
	  { { C, TCP_SYN, 1000, 0, 0, FLOW_SYN_SENT },
	    { N, TCP_ACK, 9999, 77, 0, FLOW_SYN_SENT },
	    { N, TCP_SYN | TCP_ACK, 5000, 1001, 0, FLOW_SYN_RECEIVED } } },
	{ "a SYN/ACK may take in the data of the SYN",
	  { { C, TCP_SYN, 1000, 0, 50, FLOW_SYN_SENT },
	    { N, TCP_SYN | TCP_ACK, 5000, 1051, 0, FLOW_SYN_RECEIVED } } },
	{ "another SYN restarts what was not answered",
	  { { C, TCP_SYN, 1000, 0, 0, FLOW_SYN_SENT },
	    { C, TCP_SYN, 9000, 0, 0, FLOW_SYN_SENT },
	    { N, TCP_SYN | TCP_ACK, 5000, 1001, 0, FLOW_SYN_SENT },
	    { N, TCP_SYN | TCP_ACK, 5000, 9001, 0, FLOW_SYN_RECEIVED } } },
	{ "a refusal closes",
	  { { C, TCP_SYN, 1000, 0, 0, FLOW_SYN_SENT },
	    { N, TCP_RST | TCP_ACK, 0, 1001, 0, FLOW_CLOSING } } },
	{ "a FIN closes",
	  { HANDSHAKE,
	    { N, TCP_FIN | TCP_ACK, 5001, 1001, 9, FLOW_CLOSING } } },
	{ "a reset at the sender's next byte closes",
	  { HANDSHAKE,
	    { N, TCP_ACK, 5001, 1001, 100, FLOW_ESTABLISHED },
	    { N, TCP_RST, 5101, 0, 0, FLOW_CLOSING } } },
	{ "a reset where its receiver waits closes",
	  { HANDSHAKE,
	    { N, TCP_ACK, 5001, 1001, 100, FLOW_ESTABLISHED },
	    { N, TCP_RST, 5001, 0, 0, FLOW_CLOSING } } },
	{ "a reset anywhere else does not",
	  { HANDSHAKE,
	    { N, TCP_RST, 5002, 0, 0, FLOW_ESTABLISHED },
	    { C, TCP_RST, 999, 0, 0, FLOW_ESTABLISHED } } },
	{ "a SYN on an established flow changes nothing",
	  { HANDSHAKE, { C, TCP_SYN, 70000, 0, 0, FLOW_ESTABLISHED } } },
};

static struct parsed segment(const struct step *s)
{
	return (struct parsed){ .flags = s->flags,
				.seq = s->seq,
				.ack = s->ack,
				.payload = s->payload };
}

static void segments_lead_from_state_to_state(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct step *s = cases[i].step;
		struct flow f = { .state = FLOW_SYN_SENT };

		for (int n = 0; n < STEPS_MAX && s[n].state; n++) {
			struct parsed p = segment(&s[n]);

			f.state = (uint8_t)track_segment(&f, s[n].from, &p);
			if (f.state != s[n].state)
				fail_msg("%s: step %d: state %d",
					 cases[i].title, n + 1, f.state);
		}
	}
}

static void a_relearned_flow_is_established_by_its_node_alone(void **state)
{
	struct flow f = { .state = FLOW_RELEARNED };
	struct parsed ack = { .flags = TCP_ACK, .seq = 10, .ack = 20 };
	struct parsed rst = { .flags = TCP_RST, .seq = 20 };

	assert_int_equal(track_segment(&f, FLOW_CLIENT, &ack), FLOW_RELEARNED);
	assert_int_equal(track_segment(&f, FLOW_NODE, &rst), FLOW_CLOSING);
	assert_int_equal(track_segment(&f, FLOW_NODE, &ack), FLOW_ESTABLISHED);
}

static void only_the_answer_to_its_syn_refuses_a_flow(void **state)
{
	struct flow f = { .state = FLOW_SYN_SENT };
	struct parsed syn = { .flags = TCP_SYN, .seq = 1000 };
	struct parsed rst = { .flags = TCP_RST | TCP_ACK, .ack = 1001 };
	struct parsed stray = { .flags = TCP_RST | TCP_ACK, .ack = 1002 };
	struct parsed blind = { .flags = TCP_RST };

	track_open(&f, &syn);
	assert_true(track_refuses(&f, &rst));
	assert_false(track_refuses(&f, &stray));
	assert_false(track_refuses(&f, &blind));
	f.state = FLOW_ESTABLISHED;
	assert_false(track_refuses(&f, &rst));
}

static void
a_flow_seen_from_one_side_knows_what_that_side_asks_for(void **state)
{
	struct flow f = { .state = FLOW_ESTABLISHED };
	struct parsed p = { .flags = TCP_ACK, .seq = 10, .ack = 20 };
	uint32_t seq[2];

	assert_int_equal(track_expected(&f, FLOW_CLIENT, seq), 0);
	track_segment(&f, FLOW_CLIENT, &p);
	assert_int_equal(track_expected(&f, FLOW_CLIENT, seq), 1);
	assert_int_equal(seq[0], 20);
	assert_int_equal(track_expected(&f, FLOW_NODE, seq), 1);
	assert_int_equal(seq[0], 10);
}

static void a_segment_of_64_kilobytes_counts_in_full(void **state)
{
	struct flow f = { .state = FLOW_ESTABLISHED };
	struct parsed p = { .flags = TCP_ACK,
			    .seq = 0xfffff000,
			    .payload = 65000 };
	uint32_t seq[2];

	track_segment(&f, FLOW_NODE, &p);
	assert_int_equal(track_expected(&f, FLOW_CLIENT, seq), 1);
	assert_int_equal(seq[0], 0xfffff000u + 65000u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_lead_from_state_to_state),
		cmocka_unit_test(
			a_relearned_flow_is_established_by_its_node_alone),
		cmocka_unit_test(only_the_answer_to_its_syn_refuses_a_flow),
		cmocka_unit_test(
			a_flow_seen_from_one_side_knows_what_that_side_asks_for),
		cmocka_unit_test(a_segment_of_64_kilobytes_counts_in_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
