// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/check.h"

#include <netinet/in.h>
#include <string.h>

struct check {
	const struct setting_source *src;
	const config_setting_t *root;
	const struct conf *conf;
};

/* The setting, or the group it would stand in. */
static const config_setting_t *at(const config_setting_t *group,
				  const char *name)
{
	const config_setting_t *s = config_setting_get_member(group, name);

	return s ? s : group;
}

static const config_setting_t *service_at(const struct check *c, unsigned i,
					  const char *name)
{
	const config_setting_t *list =
		config_setting_get_member(c->root, "services");
	const config_setting_t *elem = config_setting_get_elem(list, i);

	return config_setting_is_group(elem) ? at(elem, name) : elem;
}

static void require(const struct check *c, const config_setting_t *group,
		    const char *name, const char *example)
{
	if (!config_setting_is_group(group) ||
	    config_setting_get_member(group, name))
		return;
	diag_error(c->src->diags, group->file ? group->file : c->src->name,
		   group->line, "%s is missing, write for example: %s", name,
		   example);
}

static void check_required(const struct check *c)
{
	const config_setting_t *agents =
		config_setting_get_member(c->root, "agents");

	require(c, c->root, "routes", "routes = 24;");
	require(c, c->root, "virtual-address",
		"virtual-address = \"198.18.0.100\";");
	require(c, c->root, "services",
		"services = ( { name = \"browser\"; listen = 8001; } );");
	require(c, c->root, "agents",
		"agents = { listen = \"198.19.0.1:7460\"; };");
	if (agents)
		require(c, agents, "listen", "listen = \"198.19.0.1:7460\";");
	for (unsigned i = 0; i < c->conf->n_services; i++) {
		const config_setting_t *list =
			config_setting_get_member(c->root, "services");
		const config_setting_t *elem = config_setting_get_elem(list, i);

		require(c, elem, "name", "name = \"browser\";");
		require(c, elem, "listen", "listen = 8001;");
	}
}

static unsigned last_port(const struct conf *conf, unsigned i)
{
	return conf->services[i].listen + conf->routes - 1;
}

static bool has_ports(const struct conf *conf, unsigned i)
{
	return conf->routes && conf->services[i].listen;
}

static bool overlap(const struct conf *conf, unsigned i, unsigned j)
{
	return has_ports(conf, i) && has_ports(conf, j) &&
	       conf->services[i].protocol == conf->services[j].protocol &&
	       conf->services[i].listen <= last_port(conf, j) &&
	       conf->services[j].listen <= last_port(conf, i);
}

static void check_pair(const struct check *c, unsigned i, unsigned j)
{
	const struct conf *conf = c->conf;
	const struct conf_service *a = &conf->services[i],
				  *b = &conf->services[j];

	if (*a->name && !strcmp(a->name, b->name))
		setting_error(c->src, service_at(c, j, "name"),
			      "\"%s\" is taken by another service, each needs "
			      "its own",
			      b->name);
	if (overlap(conf, i, j))
		setting_error(c->src, service_at(c, j, "listen"),
			      "ports %u..%u overlap %u..%u of service \"%s\", "
			      "choose a range of %u free ports",
			      b->listen, last_port(conf, j), a->listen,
			      last_port(conf, i), a->name, conf->routes);
}

/* Is the agents' door one that a client of service i would knock at? */
static bool takes_agents_door(const struct conf *conf, unsigned i)
{
	const struct endpoint *e = &conf->agents.listen;
	unsigned family = e->addr.af == AF_INET6 ? FAMILY_V6 : FAMILY_V4;

	return addr_is_set(&e->addr) &&
	       conf->services[i].protocol == IPPROTO_TCP &&
	       e->port >= conf->services[i].listen &&
	       e->port <= last_port(conf, i) &&
	       (addr_is_wildcard(&e->addr) ||
		addr_equal(&e->addr, &conf->vip[family]));
}

static void check_ports(const struct check *c, unsigned i)
{
	const struct conf *conf = c->conf;

	if (!has_ports(conf, i))
		return;
	if (last_port(conf, i) > 65535)
		setting_error(c->src, service_at(c, i, "listen"),
			      "%u and %u routes would need ports up to %u, at "
			      "most %u is possible here",
			      conf->services[i].listen, conf->routes,
			      last_port(conf, i), 65536 - conf->routes);
	if (takes_agents_door(conf, i))
		setting_error(c->src, service_at(c, i, "listen"),
			      "ports %u..%u contain agents.listen %u, choose "
			      "another port or address for one of them",
			      conf->services[i].listen, last_port(conf, i),
			      conf->agents.listen.port);
}

/* "auto" is settled when halod starts: it is nft then, or an error. */
static bool may_be_nft(const struct conf *conf)
{
	return !strcmp(conf->plane, "nft") || !strcmp(conf->plane, "auto");
}

static void check_node_port(const struct check *c, unsigned i)
{
	if (c->conf->services[i].node_port && !may_be_nft(c->conf))
		setting_error(
			c->src, service_at(c, i, "node-port"),
			"the plane nft alone can change a port, not "
			"\"%s\": write plane = \"nft\", or let the server "
			"listen on all %u ports",
			c->conf->plane, c->conf->routes);
}

static void check_snat(const struct check *c, unsigned i)
{
	if (!c->conf->services[i].snat)
		return;
	if (!may_be_nft(c->conf))
		setting_error(c->src, service_at(c, i, "snat"),
			      "the plane nft alone can change clients' "
			      "addresses, not \"%s\": write plane = \"nft\"",
			      c->conf->plane);
	if (!c->conf->agents.n_networks)
		setting_error(c->src, service_at(c, i, "snat"),
			      "agents.node-networks must say which network is "
			      "the nodes' own, as in node-networks = "
			      "\"198.19.0.0/24\"");
}

static void check_services(const struct check *c)
{
	for (unsigned i = 0; i < c->conf->n_services; i++) {
		check_ports(c, i);
		check_node_port(c, i);
		check_snat(c, i);
		for (unsigned j = 0; j < i; j++)
			check_pair(c, j, i);
	}
}

static void check_auth(const struct check *c)
{
	const struct conf_agents *agents = &c->conf->agents;

	if (agents->auth == AUTH_NONE && addr_is_set(&agents->listen.addr) &&
	    !addr_is_loopback(&agents->listen.addr))
		setting_error(
			c->src,
			at(config_setting_get_member(c->root, "agents"),
			   "auth"),
			"\"none\" is allowed for a loopback listener only, "
			"write \"psk\" and make keys with haloctl key new");
}

static void check_control(const struct check *c)
{
	if (!strcmp(c->conf->control, c->conf->control_readonly))
		setting_error(c->src, at(c->root, "control-readonly"),
			      "\"%s\" is control's, each needs its own",
			      c->conf->control);
}

static void check_hold_down(const struct check *c)
{
	const config_setting_t *max =
		config_setting_get_member(c->root, "hold-down-max");

	if (c->conf->hold_down_max_ns < c->conf->hold_down_ns)
		setting_error(c->src, max ? max : at(c->root, "hold-down"),
			      "hold-down-max must be at least hold-down");
}

static void check_queues(const struct check *c)
{
	const config_setting_t *group =
		config_setting_get_member(c->root, "nfqueue");
	unsigned last = c->conf->nfqueue.queue + c->conf->nfqueue.workers - 1;

	if (last > 65535)
		setting_error(c->src, at(group, "queue"),
			      "%u and %u workers would need queues up to %u, "
			      "at most 65535 is possible",
			      c->conf->nfqueue.queue, c->conf->nfqueue.workers,
			      last);
}

void check_conf(const struct setting_source *src, const config_setting_t *root,
		const struct conf *conf)
{
	struct check c = { .src = src, .root = root, .conf = conf };

	check_required(&c);
	check_services(&c);
	check_auth(&c);
	check_control(&c);
	check_hold_down(&c);
	check_queues(&c);
}
