// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK_LEN 16384 /* also the longest TLS record */

/* Answers to one read, sent as one: a system call and a TLS record for all. */
struct stream_batch {
	size_t len;
	uint8_t data[CHUNK_LEN];
};

void stream_init(struct stream *s, int fd, const struct tls *tls)
{
	*s = (struct stream){ .fd = fd, .tls = tls, .established = !tls };
}

static int enqueue(struct stream *s, const uint8_t *data, size_t len)
{
	uint8_t *grown;

	if (s->queue_len - s->queue_sent + len > STREAM_QUEUE_MAX)
		return -ENOBUFS;
	if (s->queue_sent) {
		memmove(s->queue, s->queue + s->queue_sent,
			s->queue_len - s->queue_sent);
		s->queue_len -= s->queue_sent;
		s->queue_sent = 0;
	}
	grown = realloc(s->queue, s->queue_len + len);
	if (!grown)
		return -ENOMEM;
	memcpy(grown + s->queue_len, data, len);
	s->queue = grown;
	s->queue_len += len;
	return 0;
}

/* Bytes taken by the socket, 0 when it is full, or -errno. */
static ssize_t send_now(int fd, const uint8_t *data, size_t len)
{
	ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

static int push(void *arg, const void *data, size_t len)
{
	struct stream *s = arg;
	ssize_t n = 0;

	if (!s->queue)
		n = send_now(s->fd, data, len);
	if (n >= 0 && (size_t)n < len)
		n = enqueue(s, (const uint8_t *)data + n, len - (size_t)n);
	s->push_error = n < 0 ? (int)n : 0;
	return s->push_error;
}

static ssize_t pull(void *arg, void *data, size_t len)
{
	struct stream *s = arg;
	size_t n = len < s->input_len ? len : s->input_len;

	if (!n)
		return -EAGAIN;
	memcpy(data, s->input, n);
	s->input += n;
	s->input_len -= n;
	return (ssize_t)n;
}

static int send_bytes(struct stream *s, const uint8_t *data, size_t len)
{
	int ret = s->tls ? tls_send(s->session, data, len) : push(s, data, len);

	return ret && s->push_error ? s->push_error : ret;
}

/* A session is made for the first byte only: silence costs nothing. */
static int need_session(struct stream *s)
{
	struct tls_transport transport = { pull, push, s };

	if (!s->tls || s->session)
		return 0;
	return tls_session_new(&s->session, s->tls, &transport);
}

static int handshake(struct stream *s)
{
	int ret = tls_handshake(s->session);

	if (!ret)
		s->established = true;
	return ret == -EAGAIN ? 0 : ret;
}

int stream_start(struct stream *s)
{
	int ret = need_session(s);

	return ret || !s->tls ? ret : handshake(s);
}

/* What TLS makes of the input, until it wants more. */
static int decrypt(struct stream *s, stream_data_fn fn, void *arg)
{
	uint8_t plain[CHUNK_LEN];
	int ret = need_session(s);

	if (!ret && !s->established)
		ret = handshake(s);
	while (!ret && s->established) {
		ssize_t n = tls_recv(s->session, plain, sizeof(plain));

		if (n == -EAGAIN)
			return 0;
		if (n <= 0)
			return n ? (int)n : -EPIPE;
		ret = fn(arg, plain, (size_t)n);
	}
	return ret;
}

static int send_batch(struct stream *s)
{
	struct stream_batch *batch = s->batch;
	size_t len = batch->len;

	batch->len = 0;
	return len ? send_bytes(s, batch->data, len) : 0;
}

int stream_receive(struct stream *s, stream_data_fn fn, void *arg)
{
	uint8_t chunk[CHUNK_LEN];
	struct stream_batch batch;
	ssize_t n = recv(s->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
	int ret, sent;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		return -EPIPE;
	s->received += (uint64_t)n;
	batch.len = 0;
	s->batch = &batch;
	if (s->tls) {
		s->input = chunk;
		s->input_len = (size_t)n;
		ret = decrypt(s, fn, arg);
		s->input_len = 0;
	} else {
		ret = fn(arg, chunk, (size_t)n);
	}
	sent = send_batch(s);
	s->batch = NULL;
	return ret ? ret : sent;
}

int stream_send(struct stream *s, const void *data, size_t len)
{
	struct stream_batch *batch = s->batch;
	int ret;

	if (!s->established || s->ending)
		return -ENOTCONN;
	if (!batch)
		return send_bytes(s, data, len);
	if (len > sizeof(batch->data) - batch->len) {
		ret = send_batch(s);
		if (ret)
			return ret;
	}
	if (len > sizeof(batch->data))
		return send_bytes(s, data, len);
	memcpy(batch->data + batch->len, data, len);
	batch->len += len;
	return 0;
}

void stream_end(struct stream *s)
{
	if (s->ending)
		return;
	if (s->batch)
		send_batch(s);
	if (s->session && s->established)
		tls_close_notify(s->session);
	s->ending = true;
	if (!s->queue)
		shutdown(s->fd, SHUT_WR);
}

int stream_flush(struct stream *s)
{
	ssize_t n;

	if (!s->queue)
		return 0;
	n = send_now(s->fd, s->queue + s->queue_sent,
		     s->queue_len - s->queue_sent);
	if (n < 0)
		return (int)n;
	s->queue_sent += (size_t)n;
	if (s->queue_sent < s->queue_len)
		return 0;
	free(s->queue);
	s->queue = NULL;
	s->queue_len = s->queue_sent = 0;
	if (s->ending)
		shutdown(s->fd, SHUT_WR);
	return 0;
}

bool stream_wants_write(const struct stream *s)
{
	return s->queue;
}

const char *stream_error(const struct stream *s)
{
	return s->session ? tls_session_error(s->session) : "";
}

void stream_fini(struct stream *s)
{
	tls_session_free(s->session);
	free(s->queue);
	close(s->fd);
}
