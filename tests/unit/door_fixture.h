/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gateway's door for a test of the agent: accepts one agent after the other,
 * without authentication, and keeps what the last one said.
 */
#ifndef HALO_TESTS_DOOR_FIXTURE_H
#define HALO_TESTS_DOOR_FIXTURE_H

#include <ev.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* after the above, which it needs */
#include <cmocka.h>

#include "wire/assembler.h"

struct door {
	struct ev_loop *loop;
	ev_io listener, peer;
	uint16_t port;
	struct assembler assembler;
	unsigned accepted, ended;
	unsigned got[MESSAGE_GOODBYE + 1];
	struct message last;
	/* a message has come; may be NULL */
	void (*message)(struct door *d, const struct message *m);
};

static inline void door_hang_up(struct door *d)
{
	if (!ev_is_active(&d->peer))
		return;
	ev_io_stop(d->loop, &d->peer);
	close(d->peer.fd);
	assembler_fini(&d->assembler);
}

static inline int door_frame(void *arg, const uint8_t *frame, size_t len)
{
	struct frame_error err;
	struct door *d = arg;

	assert_int_equal(frame_decode(&d->last, frame, len, NULL, &err), 0);
	d->got[d->last.type]++;
	if (d->message)
		d->message(d, &d->last);
	return 0;
}

static inline void door_read(struct ev_loop *loop, ev_io *io, int revents)
{
	struct door *d = io->data;
	struct frame_error err;
	uint8_t data[4096];
	ssize_t n = recv(io->fd, data, sizeof(data), MSG_DONTWAIT);

	if (n > 0) {
		assert_int_equal(assembler_feed(&d->assembler, data, (size_t)n,
						door_frame, d, &err),
				 0);
		return;
	}
	d->ended++;
	door_hang_up(d);
}

static inline void door_accept(struct ev_loop *loop, ev_io *io, int revents)
{
	struct door *d = io->data;
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC);

	assert_true(fd >= 0);
	door_hang_up(d);
	d->accepted++;
	d->assembler = (struct assembler){ .max = FRAME_LEN_MAX_AGENT };
	ev_io_init(&d->peer, door_read, fd, EV_READ);
	d->peer.data = d;
	ev_io_start(loop, &d->peer);
}

/* At a port of its own; host as INADDR_LOOPBACK. */
static inline void door_open(struct door *d, struct ev_loop *loop,
			     in_addr_t host)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(host) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*d = (struct door){ .loop = loop };
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	getsockname(fd, (struct sockaddr *)&at, &len);
	d->port = ntohs(at.sin_port);
	ev_init(&d->peer, door_read);
	ev_io_init(&d->listener, door_accept, fd, EV_READ);
	d->listener.data = d;
	ev_io_start(loop, &d->listener);
}

static inline void door_say(struct door *d, const struct message *m)
{
	uint8_t frame[1024];
	int len = frame_encode(frame, sizeof(frame), m);

	assert_true(len > 0);
	assert_int_equal(send(d->peer.fd, frame, (size_t)len, MSG_NOSIGNAL),
			 len);
}

static inline void door_close(struct door *d) /* twice does no harm */
{
	door_hang_up(d);
	if (!ev_is_active(&d->listener))
		return;
	ev_io_stop(d->loop, &d->listener);
	close(d->listener.fd);
}

#endif
