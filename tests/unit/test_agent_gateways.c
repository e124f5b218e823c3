// SPDX-License-Identifier: GPL-2.0-or-later
/* An agent of two gateways in this process: what one says or suffers is not
 * the other's. */
#include "door_fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/un.h>

#include "../../nodeagent/gateway.h"
#include "../../nodeagent/session.h"

#define TOO_LONG_S 10.

struct place {
	char dir[64], events[96], at[2][32], err[256];
	struct door door[2];
	struct options options;
	struct session *session;
	ev_timer too_long, pulse;
	int program; /* on the event socket */
	char heard[8192];
};

static void on_too_long(struct ev_loop *loop, ev_timer *t, int revents)
{
	fail_msg("what is waited for does not come");
}

static void on_pulse(struct ev_loop *loop, ev_timer *t, int revents)
{
}

/* Registers whoever comes; its routes are 1 to 3, or 3 to 5. */
static void answer(struct door *d, const struct message *m)
{
	static const uint16_t ids[] = { 1, 2, 3, 4, 5 };
	struct message w = { .type = MESSAGE_WELCOME };
	struct message a = { .type = MESSAGE_ASSIGNED };
	struct message ack = { .type = MESSAGE_BEAT_ACK };
	struct place *p = ev_userdata(d->loop);

	if (m->type == MESSAGE_BEAT) {
		ack.beat_ack.seq = m->beat.seq;
		door_say(d, &ack);
	}
	if (m->type != MESSAGE_HELLO)
		return;
	w.welcome = (struct message_welcome){ .state = NODE_ACTIVE,
					      .slot = 1,
					      .interval_us = 20000,
					      .miss = 100 };
	a.assigned.version = 5;
	a.assigned.routes =
		(struct route_set){ ids + (d == &p->door[1] ? 2 : 0), 3 };
	door_say(d, &w);
	door_say(d, &a);
}

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->dir, "/tmp/halo-gateways-XXXXXX");
	if (!mkdtemp(p->dir))
		return -1;
	ev_set_userdata(EV_DEFAULT, p);
	for (unsigned i = 0; i < 2; i++) {
		door_open(&p->door[i], EV_DEFAULT, INADDR_LOOPBACK);
		p->door[i].message = answer;
		snprintf(p->at[i], sizeof(p->at[i]), "127.0.0.1:%u",
			 p->door[i].port);
	}
	ev_timer_init(&p->too_long, on_too_long, TOO_LONG_S, 0.);
	ev_timer_start(EV_DEFAULT, &p->too_long);
	ev_timer_init(&p->pulse, on_pulse, .002, .002);
	ev_timer_start(EV_DEFAULT, &p->pulse);
	snprintf(p->events, sizeof(p->events), "%s/events", p->dir);
	p->options = (struct options){ .gateways = { p->at[0], p->at[1] },
				       .n_gateways = 2,
				       .events = p->events,
				       .name = "web-1",
				       .no_auth = true,
				       .no_end_sockets = true,
				       .log_level = LOG_LEVEL_ERROR };
	p->program = -1;
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;
	char command[96];

	ev_timer_stop(EV_DEFAULT, &p->too_long);
	ev_timer_stop(EV_DEFAULT, &p->pulse);
	door_close(&p->door[0]);
	door_close(&p->door[1]);
	if (p->program >= 0)
		close(p->program);
	snprintf(command, sizeof(command), "rm -r %s", p->dir);
	if (system(command))
		return -1;
	free(p);
	return 0;
}

static void listen_in(struct place *p)
{
	size_t len = strlen(p->heard);
	ssize_t n = recv(p->program, p->heard + len, sizeof(p->heard) - 1 - len,
			 MSG_DONTWAIT);

	if (n > 0)
		p->heard[len + (size_t)n] = 0;
}

#define WAIT_UNTIL(p, cond)                     \
	while (!(cond)) {                       \
		ev_run(EV_DEFAULT, EVRUN_ONCE); \
		if ((p)->program >= 0)          \
			listen_in(p);           \
	}

/* The agent runs; a program listens to its events. */
static void start(struct place *p)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (session_open(&p->session, EV_DEFAULT, &p->options, p->err,
			 sizeof(p->err)))
		fail_msg("%s", p->err);
	strcpy(at.sun_path, p->events);
	p->program = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		connect(p->program, (struct sockaddr *)&at, sizeof(at)), 0);
}

static void on_both_here(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct place *p = t->data;

	listen_in(p);
	if (p->door[0].got[MESSAGE_ASSIGNED_OK] &&
	    p->door[1].got[MESSAGE_ASSIGNED_OK]) {
		ev_timer_stop(loop, t);
		ev_break(loop, EVBREAK_ALL);
	}
}

/* session_run() returns at the break; what is stepped later is the loop's. */
static void run_until_both_are_served(struct place *p)
{
	ev_timer both;

	ev_timer_init(&both, on_both_here, .002, .002);
	both.data = p;
	ev_timer_start(EV_DEFAULT, &both);
	session_run(p->session);
	listen_in(p);
}

static void say_moving(struct door *d)
{
	static const uint16_t ids[] = { 3 };
	struct message m = { .type = MESSAGE_MOVING };

	m.moving.id = 1;
	m.moving.reason = MOVE_JOIN;
	m.moving.deadline_ms = 8000;
	m.moving.routes = (struct route_set){ ids, 1 };
	m.moving.doors = (struct door_ports){ 1, { 8001 } };
	door_say(d, &m);
}

static void events_say_of_which_gateway_they_are(void **state)
{
	struct place *p = *state;
	char text[128];

	start(p);
	run_until_both_are_served(p);
	snprintf(text, sizeof(text),
		 "\"gateway\":\"%s\",\"version\":5,\"routes\":[[1,3]]",
		 p->at[0]);
	WAIT_UNTIL(p, strstr(p->heard, text));
	snprintf(text, sizeof(text),
		 "\"gateway\":\"%s\",\"version\":5,\"routes\":[[3,5]]",
		 p->at[1]);
	WAIT_UNTIL(p, strstr(p->heard, text));
	session_free(p->session);
}

static void who_comes_later_hears_the_routes_of_each(void **state)
{
	struct place *p = *state;
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	start(p);
	run_until_both_are_served(p);
	close(p->program);
	p->program = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strcpy(at.sun_path, p->events);
	assert_int_equal(
		connect(p->program, (struct sockaddr *)&at, sizeof(at)), 0);
	*p->heard = 0;
	WAIT_UNTIL(p, strstr(p->heard, p->at[0]) && strstr(p->heard, p->at[1]));
	session_free(p->session);
}

/* Both count their handovers from 1. */
static void an_answer_ends_the_handover_of_one_gateway(void **state)
{
	static const char done[] = "{\"done\":4294967297}\n";
	struct place *p = *state;

	start(p);
	run_until_both_are_served(p);
	say_moving(&p->door[0]);
	say_moving(&p->door[1]);
	WAIT_UNTIL(p, strstr(p->heard, "\"id\":1,") &&
			      strstr(p->heard, "\"id\":4294967297,"));
	assert_int_equal(send(p->program, done, strlen(done), 0),
			 (ssize_t)strlen(done));
	WAIT_UNTIL(p, p->door[1].got[MESSAGE_MOVED_OK]);
	assert_int_equal(p->door[0].got[MESSAGE_MOVED_OK], 0);
	session_free(p->session);
}

static void a_gateway_that_is_lost_is_not_missed_by_the_other(void **state)
{
	struct place *p = *state;
	unsigned beats;

	start(p);
	run_until_both_are_served(p);
	door_close(&p->door[0]);
	WAIT_UNTIL(p, strstr(p->heard, "gateway-lost"));
	beats = p->door[1].got[MESSAGE_BEAT];
	WAIT_UNTIL(p, p->door[1].got[MESSAGE_BEAT] >= beats + 3);
	assert_int_equal(p->door[1].accepted, 1);
	session_free(p->session);
}

static void on_goodbye(struct door *d, const struct message *m)
{
	static const struct message nothing = { .type = MESSAGE_ASSIGNED };

	answer(d, m);
	if (m->type == MESSAGE_GOODBYE)
		door_say(d, &nothing);
}

static void it_says_goodbye_to_all(void **state)
{
	struct place *p = *state;

	start(p);
	run_until_both_are_served(p);
	p->door[0].message = p->door[1].message = on_goodbye;
	raise(SIGTERM);
	ev_run(EV_DEFAULT, 0); /* until it has left */
	assert_int_equal(p->door[0].got[MESSAGE_GOODBYE], 1);
	assert_int_equal(p->door[1].got[MESSAGE_GOODBYE], 1);
	session_free(p->session);
}

struct lone {
	struct gateway *gateway;
	unsigned asked, pace;
	uint16_t port, route;
};

static void on_event(void *arg, struct gateway *g, const struct agent_event *e)
{
	if (e->kind == AGENT_MOVING)
		gateway_done(g, e->id);
}

static void on_pace(void *arg)
{
	struct lone *l = arg;

	l->pace++;
}

static bool on_shared(void *arg, const struct gateway *g, uint16_t port,
		      uint16_t route)
{
	struct lone *l = arg;

	l->asked++;
	l->port = port;
	l->route = route;
	return true;
}

static void on_gone(void *arg)
{
}

static void doors_that_another_has_are_left_to_the_gateway(void **state)
{
	struct place *p = *state;
	struct lone l = { 0 };
	const struct gateway_handler h = { on_event, on_pace, on_shared,
					   on_gone, &l };
	const struct gateway_conf conf = { .at = p->at[0],
					   .cuts = true,
					   .options = &p->options };

	assert_int_equal(gateway_open(&l.gateway, EV_DEFAULT, &conf, &h), 0);
	gateway_start(l.gateway);
	WAIT_UNTIL(p, p->door[0].got[MESSAGE_ASSIGNED_OK]);
	assert_int_equal(gateway_interval_ns(l.gateway), 20 * NS_PER_MS);
	assert_int_equal(l.pace, 1);
	/* its doors are not known yet: a route is one at any port */
	assert_true(gateway_serves(l.gateway, 9003, 3));
	assert_false(gateway_serves(l.gateway, 9004, 4));
	say_moving(&p->door[0]);
	WAIT_UNTIL(p, p->door[0].got[MESSAGE_MOVED_OK]);
	assert_int_equal(l.asked, 1);
	assert_int_equal(l.port, 8003);
	assert_int_equal(l.route, 3);
	assert_false(gateway_serves(l.gateway, 9003, 3));
	assert_true(gateway_serves(l.gateway, 8003, 4));
	assert_false(gateway_serves(l.gateway, 8004, 4));
	gateway_free(l.gateway);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(events_say_of_which_gateway_they_are),
		T(who_comes_later_hears_the_routes_of_each),
		T(an_answer_ends_the_handover_of_one_gateway),
		T(a_gateway_that_is_lost_is_not_missed_by_the_other),
		T(it_says_goodbye_to_all),
		T(doors_that_another_has_are_left_to_the_gateway),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
