// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utlist.h>

#include "base/units.h"
#include "io/clock.h"

#define SCHEMA	   1
#define PATIENCE_S 10.0
#define READ_CHUNK 4096
#define BACKLOG	   128

const struct control_limits control_limits = {
	.mode = 0660,
	.clients = CONTROL_CLIENTS_MAX,
	.request = CONTROL_REQUEST_MAX,
	.backlog = 1 << 20,
};

/* A tenth of the loop's time at most: beats come first. */
const struct control_limits control_limits_readonly = {
	.mode = 0666,
	.clients = 16,
	.request = 16 << 10,
	.backlog = 256 << 10,
	.rest = 9,
};

struct bytes {
	char *data;
	size_t len, size;
};

enum client_mode {
	CLIENT_READING,	   /* wants to ask */
	CLIENT_WAITING,	   /* has asked, the handler has yet to answer */
	CLIENT_SUBSCRIBED, /* gets what is published */
	CLIENT_CLOSING,	   /* gets the rest of its answer, then the end */
};

struct control_client {
	struct control_socket *socket;
	struct control_client *prev, *next;
	ev_io io;
	ev_timer patience;
	ev_timer kick; /* there is something to do in the loop's next turn */
	enum client_mode mode;
	bool eof;    /* it will not send any more */
	bool broken; /* to be dropped by the next callback */
	struct bytes in, out;
};

struct control_socket {
	struct ev_loop *loop;
	struct control_handler handler;
	const struct control_limits *limits;
	ev_io accept_io;
	ev_timer rest; /* while it runs no request is handed up */
	int spare_fd;  /* given up to turn a client away, see shed() */
	struct control_client *clients;
	unsigned n_clients;
	double patience_s;
	struct sockaddr_un addr;
	struct stat inode; /* ours, so that another's is not unlinked */
};

static int bytes_reserve(struct bytes *b, size_t more)
{
	size_t size = b->size ? b->size : READ_CHUNK;
	char *data;

	while (size < b->len + more)
		size *= 2;
	if (size == b->size)
		return 0;
	data = realloc(b->data, size);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->size = size;
	return 0;
}

/* An idle client owns no buffers. */
static void bytes_consume(struct bytes *b, size_t n)
{
	b->len -= n;
	if (b->len) {
		memmove(b->data, b->data + n, b->len);
	} else {
		free(b->data);
		*b = (struct bytes){ 0 };
	}
}

static int bytes_append(struct bytes *b, const char *data, size_t n)
{
	int err = bytes_reserve(b, n);

	if (err)
		return err;
	memcpy(b->data + b->len, data, n);
	b->len += n;
	return 0;
}

/* The callback drops what is broken: nobody loses a client under his feet. */
static void client_break(struct control_client *c)
{
	c->broken = true;
	ev_timer_start(c->socket->loop, &c->kick);
}

static void client_flush(struct control_client *c)
{
	while (c->out.len) {
		ssize_t n = send(c->io.fd, c->out.data, c->out.len,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			client_break(c);
			return;
		}
		bytes_consume(&c->out, (size_t)n);
	}
}

/* Its request lies here, and its socket rests. */
static bool client_has_to_wait(const struct control_client *c)
{
	return c->mode == CLIENT_READING && c->in.len &&
	       ev_is_active(&c->socket->rest);
}

/* Reads when it may ask, writes when something waits; neither at once, so
 * that who does not read his answers cannot ask for more. */
static void client_watch(struct control_client *c)
{
	int events = 0;

	if (c->out.len)
		events = EV_WRITE;
	else if (!c->eof && c->mode != CLIENT_CLOSING && !client_has_to_wait(c))
		events = EV_READ;
	ev_io_stop(c->socket->loop, &c->io);
	ev_io_set(&c->io, c->io.fd, events);
	if (events)
		ev_io_start(c->socket->loop, &c->io);
}

static void client_send(struct control_client *c, json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);
	int err;

	if (c->broken) {
		free(text);
		return;
	}
	err = text ? bytes_append(&c->out, text, strlen(text)) : -ENOMEM;
	free(text);
	if (err || bytes_append(&c->out, "\n", 1)) {
		client_break(c);
		return;
	}
	client_flush(c);
	client_watch(c);
}

/* Takes effect once the answer has gone out. */
static void client_refuse(struct control_client *c, const char *why)
{
	json_t *answer, *text = json_string(why);

	/* a parser's message that was cut in the midst of a character */
	if (!text)
		text = json_string("it is no JSON");
	answer = json_pack("{s:i, s:{s:s, s:s, s:n, s:o, s:n}}", "schema",
			   SCHEMA, "error", "code", "usage", "what",
			   "cannot read the request", "object", "why", text,
			   "try");
	c->mode = CLIENT_CLOSING;
	client_send(c, answer);
	json_decref(answer);
}

static void client_drop(struct control_client *c)
{
	struct control_socket *s = c->socket;

	if (c->mode == CLIENT_WAITING || c->mode == CLIENT_SUBSCRIBED)
		s->handler.gone(s->handler.arg, c);
	DL_DELETE(s->clients, c);
	s->n_clients--;
	ev_io_stop(s->loop, &c->io);
	ev_timer_stop(s->loop, &c->patience);
	ev_timer_stop(s->loop, &c->kick);
	close(c->io.fd);
	free(c->in.data);
	free(c->out.data);
	free(c);
}

/* Who has been served comes last when the rest is over. */
static void take_rest(struct control_client *c, uint64_t began_ns)
{
	struct control_socket *s = c->socket;
	uint64_t took_ns = clock_monotonic_ns() - began_ns;

	if (!s->limits->rest)
		return;
	DL_DELETE(s->clients, c);
	DL_APPEND(s->clients, c);
	ev_now_update(s->loop); /* or the rest is over before it begins */
	ev_timer_set(&s->rest, (double)took_ns * s->limits->rest / NS_PER_S,
		     0.);
	ev_timer_start(s->loop, &s->rest);
}

static void client_ask(struct control_client *c, const char *line, size_t len)
{
	uint64_t began_ns = clock_monotonic_ns();
	struct control_socket *s = c->socket;
	json_error_t error;
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);

	if (json_is_object(request)) {
		c->mode = CLIENT_WAITING;
		s->handler.request(s->handler.arg, c, request);
	} else {
		client_refuse(c, request ? "it is no JSON object" : error.text);
	}
	json_decref(request);
	take_rest(c, began_ns);
}

static void refuse_length(struct control_client *c)
{
	char why[48];

	snprintf(why, sizeof(why), "it is longer than %zu KiB",
		 c->socket->limits->request >> 10);
	client_refuse(c, why);
}

/* One request at most: the loop's other clients have their turn, too. */
static void client_next_request(struct control_client *c)
{
	char *end = memchr(c->in.data, '\n', c->in.len);
	size_t len = end ? (size_t)(end - c->in.data) : c->in.len;
	size_t max = c->socket->limits->request;

	if (!end && !c->eof) {
		if (len >= max)
			refuse_length(c);
		return;
	}
	if (len > max) {
		refuse_length(c);
		return;
	}
	client_ask(c, c->in.data, len);
	bytes_consume(&c->in, end ? len + 1 : len);
	ev_timer_start(c->socket->loop, &c->kick);
}

/* Whether the peer is gone altogether, not only done with sending. */
static bool client_hung_up(const struct control_client *c)
{
	struct pollfd pfd = { .fd = c->io.fd };

	return poll(&pfd, 1, 0) == 1 && pfd.revents & (POLLHUP | POLLERR);
}

static void client_read(struct control_client *c)
{
	ssize_t n;

	if (bytes_reserve(&c->in, READ_CHUNK)) {
		c->broken = true;
		return;
	}
	n = recv(c->io.fd, c->in.data + c->in.len, READ_CHUNK, MSG_DONTWAIT);
	if (n > 0) {
		c->in.len += (size_t)n;
	} else if (n == 0) {
		c->eof = true;
		c->broken = client_hung_up(c);
	} else if (errno != EAGAIN && errno != EINTR) {
		c->broken = true;
	}
	/* what a waiting client says is read to notice its end; a flood of it
	 * is not kept */
	if (c->mode != CLIENT_READING && c->in.len > c->socket->limits->request)
		c->broken = true;
	if (!c->in.len)
		bytes_consume(&c->in, 0);
}

static bool client_is_finished(const struct control_client *c)
{
	if (c->broken)
		return true;
	if (c->out.len)
		return false;
	return c->mode == CLIENT_CLOSING ||
	       (c->mode == CLIENT_READING && c->eof && !c->in.len);
}

static void client_turn(struct control_client *c)
{
	if (!c->broken && c->mode == CLIENT_READING && c->in.len &&
	    !c->out.len && !client_has_to_wait(c))
		client_next_request(c);
	if (client_is_finished(c))
		client_drop(c);
	else
		client_watch(c);
}

static void on_client(struct ev_loop *loop, ev_io *io, int revents)
{
	struct control_client *c = io->data;

	if (!c->broken && revents & EV_WRITE) {
		client_flush(c);
		ev_timer_again(loop, &c->patience);
	}
	/* no new patience: a byte now and then is no progress */
	if (!c->broken && revents & EV_READ)
		client_read(c);
	client_turn(c);
}

/* A request has been handed up or answered. */
static void on_kick(struct ev_loop *loop, ev_timer *kick, int revents)
{
	struct control_client *c = kick->data;

	ev_timer_again(loop, &c->patience);
	client_turn(c);
}

/* Those who came meanwhile, one after the other until the next rest. */
static void on_rested(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct control_socket *s = timer->data;
	struct control_client *c, *next;

	DL_FOREACH_SAFE (s->clients, c, next) {
		if (ev_is_active(timer))
			break;
		client_turn(c);
	}
}

/* Reading and answering have made no progress for so long; a client that
 * waits for us is only looked at. */
static void on_patience(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct control_client *c = timer->data;

	if (c->mode == CLIENT_READING || c->mode == CLIENT_CLOSING ||
	    client_hung_up(c))
		client_drop(c);
}

static int client_new(struct control_socket *s, int fd)
{
	struct control_client *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->socket = s;
	c->mode = CLIENT_READING;
	ev_io_init(&c->io, on_client, fd, EV_READ);
	ev_timer_init(&c->patience, on_patience, 0., s->patience_s);
	ev_timer_init(&c->kick, on_kick, 0., 0.);
	c->io.data = c->patience.data = c->kick.data = c;
	ev_timer_again(s->loop, &c->patience);
	ev_io_start(s->loop, &c->io);
	DL_APPEND(s->clients, c);
	s->n_clients++;
	return 0;
}

static void turn_away(int fd)
{
	static const char full[] =
		"{\"schema\":1,\"error\":{\"code\":\"refused\","
		"\"what\":\"cannot serve\",\"object\":null,"
		"\"why\":\"too many clients are connected\","
		"\"try\":\"again later\"}}\n";

	send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

/* Out of file descriptors: take one off the queue all the same, or the loop
 * would spin on it. */
static void shed(struct control_socket *s)
{
	close(s->spare_fd);
	turn_away(accept4(s->accept_io.fd, NULL, NULL, SOCK_CLOEXEC));
	s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_accept(struct ev_loop *loop, ev_io *io, int revents)
{
	struct control_socket *s = io->data;
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		shed(s);
	if (fd < 0)
		return;
	if (s->n_clients == s->limits->clients || client_new(s, fd))
		turn_away(fd);
}

__attribute__((format(printf, 4, 5))) static int
explain(int ret, char *err, unsigned err_size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, err_size, fmt, ap);
	va_end(ap);
	return ret;
}

/* Whether somebody answers on the path: 0, -EADDRINUSE, other -errno. */
static int remove_stale(const struct sockaddr_un *addr, char *err,
			unsigned err_size)
{
	const char *path = addr->sun_path;
	struct stat st;
	int fd, ret;

	if (lstat(path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return explain(-EEXIST, err, err_size,
			       "%s exists and is no socket: remove it, or set "
			       "`control` to another path",
			       path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return explain(-errno, err, err_size, "socket: %s",
			       strerror(errno));
	ret = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
	ret = ret ? errno : 0;
	close(fd);
	if (!ret || ret == EAGAIN) /* EAGAIN: its backlog is full */
		return explain(-EADDRINUSE, err, err_size,
			       "%s: another halod is listening there", path);
	if (ret != ECONNREFUSED)
		return explain(-ret, err, err_size,
			       "%s: cannot tell whether a halod is listening "
			       "there: %s: run as root, or set `control` to "
			       "another path",
			       path, strerror(ret));
	unlink(path);
	return 0;
}

static void make_folder(const char *path)
{
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (slash && slash != folder) {
		*slash = 0;
		mkdir(folder, 0755); /* if it fails, bind tells */
	}
}

/* Never open to others, not even between bind and chmod. */
static int listen_on(const struct sockaddr_un *addr, unsigned mode, char *err,
		     unsigned err_size)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int ret;

	if (fd < 0)
		return explain(-errno, err, err_size, "socket: %s",
			       strerror(errno));
	if (fchmod(fd, mode) ||
	    bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) ||
	    chmod(addr->sun_path, mode) || listen(fd, BACKLOG)) {
		ret = explain(-errno, err, err_size,
			      "%s: %s: set `control` to a path that can be "
			      "written",
			      addr->sun_path, strerror(errno));
		close(fd);
		return ret;
	}
	return fd;
}

int control_socket_open(struct control_socket **out, struct ev_loop *loop,
			const char *path, const struct control_handler *handler,
			char *err, unsigned err_size)
{
	struct control_socket *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return explain(-ENOMEM, err, err_size, "out of memory");
	s->loop = loop;
	s->handler = *handler;
	s->limits = handler->limits ? handler->limits : &control_limits;
	s->patience_s = PATIENCE_S;
	s->addr.sun_family = AF_UNIX;
	snprintf(s->addr.sun_path, sizeof(s->addr.sun_path), "%s", path);
	make_folder(path);
	ret = remove_stale(&s->addr, err, err_size);
	if (!ret)
		ret = listen_on(&s->addr, s->limits->mode, err, err_size);
	if (ret < 0) {
		free(s);
		return ret;
	}
	s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	stat(s->addr.sun_path, &s->inode);
	ev_io_init(&s->accept_io, on_accept, ret, EV_READ);
	ev_timer_init(&s->rest, on_rested, 0., 0.);
	s->accept_io.data = s->rest.data = s;
	ev_io_start(loop, &s->accept_io);
	*out = s;
	return 0;
}

void control_socket_set_patience(struct control_socket *s, double seconds)
{
	s->patience_s = seconds;
}

void control_reply(struct control_client *client, json_t *response)
{
	client->mode = client->eof && !client->in.len ? CLIENT_CLOSING
						      : CLIENT_READING;
	client_send(client, response);
	json_decref(response);
	ev_timer_start(client->socket->loop, &client->kick);
}

void control_subscribe(struct control_client *client)
{
	client->mode = CLIENT_SUBSCRIBED;
}

void control_send(struct control_client *client, json_t *event)
{
	client_send(client, event);
	json_decref(event);
	if (client->out.len > client->socket->limits->backlog)
		client_break(client);
}

void control_publish(struct control_socket *s, json_t *event)
{
	struct control_client *c;

	DL_FOREACH (s->clients, c) {
		if (c->mode == CLIENT_SUBSCRIBED)
			control_send(c, json_incref(event));
	}
	json_decref(event);
}

void control_socket_free(struct control_socket *s)
{
	struct control_client *c, *next;
	struct stat st;

	if (!s)
		return;
	DL_FOREACH_SAFE (s->clients, c, next)
		client_drop(c);
	ev_timer_stop(s->loop, &s->rest);
	ev_io_stop(s->loop, &s->accept_io);
	close(s->accept_io.fd);
	close(s->spare_fd);
	if (!stat(s->addr.sun_path, &st) && st.st_ino == s->inode.st_ino &&
	    st.st_dev == s->inode.st_dev)
		unlink(s->addr.sun_path);
	free(s);
}
