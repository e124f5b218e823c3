/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ct_seq.bpf.c needs to know of the kernel's connection tracking. Fields
 * that are read get their real offsets when the program is loaded (CO-RE), so
 * that these structs need not be whole.
 */
#ifndef HALO_IO_BPF_NF_CONN_H
#define HALO_IO_BPF_NF_CONN_H

#include <linux/bpf.h>

#define CO_RE __attribute__((preserve_access_index))

struct ip_ct_tcp_state {
	__u32 td_end;
} CO_RE;

struct ip_ct_tcp {
	struct ip_ct_tcp_state seen[2]; /* the originator's, the replier's */
} CO_RE;

union nf_conntrack_proto {
	struct ip_ct_tcp tcp;
} CO_RE;

struct nf_conn {
	union nf_conntrack_proto proto;
} CO_RE;

/* Given to the kernel as it is, so this one is whole: the twelve octets of
 * Linux 5.18, which later ones with more of them take as well. */
struct bpf_ct_opts {
	__s32 netns_id;
	__s32 error;
	__u8 l4proto;
	__u8 dir; /* of the tuple in its flow; the kernel's answer */
	__u8 reserved[2];
};

struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *skb,
				  struct bpf_sock_tuple *tuple, __u32 tuple_len,
				  struct bpf_ct_opts *opts,
				  __u32 opts_len) __ksym;
void bpf_ct_release(struct nf_conn *ct) __ksym;

#endif
