/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes one address of a packet and the checksums that cover it, by their
 * difference (RFC 1624): one that was wrong stays wrong. Ready for GSO, partial
 * and complete checksums. Not for ICMP, whose checksum covers quotes: icmp.c.
 *
 * All run with skb->data at the network header; false: no memory, drop it.
 */
#ifndef HALO_REWRITE_H
#define HALO_REWRITE_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>

#define HALO_TCP_CHECK offsetof(struct tcphdr, check)
#define HALO_UDP_CHECK offsetof(struct udphdr, check)

/* How much of the transport header has to be there. */
static inline unsigned int halo_l4_len(u8 protocol)
{
	return protocol == IPPROTO_TCP ? sizeof(struct tcphdr) :
					 sizeof(struct udphdr);
}

/* The checksum that the address is a part of; NULL: none (UDP over IPv4). */
static inline __sum16 *halo_l4_check(const struct sk_buff *skb,
				     unsigned int thoff, u8 protocol)
{
	__sum16 *check;

	if (protocol == IPPROTO_TCP)
		return (__sum16 *)(skb->data + thoff + HALO_TCP_CHECK);
	check = (__sum16 *)(skb->data + thoff + HALO_UDP_CHECK);
	return *check || skb->ip_summed == CHECKSUM_PARTIAL ? check : NULL;
}

static __always_inline bool halo_rewrite4(struct sk_buff *skb, bool dst,
					  __be32 to, unsigned int thoff,
					  u8 protocol)
{
	__sum16 *check;
	struct iphdr *ip;
	__be32 *at;

	if (skb_ensure_writable(skb, thoff + halo_l4_len(protocol)))
		return false;
	ip = ip_hdr(skb);
	at = dst ? &ip->daddr : &ip->saddr;
	check = halo_l4_check(skb, thoff, protocol);
	if (check) {
		inet_proto_csum_replace4(check, skb, *at, to, true);
		if (protocol == IPPROTO_UDP && !*check)
			*check = CSUM_MANGLED_0;
	}
	csum_replace4(&ip->check, *at, to);
	*at = to;
	return true;
}

static __always_inline bool halo_rewrite6(struct sk_buff *skb, bool dst,
					  const struct in6_addr *to,
					  unsigned int thoff, u8 protocol)
{
	struct in6_addr *at;
	__sum16 *check;

	if (skb_ensure_writable(skb, thoff + halo_l4_len(protocol)))
		return false;
	at = dst ? &ipv6_hdr(skb)->daddr : &ipv6_hdr(skb)->saddr;
	check = halo_l4_check(skb, thoff, protocol);
	if (check) {
		inet_proto_csum_replace16(check, skb, at->s6_addr32,
					  to->s6_addr32, true);
		if (protocol == IPPROTO_UDP && !*check)
			*check = CSUM_MANGLED_0;
	}
	*at = *to;
	return true;
}

#endif
