/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A socket to one generic netlink family: requests that are answered by an
 * acknowledgement, dumps, and multicast. It knows no family's attributes.
 */
#ifndef HALO_IO_GENL_H
#define HALO_IO_GENL_H

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

#define GENL_REQUEST_MAX 32768

struct genl {
	struct mnl_socket *nl;
	uint16_t family;
	uint8_t version;
	uint32_t seq;
	char why[128]; /* what the kernel said to the last refusal */
};

/* -ENOENT: the kernel has no such family. group: its events are received on
 * this socket, which is then for nothing else; NULL: none. */
int genl_open(struct genl *g, const char *family, uint8_t version,
	      const char *group);
void genl_close(struct genl *g);
uint32_t genl_port(const struct genl *g);
int genl_fd(const struct genl *g);

/* Starts a request in buf, of GENL_REQUEST_MAX bytes. */
struct nlmsghdr *genl_request(struct genl *g, void *buf, uint8_t cmd);
/* Blocks until the kernel has done it: 0, or -errno with genl.why. What it
 * answers before is handed to fn, which may be NULL. */
int genl_ask(struct genl *g, struct nlmsghdr *request, mnl_cb_t fn, void *arg);
/* -EINTR: what is dumped changed meanwhile. fn ends it by MNL_CB_STOP: the rest
 * is read and passed over. */
int genl_dump(struct genl *g, struct nlmsghdr *request, mnl_cb_t fn, void *arg);
/* One datagram of events, if there is one: 0, -EAGAIN, -ENOBUFS (some were
 * lost) or -errno. */
int genl_receive(struct genl *g, mnl_cb_t fn, void *arg);

#endif
