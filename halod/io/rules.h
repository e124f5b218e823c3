/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HaloD's own nf_tables table, `inet halod`: leads the packets of all doors,
 * in both directions, past conntrack into the workers' queues. It decides
 * nothing about a packet but whose it is, and touches no other table.
 *
 * Client's packets are taken in prerouting, where their destination can still
 * be rewritten; nodes' packets in postrouting, since with a local source
 * address they would be martians before. Both go by a hash of the client's
 * address, so that one worker sees both directions of a flow.
 *
 * A worker's mark says which address takes the place of another: the kernel
 * writes it, right behind the queue, and takes the mark away. So packets need
 * not come back, and large ones need not come whole. Marks of that range are
 * never seen outside of these two hooks.
 */
#ifndef HALO_IO_RULES_H
#define HALO_IO_RULES_H

#include <stdint.h>

#include "base/addr.h"
#include "packet/engine.h"

#define RULES_TABLE "halod"

enum rules_queue {
	RULES_NFT_QUEUE, /* nft's queue statement */
	RULES_XT_QUEUE,	 /* xtables' NFQUEUE target by nft_compat */
};

struct rules_conf {
	const struct engine_conf *engine; /* addresses, services, seed */
	uint16_t queue;			  /* the first worker's */
	unsigned workers;
	uint32_t mark; /* of packets HaloD makes: not tracked, not queued */
	enum rules_queue how;
};

/* All below: 0 or -errno, with a line for the operator in err. They need
 * CAP_NET_ADMIN, act in the network namespace of the thread and block for
 * milliseconds. */

/* What this kernel offers; HALO_FORCE_XT_NFQUEUE in the environment leaves the
 * second choice only. Leaves nothing behind. */
int rules_probe(enum rules_queue *out, char *err, unsigned err_size);

/* Replaces what a former life left. Nodes it knew stay known, so that none of
 * their packets slips through unseen while the new table is on its way. */
int rules_write(const struct rules_conf *c, char *err, unsigned err_size);
/* Other addresses and services than those written: one atomic step between two
 * packets, in which no queue is without its rule; or nothing. */
int rules_change_doors(const struct rules_conf *c, char *err,
		       unsigned err_size);
/* Nothing there is fine. */
int rules_remove(char *err, unsigned err_size);
/* What rules_write() would run, on the heap; NULL: no memory. */
char *rules_text(const struct rules_conf *c);

#define RULES_MARK	0x484e0000 /* "HN": of a node */
#define RULES_MARK_MASK 0xffff0000
#define RULES_MARK_DOOR 0x484effff

/* number: of no other node; RULES_MARK + number is its mark. RULES_NODES_MAX:
 * it has none. */
#define RULES_NODES_MAX 0xffff
struct rules_node {
	struct addr addr;
	uint16_t number;
};

struct rules_nodes {
	const struct rules_node *add, *remove; /* none twice */
	unsigned n_add, n_remove;
	bool replace; /* all others go; remove is not looked at */
};
/* Whose packets from door ports are nodes' packets. One atomic step; 0 or
 * -errno. */
int rules_change_nodes(const struct rules_nodes *n);

/* Of all rules, told apart from equal ones that replaced them, and of all
 * nodes: differs when somebody has meddled. -ENOENT: there are no
 * rules; -EINVAL: rules without our sets. */
int rules_fingerprint(uint64_t *out);

#endif
