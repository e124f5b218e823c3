// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The gateway's door: who comes in, who does not, and that strangers cost the
 * others nothing.
 */
#include "agents_fixture.h"

#include <gnutls/gnutls.h>
#include <malloc.h>
#include <sys/resource.h>

#define NODES "198.18.0.0/15"

static const struct message beat = { .type = MESSAGE_BEAT };

static void send_raw(const struct client *c, const void *data, size_t len)
{
	assert_int_equal(send(c->stream.fd, data, len, MSG_NOSIGNAL),
			 (ssize_t)len);
}

static void greet(struct gateway *g, struct client *c, const char *name)
{
	struct message hello = hello_of(name, "198.18.0.9");
	unsigned before = g->hellos;

	WAIT_UNTIL(g, c, c->stream.established || c->closed);
	assert_true(c->stream.established);
	client_send(c, &hello);
	WAIT_UNTIL(g, c, g->hellos > before || c->closed);
	assert_int_equal(g->hellos, before + 1);
}

static void a_node_with_its_key_comes_in(void **state)
{
	uint8_t key[KEY_LEN];
	struct gateway g;
	struct client c;

	gateway_open(&g, AUTH_PSK, NODES);
	gateway_add_key(&g, "a", key);
	client_open(&c, &g, "a", key);
	greet(&g, &c, "a");
	assert_string_equal(g.hello.name, "a");
	client_send(&c, &beat);
	WAIT_UNTIL(&g, &c, c.got[MESSAGE_BEAT_ACK] == 1);
	client_close(&c);
	WAIT_UNTIL(&g, NULL, g.closed == 1);
	gateway_close(&g);
}

static void a_pattern_covers_many_names(void **state)
{
	uint8_t key[KEY_LEN];
	struct gateway g;
	struct client c;

	gateway_open(&g, AUTH_PSK, NODES);
	gateway_add_key(&g, "web-*", key);
	client_open(&c, &g, "web-17", key);
	greet(&g, &c, "web-17");
	client_close(&c);
	gateway_close(&g);
}

/* The alert a stranger gets: what he may learn. */
static char *refusal_of(struct gateway *g, const char *identity,
			const uint8_t *key)
{
	struct client c;
	char *text;

	client_open(&c, g, identity, key);
	WAIT_UNTIL(g, &c, c.closed);
	assert_false(c.stream.established);
	text = strdup(stream_error(&c.stream));
	client_close(&c);
	return text;
}

static void unknown_names_and_wrong_keys_look_the_same(void **state)
{
	uint8_t key[KEY_LEN], other[KEY_LEN];
	struct gateway g;
	char *wrong, *unknown, *no_name;

	gateway_open(&g, AUTH_PSK, NODES);
	gateway_add_key(&g, "a", key);
	gateway_add_key(&g, "b", other);
	wrong = refusal_of(&g, "a", other);
	unknown = refusal_of(&g, "nobody", key);
	no_name = refusal_of(&g, "../etc/passwd", key);
	assert_string_equal(wrong, unknown);
	assert_string_equal(wrong, no_name);
	assert_int_equal(g.hellos, 0);
	free(wrong);
	free(unknown);
	free(no_name);
	gateway_close(&g);
}

static ssize_t raw_pull(gnutls_transport_ptr_t arg, void *data, size_t len)
{
	return recv((int)(intptr_t)arg, data, len, MSG_DONTWAIT);
}

static ssize_t raw_push(gnutls_transport_ptr_t arg, const void *data,
			size_t len)
{
	return send((int)(intptr_t)arg, data, len, MSG_NOSIGNAL);
}

/* How a handshake with these priorities and the right key ends. */
static int shake_hands(struct gateway *g, const char *priorities,
		       const uint8_t *key)
{
	gnutls_datum_t raw = { (uint8_t *)(uintptr_t)key, KEY_LEN };
	gnutls_certificate_credentials_t x509;
	gnutls_psk_client_credentials_t psk;
	int fd = connect_from(g, 1), ret;
	gnutls_session_t s;

	gnutls_init(&s, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL);
	assert_int_equal(gnutls_priority_set_direct(s, priorities, NULL), 0);
	gnutls_psk_allocate_client_credentials(&psk);
	gnutls_psk_set_client_credentials(psk, "a", &raw, GNUTLS_PSK_KEY_RAW);
	gnutls_certificate_allocate_credentials(&x509);
	gnutls_credentials_set(s, GNUTLS_CRD_PSK, psk);
	gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, x509);
	gnutls_transport_set_ptr(s, (gnutls_transport_ptr_t)(intptr_t)fd);
	gnutls_transport_set_pull_function(s, raw_pull);
	gnutls_transport_set_push_function(s, raw_push);
	do {
		ret = gnutls_handshake(s);
		ev_run(g->loop, EVRUN_ONCE);
	} while (ret == GNUTLS_E_AGAIN || ret == GNUTLS_E_INTERRUPTED ||
		 (ret < 0 && !gnutls_error_is_fatal(ret)));
	gnutls_deinit(s);
	gnutls_psk_free_client_credentials(psk);
	gnutls_certificate_free_credentials(x509);
	close(fd);
	return ret;
}

static void only_tls_1_3_with_psk_and_ecdhe_is_spoken(void **state)
{
	static const struct {
		const char *title, *priorities;
		bool fine;
	} rows[] = {
		{ "TLS 1.3, ECDHE-PSK",
		  "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK", true },
		{ "PSK without a key exchange",
		  "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+PSK", false },
		{ "TLS 1.2, ECDHE-PSK",
		  "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-PSK", false },
		{ "TLS 1.2, PSK", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK",
		  false },
		{ "certificates, TLS 1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.3",
		  false },
		{ "certificates, TLS 1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.2",
		  false },
	};
	uint8_t key[KEY_LEN];
	struct gateway g;

	gateway_open(&g, AUTH_PSK, NODES);
	gateway_add_key(&g, "a", key);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		print_message("  %s\n", rows[i].title);
		assert_int_equal(shake_hands(&g, rows[i].priorities, key) == 0,
				 rows[i].fine);
	}
	gateway_close(&g);
}

static void a_removed_key_ends_its_session(void **state)
{
	uint8_t key[KEY_LEN], other[KEY_LEN];
	struct client c, stays;
	struct gateway g;

	gateway_open(&g, AUTH_PSK, NODES);
	gateway_add_key(&g, "a", key);
	gateway_add_key(&g, "b", other);
	client_open(&c, &g, "a", key);
	greet(&g, &c, "a");
	client_open(&stays, &g, "b", other);
	greet(&g, &stays, "b");
	assert_int_equal(keys_remove(g.keys_dir, "a"), 0);
	gateway_reload(&g);
	assert_int_equal(g.revoked, 0); /* not from within */
	WAIT_UNTIL(&g, &c, c.closed);
	assert_int_equal(c.got[MESSAGE_ERROR], 1);
	assert_int_equal(g.revoked, 1);
	assert_int_equal(g.closed, 0);
	client_send(&stays, &beat);
	WAIT_UNTIL(&g, &stays, stays.got[MESSAGE_BEAT_ACK] == 1);
	client_close(&c);
	client_close(&stays);
	gateway_close(&g);
}

static void a_key_that_is_another_now_ends_its_session(void **state)
{
	uint8_t key[KEY_LEN];
	struct client c;
	struct gateway g;

	gateway_open(&g, AUTH_PSK, NODES);
	gateway_add_key(&g, "a", key);
	client_open(&c, &g, "a", key);
	greet(&g, &c, "a");
	assert_int_equal(keys_remove(g.keys_dir, "a"), 0);
	gateway_add_key(&g, "a", key);
	WAIT_UNTIL(&g, &c, c.closed && g.revoked == 1);
	client_close(&c);
	client_open(&c, &g, "a", key);
	greet(&g, &c, "a");
	client_close(&c);
	gateway_close(&g);
}

/* The one that is there already may stay: it was let in by the rules of then.
 */
static void other_node_networks_count_for_whoever_comes_next(void **state)
{
	struct client c;
	struct gateway g;

	gateway_open(&g, AUTH_NONE, NODES);
	client_open(&c, &g, "a", NULL);
	greet(&g, &c, "a");
	assert_int_equal(prefix_parse(g.conf.agents.networks, "198.19.7.0/24"),
			 0);
	gateway_reload(&g);
	client_send(&c, &beat);
	WAIT_UNTIL(&g, &c, c.got[MESSAGE_BEAT_ACK] == 1);
	assert_int_equal(g.revoked + g.closed, 0);
	client_close(&c);
	gateway_close(&g);
}

static void assert_error(struct gateway *g, struct client *c,
			 enum error_code code, const char *text)
{
	WAIT_UNTIL(g, c, c->closed);
	assert_int_equal(c->got[MESSAGE_ERROR], 1);
	assert_int_equal(c->last.error.code, code);
	if (!strstr(c->last.error.text, text))
		fail_msg("\"%s\" is not in \"%s\"", text, c->last.error.text);
}

static void a_name_that_is_not_the_keys_is_refused(void **state)
{
	struct message hello = hello_of("b", "198.18.0.9");
	uint8_t key[KEY_LEN];
	struct gateway g;
	struct client c;

	gateway_open(&g, AUTH_PSK, NODES);
	gateway_add_key(&g, "a", key);
	client_open(&c, &g, "a", key);
	WAIT_UNTIL(&g, &c, c.stream.established);
	client_send(&c, &hello);
	assert_error(&g, &c, ERROR_NAME, "b is not the key's, which is a");
	assert_int_equal(g.hellos, 0);
	client_close(&c);
	gateway_close(&g);
}

static void addresses_a_node_may_not_claim(void **state)
{
	static const struct {
		const char *title, *networks, *address, *error;
	} rows[] = {
		{ "a virtual address", NODES, "198.18.0.100", "virtual" },
		{ "outside node-networks", NODES, "192.0.2.1",
		  "not in node-networks" },
		{ "multicast", NODES, "224.0.0.1", "no machine's" },
		{ "the wildcard", NODES, "0.0.0.0", "no machine's" },
		{ "broadcast", NODES, "255.255.255.255", "no machine's" },
		{ "not the one it connects from", NULL, "198.18.0.9",
		  "connects from" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct message hello = hello_of("a", rows[i].address);
		struct gateway g;
		struct client c;

		print_message("  %s\n", rows[i].title);
		gateway_open(&g, AUTH_NONE, rows[i].networks);
		client_open(&c, &g, "a", NULL);
		client_send(&c, &hello);
		assert_error(&g, &c, ERROR_ADDRESS, rows[i].error);
		assert_int_equal(g.hellos, 0);
		client_close(&c);
		gateway_close(&g);
	}
}

static void with_keys_a_loopback_address_is_refused(void **state)
{
	struct message hello = hello_of("a", NULL);
	uint8_t key[KEY_LEN];
	struct gateway g;
	struct client c;

	gateway_open(&g, AUTH_PSK, NULL);
	gateway_add_key(&g, "a", key);
	client_open(&c, &g, "a", key);
	WAIT_UNTIL(&g, &c, c.stream.established);
	client_send(&c, &hello);
	assert_error(&g, &c, ERROR_ADDRESS, "loopback");
	client_close(&c);
	gateway_close(&g);
}

static void without_an_address_it_is_the_one_it_connects_from(void **state)
{
	struct message hello = hello_of("a", NULL);
	struct gateway g;
	struct client c;
	char text[ADDR_STRLEN];

	gateway_open(&g, AUTH_NONE, NULL);
	client_open(&c, &g, "a", NULL);
	client_send(&c, &hello);
	WAIT_UNTIL(&g, &c, g.hellos == 1);
	assert_string_equal(addr_format(&g.hello.addr[FAMILY_V4], text),
			    "127.0.0.1");
	client_close(&c);
	gateway_close(&g);
}

static void an_unknown_version_is_told_both(void **state)
{
	struct gateway g;
	struct client c;

	gateway_open(&g, AUTH_NONE, NODES);
	client_open(&c, &g, "a", NULL);
	send_raw(&c, "HA\x07\x01\0\0\0\0", 8);
	assert_error(&g, &c, ERROR_VERSION, "version 7");
	assert_non_null(strstr(c.last.error.text, "version 1"));
	client_close(&c);
	gateway_close(&g);
}

/* Bytes sent before any HELLO, and the ERROR they get. */
static void bad_input_before_hello_is_refused(void **state)
{
	static const struct {
		const char *title, *bytes;
		size_t len;
		const char *error;
	} rows[] = {
		{ "another protocol", "GET / HTTP/1.1\r\n\r\n", 18, "halo" },
		{ "an oversized frame", "HA\x01\x01\0\0\xff\xff", 8, "65543" },
		{ "a frame of 4 GB", "HA\x01\x01\xff\xff\xff\xff", 8,
		  "allowed" },
		{ "a truncated HELLO", "HA\x01\x01\0\0\0\x02\0\1", 10,
		  "cut off" },
		{ "a BEAT first", "HA\x01\x07\0\0\0\x0a\0\x11\0\0\0\4\0\0\0\1",
		  18, "before HELLO" },
		{ "a message for agents",
		  "HA\x01\x03\0\0\0\x08\0\x0c\0\0\0\2\0\1", 16,
		  "before HELLO" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct gateway g;
		struct client c;

		print_message("  %s\n", rows[i].title);
		gateway_open(&g, AUTH_NONE, NODES);
		client_open(&c, &g, "a", NULL);
		send_raw(&c, rows[i].bytes, rows[i].len);
		assert_error(&g, &c, ERROR_PROTOCOL, rows[i].error);
		assert_int_equal(g.hellos, 0);
		client_close(&c);
		gateway_close(&g);
	}
}

static void a_second_hello_ends_the_connection(void **state)
{
	struct message hello = hello_of("a", "198.18.0.9");
	struct gateway g;
	struct client c;

	gateway_open(&g, AUTH_NONE, NODES);
	client_open(&c, &g, "a", NULL);
	greet(&g, &c, "a");
	client_send(&c, &hello);
	assert_error(&g, &c, ERROR_PROTOCOL, "second HELLO");
	assert_int_equal(g.hellos, 1);
	assert_int_equal(g.closed, 1);
	assert_non_null(strstr(g.why, "second HELLO"));
	client_close(&c);
	gateway_close(&g);
}

static void frames_may_share_a_segment(void **state)
{
	struct message hello = hello_of("a", "198.18.0.9");
	uint8_t bytes[2 * FRAME_LEN_MAX_AGENT];
	struct gateway g;
	struct client c;
	int len;

	gateway_open(&g, AUTH_NONE, NODES);
	client_open(&c, &g, "a", NULL);
	len = frame_encode(bytes, sizeof(bytes), &hello);
	len += frame_encode(bytes + len, sizeof(bytes) - (size_t)len, &beat);
	len += frame_encode(bytes + len, sizeof(bytes) - (size_t)len, &beat);
	send_raw(&c, bytes, (size_t)len);
	WAIT_UNTIL(&g, &c, c.got[MESSAGE_BEAT_ACK] == 2);
	assert_int_equal(g.hellos, 1);
	client_close(&c);
	gateway_close(&g);
}

static void a_frame_may_come_byte_by_byte(void **state)
{
	struct message hello = hello_of("a", "198.18.0.9");
	uint8_t bytes[FRAME_LEN_MAX_AGENT];
	struct gateway g;
	struct client c;
	int len;

	gateway_open(&g, AUTH_NONE, NODES);
	client_open(&c, &g, "a", NULL);
	len = frame_encode(bytes, sizeof(bytes), &hello);
	for (int i = 0; i < len; i++) {
		send_raw(&c, bytes + i, 1);
		ev_run(g.loop, EVRUN_ONCE);
	}
	WAIT_UNTIL(&g, &c, g.hellos == 1);
	client_close(&c);
	gateway_close(&g);
}

static void random_bytes_disturb_nobody(void **state)
{
	uint64_t rng = 88172645463325252ull;
	uint8_t key[KEY_LEN], junk[600];
	struct agents_stats stats;
	struct client live;
	struct gateway g;

	gateway_open(&g, AUTH_PSK, NODES);
	gateway_add_key(&g, "a", key);
	client_open(&live, &g, "a", key);
	greet(&g, &live, "a");
	for (int i = 0; i < 200; i++) {
		int fd = connect_from(&g, 2);

		for (unsigned n = 0; n < sizeof(junk); n++) {
			rng = rng * 6364136223846793005ull + 1;
			junk[n] = (uint8_t)(rng >> 56);
		}
		if (i % 2) /* looks like TLS at first */
			memcpy(junk, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 9);
		send(fd, junk, sizeof(junk), MSG_NOSIGNAL);
		client_send(&live, &beat);
		WAIT_UNTIL(&g, &live,
			   live.got[MESSAGE_BEAT_ACK] == (unsigned)i + 1);
		close(fd);
	}
	agents_stats(g.agents, &stats);
	assert_int_equal(g.hellos, 1);
	assert_int_equal(g.closed, 0);
	assert_int_equal(stats.authenticated, 1);
	client_close(&live);
	gateway_close(&g);
}

static void input_that_waits_is_read_before_a_death_is_declared(void **state)
{
	struct gateway g;
	struct client c;
	unsigned before;

	gateway_open(&g, AUTH_NONE, NODES);
	client_open(&c, &g, "a", NULL);
	greet(&g, &c, "a");
	before = g.beats;
	client_send(&c, &beat);
	agents_drain_input(g.agents);
	assert_int_equal(g.beats, before + 1);
	client_close(&c);
	gateway_close(&g);
}

static void flood_who_does_not_read(enum conf_auth auth)
{
	static uint16_t ids[32768];
	uint8_t key[KEY_LEN], *used = auth == AUTH_NONE ? NULL : key;
	struct message m = { .type = MESSAGE_ASSIGNED };
	struct client lazy, other;
	struct gateway g;
	uint64_t link;

	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++)
		ids[i] = (uint16_t)(2 * i + 1);
	m.assigned.routes = (struct route_set){ ids, ARRAY_SIZE(ids) };
	gateway_open(&g, auth, NODES);
	if (used)
		gateway_add_key(&g, "?", key);
	client_open(&lazy, &g, "a", used);
	greet(&g, &lazy, "a");
	link = g.link;
	client_open(&other, &g, "b", used);
	greet(&g, &other, "b");
	for (int i = 0; i < 200 && !g.closed; i++) {
		agents_send(g.agents, link, &m);
		ev_run(g.loop, EVRUN_ONCE);
	}
	assert_int_equal(g.closed, 1);
	assert_string_equal(g.why, "it does not read");
	client_send(&other, &beat);
	WAIT_UNTIL(&g, &other, other.got[MESSAGE_BEAT_ACK] == 1);
	client_close(&lazy);
	client_close(&other);
	gateway_close(&g);
}

static void a_peer_that_does_not_read_is_cut_off(void **state)
{
	flood_who_does_not_read(AUTH_NONE);
	flood_who_does_not_read(AUTH_PSK);
}

static void what_was_sent_arrives_before_the_close(void **state)
{
	struct message bye = { .type = MESSAGE_ERROR };
	uint8_t key[KEY_LEN];
	struct gateway g;
	struct client c;

	gateway_open(&g, AUTH_PSK, NODES);
	gateway_add_key(&g, "a", key);
	client_open(&c, &g, "a", key);
	greet(&g, &c, "a");
	bye.error.code = ERROR_SHUTDOWN;
	agents_send(g.agents, g.link, &bye);
	agents_close_link(g.agents, g.link);
	assert_error(&g, &c, ERROR_SHUTDOWN, "");
	agents_send(g.agents, g.link, &bye); /* gone: nothing happens */
	assert_int_equal(g.closed, 0);
	client_close(&c);
	gateway_close(&g);
}

static void silence_before_hello_lasts_five_seconds(void **state)
{
	uint64_t begun = clock_monotonic_ns();
	struct gateway g;
	struct client c;

	gateway_open(&g, AUTH_PSK, NODES);
	client_open(&c, &g, "a", NULL);
	WAIT_UNTIL(&g, &c, c.closed);
	assert_true(clock_monotonic_ns() - begun > 4 * NS_PER_S);
	client_close(&c);
	gateway_close(&g);
}

/* As many as descriptors allow, of 10,000: both ends are in this process. */
static unsigned silent_connections(void)
{
	struct rlimit rl;

	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	return rl.rlim_max >= 20000 ? 10000 : (unsigned)rl.rlim_max / 2;
}

static void ten_thousand_silent_connections_disturb_nobody(void **state)
{
	unsigned n = silent_connections(), acks = 0;
	int *fds = calloc(n, sizeof(*fds));
	struct agents_stats stats;
	uint8_t key[KEY_LEN];
	struct client live;
	struct gateway g;
	size_t before;

	gateway_open(&g, AUTH_PSK, NODES);
	gateway_add_key(&g, "a", key);
	client_open(&live, &g, "a", key);
	greet(&g, &live, "a");
	before = mallinfo2().uordblks;
	for (unsigned i = 0; i < n; i++) {
		fds[i] = connect_from(&g, (uint8_t)(2 + i % 250));
		if (i % 32)
			continue;
		client_send(&live, &beat);
		WAIT_UNTIL(&g, &live, live.got[MESSAGE_BEAT_ACK] > acks);
		acks = live.got[MESSAGE_BEAT_ACK];
	}
	WAIT_UNTIL(&g, &live,
		   (agents_stats(g.agents, &stats), stats.accepted == n + 1));
	print_message("  %u connections, %u kept, %zu KiB\n", n,
		      stats.connections,
		      (mallinfo2().uordblks - before) / 1024);
	assert_true(stats.connections <= 4096 + 128 + 1);
	assert_true(mallinfo2().uordblks - before < 8u << 20);
	assert_int_equal(stats.authenticated, 1);
	assert_int_equal(g.closed, 0);
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
	free(fds);
	client_close(&live);
	gateway_close(&g);
}

/* Opened with so few descriptors that 96 may be unauthenticated. */
static void open_small_gateway(struct gateway *g, const char *networks)
{
	struct rlimit rl, few;

	getrlimit(RLIMIT_NOFILE, &rl);
	few = rl;
	few.rlim_cur = 512;
	setrlimit(RLIMIT_NOFILE, &few);
	gateway_open(g, AUTH_PSK, networks);
	setrlimit(RLIMIT_NOFILE, &rl);
}

#define STRANGERS 200

/* A byte on each: not silent, and no HELLO either. */
static void crowd_the_door(struct gateway *g, int *fds)
{
	struct agents_stats stats;
	uint64_t before;

	agents_stats(g->agents, &stats);
	before = stats.accepted;
	for (unsigned i = 0; i < STRANGERS; i++) {
		fds[i] = connect_from(g, (uint8_t)(20 + i));
		assert_int_equal(send(fds[i], "\x16", 1, MSG_NOSIGNAL), 1);
	}
	WAIT_UNTIL(g, NULL,
		   (agents_stats(g->agents, &stats),
		    stats.accepted == before + STRANGERS));
}

static void strangers_give_way_to_nodes(void **state)
{
	int fds[STRANGERS];
	uint8_t key[KEY_LEN];
	struct gateway g;
	struct client c;

	open_small_gateway(&g, "127.0.0.9/32");
	gateway_add_key(&g, "a", key);
	crowd_the_door(&g, fds);
	client_open_from(&c, &g, 9, "a", key);
	WAIT_UNTIL(&g, &c, c.stream.established || c.closed);
	assert_true(c.stream.established);
	client_close(&c);
	for (unsigned i = 0; i < STRANGERS; i++)
		close(fds[i]);
	gateway_close(&g);
}

static void a_silent_node_keeps_its_place_among_strangers(void **state)
{
	struct agents_stats stats;
	int fds[STRANGERS];
	struct gateway g;
	char byte;
	int fd;

	open_small_gateway(&g, "127.0.0.9/32");
	fd = connect_from(&g, 9);
	WAIT_UNTIL(&g, NULL,
		   (agents_stats(g.agents, &stats), stats.accepted == 1));
	crowd_the_door(&g, fds);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	for (unsigned i = 0; i < STRANGERS; i++)
		close(fds[i]);
	close(fd);
	gateway_close(&g);
}

/* Both ends of each handshake run here, in one thread, and all must be through
 * within a handshake's 5 s: a sanitizer's build has fewer. */
#ifdef __SANITIZE_ADDRESS__
#define CROWD 512
#else
#define CROWD 2048
#endif

/* Greets when the handshake is done; counts those that have. */
static unsigned greet_ready(struct client *crowd, bool *greeted)
{
	unsigned n = 0;
	char name[32];

	for (unsigned i = 0; i < CROWD; i++) {
		client_pump(&crowd[i]);
		assert_false(crowd[i].closed);
		if (!greeted[i] && crowd[i].stream.established) {
			struct message hello;

			snprintf(name, sizeof(name), "web-%u", i);
			hello = hello_of(name, "198.18.0.9");
			client_send(&crowd[i], &hello);
			greeted[i] = true;
		}
		n += greeted[i];
	}
	return n;
}

static void agents_may_all_return_at_once(void **state)
{
	struct client *crowd = calloc(CROWD, sizeof(*crowd));
	bool *greeted = calloc(CROWD, sizeof(*greeted));
	uint8_t key[KEY_LEN];
	struct gateway g;
	char name[32];

	gateway_open(&g, AUTH_PSK, NODES);
	gateway_add_key(&g, "web-*", key);
	for (unsigned i = 0; i < CROWD; i++) {
		snprintf(name, sizeof(name), "web-%u", i);
		client_open_from(&crowd[i], &g, (uint8_t)(1 + i % 200), name,
				 key);
	}
	WAIT_UNTIL(&g, NULL,
		   greet_ready(crowd, greeted) == CROWD && g.hellos == CROWD);
	for (unsigned i = 0; i < CROWD; i++)
		client_close(&crowd[i]);
	WAIT_UNTIL(&g, NULL, g.closed == CROWD);
	gateway_close(&g);
	free(crowd);
	free(greeted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_with_its_key_comes_in),
		cmocka_unit_test(a_pattern_covers_many_names),
		cmocka_unit_test(unknown_names_and_wrong_keys_look_the_same),
		cmocka_unit_test(only_tls_1_3_with_psk_and_ecdhe_is_spoken),
		cmocka_unit_test(a_removed_key_ends_its_session),
		cmocka_unit_test(a_key_that_is_another_now_ends_its_session),
		cmocka_unit_test(
			other_node_networks_count_for_whoever_comes_next),
		cmocka_unit_test(a_name_that_is_not_the_keys_is_refused),
		cmocka_unit_test(addresses_a_node_may_not_claim),
		cmocka_unit_test(with_keys_a_loopback_address_is_refused),
		cmocka_unit_test(
			without_an_address_it_is_the_one_it_connects_from),
		cmocka_unit_test(an_unknown_version_is_told_both),
		cmocka_unit_test(bad_input_before_hello_is_refused),
		cmocka_unit_test(a_second_hello_ends_the_connection),
		cmocka_unit_test(frames_may_share_a_segment),
		cmocka_unit_test(a_frame_may_come_byte_by_byte),
		cmocka_unit_test(random_bytes_disturb_nobody),
		cmocka_unit_test(
			input_that_waits_is_read_before_a_death_is_declared),
		cmocka_unit_test(a_peer_that_does_not_read_is_cut_off),
		cmocka_unit_test(what_was_sent_arrives_before_the_close),
		cmocka_unit_test(silence_before_hello_lasts_five_seconds),
		cmocka_unit_test(
			ten_thousand_silent_connections_disturb_nobody),
		cmocka_unit_test(strangers_give_way_to_nodes),
		cmocka_unit_test(a_silent_node_keeps_its_place_among_strangers),
		cmocka_unit_test(agents_may_all_return_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
