/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP sockets of this network namespace, as the kernel lists them (inet_diag),
 * and the order to end some of them. Who is to be ended is cutter.h's.
 */
#ifndef HALO_NODEAGENT_SOCKDIAG_H
#define HALO_NODEAGENT_SOCKDIAG_H

#include <linux/inet_diag.h>
#include <netinet/tcp.h>
#include <stdint.h>

#include "base/addr.h"

#define SOCKDIAG_RANGES_MAX 128 /* a filter of 2.5 KiB */
#define SOCKDIAG_BATCH_MAX  64

struct sockdiag;

struct port_range {
	uint16_t first, last; /* inclusive */
};

struct sockdiag_socket {
	struct endpoint local, peer; /* IPv4-mapped read as IPv4 */
	uint32_t unread, unacked;    /* bytes on their way through it */
	uint8_t state;		     /* TCP_ESTABLISHED … */
	uint8_t family;		     /* as the kernel keeps it */
	struct inet_diag_sockid id;  /* with the cookie: this one socket */
};

typedef void (*sockdiag_fn)(void *arg, const struct sockdiag_socket *s);

/* 0 or -errno */
int sockdiag_open(struct sockdiag **out);
/* Readable while an answer is to be received. */
int sockdiag_fd(const struct sockdiag *d);
/* All TCP sockets of the family in one of states (bits 1 << TCP_…) whose local
 * port is in one of the ranges. What was left of the last answer is read and
 * forgotten. 0 or -errno. */
int sockdiag_ask(struct sockdiag *d, uint8_t family, uint32_t states,
		 const struct port_range *ranges, unsigned count);
/* A piece of the answer, some 16 KiB: 1: there is more; 0: that was all;
 * -errno. */
int sockdiag_receive(struct sockdiag *d, sockdiag_fn fn, void *arg);
/* Ends at most SOCKDIAG_BATCH_MAX of them (SOCK_DESTROY): the peer is reset,
 * the application hears ECONNABORTED. Returns how many; those that were gone do
 * not count. -EPERM: needs CAP_NET_ADMIN; -EOPNOTSUPP: the kernel cannot. Not
 * on one that is asked. */
int sockdiag_destroy(struct sockdiag *d, const struct sockdiag_socket *sockets,
		     unsigned count);
void sockdiag_close(struct sockdiag *d);

#endif
