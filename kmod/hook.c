// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/ipv6_frag.h>
#include <net/netfilter/ipv6/nf_defrag_ipv6.h>
#include <net/route.h>
#include <net/tcp.h>

#include "core.h"
#include "flow.h"
#include "forward.h"
#include "icmp.h"
#include "reset.h"
#include "rewrite.h"
#include "table.h"

/*
 * The way of a packet. arrive (PREROUTING, LOCAL_OUT) comes before conntrack:
 * it looks up, tracks, and gives clients' packets their node's address; what is
 * ours is not tracked. leave (POSTROUTING, LOCAL_IN) gives nodes' packets the
 * virtual address: before the routing decision a local source were a martian.
 * Both decide nothing in the hook but what an established flow needs.
 */
#define ARRIVES	 (NF_IP_PRI_CONNTRACK_DEFRAG + 1)
#define LEAVES	 NF_IP_PRI_RAW
#define ARRIVES6 (NF_IP6_PRI_CONNTRACK_DEFRAG + 1)
#define LEAVES6	 NF_IP6_PRI_RAW

static bool is_local_out(const struct nf_hook_state *state)
{
	return state->hook == NF_INET_LOCAL_OUT;
}

static unsigned int drop(struct halo_net *hn, enum halo_reason reason)
{
	halo_count(hn, reason);
	return NF_DROP;
}

/* One more packet of an established flow, in order and noted; false: there is
 * more to it.
 */
static __always_inline bool is_plain(const struct halo_table *t,
				     struct halo_flow *f, enum halo_end from,
				     const struct sk_buff *skb,
				     unsigned int thoff, u8 protocol)
{
	unsigned int left = skb->len - thoff, header;
	const struct tcphdr *tcp;
	const struct udphdr *udp;

	if (READ_ONCE(f->serial) != t->serial)
		return false;
	if (protocol == IPPROTO_UDP) {
		udp = (const struct udphdr *)(skb->data + thoff);
		header = ntohs(udp->len);
		if (header < sizeof(*udp) || header > left ||
		    (from == HALO_NODE && READ_ONCE(f->state) != HALO_FLOW_UDP))
			return false;
	} else {
		tcp = (const struct tcphdr *)(skb->data + thoff);
		header = tcp->doff * 4;
		if (header < sizeof(*tcp) || header > left ||
		    tcp_flag_byte(tcp) & (HALO_SYN | HALO_FIN | HALO_RST) ||
		    READ_ONCE(f->state) != HALO_FLOW_ESTABLISHED)
			return false;
		halo_flow_sent(f, from, ntohl(tcp->seq) + left - header,
			       ntohl(tcp->ack_seq), tcp->ack);
	}
	halo_flow_touch(f);
	return true;
}

/* What the hooks know of a packet; it stays in registers. */
struct view {
	struct halo_net *hn;
	const struct halo_table *t;
	struct sk_buff *skb;
	const struct nf_hook_state *state;
	unsigned int thoff;
	u32 ports;
	u8 protocol;
};

/* What becomes of a packet that is more than one more of its flow. */
struct judged {
	struct halo_flow *flow;	/* NULL: only the verdict */
	unsigned int verdict;
	bool is_reply;
};

static struct halo_packet packet_of(const struct view *v, u8 family)
{
	const __be16 *ports = (const __be16 *)(v->skb->data + v->thoff);

	return (struct halo_packet){
		.hn = v->hn,
		.table = v->t,
		.state = v->state,
		.skb = v->skb,
		.thoff = v->thoff,
		.sport = ports[0],
		.dport = ports[1],
		.family = family,
		.protocol = v->protocol,
	};
}

static struct judged judge(struct halo_packet *p, struct halo_flow *f,
			   bool to_vip)
{
	struct judged j;

	j.flow = to_vip ? halo_from_client(p, f, &j.verdict) :
			  halo_from_node(p, f, &j.verdict);
	j.is_reply = p->is_reply;
	return j;
}

static noinline struct judged judge4(struct view v, struct halo_flow *f,
				     bool to_vip)
{
	struct halo_packet p = packet_of(&v, NFPROTO_IPV4);

	p.src.ip = ip_hdr(v.skb)->saddr;
	p.dst.ip = ip_hdr(v.skb)->daddr;
	return judge(&p, f, to_vip);
}

static noinline struct judged judge6(struct view v, struct halo_flow *f,
				     bool to_vip)
{
	struct halo_packet p = packet_of(&v, NFPROTO_IPV6);

	p.src.in6 = ipv6_hdr(v.skb)->saddr;
	p.dst.in6 = ipv6_hdr(v.skb)->daddr;
	return judge(&p, f, to_vip);
}

static noinline unsigned int join4(struct sk_buff *skb,
				   const struct nf_hook_state *state)
{
	enum ip_defrag_users user = is_local_out(state) ?
		IP_DEFRAG_CONNTRACK_OUT : IP_DEFRAG_CONNTRACK_IN;
	int err;

	local_bh_disable();
	err = ip_defrag(state->net, skb, user);
	local_bh_enable();
	if (err)
		return NF_STOLEN;
	skb->ignore_df = 1;
	return NF_ACCEPT;
}

static __always_inline unsigned int to_node4(struct view v, __be32 node)
{
	halo_untrack(v.skb);
	if (unlikely(!halo_rewrite4(v.skb, true, node, v.thoff, v.protocol)))
		return drop(v.hn, HALO_REASON_NO_MEMORY);
	if (unlikely(is_local_out(v.state)) &&
	    ip_route_me_harder(v.state->net, v.state->sk, v.skb, RTN_UNSPEC))
		return drop(v.hn, HALO_REASON_NO_MEMORY);
	return NF_ACCEPT;
}

static __always_inline unsigned int from_client4(struct view v)
{
	struct halo_flow *f = halo_flow_find4(v.hn->flows,
					      ip_hdr(v.skb)->saddr, v.ports,
					      v.protocol);
	struct judged j;

	if (f && likely(is_plain(v.t, f, HALO_CLIENT, v.skb, v.thoff,
				 v.protocol))) {
		halo_count(v.hn, HALO_REASON_CLIENT_TO_NODE);
		return to_node4(v, f->node.ip);
	}
	j = judge4(v, f, true);
	if (!j.flow)
		return j.verdict;
	if (!j.is_reply)
		return to_node4(v, j.flow->node.ip);
	halo_untrack(v.skb);
	return NF_ACCEPT;
}

static __always_inline unsigned int from_node4(struct view v)
{
	const struct iphdr *ip = ip_hdr(v.skb);
	struct halo_flow *f = halo_flow_find4(v.hn->flows, ip->daddr,
					      rol32(v.ports, 16), v.protocol);
	struct judged j;

	if (f && f->node.ip == ip->saddr &&
	    likely(is_plain(v.t, f, HALO_NODE, v.skb, v.thoff, v.protocol))) {
		halo_count(v.hn, HALO_REASON_NODE_TO_CLIENT);
	} else {
		j = judge4(v, f, false);
		if (!j.flow)
			return j.verdict;
	}
	halo_untrack(v.skb);
	return NF_ACCEPT;
}

static bool is_l4(u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

static unsigned int arrive4(void *priv, struct sk_buff *skb,
			    const struct nf_hook_state *state)
{
	struct halo_net *hn = priv;
	const struct halo_table *t = rcu_dereference(hn->table);
	struct view v = { .hn = hn, .t = t, .skb = skb, .state = state };
	const struct iphdr *ip = ip_hdr(skb);
	bool to_vip = ip->daddr == t->vip4;
	unsigned int verdict;

	v.protocol = ip->protocol;
	if (unlikely(!is_l4(v.protocol)))
		return v.protocol == IPPROTO_ICMP ?
			halo_icmp_arrive(hn, skb, state, NFPROTO_IPV4) :
			NF_ACCEPT;
	if (to_vip ? skb_get_nfct(skb) == IP_CT_UNTRACKED :
		     !halo_table_is_node4(t, ip->saddr))
		return NF_ACCEPT;
	if (unlikely(ip_is_fragment(ip))) {
		verdict = join4(skb, state);
		if (verdict != NF_ACCEPT)
			return verdict;
	}
	v.thoff = ip_hdrlen(skb);
	if (unlikely(!pskb_may_pull(skb, v.thoff + halo_l4_len(v.protocol))))
		return drop(hn, HALO_REASON_SHORT);
	v.ports = *(u32 *)(skb->data + v.thoff);
	return to_vip ? from_client4(v) : from_node4(v);
}

/* A refusal that was let go on: both ends will know. */
static void note_refusal(struct halo_net *hn, struct halo_flow *f,
			 const struct sk_buff *skb, unsigned int thoff)
{
	const struct tcphdr *tcp = (const struct tcphdr *)(skb->data + thoff);

	if (likely(READ_ONCE(f->state) != HALO_FLOW_SYN_SENT) || !tcp->rst)
		return;
	halo_flow_refused(hn->flows, f);
	halo_count(hn, HALO_REASON_REFUSAL_PASSED);
}

static unsigned int leave4(void *priv, struct sk_buff *skb,
			   const struct nf_hook_state *state)
{
	struct halo_net *hn = priv;
	const struct halo_table *t = rcu_dereference(hn->table);
	const struct iphdr *ip = ip_hdr(skb);
	u8 protocol = ip->protocol;
	unsigned int thoff = ip->ihl * 4;
	struct halo_flow *f;
	u32 ports;

	if (unlikely(!is_l4(protocol)))
		return protocol == IPPROTO_ICMP ?
			halo_icmp_leave(hn, skb, NFPROTO_IPV4) : NF_ACCEPT;
	if (!halo_table_is_node4(t, ip->saddr) || ip_is_fragment(ip) ||
	    !pskb_may_pull(skb, thoff + halo_l4_len(protocol)))
		return NF_ACCEPT;
	ip = ip_hdr(skb);
	ports = *(u32 *)(skb->data + thoff);
	f = halo_flow_find4(hn->flows, ip->daddr, rol32(ports, 16), protocol);
	if (!f)
		return NF_ACCEPT;
	if (unlikely(f->node.ip != ip->saddr)) /* its SYN was sent on since */
		return drop(hn, HALO_REASON_STALE_FLOW);
	note_refusal(hn, f, skb, thoff);
	if (unlikely(!halo_rewrite4(skb, false, t->vip4, thoff, protocol)))
		return drop(hn, HALO_REASON_NO_MEMORY);
	return NF_ACCEPT;
}

/* Past extension headers, fragments joined. NF_ACCEPT with protocol 0: no TCP
 * and no UDP.
 */
static noinline unsigned int find_l4_6(struct halo_net *hn,
				       struct sk_buff *skb,
				       const struct nf_hook_state *state,
				       unsigned int *thoff, u8 *protocol)
{
	int flags = IP6_FH_F_SKIP_RH, next, err;
	unsigned int routing = 0, at = 0;
	u32 user = is_local_out(state) ? IP6_DEFRAG_CONNTRACK_OUT :
					 IP6_DEFRAG_CONNTRACK_IN;
	unsigned short frag_off;

	/* The destination is not the last one, then. */
	if (ipv6_find_hdr(skb, &routing, NEXTHDR_ROUTING, NULL, &flags) >= 0)
		return drop(hn, HALO_REASON_BAD_HEADER);
	err = nf_ct_frag6_gather(state->net, skb, user);
	if (err)
		return err == -EINPROGRESS ? NF_STOLEN :
					     drop(hn, HALO_REASON_FRAGMENT);
	next = ipv6_find_hdr(skb, &at, -1, &frag_off, NULL);
	if (next < 0)
		return drop(hn, HALO_REASON_BAD_HEADER);
	*protocol = is_l4(next) ? next : 0;
	*thoff = at;
	return NF_ACCEPT;
}

static __always_inline unsigned int to_node6(struct view v,
					     const struct in6_addr *node)
{
	halo_untrack(v.skb);
	if (unlikely(!halo_rewrite6(v.skb, true, node, v.thoff, v.protocol)))
		return drop(v.hn, HALO_REASON_NO_MEMORY);
	if (unlikely(is_local_out(v.state)) &&
	    ip6_route_me_harder(v.state->net, v.state->sk, v.skb))
		return drop(v.hn, HALO_REASON_NO_MEMORY);
	return NF_ACCEPT;
}

static __always_inline unsigned int from_client6(struct view v)
{
	struct halo_flow *f = halo_flow_find6(v.hn->flows,
					      &ipv6_hdr(v.skb)->saddr, v.ports,
					      v.protocol);
	struct judged j;

	if (f && likely(is_plain(v.t, f, HALO_CLIENT, v.skb, v.thoff,
				 v.protocol))) {
		halo_count(v.hn, HALO_REASON_CLIENT_TO_NODE);
		return to_node6(v, &f->node.in6);
	}
	j = judge6(v, f, true);
	if (!j.flow)
		return j.verdict;
	if (!j.is_reply)
		return to_node6(v, &j.flow->node.in6);
	halo_untrack(v.skb);
	return NF_ACCEPT;
}

static __always_inline unsigned int from_node6(struct view v)
{
	const struct ipv6hdr *ip = ipv6_hdr(v.skb);
	struct halo_flow *f = halo_flow_find6(v.hn->flows, &ip->daddr,
					      rol32(v.ports, 16), v.protocol);
	struct judged j;

	if (f && ipv6_addr_equal(&f->node.in6, &ip->saddr) &&
	    likely(is_plain(v.t, f, HALO_NODE, v.skb, v.thoff, v.protocol))) {
		halo_count(v.hn, HALO_REASON_NODE_TO_CLIENT);
	} else {
		j = judge6(v, f, false);
		if (!j.flow)
			return j.verdict;
	}
	halo_untrack(v.skb);
	return NF_ACCEPT;
}

static unsigned int arrive6(void *priv, struct sk_buff *skb,
			    const struct nf_hook_state *state)
{
	struct halo_net *hn = priv;
	const struct halo_table *t = rcu_dereference(hn->table);
	struct view v = { .hn = hn, .t = t, .skb = skb, .state = state };
	const struct ipv6hdr *ip = ipv6_hdr(skb);
	bool to_vip = ipv6_addr_equal(&ip->daddr, &t->vip6);
	unsigned int verdict;

	v.thoff = sizeof(*ip);
	v.protocol = ip->nexthdr;
	if (unlikely(v.protocol == IPPROTO_ICMPV6))
		return halo_icmp_arrive(hn, skb, state, NFPROTO_IPV6);
	if (to_vip ? skb_get_nfct(skb) == IP_CT_UNTRACKED :
		     !halo_table_is_node6(t, &ip->saddr))
		return NF_ACCEPT;
	if (unlikely(!is_l4(v.protocol))) {
		verdict = find_l4_6(hn, skb, state, &v.thoff, &v.protocol);
		if (verdict != NF_ACCEPT || !v.protocol)
			return verdict;
	}
	if (unlikely(!pskb_may_pull(skb, v.thoff + halo_l4_len(v.protocol))))
		return drop(hn, HALO_REASON_SHORT);
	v.ports = *(u32 *)(skb->data + v.thoff);
	return to_vip ? from_client6(v) : from_node6(v);
}

/* Of a whole packet; 0: it is neither TCP nor UDP. */
static unsigned int thoff6(const struct sk_buff *skb, u8 *protocol)
{
	unsigned short frag_off = 0;
	unsigned int at = 0;
	int next;

	if (likely(is_l4(*protocol)))
		return sizeof(struct ipv6hdr);
	next = ipv6_find_hdr(skb, &at, -1, &frag_off, NULL);
	if (next < 0 || frag_off || !is_l4(next))
		return 0;
	*protocol = next;
	return at;
}

static unsigned int leave6(void *priv, struct sk_buff *skb,
			   const struct nf_hook_state *state)
{
	struct halo_net *hn = priv;
	const struct halo_table *t = rcu_dereference(hn->table);
	const struct ipv6hdr *ip = ipv6_hdr(skb);
	u8 protocol = ip->nexthdr;
	struct halo_flow *f;
	unsigned int thoff;
	u32 ports;

	if (unlikely(protocol == IPPROTO_ICMPV6))
		return halo_icmp_leave(hn, skb, NFPROTO_IPV6);
	if (!halo_table_is_node6(t, &ip->saddr))
		return NF_ACCEPT;
	thoff = thoff6(skb, &protocol);
	if (!thoff || !pskb_may_pull(skb, thoff + halo_l4_len(protocol)))
		return NF_ACCEPT;
	ip = ipv6_hdr(skb);
	ports = *(u32 *)(skb->data + thoff);
	f = halo_flow_find6(hn->flows, &ip->daddr, rol32(ports, 16), protocol);
	if (!f)
		return NF_ACCEPT;
	if (unlikely(!ipv6_addr_equal(&f->node.in6, &ip->saddr)))
		return drop(hn, HALO_REASON_STALE_FLOW);
	note_refusal(hn, f, skb, thoff);
	if (unlikely(!halo_rewrite6(skb, false, &t->vip6, thoff, protocol)))
		return drop(hn, HALO_REASON_NO_MEMORY);
	return NF_ACCEPT;
}

#define HOOK(fn, family, at, prio) \
	{ .hook = (fn), .pf = (family), .hooknum = (at), .priority = (prio) }

static const struct nf_hook_ops hooks[] = {
	HOOK(arrive4, NFPROTO_IPV4, NF_INET_PRE_ROUTING, ARRIVES),
	HOOK(arrive4, NFPROTO_IPV4, NF_INET_LOCAL_OUT, ARRIVES),
	HOOK(leave4, NFPROTO_IPV4, NF_INET_POST_ROUTING, LEAVES),
	HOOK(leave4, NFPROTO_IPV4, NF_INET_LOCAL_IN, LEAVES),
	HOOK(arrive6, NFPROTO_IPV6, NF_INET_PRE_ROUTING, ARRIVES6),
	HOOK(arrive6, NFPROTO_IPV6, NF_INET_LOCAL_OUT, ARRIVES6),
	HOOK(leave6, NFPROTO_IPV6, NF_INET_POST_ROUTING, LEAVES6),
	HOOK(leave6, NFPROTO_IPV6, NF_INET_LOCAL_IN, LEAVES6),
};

int halo_hooks_register(struct halo_net *hn)
{
	u32 i;
	int err;

	lockdep_assert_held(&hn->lock);
	hn->hooks = kmemdup(hooks, sizeof(hooks), GFP_KERNEL);
	if (!hn->hooks)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		hn->hooks[i].priv = hn;
	err = nf_register_net_hooks(hn->net, hn->hooks, ARRAY_SIZE(hooks));
	if (!err)
		return 0;
	kfree(hn->hooks);
	hn->hooks = NULL;
	return err;
}

/* Some may still run; RCU tells when they have ended. */
void halo_hooks_unregister(struct halo_net *hn)
{
	if (!hn->hooks)
		return;
	nf_unregister_net_hooks(hn->net, hn->hooks, ARRAY_SIZE(hooks));
}
