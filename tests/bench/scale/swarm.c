// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Thousands of agents in one process: the real agent (nodeagent/agent.c, its
 * link and TLS) without checks, events and commands. It does what lines on
 * stdin say and answers each by one line on stdout:
 *
 *   join SECONDS     all connect at once; joined=N ms=…
 *   stay SECONDS     beats only; beats=… acks=… lost=… gap_ms=… late_ms=…
 *   silence N SECONDS  N of them, evenly spread, fall silent; what the others
 *                    are told of it
 *   park             from now on whoever loses its gateway waits for `join`
 *
 * swarm GATEWAY KEY_FILE NAME_PREFIX COUNT; agent i is PREFIX<i> and claims
 * 198.19.x.y from 198.19.16.0 on. Not a load of packets: that is halo_load.
 */
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "io/clock.h"
#include "io/keys.h"
#include "io/tls.h"
#include "../../../nodeagent/agent.h"
#include "../../../nodeagent/link.h"

#define MEMBERS_MAX 4096
#define SLACK_NS    (200 * NS_PER_US) /* beats sent by one wake-up */
#define QUIET_NS    (500 * NS_PER_MS) /* nothing was told for so long: all was */

struct swarm;

struct member {
	struct swarm *swarm;
	struct agent *agent;
	struct link *link;
	struct tls *tls;
	uint64_t due_ns;
	uint64_t pace_ns;
	uint64_t sent_ns, acked_ns; /* beats */
	unsigned miss, routes;
	bool up, silent;
};

enum task { TASK_NONE, TASK_JOIN, TASK_STAY, TASK_SILENCE };

struct swarm {
	struct ev_loop *loop;
	struct member *members;
	unsigned count, up, silent;
	bool parked;
	struct clock_timer beat, limit;
	ev_io commands;
	char line[64];
	unsigned line_len;
	struct agent_actions actions;

	enum task task;
	uint64_t begun_ns, end_ns;
	uint64_t beats, acks, gap_ns, late_ns;
	uint64_t dead_ns; /* silence: the last of them is due to be lost */
	uint64_t told_ns; /* … the last message about routes */
	unsigned lost, refused, told;
};

static void finish(struct swarm *s, const char *answer)
{
	s->task = TASK_NONE;
	clock_timer_set(&s->limit, TIME_NEVER);
	puts(answer);
	fflush(stdout);
}

static double ms_between(uint64_t from_ns, uint64_t to_ns)
{
	return ((double)to_ns - (double)from_ns) / NS_PER_MS;
}

static void report_join(struct swarm *s, uint64_t now)
{
	char answer[128];

	snprintf(answer, sizeof(answer), "joined=%u ms=%.1f refused=%u", s->up,
		 ms_between(s->begun_ns, now), s->refused);
	finish(s, answer);
}

static void report_stay(struct swarm *s)
{
	char answer[192];

	snprintf(answer, sizeof(answer),
		 "up=%u beats=%llu acks=%llu lost=%u refused=%u gap_ms=%.1f "
		 "late_ms=%.1f",
		 s->up, (unsigned long long)s->beats,
		 (unsigned long long)s->acks, s->lost, s->refused,
		 (double)s->gap_ns / NS_PER_MS, (double)s->late_ns / NS_PER_MS);
	finish(s, answer);
}

static void report_silence(struct swarm *s)
{
	unsigned routes = 0;
	char answer[128];

	for (unsigned i = 0; i < s->count; i++)
		routes += s->members[i].silent ? 0 : s->members[i].routes;
	snprintf(answer, sizeof(answer),
		 "told=%u routes=%u lost=%u after_ms=%.1f", s->told, routes,
		 s->lost, ms_between(s->dead_ns, s->told_ns));
	finish(s, answer);
}

static void on_limit(void *arg)
{
	struct swarm *s = arg;
	uint64_t now = clock_monotonic_ns();

	if (s->task == TASK_JOIN)
		report_join(s, now);
	else if (s->task == TASK_STAY)
		report_stay(s);
	else if (now >= s->end_ns ||
		 (s->told_ns > s->dead_ns && now - s->told_ns >= QUIET_NS))
		report_silence(s);
	else
		clock_timer_set(&s->limit, now + QUIET_NS / 10);
}

static void set_up(struct member *m, bool up)
{
	struct swarm *s = m->swarm;

	if (m->up == up)
		return;
	m->up = up;
	s->up += up ? 1 : -1u;
	s->lost += !up && !m->silent;
	if (up && s->up == s->count && s->task == TASK_JOIN)
		report_join(s, clock_monotonic_ns());
}

static void step(struct member *m, const struct agent_input *in);

static void take_event(struct member *m, const struct agent_event *e)
{
	struct swarm *s = m->swarm;

	switch (e->kind) {
	case AGENT_WELCOME:
		m->acked_ns = clock_monotonic_ns();
		set_up(m, true);
		break;
	case AGENT_GATEWAY_LOST:
		set_up(m, false);
		break;
	case AGENT_REFUSED:
		s->refused++;
		break;
	case AGENT_ASSIGNED:
		m->routes = e->routes.count;
		break;
	default:
		break;
	}
}

static void send_message(struct member *m, const struct message *message)
{
	uint64_t now = clock_monotonic_ns();

	if (message->type == MESSAGE_BEAT) {
		m->swarm->beats++;
		m->sent_ns = now;
	}
	link_send(m->link, message);
}

static void apply(struct member *m, const struct agent_action *action)
{
	switch (action->type) {
	case ACTION_CONNECT:
		link_connect(m->link);
		break;
	case ACTION_SEND:
		send_message(m, &action->message);
		break;
	case ACTION_CLOSE:
		link_close(m->link);
		break;
	case ACTION_EVENT:
		take_event(m, &action->event);
		break;
	case ACTION_PACE:
		m->pace_ns = action->interval_ns;
		break;
	default: /* it cuts nothing and never leaves */
		break;
	}
}

/* The id of a handover that nobody has to be told of, or 0. */
static uint32_t handover_of(const struct agent_actions *actions)
{
	for (unsigned i = 0; i < actions->count; i++)
		if (actions->items[i].type == ACTION_EVENT &&
		    actions->items[i].event.kind == AGENT_MOVING)
			return actions->items[i].event.id;
	return 0;
}

static void step(struct member *m, const struct agent_input *in)
{
	struct swarm *s = m->swarm;
	struct agent_input done = { .type = INPUT_DONE };

	agent_step(m->agent, in, clock_monotonic_ns(), &s->actions);
	for (unsigned i = 0; i < s->actions.count; i++)
		apply(m, &s->actions.items[i]);
	done.id = handover_of(&s->actions);
	if (done.id)
		step(m, &done);
	m->due_ns = m->silent || (s->parked && !m->up)
			    ? TIME_NEVER
			    : agent_deadline(m->agent);
	if (m->due_ns < s->beat.armed_ns)
		clock_timer_advance(&s->beat, m->due_ns);
}

static void step_simple(struct member *m, enum agent_input_type type)
{
	step(m, &(struct agent_input){ .type = type });
}

static void on_connected(void *arg)
{
	step_simple(arg, INPUT_CONNECTED);
}

static void note_ack(struct member *m, uint64_t now)
{
	struct swarm *s = m->swarm;

	s->acks++;
	if (now - m->acked_ns > s->gap_ns)
		s->gap_ns = now - m->acked_ns;
	m->acked_ns = now;
}

static void on_message(void *arg, const struct message *message)
{
	struct member *m = arg;
	uint64_t now = clock_monotonic_ns();

	if (m->silent)
		return;
	if (message->type == MESSAGE_BEAT_ACK)
		note_ack(m, now);
	if (message->type == MESSAGE_WELCOME)
		m->miss = message->welcome.miss;
	if (message->type == MESSAGE_ASSIGNED) {
		m->swarm->told++;
		m->swarm->told_ns = now;
	}
	step(m, &(struct agent_input){ .type = INPUT_MESSAGE,
				       .message = message });
}

static void on_closed(void *arg, const char *why)
{
	struct member *m = arg;

	set_up(m, false);
	step_simple(m, INPUT_DISCONNECTED);
}

/* As the agent does: an answer may be waiting to be read. */
static void tick(struct member *m, uint64_t now)
{
	struct swarm *s = m->swarm;

	if (m->up && now - m->due_ns > s->late_ns)
		s->late_ns = now - m->due_ns;
	if (m->up && now - m->acked_ns > m->pace_ns * 3 / 2)
		link_drain(m->link);
	step_simple(m, INPUT_TICK);
}

static void on_beat(void *arg)
{
	struct swarm *s = arg;
	uint64_t now = clock_monotonic_ns(), next = TIME_NEVER;

	s->beat.armed_ns = 0; /* set below, once */
	for (unsigned i = 0; i < s->count; i++)
		if (s->members[i].due_ns <= now)
			tick(&s->members[i], now);
	for (unsigned i = 0; i < s->count; i++)
		if (s->members[i].due_ns < next)
			next = s->members[i].due_ns;
	now = clock_monotonic_ns();
	clock_timer_set(&s->beat,
			next < now + SLACK_NS ? now + SLACK_NS : next);
}

static void begin(struct swarm *s, enum task task, unsigned seconds)
{
	s->task = task;
	s->begun_ns = clock_monotonic_ns();
	s->end_ns = s->begun_ns + seconds * NS_PER_S;
	s->beats = s->acks = s->gap_ns = s->late_ns = 0;
	s->lost = s->refused = s->told = 0;
	clock_timer_set(&s->limit, s->end_ns);
}

static void join(struct swarm *s, unsigned seconds)
{
	begin(s, TASK_JOIN, seconds);
	s->parked = false;
	for (unsigned i = 0; i < s->count; i++)
		if (!s->members[i].up)
			step_simple(&s->members[i], INPUT_START);
	if (s->up == s->count)
		report_join(s, s->begun_ns);
}

static void silence(struct swarm *s, unsigned n, unsigned seconds)
{
	begin(s, TASK_SILENCE, seconds);
	s->dead_ns = s->told_ns = 0;
	for (unsigned i = 0; i < s->count; i++) {
		struct member *m = &s->members[i];
		uint64_t due = m->sent_ns + m->miss * m->pace_ns;

		if (i * n / s->count == (i + 1) * n / s->count)
			continue;
		m->silent = true;
		m->due_ns = TIME_NEVER;
		if (due > s->dead_ns)
			s->dead_ns = due;
	}
	clock_timer_set(&s->limit, s->dead_ns + QUIET_NS / 10);
}

static void obey(struct swarm *s, const char *line)
{
	unsigned n, seconds;

	if (sscanf(line, "join %u", &seconds) == 1) {
		join(s, seconds);
	} else if (sscanf(line, "stay %u", &seconds) == 1) {
		begin(s, TASK_STAY, seconds);
	} else if (sscanf(line, "silence %u %u", &n, &seconds) == 2) {
		silence(s, n, seconds);
	} else if (!strcmp(line, "park")) {
		s->parked = true;
		finish(s, "parked");
	} else {
		finish(s, "what?");
	}
}

static void on_commands(struct ev_loop *loop, ev_io *io, int revents)
{
	struct swarm *s = io->data;
	char c;

	if (read(STDIN_FILENO, &c, 1) != 1) {
		ev_break(loop, EVBREAK_ALL);
	} else if (c == '\n') {
		s->line[s->line_len] = 0;
		s->line_len = 0;
		obey(s, s->line);
	} else if (s->line_len + 1 < sizeof(s->line)) {
		s->line[s->line_len++] = c;
	}
}

static int open_member(struct swarm *s, unsigned i, char **argv,
		       const uint8_t key[KEY_LEN])
{
	const struct link_handler handler = { on_connected, on_message,
					      on_closed, &s->members[i] };
	const uint8_t addr[4] = { 198, 19, (uint8_t)(16 + i / 250),
				  (uint8_t)(1 + i % 250) };
	struct agent_conf conf = { .instance = i + 1, .seed = i + 1 };
	struct member *m = &s->members[i];

	snprintf(conf.name, sizeof(conf.name), "%s%u", argv[3], i);
	conf.addr[FAMILY_V4] = addr_v4(addr);
	m->swarm = s;
	m->due_ns = TIME_NEVER;
	if (tls_new_client(&m->tls, conf.name, key))
		return -1;
	m->agent = agent_new(&conf);
	m->link = link_new(s->loop, argv[1], m->tls, &handler);
	return m->agent && m->link ? 0 : -1;
}

static int open_swarm(struct swarm *s, char **argv)
{
	uint8_t key[KEY_LEN];
	char err[256] = "out of memory";

	s->count = (unsigned)atoi(argv[4]);
	s->loop = ev_default_loop(0);
	s->members = calloc(MEMBERS_MAX, sizeof(*s->members));
	if (!s->members || s->count > MEMBERS_MAX ||
	    key_read_file(key, argv[2], err, sizeof(err)) ||
	    clock_timer_init(&s->beat, s->loop, on_beat, s) ||
	    clock_timer_init(&s->limit, s->loop, on_limit, s)) {
		fprintf(stderr, "swarm: %s\n", err);
		return -1;
	}
	for (unsigned i = 0; i < s->count; i++)
		if (open_member(s, i, argv, key))
			return -1;
	ev_io_init(&s->commands, on_commands, STDIN_FILENO, EV_READ);
	s->commands.data = s;
	ev_io_start(s->loop, &s->commands);
	return 0;
}

int main(int argc, char **argv)
{
	static struct swarm s;

	if (argc != 5) {
		fputs("usage: swarm GATEWAY KEY_FILE NAME_PREFIX COUNT\n",
		      stderr);
		return 2;
	}
	log_set_level(LOG_LEVEL_ERROR);
	if (open_swarm(&s, argv))
		return 1;
	ev_run(s.loop, 0);
	return 0;
}
