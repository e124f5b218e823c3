// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/host.h"

#include <cap-ng.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/netfilter.h>
#include <net/if.h>
#include <stdarg.h>
#include <string.h>

#include "io/conntrack.h"
#include "io/nfq.h"
#include "io/nft.h"
#include "io/nft_probe.h"
#include "io/nft_text.h"
#include "io/rules.h"

#define CONNTRACK_FULL_PERCENT 80
#define VALUE_MAX	       4096 /* of what we read in /proc */

__attribute__((format(printf, 4, 5))) static struct host_finding *
find(struct host_report *out, enum host_level level, const char *subject,
     const char *fmt, ...)
{
	struct host_finding *f = &out->findings[out->count];
	va_list args;

	if (out->count < HOST_FINDINGS_MAX)
		out->count++;
	*f = (struct host_finding){ .level = level };
	snprintf(f->subject, sizeof(f->subject), "%s", subject);
	va_start(args, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, args);
	va_end(args);
	return f;
}

__attribute__((format(printf, 2, 3))) static void remedy(struct host_finding *f,
							 const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(f->fix, sizeof(f->fix), fmt, args);
	va_end(args);
}

/* A line of /proc/sys/net; false: this kernel does not have it. */
static bool read_setting(const char *name, char value[VALUE_MAX])
{
	char path[128];
	bool got;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	f = fopen(path, "re");
	if (!f)
		return false;
	got = fgets(value, VALUE_MAX, f);
	fclose(f);
	if (got)
		value[strcspn(value, "\n")] = '\0';
	return got;
}

static long read_number(const char *name, long absent)
{
	char value[VALUE_MAX];
	long n;

	if (!read_setting(name, value) || sscanf(value, "%ld", &n) != 1)
		return absent;
	return n;
}

static void check_rights(struct host_report *out, const struct conf *conf,
			 bool running)
{
	static const struct {
		unsigned capability;
		const char *name;
		bool needed; /* else wanted by profile = fast */
	} rights[] = {
		{ CAP_NET_ADMIN, "CAP_NET_ADMIN", true },
		{ CAP_NET_RAW, "CAP_NET_RAW", true },
		{ CAP_SYS_NICE, "CAP_SYS_NICE", false },
		{ CAP_IPC_LOCK, "CAP_IPC_LOCK", false },
	};
	bool fast = conf->agents.profile == PROFILE_FAST, all = true;

	for (unsigned i = 0; i < ARRAY_SIZE(rights); i++) {
		if (!rights[i].needed && !fast)
			continue;
		if (capng_have_capability(CAPNG_EFFECTIVE,
					  rights[i].capability))
			continue;
		all = false;
		remedy(find(out, rights[i].needed ? HOST_PROBLEM : HOST_WARNING,
			    "rights", "%s is missing", rights[i].name),
		       "run it as root, or AmbientCapabilities=%s in the unit",
		       rights[i].name);
	}
	if (all)
		find(out, HOST_OK, "rights", "all that is needed");
}

static void check_forwarding(struct host_report *out, const struct conf *conf,
			     bool running)
{
	static const struct {
		const char *file, *name;
	} settings[FAMILIES] = {
		[FAMILY_V4] = { "ipv4/ip_forward", "net.ipv4.ip_forward" },
		[FAMILY_V6] = { "ipv6/conf/all/forwarding",
				"net.ipv6.conf.all.forwarding" },
	};

	for (unsigned i = 0; i < FAMILIES; i++) {
		if (!addr_is_set(&conf->vip[i]))
			continue;
		if (read_number(settings[i].file, 0) > 0)
			find(out, HOST_OK, "forwarding", "%s is on",
			     settings[i].name);
		else
			remedy(find(out, HOST_PROBLEM, "forwarding",
				    "%s is off: no packet reaches a node",
				    settings[i].name),
			       "sysctl -w %s=1", settings[i].name);
	}
}

static long reverse_path_filter(const char *device)
{
	char name[64];

	snprintf(name, sizeof(name), "ipv4/conf/%.32s/rp_filter", device);
	return read_number(name, 0);
}

/* The stricter of all and the device's own is in force. */
static bool is_strict(const char *device, long all)
{
	long own = reverse_path_filter(device);

	return (own > all ? own : all) == 1;
}

static void check_reverse_path(struct host_report *out, const struct conf *conf,
			       bool running)
{
	struct if_nameindex *list = if_nameindex();
	long all = reverse_path_filter("all");
	const char *first = NULL;
	unsigned strict = 0;

	for (struct if_nameindex *i = list; i && i->if_index; i++) {
		if (!strcmp(i->if_name, "lo") || !is_strict(i->if_name, all))
			continue;
		if (!strict++)
			first = i->if_name;
	}
	if (strict)
		remedy(find(out, HOST_WARNING, "rp_filter",
			    "strict on %u devices, %s among them: packets of "
			    "those whom this host would answer elsewhere are "
			    "dropped there",
			    strict, first),
		       "where routes are not symmetric: "
		       "sysctl -w net.ipv4.conf.%s.rp_filter=2",
		       first);
	else
		find(out, HOST_OK, "rp_filter", "not strict");
	if (list)
		if_freenameindex(list);
}

static bool is_here(const struct ifaddrs *list, const struct addr *a)
{
	struct endpoint own;

	for (; list; list = list->ifa_next)
		if (list->ifa_addr &&
		    !endpoint_from_sockaddr(&own, list->ifa_addr) &&
		    addr_equal(&own.addr, a))
			return true;
	return false;
}

static void check_virtual_address(struct host_report *out,
				  const struct conf *conf, bool running)
{
	struct ifaddrs *list;

	if (getifaddrs(&list))
		return;
	for (unsigned i = 0; i < FAMILIES; i++) {
		char text[ADDR_STRLEN];

		if (!addr_is_set(&conf->vip[i]))
			continue;
		addr_format(&conf->vip[i], text);
		if (is_here(list, &conf->vip[i]))
			find(out, HOST_OK, "virtual address", "%s is here",
			     text);
		else
			remedy(find(out, HOST_WARNING, "virtual address",
				    "%s is not on this host (it may come by "
				    "VRRP)",
				    text),
			       "ip addr add %s/%d dev lo", text,
			       i == FAMILY_V4 ? 32 : 128);
	}
	freeifaddrs(list);
}

/* Is the port in a list like "8000-8100,9001"? */
static bool listed(const char *list, unsigned port)
{
	unsigned first, last;
	int used;

	while (sscanf(list, "%u%n", &first, &used) == 1) {
		list += used;
		last = first;
		if (sscanf(list, "-%u%n", &last, &used) == 1)
			list += used;
		if (port >= first && port <= last)
			return true;
		list += *list == ',';
	}
	return false;
}

/* A connection of the gateway itself from a door's port of the virtual address
 * would have its answers taken for a client's. */
static void check_ephemeral_ports(struct host_report *out,
				  const struct conf *conf, bool running)
{
	char range[VALUE_MAX], reserved[VALUE_MAX];
	unsigned low, high;

	if (!read_setting("ipv4/ip_local_port_range", range) ||
	    sscanf(range, "%u %u", &low, &high) != 2)
		return;
	if (!read_setting("ipv4/ip_local_reserved_ports", reserved))
		reserved[0] = '\0';
	for (unsigned i = 0; i < conf->n_services; i++) {
		unsigned first = conf->services[i].listen;
		unsigned last = first + conf->routes - 1, port = first;

		while (port <= last &&
		       (port < low || port > high || listed(reserved, port)))
			port++;
		if (port <= last)
			remedy(find(out, HOST_WARNING, "door ports",
				    "%u-%u of service %s overlap the ephemeral "
				    "range %u-%u",
				    first, last, conf->services[i].name, low,
				    high),
			       "add %u-%u to the sysctl "
			       "net.ipv4.ip_local_reserved_ports",
			       first, last);
		else
			find(out, HOST_OK, "door ports",
			     "%u-%u of service %s are not ephemeral", first,
			     last, conf->services[i].name);
	}
}

static void check_queue_kind(struct host_report *out)
{
	char err[160] = "";
	enum rules_queue how;
	int ret = rules_probe(&how, err, sizeof(err));

	if (!ret)
		find(out, HOST_OK, "nfqueue", "by %s",
		     how == RULES_NFT_QUEUE ? "nft's queue statement"
					    : "xtables' NFQUEUE target");
	else
		remedy(find(out, HOST_PROBLEM, "nfqueue", "%s", err),
		       "modprobe nft_queue nfnetlink_queue");
}

static void check_queues(struct host_report *out, const struct conf *conf,
			 bool running)
{
	if (running)
		return; /* they are ours; status tells how they do */
	check_queue_kind(out);
	for (unsigned i = 0; i < conf->nfqueue.workers; i++) {
		uint16_t queue = (uint16_t)(conf->nfqueue.queue + i);
		struct nfq_counters c;

		if (nfq_counters(queue, &c))
			find(out, HOST_OK, "queue number", "%u is free", queue);
		else
			remedy(find(out, HOST_PROBLEM, "queue number",
				    "%u is taken (netlink port %u, mostly a "
				    "process id)",
				    queue, c.port),
			       "end that program, or set nfqueue.queue to a "
			       "free number");
	}
}

struct forward_search {
	struct host_report *out;
	bool tracked; /* conntrack knows the packets */
	unsigned dropping;
};

/* An accept of ours does not override another chain's drop: the operator's line
 * does. */
static void judge_chain(void *arg, const struct nft_base_chain *c)
{
	struct forward_search *s = arg;
	char chain[256], rule[40];

	if (c->hook != NF_INET_FORWARD || !c->drops ||
	    strcmp(c->type, "filter"))
		return;
	snprintf(chain, sizeof(chain), "%s %s %s", c->family, c->table,
		 c->name);
	snprintf(rule, sizeof(rule), "ct %s accept",
		 s->tracked ? "status dnat" : "state untracked");
	if (nft_text_has_rule(chain, rule))
		return;
	s->dropping++;
	remedy(find(s->out, HOST_WARNING, "firewall",
		    "chain %s drops what no rule of it accepts; HaloD's "
		    "packets pass it %s",
		    chain, s->tracked ? "translated" : "untracked"),
	       "nft insert rule %s %s", chain, rule);
}

/* "auto" falls back to nfqueue where the kernel has no NAT. */
static bool tracks(const char *plane)
{
	char lacks[160];

	return strcmp(plane, "nfqueue") &&
	       (strcmp(plane, "auto") || !nft_probe_nat(lacks, sizeof(lacks)));
}

static void check_firewall(struct host_report *out, const struct conf *conf,
			   bool running)
{
	struct forward_search s = { .out = out,
				    .tracked = tracks(conf->plane) };
	int err = nft_each_base_chain(judge_chain, &s);

	if (err)
		remedy(find(out, HOST_WARNING, "firewall",
			    "chains cannot be read: %s", strerror(-err)),
		       "run it as root");
	else if (!s.dropping)
		find(out, HOST_OK, "firewall",
		     "no forward chain drops HaloD's packets");
}

static void check_conntrack(struct host_report *out, const struct conf *conf,
			    bool running)
{
	struct conntrack_room room;
	char lost[120] = "";

	if (conntrack_room(&room))
		return; /* no module yet, or not root: others say so */
	if (room.dropped || room.evicted)
		snprintf(lost, sizeof(lost),
			 "; since the start %llu new connections were dropped, "
			 "%llu half-open ones given up",
			 (unsigned long long)room.dropped,
			 (unsigned long long)room.evicted);
	if (conntrack_is_full(&room, CONNTRACK_FULL_PERCENT))
		remedy(find(out, HOST_WARNING, "conntrack",
			    "%u of %u entries are in use%s", room.entries,
			    room.max, lost),
		       "sysctl -w net.netfilter.nf_conntrack_max=%llu",
		       2ull * room.max);
	else
		find(out, HOST_OK, "conntrack", "%u of %u entries in use%s",
		     room.entries, room.max, lost);
}

void host_check(struct host_report *out, const struct conf *conf, bool running)
{
	static void (*const checks[])(struct host_report *, const struct conf *,
				      bool) = {
		check_rights,	       check_forwarding,
		check_reverse_path,    check_virtual_address,
		check_ephemeral_ports, check_queues,
		check_firewall,	       check_conntrack,
	};

	out->count = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(checks); i++)
		checks[i](out, conf, running);
}
