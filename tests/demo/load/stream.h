/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One TCP connection of the load in an event loop: connect, small writes,
 * bytes in, and how it ended. Knows no protocol.
 */
#ifndef HALO_DEMO_STREAM_H
#define HALO_DEMO_STREAM_H

#include <ev.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/units.h"

#define STREAM_BUFFER 4096

/* Where the load connects to, and from which addresses. */
struct target {
	struct ev_loop *loop;
	struct in_addr vip;
	struct in_addr source; /* first of … */
	unsigned sources;      /* … so many in a row; 0: the kernel chooses */
	unsigned home;	       /* the last of them are behind the home router */
	unsigned routes;
	uint16_t browser, app; /* ports of route 1 */
};

static inline bool target_is_home(const struct target *t, unsigned who)
{
	return t->sources && who % t->sources >= t->sources - t->home;
}

struct stream;

struct stream_handler {
	void (*up)(struct stream *s);
	/* All bytes that wait; returns how many were used up. */
	size_t (*data)(struct stream *s, const char *bytes, size_t len);
	/* EOF (0), or why it failed or never came up (errno). s is closed. */
	void (*end)(struct stream *s, int err);
};

/* Owned by the caller; must stay in place while open. */
struct stream {
	ev_io io;
	struct ev_loop *loop;
	const struct stream_handler *handler;
	void *owner;
	int fd; /* -1: closed */
	bool is_up;
	uint64_t opened_ns;
	size_t len;
	char buffer[STREAM_BUFFER];
};

uint64_t now_ns(void);

void stream_init(struct stream *s, const struct stream_handler *handler,
		 void *owner);
/* who chooses the source address. Failures come through handler->end, never
 * from within this call: 0 or -errno when not even a socket could be had. */
int stream_open(struct stream *s, const struct target *t, unsigned who,
		uint16_t port);
static inline bool stream_is_open(const struct stream *s)
{
	return s->fd >= 0;
}
/* Short requests only: what the socket does not take at once is an end. */
void stream_send(struct stream *s, const char *bytes, size_t len);
/* Hands over what has already arrived, then closes; end is not called. */
void stream_finish(struct stream *s);
void stream_close(struct stream *s);

#endif
