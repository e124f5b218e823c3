/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is there a listening TCP socket on a port? Read from the kernel by inet_diag,
 * so that no connection is made. Not for sockets of other states.
 */
#ifndef HALO_NODEAGENT_LISTENING_H
#define HALO_NODEAGENT_LISTENING_H

#include <stdint.h>

struct sockdiag;

/* 1: yes, on some address of IPv4 or IPv6; 0: no; -errno: could not tell. */
int listening_on(struct sockdiag *d, uint16_t port);

#endif
