// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/units.h"
#include "io/clock.h"

struct probe {
	struct probes *owner;
	struct probe *prev, *next;
	uint32_t tag;
	int fd; /* -1: the answer is known, its delivery is due */
	bool ok;
	ev_io io;
	struct clock_timer timer;
};

struct probes {
	struct ev_loop *loop;
	probe_fn fn;
	void *arg;
	struct probe *list;
};

static void stop(struct probe *p)
{
	DL_DELETE(p->owner->list, p);
	clock_timer_fini(&p->timer);
	if (p->fd >= 0) {
		ev_io_stop(p->owner->loop, &p->io);
		close(p->fd);
	}
	free(p);
}

static void finish(struct probe *p, bool ok)
{
	struct probes *owner = p->owner;
	uint32_t tag = p->tag;

	stop(p);
	owner->fn(owner->arg, tag, ok);
}

static void on_timer(void *arg)
{
	struct probe *p = arg;

	finish(p, p->fd < 0 && p->ok);
}

static void on_writable(struct ev_loop *loop, ev_io *io, int revents)
{
	struct probe *p = io->data;
	socklen_t len = sizeof(int);
	int err = 0;

	getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	finish(p, err == 0);
}

/* Closing resets: the server sees no empty request, the node no TIME_WAIT. */
static void reset_on_close(int fd)
{
	struct linger linger = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* A connecting socket, or -errno. */
static int start_connect(const struct endpoint *door)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int fd, err;

	endpoint_to_sockaddr(door, &ss, &len);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	if (fd < 0)
		return -errno;
	reset_on_close(fd);
	if (!connect(fd, (struct sockaddr *)&ss, len) || errno == EINPROGRESS)
		return fd;
	err = errno;
	close(fd);
	return -err;
}

static bool is_peers_fault(int err)
{
	return err == -ECONNREFUSED || err == -ENETUNREACH ||
	       err == -EHOSTUNREACH;
}

static bool is_running(const struct probes *p, uint32_t tag)
{
	const struct probe *it;

	DL_FOREACH (p->list, it)
		if (it->tag == tag)
			return true;
	return false;
}

struct probes *probes_new(struct ev_loop *loop, probe_fn fn, void *arg)
{
	struct probes *p = calloc(1, sizeof(*p));

	if (p)
		*p = (struct probes){ .loop = loop, .fn = fn, .arg = arg };
	return p;
}

void probes_start(struct probes *owner, uint32_t tag,
		  const struct endpoint *door, uint64_t timeout_ns)
{
	uint64_t now = clock_monotonic_ns();
	struct probe *p;

	if (is_running(owner, tag))
		return;
	p = calloc(1, sizeof(*p));
	if (!p)
		return; /* the cluster asks again */
	p->owner = owner;
	p->tag = tag;
	if (clock_timer_init(&p->timer, owner->loop, on_timer, p)) {
		free(p);
		return;
	}
	DL_APPEND(owner->list, p);
	p->fd = start_connect(door);
	if (p->fd < 0) {
		p->ok = !is_peers_fault(p->fd);
		p->fd = -1;
		clock_timer_set(&p->timer, now);
		return;
	}
	ev_io_init(&p->io, on_writable, p->fd, EV_WRITE);
	p->io.data = p;
	ev_io_start(owner->loop, &p->io);
	clock_timer_set(&p->timer, now + timeout_ns);
}

void probes_free(struct probes *owner)
{
	struct probe *p, *tmp;

	if (!owner)
		return;
	DL_FOREACH_SAFE (owner->list, p, tmp)
		stop(p);
	free(owner);
}
