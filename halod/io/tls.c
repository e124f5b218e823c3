// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/tls.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "wire/message.h"

/* An external PSK of TLS 1.3 is bound to one hash, SHA-256 (RFC 8446, 4.2.11):
 * hence no SHA-384 suite. */
#define PRIORITIES                                                   \
	"NONE:+VERS-TLS1.3:+ECDHE-PSK:+AEAD:+AES-128-GCM:"           \
	"+CHACHA20-POLY1305:+SHA256:+GROUP-X25519:+GROUP-SECP256R1:" \
	"+SIGN-ALL:+COMP-NULL"
/* A ClientHello of ours has 300 bytes. */
#define HANDSHAKE_LEN_MAX 4096

struct tls {
	bool is_server;
	gnutls_priority_t priorities;
	gnutls_psk_client_credentials_t client;
	gnutls_psk_server_credentials_t server;
	tls_find_fn find;
	void *arg;
};

struct tls_session {
	const struct tls *tls;
	gnutls_session_t gnutls;
	struct tls_transport transport;
	int error; /* GnuTLS's, of what failed */
	char identity[NODE_NAME_MAX];
	bool known; /* there is a key for it */
	uint8_t key[KEY_LEN];
};

/* Copies a name out of the peer's bytes: false when it can be no node. */
static bool copy_identity(char out[NODE_NAME_MAX], const gnutls_datum_t *bytes)
{
	char name[NODE_NAME_MAX] = "";

	if (!bytes->size || bytes->size >= NODE_NAME_MAX ||
	    memchr(bytes->data, 0, bytes->size))
		return false;
	memcpy(name, bytes->data, bytes->size);
	if (!node_name_is_valid(name))
		return false;
	memcpy(out, name, sizeof(name));
	return true;
}

/* Whoever is unknown is measured against a key that nobody has. */
static int find_key(gnutls_session_t session, const gnutls_datum_t *username,
		    gnutls_datum_t *key)
{
	struct tls_session *s = gnutls_session_get_ptr(session);
	const uint8_t *known = NULL;

	if (gnutls_rnd(GNUTLS_RND_KEY, s->key, KEY_LEN))
		return -1;
	if (copy_identity(s->identity, username))
		known = s->tls->find(s->tls->arg, s->identity);
	s->known = known;
	if (known)
		memcpy(s->key, known, KEY_LEN);
	key->data = gnutls_malloc(KEY_LEN);
	if (!key->data)
		return -1;
	memcpy(key->data, s->key, KEY_LEN);
	key->size = KEY_LEN;
	return 0;
}

static int new_context(struct tls **out)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return -ENOMEM;
	if (gnutls_priority_init(&tls->priorities, PRIORITIES, NULL)) {
		free(tls);
		return -ENOTSUP;
	}
	*out = tls;
	return 0;
}

int tls_new_server(struct tls **out, tls_find_fn find, void *arg)
{
	struct tls *tls;
	int ret = new_context(&tls);

	if (ret)
		return ret;
	tls->is_server = true;
	tls->find = find;
	tls->arg = arg;
	if (gnutls_psk_allocate_server_credentials(&tls->server)) {
		tls_free(tls);
		return -ENOMEM;
	}
	gnutls_psk_set_server_credentials_function2(tls->server, find_key);
	*out = tls;
	return 0;
}

int tls_new_client(struct tls **out, const char *identity,
		   const uint8_t key[KEY_LEN])
{
	gnutls_datum_t raw = { (uint8_t *)(uintptr_t)key, KEY_LEN };
	struct tls *tls;
	int ret = new_context(&tls);

	if (ret)
		return ret;
	if (gnutls_psk_allocate_client_credentials(&tls->client) ||
	    gnutls_psk_set_client_credentials(tls->client, identity, &raw,
					      GNUTLS_PSK_KEY_RAW)) {
		tls_free(tls);
		return -ENOMEM;
	}
	*out = tls;
	return 0;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	if (tls->server)
		gnutls_psk_free_server_credentials(tls->server);
	if (tls->client)
		gnutls_psk_free_client_credentials(tls->client);
	gnutls_priority_deinit(tls->priorities);
	free(tls);
}

static ssize_t pull(gnutls_transport_ptr_t arg, void *data, size_t len)
{
	struct tls_session *s = arg;
	ssize_t n = s->transport.pull(s->transport.arg, data, len);

	if (n >= 0)
		return n;
	gnutls_transport_set_errno(s->gnutls, (int)-n);
	return -1;
}

static ssize_t push(gnutls_transport_ptr_t arg, const void *data, size_t len)
{
	struct tls_session *s = arg;
	int ret = s->transport.push(s->transport.arg, data, len);

	if (!ret)
		return (ssize_t)len;
	gnutls_transport_set_errno(s->gnutls, -ret);
	return -1;
}

static int set_up(struct tls_session *s)
{
	const struct tls *tls = s->tls;

	gnutls_session_set_ptr(s->gnutls, s);
	gnutls_transport_set_ptr(s->gnutls, s);
	gnutls_transport_set_pull_function(s->gnutls, pull);
	gnutls_transport_set_push_function(s->gnutls, push);
	gnutls_handshake_set_max_packet_length(s->gnutls, HANDSHAKE_LEN_MAX);
	if (gnutls_priority_set(s->gnutls, tls->priorities))
		return -ENOTSUP;
	if (gnutls_credentials_set(s->gnutls, GNUTLS_CRD_PSK,
				   tls->is_server ? (void *)tls->server
						  : (void *)tls->client))
		return -ENOMEM;
	return 0;
}

int tls_session_new(struct tls_session **out, const struct tls *tls,
		    const struct tls_transport *transport)
{
	unsigned side = tls->is_server ? GNUTLS_SERVER : GNUTLS_CLIENT;
	struct tls_session *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return -ENOMEM;
	s->tls = tls;
	s->transport = *transport;
	if (gnutls_init(&s->gnutls, side | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL |
					    GNUTLS_NO_TICKETS)) {
		free(s);
		return -ENOMEM;
	}
	ret = set_up(s);
	if (ret) {
		tls_session_free(s);
		return ret;
	}
	*out = s;
	return 0;
}

static bool may_go_on(int ret)
{
	return ret == GNUTLS_E_AGAIN || ret == GNUTLS_E_INTERRUPTED;
}

int tls_handshake(struct tls_session *s)
{
	int ret;

	do {
		ret = gnutls_handshake(s->gnutls);
		if (!ret)
			return 0;
	} while (!may_go_on(ret) && !gnutls_error_is_fatal(ret));
	if (may_go_on(ret))
		return -EAGAIN;
	s->error = ret;
	gnutls_alert_send_appropriate(s->gnutls, ret);
	return -EPROTO;
}

ssize_t tls_recv(struct tls_session *s, void *data, size_t len)
{
	ssize_t ret;

	do {
		ret = gnutls_record_recv(s->gnutls, data, len);
		if (ret >= 0)
			return ret;
	} while (!may_go_on((int)ret) && !gnutls_error_is_fatal((int)ret));
	if (may_go_on((int)ret))
		return -EAGAIN;
	s->error = (int)ret;
	return ret == GNUTLS_E_PREMATURE_TERMINATION ? 0 : -EPROTO;
}

int tls_send(struct tls_session *s, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len) {
		ssize_t ret = gnutls_record_send(s->gnutls, at, len);

		if (ret < 0) {
			s->error = (int)ret;
			return -EPROTO;
		}
		at += ret;
		len -= (size_t)ret;
	}
	return 0;
}

void tls_close_notify(struct tls_session *s)
{
	gnutls_bye(s->gnutls, GNUTLS_SHUT_WR);
}

const char *tls_session_error(const struct tls_session *s)
{
	if (s->error == GNUTLS_E_FATAL_ALERT_RECEIVED)
		return gnutls_alert_get_name(gnutls_alert_get(s->gnutls));
	return s->error ? gnutls_strerror(s->error) : "";
}

bool tls_session_is_known(const struct tls_session *s)
{
	return s->known;
}

const char *tls_session_identity(const struct tls_session *s)
{
	return s->identity;
}

const uint8_t *tls_session_key(const struct tls_session *s)
{
	return s->key;
}

void tls_session_free(struct tls_session *s)
{
	if (!s)
		return;
	gnutls_deinit(s->gnutls);
	explicit_bzero(s->key, sizeof(s->key));
	free(s);
}
