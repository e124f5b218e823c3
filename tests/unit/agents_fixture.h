/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gateway's agents_*() on a loopback port and clients of it, in one event
 * loop. Conditions are waited for with a deadline, never slept for.
 */
#ifndef HALO_TESTS_AGENTS_FIXTURE_H
#define HALO_TESTS_AGENTS_FIXTURE_H

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* after the above, which it needs */
#include <cmocka.h>

#include "io/agents.h"
#include "io/clock.h"
#include "io/keys.h"
#include "io/stream.h"
#include "wire/assembler.h"

#define WAIT_NS (10 * NS_PER_S) /* a condition that is late is an error */

struct gateway {
	struct ev_loop *loop;
	ev_timer pulse; /* so that a round of the loop ends */
	struct agents *agents;
	struct endpoint at;
	char keys_dir[64];
	bool acknowledge; /* answer each beat */
	unsigned hellos, beats, closed, goodbyes;
	uint64_t link; /* of the last HELLO */
	struct message_hello hello;
	char why[128]; /* of the last closed() */
	unsigned revoked;
	struct conf conf;
};

struct client {
	struct stream stream;
	struct tls *tls;
	struct assembler assembler;
	bool closed;
	unsigned got[MESSAGE_GOODBYE + 1];
	struct message last;
};

static inline void gateway_message(void *arg, uint64_t link,
				   const struct message *m)
{
	struct message ack = { .type = MESSAGE_BEAT_ACK };
	struct gateway *g = arg;

	switch (m->type) {
	case MESSAGE_HELLO:
		g->hellos++;
		g->link = link;
		g->hello = m->hello;
		break;
	case MESSAGE_BEAT:
		g->beats++;
		ack.beat_ack.seq = m->beat.seq;
		if (g->acknowledge)
			agents_send(g->agents, link, &ack);
		break;
	case MESSAGE_GOODBYE:
		g->goodbyes++;
		break;
	default:
		break;
	}
}

static inline void gateway_closed(void *arg, uint64_t link, const char *why)
{
	struct gateway *g = arg;

	g->closed++;
	snprintf(g->why, sizeof(g->why), "%s", why);
}

static inline void gateway_revoked(void *arg, uint64_t link)
{
	struct gateway *g = arg;

	g->revoked++;
}

static inline void gateway_pulse(struct ev_loop *loop, ev_timer *t, int revents)
{
}

static inline void gateway_open(struct gateway *g, enum conf_auth auth,
				const char *networks)
{
	const struct agents_handler handler = { gateway_message, gateway_closed,
						gateway_revoked, g };
	struct conf *conf = &g->conf;
	char err[256] = "";

	memset(g, 0, sizeof(*g));
	g->acknowledge = true;
	g->loop = ev_loop_new(0);
	ev_timer_init(&g->pulse, gateway_pulse, 0.002, 0.002);
	ev_timer_start(g->loop, &g->pulse);
	endpoint_parse(&conf->agents.listen, "127.0.0.1:1");
	conf->agents.listen.port = 0;
	conf->agents.auth = auth;
	addr_parse(&conf->vip[FAMILY_V4], "198.18.0.100");
	if (networks)
		conf->agents.n_networks = 1;
	if (networks)
		assert_int_equal(prefix_parse(conf->agents.networks, networks),
				 0);
	strcpy(g->keys_dir, "/tmp/halo-keys-XXXXXX");
	assert_non_null(mkdtemp(g->keys_dir));
	strcpy(conf->agents.keys, g->keys_dir);
	if (agents_open(&g->agents, g->loop, conf, &handler, err, sizeof(err)))
		fail_msg("%s", err);
	assert_int_equal(agents_endpoint(g->agents, &g->at), 0);
}

static inline void gateway_close(struct gateway *g)
{
	char command[128];

	agents_free(g->agents);
	ev_timer_stop(g->loop, &g->pulse);
	ev_loop_destroy(g->loop);
	snprintf(command, sizeof(command), "rm -r %s", g->keys_dir);
	assert_int_equal(system(command), 0);
}

/* What has changed on disk, or in g->conf. */
static inline void gateway_reload(struct gateway *g)
{
	struct diag_list *diags = calloc(1, sizeof(*diags));
	struct agents_change *change;

	assert_int_equal(agents_prepare(&change, &g->conf, diags), 0);
	agents_apply(g->agents, change);
	free(diags);
}

static inline void gateway_add_key(struct gateway *g, const char *name,
				   uint8_t key[KEY_LEN])
{
	char path[256], err[256];

	assert_int_equal(keys_create(g->keys_dir, name, path, sizeof(path)), 0);
	assert_int_equal(key_read_file(key, path, err, sizeof(err)), 0);
	gateway_reload(g);
}

/* A connected, nonblocking socket from 127.0.0.x. */
static inline int connect_from(const struct gateway *g, uint8_t x)
{
	const uint8_t bytes[4] = { 127, 0, 0, x };
	struct endpoint from = { addr_v4(bytes), 0 };
	struct sockaddr_storage ss;
	socklen_t len;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	endpoint_to_sockaddr(&from, &ss, &len);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	endpoint_to_sockaddr(&g->at, &ss, &len);
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static inline int client_frame(void *arg, const uint8_t *frame, size_t len)
{
	static uint16_t routes[ROUTES_MAX];
	struct frame_error err;
	struct client *c = arg;

	assert_int_equal(frame_decode(&c->last, frame, len, routes, &err), 0);
	c->got[c->last.type]++;
	return 0;
}

static inline int client_data(void *arg, const uint8_t *data, size_t len)
{
	struct frame_error err;
	struct client *c = arg;

	return assembler_feed(&c->assembler, data, len, client_frame, c, &err);
}

static inline void client_pump(struct client *c)
{
	int ret;

	if (!c || c->closed)
		return;
	ret = stream_flush(&c->stream);
	if (!ret)
		ret = stream_receive(&c->stream, client_data, c);
	c->closed = ret != 0;
}

/* From 127.0.0.x; key NULL: plain */
static inline void client_open_from(struct client *c, const struct gateway *g,
				    uint8_t x, const char *identity,
				    const uint8_t *key)
{
	memset(c, 0, sizeof(*c));
	c->assembler.max = FRAME_LEN_MAX;
	if (key)
		assert_int_equal(tls_new_client(&c->tls, identity, key), 0);
	stream_init(&c->stream, connect_from(g, x), c->tls);
	assert_int_equal(stream_start(&c->stream), 0);
}

static inline void client_open(struct client *c, const struct gateway *g,
			       const char *identity, const uint8_t *key)
{
	client_open_from(c, g, 1, identity, key);
}

static inline void client_close(struct client *c)
{
	stream_fini(&c->stream);
	assembler_fini(&c->assembler);
	tls_free(c->tls);
}

static inline void client_send(struct client *c, const struct message *m)
{
	uint8_t frame[FRAME_LEN_MAX_AGENT];
	int len = frame_encode(frame, sizeof(frame), m);

	assert_true(len > 0);
	assert_int_equal(stream_send(&c->stream, frame, (size_t)len), 0);
}

static inline struct message hello_of(const char *name, const char *address)
{
	struct message m = { .type = MESSAGE_HELLO };

	snprintf(m.hello.name, sizeof(m.hello.name), "%s", name);
	if (address)
		addr_parse(&m.hello.addr[FAMILY_V4], address);
	return m;
}

/* Turns the loop (and the client, may be NULL) until cond holds. */
#define WAIT_UNTIL(g, c, cond)                                         \
	do {                                                           \
		uint64_t until_ns = clock_monotonic_ns() + WAIT_NS;    \
		while (!(cond)) {                                      \
			if (clock_monotonic_ns() > until_ns)           \
				fail_msg("waited in vain for " #cond); \
			ev_run((g)->loop, EVRUN_ONCE);                 \
			client_pump(c);                                \
		}                                                      \
	} while (0)

#endif
