// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/agents_private.h"

#define PENDING_FROM_MAX  256 /* from one address outside node-networks */
#define VICTIMS_LOOKED_AT 16

/* Nothing has come from it, read or unread. */
static bool is_silent(const struct peer *p)
{
	int waiting = 0;

	return !p->stream.received &&
	       !ioctl(p->stream.fd, FIONREAD, &waiting) && !waiting;
}

static void drop(struct agents *a, struct pending_entry *e, const char *why)
{
	struct peer *p = agents_peer_of(e);

	agents_log_refusal(a, &p->from, why);
	agents_peer_kill(p, "");
}

/* The oldest silent one of a crowd (of one address): false when none is. */
static bool drop_silent(struct agents *a, struct pending *crowd,
			const struct addr *from)
{
	struct pending_entry *e = pending_oldest(crowd, from);

	for (int i = 0; e && i < VICTIMS_LOOKED_AT; i++) {
		if (is_silent(agents_peer_of(e))) {
			drop(a, e, "silent, room was needed");
			return true;
		}
		e = pending_younger(e, from);
	}
	return false;
}

/* A byte on each of its connections keeps no stranger's place. */
static bool drop_stranger(struct agents *a)
{
	struct pending_entry *e = pending_oldest(a->strangers, NULL);

	if (!e)
		return false;
	drop(a, e, "a stranger, room was needed for a node");
	return true;
}

static bool make_room_for_node(struct agents *a)
{
	return drop_silent(a, a->strangers, NULL) || drop_stranger(a) ||
	       drop_silent(a, a->neighbours, NULL);
}

static bool make_room_for_stranger(struct agents *a, const struct addr *from)
{
	if (pending_count_from(a->strangers, from) >= PENDING_FROM_MAX &&
	    !drop_silent(a, a->strangers, from))
		return false;
	return agents_pending(a) < a->pending_max ||
	       drop_silent(a, a->strangers, NULL);
}

/* Strangers give way to nodes, nodes never to strangers. */
static bool has_room(struct agents *a, const struct addr *from)
{
	bool room;

	if (claims_is_node(a->claims, from))
		room = agents_pending(a) < a->pending_max ||
		       make_room_for_node(a);
	else
		room = make_room_for_stranger(a, from);
	return room && a->n_free > 0;
}

static void admit(struct agents *a, int fd, const struct endpoint *from)
{
	int on = 1;

	a->stats.accepted++;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!has_room(a, &from->addr)) {
		agents_log_refusal(a, from,
				   "too many unauthenticated connections");
		close(fd);
	} else if (agents_peer_new(a, fd, from)) {
		agents_log_refusal(a, from, "out of memory");
		close(fd);
	}
}

/* Out of descriptors: a silent stranger gives way, else the listener rests
 * until the next sweep. */
static void accept_failed(struct agents *a, int err)
{
	struct endpoint nobody = { 0 };

	if (err == EAGAIN || err == EINTR || err == ECONNABORTED)
		return;
	agents_log_refusal(a, &nobody, strerror(err));
	if (drop_silent(a, a->strangers, NULL))
		return;
	ev_io_stop(a->loop, &a->listener);
	agents_need_sweep(a);
}

static void on_listener(struct ev_loop *loop, ev_io *io, int revents)
{
	struct agents *a = io->data;
	struct sockaddr_storage ss;
	struct endpoint from;

	for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
		socklen_t len = sizeof(ss);
		int fd = accept4(a->fd, (struct sockaddr *)&ss, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			accept_failed(a, errno);
			return;
		}
		if (endpoint_from_sockaddr(&from, (struct sockaddr *)&ss))
			close(fd);
		else
			admit(a, fd, &from);
	}
}

static int listen_on(const struct endpoint *at)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int on = 1, fd, ret;

	endpoint_to_sockaddr(at, &ss, &len);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!bind(fd, (struct sockaddr *)&ss, len) && !listen(fd, SOMAXCONN))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

int agents_door_open(struct agents *a, const struct endpoint *at)
{
	int fd = listen_on(at);

	if (fd < 0)
		return fd;
	a->fd = fd;
	ev_io_init(&a->listener, on_listener, fd, EV_READ);
	ev_set_priority(&a->listener, EV_MINPRI);
	a->listener.data = a;
	ev_io_start(a->loop, &a->listener);
	return 0;
}

void agents_door_close(struct agents *a)
{
	if (a->fd < 0)
		return;
	ev_io_stop(a->loop, &a->listener);
	close(a->fd);
}
