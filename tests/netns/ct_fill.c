/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes into the kernel's connection tracking what a flood of SYNs that nobody
 * answers leaves there, in a fraction of the time. It sends no packet.
 *
 * ct_fill DOOR FIRST-PORT PORTS NODE SOURCE SOURCES COUNT MARK
 *   COUNT half-open TCP connections from the SOURCES addresses (IPv4) that
 *   begin with SOURCE to PORTS doors, led to NODE, with the ct mark MARK.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/nfnl.h"

#define BATCH	   32
#define ENTRY_MAX  512
#define FIRST_PORT 30000 /* syn_flood begins lower */
#define TIMEOUT_S  120

struct fill {
	uint32_t door, node, source; /* host order */
	unsigned first_port, ports, sources;
	uint32_t mark;
};

struct end {
	uint32_t addr;
	uint16_t port;
};

static void put_tuple(struct nlmsghdr *nlh, uint16_t type, struct end src,
		      struct end dst)
{
	struct nlattr *tuple = mnl_attr_nest_start(nlh, type), *part;

	part = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);
	mnl_attr_put_u32(nlh, CTA_IP_V4_SRC, htonl(src.addr));
	mnl_attr_put_u32(nlh, CTA_IP_V4_DST, htonl(dst.addr));
	mnl_attr_nest_end(nlh, part);
	part = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(nlh, CTA_PROTO_NUM, IPPROTO_TCP);
	mnl_attr_put_u16(nlh, CTA_PROTO_SRC_PORT, htons(src.port));
	mnl_attr_put_u16(nlh, CTA_PROTO_DST_PORT, htons(dst.port));
	mnl_attr_nest_end(nlh, part);
	mnl_attr_nest_end(nlh, tuple);
}

static size_t put_entry(void *buf, const struct fill *f, unsigned i)
{
	struct nlmsghdr *nlh =
		nfnl_header(buf, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW,
			    NLM_F_CREATE | NLM_F_EXCL, AF_INET);
	struct end client = { f->source + i % f->sources,
			      (uint16_t)(FIRST_PORT + i / f->sources) };
	struct end door = { f->door, (uint16_t)(f->first_port + i % f->ports) };
	struct end node = { f->node, door.port };
	struct nlattr *info, *tcp;

	put_tuple(nlh, CTA_TUPLE_ORIG, client, door);
	put_tuple(nlh, CTA_TUPLE_REPLY, node, client);
	mnl_attr_put_u32(nlh, CTA_STATUS, htonl(IPS_CONFIRMED));
	mnl_attr_put_u32(nlh, CTA_TIMEOUT, htonl(TIMEOUT_S));
	mnl_attr_put_u32(nlh, CTA_MARK, htonl(f->mark));
	info = mnl_attr_nest_start(nlh, CTA_PROTOINFO);
	tcp = mnl_attr_nest_start(nlh, CTA_PROTOINFO_TCP);
	mnl_attr_put_u8(nlh, CTA_PROTOINFO_TCP_STATE, TCP_CONNTRACK_SYN_SENT);
	mnl_attr_nest_end(nlh, tcp);
	mnl_attr_nest_end(nlh, info);
	return nlh->nlmsg_len;
}

static int run(const struct fill *f, unsigned count)
{
	char buf[BATCH * ENTRY_MAX];
	struct mnl_socket *nl;
	int err = nfnl_open(&nl, 1 << 20);

	for (unsigned i = 0; i < count && !err;) {
		size_t len = 0;

		for (unsigned n = 0; n < BATCH && i < count; n++)
			len += put_entry(buf + len, f, i++);
		err = nfnl_send(nl, buf, len, -EEXIST);
	}
	return err;
}

static uint32_t address(const char *text)
{
	struct in_addr a = { 0 };

	inet_pton(AF_INET, text, &a);
	return ntohl(a.s_addr);
}

int main(int argc, char **argv)
{
	struct fill f;
	int err;

	if (argc != 9)
		return 2;
	f = (struct fill){ .door = address(argv[1]),
			   .first_port = (unsigned)atoi(argv[2]),
			   .ports = (unsigned)atoi(argv[3]),
			   .node = address(argv[4]),
			   .source = address(argv[5]),
			   .sources = (unsigned)atoi(argv[6]),
			   .mark = (uint32_t)strtoul(argv[8], NULL, 0) };
	if (!f.door || !f.node || !f.source || !f.ports || !f.sources)
		return 2;
	err = run(&f, (unsigned)atoi(argv[7]));
	if (err)
		fprintf(stderr, "ct_fill: %s\n", strerror(-err));
	return err != 0;
}
