/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One NFLOG group: copies of packets that rules chose. Not a log file, and
 * nothing is lost to a client when it overflows.
 */
#ifndef HALO_IO_NFLOG_H
#define HALO_IO_NFLOG_H

#include <stddef.h>
#include <stdint.h>

struct nflog;

/* -EBUSY: somebody else has the group; -EPERM: no CAP_NET_ADMIN. snaplen: how
 * much of each packet. */
int nflog_new(struct nflog **out, uint16_t group, uint32_t snaplen);
void nflog_free(struct nflog *l);
int nflog_poll_fd(const struct nflog *l);

/* data: from the IP header, at most snaplen; borrowed for the call. */
typedef void (*nflog_fn)(void *arg, const uint8_t *data, size_t len);
/* All that wait, max or a few more; never blocks. */
void nflog_receive(struct nflog *l, unsigned max, nflog_fn fn, void *arg);
/* Copies that found no room in our socket, as far as later ones have shown. Any
 * thread. */
uint64_t nflog_lost(const struct nflog *l);

#endif
