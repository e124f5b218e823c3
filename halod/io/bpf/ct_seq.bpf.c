// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads TCP's sequence state of one flow a run from conntrack. ct_seq.c runs it
 * by BPF_PROG_TEST_RUN as often as it has slots; cb[0] of the packet, which is
 * the same in all runs and otherwise unused, says whose turn it is.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "ct_seq_slot.h"
#include "nf_conn.h"

/* The lookup functions are for programs under a licence of the kernel's. */
char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, CT_SEQ_SLOTS);
	__type(key, __u32);
	__type(value, struct ct_seq_slot);
} slots SEC(".maps");

static struct nf_conn *look_up(struct __sk_buff *skb, struct ct_seq_slot *slot,
			       struct bpf_ct_opts *opts)
{
	if (slot->is_v6)
		return bpf_skb_ct_lookup(skb, &slot->flow,
					 sizeof(slot->flow.ipv6), opts,
					 sizeof(*opts));
	return bpf_skb_ct_lookup(skb, &slot->flow, sizeof(slot->flow.ipv4),
				 opts, sizeof(*opts));
}

/* Not read in place: Linux 6.1 takes the first member of a union for all. */
static void read_ends(struct ct_seq_slot *slot, struct nf_conn *ct)
{
	const struct ip_ct_tcp *tcp = &ct->proto.tcp;

	bpf_core_read(&slot->client_end, sizeof(__u32), &tcp->seen[0].td_end);
	bpf_core_read(&slot->node_end, sizeof(__u32), &tcp->seen[1].td_end);
}

SEC("tc")
int ct_seq_read_one(struct __sk_buff *skb)
{
	struct bpf_ct_opts opts = {};
	__u32 turn = skb->cb[0];
	struct ct_seq_slot *slot = bpf_map_lookup_elem(&slots, &turn);
	struct nf_conn *ct;

	if (!slot)
		return 0;
	skb->cb[0] = turn + 1;
	opts.netns_id = BPF_F_CURRENT_NETNS;
	opts.l4proto = IPPROTO_TCP;
	ct = look_up(skb, slot, &opts);
	if (!ct)
		return 0;
	read_ends(slot, ct);
	/* 0: it is the originator's tuple, as a client's to a door must be */
	slot->is_found = opts.dir == 0;
	bpf_ct_release(ct);
	return 0;
}
