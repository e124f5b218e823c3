// SPDX-License-Identifier: GPL-2.0-or-later
#include "events.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utlist.h>

#include "base/log.h"

struct client {
	struct events *owner;
	int fd;
	ev_io io;
	char *queue; /* what the socket did not take */
	size_t queue_len;
	char line[EVENTS_LINE_MAX];
	size_t line_len;
	bool heard, gone; /* its lines are handed up; to be dropped then */
	struct client *prev, *next;
};

struct events {
	struct ev_loop *loop;
	struct sockaddr_un at;
	int fd;
	ev_io listener;
	events_fn fn;
	void *arg;
	char *kept[EVENTS_KEPT_MAX];
	unsigned count;
	struct client *clients;
};

static void drop(struct client *c)
{
	struct events *e = c->owner;

	DL_DELETE(e->clients, c);
	e->count--;
	ev_io_stop(e->loop, &c->io);
	close(c->fd);
	free(c->queue);
	free(c);
}

/* What a client says may lead to an event that it is there no more to read:
 * then whoever hands up its lines still stands on it. */
static void give_up(struct client *c)
{
	if (c->heard)
		c->gone = true;
	else
		drop(c);
}

static void watch(struct client *c, int events)
{
	ev_io_stop(c->owner->loop, &c->io);
	ev_io_set(&c->io, c->fd, events);
	ev_io_start(c->owner->loop, &c->io);
}

/* Bytes taken, 0 when the socket is full, -errno when it is gone. */
static ssize_t send_now(int fd, const char *data, size_t len)
{
	ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

static int enqueue(struct client *c, const char *data, size_t len)
{
	char *grown;

	if (c->queue_len + len > EVENTS_QUEUE_MAX)
		return -ENOBUFS;
	grown = realloc(c->queue, c->queue_len + len);
	if (!grown)
		return -ENOMEM;
	memcpy(grown + c->queue_len, data, len);
	c->queue = grown;
	c->queue_len += len;
	watch(c, EV_READ | EV_WRITE);
	return 0;
}

static void send_line(struct client *c, const char *line)
{
	size_t len = strlen(line);
	ssize_t n;

	if (c->gone)
		return;
	n = c->queue_len ? 0 : send_now(c->fd, line, len);
	if (n >= 0 && (size_t)n < len)
		n = enqueue(c, line + n, len - (size_t)n);
	if (n >= 0)
		return;
	if (n == -ENOBUFS)
		log_warn("events client dropped", "why=\"it does not read\"");
	give_up(c);
}

/* -errno: the client is gone. */
static int flush(struct client *c)
{
	ssize_t n = send_now(c->fd, c->queue, c->queue_len);

	if (n < 0)
		return (int)n;
	c->queue_len -= (size_t)n;
	memmove(c->queue, c->queue + n, c->queue_len);
	if (c->queue_len)
		return 0;
	free(c->queue);
	c->queue = NULL;
	watch(c, EV_READ);
	return 0;
}

/* Hands out whole lines; -EMSGSIZE when one does not fit; -EPIPE. */
static int take_lines(struct client *c)
{
	char *end;

	c->heard = true;
	while (!c->gone && (end = memchr(c->line, '\n', c->line_len))) {
		size_t used = (size_t)(end - c->line) + 1;

		*end = 0;
		c->owner->fn(c->owner->arg, c->line);
		c->line_len -= used;
		memmove(c->line, c->line + used, c->line_len);
	}
	c->heard = false;
	if (c->gone)
		return -EPIPE;
	return c->line_len == sizeof(c->line) ? -EMSGSIZE : 0;
}

static int receive(struct client *c)
{
	ssize_t n = recv(c->fd, c->line + c->line_len,
			 sizeof(c->line) - c->line_len, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		return -EPIPE;
	c->line_len += (size_t)n;
	return take_lines(c);
}

static void on_client(struct ev_loop *loop, ev_io *io, int revents)
{
	struct client *c = io->data;
	int ret = 0;

	if (revents & EV_WRITE)
		ret = flush(c);
	if (!ret && (revents & EV_READ))
		ret = receive(c);
	if (ret)
		drop(c);
}

/* A line that cannot be sent ends the client. */
static void send_kept(struct events *e, struct client *c)
{
	unsigned there = e->count;

	for (unsigned i = 0; i < EVENTS_KEPT_MAX && e->count == there; i++)
		if (e->kept[i])
			send_line(c, e->kept[i]);
}

static void add_client(struct events *e, int fd)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c || e->count == EVENTS_CLIENTS_MAX) {
		free(c);
		close(fd);
		return;
	}
	c->owner = e;
	c->fd = fd;
	DL_APPEND(e->clients, c);
	e->count++;
	ev_io_init(&c->io, on_client, fd, EV_READ);
	c->io.data = c;
	ev_io_start(e->loop, &c->io);
	send_kept(e, c);
}

static void on_listener(struct ev_loop *loop, ev_io *io, int revents)
{
	struct events *e = io->data;
	int fd = accept4(e->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0)
		add_client(e, fd);
}

/* Somebody answers there: then it is not ours to replace. */
static bool is_live(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool live = fd >= 0 &&
		    (!connect(fd, (const struct sockaddr *)at, sizeof(*at)) ||
		     errno == EAGAIN); /* its backlog is full */

	if (fd >= 0)
		close(fd);
	return live;
}

static int make_parent(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = 0;
	return mkdir(dir, 0755) && errno != EEXIST ? -errno : 0;
}

static int bind_and_listen(struct events *e)
{
	int ret = make_parent(e->at.sun_path);
	mode_t mask;

	if (ret)
		return ret;
	if (is_live(&e->at))
		return -EADDRINUSE;
	unlink(e->at.sun_path);
	mask = umask(0117);
	ret = bind(e->fd, (struct sockaddr *)&e->at, sizeof(e->at));
	umask(mask);
	return ret || listen(e->fd, EVENTS_CLIENTS_MAX) ? -errno : 0;
}

int events_open(struct events **out, struct ev_loop *loop, const char *path,
		events_fn fn, void *arg, char *err, unsigned err_size)
{
	struct events *e = calloc(1, sizeof(*e));
	int ret = -ENAMETOOLONG;

	if (!e)
		return -ENOMEM;
	*e = (struct events){ .loop = loop, .fn = fn, .arg = arg };
	e->at.sun_family = AF_UNIX;
	e->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (strlen(path) < sizeof(e->at.sun_path)) {
		strcpy(e->at.sun_path, path);
		ret = e->fd < 0 ? -errno : bind_and_listen(e);
	}
	if (ret) {
		snprintf(err, err_size, "--events %s: %s", path,
			 strerror(-ret));
		if (e->fd >= 0)
			close(e->fd);
		free(e);
		return ret;
	}
	ev_io_init(&e->listener, on_listener, e->fd, EV_READ);
	e->listener.data = e;
	ev_io_start(loop, &e->listener);
	*out = e;
	return 0;
}

void events_publish(struct events *e, const char *line, int kept)
{
	struct client *c, *tmp;

	DL_FOREACH_SAFE (e->clients, c, tmp)
		send_line(c, line);
	if (kept == EVENTS_PASSING)
		return;
	free(e->kept[kept]);
	e->kept[kept] = strdup(line);
}

unsigned events_clients(const struct events *e)
{
	return e->count;
}

void events_free(struct events *e)
{
	struct client *c, *tmp;

	if (!e)
		return;
	DL_FOREACH_SAFE (e->clients, c, tmp)
		drop(c);
	ev_io_stop(e->loop, &e->listener);
	close(e->fd);
	unlink(e->at.sun_path);
	for (unsigned i = 0; i < EVENTS_KEPT_MAX; i++)
		free(e->kept[i]);
	free(e);
}
