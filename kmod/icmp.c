// SPDX-License-Identifier: GPL-2.0-or-later
#include "icmp.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/checksum.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "ending.h"
#include "reset.h"
#include "rewrite.h"

#define ICMP_HEADER 8

/* An error and what it quotes: a packet from src to dst. Offsets from the outer
 * network header, all within the linear part.
 */
struct error {
	u8 family, protocol;
	unsigned int icmp, quote, transport;
	unsigned int check;	/* of the quoted transport header; 0: cut off */
	union nf_inet_addr src, dst;
	u32 ports;		/* as quoted */
};

static bool is_error4(const struct sk_buff *skb, unsigned int at)
{
	u8 type = ((const struct icmphdr *)(skb->data + at))->type;

	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETERPROB;
}

static bool is_error6(const struct sk_buff *skb, unsigned int at)
{
	u8 type = ((const struct icmp6hdr *)(skb->data + at))->icmp6_type;

	return type >= ICMPV6_DEST_UNREACH && type <= ICMPV6_PARAMPROB;
}

static bool quote4(struct sk_buff *skb, struct error *e)
{
	const struct iphdr *ip;

	if (!pskb_may_pull(skb, e->quote + sizeof(*ip)))
		return false;
	ip = (const struct iphdr *)(skb->data + e->quote);
	if (ip->version != 4 || ip->ihl < 5 || ip->frag_off & htons(IP_OFFSET))
		return false;
	e->protocol = ip->protocol;
	e->transport = e->quote + ip->ihl * 4;
	e->src.ip = ip->saddr;
	e->dst.ip = ip->daddr;
	return true;
}

static bool quote6(struct sk_buff *skb, struct error *e)
{
	const struct ipv6hdr *ip;
	__be16 frag_off;
	int at;

	if (!pskb_may_pull(skb, e->quote + sizeof(*ip)))
		return false;
	ip = (const struct ipv6hdr *)(skb->data + e->quote);
	if (ip->version != 6)
		return false;
	e->protocol = ip->nexthdr;
	at = ipv6_skip_exthdr(skb, e->quote + sizeof(*ip), &e->protocol,
			      &frag_off);
	if (at < 0 || frag_off & htons(IP6_OFFSET))
		return false;
	e->transport = at;
	e->src.in6 = ip->saddr;
	e->dst.in6 = ip->daddr;
	return true;
}

static bool parse(struct sk_buff *skb, u8 family, struct error *e)
{
	bool v4 = family == NFPROTO_IPV4;
	unsigned int check;

	*e = (struct error){ .family = family };
	if (v4 && ip_is_fragment(ip_hdr(skb)))
		return false;
	e->icmp = v4 ? ip_hdrlen(skb) : sizeof(struct ipv6hdr);
	e->quote = e->icmp + ICMP_HEADER;
	if (!pskb_may_pull(skb, e->quote) ||
	    !(v4 ? is_error4(skb, e->icmp) : is_error6(skb, e->icmp)))
		return false;
	if (!(v4 ? quote4(skb, e) : quote6(skb, e)))
		return false;
	if (e->protocol != IPPROTO_TCP && e->protocol != IPPROTO_UDP)
		return false;
	if (!pskb_may_pull(skb, e->transport + sizeof(e->ports)))
		return false;
	memcpy(&e->ports, skb->data + e->transport, sizeof(e->ports));
	check = e->transport + (e->protocol == IPPROTO_TCP ? HALO_TCP_CHECK :
							     HALO_UDP_CHECK);
	if (pskb_may_pull(skb, check + sizeof(__sum16)))
		e->check = check;
	return true;
}

static bool is_same(u8 family, const union nf_inet_addr *a,
		    const union nf_inet_addr *b)
{
	return family == NFPROTO_IPV4 ? a->ip == b->ip :
					ipv6_addr_equal(&a->in6, &b->in6);
}

static union nf_inet_addr vip_of(const struct halo_table *t, u8 family)
{
	union nf_inet_addr vip = { .in6 = t->vip6 };

	if (family == NFPROTO_IPV4)
		vip.ip = t->vip4;
	return vip;
}

static union nf_inet_addr outer(const struct sk_buff *skb, u8 family, bool dst)
{
	union nf_inet_addr a = { .ip = 0 };

	if (family == NFPROTO_IPV4)
		a.ip = dst ? ip_hdr(skb)->daddr : ip_hdr(skb)->saddr;
	else
		a.in6 = dst ? ipv6_hdr(skb)->daddr : ipv6_hdr(skb)->saddr;
	return a;
}

/* The flow that the quote belongs to: quoted on its way to a client, or to a
 * node. NULL: none, or one that is over.
 */
static struct halo_flow *find(struct halo_net *hn, const struct halo_table *t,
			      const struct error *e, bool to_client)
{
	struct halo_key key = {
		.client = to_client ? e->dst : e->src,
		.ports = to_client ? rol32(e->ports, 16) : e->ports,
		.protocol = e->protocol,
		.family = e->family,
	};
	struct halo_flow *f = halo_flow_find(hn->flows, &key);

	return f && !halo_flow_is_stale(t, f) ? f : NULL;
}

static void *address_at(struct sk_buff *skb, const struct error *e,
			unsigned int ip, bool dst)
{
	if (e->family == NFPROTO_IPV4)
		return skb->data + ip + (dst ? offsetof(struct iphdr, daddr) :
					       offsetof(struct iphdr, saddr));
	return skb->data + ip + (dst ? offsetof(struct ipv6hdr, daddr) :
				       offsetof(struct ipv6hdr, saddr));
}

static unsigned int address_len(const struct error *e)
{
	return e->family == NFPROTO_IPV4 ? sizeof(__be32) :
					   sizeof(struct in6_addr);
}

/* A checksum over data that changed from sum to sum. */
static void adjust(__sum16 *check, __wsum before, __wsum after)
{
	*check = csum_fold(csum_add(csum_sub(~csum_unfold(*check), before),
				    after));
}

/* Returns the address's former sum; *after: its sum now. */
static __wsum set_address(struct sk_buff *skb, const struct error *e,
			  unsigned int ip, bool dst,
			  const union nf_inet_addr *to, __wsum *after)
{
	unsigned int len = address_len(e);
	void *at = address_at(skb, e, ip, dst);
	__wsum before = csum_partial(at, len, 0);

	memcpy(at, to, len);
	*after = csum_partial(at, len, 0);
	if (e->family == NFPROTO_IPV4)
		adjust(&((struct iphdr *)(skb->data + ip))->check, before,
		       *after);
	return before;
}

/* Everything that changes in a quote lies in its headers up to the transport
 * checksum, or up to the ports when the quote ends there: an even length.
 */
static unsigned int quoted_headers(const struct error *e)
{
	return (e->check ? e->check + sizeof(__sum16) : e->transport) -
	       e->quote;
}

static void translate_quote(struct sk_buff *skb, const struct error *e,
			    bool dst, const union nf_inet_addr *to)
{
	__sum16 *outer_check = (__sum16 *)(skb->data + e->icmp + 2);
	unsigned int len = quoted_headers(e);
	__wsum sum = csum_partial(skb->data + e->quote, len, 0);
	__wsum before, after;
	__sum16 *check;

	before = set_address(skb, e, e->quote, dst, to, &after);
	check = (__sum16 *)(skb->data + e->check);
	if (e->check && (e->protocol == IPPROTO_TCP || *check)) {
		adjust(check, before, after);
		if (e->protocol == IPPROTO_UDP && !*check)
			*check = CSUM_MANGLED_0;
	}
	adjust(outer_check, sum, csum_partial(skb->data + e->quote, len, 0));
}

/* One side of the error and the other of what it quotes become `to`. */
static bool translate(struct sk_buff *skb, const struct error *e, bool dst,
		      const union nf_inet_addr *to)
{
	__wsum before, after;

	if (skb_ensure_writable(skb, e->quote + quoted_headers(e)))
		return false;
	translate_quote(skb, e, !dst, to);
	before = set_address(skb, e, 0, dst, to, &after);
	if (e->family == NFPROTO_IPV6) /* ICMPv4 has no pseudo header */
		adjust((__sum16 *)(skb->data + e->icmp + 2), before, after);
	if (skb->ip_summed == CHECKSUM_COMPLETE)
		skb->ip_summed = CHECKSUM_NONE;
	return true;
}

static bool reroute(struct sk_buff *skb, const struct nf_hook_state *state,
		    u8 family)
{
	if (state->hook != NF_INET_LOCAL_OUT)
		return true;
	return family == NFPROTO_IPV4 ?
		!ip_route_me_harder(state->net, state->sk, skb, RTN_UNSPEC) :
		!ip6_route_me_harder(state->net, state->sk, skb);
}

unsigned int halo_icmp_arrive(struct halo_net *hn, struct sk_buff *skb,
			      const struct nf_hook_state *state, u8 family)
{
	const struct halo_table *t = rcu_dereference(hn->table);
	union nf_inet_addr vip = vip_of(t, family), to;
	struct halo_flow *f;
	struct error e;

	if (!parse(skb, family, &e))
		return NF_ACCEPT;
	if (!is_same(family, &e.src, &vip)) {
		f = find(hn, t, &e, false);
		if (f && is_same(family, &e.dst, &f->node))
			halo_untrack(skb);
		return NF_ACCEPT;
	}
	to = outer(skb, family, true);
	f = is_same(family, &to, &vip) ? find(hn, t, &e, true) : NULL;
	if (!f)
		return NF_ACCEPT;
	halo_untrack(skb);
	if (!translate(skb, &e, true, &f->node) || !reroute(skb, state, family)) {
		halo_count(hn, HALO_REASON_NO_MEMORY);
		return NF_DROP;
	}
	halo_count(hn, HALO_REASON_ICMP_TO_NODE);
	return NF_ACCEPT;
}

unsigned int halo_icmp_leave(struct halo_net *hn, struct sk_buff *skb,
			     u8 family)
{
	const struct halo_table *t = rcu_dereference(hn->table);
	union nf_inet_addr vip = vip_of(t, family), to;
	struct halo_flow *f;
	struct error e;

	if (!parse(skb, family, &e))
		return NF_ACCEPT;
	to = outer(skb, family, true);
	if (!is_same(family, &to, &e.src))
		return NF_ACCEPT;
	f = find(hn, t, &e, false);
	if (!f || !is_same(family, &e.dst, &f->node))
		return NF_ACCEPT;
	if (!translate(skb, &e, false, &vip)) {
		halo_count(hn, HALO_REASON_NO_MEMORY);
		return NF_DROP;
	}
	halo_count(hn, HALO_REASON_ICMP_TO_CLIENT);
	return NF_ACCEPT;
}
