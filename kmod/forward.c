// SPDX-License-Identifier: GPL-2.0-or-later
#include "forward.h"

#include <linux/inetdevice.h>
#include <linux/netfilter_ipv4.h>
#include <net/addrconf.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/netfilter/ipv4/nf_reject.h>
#include <net/netfilter/ipv6/nf_reject.h>
#include <net/route.h>
#include <net/tcp.h>

#include "ending.h"
#include "genl.h"
#include "reset.h"
#include "rewrite.h"

static bool is_tcp(const struct halo_packet *p)
{
	return p->protocol == IPPROTO_TCP;
}

static bool is_syn(const struct halo_packet *p)
{
	return is_tcp(p) && halo_is_syn(p->flags);
}

/* Counted; the answer to a packet that goes no further. */
static struct halo_flow *dropped(struct halo_packet *p,
				 enum halo_reason reason, unsigned int *verdict)
{
	halo_count(p->hn, reason);
	*verdict = NF_DROP;
	return NULL;
}

static struct halo_flow *not_ours(unsigned int *verdict)
{
	*verdict = NF_ACCEPT;
	return NULL;
}

/* Reads the transport header; HALO_REASONS: it is in order. */
static enum halo_reason read_header(struct halo_packet *p)
{
	unsigned int left = p->skb->len - p->thoff, header;
	const struct tcphdr *tcp;
	const struct udphdr *udp;

	if (!is_tcp(p)) {
		udp = (const struct udphdr *)(p->skb->data + p->thoff);
		header = ntohs(udp->len);
		return header < sizeof(*udp) || header > left ?
			HALO_REASON_BAD_LENGTH : HALO_REASONS;
	}
	tcp = (const struct tcphdr *)(p->skb->data + p->thoff);
	header = tcp->doff * 4;
	if (header < sizeof(*tcp) || header > left)
		return HALO_REASON_BAD_HEADER;
	p->seq = ntohl(tcp->seq);
	p->ack = ntohl(tcp->ack_seq);
	p->flags = tcp_flag_byte(tcp);
	p->len = left - header + tcp->syn + tcp->fin;
	return HALO_REASONS;
}

/* The reset that a segment of no connection earns (RFC 9293, 3.10.7.1). */
static void answer_segment(struct halo_packet *p)
{
	struct halo_reset r = {
		.family = p->family,
		.src = p->dst,
		.sport = p->dport,
		.dst = p->src,
		.dport = p->sport,
	};

	if (!is_tcp(p) || p->flags & HALO_RST)
		return;
	if (p->flags & HALO_ACK) {
		r.seq = p->ack;
	} else {
		r.ack = p->seq + p->len;
		r.has_ack = true;
	}
	halo_reset_send(p->hn->net, &r);
}

static struct halo_flow *flowless(struct halo_packet *p, unsigned int *verdict)
{
	answer_segment(p);
	return dropped(p, HALO_REASON_RESET_FLOWLESS, verdict);
}

static struct halo_flow *unserved(struct halo_packet *p,
				  enum halo_reason reason,
				  unsigned int *verdict)
{
	if (is_tcp(p))
		answer_segment(p);
	else if (p->family == NFPROTO_IPV4)
		nf_send_unreach(p->skb, ICMP_PORT_UNREACH, p->state->hook);
	else
		nf_send_unreach6(p->hn->net, p->skb, ICMPV6_PORT_UNREACH,
				 p->state->hook);
	return dropped(p, reason, verdict);
}

static bool is_attended(const struct halo_net *hn)
{
	return READ_ONCE(hn->attend.has_queue) &&
	       time_before(jiffies, READ_ONCE(hn->attend.until));
}

static bool is_held(const struct halo_packet *p, u16 route)
{
	return test_bit(route, p->hn->held) && is_attended(p->hn);
}

static struct halo_flow *hold(struct halo_packet *p, unsigned int *verdict)
{
	halo_count(p->hn, HALO_REASON_HELD);
	*verdict = NF_QUEUE_NR(READ_ONCE(p->hn->attend.queue));
	return NULL;
}

/* One with extension headers is not kept: what sends it again knows none. */
static u32 keep_syn(const struct halo_packet *p)
{
	if (p->family == NFPROTO_IPV6 && p->thoff != sizeof(struct ipv6hdr))
		return 0;
	return halo_syns_put(p->hn->syns, p->skb, p->skb->len);
}

/* p: of the client, or of the node that speaks first. */
static struct halo_flow *add_flow(struct halo_packet *p, enum halo_end from,
				  const struct halo_door *door,
				  const struct halo_seat *seat,
				  unsigned int *verdict)
{
	bool client = from == HALO_CLIENT, evicted;
	struct halo_key key = {
		.client = client ? p->src : p->dst,
		.client_port = client ? p->sport : p->dport,
		.door_port = client ? p->dport : p->sport,
		.protocol = p->protocol,
		.family = p->family,
	};
	struct halo_flow *f = halo_flow_new(&key);

	if (!f)
		return dropped(p, HALO_REASON_NO_MEMORY, verdict);
	f->state = is_tcp(p) ? HALO_FLOW_SYN_SENT :
		   client ? HALO_FLOW_UDP_NEW : HALO_FLOW_UDP;
	f->route = door->route;
	f->tag = seat->tag;
	f->serial = p->table->serial;
	f->node = seat->addr[halo_index(p->family)];
	if (is_tcp(p)) {
		halo_flow_open(f, p);
		f->syn = keep_syn(p);
	}
	f = halo_flow_insert(p->hn->flows, f, &evicted);
	if (!f)
		return dropped(p, HALO_REASON_FLOWS_FULL, verdict);
	if (evicted)
		halo_count(p->hn, HALO_REASON_FLOWS_FULL);
	halo_count(p->hn, HALO_REASON_NEW_FLOW);
	return f;
}

/* A new connection, or the first datagram of a client. */
static struct halo_flow *begin(struct halo_packet *p,
			       const struct halo_door *door,
			       unsigned int *verdict)
{
	const struct halo_seat *seat;

	if (!door->service)
		return not_ours(verdict);
	if (is_held(p, door->route))
		return hold(p, verdict);
	seat = halo_table_seat(p->table, door->route);
	if (!seat)
		return unserved(p, HALO_REASON_UNOWNED, verdict);
	if (!seat->has[halo_index(p->family)])
		return unserved(p, HALO_REASON_FAMILY, verdict);
	return add_flow(p, HALO_CLIENT, door, seat, verdict);
}

/* The flow's instance lost the route before its flows were ended. A SYN and a
 * datagram begin anew; whoever is in the middle of something is told.
 */
static struct halo_flow *stale_from_client(struct halo_packet *p,
					   struct halo_flow *f,
					   const struct halo_door *door,
					   unsigned int *verdict)
{
	bool forced = halo_ends_is_forced(p->hn->ends, f->tag);
	struct halo_ended ended = { 0 };

	halo_count(p->hn, HALO_REASON_STALE_FLOW);
	if (is_tcp(p) && !is_syn(p)) {
		halo_flow_track(p->hn->flows, f, HALO_CLIENT, p);
		halo_end_flow(p->hn, p->table, f, forced, &ended);
		*verdict = NF_DROP;
		return NULL;
	}
	if (is_tcp(p) && !forced && !f->was_reset)
		halo_end_tell(p->hn, p->table, f, HALO_NODE);
	halo_flow_remove(p->hn->flows, f);
	return begin(p, door, verdict);
}

/* The packet of a known flow is taken in. */
static void take(struct halo_packet *p, struct halo_flow *f,
		 enum halo_end from)
{
	bool again = is_syn(p) && from == HALO_CLIENT;

	if (is_tcp(p))
		halo_flow_track(p->hn->flows, f, from, p);
	else if (from == HALO_NODE)
		WRITE_ONCE(f->state, HALO_FLOW_UDP);
	halo_flow_touch(f);
	if (again && READ_ONCE(f->state) == HALO_FLOW_SYN_SENT)
		WRITE_ONCE(f->syn, keep_syn(p));
}

/* An answer of a node to a client at the virtual address: the gateway. */
static struct halo_flow *find_reply(struct halo_packet *p)
{
	struct halo_key key = {
		.client = p->dst,
		.client_port = p->dport,
		.door_port = p->sport,
		.protocol = p->protocol,
		.family = p->family,
	};
	bool node = p->family == NFPROTO_IPV4 ?
		halo_table_is_node4(p->table, p->src.ip) :
		halo_table_is_node6(p->table, &p->src.in6);

	return node ? halo_flow_find(p->hn->flows, &key) : NULL;
}

static bool has_vip(const struct halo_packet *p)
{
	return p->family == NFPROTO_IPV4 ? p->table->vip4 != 0 :
		!ipv6_addr_any(&p->table->vip6);
}

struct halo_flow *halo_from_client(struct halo_packet *p, struct halo_flow *f,
				   unsigned int *verdict)
{
	struct halo_door door = halo_table_door(p->table, p->protocol,
						p->dport);
	struct halo_flow *reply = f ? NULL : find_reply(p);
	enum halo_reason wrong;

	if (reply) {
		p->is_reply = true;
		return halo_from_node(p, reply, verdict);
	}
	if (!has_vip(p) || (!f && !door.service))
		return not_ours(verdict);
	wrong = read_header(p);
	if (wrong != HALO_REASONS)
		return dropped(p, wrong, verdict);
	if (f && halo_flow_is_stale(p->table, f))
		return stale_from_client(p, f, &door, verdict);
	if (f && READ_ONCE(f->state) == HALO_FLOW_CLOSING && is_syn(p)) {
		/* the client uses its port again */
		halo_flow_remove(p->hn->flows, f);
		f = NULL;
	}
	if (!f)
		return is_tcp(p) && !is_syn(p) ? flowless(p, verdict) :
						 begin(p, &door, verdict);
	halo_count(p->hn, HALO_REASON_CLIENT_TO_NODE);
	take(p, f, HALO_CLIENT);
	return f;
}

/* The gateway's own connections to nodes (probes) are none of our business. */
static bool is_for_gateway(const struct halo_packet *p)
{
	struct net *net = p->hn->net;

	if (p->family == NFPROTO_IPV4)
		return inet_addr_type(net, p->dst.ip) != RTN_UNICAST;
	return ipv6_addr_is_multicast(&p->dst.in6) ||
	       ipv6_chk_addr(net, &p->dst.in6, NULL, 0);
}

static bool is_same(const struct halo_packet *p, const union nf_inet_addr *a,
		    const union nf_inet_addr *b)
{
	return p->family == NFPROTO_IPV4 ? a->ip == b->ip :
					   ipv6_addr_equal(&a->in6, &b->in6);
}

/* A server may speak first, or long after the flow expired. */
static struct halo_flow *datagram_without_flow(struct halo_packet *p,
					       const struct halo_door *door,
					       unsigned int *verdict)
{
	const struct halo_seat *seat = halo_table_seat(p->table, door->route);
	unsigned int i = halo_index(p->family);

	if (!seat || !seat->has[i] || !is_same(p, &seat->addr[i], &p->src))
		return flowless(p, verdict);
	return add_flow(p, HALO_NODE, door, seat, verdict);
}

static struct halo_flow *node_without_flow(struct halo_packet *p,
					   unsigned int *verdict)
{
	struct halo_door door = halo_table_door(p->table, p->protocol,
						p->sport);
	enum halo_reason wrong;

	if (!door.service || is_for_gateway(p))
		return not_ours(verdict);
	wrong = read_header(p);
	if (wrong != HALO_REASONS)
		return dropped(p, wrong, verdict);
	if (!is_tcp(p))
		return datagram_without_flow(p, &door, verdict);
	if (is_syn(p)) /* a connection of the node's own */
		return not_ours(verdict);
	return flowless(p, verdict);
}

/* From a former instance, or one that no longer serves the route. */
static struct halo_flow *stale_from_node(struct halo_packet *p,
					 unsigned int *verdict)
{
	answer_segment(p);
	return dropped(p, HALO_REASON_STALE_FLOW, verdict);
}

/* A client can make a door that nobody listens at refuse at any rate. */
static void tell_refused(struct halo_net *hn, const struct halo_flow *f)
{
	struct halo_told *told = &hn->told[f->tag % HALO_TOLD];
	unsigned long rest = msecs_to_jiffies(HALO_REFUSED_REST_MS);

	if (READ_ONCE(told->tag) == f->tag &&
	    time_before(jiffies, READ_ONCE(told->at) + rest))
		return;
	WRITE_ONCE(told->tag, f->tag);
	WRITE_ONCE(told->at, jiffies);
	halo_genl_refused(hn, f->tag, f->route);
}

/* The client hears of it when its node has been looked at. */
static struct halo_flow *refused(struct halo_packet *p, struct halo_flow *f,
				 unsigned int *verdict)
{
	struct halo_net *hn = p->hn;

	tell_refused(hn, f);
	if (is_attended(hn) && READ_ONCE(hn->attend.refusals)) {
		halo_count(hn, HALO_REASON_REFUSAL_HELD);
		halo_untrack(p->skb);
		*verdict = NF_QUEUE_NR(READ_ONCE(hn->attend.queue)) |
			   NF_VERDICT_FLAG_QUEUE_BYPASS;
		return NULL;
	}
	halo_count(hn, HALO_REASON_REFUSAL_PASSED);
	take(p, f, HALO_NODE);
	return f;
}

struct halo_flow *halo_from_node(struct halo_packet *p, struct halo_flow *f,
				 unsigned int *verdict)
{
	struct halo_ended ended = { 0 };
	enum halo_reason wrong;

	if (!f)
		return node_without_flow(p, verdict);
	wrong = read_header(p);
	if (wrong != HALO_REASONS)
		return dropped(p, wrong, verdict);
	if (!is_same(p, &p->src, &f->node))
		return stale_from_node(p, verdict);
	if (halo_flow_is_stale(p->table, f)) {
		halo_end_flow(p->hn, p->table, f, true, &ended);
		return stale_from_node(p, verdict);
	}
	if (is_tcp(p) && halo_flow_refuses(f, p))
		return refused(p, f, verdict);
	halo_count(p->hn, HALO_REASON_NODE_TO_CLIENT);
	take(p, f, HALO_NODE);
	return f;
}
