// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The agent's states in virtual time: no socket, no clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* after the above, which it needs */
#include <cmocka.h>

#include "../../nodeagent/agent.h"

#define INTERVAL_NS (10 * NS_PER_MS)
#define MISS	    3

struct world {
	struct agent *agent;
	uint64_t now;
	struct agent_actions out; /* of the last step */
	uint64_t beats;		  /* all that were sent */
	struct message_beat beat; /* the last one */
	unsigned events[AGENT_REFUSED + 1];
	struct agent_event event; /* the last one of its kind, by the caller */
	bool deaf;		  /* the gateway does not answer */
};

static void step(struct world *w, const struct agent_input *in);

static void receive(struct world *w, const struct message *m)
{
	step(w, &(struct agent_input){ .type = INPUT_MESSAGE, .message = m });
}

static void tally(struct world *w)
{
	for (unsigned i = 0; i < w->out.count; i++) {
		const struct agent_action *a = &w->out.items[i];

		if (a->type == ACTION_EVENT) {
			w->events[a->event.kind]++;
			w->event = a->event;
		}
		if (a->type == ACTION_SEND && a->message.type == MESSAGE_BEAT) {
			w->beats++;
			w->beat = a->message.beat;
		}
	}
}

static void step(struct world *w, const struct agent_input *in)
{
	agent_step(w->agent, in, w->now, &w->out);
	tally(w);
}

static void input(struct world *w, enum agent_input_type type)
{
	step(w, &(struct agent_input){ .type = type });
}

static const struct agent_action *find(const struct world *w,
				       enum agent_action_type type)
{
	for (unsigned i = 0; i < w->out.count; i++)
		if (w->out.items[i].type == type)
			return &w->out.items[i];
	return NULL;
}

static const struct message *sent(const struct world *w, enum message_type type)
{
	for (unsigned i = 0; i < w->out.count; i++)
		if (w->out.items[i].type == ACTION_SEND &&
		    w->out.items[i].message.type == type)
			return &w->out.items[i].message;
	return NULL;
}

static void acknowledge(struct world *w)
{
	struct message ack = { .type = MESSAGE_BEAT_ACK };

	ack.beat_ack.seq = w->beat.seq;
	receive(w, &ack);
}

/* To the next deadline; the gateway answers each beat at once. */
static void tick(struct world *w)
{
	uint64_t before = w->beats;

	w->now = agent_deadline(w->agent);
	input(w, INPUT_TICK);
	if (w->beats > before && !w->deaf) {
		struct agent_actions kept = w->out;

		acknowledge(w);
		w->out = kept;
	}
}

static void welcome(struct world *w)
{
	struct message m = { .type = MESSAGE_WELCOME };

	m.welcome.state = NODE_ACTIVE;
	m.welcome.slot = 1;
	m.welcome.interval_us = INTERVAL_NS / NS_PER_US;
	m.welcome.miss = MISS;
	receive(w, &m);
}

static void assign(struct world *w, uint64_t version, uint16_t first,
		   uint16_t count)
{
	struct message m = { .type = MESSAGE_ASSIGNED };
	uint16_t ids[64];

	for (uint16_t i = 0; i < count; i++)
		ids[i] = (uint16_t)(first + i);
	m.assigned.version = version;
	m.assigned.routes = (struct route_set){ ids, count };
	receive(w, &m);
}

static void move(struct world *w, uint32_t id, uint32_t deadline_ms)
{
	struct message m = { .type = MESSAGE_MOVING };
	uint16_t ids[] = { 3, 4 };

	m.moving.id = id;
	m.moving.reason = deadline_ms ? MOVE_JOIN : MOVE_LOSS;
	m.moving.deadline_ms = deadline_ms;
	m.moving.routes = (struct route_set){ ids, 2 };
	m.moving.doors = (struct door_ports){ 2, { 8001, 9001 } };
	receive(w, &m);
}

static void stay(struct world *w, uint16_t first, uint16_t count)
{
	struct message m = { .type = MESSAGE_MOVING };
	uint16_t ids[] = { first, (uint16_t)(first + 1) };

	m.moving.stays = true;
	m.moving.routes = (struct route_set){ ids, count };
	receive(w, &m);
}

static void done(struct world *w, uint32_t id)
{
	step(w, &(struct agent_input){ .type = INPUT_DONE, .id = id });
}

static void cut_is_through(struct world *w, uint32_t id)
{
	step(w, &(struct agent_input){ .type = INPUT_CUT, .id = id });
}

static int set_up(void **state)
{
	struct agent_conf conf = { .name = "a", .instance = 7, .seed = 42 };
	struct world *w = calloc(1, sizeof(*w));

	w->agent = agent_new(&conf);
	w->now = NS_PER_S;
	*state = w;
	return 0;
}

/* Up, with routes 1..8 of version 5. */
static int set_up_serving(void **state)
{
	struct world *w;

	set_up(state);
	w = *state;
	input(w, INPUT_START);
	input(w, INPUT_CONNECTED);
	welcome(w);
	acknowledge(w);
	assign(w, 5, 1, 8);
	return 0;
}

/* The same, and connections can be ended here. */
static int set_up_cutting(void **state)
{
	struct agent_conf conf = { .name = "a", .seed = 42, .cuts = true };
	struct world *w;

	set_up_serving(state);
	w = *state;
	agent_free(w->agent);
	w->agent = agent_new(&conf);
	input(w, INPUT_START);
	input(w, INPUT_CONNECTED);
	welcome(w);
	acknowledge(w);
	assign(w, 5, 1, 8);
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	agent_free(w->agent);
	free(w);
	return 0;
}

static void it_connects_and_says_who_it_is(void **state)
{
	struct world *w = *state;
	const struct message *hello;

	input(w, INPUT_START);
	assert_non_null(find(w, ACTION_CONNECT));
	input(w, INPUT_CONNECTED);
	hello = sent(w, MESSAGE_HELLO);
	assert_non_null(hello);
	assert_string_equal(hello->hello.name, "a");
	assert_int_equal(hello->hello.instance, 7);
}

static void before_it_is_started_it_does_nothing(void **state)
{
	struct world *w = *state;

	step(w, &(struct agent_input){ .type = INPUT_HEALTH,
				       .health = HEALTH_UP });
	assert_int_equal(w->out.count, 0);
	assert_int_equal(agent_deadline(w->agent), TIME_NEVER);
}

static void its_first_beat_follows_the_welcome(void **state)
{
	struct world *w = *state;

	input(w, INPUT_START);
	input(w, INPUT_CONNECTED);
	welcome(w);
	assert_int_equal(w->beats, 1);
	assert_int_equal(find(w, ACTION_PACE)->interval_ns, INTERVAL_NS);
	assert_int_equal(w->events[AGENT_WELCOME], 1);
}

static void another_welcome_changes_its_pace_and_nothing_else(void **state)
{
	struct world *w = *state;
	struct message m = { .type = MESSAGE_WELCOME };
	uint64_t before = w->beats;

	m.welcome.state = NODE_RESERVE;
	m.welcome.interval_us = 5 * INTERVAL_NS / NS_PER_US;
	m.welcome.miss = MISS;
	receive(w, &m);
	assert_int_equal(w->beats, before + 1);
	assert_int_equal(w->beat.version, 5);
	assert_int_equal(find(w, ACTION_PACE)->interval_ns, 5 * INTERVAL_NS);
	assert_null(find(w, ACTION_EVENT));
	acknowledge(w);
	assert_int_equal(agent_deadline(w->agent), w->now + 5 * INTERVAL_NS);
}

static void it_beats_once_an_interval(void **state)
{
	struct world *w = *state;
	uint64_t begun = w->now, before = w->beats;

	while (w->now < begun + NS_PER_S)
		tick(w);
	assert_in_range(w->beats - before, 99, 101);
	assert_int_equal(w->events[AGENT_GATEWAY_LOST], 0);
	assert_int_equal(w->events[AGENT_FENCED], 0);
}

static void late_beats_are_not_made_up_for(void **state)
{
	struct world *w = *state;
	uint64_t before = w->beats;

	w->now += 2 * INTERVAL_NS + INTERVAL_NS / 2;
	input(w, INPUT_TICK);
	assert_int_equal(w->beats, before + 1);
	assert_true(agent_deadline(w->agent) > w->now);
}

static void beats_carry_the_version_it_applied(void **state)
{
	struct world *w = *state;

	tick(w);
	assert_int_equal(w->beat.version, 5);
}

static void a_failed_check_is_told_at_once(void **state)
{
	struct agent_input down = { .type = INPUT_HEALTH,
				    .health = HEALTH_DOWN };
	struct world *w = *state;

	w->now += NS_PER_MS;
	step(w, &down);
	assert_non_null(sent(w, MESSAGE_BEAT));
	assert_int_equal(w->beat.health, HEALTH_DOWN);
	step(w, &down);
	assert_null(sent(w, MESSAGE_BEAT));
}

static void a_good_check_waits_for_the_next_beat(void **state)
{
	struct world *w = *state;

	step(w, &(struct agent_input){ .type = INPUT_HEALTH,
				       .health = HEALTH_UP });
	assert_null(sent(w, MESSAGE_BEAT));
	tick(w);
	assert_int_equal(w->beat.health, HEALTH_UP);
}

static void assigned_routes_are_told_and_confirmed(void **state)
{
	struct world *w = *state;
	static const uint16_t ids[] = { 9, 10 };
	struct route_set two = { ids, 2 };

	assign(w, 6, 9, 2);
	assert_int_equal(w->event.kind, AGENT_ASSIGNED);
	assert_int_equal(w->event.routes.count, 2);
	assert_int_equal(sent(w, MESSAGE_ASSIGNED_OK)->assigned_ok.version, 6);
	assert_int_equal(sent(w, MESSAGE_ASSIGNED_OK)->assigned_ok.digest,
			 route_digest(&two));
}

static void a_silent_gateway_is_lost_after_miss_intervals(void **state)
{
	struct world *w = *state;
	uint64_t heard = w->now;

	w->deaf = true;
	while (!w->events[AGENT_GATEWAY_LOST])
		tick(w);
	assert_int_equal(w->now - heard, MISS * INTERVAL_NS);
	assert_non_null(find(w, ACTION_CLOSE));
	while (!find(w, ACTION_CONNECT))
		tick(w);
	assert_true(w->now - heard <=
		    MISS * INTERVAL_NS + AGENT_BACKOFF_MIN_NS);
}

/* The lease runs from when the last answered beat was *sent*. */
static void past_its_lease_it_is_fenced(void **state)
{
	struct world *w = *state;
	uint64_t sent_ns;

	w->deaf = true;
	tick(w);
	sent_ns = w->now;
	w->now += 4 * NS_PER_MS;
	acknowledge(w);
	while (!w->events[AGENT_FENCED])
		tick(w);
	assert_int_equal(w->now, sent_ns + MISS * INTERVAL_NS);
	assert_int_equal(w->events[AGENT_GATEWAY_LOST], 0);
	assert_int_equal(w->event.routes.count, 8);
}

/* The gateway has heard of it by its HELLO, and of no beat yet. */
static void lease_runs_from_the_greeting_until_a_beat_is_answered(void **state)
{
	struct world *w = *state;
	uint64_t greeted_ns;

	input(w, INPUT_DISCONNECTED);
	while (!find(w, ACTION_CONNECT))
		tick(w);
	input(w, INPUT_CONNECTED);
	greeted_ns = w->now;
	w->deaf = true;
	w->events[AGENT_FENCED] = 0;
	w->now += 2 * NS_PER_MS;
	welcome(w);
	while (!w->events[AGENT_FENCED])
		tick(w);
	assert_int_equal(w->now, greeted_ns + MISS * INTERVAL_NS);
}

static void
routes_that_come_late_are_not_believed_before_an_answer(void **state)
{
	struct world *w = *state;
	unsigned assigned;

	w->deaf = true;
	tick(w);
	w->now += 4 * NS_PER_MS;
	acknowledge(w);
	while (!w->events[AGENT_FENCED])
		tick(w);
	assigned = w->events[AGENT_ASSIGNED];
	assign(w, 7, 1, 12);
	assert_int_equal(w->events[AGENT_ASSIGNED], assigned);
	assert_non_null(sent(w, MESSAGE_ASSIGNED_OK));
}

static void a_node_without_routes_has_nothing_to_be_fenced_from(void **state)
{
	struct world *w = *state;

	assign(w, 6, 1, 0);
	w->deaf = true;
	while (!w->events[AGENT_GATEWAY_LOST])
		tick(w);
	assert_int_equal(w->events[AGENT_FENCED], 0);
}

static void a_fence_is_lifted_by_an_answer(void **state)
{
	struct world *w = *state;
	unsigned assigned = w->events[AGENT_ASSIGNED];

	w->deaf = true;
	tick(w);
	w->now += 4 * NS_PER_MS;
	acknowledge(w);
	while (!w->events[AGENT_FENCED])
		tick(w);
	assert_int_equal(w->events[AGENT_UNFENCED], 0);
	acknowledge(w); /* of the beat sent in the same moment */
	assert_int_equal(w->events[AGENT_UNFENCED], 1);
	assert_int_equal(w->events[AGENT_ASSIGNED], assigned + 1);
	assert_int_equal(w->event.routes.count, 8);
	assert_int_equal(w->events[AGENT_GATEWAY_LOST], 0);
}

/* Fenced and disconnected, then welcome again, with or without routes. */
static void fence_and_return(struct world *w)
{
	w->deaf = true;
	tick(w);
	while (!w->events[AGENT_GATEWAY_LOST])
		tick(w);
	while (!w->events[AGENT_FENCED])
		tick(w);
	while (!find(w, ACTION_CONNECT))
		tick(w);
	input(w, INPUT_CONNECTED);
}

static void a_fence_stands_until_the_routes_are_known_again(void **state)
{
	struct world *w = *state;

	fence_and_return(w);
	welcome(w);
	assert_int_equal(w->events[AGENT_UNFENCED], 0);
	assign(w, 7, 1, 4);
	assert_int_equal(w->events[AGENT_UNFENCED], 1);
	assert_int_equal(w->event.kind, AGENT_ASSIGNED); /* after it */
	assign(w, 8, 1, 5);
	assert_int_equal(w->events[AGENT_UNFENCED], 1);
}

static void a_fence_ends_when_there_is_nothing_behind_it(void **state)
{
	const struct message m = { .type = MESSAGE_WELCOME,
				   .welcome = { .state = NODE_RESERVE,
						.interval_us =
							INTERVAL_NS / NS_PER_US,
						.miss = MISS } };
	struct world *w = *state;

	fence_and_return(w);
	receive(w, &m);
	assert_int_equal(w->events[AGENT_UNFENCED], 1);
}

static void a_lost_connection_is_tried_again_with_growing_pauses(void **state)
{
	struct world *w = *state;
	uint64_t pause, longest = 0;

	input(w, INPUT_START);
	for (unsigned i = 0; i < 12; i++) {
		input(w, INPUT_DISCONNECTED);
		pause = agent_deadline(w->agent) - w->now;
		assert_true(pause <= AGENT_BACKOFF_MAX_NS);
		longest = pause > longest ? pause : longest;
		while (!find(w, ACTION_CONNECT))
			tick(w);
	}
	assert_true(longest >= AGENT_BACKOFF_MAX_NS / 2);
}

static void two_agents_do_not_retry_in_step(void **state)
{
	struct agent_conf conf = { .name = "b", .seed = 4711 };
	struct world *w = *state, other = { .now = w->now };

	other.agent = agent_new(&conf);
	input(w, INPUT_START);
	input(&other, INPUT_START);
	input(w, INPUT_DISCONNECTED);
	input(&other, INPUT_DISCONNECTED);
	assert_int_not_equal(agent_deadline(w->agent),
			     agent_deadline(other.agent));
	agent_free(other.agent);
}

static void a_gateway_that_does_not_greet_is_given_up(void **state)
{
	struct world *w = *state;

	input(w, INPUT_START);
	input(w, INPUT_CONNECTED);
	tick(w);
	assert_non_null(find(w, ACTION_CLOSE));
	assert_int_equal(w->now - NS_PER_S, AGENT_GREETING_NS);
}

static void a_refusal_is_told_and_retried_slowly(void **state)
{
	struct message m = { .type = MESSAGE_ERROR };
	struct world *w = *state;

	m.error.code = ERROR_NAME;
	strcpy(m.error.text, "not yours");
	input(w, INPUT_START);
	input(w, INPUT_CONNECTED);
	receive(w, &m);
	assert_int_equal(w->event.kind, AGENT_REFUSED);
	assert_string_equal(w->event.reason, "not yours");
	input(w, INPUT_DISCONNECTED);
	assert_true(agent_deadline(w->agent) - w->now >=
		    AGENT_BACKOFF_MAX_NS / 2);
}

static void moving_is_told_with_its_deadline(void **state)
{
	struct world *w = *state;

	move(w, 11, 500);
	assert_int_equal(w->event.kind, AGENT_MOVING);
	assert_int_equal(w->event.id, 11);
	assert_int_equal(w->event.deadline_ms, 500);
	assert_string_equal(w->event.reason, "join");
	assert_null(sent(w, MESSAGE_MOVED_OK));
}

static void the_consumers_word_ends_a_handover(void **state)
{
	struct agent_input done = { .type = INPUT_DONE, .id = 11 };
	struct world *w = *state;

	move(w, 11, 500);
	step(w, &(struct agent_input){ .type = INPUT_DONE, .id = 12 });
	assert_null(sent(w, MESSAGE_MOVED_OK));
	step(w, &done);
	assert_int_equal(sent(w, MESSAGE_MOVED_OK)->moved_ok.id, 11);
	assert_int_equal(w->event.kind, AGENT_MOVED);
	assert_int_equal(w->event.routes.ids[0], 3);
	step(w, &done);
	assert_null(sent(w, MESSAGE_MOVED_OK));
}

static void a_handover_is_answered_shortly_before_its_deadline(void **state)
{
	struct world *w = *state;
	uint64_t begun = w->now;

	move(w, 11, 500);
	while (!sent(w, MESSAGE_MOVED_OK))
		tick(w);
	assert_int_equal(w->now - begun, 450 * NS_PER_MS);
}

static void connections_are_ended_before_the_gateway_may_switch(void **state)
{
	struct world *w = *state;
	const struct agent_cut *cut;

	move(w, 11, 500);
	done(w, 11);
	assert_null(sent(w, MESSAGE_MOVED_OK));
	cut = &find(w, ACTION_CUT)->cut;
	assert_int_equal(cut->id, 11);
	assert_int_equal(cut->routes.count, 2);
	assert_int_equal(cut->doors.first[1], 9001);
	assert_int_equal(cut->gentle_ns, w->now + 50 * NS_PER_MS);
	done(w, 11);
	assert_int_equal(w->out.count, 0);
	cut_is_through(w, 11);
	assert_int_equal(sent(w, MESSAGE_MOVED_OK)->moved_ok.id, 11);
	cut_is_through(w, 11);
	assert_null(sent(w, MESSAGE_MOVED_OK));
}

static void a_slow_cut_hurries_and_then_is_left_to_the_gateway(void **state)
{
	struct world *w = *state;
	uint64_t begun = w->now;

	move(w, 11, 500);
	w->now += 400 * NS_PER_MS;
	acknowledge(w);
	done(w, 11);
	assert_non_null(find(w, ACTION_CUT));
	do {
		tick(w);
	} while (!find(w, ACTION_CUT));
	assert_int_equal(w->now - begun, 450 * NS_PER_MS);
	assert_int_equal(find(w, ACTION_CUT)->cut.gentle_ns, 0);
	while (!sent(w, MESSAGE_MOVED_OK))
		tick(w);
	assert_int_equal(w->now - begun, 500 * NS_PER_MS);
	assert_int_equal(find(w, ACTION_SPARE)->cut.id, 11);
}

static void nobody_heard_still_ends_connections_in_time(void **state)
{
	struct world *w = *state;
	uint64_t begun = w->now;

	move(w, 11, 500);
	while (!find(w, ACTION_CUT))
		tick(w);
	assert_int_equal(w->now - begun, 450 * NS_PER_MS);
	assert_null(sent(w, MESSAGE_MOVED_OK));
}

static void routes_that_stay_keep_their_connections(void **state)
{
	struct world *w = *state;

	move(w, 11, 500);
	stay(w, 4, 1);
	assert_int_equal(w->event.kind, AGENT_STAYS);
	done(w, 11);
	assert_int_equal(find(w, ACTION_CUT)->cut.routes.count, 1);
	assert_int_equal(find(w, ACTION_CUT)->cut.routes.ids[0], 3);
	stay(w, 3, 1);
	assert_int_equal(find(w, ACTION_SPARE)->cut.id, 11);
	cut_is_through(w, 11);
	assert_null(sent(w, MESSAGE_MOVED_OK));
}

static void a_move_called_off_is_not_answered(void **state)
{
	struct world *w = *state;
	uint64_t begun = w->now;

	move(w, 11, 500);
	stay(w, 3, 2);
	done(w, 11);
	while (w->now < begun + NS_PER_S) {
		assert_null(sent(w, MESSAGE_MOVED_OK));
		assert_null(find(w, ACTION_CUT));
		tick(w);
	}
}

static void a_lost_gateway_stops_what_ends_connections(void **state)
{
	struct world *w = *state;

	move(w, 11, 500);
	move(w, 12, 500);
	done(w, 11);
	input(w, INPUT_DISCONNECTED);
	assert_int_equal(find(w, ACTION_SPARE)->cut.id, 11);
	cut_is_through(w, 11);
	assert_null(sent(w, MESSAGE_MOVED_OK));
}

static void what_was_taken_by_force_is_ended_at_once(void **state)
{
	struct world *w = *state;

	move(w, 0, 0);
	assert_int_equal(w->event.kind, AGENT_MOVED);
	assert_int_equal(find(w, ACTION_CUT)->cut.routes.count, 2);
	assign(w, 6, 1, 0);
	assert_null(find(w, ACTION_SPARE));
	assign(w, 7, 3, 2); /* they are back */
	assert_int_equal(find(w, ACTION_SPARE)->cut.id, 0);
}

static void without_doors_it_answers_at_once(void **state)
{
	struct message m = { .type = MESSAGE_MOVING };
	struct world *w = *state;
	uint16_t ids[] = { 3 };

	m.moving.id = 11;
	m.moving.deadline_ms = 500;
	m.moving.routes = (struct route_set){ ids, 1 };
	receive(w, &m);
	done(w, 11);
	assert_null(find(w, ACTION_CUT));
	assert_int_equal(sent(w, MESSAGE_MOVED_OK)->moved_ok.id, 11);
}

static void many_handovers_end_in_one_step(void **state)
{
	struct world *w = *state;
	unsigned ok = 0;

	for (uint32_t id = 1; id <= AGENT_HANDOVERS_MAX; id++)
		move(w, id, 500);
	w->now += 460 * NS_PER_MS;
	acknowledge(w);
	input(w, INPUT_TICK);
	for (unsigned i = 0; i < w->out.count; i++) {
		const struct agent_action *a = &w->out.items[i];

		if (a->type == ACTION_EVENT && a->event.kind == AGENT_MOVED)
			assert_int_equal(a->event.routes.ids[1], 4);
		ok += a->type == ACTION_SEND &&
		      a->message.type == MESSAGE_MOVED_OK;
	}
	assert_int_equal(ok, AGENT_HANDOVERS_MAX);
}

static void one_handover_too_many_answers_the_oldest(void **state)
{
	struct world *w = *state;

	for (uint32_t id = 1; id <= AGENT_HANDOVERS_MAX; id++)
		move(w, id, 500);
	move(w, 99, 500);
	assert_int_equal(sent(w, MESSAGE_MOVED_OK)->moved_ok.id, 1);
}

static void a_forced_move_is_told_without_an_answer(void **state)
{
	struct world *w = *state;

	move(w, 0, 0);
	assert_int_equal(w->event.kind, AGENT_MOVED);
	assert_string_equal(w->event.reason, "loss");
	assert_null(sent(w, MESSAGE_MOVED_OK));
}

static void it_leaves_when_its_routes_are_gone(void **state)
{
	struct world *w = *state;

	input(w, INPUT_LEAVE);
	assert_non_null(sent(w, MESSAGE_GOODBYE));
	assert_null(find(w, ACTION_EXIT));
	tick(w);
	assert_non_null(sent(w, MESSAGE_BEAT)); /* it lives while it leaves */
	assign(w, 6, 1, 0);
	assert_non_null(find(w, ACTION_EXIT));
	assert_int_equal(agent_deadline(w->agent), TIME_NEVER);
}

static void it_leaves_after_five_seconds_in_any_case(void **state)
{
	struct world *w = *state;
	uint64_t begun = w->now;

	input(w, INPUT_LEAVE);
	while (!find(w, ACTION_EXIT))
		tick(w);
	assert_int_equal(w->now - begun, AGENT_LEAVE_NS);
}

static void asked_twice_it_leaves_at_once(void **state)
{
	struct world *w = *state;

	input(w, INPUT_LEAVE);
	assert_null(find(w, ACTION_EXIT));
	input(w, INPUT_LEAVE);
	assert_non_null(find(w, ACTION_EXIT));
}

static void it_leaves_when_the_gateway_hangs_up(void **state)
{
	struct world *w = *state;

	input(w, INPUT_LEAVE);
	input(w, INPUT_DISCONNECTED);
	assert_non_null(find(w, ACTION_EXIT));
}

static void without_a_gateway_it_leaves_at_once(void **state)
{
	struct world *w = *state;

	input(w, INPUT_START);
	input(w, INPUT_LEAVE);
	assert_non_null(find(w, ACTION_EXIT));
}

#define FRESH(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
#define CUTTING(fn) \
	cmocka_unit_test_setup_teardown(fn, set_up_cutting, tear_down)
#define SERVING(fn) \
	cmocka_unit_test_setup_teardown(fn, set_up_serving, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(it_connects_and_says_who_it_is),
		FRESH(before_it_is_started_it_does_nothing),
		FRESH(its_first_beat_follows_the_welcome),
		SERVING(another_welcome_changes_its_pace_and_nothing_else),
		SERVING(it_beats_once_an_interval),
		SERVING(late_beats_are_not_made_up_for),
		SERVING(beats_carry_the_version_it_applied),
		SERVING(a_failed_check_is_told_at_once),
		SERVING(a_good_check_waits_for_the_next_beat),
		SERVING(assigned_routes_are_told_and_confirmed),
		SERVING(a_silent_gateway_is_lost_after_miss_intervals),
		SERVING(past_its_lease_it_is_fenced),
		SERVING(lease_runs_from_the_greeting_until_a_beat_is_answered),
		SERVING(routes_that_come_late_are_not_believed_before_an_answer),
		SERVING(a_node_without_routes_has_nothing_to_be_fenced_from),
		SERVING(a_fence_stands_until_the_routes_are_known_again),
		SERVING(a_fence_ends_when_there_is_nothing_behind_it),
		SERVING(a_fence_is_lifted_by_an_answer),
		FRESH(a_lost_connection_is_tried_again_with_growing_pauses),
		FRESH(two_agents_do_not_retry_in_step),
		FRESH(a_gateway_that_does_not_greet_is_given_up),
		FRESH(a_refusal_is_told_and_retried_slowly),
		SERVING(moving_is_told_with_its_deadline),
		SERVING(the_consumers_word_ends_a_handover),
		SERVING(a_handover_is_answered_shortly_before_its_deadline),
		CUTTING(connections_are_ended_before_the_gateway_may_switch),
		CUTTING(a_slow_cut_hurries_and_then_is_left_to_the_gateway),
		CUTTING(nobody_heard_still_ends_connections_in_time),
		CUTTING(routes_that_stay_keep_their_connections),
		CUTTING(a_move_called_off_is_not_answered),
		CUTTING(a_lost_gateway_stops_what_ends_connections),
		CUTTING(what_was_taken_by_force_is_ended_at_once),
		CUTTING(without_doors_it_answers_at_once),
		SERVING(many_handovers_end_in_one_step),
		SERVING(one_handover_too_many_answers_the_oldest),
		SERVING(a_forced_move_is_told_without_an_answer),
		SERVING(it_leaves_when_its_routes_are_gone),
		SERVING(it_leaves_after_five_seconds_in_any_case),
		SERVING(asked_twice_it_leaves_at_once),
		SERVING(it_leaves_when_the_gateway_hangs_up),
		FRESH(without_a_gateway_it_leaves_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
