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
#include "event_json.h"
#include "events.h"
#include "gateway.h"
#include "io/clock.h"
#include "io/keys.h"
#include "io/notify.h"
#include "io/realtime.h"
#include "io/tls.h"

#define REALTIME_PRIORITY 40
/* For the first results of the checks: a node whose server is down should say
 * so in its HELLO, not be given routes and then lose them. */
#define FIRST_CHECKS_S 2.

struct session {
	struct ev_loop *loop;
	const struct options *options;
	struct tls *tls;
	unsigned n_gateways, n_left; /* all, and those that were left */
	struct gateway *gateways[GATEWAYS_MAX];
	struct checks *checks;
	struct events *events;
	struct command *command;
	ev_signal term, interrupt;
	ev_timer start;
	struct notify notify; /* the service manager */
	ev_timer alive;
};

static bool is_bad_news(enum agent_event_kind kind)
{
	return kind == AGENT_FENCED || kind == AGENT_GATEWAY_LOST ||
	       kind == AGENT_REFUSED;
}

static void log_agent_event(const struct gateway *g,
			    const struct agent_event *e)
{
	char routes[200];

	route_set_format(&e->routes, routes, sizeof(routes));
	log_event(is_bad_news(e->kind) ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
		  agent_event_name(e->kind),
		  "gateway=%s version=%llu%s%s%s%s%s", gateway_name(g),
		  (unsigned long long)e->version, *routes ? " routes=" : "",
		  routes, *e->reason ? " reason=\"" : "", e->reason,
		  *e->reason ? "\"" : "");
}

/* Whether nobody is there who will say that the clients were told. */
static bool nobody_answers(const struct session *s)
{
	return !s->command && !events_clients(s->events);
}

/* Ids are the gateways' own; the node's programs hear of one for each. */
static uint64_t id_of(const struct gateway *g, uint32_t id)
{
	return id ? (uint64_t)gateway_index(g) << 32 | id : 0;
}

static void finish(struct session *s, uint64_t id)
{
	if (id >> 32 < s->n_gateways)
		gateway_done(s->gateways[id >> 32], (uint32_t)id);
}

static void tell_manager(struct session *s, const struct gateway *g,
			 const struct agent_event *e)
{
	bool one = s->n_gateways == 1;

	notify_status(&s->notify, "%s%s%s, %u routes%s%s",
		      one ? "" : gateway_name(g), one ? "" : ": ",
		      agent_event_name(e->kind), e->routes.count,
		      *e->reason ? ": " : "", e->reason);
}

static void tell_node(void *arg, struct gateway *g, const struct agent_event *e)
{
	struct session *s = arg;
	const struct event_origin from = { s->options->name, gateway_name(g),
					   id_of(g, e->id) };
	char *json = event_json(e, &from, clock_wall_ms());
	const char *name = agent_event_name(e->kind);
	bool alone = nobody_answers(s), moving = e->kind == AGENT_MOVING;

	log_agent_event(g, e);
	tell_manager(s, g, e);
	if (!json) {
		log_error("event lost", "event=%s why=\"out of memory\"", name);
		return;
	}
	events_publish(s->events, json,
		       e->kind == AGENT_ASSIGNED ? (int)gateway_index(g)
						 : EVENTS_PASSING);
	if (s->command)
		command_run(s->command, name, json, moving ? from.id : 0);
	free(json);
	if (moving && alone)
		finish(s, from.id);
}

/* As often as the most impatient gateway wants to know. */
static void set_pace(void *arg)
{
	struct session *s = arg;
	uint64_t shortest = TIME_NEVER;

	for (unsigned i = 0; i < s->n_gateways; i++) {
		uint64_t it = gateway_interval_ns(s->gateways[i]);

		if (it && it < shortest)
			shortest = it;
	}
	checks_pace(s->checks, shortest);
}

static bool is_shared(void *arg, const struct gateway *g, uint16_t port,
		      uint16_t route)
{
	const struct session *s = arg;

	for (unsigned i = 0; i < s->n_gateways; i++)
		if (s->gateways[i] != g &&
		    gateway_serves(s->gateways[i], port, route))
			return true;
	return false;
}

static void on_left(void *arg)
{
	struct session *s = arg;

	if (++s->n_left == s->n_gateways)
		ev_break(s->loop, EVBREAK_ALL);
}

static void start_all(struct session *s)
{
	for (unsigned i = 0; i < s->n_gateways; i++)
		gateway_start(s->gateways[i]);
}

static void on_start(struct ev_loop *loop, ev_timer *timer, int revents)
{
	start_all(timer->data);
}

static void on_health(void *arg, enum node_health health)
{
	struct session *s = arg;

	for (unsigned i = 0; i < s->n_gateways; i++)
		gateway_health(s->gateways[i], health);
	if (!ev_is_active(&s->start))
		return;
	ev_timer_stop(s->loop, &s->start);
	start_all(s);
}

static void on_events_line(void *arg, const char *line)
{
	uint64_t id;

	if (event_json_parse_done(line, &id))
		log_warn("events line not understood", "allowed={\"done\":ID}");
	else
		finish(arg, id);
}

/* Servers on the socket are the better witness; without one the command is. */
static void on_command_done(void *arg, uint64_t id)
{
	struct session *s = arg;

	if (id && !events_clients(s->events))
		finish(s, id);
}

static void on_signal(struct ev_loop *loop, ev_signal *signal, int revents)
{
	struct session *s = signal->data;

	notify_stopping(&s->notify);
	for (unsigned i = 0; i < s->n_gateways; i++)
		gateway_leave(s->gateways[i]);
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

static bool may_end_sockets(void)
{
	return !capng_get_caps_process() &&
	       capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN);
}

static bool ends_sockets(const struct options *o)
{
	if (o->no_end_sockets)
		return false;
	if (may_end_sockets())
		return true;
	log_warn("connections of moved routes are not ended here",
		 "try=\"CAP_NET_ADMIN, or --no-end-sockets\" "
		 "instead=\"the gateway resets them\"");
	return false;
}

static int open_gateways(struct session *s)
{
	const struct gateway_handler handler = { tell_node, set_pace, is_shared,
						 on_left, s };
	struct gateway_conf conf = { .cuts = ends_sockets(s->options),
				     .options = s->options,
				     .tls = s->tls };
	int ret = 0;

	if (getrandom(&conf.instance, sizeof(conf.instance), 0) !=
	    sizeof(conf.instance))
		return -EIO;
	for (unsigned i = 0; !ret && i < s->options->n_gateways; i++) {
		conf.at = s->options->gateways[i];
		conf.index = i;
		ret = gateway_open(&s->gateways[i], s->loop, &conf, &handler);
		s->n_gateways += !ret;
	}
	return ret;
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
	int ret = open_tls(s, err, err_size);

	if (!ret)
		ret = open_gateways(s);
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
	command_free(s->command);
	events_free(s->events);
	while (s->n_gateways)
		gateway_free(s->gateways[--s->n_gateways]);
	tls_free(s->tls);
	ev_timer_stop(s->loop, &s->alive);
	notify_fini(&s->notify);
	ev_signal_stop(s->loop, &s->term);
	ev_signal_stop(s->loop, &s->interrupt);
	free(s);
}
