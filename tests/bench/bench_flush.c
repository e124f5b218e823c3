/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What it takes to end 100,000 flows of a lost node, in a network namespace of
 * its own: their entries out of conntrack by one order, and whole, each client
 * told by a reset that goes nowhere. Needs root.
 */
#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "io/clock.h"
#include "io/conntrack.h"
#include "io/nfnl.h"
#include "plane/doors.h"
#include "plane/plane_nft_ends.h"

#define FLOWS	  100000u
#define AT_ONCE	  100 /* entries in one message to the kernel */
#define ENTRY_MAX 256
#define RUNS	  3
#define TAG	  7u
#define TIMEOUT_S 600
#define DOOR	  8001
#define BUFFERS	  (1 << 20)

static const struct plane_nft_tag place = { 0xffff0000, 16 };

static void put_tuple(struct nlmsghdr *nlh, uint16_t type, uint32_t src,
		      uint16_t src_port, uint32_t dst, uint16_t dst_port)
{
	struct nlattr *tuple = mnl_attr_nest_start(nlh, type);
	struct nlattr *ip = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);
	struct nlattr *proto;

	mnl_attr_put_u32(nlh, CTA_IP_V4_SRC, htonl(src));
	mnl_attr_put_u32(nlh, CTA_IP_V4_DST, htonl(dst));
	mnl_attr_nest_end(nlh, ip);
	proto = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(nlh, CTA_PROTO_NUM, IPPROTO_TCP);
	mnl_attr_put_u16(nlh, CTA_PROTO_SRC_PORT, htons(src_port));
	mnl_attr_put_u16(nlh, CTA_PROTO_DST_PORT, htons(dst_port));
	mnl_attr_nest_end(nlh, proto);
	mnl_attr_nest_end(nlh, tuple);
}

static void put_state(struct nlmsghdr *nlh)
{
	struct nlattr *info = mnl_attr_nest_start(nlh, CTA_PROTOINFO);
	struct nlattr *tcp = mnl_attr_nest_start(nlh, CTA_PROTOINFO_TCP);

	mnl_attr_put_u8(nlh, CTA_PROTOINFO_TCP_STATE,
			TCP_CONNTRACK_ESTABLISHED);
	mnl_attr_nest_end(nlh, tcp);
	mnl_attr_nest_end(nlh, info);
}

/* Clients of 198.18.0.0/16 at a door, established with the node. */
static size_t put_entry(char *buf, uint32_t i)
{
	const uint32_t vip = 0xc6120064, node = 0xc613000b;
	uint32_t client = 0xc6120100 + i / 1000;
	uint16_t port = (uint16_t)(20000 + i % 1000);
	struct nlmsghdr *nlh =
		nfnl_header(buf, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW,
			    NLM_F_CREATE | NLM_F_EXCL, AF_INET);

	put_tuple(nlh, CTA_TUPLE_ORIG, client, port, vip, DOOR);
	put_tuple(nlh, CTA_TUPLE_REPLY, node, DOOR, client, port);
	put_state(nlh);
	mnl_attr_put_u32(nlh, CTA_STATUS,
			 htonl(IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED));
	mnl_attr_put_u32(nlh, CTA_TIMEOUT, htonl(TIMEOUT_S));
	mnl_attr_put_u32(nlh, CTA_MARK, htonl(TAG << place.shift));
	return nlh->nlmsg_len;
}

static int make_flows(void)
{
	static char buf[AT_ONCE * ENTRY_MAX];
	struct mnl_socket *nl;
	int err = nfnl_open(&nl, BUFFERS);

	for (uint32_t i = 0; !err && i < FLOWS;) {
		size_t len = 0;

		for (unsigned n = 0; n < AT_ONCE && i < FLOWS; n++)
			len += put_entry(buf + len, i++);
		err = nfnl_send(nl, buf, len, 0);
	}
	if (nl)
		mnl_socket_close(nl);
	return err;
}

static bool count_one(void *arg, const struct conntrack_entry *e)
{
	(*(unsigned *)arg)++;
	return true;
}

static unsigned flows_left(struct conntrack *ct)
{
	const struct conntrack_mark all = { 0 };
	unsigned n = 0;

	return conntrack_list(ct, &all, count_one, &n) ? FLOWS : n;
}

/* Milliseconds; negative: it failed. */
static double flush(struct conntrack *ct)
{
	const struct conntrack_mark tag = { .value = TAG << place.shift,
					    .mask = place.mask };
	uint64_t began;
	int err = make_flows();

	if (err || flows_left(ct) != FLOWS) {
		fprintf(stderr, "flows not made: %s\n", strerror(-err));
		return -1;
	}
	began = clock_monotonic_ns();
	err = conntrack_delete_marked(ct, &tag);
	if (err || flows_left(ct))
		return -1;
	return (double)(clock_monotonic_ns() - began) / NS_PER_MS;
}

static void await_end(struct event_queue *events)
{
	struct pollfd fd = { .fd = events->fd, .events = POLLIN };
	struct plane_event ev;

	do {
		poll(&fd, 1, -1);
		event_queue_quiet(events);
	} while (!event_queue_pop(events, &ev) || ev.type != PLANE_FLOWS_ENDED);
}

/* The same with all that belongs to it, until it is said to be done. */
static double end_all(struct plane_nft_ends *ends, struct event_queue *events,
		      struct conntrack *ct)
{
	const struct route_set every = { 0 };
	uint64_t began;

	if (make_flows())
		return -1;
	began = clock_monotonic_ns();
	if (plane_nft_ends_ask(ends, TAG, &every, true))
		return -1;
	await_end(events);
	if (flows_left(ct))
		return -1;
	return (double)(clock_monotonic_ns() - began) / NS_PER_MS;
}

static int ascending(const void *l, const void *r)
{
	const double *a = l, *b = r;

	return (*a > *b) - (*a < *b);
}

static bool print_median(const char *name, double ms[RUNS])
{
	qsort(ms, RUNS, sizeof(ms[0]), ascending);
	printf("%s %.1f ms\n", name, ms[RUNS / 2]);
	return ms[0] >= 0;
}

static bool measure(struct conntrack *ct, struct plane_nft_ends *ends,
		    struct event_queue *events)
{
	double alone[RUNS], whole[RUNS];

	for (unsigned i = 0; i < RUNS; i++) {
		alone[i] = flush(ct);
		whole[i] = end_all(ends, events, ct);
	}
	return print_median("flush_100k_ms", alone) &
	       print_median("end_100k_flows_ms", whole);
}

int main(void)
{
	struct engine_conf engine = {
		.routes = 24,
		.n_services = 1,
		.services = { { "bench", DOOR, IPPROTO_TCP, false } },
	};
	struct plane_nft_ends_conf conf = { .tag = place,
					    .mark = 1,
					    .replay = 2 };
	struct event_queue events;
	struct plane_nft_ends *ends;
	struct plane_nft_syns *syns;
	struct conntrack *ct;
	struct doors doors;

	addr_parse(&engine.vip[FAMILY_V4], "198.18.0.100");
	doors_init(&doors, &engine);
	conf.doors = &doors;
	if (unshare(CLONE_NEWNET) || event_queue_init(&events) ||
	    plane_nft_syns_new(&syns, 5) || conntrack_open(&ct) ||
	    plane_nft_ends_new(&ends, &conf, &events, syns)) {
		perror("bench_flush: needs root");
		return EXIT_FAILURE;
	}
	return measure(ct, ends, &events) ? EXIT_SUCCESS : EXIT_FAILURE;
}
