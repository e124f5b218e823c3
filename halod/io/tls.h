/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS 1.3 with pre-shared keys and (EC)DHE, nothing else: no certificates, no
 * tickets, no early data. Bytes come from and go to two functions; sockets and
 * queues are io/stream.h's.
 */
#ifndef HALO_IO_TLS_H
#define HALO_IO_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "io/keys.h"

struct tls; /* one side's credentials, shared by its sessions */
struct tls_session;

/* The key of an identity, which is a valid node name; NULL: unknown, which the
 * peer cannot tell from a wrong key. */
typedef const uint8_t *(*tls_find_fn)(void *arg, const char *identity);

/* 0 or -errno */
int tls_new_server(struct tls **out, tls_find_fn find, void *arg);
int tls_new_client(struct tls **out, const char *identity,
		   const uint8_t key[KEY_LEN]);
void tls_free(struct tls *tls); /* after its sessions */

/* pull: bytes, 0 at the end of the stream, -EAGAIN. push takes all, or fails
 * with -errno. */
struct tls_transport {
	ssize_t (*pull)(void *arg, void *data, size_t len);
	int (*push)(void *arg, const void *data, size_t len);
	void *arg;
};

int tls_session_new(struct tls_session **out, const struct tls *tls,
		    const struct tls_transport *transport);
/* 0: done; -EAGAIN; else -EPROTO, the alert has been sent, and why is in
 * tls_session_error(). */
int tls_handshake(struct tls_session *s);
/* Bytes; 0: closed by the peer; -EAGAIN; -EPROTO. */
ssize_t tls_recv(struct tls_session *s, void *data, size_t len);
int tls_send(struct tls_session *s, const void *data, size_t len);
/* Says that nothing more will be sent. */
void tls_close_notify(struct tls_session *s);
const char *tls_session_error(const struct tls_session *s);
/* Server: whom the peer claims to be, "" if nobody. It is proved once the
 * handshake is done; till then, whether there is such a key is for the log. */
bool tls_session_is_known(const struct tls_session *s);
const char *tls_session_identity(const struct tls_session *s);
const uint8_t *tls_session_key(const struct tls_session *s);
void tls_session_free(struct tls_session *s);

#endif
