/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether somebody else has changed our nft table, and since when: one thread
 * watches, another asks. It repairs nothing.
 */
#ifndef HALO_PLANE_PLANE_NFT_DRIFT_H
#define HALO_PLANE_PLANE_NFT_DRIFT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "io/nft_foreign.h"

struct plane_nft_drift {
	pthread_mutex_t lock;
	struct nft_foreign watch;
	uint64_t since_ns; /* 0: none is known */
	bool rewriting;	   /* our text makes the table: nothing is drift yet */
};

/* Rewriting, until plane_nft_drift_end_rewrite(). 0 or -errno. */
int plane_nft_drift_init(struct plane_nft_drift *d);
void plane_nft_drift_fini(struct plane_nft_drift *d);
/* -1: not now, our own text is at work. */
int plane_nft_drift_fd(struct plane_nft_drift *d);
/* A netlink port whose changes are our own, 0: none; which: 0 to 2. */
void plane_nft_drift_set_port(struct plane_nft_drift *d, unsigned which,
			      uint32_t port);
/* Reads what has come; true: there is news of another's change. */
bool plane_nft_drift_look(struct plane_nft_drift *d);
/* When another was first seen to change our table, since the last time this was
 * asked; 0: none has. */
uint64_t plane_nft_drift_take(struct plane_nft_drift *d);
/* Our text is about to make or change the table; and has: what others changed
 * meanwhile is drift, unless the text has overwritten it. True: there is news
 * of such a change. */
void plane_nft_drift_begin_rewrite(struct plane_nft_drift *d);
bool plane_nft_drift_end_rewrite(struct plane_nft_drift *d);

#endif
