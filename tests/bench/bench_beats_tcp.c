// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Beats a second over one loopback TCP connection, decoded and answered by
 * io/agents, in plain and in TLS. The client is a process of its own that
 * keeps a window of beats under way.
 */
#include <errno.h>
#include <ev.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "io/agents.h"
#include "io/clock.h"
#include "io/keys.h"
#include "io/stream.h"
#include "wire/assembler.h"

#define BEATS	1000000u
#define BATCH	256u /* beats in one write */
#define WINDOW	2048u
#define NAME	"bench"
#define NODES	"198.18.0.0/15"
#define ADDRESS "198.18.0.9"

struct server {
	struct ev_loop *loop;
	struct agents *agents;
	uint64_t begun_ns, ended_ns;
	unsigned beats;
};

struct client {
	struct stream stream;
	struct assembler assembler;
	unsigned sent, acked;
};

static void on_message(void *arg, uint64_t link, const struct message *m)
{
	struct message ack = { .type = MESSAGE_BEAT_ACK };
	struct server *s = arg;

	if (m->type != MESSAGE_BEAT)
		return;
	if (!s->beats++)
		s->begun_ns = clock_monotonic_ns();
	ack.beat_ack.seq = m->beat.seq;
	ack.beat_ack.state = NODE_ACTIVE;
	agents_send(s->agents, link, &ack);
	if (s->beats == BEATS)
		s->ended_ns = clock_monotonic_ns();
}

static void on_closed(void *arg, uint64_t link, const char *why)
{
	struct server *s = arg;

	ev_break(s->loop, EVBREAK_ALL);
}

static int on_frame(void *arg, const uint8_t *frame, size_t len)
{
	struct client *c = arg;

	c->acked++;
	return 0;
}

static int on_data(void *arg, const uint8_t *data, size_t len)
{
	struct frame_error err;
	struct client *c = arg;

	return assembler_feed(&c->assembler, data, len, on_frame, c, &err);
}

static int pump(struct client *c)
{
	struct pollfd p = { .fd = c->stream.fd, .events = POLLIN };

	if (stream_wants_write(&c->stream))
		p.events |= POLLOUT;
	if (poll(&p, 1, 5000) != 1)
		return -ETIMEDOUT;
	if (p.revents & POLLOUT && stream_flush(&c->stream))
		return -EIO;
	return stream_receive(&c->stream, on_data, c);
}

static int send_batch(struct client *c)
{
	uint8_t bytes[BATCH * FRAME_BEAT_MAX];
	struct message m = { .type = MESSAGE_BEAT };
	int len = 0;

	for (unsigned i = 0; i < BATCH && c->sent < BEATS; i++) {
		m.beat.seq = ++c->sent;
		m.beat.health = HEALTH_UP;
		len += frame_encode(bytes + len, FRAME_BEAT_MAX, &m);
	}
	return stream_send(&c->stream, bytes, (size_t)len);
}

static int send_hello(struct client *c)
{
	struct message m = { .type = MESSAGE_HELLO, .hello.name = NAME };
	uint8_t bytes[FRAME_LEN_MAX_AGENT];
	int len;

	addr_parse(&m.hello.addr[FAMILY_V4], ADDRESS);
	len = frame_encode(bytes, sizeof(bytes), &m);
	return stream_send(&c->stream, bytes, (size_t)len);
}

static int run_client(const struct endpoint *at, const struct tls *tls)
{
	struct client c = { .assembler.max = FRAME_LEN_MAX };
	struct sockaddr_storage ss;
	socklen_t len;
	int fd, ret;

	endpoint_to_sockaddr(at, &ss, &len);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&ss, len))
		return -errno;
	stream_init(&c.stream, fd, tls);
	ret = stream_start(&c.stream);
	while (!ret && !c.stream.established)
		ret = pump(&c);
	if (!ret)
		ret = send_hello(&c);
	while (!ret && c.acked < BEATS) {
		while (!ret && c.sent < BEATS && c.sent - c.acked < WINDOW)
			ret = send_batch(&c);
		if (!ret)
			ret = pump(&c);
	}
	stream_fini(&c.stream);
	assembler_fini(&c.assembler);
	return ret;
}

static int open_server(struct server *s, const char *keys, enum conf_auth auth)
{
	const struct agents_handler handler = { .message = on_message,
						.closed = on_closed,
						.arg = s };
	struct conf *conf = calloc(1, sizeof(*conf));
	char err[256];
	int ret;

	s->loop = ev_loop_new(0);
	endpoint_parse(&conf->agents.listen, "127.0.0.1:1");
	conf->agents.listen.port = 0;
	conf->agents.auth = auth;
	conf->agents.n_networks = 1;
	prefix_parse(conf->agents.networks, NODES);
	snprintf(conf->agents.keys, sizeof(conf->agents.keys), "%s", keys);
	ret = agents_open(&s->agents, s->loop, conf, &handler, err,
			  sizeof(err));
	if (ret)
		fprintf(stderr, "bench_beats_tcp: %s\n", err);
	free(conf);
	return ret;
}

/* Beats a second; negative when it failed. */
static double measure(const char *keys, const uint8_t *key)
{
	struct server s = { 0 };
	struct tls *tls = NULL;
	struct endpoint at;
	int status = -1;
	pid_t pid;

	if (open_server(&s, keys, key ? AUTH_PSK : AUTH_NONE) ||
	    agents_endpoint(s.agents, &at) ||
	    (key && tls_new_client(&tls, NAME, key)))
		return -1;
	pid = fork();
	if (!pid)
		_exit(run_client(&at, tls) ? 1 : 0);
	ev_loop_fork(s.loop);
	ev_run(s.loop, 0);
	waitpid(pid, &status, 0);
	tls_free(tls);
	agents_free(s.agents);
	ev_loop_destroy(s.loop);
	if (status || !s.ended_ns)
		return -1;
	return BEATS / ((double)(s.ended_ns - s.begun_ns) / NS_PER_S);
}

int main(void)
{
	char dir[] = "/tmp/halo-bench-XXXXXX", path[256], err[256];
	uint8_t key[KEY_LEN];
	double plain, tls;

	log_set_level(LOG_LEVEL_ERROR);
	if (!mkdtemp(dir) || keys_create(dir, NAME, path, sizeof(path)) ||
	    key_read_file(key, path, err, sizeof(err)))
		return 1;
	plain = measure(dir, NULL);
	tls = measure(dir, key);
	keys_remove(dir, NAME);
	rmdir(dir);
	if (plain < 0 || tls < 0)
		return 1;
	printf("beats_per_second_loopback_tcp %.0f 1/s\n", plain);
	printf("beats_per_second_loopback_tls %.0f 1/s\n", tls);
	return 0;
}
