// SPDX-License-Identifier: GPL-2.0-or-later
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "link.h"

#define EVENTS_DEFAULT "/run/halo-agent/events.sock"

const char options_usage[] =
	"Usage: halo-agent --gateway HOST:PORT --key FILE [OPTION]...\n"
	"\n"
	"Registers this machine as a node of a HaloD gateway, sends "
	"heartbeats\n"
	"and tells local servers which routes are theirs. See halo-agent(8).\n"
	"\n"
	"  --gateway HOST:PORT   where halod listens for agents; up to 4\n"
	"  --key FILE            the node's key, made by `haloctl key new "
	"NAME`\n"
	"  --no-auth             no key: the gateway has auth = none\n"
	"  --name NAME           the key's name (default: the host's name)\n"
	"  --address ADDRESS     where the gateway reaches this node; once "
	"for\n"
	"                        each of IPv4 and IPv6 (default: the address\n"
	"                        it connects from)\n"
	"  --wish active|reserve what the node wants to be\n"
	"  --check CHECK         listen:PORT, tcp:[ADDRESS:]PORT, "
	"http://HOST:PORT/PATH\n"
	"                        or exec:COMMAND, with ,interval= ,timeout= "
	",rise=\n"
	"                        ,fall= (http: ,status=); repeatable\n"
	"  --on-event COMMAND    run for each event, its JSON on stdin\n"
	"  --events PATH         socket for servers of this machine\n"
	"                        (default " EVENTS_DEFAULT ")\n"
	"  --no-end-sockets      leave connections of moved routes to the "
	"gateway\n"
	"  --realtime            SCHED_FIFO and locked memory, for fast "
	"profiles\n"
	"  --log-level LEVEL     error, warn, info or debug (default info)\n"
	"  --help, --version\n";

enum {
	OPT_GATEWAY = 1,
	OPT_KEY,
	OPT_NO_AUTH,
	OPT_NAME,
	OPT_ADDRESS,
	OPT_WISH,
	OPT_CHECK,
	OPT_ON_EVENT,
	OPT_EVENTS,
	OPT_NO_END_SOCKETS,
	OPT_REALTIME,
	OPT_LOG_LEVEL,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{ "gateway", required_argument, NULL, OPT_GATEWAY },
	{ "key", required_argument, NULL, OPT_KEY },
	{ "no-auth", no_argument, NULL, OPT_NO_AUTH },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "address", required_argument, NULL, OPT_ADDRESS },
	{ "wish", required_argument, NULL, OPT_WISH },
	{ "check", required_argument, NULL, OPT_CHECK },
	{ "on-event", required_argument, NULL, OPT_ON_EVENT },
	{ "events", required_argument, NULL, OPT_EVENTS },
	{ "no-end-sockets", no_argument, NULL, OPT_NO_END_SOCKETS },
	{ "realtime", no_argument, NULL, OPT_REALTIME },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ 0 },
};

/* Where a refusal is written. */
struct complaint {
	char *text;
	unsigned size;
};

__attribute__((format(printf, 2, 3))) static int
refuse(const struct complaint *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->text, c->size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int add_gateway(struct options *o, const char *at,
		       const struct complaint *c)
{
	if (o->n_gateways == GATEWAYS_MAX)
		return refuse(c, "--gateway %s: at most %d are allowed", at,
			      GATEWAYS_MAX);
	for (unsigned i = 0; i < o->n_gateways; i++)
		if (!strcmp(o->gateways[i], at))
			return refuse(c, "--gateway %s: it is named twice", at);
	o->gateways[o->n_gateways++] = at;
	return link_check_gateway(at, c->text, c->size);
}

static int set_name(struct options *o, const char *name,
		    const struct complaint *c)
{
	if (!node_name_is_valid(name))
		return refuse(c,
			      "--name %s: 1 to 63 of A-Z a-z 0-9 . _ -, not "
			      "beginning with . or -",
			      name);
	strcpy(o->name, name);
	return 0;
}

static int set_address(struct options *o, const char *text,
		       const struct complaint *c)
{
	struct addr addr, *at;

	if (addr_parse(&addr, text))
		return refuse(c, "--address %s: not an IPv4 or IPv6 address",
			      text);
	at = &o->addr[addr.af == AF_INET ? FAMILY_V4 : FAMILY_V6];
	if (addr_is_set(at))
		return refuse(c, "--address %s: one of each family is allowed",
			      text);
	*at = addr;
	return 0;
}

static int set_wish(struct options *o, const char *text,
		    const struct complaint *c)
{
	if (!strcmp(text, "active"))
		o->wish = WISH_ACTIVE;
	else if (!strcmp(text, "reserve"))
		o->wish = WISH_RESERVE;
	else
		return refuse(c, "--wish %s: active or reserve", text);
	return 0;
}

static int set_check(struct options *o, const char *text,
		     const struct complaint *c)
{
	if (o->n_checks == CHECKS_MAX)
		return refuse(c, "--check %s: at most %d are allowed", text,
			      CHECKS_MAX);
	return check_parse(&o->checks[o->n_checks++], text, c->text, c->size);
}

static int set_log_level(struct options *o, const char *text,
			 const struct complaint *c)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(text, names[i])) {
			o->log_level = i;
			return 0;
		}
	}
	return refuse(c, "--log-level %s: error, warn, info or debug", text);
}

static int take(struct options *o, int option, const char *value,
		const struct complaint *c)
{
	switch (option) {
	case OPT_GATEWAY:
		return add_gateway(o, value, c);
	case OPT_KEY:
		o->key = value;
		return 0;
	case OPT_NO_AUTH:
		o->no_auth = true;
		return 0;
	case OPT_NAME:
		return set_name(o, value, c);
	case OPT_ADDRESS:
		return set_address(o, value, c);
	case OPT_WISH:
		return set_wish(o, value, c);
	case OPT_CHECK:
		return set_check(o, value, c);
	case OPT_ON_EVENT:
		o->on_event = value;
		return 0;
	case OPT_EVENTS:
		o->events = value;
		return 0;
	case OPT_NO_END_SOCKETS:
		o->no_end_sockets = true;
		return 0;
	case OPT_REALTIME:
		o->realtime = true;
		return 0;
	case OPT_LOG_LEVEL:
		return set_log_level(o, value, c);
	case OPT_HELP:
		o->help = true;
		return 0;
	case OPT_VERSION:
		o->version = true;
		return 0;
	}
	return refuse(c, "see halo-agent --help");
}

static int set_host_name(struct options *o, const struct complaint *c)
{
	char name[256] = "";

	gethostname(name, sizeof(name) - 1);
	if (!node_name_is_valid(name))
		return refuse(c,
			      "the host's name \"%s\" can be no node's: "
			      "give --name",
			      name);
	strcpy(o->name, name);
	return 0;
}

static int check_whole(struct options *o, const struct complaint *c)
{
	if (!o->n_gateways)
		return refuse(c, "--gateway HOST:PORT is missing");
	if (!o->key && !o->no_auth)
		return refuse(c, "--key FILE is missing (`haloctl key new "
				 "NAME` on the gateway makes one)");
	if (o->key && o->no_auth)
		return refuse(c, "--key and --no-auth exclude each other");
	return *o->name ? 0 : set_host_name(o, c);
}

int options_parse(struct options *out, int argc, char **argv, char *err,
		  unsigned err_size)
{
	const struct complaint c = { err, err_size };
	struct options o = { .events = EVENTS_DEFAULT,
			     .log_level = LOG_LEVEL_INFO };
	int option, ret = 0;

	opterr = 0;
	while (!ret && (option = getopt_long(argc, argv, "+:", long_options,
					     NULL)) != -1) {
		if (option == ':')
			return refuse(&c, "%s: its value is missing",
				      argv[optind - 1]);
		if (option == '?')
			return refuse(&c, "%s: no such option; see --help",
				      argv[optind - 1]);
		ret = take(&o, option, optarg, &c);
	}
	if (!ret && optind < argc)
		ret = refuse(&c, "%s: no argument is expected", argv[optind]);
	if (!ret && !o.help && !o.version)
		ret = check_whole(&o, &c);
	if (!ret)
		*out = o;
	return ret;
}
