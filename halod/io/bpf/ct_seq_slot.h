/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A question and its answer, in memory that ct_seq.c shares with its BPF
 * program. Compiled for both: kernel types alone.
 */
#ifndef HALO_IO_BPF_CT_SEQ_SLOT_H
#define HALO_IO_BPF_CT_SEQ_SLOT_H

#include <linux/bpf.h>

#define CT_SEQ_SLOTS 1024

struct ct_seq_slot {
	struct bpf_sock_tuple flow; /* client to door */
	__u8 is_v6;
	__u8 is_found;
	__u8 pad[2];
	__u32 client_end, node_end; /* past the last octet each has sent */
};

#endif
