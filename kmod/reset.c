// SPDX-License-Identifier: GPL-2.0-or-later
#include "reset.h"

#include <linux/tcp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <net/route.h>
#include <net/tcp.h>

#include "core.h"
#include "rewrite.h"

#define HOPS 64

void halo_untrack(struct sk_buff *skb)
{
	if (unlikely(skb_nfct(skb)))
		nf_reset_ct(skb);
	skb_set_nfct(skb, IP_CT_UNTRACKED);
}

/* What has an IP header, towards its destination; takes skb. */
static bool send4(struct net *net, struct sk_buff *skb)
{
	struct flowi4 fl = {
		.daddr = ip_hdr(skb)->daddr,
		.saddr = ip_hdr(skb)->saddr,
		.flowi4_flags = FLOWI_FLAG_ANYSRC,
	};
	struct rtable *rt = ip_route_output_key(net, &fl);

	if (IS_ERR(rt)) {
		kfree_skb(skb);
		return false;
	}
	skb_dst_set(skb, &rt->dst);
	skb->protocol = htons(ETH_P_IP);
	halo_untrack(skb);
	return ip_local_out(net, NULL, skb) >= 0;
}

static bool send6(struct net *net, struct sk_buff *skb)
{
	struct flowi6 fl = {
		.daddr = ipv6_hdr(skb)->daddr,
		.saddr = ipv6_hdr(skb)->saddr,
		.flowi6_flags = FLOWI_FLAG_ANYSRC,
	};
	struct dst_entry *dst = ip6_route_output(net, NULL, &fl);

	if (dst->error) {
		dst_release(dst);
		kfree_skb(skb);
		return false;
	}
	skb_dst_set(skb, dst);
	skb->protocol = htons(ETH_P_IPV6);
	halo_untrack(skb);
	return ip6_local_out(net, NULL, skb) >= 0;
}

static bool send(struct net *net, struct sk_buff *skb, u8 family)
{
	return family == NFPROTO_IPV4 ? send4(net, skb) : send6(net, skb);
}

static void put_ip4(struct sk_buff *skb, const struct halo_reset *r)
{
	struct iphdr *ip = skb_put_zero(skb, sizeof(*ip));

	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->frag_off = htons(IP_DF);
	ip->ttl = HOPS;
	ip->protocol = IPPROTO_TCP;
	ip->saddr = r->src.ip;
	ip->daddr = r->dst.ip;
}

static void put_ip6(struct sk_buff *skb, const struct halo_reset *r)
{
	struct ipv6hdr *ip = skb_put_zero(skb, sizeof(*ip));

	ip->version = 6;
	ip->payload_len = htons(sizeof(struct tcphdr));
	ip->nexthdr = IPPROTO_TCP;
	ip->hop_limit = HOPS;
	ip->saddr = r->src.in6;
	ip->daddr = r->dst.in6;
}

static __sum16 checksum(const void *addrs, u8 family, struct tcphdr *tcp,
			 unsigned int len)
{
	__wsum sum = csum_partial(tcp, len, 0);

	if (family == NFPROTO_IPV4)
		return csum_tcpudp_magic(((const __be32 *)addrs)[0],
					 ((const __be32 *)addrs)[1], len,
					 IPPROTO_TCP, sum);
	return csum_ipv6_magic((const struct in6_addr *)addrs,
			       (const struct in6_addr *)addrs + 1, len,
			       IPPROTO_TCP, sum);
}

static const void *addrs_of(const struct sk_buff *skb, u8 family)
{
	return family == NFPROTO_IPV4 ? (const void *)&ip_hdr(skb)->saddr :
					(const void *)&ipv6_hdr(skb)->saddr;
}

static void put_tcp(struct sk_buff *skb, const struct halo_reset *r)
{
	struct tcphdr *tcp = skb_put_zero(skb, sizeof(*tcp));

	tcp->source = r->sport;
	tcp->dest = r->dport;
	tcp->seq = htonl(r->seq);
	tcp->ack_seq = htonl(r->ack);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->rst = 1;
	tcp->ack = r->has_ack;
	tcp->check = checksum(addrs_of(skb, r->family), r->family, tcp,
			       sizeof(*tcp));
}

bool halo_reset_send(struct net *net, const struct halo_reset *r)
{
	struct sk_buff *skb = alloc_skb(LL_MAX_HEADER + sizeof(struct ipv6hdr) +
						sizeof(struct tcphdr),
					GFP_ATOMIC);

	if (!skb)
		return false;
	skb_reserve(skb, LL_MAX_HEADER);
	skb_reset_network_header(skb);
	if (r->family == NFPROTO_IPV4)
		put_ip4(skb, r);
	else
		put_ip6(skb, r);
	skb_set_transport_header(skb, skb->len);
	put_tcp(skb, r);
	return send(net, skb, r->family);
}

/* A checksum that was left to a network card is made here. */
static bool redirect(struct sk_buff *skb, u8 family, unsigned int thoff,
		     bool partial, const union nf_inet_addr *to)
{
	struct tcphdr *tcp = (struct tcphdr *)(skb->data + thoff);

	if (!(family == NFPROTO_IPV4 ?
	      halo_rewrite4(skb, true, to->ip, thoff, IPPROTO_TCP) :
	      halo_rewrite6(skb, true, &to->in6, thoff, IPPROTO_TCP)))
		return false;
	if (!partial)
		return true;
	tcp->check = 0;
	tcp->check = checksum(addrs_of(skb, family), family, tcp,
			       skb->len - thoff);
	return true;
}

bool halo_syn_send(struct net *net, const struct halo_syn *syn,
		   const union nf_inet_addr *to)
{
	u8 family = syn->data[0] >> 4 == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
	unsigned int thoff = family == NFPROTO_IPV4 ?
		(syn->data[0] & 0x0f) * 4 : sizeof(struct ipv6hdr);
	struct sk_buff *skb = alloc_skb(LL_MAX_HEADER + syn->len, GFP_ATOMIC);

	if (!skb)
		return false;
	skb_reserve(skb, LL_MAX_HEADER);
	skb_reset_network_header(skb);
	skb_put_data(skb, syn->data, syn->len);
	skb_set_transport_header(skb, thoff);
	if (redirect(skb, family, thoff, syn->partial, to))
		return send(net, skb, family);
	kfree_skb(skb);
	return false;
}
