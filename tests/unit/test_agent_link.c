// SPDX-License-Identifier: GPL-2.0-or-later
/* The agent's connection: whom it reaches, what it carries, how it ends. */
#include "door_fixture.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>

#include "../../nodeagent/link.h"
#include "io/clock.h"

#define WAIT_NS (10 * NS_PER_S)

struct world {
	struct ev_loop *loop;
	ev_timer pulse; /* so that a round of the loop ends */
	struct door door;
	struct link *link;
	char gateway[64];
	unsigned connected, closed, acks;
	char why[160];
};

static void on_pulse(struct ev_loop *loop, ev_timer *t, int revents)
{
}

static void on_connected(void *arg)
{
	struct world *w = arg;

	w->connected++;
}

static void on_message(void *arg, const struct message *m)
{
	struct world *w = arg;

	w->acks += m->type == MESSAGE_BEAT_ACK;
}

static void on_closed(void *arg, const char *why)
{
	struct world *w = arg;

	w->closed++;
	snprintf(w->why, sizeof(w->why), "%s", why);
}

#define WAIT_UNTIL(w, cond)                                            \
	do {                                                           \
		uint64_t until_ns = clock_monotonic_ns() + WAIT_NS;    \
		while (!(cond)) {                                      \
			if (clock_monotonic_ns() > until_ns)           \
				fail_msg("waited in vain for " #cond); \
			ev_run((w)->loop, EVRUN_ONCE);                 \
		}                                                      \
	} while (0)

/* A link to a host, at the port of the door. */
static void open_world_at(struct world *w, in_addr_t door, const char *host)
{
	const struct link_handler handler = { on_connected, on_message,
					      on_closed, w };

	*w = (struct world){ .loop = ev_loop_new(0) };
	ev_timer_init(&w->pulse, on_pulse, 0.002, 0.002);
	ev_timer_start(w->loop, &w->pulse);
	door_open(&w->door, w->loop, door);
	snprintf(w->gateway, sizeof(w->gateway), "%s:%u", host, w->door.port);
	w->link = link_new(w->loop, w->gateway, NULL, &handler);
	assert_non_null(w->link);
}

static void open_world(struct world *w)
{
	open_world_at(w, INADDR_LOOPBACK, "127.0.0.1");
}

static void close_world(struct world *w)
{
	link_free(w->link);
	door_close(&w->door);
	ev_timer_stop(w->loop, &w->pulse);
	ev_loop_destroy(w->loop);
}

static void connect_world(struct world *w)
{
	link_connect(w->link);
	WAIT_UNTIL(w, (w->connected || w->closed) && w->door.accepted);
	assert_int_equal(w->connected, 1);
}

static void a_gateway_is_a_host_and_a_port(void **state)
{
	static const struct {
		const char *gateway;
		bool fine;
	} rows[] = {
		{ "198.19.0.1:7460", true }, { "gateway.example:1", true },
		{ "[fd00::1]:65535", true }, { "", false },
		{ ":7460", false },	     { "host", false },
		{ "host:", false },	     { "host:0", false },
		{ "host:65536", false },     { "host:-1", false },
		{ "host:http", false },	     { "fd00::1:7460", false },
		{ "[fd00::1]", false },	     { "[fd00::1]7460", false },
		{ "[]:7460", false },
	};
	char err[256];

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		print_message("  %s\n", rows[i].gateway);
		assert_int_equal(
			link_check_gateway(rows[i].gateway, err, sizeof(err)),
			rows[i].fine ? 0 : -EINVAL);
	}
}

static void messages_go_both_ways(void **state)
{
	const struct message beat = { .type = MESSAGE_BEAT, .beat.seq = 7 };
	const struct message ack = { .type = MESSAGE_BEAT_ACK };
	struct world w;

	open_world(&w);
	connect_world(&w);
	link_send(w.link, &beat);
	WAIT_UNTIL(&w, w.door.got[MESSAGE_BEAT] == 1);
	assert_int_equal(w.door.last.beat.seq, 7);
	door_say(&w.door, &ack);
	WAIT_UNTIL(&w, w.acks == 1);
	door_say(&w.door, &ack);
	link_drain(w.link); /* what has arrived, without a round of the loop */
	WAIT_UNTIL(&w, w.acks == 2);
	assert_int_equal(w.closed, 0);
	close_world(&w);
}

static void a_closed_port_is_told(void **state)
{
	struct world w;

	open_world(&w);
	door_close(&w.door);
	link_connect(w.link);
	assert_int_equal(w.closed, 0); /* never from within */
	WAIT_UNTIL(&w, w.closed == 1);
	assert_string_equal(w.why, "Connection refused");
	close_world(&w);
}

static void what_is_no_gateway_is_told(void **state)
{
	struct world w;

	open_world(&w);
	strcpy(w.gateway, "nowhere");
	link_connect(w.link);
	WAIT_UNTIL(&w, w.closed == 1);
	assert_string_equal(w.why, "it is not HOST:PORT");
	close_world(&w);
}

static void the_gateways_end_is_told(void **state)
{
	struct world w;

	open_world(&w);
	connect_world(&w);
	door_hang_up(&w.door);
	WAIT_UNTIL(&w, w.closed == 1);
	assert_string_equal(w.why, "closed by the gateway");
	close_world(&w);
}

static void what_is_no_frame_ends_it(void **state)
{
	struct world w;

	open_world(&w);
	connect_world(&w);
	assert_int_equal(send(w.door.peer.fd, "HTTP/1.1 200 OK\r\n\r\n", 19,
			      MSG_NOSIGNAL),
			 19);
	WAIT_UNTIL(&w, w.closed == 1);
	assert_true(*w.why);
	close_world(&w);
}

static void a_closed_link_tells_nothing_more(void **state)
{
	const struct message beat = { .type = MESSAGE_BEAT };
	struct world w;

	open_world(&w);
	connect_world(&w);
	link_send(w.link, &beat);
	link_close(w.link);
	link_send(w.link, &beat); /* goes nowhere */
	WAIT_UNTIL(&w, w.door.ended == 1);
	assert_int_equal(w.door.got[MESSAGE_BEAT], 1);
	assert_int_equal(w.closed, 0);
	close_world(&w);
}

/* In a mount namespace of this process's own: `both` stands for two addresses.
 */
static bool name_addresses(void)
{
	char path[] = "/tmp/halo-hosts-XXXXXX";
	int fd = mkstemp(path);
	bool done;

	assert_true(fd >= 0);
	dprintf(fd, "127.0.0.1 both\n127.0.0.2 both\n");
	close(fd);
	done = !unshare(CLONE_NEWNS) &&
	       !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	       !mount(path, "/etc/hosts", NULL, MS_BIND, NULL);
	unlink(path);
	return done;
}

/* Nobody is at the other address. */
static void reach_by_name(in_addr_t door)
{
	struct world w;

	if (geteuid() || !name_addresses()) {
		print_message("skipped: needs root and a mount namespace\n");
		skip();
	}
	open_world_at(&w, door, "both");
	for (unsigned i = 0; i < 2 && !w.connected; i++) {
		link_connect(w.link);
		WAIT_UNTIL(&w, w.connected || w.closed > i);
	}
	assert_int_equal(w.connected, 1);
	link_connect(w.link); /* what worked is tried first */
	WAIT_UNTIL(&w, w.connected == 2 || w.closed > 1);
	assert_int_equal(w.connected, 2);
	close_world(&w);
	umount("/etc/hosts");
}

static void a_names_first_address_is_reached(void **state)
{
	reach_by_name(INADDR_LOOPBACK);
}

static void a_names_second_address_is_reached(void **state)
{
	reach_by_name(INADDR_LOOPBACK + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gateway_is_a_host_and_a_port),
		cmocka_unit_test(messages_go_both_ways),
		cmocka_unit_test(a_closed_port_is_told),
		cmocka_unit_test(what_is_no_gateway_is_told),
		cmocka_unit_test(the_gateways_end_is_told),
		cmocka_unit_test(what_is_no_frame_ends_it),
		cmocka_unit_test(a_closed_link_tells_nothing_more),
		cmocka_unit_test(a_names_first_address_is_reached),
		cmocka_unit_test(a_names_second_address_is_reached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
