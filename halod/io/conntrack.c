// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/nfnl.h"

#define ORDERS_MAX 64 /* in one message to the kernel */
#define ORDER_LEN  256
#define BUFFERS	   (1 << 20)

static bool holds(const struct nlattr *a, size_t len)
{
	return a && mnl_attr_get_payload_len(a) >= len;
}

static uint32_t get_be32(const struct nlattr *a)
{
	return holds(a, 4) ? ntohl(mnl_attr_get_u32(a)) : 0;
}

static uint16_t get_be16(const struct nlattr *a)
{
	return holds(a, 2) ? ntohs(mnl_attr_get_u16(a)) : 0;
}

static uint8_t get_u8(const struct nlattr *a)
{
	return holds(a, 1) ? mnl_attr_get_u8(a) : 0;
}

static struct addr get_addr(const struct nlattr *ip, uint16_t v4, uint16_t v6)
{
	const struct nlattr *a = nfnl_nested(ip, v4);

	if (holds(a, 4))
		return addr_v4(mnl_attr_get_payload(a));
	a = nfnl_nested(ip, v6);
	if (holds(a, 16))
		return addr_v6(mnl_attr_get_payload(a));
	return (struct addr){ 0 };
}

static void get_tuple(const struct nlattr *tuple, struct endpoint *src,
		      struct endpoint *dst, uint8_t *protocol)
{
	const struct nlattr *ip = nfnl_nested(tuple, CTA_TUPLE_IP);
	const struct nlattr *proto = nfnl_nested(tuple, CTA_TUPLE_PROTO);

	src->addr = get_addr(ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC);
	dst->addr = get_addr(ip, CTA_IP_V4_DST, CTA_IP_V6_DST);
	src->port = get_be16(nfnl_nested(proto, CTA_PROTO_SRC_PORT));
	dst->port = get_be16(nfnl_nested(proto, CTA_PROTO_DST_PORT));
	*protocol = get_u8(nfnl_nested(proto, CTA_PROTO_NUM));
}

static enum conntrack_state get_state(const struct nlattr *info)
{
	const struct nlattr *tcp = nfnl_nested(info, CTA_PROTOINFO_TCP);

	if (!tcp)
		return CONNTRACK_OTHER;
	switch (get_u8(nfnl_nested(tcp, CTA_PROTOINFO_TCP_STATE))) {
	case TCP_CONNTRACK_SYN_SENT:
	case TCP_CONNTRACK_SYN_SENT2:
		return CONNTRACK_SYN_SENT;
	case TCP_CONNTRACK_SYN_RECV:
		return CONNTRACK_SYN_RECV;
	case TCP_CONNTRACK_ESTABLISHED:
	case TCP_CONNTRACK_FIN_WAIT:
	case TCP_CONNTRACK_CLOSE_WAIT:
	case TCP_CONNTRACK_LAST_ACK:
		return CONNTRACK_ESTABLISHED;
	default:
		return CONNTRACK_CLOSED;
	}
}

static void get_attribute(struct conntrack_entry *e, const struct nlattr *a)
{
	uint8_t same;

	switch (mnl_attr_get_type(a)) {
	case CTA_TUPLE_ORIG:
		get_tuple(a, &e->client, &e->door, &e->protocol);
		break;
	case CTA_TUPLE_REPLY:
		get_tuple(a, &e->node, &e->peer, &same);
		break;
	case CTA_STATUS:
		e->answered = get_be32(a) & IPS_SEEN_REPLY;
		e->assured = get_be32(a) & IPS_ASSURED;
		break;
	case CTA_PROTOINFO:
		e->state = get_state(a);
		break;
	case CTA_MARK:
		e->mark = get_be32(a);
		break;
	case CTA_ID:
		e->id = get_be32(a);
		break;
	case CTA_TIMEOUT:
		e->timeout_s = get_be32(a);
		break;
	}
}

/* Entries are deleted while a listing goes on. */
struct conntrack {
	struct mnl_socket *lists, *orders;
};

struct listing {
	conntrack_fn fn;
	void *arg;
	bool stopped;
};

int conntrack_open(struct conntrack **out)
{
	struct conntrack *ct = calloc(1, sizeof(*ct));
	int err;

	if (!ct)
		return -ENOMEM;
	err = nfnl_open(&ct->lists, BUFFERS);
	if (!err)
		err = nfnl_open(&ct->orders, BUFFERS);
	if (err) {
		conntrack_close(ct);
		return err;
	}
	*out = ct;
	return 0;
}

void conntrack_close(struct conntrack *ct)
{
	if (!ct)
		return;
	if (ct->lists)
		mnl_socket_close(ct->lists);
	if (ct->orders)
		mnl_socket_close(ct->orders);
	free(ct);
}

static int list_one(const struct nlmsghdr *nlh, void *arg)
{
	struct listing *l = arg;
	struct conntrack_entry e = { 0 };
	struct nlattr *a;

	mnl_attr_for_each(a, nlh, sizeof(struct nfgenmsg)) get_attribute(&e, a);
	l->stopped = !l->fn(l->arg, &e);
	return l->stopped ? MNL_CB_STOP : MNL_CB_OK;
}

static struct nlmsghdr *request(void *buf, uint8_t type, uint8_t family)
{
	return nfnl_header(buf, NFNL_SUBSYS_CTNETLINK, type, 0, family);
}

static void put_mark(struct nlmsghdr *nlh, const struct conntrack_mark *m)
{
	if (!m->mask)
		return;
	mnl_attr_put_u32(nlh, CTA_MARK, htonl(m->value));
	mnl_attr_put_u32(nlh, CTA_MARK_MASK, htonl(m->mask));
}

int conntrack_probe(void)
{
	char buf[NFNL_REQUEST_MAX];
	struct nlmsghdr *nlh = request(buf, IPCTNL_MSG_CT_GET_STATS, AF_UNSPEC);
	struct mnl_socket *nl;
	int err = nfnl_open(&nl, BUFFERS);

	if (err)
		return err;
	err = nfnl_send(nl, nlh, nlh->nlmsg_len, 0);
	mnl_socket_close(nl);
	return err;
}

/* What an unfinished listing left in the socket goes with it. */
static int renew(struct mnl_socket **nl)
{
	struct mnl_socket *next;
	int err = nfnl_open(&next, BUFFERS);

	if (err)
		return err;
	mnl_socket_close(*nl);
	*nl = next;
	return 0;
}

int conntrack_list(struct conntrack *ct, const struct conntrack_mark *m,
		   conntrack_fn fn, void *arg)
{
	char buf[NFNL_REQUEST_MAX];
	struct listing l = { .fn = fn, .arg = arg };
	struct nlmsghdr *nlh = request(buf, IPCTNL_MSG_CT_GET, AF_UNSPEC);
	int err, not_renewed = 0;

	put_mark(nlh, m);
	if (m->assured) { /* kernels before 5.15 do not look at it */
		mnl_attr_put_u32(nlh, CTA_STATUS, htonl(IPS_ASSURED));
		mnl_attr_put_u32(nlh, CTA_STATUS_MASK, htonl(IPS_ASSURED));
	}
	err = nfnl_dump_on(ct->lists, nlh, list_one, &l);
	if (err || l.stopped)
		not_renewed = renew(&ct->lists);
	return err ? err : not_renewed;
}

int conntrack_delete_marked(struct conntrack *ct,
			    const struct conntrack_mark *m)
{
	char buf[NFNL_REQUEST_MAX];
	/* version 0 and no tuple: of every family */
	struct nlmsghdr *nlh = request(buf, IPCTNL_MSG_CT_DELETE, AF_UNSPEC);

	put_mark(nlh, m);
	return nfnl_send(ct->orders, nlh, nlh->nlmsg_len, 0);
}

static void put_ip(struct nlmsghdr *nlh, const struct conntrack_entry *e)
{
	struct nlattr *ip = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);
	bool v4 = e->client.addr.af == AF_INET;

	mnl_attr_put(nlh, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC,
		     addr_len(&e->client.addr), e->client.addr.bytes);
	mnl_attr_put(nlh, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST,
		     addr_len(&e->door.addr), e->door.addr.bytes);
	mnl_attr_nest_end(nlh, ip);
}

/* The one entry that is meant, and no other that came in its place; id 0:
 * whichever is there. */
static void put_entry(struct nlmsghdr *nlh, const struct conntrack_entry *e)
{
	struct nlattr *tuple = mnl_attr_nest_start(nlh, CTA_TUPLE_ORIG), *proto;

	put_ip(nlh, e);
	proto = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(nlh, CTA_PROTO_NUM, e->protocol);
	mnl_attr_put_u16(nlh, CTA_PROTO_SRC_PORT, htons(e->client.port));
	mnl_attr_put_u16(nlh, CTA_PROTO_DST_PORT, htons(e->door.port));
	mnl_attr_nest_end(nlh, proto);
	mnl_attr_nest_end(nlh, tuple);
	if (e->id)
		mnl_attr_put_u32(nlh, CTA_ID, htonl(e->id));
}

/* What is to be done with each of many entries. */
struct order {
	uint8_t type;
	uint32_t mask; /* of the mark to be set; 0: none */
	mnl_cb_t fn;   /* for answers; of errors, those of entries that are not
			* there, by their number, from 1, as the sequence */
	void *arg;
};

static size_t put_order(void *buf, const struct order *o,
			const struct conntrack_entry *e, unsigned number)
{
	struct nlmsghdr *nlh = request(buf, o->type, e->client.addr.af);

	nlh->nlmsg_seq = number;
	put_entry(nlh, e);
	if (o->mask)
		put_mark(nlh, &(struct conntrack_mark){ .value = e->mark,
							.mask = o->mask });
	return nlh->nlmsg_len;
}

static int order_all(struct conntrack *ct, const struct order *o,
		     const struct conntrack_entry *entries, unsigned count)
{
	char buf[ORDERS_MAX * ORDER_LEN];
	unsigned i = 0;
	int err = 0;

	while (i < count && !err) {
		size_t len = 0;

		for (; i < count && len + ORDER_LEN <= sizeof(buf); i++)
			len += put_order(buf + len, o, &entries[i], i + 1);
		err = nfnl_ask(ct->orders, buf, len, -ENOENT, o->fn, o->arg);
	}
	return err;
}

static int take_found(const struct nlmsghdr *nlh, void *arg)
{
	return nlh->nlmsg_type == NLMSG_ERROR ? MNL_CB_OK : list_one(nlh, arg);
}

int conntrack_find(struct conntrack *ct, const struct conntrack_entry *wanted,
		   unsigned count, conntrack_fn fn, void *arg)
{
	struct listing l = { .fn = fn, .arg = arg };
	const struct order o = { .type = IPCTNL_MSG_CT_GET,
				 .fn = take_found,
				 .arg = &l };

	return order_all(ct, &o, wanted, count);
}

int conntrack_change_marks(struct conntrack *ct,
			   const struct conntrack_entry *entries,
			   unsigned count, uint32_t mask)
{
	/* without NLM_F_CREATE: of what is there */
	const struct order o = { .type = IPCTNL_MSG_CT_NEW, .mask = mask };

	return order_all(ct, &o, entries, count);
}

static int note_gone(const struct nlmsghdr *nlh, void *arg)
{
	bool *gone = arg;

	if (nlh->nlmsg_type == NLMSG_ERROR)
		gone[nlh->nlmsg_seq - 1] = true;
	return MNL_CB_OK;
}

int conntrack_delete(struct conntrack *ct,
		     const struct conntrack_entry *entries, unsigned count,
		     bool *gone)
{
	const struct order o = { .type = IPCTNL_MSG_CT_DELETE,
				 .fn = gone ? note_gone : NULL,
				 .arg = gone };

	for (unsigned i = 0; gone && i < count; i++)
		gone[i] = false;
	return order_all(ct, &o, entries, count);
}

static int add_losses(const struct nlmsghdr *nlh, void *arg)
{
	struct conntrack_room *room = arg;
	struct nlattr *a;

	mnl_attr_for_each(a, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(a) == CTA_STATS_DROP)
			room->dropped += get_be32(a);
		else if (mnl_attr_get_type(a) == CTA_STATS_EARLY_DROP)
			room->evicted += get_be32(a);
	}
	return MNL_CB_OK;
}

static int read_number(const char *name, uint32_t *out)
{
	char path[96];
	FILE *f;
	int n;

	snprintf(path, sizeof(path), "/proc/sys/net/netfilter/%s", name);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	n = fscanf(f, "%u", out);
	fclose(f);
	return n == 1 ? 0 : -EINVAL;
}

int conntrack_room(struct conntrack_room *out)
{
	struct conntrack_room room = { 0 };
	char buf[NFNL_REQUEST_MAX];
	struct nlmsghdr *nlh =
		request(buf, IPCTNL_MSG_CT_GET_STATS_CPU, AF_UNSPEC);
	int err = read_number("nf_conntrack_count", &room.entries);

	if (!err)
		err = read_number("nf_conntrack_max", &room.max);
	if (!err)
		err = nfnl_dump(nlh, add_losses, &room);
	if (!err)
		*out = room;
	return err;
}

bool conntrack_is_full(const struct conntrack_room *room, unsigned percent)
{
	return room->max &&
	       room->entries * 100ull >= room->max * 1ull * percent;
}
