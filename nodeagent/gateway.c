// SPDX-License-Identifier: GPL-2.0-or-later
#include "gateway.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "cutter.h"
#include "io/clock.h"
#include "link.h"

struct gateway {
	struct ev_loop *loop;
	struct gateway_conf conf;
	struct gateway_handler handler;
	struct agent *agent;
	struct link *link;
	struct cutter *cutter; /* NULL: connections are not ended here */
	struct clock_timer timer;
	uint64_t interval_ns;
	struct door_ports doors; /* as last named */
	bool stepping;
	unsigned n_done; /* handovers to finish after this step */
	uint32_t done[AGENT_HANDOVERS_MAX];
	struct agent_actions actions;
};

static void step(struct gateway *g, const struct agent_input *in);

static void step_simple(struct gateway *g, enum agent_input_type type)
{
	step(g, &(struct agent_input){ .type = type });
}

/* Where the gateway reaches the node. */
static void set_local(const struct gateway *g, struct cut *cut)
{
	struct addr from = link_local_addr(g->link);

	memcpy(cut->local, g->conf.options->addr, sizeof(cut->local));
	if (!addr_is_set(&cut->local[FAMILY_V4]) &&
	    !addr_is_set(&cut->local[FAMILY_V6]))
		cut->local[from.af == AF_INET6 ? FAMILY_V6 : FAMILY_V4] = from;
}

static bool is_shared(const struct gateway *g, const struct door_ports *doors,
		      uint16_t route)
{
	for (uint32_t d = 0; d < doors->count; d++) {
		unsigned port = doors->first[d] + route - 1u;

		if (port < 65536 && g->handler.is_shared(g->handler.arg, g,
							 (uint16_t)port, route))
			return true;
	}
	return false;
}

/* Routes at whose ports another gateway's clients are, too, are left to the
 * gateway, which knows its own. */
static void begin_cut(struct gateway *g, const struct agent_cut *what)
{
	struct cut cut = { .id = what->id,
			   .doors = what->doors,
			   .gentle_ns = what->gentle_ns };
	uint16_t own[ROUTES_MAX];

	for (uint32_t i = 0; i < what->routes.count; i++)
		if (!is_shared(g, &what->doors, what->routes.ids[i]))
			own[cut.routes.count++] = what->routes.ids[i];
	if (cut.routes.count < what->routes.count)
		log_info("connections of moved routes are left to the gateway",
			 "gateway=%s routes=%u why=\"another gateway has them, "
			 "too\"",
			 g->conf.at, what->routes.count - cut.routes.count);
	cut.routes.ids = own;
	set_local(g, &cut);
	cutter_begin(g->cutter, &cut);
}

static void set_pace(struct gateway *g, uint64_t interval_ns)
{
	g->interval_ns = interval_ns;
	g->handler.pace(g->handler.arg);
}

static void apply(struct gateway *g, const struct agent_action *action)
{
	switch (action->type) {
	case ACTION_CONNECT:
		link_connect(g->link);
		break;
	case ACTION_SEND:
		link_send(g->link, &action->message);
		break;
	case ACTION_CLOSE:
		link_close(g->link);
		break;
	case ACTION_EVENT:
		g->handler.event(g->handler.arg, g, &action->event);
		break;
	case ACTION_PACE:
		set_pace(g, action->interval_ns);
		break;
	case ACTION_CUT:
		begin_cut(g, &action->cut);
		break;
	case ACTION_SPARE:
		cutter_cancel(g->cutter, action->cut.id);
		break;
	case ACTION_EXIT:
		g->handler.gone(g->handler.arg);
		break;
	}
}

static void step(struct gateway *g, const struct agent_input *in)
{
	g->stepping = true;
	agent_step(g->agent, in, clock_monotonic_ns(), &g->actions);
	for (unsigned i = 0; i < g->actions.count; i++)
		apply(g, &g->actions.items[i]);
	g->stepping = false;
	if (g->n_done)
		gateway_done(g, g->done[--g->n_done]);
	else
		clock_timer_set(&g->timer, agent_deadline(g->agent));
}

/* Within a step it waits for its end; one too many is answered at its
 * deadline. */
void gateway_done(struct gateway *g, uint32_t id)
{
	if (!g->stepping)
		step(g, &(struct agent_input){ .type = INPUT_DONE, .id = id });
	else if (g->n_done < ARRAY_SIZE(g->done))
		g->done[g->n_done++] = id;
}

static void on_timer(void *arg)
{
	struct gateway *g = arg;

	link_drain(g->link); /* an answer may be waiting to be read */
	step_simple(g, INPUT_TICK);
}

static void on_connected(void *arg)
{
	step_simple(arg, INPUT_CONNECTED);
}

static void on_message(void *arg, const struct message *m)
{
	struct gateway *g = arg;

	if (m->type == MESSAGE_MOVING && m->moving.doors.count)
		g->doors = m->moving.doors;
	step(g, &(struct agent_input){ .type = INPUT_MESSAGE, .message = m });
}

static void on_closed(void *arg, const char *why)
{
	struct gateway *g = arg;

	log_warn("gateway connection ended", "gateway=%s why=\"%s\"",
		 g->conf.at, why);
	step_simple(g, INPUT_DISCONNECTED);
}

static void on_cut(void *arg, uint32_t id)
{
	step(arg, &(struct agent_input){ .type = INPUT_CUT, .id = id });
}

static int open_agent(struct gateway *g)
{
	const struct options *o = g->conf.options;
	struct agent_conf conf = { .wish = o->wish,
				   .instance = g->conf.instance,
				   .cuts = g->conf.cuts };

	if (getrandom(&conf.seed, sizeof(conf.seed), 0) != sizeof(conf.seed))
		return -EIO;
	memcpy(conf.name, o->name, sizeof(conf.name));
	memcpy(conf.addr, o->addr, sizeof(conf.addr));
	g->agent = agent_new(&conf);
	return g->agent ? 0 : -ENOMEM;
}

static int open_parts(struct gateway *g)
{
	const struct link_handler handler = { on_connected, on_message,
					      on_closed, g };
	int ret = open_agent(g);

	if (ret)
		return ret;
	g->link = link_new(g->loop, g->conf.at, g->conf.tls, &handler);
	if (!g->link)
		return -ENOMEM;
	return g->conf.cuts ? cutter_new(&g->cutter, g->loop, on_cut, g) : 0;
}

int gateway_open(struct gateway **out, struct ev_loop *loop,
		 const struct gateway_conf *conf,
		 const struct gateway_handler *h)
{
	struct gateway *g = calloc(1, sizeof(*g));
	int ret;

	if (!g)
		return -ENOMEM;
	g->loop = loop;
	g->conf = *conf;
	g->handler = *h;
	ret = clock_timer_init(&g->timer, loop, on_timer, g);
	if (ret) {
		free(g);
		return ret;
	}
	ret = open_parts(g);
	if (ret) {
		gateway_free(g);
		return ret;
	}
	*out = g;
	return 0;
}

void gateway_start(struct gateway *g)
{
	step_simple(g, INPUT_START);
}

void gateway_health(struct gateway *g, enum node_health health)
{
	step(g,
	     &(struct agent_input){ .type = INPUT_HEALTH, .health = health });
}

void gateway_leave(struct gateway *g)
{
	step_simple(g, INPUT_LEAVE);
}

const char *gateway_name(const struct gateway *g)
{
	return g->conf.at;
}

unsigned gateway_index(const struct gateway *g)
{
	return g->conf.index;
}

uint64_t gateway_interval_ns(const struct gateway *g)
{
	return g->interval_ns;
}

bool gateway_serves(const struct gateway *g, uint16_t port, uint16_t route)
{
	const struct route_set routes = agent_routes(g->agent);

	if (!g->doors.count)
		return route_set_has(&routes, route);
	for (uint32_t d = 0; d < g->doors.count; d++) {
		int at = port - g->doors.first[d] + 1;

		if (at > 0 && route_set_has(&routes, (uint16_t)at))
			return true;
	}
	return false;
}

void gateway_free(struct gateway *g)
{
	if (!g)
		return;
	cutter_free(g->cutter);
	link_free(g->link);
	agent_free(g->agent);
	clock_timer_fini(&g->timer);
	free(g);
}
