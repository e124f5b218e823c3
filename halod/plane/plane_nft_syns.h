/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The SYNs that clients sent to doors in the last moments, found by their flow:
 * NFLOG fills a journal. Any thread may use it; it sends nothing.
 */
#ifndef HALO_PLANE_PLANE_NFT_SYNS_H
#define HALO_PLANE_PLANE_NFT_SYNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/conntrack.h"
#include "packet/flow.h"
#include "packet/journal.h"

struct plane_nft_syns;

/* -EBUSY: the NFLOG group is taken. Without NFLOG, or with HALO_FORCE_NO_NFLOG
 * in the environment, it succeeds and nothing is ever found. */
int plane_nft_syns_new(struct plane_nft_syns **out, uint16_t group);
void plane_nft_syns_free(struct plane_nft_syns *s);

bool plane_nft_syns_is_fed(const struct plane_nft_syns *s);
/* -1: never anything. */
int plane_nft_syns_fd(const struct plane_nft_syns *s);
/* Takes in what the kernel has copied so far; bounded. */
void plane_nft_syns_drain(struct plane_nft_syns *s);
/* The flow's SYN with complete checksums, as long as it is there; returns its
 * length, 0: none. */
size_t plane_nft_syns_find(struct plane_nft_syns *s, const struct flow_key *key,
			   uint8_t out[JOURNAL_SYN_MAX]);

/* Whose SYN had that sequence number, whatever became of its addresses and
 * ports on its way; false: none is there. */
bool plane_nft_syns_find_seq(struct plane_nft_syns *s, uint32_t seq,
			     struct flow_key *out);

/* lost: copies that had to go within a second, or never came for want of room.
 * Their clients wait for their own next try. */
struct plane_nft_syns_stats {
	uint64_t taken, lost;
};
void plane_nft_syns_stats(const struct plane_nft_syns *s,
			  struct plane_nft_syns_stats *out);

/* Client, door and protocol of the newest of them, newest first, the rest is
 * zero; at most max, returns how many. */
unsigned plane_nft_syns_newest(struct plane_nft_syns *s,
			       struct conntrack_entry *out, unsigned max);

#endif
