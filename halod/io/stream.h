/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A nonblocking byte stream over a connected socket, in TLS or plain, for both
 * ends of the agent protocol. It knows no frames and no event loop: the owner
 * says when the socket is readable or writable.
 *
 * An idle stream owns no buffers: input passes through the stack, output goes
 * straight to the socket, and only what the socket did not take is queued.
 */
#ifndef HALO_IO_STREAM_H
#define HALO_IO_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/tls.h"

/* Twice the longest frame: a peer that reads is never cut off. */
#define STREAM_QUEUE_MAX (512u * 1024)

struct stream_batch;

struct stream {
	int fd;			     /* owned */
	const struct tls *tls;	     /* NULL: plain */
	struct tls_session *session; /* since the first byte, either way */
	bool established;
	bool ending;	   /* nothing more may be sent */
	uint64_t received; /* bytes taken from the socket */
	int push_error;	   /* why bytes could not be sent, which TLS hides */
	uint8_t *queue;
	size_t queue_len, queue_sent;
	struct stream_batch *batch; /* while stream_receive() runs */
	const uint8_t *input;	    /* bytes TLS has not pulled yet */
	size_t input_len;
};

/* Bytes of the peer, borrowed; nonzero stops the receiving. */
typedef int (*stream_data_fn)(void *arg, const uint8_t *data, size_t len);

void stream_init(struct stream *s, int fd, const struct tls *tls);
/* Client: begins the handshake. 0 or -errno. */
int stream_start(struct stream *s);
/* One read of the socket, at most 16 KiB, all of it handed to fn. What is sent
 * meanwhile goes out at the end, together. 0 (also: nothing was there); what
 * fn returned; -ECONNRESET and so on; -EPIPE: closed by the peer; -EPROTO: TLS
 * failed, why is in stream_error(). */
int stream_receive(struct stream *s, stream_data_fn fn, void *arg);
/* 0; -ENOBUFS: the peer does not read; -errno. After an error only
 * stream_fini() is left. */
int stream_send(struct stream *s, const void *data, size_t len);
/* After what is queued, tells the peer that no more will come. */
void stream_end(struct stream *s);
/* The socket takes bytes again: 0 or -errno. */
int stream_flush(struct stream *s);
bool stream_wants_write(const struct stream *s);
const char *stream_error(const struct stream *s);
void stream_fini(struct stream *s);

#endif
