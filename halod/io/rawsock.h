/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sends whole IP packets that HaloD made itself, whatever their source
 * address. They carry a socket mark by which the rules know them. It receives
 * nothing and computes no checksum.
 */
#ifndef HALO_IO_RAWSOCK_H
#define HALO_IO_RAWSOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct rawsock {
	int fd[FAMILIES];
	uint64_t failed; /* packets the kernel would not take */
};

/* -EPERM: no CAP_NET_RAW or CAP_NET_ADMIN. */
int rawsock_init(struct rawsock *s, uint32_t mark);
void rawsock_fini(struct rawsock *s);
/* Never blocks; what cannot be sent is counted. */
void rawsock_send(struct rawsock *s, const uint8_t *data, size_t len);

#endif
