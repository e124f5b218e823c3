// SPDX-License-Identifier: GPL-2.0-or-later
#include "sockdiag.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_LEN 16384
#define ASK_LEN	  4096

struct sockdiag {
	struct mnl_socket *socket;
	unsigned seq, portid;
};

int sockdiag_open(struct sockdiag **out)
{
	struct sockdiag *d = calloc(1, sizeof(*d));
	int ret;

	if (!d)
		return -ENOMEM;
	d->socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (d->socket && !mnl_socket_bind(d->socket, 0, MNL_SOCKET_AUTOPID)) {
		d->portid = mnl_socket_get_portid(d->socket);
		*out = d;
		return 0;
	}
	ret = -errno;
	sockdiag_close(d);
	return ret;
}

int sockdiag_fd(const struct sockdiag *d)
{
	return mnl_socket_get_fd(d->socket);
}

/* "source port in one of the ranges" for the kernel's filter
 * (linux/inet_diag.h): an operation and, in the next one, its operand; at the
 * end it accepts, a jump past the end refuses. Each range is two comparisons
 * and a jump to the end. */
static void put_port_filter(struct nlmsghdr *nlh,
			    const struct port_range *ranges, unsigned count)
{
	enum { OP = sizeof(struct inet_diag_bc_op), RANGE = 5 };
	struct inet_diag_bc_op filter[RANGE * SOCKDIAG_RANGES_MAX];
	unsigned n = 0, len = RANGE * count * OP;

	for (unsigned i = 0; i < count; i++) {
		unsigned left = len - n * OP; /* to the end, from here */
		/* past the last range there is nothing more to try */
		unsigned next = i + 1 < count ? RANGE * OP : left + OP;

		filter[n++] =
			(struct inet_diag_bc_op){ INET_DIAG_BC_S_GE, 2 * OP,
						  (uint16_t)next };
		filter[n++] = (struct inet_diag_bc_op){ .no = ranges[i].first };
		filter[n++] =
			(struct inet_diag_bc_op){ INET_DIAG_BC_S_LE, 2 * OP,
						  (uint16_t)(next - 2 * OP) };
		filter[n++] = (struct inet_diag_bc_op){ .no = ranges[i].last };
		filter[n++] =
			(struct inet_diag_bc_op){ INET_DIAG_BC_JMP, OP,
						  (uint16_t)(left - 4 * OP) };
	}
	mnl_attr_put(nlh, INET_DIAG_REQ_BYTECODE, len, filter);
}

/* What an error left of an answer: while it waits the kernel takes no other
 * question. The socket's buffer bounds it. */
static void drain(struct sockdiag *d)
{
	char buf[REPLY_LEN];

	while (recv(sockdiag_fd(d), buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

static struct inet_diag_req_v2 *put_request(char *at, uint16_t type,
					    uint16_t flags, uint8_t family)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(at);
	struct inet_diag_req_v2 *req;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	req->sdiag_family = family;
	req->sdiag_protocol = IPPROTO_TCP;
	return req;
}

static int send_all(struct sockdiag *d, const void *data, size_t len)
{
	return mnl_socket_sendto(d->socket, data, len) < 0 ? -errno : 0;
}

int sockdiag_ask(struct sockdiag *d, uint8_t family, uint32_t states,
		 const struct port_range *ranges, unsigned count)
{
	char buf[ASK_LEN];
	struct nlmsghdr *nlh = (struct nlmsghdr *)buf;

	drain(d);
	put_request(buf, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family)
		->idiag_states = states;
	nlh->nlmsg_seq = ++d->seq;
	put_port_filter(nlh, ranges, count);
	return send_all(d, nlh, nlh->nlmsg_len);
}

static struct endpoint endpoint_of(uint8_t family, const __be32 *addr,
				   __be16 port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = port };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = port };
	struct endpoint e = { .port = 0 };

	memcpy(&v4.sin_addr, addr, sizeof(v4.sin_addr));
	memcpy(&v6.sin6_addr, addr, sizeof(v6.sin6_addr));
	endpoint_from_sockaddr(&e, family == AF_INET ? (struct sockaddr *)&v4
						     : (struct sockaddr *)&v6);
	return e;
}

struct receiver {
	sockdiag_fn fn;
	void *arg;
};

static int on_socket(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *m = mnl_nlmsg_get_payload(nlh);
	const struct receiver *r = data;
	struct sockdiag_socket s;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*m))
		return MNL_CB_OK;
	s = (struct sockdiag_socket){
		.local = endpoint_of(m->idiag_family, m->id.idiag_src,
				     m->id.idiag_sport),
		.peer = endpoint_of(m->idiag_family, m->id.idiag_dst,
				    m->id.idiag_dport),
		.unread = m->idiag_rqueue,
		.unacked = m->idiag_wqueue,
		.state = m->idiag_state,
		.family = m->idiag_family,
		.id = m->id,
	};
	r->fn(r->arg, &s);
	return MNL_CB_OK;
}

/* Of another question than the last one. */
static bool is_stale(const struct sockdiag *d, const void *buf, ssize_t n)
{
	const struct nlmsghdr *nlh = buf;

	return mnl_nlmsg_ok(nlh, (int)n) && nlh->nlmsg_seq != d->seq;
}

int sockdiag_receive(struct sockdiag *d, sockdiag_fn fn, void *arg)
{
	struct receiver r = { fn, arg };
	char buf[REPLY_LEN];
	ssize_t n;
	int ret;

	do {
		n = mnl_socket_recvfrom(d->socket, buf, sizeof(buf));
		if (n < 0)
			return -errno;
	} while (is_stale(d, buf, n));
	ret = mnl_cb_run(buf, (size_t)n, d->seq, d->portid, on_socket, &r);
	return ret < 0 ? -errno : ret > MNL_CB_STOP;
}

/* The kernel has worked off an order when it is sent; only what could not be
 * done is answered. A cookie that is another's (ESTALE) or no socket (ENOENT):
 * it went by itself. */
static int count_failures(struct sockdiag *d, unsigned *failed)
{
	char buf[REPLY_LEN];
	ssize_t n;

	while ((n = recv(sockdiag_fd(d), buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		const struct nlmsghdr *nlh = (struct nlmsghdr *)buf;
		int len = (int)n;

		for (; mnl_nlmsg_ok(nlh, len);
		     nlh = mnl_nlmsg_next(nlh, &len)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

			if (nlh->nlmsg_type != NLMSG_ERROR || !e->error)
				continue;
			if (e->error == -EPERM || e->error == -EOPNOTSUPP)
				return e->error;
			++*failed;
		}
	}
	return 0;
}

int sockdiag_destroy(struct sockdiag *d, const struct sockdiag_socket *sockets,
		     unsigned count)
{
	enum {
		LEN = NLMSG_ALIGN(NLMSG_LENGTH(sizeof(struct inet_diag_req_v2)))
	};
	_Alignas(NLMSG_ALIGNTO) char buf[LEN * SOCKDIAG_BATCH_MAX];
	unsigned failed = 0;
	int ret;

	drain(d);
	for (unsigned i = 0; i < count; i++)
		put_request(buf + i * LEN, SOCK_DESTROY, 0, sockets[i].family)
			->id = sockets[i].id;
	ret = send_all(d, buf, LEN * count);
	if (!ret)
		ret = count_failures(d, &failed);
	return ret ? ret : (int)(count - failed);
}

void sockdiag_close(struct sockdiag *d)
{
	if (!d)
		return;
	if (d->socket)
		mnl_socket_close(d->socket);
	free(d);
}
