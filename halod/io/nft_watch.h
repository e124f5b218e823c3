/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells that somebody, we included, has changed tables, chains or rules in this
 * network namespace. Not what: whoever cares looks for himself. Elements of
 * sets are not watched; firewalls change them all day.
 */
#ifndef HALO_IO_NFT_WATCH_H
#define HALO_IO_NFT_WATCH_H

#include <stdbool.h>

/* A descriptor that is readable when there is something to look at; -errno. */
int nft_watch_open(void);
/* Reads all there is; never blocks. In doubt (messages lost) it says yes. */
bool nft_watch_changed(int fd);

#endif
