/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all users of netfilter's netlink need: a bound socket, a dump, and the
 * errors that a request earned. It knows no message of any subsystem.
 */
#ifndef HALO_IO_NFNL_H
#define HALO_IO_NFNL_H

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

/* Room for one request without payload arrays. */
#define NFNL_REQUEST_MAX 1024

/* Bound, close-on-exec, with buffers of that many bytes each. */
int nfnl_open(struct mnl_socket **out, int buffers);

/* Starts a message of a subsystem (NFNL_SUBSYS_*) in buf. */
struct nlmsghdr *nfnl_header(void *buf, uint8_t subsystem, uint8_t type,
			     uint16_t flags, uint8_t family);

/* Sends a dump request and hands each answer to fn, which stops the dump by
 * MNL_CB_STOP. On a socket of its own; 0 or -errno. */
int nfnl_dump(struct nlmsghdr *request, mnl_cb_t fn, void *arg);
/* The same where time counts: to close a socket waits until the kernel has
 * freed what the last change of an nft table replaced, 20 ms. When fn stopped
 * it, or it failed, the rest of the dump is still in nl. */
int nfnl_dump_on(struct mnl_socket *nl, struct nlmsghdr *request, mnl_cb_t fn,
		 void *arg);

/* The kernel has done its work when the send returns: 0 or the first -errno it
 * has to tell. Silence is consent. Errors equal to ignore are passed over. */
int nfnl_send(struct mnl_socket *nl, const void *buf, size_t len, int ignore);
/* The same, and what it answers is handed to fn, the errors that are passed
 * over too. */
int nfnl_ask(struct mnl_socket *nl, const void *buf, size_t len, int ignore,
	     mnl_cb_t fn, void *arg);

/* The attribute of a type within another; NULL when either is not there. */
struct nlattr *nfnl_nested(const struct nlattr *in, uint16_t type);

#endif
