// SPDX-License-Identifier: GPL-2.0-or-later
#include "link.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/stream.h"
#include "wire/assembler.h"

#define SMALL_FRAME 1024 /* an agent's: FRAME_LEN_MAX_AGENT */

enum stage { CLOSED, CONNECTING, SHAKING_HANDS, OPEN };

struct link {
	struct ev_loop *loop;
	const char *gateway;
	const struct tls *tls;
	struct link_handler handler;
	enum stage stage;
	bool receiving, doomed; /* to be closed when that is over */
	struct stream stream;
	struct assembler assembler;
	ev_io io;
	ev_timer failed; /* tells of a failure at the next round */
	char why[160];
	unsigned turn; /* which of the gateway's addresses is tried next */
	uint16_t routes[ROUTES_MAX];
};

static void drop(struct link *l)
{
	if (l->stage == CLOSED)
		return;
	ev_io_stop(l->loop, &l->io);
	stream_fini(&l->stream);
	assembler_fini(&l->assembler);
	l->stage = CLOSED;
	l->doomed = false;
}

static void fail_later(struct link *l, const char *why)
{
	snprintf(l->why, sizeof(l->why), "%s", why);
	ev_timer_set(&l->failed, 0., 0.);
	ev_timer_start(l->loop, &l->failed);
}

static void on_failed(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct link *l = timer->data;

	drop(l);
	l->handler.closed(l->handler.arg, l->why);
}

static void watch(struct link *l)
{
	int want = EV_READ;

	if (l->stage == CONNECTING)
		want = EV_WRITE;
	else if (stream_wants_write(&l->stream))
		want |= EV_WRITE;
	if (ev_is_active(&l->io) &&
	    (l->io.events & (EV_READ | EV_WRITE)) == want)
		return;
	ev_io_stop(l->loop, &l->io);
	ev_io_set(&l->io, l->stream.fd, want);
	ev_io_start(l->loop, &l->io);
}

/* TLS names its own errors; the rest are errno's. */
static void fail(struct link *l, int ret)
{
	char why[160];

	if (ret == -EPIPE && l->stage == SHAKING_HANDS)
		snprintf(why, sizeof(why),
			 "closed by the gateway before the "
			 "handshake was done");
	else if (ret == -EPIPE)
		snprintf(why, sizeof(why), "closed by the gateway");
	else if (ret == -EPROTO && *stream_error(&l->stream))
		snprintf(why, sizeof(why), "TLS: %s (is it the right key?)",
			 stream_error(&l->stream));
	else
		snprintf(why, sizeof(why), "%s", strerror(-ret));
	drop(l);
	l->handler.closed(l->handler.arg, why);
}

static int on_frame(void *arg, const uint8_t *frame, size_t len)
{
	struct link *l = arg;
	struct frame_error err;
	struct message m;

	if (frame_decode(&m, frame, len, l->routes, &err)) {
		fail_later(l, err.text);
		return 1;
	}
	l->handler.message(l->handler.arg, &m);
	return l->doomed;
}

static int on_data(void *arg, const uint8_t *data, size_t len)
{
	struct link *l = arg;
	struct frame_error err;
	int ret = assembler_feed(&l->assembler, data, len, on_frame, l, &err);

	if (ret == -EPROTO)
		fail_later(l, err.text);
	return ret ? 1 : 0;
}

/* The address that worked is the first to try again. */
static void become_open(struct link *l)
{
	l->stage = OPEN;
	l->turn--;
	l->handler.connected(l->handler.arg);
}

static void receive(struct link *l)
{
	int ret;

	l->receiving = true;
	ret = stream_receive(&l->stream, on_data, l);
	l->receiving = false;
	if (l->doomed) {
		drop(l);
		return;
	}
	if (ret < 0) {
		fail(l, ret);
		return;
	}
	watch(l);
	if (l->stage == SHAKING_HANDS && l->stream.established)
		become_open(l);
}

static void on_connected(struct link *l)
{
	socklen_t len = sizeof(int);
	int err = 0, ret;

	getsockopt(l->stream.fd, SOL_SOCKET, SO_ERROR, &err, &len);
	ret = err ? -err : stream_start(&l->stream);
	if (ret) {
		fail(l, ret);
		return;
	}
	l->stage = SHAKING_HANDS;
	watch(l);
	if (l->stream.established)
		become_open(l);
}

static void on_io(struct ev_loop *loop, ev_io *io, int revents)
{
	struct link *l = io->data;
	int ret;

	if (l->stage == CONNECTING) {
		on_connected(l);
		return;
	}
	if (revents & EV_WRITE) {
		ret = stream_flush(&l->stream);
		if (ret) {
			fail(l, ret);
			return;
		}
		watch(l);
	}
	if (revents & EV_READ)
		receive(l);
}

struct link *link_new(struct ev_loop *loop, const char *gateway,
		      const struct tls *tls, const struct link_handler *h)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->loop = loop;
	l->gateway = gateway;
	l->tls = tls;
	l->handler = *h;
	l->assembler.max = FRAME_LEN_MAX;
	ev_init(&l->io, on_io);
	ev_init(&l->failed, on_failed);
	l->io.data = l->failed.data = l;
	return l;
}

/* "host:port" or "[v6]:port", cut in two; host_size for both. */
static int split(const char *gateway, char *host, char *port, size_t size)
{
	bool bracket = *gateway == '[';
	const char *end =
		bracket ? strchr(gateway, ']') : strrchr(gateway, ':');
	const char *colon = bracket && end ? end + 1 : end;

	gateway += bracket;
	if (!end || end == gateway || *colon != ':' || !colon[1] ||
	    (size_t)(end - gateway) >= size || strlen(colon + 1) >= size ||
	    (!bracket && memchr(gateway, ':', (size_t)(end - gateway))))
		return -EINVAL;
	memcpy(host, gateway, (size_t)(end - gateway));
	host[end - gateway] = 0;
	strcpy(port, colon + 1);
	return 0;
}

int link_check_gateway(const char *gateway, char *err, unsigned err_size)
{
	char host[256], port[256], *end;
	unsigned long n;

	if (!split(gateway, host, port, sizeof(host))) {
		n = strtoul(port, &end, 10);
		if (!*end && *port != '-' && n > 0 && n < 65536)
			return 0;
	}
	snprintf(err, err_size,
		 "--gateway %s: HOST:PORT is wanted, such as 198.19.0.1:7460 "
		 "or [fd00::1]:7460",
		 gateway);
	return -EINVAL;
}

static int resolve(const char *gateway, struct addrinfo **out, const char **why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	char host[256], port[256];
	int ret;

	if (split(gateway, host, port, sizeof(host))) {
		*why = "it is not HOST:PORT";
		return -EINVAL;
	}
	ret = getaddrinfo(host, port, &hints, out);
	if (ret == EAI_NONAME) {
		hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
		ret = getaddrinfo(host, port, &hints, out);
	}
	*why = ret ? gai_strerror(ret) : "";
	return ret ? -EHOSTUNREACH : 0;
}

/* A connecting socket, or -errno. */
static int start_connect(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, ret;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!connect(fd, ai->ai_addr, ai->ai_addrlen) || errno == EINPROGRESS)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

/* A name may stand for addresses of which some do not answer, so each attempt
 * is made at the next. */
static const struct addrinfo *choose(struct link *l,
				     const struct addrinfo *list)
{
	const struct addrinfo *ai;
	unsigned count = 0, left;

	for (ai = list; ai; ai = ai->ai_next)
		count++;
	left = l->turn++ % count;
	for (ai = list; left; left--)
		ai = ai->ai_next;
	return ai;
}

void link_connect(struct link *l)
{
	struct addrinfo *ai;
	const char *why;
	int fd;

	link_close(l);
	if (resolve(l->gateway, &ai, &why)) {
		fail_later(l, why);
		return;
	}
	fd = start_connect(choose(l, ai));
	freeaddrinfo(ai);
	if (fd < 0) {
		fail_later(l, strerror(-fd));
		return;
	}
	stream_init(&l->stream, fd, l->tls);
	l->stage = CONNECTING;
	watch(l);
}

void link_send(struct link *l, const struct message *m)
{
	uint8_t frame[SMALL_FRAME];
	int len, ret;

	if (l->stage != OPEN || l->doomed)
		return;
	len = frame_encode(frame, sizeof(frame), m);
	ret = stream_send(&l->stream, frame, (size_t)len);
	if (ret)
		fail_later(l, ret == -ENOBUFS ? "the gateway does not read"
					      : strerror(-ret));
	else
		watch(l);
}

struct addr link_local_addr(const struct link *l)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);
	struct endpoint e = { .port = 0 };

	if (l->stage == OPEN &&
	    !getsockname(l->stream.fd, (struct sockaddr *)&sa, &len))
		endpoint_from_sockaddr(&e, (const struct sockaddr *)&sa);
	return e.addr;
}

void link_drain(struct link *l)
{
	if (l->stage == OPEN && !l->receiving)
		receive(l);
}

void link_close(struct link *l)
{
	ev_timer_stop(l->loop, &l->failed);
	if (l->stage == CLOSED)
		return;
	if (l->stage == OPEN)
		stream_end(&l->stream);
	if (l->receiving)
		l->doomed = true;
	else
		drop(l);
}

void link_free(struct link *l)
{
	if (!l)
		return;
	link_close(l);
	free(l);
}
