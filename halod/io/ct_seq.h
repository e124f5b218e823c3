/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which sequence numbers both ends of a tracked TCP connection expect next, so
 * that a reset with them is accepted at once (RFC 5961, section 3.2). Netlink
 * does not tell them; a BPF program that asks conntrack does. It sends nothing.
 *
 * Needs Linux 5.18 with BTF, its modules' included, CAP_BPF, CAP_PERFMON and
 * CAP_NET_ADMIN, and to be built with libbpf and clang.
 */
#ifndef HALO_IO_CT_SEQ_H
#define HALO_IO_CT_SEQ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

struct ct_seq;

struct ct_seq_item {
	struct endpoint client, door; /* as the client writes them */
	/* Results, of an item that was found: the sequence numbers of resets to
	 * each end. An end that lost what was last sent to it expects a lower
	 * one and answers with a challenge ACK; one that was sent more since
	 * then takes no notice. */
	uint32_t to_client, to_node;
	bool found; /* false: conntrack knows no TCP flow from client to door */
};

/* The kernel's conntrack module must have been loaded, as it has once there are
 * NAT rules. 0 or -errno with why, in words for the operator; -EOPNOTSUPP: the
 * kernel or this build cannot. HALO_FORCE_NO_CT_SEQ in the environment: it
 * fails thus. Blocks for some 50 ms while it reads the kernel's types: not when
 * a node is lost, but before. */
int ct_seq_open(struct ct_seq **out, char *why, unsigned why_size);
void ct_seq_close(struct ct_seq *s);

/* In the network namespace of the calling thread; before the flows are deleted.
 * One thread at a time. 0, or -errno and found is false in items not reached.
 * Blocks: 0.1 ms and 0.3 µs an item. */
int ct_seq_read(struct ct_seq *s, struct ct_seq_item *items, unsigned count);

#endif
