// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Speaks to halo.ko as it is told, also what no program would say.
 *
 *   kmod_tool COMMAND [ATTRIBUTE=VALUE]… [+ COMMAND …]…   over one socket
 *   kmod_tool events COUNT SECONDS     prints events until so many came
 *   kmod_tool big VERSION ROUTES SEATS writes a random table of that size, reads
 *                                      it back; "us" it took, or what differs
 *   kmod_tool fuzz SEED COUNT          random and mutated messages
 *   kmod_tool churn FILE COUNT COMMAND …   loads the module, does that,
 *                                          unloads it
 *
 * Messages are printed as they are written: one a line, ATTRIBUTE=VALUE each.
 * A refusal is printed as "refused: ERRNO: TEXT" and ends it with status 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "uapi/halo.h"

#define MESSAGE_MAX 70000
#define BITS_BYTES  8192

static char taken[] = ""; /* an argument that is written already */

enum kind { NUMBER, ADDRESS, TEXT, FLAG, LIST, RUNS, ROUTES };

static const struct attribute {
	const char *name;
	enum kind kind;
	unsigned size; /* of a NUMBER */
} attributes[HALO_ATTR_LAST + 1] = {
	[HALO_ATTR_MODULE] = { "module", TEXT, 0 },
	[HALO_ATTR_ABI] = { "abi", NUMBER, 4 },
	[HALO_ATTR_FEATURES] = { "features", NUMBER, 8 },
	[HALO_ATTR_FLOWS_LIMIT] = { "flows_limit", NUMBER, 4 },
	[HALO_ATTR_VERSION] = { "version", NUMBER, 8 },
	[HALO_ATTR_FROM_VERSION] = { "from", NUMBER, 8 },
	[HALO_ATTR_ROUTES] = { "routes", NUMBER, 2 },
	[HALO_ATTR_SEATS_MAX] = { "seats", NUMBER, 2 },
	[HALO_ATTR_VIP4] = { "vip4", ADDRESS, 4 },
	[HALO_ATTR_VIP6] = { "vip6", ADDRESS, 16 },
	[HALO_ATTR_FLOWS_MAX] = { "flows_max", NUMBER, 4 },
	[HALO_ATTR_SERVICES] = { "service", LIST, 0 },
	[HALO_ATTR_SEATS] = { "seat", LIST, 0 },
	[HALO_ATTR_RUNS] = { "run", RUNS, 0 },
	[HALO_ATTR_ROUTE_SET] = { "set", ROUTES, 0 },
	[HALO_ATTR_QUEUE] = { "queue", NUMBER, 2 },
	[HALO_ATTR_REFUSALS] = { "refusals", FLAG, 0 },
	[HALO_ATTR_ALIVE_MS] = { "alive", NUMBER, 4 },
	[HALO_ATTR_TAG] = { "tag", NUMBER, 4 },
	[HALO_ATTR_FORCED] = { "forced", FLAG, 0 },
	[HALO_ATTR_ROUTE] = { "route", NUMBER, 2 },
	[HALO_ATTR_CLIENT4] = { "client4", ADDRESS, 4 },
	[HALO_ATTR_CLIENT6] = { "client6", ADDRESS, 16 },
	[HALO_ATTR_CLIENT_PORT] = { "client_port", NUMBER, 2 },
	[HALO_ATTR_NODE4] = { "node4", ADDRESS, 4 },
	[HALO_ATTR_NODE6] = { "node6", ADDRESS, 16 },
	[HALO_ATTR_DOOR_PORT] = { "door", NUMBER, 2 },
	[HALO_ATTR_PROTOCOL] = { "protocol", NUMBER, 1 },
	[HALO_ATTR_SERVICE_INDEX] = { "index", NUMBER, 1 },
	[HALO_ATTR_STATE] = { "state", NUMBER, 1 },
	[HALO_ATTR_IDLE_MS] = { "idle", NUMBER, 8 },
	[HALO_ATTR_MAX] = { "max", NUMBER, 4 },
	[HALO_ATTR_COUNTERS] = { "counter", LIST, 0 },
	[HALO_ATTR_FLOWS] = { "flows", NUMBER, 4 },
	[HALO_ATTR_HELD_ROUTES] = { "held_routes", NUMBER, 4 },
	[HALO_ATTR_ENDED] = { "ended", NUMBER, 4 },
	[HALO_ATTR_TOLD_CLIENTS] = { "told_clients", NUMBER, 4 },
	[HALO_ATTR_TOLD_NODES] = { "told_nodes", NUMBER, 4 },
	[HALO_ATTR_REPLAYED] = { "replayed", NUMBER, 4 },
	[HALO_ATTR_PORT] = { "port", NUMBER, 4 },
};

static const struct command {
	const char *name;
	bool dump;
} commands[HALO_CMD_MAX + 1] = {
	[HALO_CMD_INFO_GET] = { "info", false },
	[HALO_CMD_TABLE_BEGIN] = { "begin", false },
	[HALO_CMD_TABLE_ADD] = { "add", false },
	[HALO_CMD_TABLE_COMMIT] = { "commit", false },
	[HALO_CMD_TABLE_ABORT] = { "abort", false },
	[HALO_CMD_TABLE_CHANGE] = { "change", false },
	[HALO_CMD_TABLE_GET] = { "table", true },
	[HALO_CMD_FLUSH] = { "flush", false },
	[HALO_CMD_ATTEND] = { "attend", false },
	[HALO_CMD_HOLD] = { "hold", false },
	[HALO_CMD_RELEASE] = { "release", false },
	[HALO_CMD_FLOWS_END] = { "end", false },
	[HALO_CMD_FLOWS_GET] = { "flows", true },
	[HALO_CMD_STATS_GET] = { "stats", false },
	[HALO_CMD_FLOWS_ENDED] = { "ended", false },
	[HALO_CMD_REFUSED] = { "refused", false },
	[HALO_CMD_TABLE_CHANGED] = { "changed", false },
};

struct link {
	struct mnl_socket *nl;
	uint16_t family;
	uint32_t events, seq;
	struct nlmsghdr *msg;
	char buf[MESSAGE_MAX];
};

static void die(const char *what)
{
	fprintf(stderr, "kmod_tool: %s: %s\n", what, strerror(errno));
	exit(2);
}

static struct nlmsghdr *message(struct link *l, uint16_t family, uint8_t cmd,
				uint16_t flags)
{
	struct genlmsghdr *g;

	l->msg = mnl_nlmsg_put_header(l->buf);
	l->msg->nlmsg_type = family;
	l->msg->nlmsg_flags = NLM_F_REQUEST | flags;
	l->msg->nlmsg_seq = ++l->seq;
	g = mnl_nlmsg_put_extra_header(l->msg, sizeof(*g));
	g->cmd = cmd;
	g->version = HALO_GENL_VERSION;
	return l->msg;
}

static const char *refusal_text(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	unsigned at = sizeof(*e);
	const struct nlattr *a;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return "";
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		at += e->msg.nlmsg_len - MNL_NLMSG_HDRLEN;
	mnl_attr_for_each(a, nlh, at)
		if (mnl_attr_get_type(a) == NLMSGERR_ATTR_MSG)
			return mnl_attr_get_str(a);
	return "";
}

typedef void message_fn(const struct nlmsghdr *nlh, void *arg);

/* Answers until an ack or the end of a dump; 0 or -errno. */
static int receive(struct link *l, message_fn *fn, void *arg, const char **why)
{
	static char in[MESSAGE_MAX];
	const struct nlmsghdr *nlh;
	int len;

	for (;;) {
		len = (int)mnl_socket_recvfrom(l->nl, in, sizeof(in));
		if (len < 0)
			return -errno;
		for (nlh = (void *)in; mnl_nlmsg_ok(nlh, len);
		     nlh = mnl_nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_seq != l->seq)
				continue;
			if (nlh->nlmsg_type == NLMSG_DONE)
				return 0;
			if (nlh->nlmsg_type == NLMSG_ERROR) {
				*why = refusal_text(nlh);
				return ((struct nlmsgerr *)
					mnl_nlmsg_get_payload(nlh))->error;
			}
			if (fn)
				fn(nlh, arg);
		}
	}
}

static int talk(struct link *l, message_fn *fn, void *arg, const char **why)
{
	*why = "";
	if (mnl_socket_sendto(l->nl, l->msg, l->msg->nlmsg_len) < 0)
		return -errno;
	return receive(l, fn, arg, why);
}

static void read_groups(struct link *l, const struct nlattr *groups)
{
	const struct nlattr *group, *a;

	mnl_attr_for_each_nested(group, groups)
		mnl_attr_for_each_nested(a, group)
			if (mnl_attr_get_type(a) == CTRL_ATTR_MCAST_GRP_ID)
				l->events = mnl_attr_get_u32(a);
}

static void read_family(const struct nlmsghdr *nlh, void *arg)
{
	struct link *l = arg;
	const struct nlattr *a;

	mnl_attr_for_each(a, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(a) == CTRL_ATTR_FAMILY_ID)
			l->family = mnl_attr_get_u16(a);
		if (mnl_attr_get_type(a) == CTRL_ATTR_MCAST_GROUPS)
			read_groups(l, a);
	}
}

static void open_link(struct link *l)
{
	const char *why;
	int one = 1;

	l->nl = mnl_socket_open(NETLINK_GENERIC);
	if (!l->nl || mnl_socket_bind(l->nl, 0, MNL_SOCKET_AUTOPID) < 0)
		die("netlink");
	mnl_socket_setsockopt(l->nl, NETLINK_EXT_ACK, &one, sizeof(one));
	message(l, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK);
	mnl_attr_put_strz(l->msg, CTRL_ATTR_FAMILY_NAME, HALO_GENL_NAME);
	if (talk(l, read_family, l, &why) || !l->family) {
		puts("refused: no family halo: is the module loaded?");
		exit(3);
	}
}

static uint64_t number(const void *data, unsigned size)
{
	uint64_t wide = 0;

	memcpy(&wide, data, size); /* little-endian, like the guest */
	return wide;
}

static void print_run(const struct halo_run *run)
{
	printf(" run=%u,%u,%u", run->first, run->last, run->seat);
}

static void print_seat(const struct nlattr *nest)
{
	char text[INET6_ADDRSTRLEN];
	const struct nlattr *a;

	printf(" seat=");
	mnl_attr_for_each_nested(a, nest) {
		const void *data = mnl_attr_get_payload(a);

		switch (mnl_attr_get_type(a)) {
		case HALO_SEAT_NUMBER:
			printf("%u", mnl_attr_get_u16(a));
			break;
		case HALO_SEAT_TAG:
			printf(",%u", mnl_attr_get_u32(a));
			break;
		case HALO_SEAT_NODE4:
			printf(",%s", inet_ntop(AF_INET, data, text, 46));
			break;
		case HALO_SEAT_NODE6:
			printf(",%s", inet_ntop(AF_INET6, data, text, 46));
			break;
		}
	}
}

static void print_service(const struct nlattr *nest)
{
	const struct nlattr *a;

	printf(" service=");
	mnl_attr_for_each_nested(a, nest) {
		switch (mnl_attr_get_type(a)) {
		case HALO_SERVICE_NAME:
			printf("%s", mnl_attr_get_str(a));
			break;
		case HALO_SERVICE_PROTOCOL:
			printf(",%s", mnl_attr_get_u8(a) == IPPROTO_TCP ?
					      "tcp" : "udp");
			break;
		case HALO_SERVICE_LISTEN:
			printf(",%u", mnl_attr_get_u16(a));
			break;
		case HALO_SERVICE_KEEP:
			printf(",keep");
			break;
		}
	}
}

static void print_counter(const struct nlattr *nest)
{
	const char *name = "";
	uint64_t value = 0;
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest) {
		if (mnl_attr_get_type(a) == HALO_COUNTER_NAME)
			name = mnl_attr_get_str(a);
		if (mnl_attr_get_type(a) == HALO_COUNTER_VALUE)
			value = mnl_attr_get_u64(a);
	}
	printf(" %s=%llu", name, (unsigned long long)value);
}

static void print_list(const struct nlattr *list)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, list) {
		switch (mnl_attr_get_type(a)) {
		case HALO_ATTR_SERVICE:
			print_service(a);
			break;
		case HALO_ATTR_SEAT:
			print_seat(a);
			break;
		case HALO_ATTR_COUNTER:
			print_counter(a);
			break;
		}
	}
}

static void print_routes(const struct nlattr *a)
{
	const uint8_t *byte = mnl_attr_get_payload(a);
	const char *before = " set=";

	for (unsigned r = 0; r < mnl_attr_get_payload_len(a) * 8u; r++) {
		if (!(byte[r / 8] >> (r % 8) & 1))
			continue;
		printf("%s%u", before, r);
		before = ",";
	}
}

static void print_attribute(const struct nlattr *a)
{
	const struct attribute *as = &attributes[mnl_attr_get_type(a)];
	const void *data = mnl_attr_get_payload(a);
	char text[INET6_ADDRSTRLEN];

	switch (as->kind) {
	case NUMBER:
		if (as->name)
			printf(" %s=%llu", as->name, (unsigned long long)
			       number(data, as->size));
		break;
	case ADDRESS:
		printf(" %s=%s", as->name,
		       inet_ntop(as->size == 4 ? AF_INET : AF_INET6, data, text,
				 sizeof(text)));
		break;
	case TEXT:
		printf(" %s=%s", as->name, mnl_attr_get_str(a));
		break;
	case FLAG:
		printf(" %s=1", as->name);
		break;
	case LIST:
		print_list(a);
		break;
	case RUNS:
		for (unsigned i = 0; i < mnl_attr_get_payload_len(a) /
						 sizeof(struct halo_run); i++)
			print_run((const struct halo_run *)data + i);
		break;
	case ROUTES:
		print_routes(a);
		break;
	}
}

static void print_message(const struct nlmsghdr *nlh, void *arg)
{
	const struct genlmsghdr *g = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a;

	printf("%s", commands[g->cmd].name);
	mnl_attr_for_each(a, nlh, sizeof(*g))
		if (mnl_attr_get_type(a) <= HALO_ATTR_LAST)
			print_attribute(a);
	puts("");
}

static void put_number(struct nlmsghdr *msg, int type, unsigned size,
		       const char *value)
{
	uint64_t wide = strtoull(value, NULL, 0);

	mnl_attr_put(msg, (uint16_t)type, size, &wide);
}

static void put_address(struct nlmsghdr *msg, int type, const char *value)
{
	uint8_t bytes[16];
	bool six = strchr(value, ':');

	if (inet_pton(six ? AF_INET6 : AF_INET, value, bytes) != 1)
		die(value);
	mnl_attr_put(msg, (uint16_t)type, six ? 16 : 4, bytes);
}

/* NUMBER,TAG,ADDRESS…, what is missing at the end left out */
static void put_seat(struct nlmsghdr *msg, char *value)
{
	struct nlattr *nest = mnl_attr_nest_start(msg, HALO_ATTR_SEAT);
	char *part = strsep(&value, ",");

	mnl_attr_put_u16(msg, HALO_SEAT_NUMBER, (uint16_t)atoi(part));
	part = strsep(&value, ",");
	if (part && atoi(part))
		mnl_attr_put_u32(msg, HALO_SEAT_TAG, (uint32_t)atoi(part));
	while ((part = strsep(&value, ",")))
		put_address(msg, strchr(part, ':') ? HALO_SEAT_NODE6 :
						     HALO_SEAT_NODE4, part);
	mnl_attr_nest_end(msg, nest);
}

/* NAME,tcp|udp|NUMBER,LISTEN[,keep] */
static void put_service(struct nlmsghdr *msg, char *value)
{
	struct nlattr *nest = mnl_attr_nest_start(msg, HALO_ATTR_SERVICE);
	char *part = strsep(&value, ",");

	mnl_attr_put_strz(msg, HALO_SERVICE_NAME, part);
	part = strsep(&value, ",");
	if (part)
		mnl_attr_put_u8(msg, HALO_SERVICE_PROTOCOL,
				!strcmp(part, "tcp") ? IPPROTO_TCP :
				!strcmp(part, "udp") ? IPPROTO_UDP :
						       (uint8_t)atoi(part));
	part = strsep(&value, ",");
	if (part)
		mnl_attr_put_u16(msg, HALO_SERVICE_LISTEN,
				 (uint16_t)atoi(part));
	if (value)
		mnl_attr_put(msg, HALO_SERVICE_KEEP, 0, NULL);
	mnl_attr_nest_end(msg, nest);
}

static void put_routes(struct nlmsghdr *msg, char *value)
{
	uint8_t byte[BITS_BYTES] = { 0 };
	const char *part;
	unsigned last = 0;

	while ((part = strsep(&value, ","))) {
		unsigned r = (unsigned)atoi(part) % (BITS_BYTES * 8);

		byte[r / 8] |= (uint8_t)(1 << (r % 8));
		last = r > last ? r : last;
	}
	mnl_attr_put(msg, HALO_ATTR_ROUTE_SET, last / 8 + 1, byte);
}

/* "TYPE,HEX": bytes as they are */
static void put_raw(struct nlmsghdr *msg, char *value)
{
	uint8_t data[256];
	unsigned n = 0;
	const char *type = strsep(&value, ",");

	for (; value && value[0] && value[1] && n < sizeof(data); value += 2)
		data[n++] = (uint8_t)strtoul(
			(char[]){ value[0], value[1], 0 }, NULL, 16);
	mnl_attr_put(msg, (uint16_t)atoi(type), n, data);
}

/* All values of a list's name go into one nest, where the first is. */
static void put_list(struct nlmsghdr *msg, int type, char **argv, int n)
{
	size_t len = strlen(attributes[type].name);
	struct nlattr *nest = mnl_attr_nest_start(msg, (uint16_t)type);

	for (int i = 0; i < n; i++) {
		if (strncmp(argv[i], attributes[type].name, len) ||
		    argv[i][len] != '=')
			continue;
		if (type == HALO_ATTR_SEATS)
			put_seat(msg, argv[i] + len + 1);
		else
			put_service(msg, argv[i] + len + 1);
		argv[i] = taken;
	}
	mnl_attr_nest_end(msg, nest);
}

static void put_runs(struct nlmsghdr *msg, char **argv, int n)
{
	struct halo_run runs[64];
	unsigned count = 0;

	for (int i = 0; i < n && count < 64; i++) {
		struct halo_run *r = &runs[count];

		if (sscanf(argv[i], "run=%hu,%hu,%hu", &r->first, &r->last,
			   &r->seat) != 3)
			continue;
		count++;
		argv[i] = taken;
	}
	mnl_attr_put(msg, HALO_ATTR_RUNS, count * sizeof(*runs), runs);
}

static void put_attribute(struct nlmsghdr *msg, int type, char *value,
			  char **argv, int n)
{
	switch (attributes[type].kind) {
	case NUMBER:
		put_number(msg, type, attributes[type].size, value);
		break;
	case ADDRESS:
		put_address(msg, type, value);
		break;
	case TEXT:
		mnl_attr_put_strz(msg, (uint16_t)type, value);
		break;
	case FLAG:
		mnl_attr_put(msg, (uint16_t)type, 0, NULL);
		break;
	case LIST:
		put_list(msg, type, argv, n);
		break;
	case RUNS:
		put_runs(msg, argv, n);
		break;
	case ROUTES:
		put_routes(msg, value);
		break;
	}
}

static void put(struct nlmsghdr *msg, char **argv, int n)
{
	char *value = strchr(argv[0], '=');
	size_t len = value ? (size_t)(value - argv[0]) : strlen(argv[0]);

	if (!strncmp(argv[0], "raw=", 4)) {
		put_raw(msg, value + 1);
		return;
	}
	for (int type = 1; type <= HALO_ATTR_LAST; type++) {
		const char *name = attributes[type].name;

		if (len && name && !strncmp(name, argv[0], len) && !name[len]) {
			put_attribute(msg, type, value ? value + 1 : argv[0],
				      argv, n);
			return;
		}
	}
	if (argv[0][0]) {
		fprintf(stderr, "kmod_tool: what is %s?\n", argv[0]);
		exit(2);
	}
}

static uint8_t command_of(const char *name)
{
	for (uint8_t cmd = 1; cmd <= HALO_CMD_MAX; cmd++)
		if (!strcmp(commands[cmd].name, name))
			return cmd;
	fprintf(stderr, "kmod_tool: what is %s?\n", name);
	exit(2);
}

static int report(int err, const char *why)
{
	if (err)
		printf("refused: %s: %s\n", strerror(-err), why);
	return err ? 1 : 0;
}

/* One command and its attributes. */
static int run(struct link *l, char **argv, int n)
{
	uint8_t cmd = command_of(argv[0]);
	const char *why;
	int err;

	message(l, l->family, cmd, commands[cmd].dump ? NLM_F_DUMP : NLM_F_ACK);
	for (int i = 1; i < n; i++)
		put(l->msg, argv + i, n - i);
	err = talk(l, print_message, NULL, &why);
	return report(err, why);
}

static int run_all(struct link *l, char **argv, int argc)
{
	int status = 0;

	for (int i = 0, n; i < argc && !status; i += n + 1) {
		for (n = 0; i + n < argc && strcmp(argv[i + n], "+"); n++)
			;
		status = run(l, argv + i, n);
	}
	return status;
}

static int events(struct link *l, int count, int seconds)
{
	static char in[MESSAGE_MAX];
	struct pollfd p = { .fd = mnl_socket_get_fd(l->nl), .events = POLLIN };
	const struct nlmsghdr *nlh;
	int len;

	if (mnl_socket_setsockopt(l->nl, NETLINK_ADD_MEMBERSHIP, &l->events,
				  sizeof(l->events)) < 0)
		die("events");
	puts("listening");
	fflush(stdout);
	while (count > 0 && poll(&p, 1, seconds * 1000) > 0) {
		len = (int)mnl_socket_recvfrom(l->nl, in, sizeof(in));
		for (nlh = (void *)in; len > 0 && mnl_nlmsg_ok(nlh, len);
		     nlh = mnl_nlmsg_next(nlh, &len), count--)
			print_message(nlh, NULL);
		fflush(stdout);
	}
	return count > 0;
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint16_t seat_of[65536];
static unsigned n_differ;

static void must(struct link *l, const char *what)
{
	const char *why;
	int err = talk(l, NULL, NULL, &why);

	if (err) {
		printf("%s ", what);
		report(err, why);
		exit(1);
	}
}

static void big_begin(struct link *l, uint64_t version, uint16_t routes,
		      uint16_t seats)
{
	static char service[] = "web,tcp,1";

	message(l, l->family, HALO_CMD_TABLE_BEGIN, NLM_F_ACK);
	mnl_attr_put_u64(l->msg, HALO_ATTR_VERSION, version);
	mnl_attr_put_u16(l->msg, HALO_ATTR_ROUTES, routes);
	mnl_attr_put_u16(l->msg, HALO_ATTR_SEATS_MAX, seats);
	put_address(l->msg, HALO_ATTR_VIP4, "198.18.0.100");
	struct nlattr *nest = mnl_attr_nest_start(l->msg, HALO_ATTR_SERVICES);

	put_service(l->msg, strdup(service));
	mnl_attr_nest_end(l->msg, nest);
	must(l, "begin");
}

static void big_seats(struct link *l, uint16_t seats)
{
	for (unsigned s = 1; s <= seats;) {
		message(l, l->family, HALO_CMD_TABLE_ADD, NLM_F_ACK);
		struct nlattr *nest =
			mnl_attr_nest_start(l->msg, HALO_ATTR_SEATS);

		for (unsigned i = 0; i < 1000 && s <= seats; i++, s++) {
			char text[64];

			snprintf(text, sizeof(text), "%u,%u,198.19.%u.%u", s, s,
				 s / 250 % 250, s % 250 + 1);
			put_seat(l->msg, text);
		}
		mnl_attr_nest_end(l->msg, nest);
		must(l, "seats");
	}
}

static void big_runs(struct link *l, uint16_t routes)
{
	static struct halo_run runs[10000];

	for (unsigned r = 1; r <= routes;) {
		unsigned n = 0;

		for (; n < 10000 && r <= routes; n++, r++)
			runs[n] = (struct halo_run){ (uint16_t)r, (uint16_t)r,
						     seat_of[r] };
		message(l, l->family, HALO_CMD_TABLE_ADD, NLM_F_ACK);
		mnl_attr_put(l->msg, HALO_ATTR_RUNS, n * sizeof(*runs), runs);
		must(l, "runs");
	}
}

static void compare(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, nlh, sizeof(struct genlmsghdr)) {
		const struct halo_run *run = mnl_attr_get_payload(a);
		size_t n = mnl_attr_get_payload_len(a) / sizeof(*run);

		if (mnl_attr_get_type(a) != HALO_ATTR_RUNS)
			continue;
		for (; n--; run++)
			for (unsigned r = run->first; r <= run->last; r++) {
				n_differ += seat_of[r] != run->seat;
				seat_of[r] = 0xffff; /* read */
			}
	}
}

static int big(struct link *l, char **argv)
{
	uint64_t version = strtoull(argv[0], NULL, 0), began;
	uint16_t routes = (uint16_t)atoi(argv[1]),
		 seats = (uint16_t)atoi(argv[2]);
	const char *why;

	srand((unsigned)version);
	for (unsigned r = 1; r <= routes; r++)
		seat_of[r] = (uint16_t)(1 + rand() % seats);
	began = now_us();
	big_begin(l, version, routes, seats);
	big_seats(l, seats);
	big_runs(l, routes);
	printf("add_us %llu\n", (unsigned long long)(now_us() - began));
	began = now_us();
	message(l, l->family, HALO_CMD_TABLE_COMMIT, NLM_F_ACK);
	must(l, "commit");
	printf("commit_us %llu\n", (unsigned long long)(now_us() - began));
	message(l, l->family, HALO_CMD_TABLE_GET, NLM_F_DUMP);
	if (talk(l, compare, NULL, &why))
		return report(-errno, why);
	for (unsigned r = 1; r <= routes; r++)
		n_differ += seat_of[r] != 0xffff;
	printf("differ %u\n", n_differ);
	return n_differ != 0;
}

static const char *const sane[] = {
	"begin version=9 routes=24 seats=3 vip4=198.18.0.100 service=a,tcp,8001 service=b,udp,9001",
	"add seat=1,5,198.19.0.11 seat=2,6,198.19.0.12,fd00::12 run=1,12,1 run=13,24,2",
	"commit",
	"change from=9 version=9 seat=2,7,198.19.0.12 run=3,5,2",
	"attend alive=100 queue=3 refusals",
	"hold set=1,2,3",
	"release set=2",
	"end tag=5 set=1,9 forced",
	"flows route=3 tag=5 client4=198.18.0.1 max=3",
	"table", "stats", "info", "abort",
};

/* A sane message into l->msg. */
static void make_sane(struct link *l)
{
	char *text = strdup(sane[(unsigned)rand() % (sizeof(sane) / sizeof(*sane))]);
	char *argv[32], *rest = text, *part;
	uint8_t cmd;
	int n = 0;

	while ((part = strsep(&rest, " ")) && n < 32)
		argv[n++] = part;
	cmd = command_of(argv[0]);
	message(l, l->family, cmd, commands[cmd].dump ? NLM_F_DUMP : NLM_F_ACK);
	for (int i = 1; i < n; i++)
		put(l->msg, argv + i, n - i);
	free(text);
}

/* Bytes behind the generic header, which stays so that we hear an answer. */
static void mutate(struct link *l)
{
	uint32_t head = MNL_NLMSG_HDRLEN + GENL_HDRLEN;
	uint32_t len = l->msg->nlmsg_len - head;

	for (int i = rand() % 4; len && i >= 0; i--)
		l->buf[head + (unsigned)rand() % len] ^= (char)(1 << rand() % 8);
	if (!(rand() % 4) && len > 8)
		l->msg->nlmsg_len -= (uint32_t)rand() % 8;
}

static void make_random(struct link *l)
{
	uint8_t data[300];

	message(l, l->family, (uint8_t)(rand() % (HALO_CMD_MAX + 2)), NLM_F_ACK);
	for (int i = rand() % 8; i; i--) {
		for (unsigned k = 0; k < sizeof(data); k++)
			data[k] = (uint8_t)rand();
		mnl_attr_put(l->msg, (uint16_t)(rand() % (HALO_ATTR_LAST + 4)) |
				     (uint16_t)(rand() % 2 ? NLA_F_NESTED : 0),
			     (size_t)(rand() % (rand() % 2 ? 300 : 10)), data);
	}
}

static int fuzz(struct link *l, unsigned seed, int count)
{
	int accepted = 0, refused = 0, err;
	const char *why;

	srand(seed);
	for (int i = 0; i < count; i++) {
		if (rand() % 3) {
			make_sane(l);
			if (rand() % 4)
				mutate(l);
		} else {
			make_random(l);
		}
		err = talk(l, NULL, NULL, &why);
		if (err == -EMSGSIZE || err == -ENOBUFS)
			return report(err, "answer lost");
		if (err)
			refused++;
		else
			accepted++;
	}
	printf("seed %u: %d accepted, %d refused\n", seed, accepted, refused);
	return 0;
}

static void load(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_finit_module, fd, "selftest=0", 0))
		die(file);
	close(fd);
}

/* A copy: what is put is taken apart. */
static int run_copy(struct link *l, char **argv, int argc)
{
	char *copy[64];
	int n = argc < 64 ? argc : 64;

	for (int i = 0; i < n; i++)
		copy[i] = strdup(argv[i]); /* ends with us */
	return run_all(l, copy, n);
}

static int churn(char **argv, int argc)
{
	static struct link l;

	for (int i = atoi(argv[1]); i > 0; i--) {
		load(argv[0]);
		l.seq = (uint32_t)i << 8;
		l.family = 0;
		open_link(&l);
		if (run_copy(&l, argv + 2, argc - 2))
			return 1;
		mnl_socket_close(l.nl);
		if (syscall(SYS_delete_module, "halo", O_NONBLOCK))
			die("unload");
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct link l;

	if (argc < 2)
		return 2;
	if (!strcmp(argv[1], "churn") && argc > 4)
		return churn(argv + 2, argc - 2);
	l.seq = (uint32_t)time(NULL);
	open_link(&l);
	if (!strcmp(argv[1], "events") && argc == 4)
		return events(&l, atoi(argv[2]), atoi(argv[3]));
	if (!strcmp(argv[1], "big") && argc == 5)
		return big(&l, argv + 2);
	if (!strcmp(argv[1], "fuzz") && argc == 4)
		return fuzz(&l, (unsigned)atoi(argv[2]), atoi(argv[3]));
	return run_all(&l, argv + 1, argc - 1);
}
