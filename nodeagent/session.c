// SPDX-License-Identifier: GPL-2.0-or-later
#include "session.h"

#include <cap-ng.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "agent.h"
#include "base/log.h"
#include "command.h"
#include "cutter.h"
#include "event_json.h"
#include "events.h"
#include "io/clock.h"
#include "io/keys.h"
#include "io/notify.h"
#include "io/realtime.h"
#include "io/tls.h"
#include "link.h"

#define REALTIME_PRIORITY 40
/* For the first results of the checks: a node whose server is down should say
 * so in its HELLO, not be given routes and then lose them. */
#define FIRST_CHECKS_S 2.

struct session {
	struct ev_loop *loop;
	const struct options *options;
	struct agent *agent;
	struct tls *tls;
	struct link *link;
	struct checks *checks;
	struct events *events;
	struct command *command;
	struct cutter *cutter; /* NULL: connections are not ended here */
	struct clock_timer timer;
	ev_signal term, interrupt;
	ev_timer start;
	struct notify notify; /* the service manager */
	ev_timer alive;
	bool stepping;
	unsigned n_done; /* handovers to finish after this step */
	uint32_t done[AGENT_HANDOVERS_MAX];
	struct agent_actions actions;
};

static void step(struct session *s, const struct agent_input *in);

static void step_simple(struct session *s, enum agent_input_type type)
{
	step(s, &(struct agent_input){ .type = type });
}

/* Within a step it waits for its end; one too many is answered at its
 * deadline. */
static void step_done(struct session *s, uint32_t id)
{
	if (!s->stepping)
		step(s, &(struct agent_input){ .type = INPUT_DONE, .id = id });
	else if (s->n_done < ARRAY_SIZE(s->done))
		s->done[s->n_done++] = id;
}

static bool is_bad_news(enum agent_event_kind kind)
{
	return kind == AGENT_FENCED || kind == AGENT_GATEWAY_LOST ||
	       kind == AGENT_REFUSED;
}

static void log_agent_event(const struct agent_event *e)
{
	char routes[200];

	route_set_format(&e->routes, routes, sizeof(routes));
	log_event(is_bad_news(e->kind) ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
		  agent_event_name(e->kind), "version=%llu%s%s%s%s%s",
		  (unsigned long long)e->version, *routes ? " routes=" : "",
		  routes, *e->reason ? " reason=\"" : "", e->reason,
		  *e->reason ? "\"" : "");
}

/* Whether nobody is there who will say that the clients were told. */
static bool nobody_answers(const struct session *s)
{
	return !s->command && !events_clients(s->events);
}

static void tell_node(struct session *s, const struct agent_event *e)
{
	char *json = event_json(e, s->options->name, clock_wall_ms());
	const char *name = agent_event_name(e->kind);
	uint32_t id = e->kind == AGENT_MOVING ? e->id : 0;
	bool alone = nobody_answers(s);

	log_agent_event(e);
	notify_status(&s->notify, "%s, %u routes%s%s",
		      agent_event_name(e->kind), e->routes.count,
		      *e->reason ? ": " : "", e->reason);
	if (!json) {
		log_error("event lost", "event=%s why=\"out of memory\"", name);
		return;
	}
	events_publish(s->events, json, e->kind == AGENT_ASSIGNED);
	if (s->command)
		command_run(s->command, name, json, id);
	free(json);
	if (id && alone)
		step_done(s, id);
}

/* Where the gateway reaches the node. */
static void set_local(const struct session *s, struct cut *cut)
{
	struct addr from = link_local_addr(s->link);

	memcpy(cut->local, s->options->addr, sizeof(cut->local));
	if (!addr_is_set(&cut->local[FAMILY_V4]) &&
	    !addr_is_set(&cut->local[FAMILY_V6]))
		cut->local[from.af == AF_INET6 ? FAMILY_V6 : FAMILY_V4] = from;
}

static void begin_cut(struct session *s, const struct agent_cut *what)
{
	struct cut cut = { .id = what->id,
			   .routes = what->routes,
			   .doors = what->doors,
			   .gentle_ns = what->gentle_ns };

	set_local(s, &cut);
	cutter_begin(s->cutter, &cut);
}

static void apply(struct session *s, const struct agent_action *action)
{
	switch (action->type) {
	case ACTION_CONNECT:
		link_connect(s->link);
		break;
	case ACTION_SEND:
		link_send(s->link, &action->message);
		break;
	case ACTION_CLOSE:
		link_close(s->link);
		break;
	case ACTION_EVENT:
		tell_node(s, &action->event);
		break;
	case ACTION_PACE:
		checks_pace(s->checks, action->interval_ns);
		break;
	case ACTION_CUT:
		begin_cut(s, &action->cut);
		break;
	case ACTION_SPARE:
		cutter_cancel(s->cutter, action->cut.id);
		break;
	case ACTION_EXIT:
		ev_break(s->loop, EVBREAK_ALL);
		break;
	}
}

static void step(struct session *s, const struct agent_input *in)
{
	s->stepping = true;
	agent_step(s->agent, in, clock_monotonic_ns(), &s->actions);
	for (unsigned i = 0; i < s->actions.count; i++)
		apply(s, &s->actions.items[i]);
	s->stepping = false;
	if (s->n_done)
		step_done(s, s->done[--s->n_done]);
	else
		clock_timer_set(&s->timer, agent_deadline(s->agent));
}

static void on_timer(void *arg)
{
	struct session *s = arg;

	link_drain(s->link); /* an answer may be waiting to be read */
	step_simple(s, INPUT_TICK);
}

static void on_connected(void *arg)
{
	step_simple(arg, INPUT_CONNECTED);
}

static void on_message(void *arg, const struct message *m)
{
	step(arg, &(struct agent_input){ .type = INPUT_MESSAGE, .message = m });
}

static void on_closed(void *arg, const char *why)
{
	struct session *s = arg;

	log_warn("gateway connection ended", "gateway=%s why=\"%s\"",
		 s->options->gateway, why);
	step_simple(s, INPUT_DISCONNECTED);
}

static void on_start(struct ev_loop *loop, ev_timer *timer, int revents)
{
	step_simple(timer->data, INPUT_START);
}

static void on_health(void *arg, enum node_health health)
{
	struct session *s = arg;

	step(s,
	     &(struct agent_input){ .type = INPUT_HEALTH, .health = health });
	if (!ev_is_active(&s->start))
		return;
	ev_timer_stop(s->loop, &s->start);
	step_simple(s, INPUT_START);
}

static void on_events_line(void *arg, const char *line)
{
	uint32_t id;

	if (event_json_parse_done(line, &id))
		log_warn("events line not understood", "allowed={\"done\":ID}");
	else
		step_done(arg, id);
}

/* Servers on the socket are the better witness; without one the command is. */
static void on_command_done(void *arg, uint32_t id)
{
	struct session *s = arg;

	if (id && !events_clients(s->events))
		step_done(s, id);
}

static void on_cut(void *arg, uint32_t id)
{
	step(arg, &(struct agent_input){ .type = INPUT_CUT, .id = id });
}

static void on_signal(struct ev_loop *loop, ev_signal *signal, int revents)
{
	struct session *s = signal->data;

	notify_stopping(&s->notify);
	step_simple(s, INPUT_LEAVE);
}

static int open_agent(struct session *s)
{
	struct agent_conf conf = { .wish = s->options->wish,
				   .cuts = s->cutter };
	uint64_t drawn[2];

	if (getrandom(drawn, sizeof(drawn), 0) != sizeof(drawn))
		return -EIO;
	conf.instance = drawn[0];
	conf.seed = drawn[1];
	memcpy(conf.name, s->options->name, sizeof(conf.name));
	memcpy(conf.addr, s->options->addr, sizeof(conf.addr));
	s->agent = agent_new(&conf);
	return s->agent ? 0 : -ENOMEM;
}

static int open_tls(struct session *s, char *err, unsigned err_size)
{
	uint8_t key[KEY_LEN];
	int ret;

	if (s->options->no_auth)
		return 0;
	ret = key_read_file(key, s->options->key, err, err_size);
	if (!ret)
		ret = tls_new_client(&s->tls, s->options->name, key);
	explicit_bzero(key, sizeof(key));
	return ret;
}

static int open_link(struct session *s)
{
	const struct link_handler handler = { on_connected, on_message,
					      on_closed, s };

	s->link = link_new(s->loop, s->options->gateway, s->tls, &handler);
	return s->link ? 0 : -ENOMEM;
}

static bool may_end_sockets(void)
{
	return !capng_get_caps_process() &&
	       capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN);
}

static int open_cutter(struct session *s)
{
	if (s->options->no_end_sockets)
		return 0;
	if (may_end_sockets())
		return cutter_new(&s->cutter, s->loop, on_cut, s);
	log_warn("connections of moved routes are not ended here",
		 "try=\"CAP_NET_ADMIN, or --no-end-sockets\" "
		 "instead=\"the gateway resets them\"");
	return 0;
}

static int open_command(struct session *s)
{
	if (!s->options->on_event)
		return 0;
	s->command =
		command_new(s->loop, s->options->on_event, on_command_done, s);
	return s->command ? 0 : -ENOMEM;
}

static void on_alive(struct ev_loop *loop, ev_timer *timer, int revents)
{
	const struct session *s = timer->data;

	notify_alive(&s->notify);
}

static void start_watchdog(struct session *s)
{
	double every = (double)s->notify.watchdog_ns / NS_PER_S;

	ev_timer_init(&s->alive, on_alive, every, every);
	s->alive.data = s;
	if (every > 0.)
		ev_timer_start(s->loop, &s->alive);
}

static void watch_signals(struct session *s)
{
	ev_signal_init(&s->term, on_signal, SIGTERM);
	ev_signal_init(&s->interrupt, on_signal, SIGINT);
	s->term.data = s->interrupt.data = s;
	ev_signal_start(s->loop, &s->term);
	ev_signal_start(s->loop, &s->interrupt);
}

static void enter_realtime(void)
{
	int ret = realtime_enter(REALTIME_PRIORITY);

	if (!ret)
		ret = realtime_lock_memory();
	if (ret)
		log_warn("no real-time scheduling",
			 "error=\"%s\" needs=CAP_SYS_NICE,CAP_IPC_LOCK",
			 strerror(-ret));
}

static int open_parts(struct session *s, char *err, unsigned err_size)
{
	const struct options *o = s->options;
	int ret = open_cutter(s);

	if (!ret)
		ret = open_agent(s);
	if (!ret)
		ret = open_tls(s, err, err_size);
	if (!ret)
		ret = open_link(s);
	if (!ret)
		ret = events_open(&s->events, s->loop, o->events,
				  on_events_line, s, err, err_size);
	if (!ret)
		ret = open_command(s);
	if (!ret)
		ret = checks_new(&s->checks, s->loop, o->checks, o->n_checks,
				 on_health, s);
	return ret;
}

int session_open(struct session **out, struct ev_loop *loop,
		 const struct options *o, char *err, unsigned err_size)
{
	struct session *s = calloc(1, sizeof(*s));
	int ret;

	*err = 0;
	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->options = o;
	s->notify.fd = -1;
	ret = clock_timer_init(&s->timer, loop, on_timer, s);
	if (ret) {
		free(s);
		return ret;
	}
	ret = open_parts(s, err, err_size);
	if (ret) {
		if (!*err)
			snprintf(err, err_size, "%s", strerror(-ret));
		session_free(s);
		return ret;
	}
	watch_signals(s);
	notify_init(&s->notify);
	start_watchdog(s);
	if (o->realtime)
		enter_realtime();
	*out = s;
	return 0;
}

void session_run(struct session *s)
{
	ev_timer_init(&s->start, on_start,
		      s->options->n_checks ? FIRST_CHECKS_S : 0., 0.);
	s->start.data = s;
	ev_timer_start(s->loop, &s->start);
	notify_ready(&s->notify);
	ev_run(s->loop, 0);
	ev_timer_stop(s->loop, &s->start);
}

void session_free(struct session *s)
{
	if (!s)
		return;
	checks_free(s->checks);
	cutter_free(s->cutter);
	command_free(s->command);
	events_free(s->events);
	link_free(s->link);
	tls_free(s->tls);
	agent_free(s->agent);
	ev_timer_stop(s->loop, &s->alive);
	notify_fini(&s->notify);
	ev_signal_stop(s->loop, &s->term);
	ev_signal_stop(s->loop, &s->interrupt);
	clock_timer_fini(&s->timer);
	free(s);
}
