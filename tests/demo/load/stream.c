/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

void stream_init(struct stream *s, const struct stream_handler *handler,
		 void *owner)
{
	*s = (struct stream){ .handler = handler, .owner = owner, .fd = -1 };
}

void stream_close(struct stream *s)
{
	if (s->fd < 0)
		return;
	ev_io_stop(s->loop, &s->io);
	close(s->fd);
	s->fd = -1;
	s->is_up = false;
	s->len = 0;
}

static void end(struct stream *s, int err)
{
	stream_close(s);
	s->handler->end(s, err);
}

static void connected(struct stream *s)
{
	socklen_t len = sizeof(int);
	int err = 0;

	getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err) {
		end(s, err);
		return;
	}
	s->is_up = true;
	ev_io_stop(s->loop, &s->io);
	ev_io_set(&s->io, s->fd, EV_READ);
	ev_io_start(s->loop, &s->io);
	s->handler->up(s);
}

static void hand_over(struct stream *s)
{
	size_t used = s->handler->data(s, s->buffer, s->len);

	if (s->fd < 0)
		return;
	/* a line longer than the buffer is none of ours: drop it */
	if (!used && s->len == sizeof(s->buffer))
		used = s->len;
	s->len -= used;
	memmove(s->buffer, s->buffer + used, s->len);
}

/* One read: 1 when there may be more, 0 when not now, -1 at its end. */
static int read_some(struct stream *s, int *err)
{
	ssize_t n =
		recv(s->fd, s->buffer + s->len, sizeof(s->buffer) - s->len, 0);

	if (n > 0) {
		s->len += (size_t)n;
		hand_over(s);
		return s->fd >= 0;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	*err = n < 0 ? errno : 0;
	return -1;
}

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
	struct stream *s = io->data;
	int err, more;

	if (!s->is_up) {
		connected(s);
		return;
	}
	do {
		more = read_some(s, &err);
	} while (more > 0);
	if (more < 0)
		end(s, err);
}

static int bind_source(int fd, const struct target *t, unsigned who)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	int one = 1;

	if (!t->sources)
		return 0;
	from.sin_addr.s_addr =
		htonl(ntohl(t->source.s_addr) + who % t->sources);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	return bind(fd, (struct sockaddr *)&from, sizeof(from));
}

int stream_open(struct stream *s, const struct target *t, unsigned who,
		uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr = t->vip,
				  .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind_source(fd, t, who))
		goto err_close;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) &&
	    errno != EINPROGRESS)
		goto err_close;
	s->loop = t->loop;
	s->fd = fd;
	s->is_up = false;
	s->len = 0;
	s->opened_ns = now_ns();
	ev_io_init(&s->io, on_io, fd, EV_WRITE);
	s->io.data = s;
	ev_io_start(s->loop, &s->io);
	return 0;

err_close:
	err = errno;
	close(fd);
	return -err;
}

void stream_send(struct stream *s, const char *bytes, size_t len)
{
	/* a reset shows at the next read, with its reason */
	if (send(s->fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
		shutdown(s->fd, SHUT_WR);
}

void stream_finish(struct stream *s)
{
	int err;

	while (s->fd >= 0 && s->is_up && read_some(s, &err) > 0)
		;
	stream_close(s);
}
