// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which connections the agent ends, and which never: real ones, in a network
 * namespace of this process alone. Needs root.
 */
#include <arpa/inet.h>
#include <cap-ng.h>
#include <errno.h>
#include <ev.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* after the above, which it needs */
#include <cmocka.h>

#include "../../nodeagent/cutter.h"
#include "io/clock.h"

#define NODE	   "198.19.0.11"
#define NODE6	   "fd00:198:18:1::11"
#define CLIENT	   "198.18.0.1"
#define CLIENT6	   "fd00:198:18::1"
#define DOOR	   8001 /* of route 1 */
#define TOO_LONG_S 5.

struct world {
	struct cutter *cutter;
	unsigned told; /* how often cutter_fn came, and … */
	uint32_t id;   /* … for which */
};

static void on_cut(void *arg, uint32_t id)
{
	struct world *w = arg;

	w->told++;
	w->id = id;
	ev_break(EV_DEFAULT, EVBREAK_ALL);
}

static int group_set_up(void **state)
{
	static const char commands[] =
		"ip link set lo up && ip addr add " NODE "/32 dev lo && "
		"ip addr add " CLIENT "/32 dev lo && "
		"ip addr add " NODE6 "/128 dev lo nodad && "
		"ip addr add " CLIENT6 "/128 dev lo nodad";

	if (geteuid() || unshare(CLONE_NEWNET))
		return 0; /* each test says so */
	return system(commands);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	return geteuid() ? 0 : cutter_new(&w->cutter, EV_DEFAULT, on_cut, w);
}

static int tear_down(void **state)
{
	struct world *w = *state;

	cutter_free(w->cutter);
	free(w);
	return 0;
}

static struct endpoint at(const char *addr, uint16_t port)
{
	struct endpoint e = { .port = port };

	assert_int_equal(addr_parse(&e.addr, addr), 0);
	return e;
}

static void bind_to(int fd, const struct endpoint *where)
{
	struct sockaddr_storage sa;
	socklen_t len;

	endpoint_to_sockaddr(where, &sa, &len);
	if (bind(fd, (struct sockaddr *)&sa, len))
		fail_msg("bind: %s", strerror(errno));
}

/* On any address; v6: of both families. */
static int listen_at(uint16_t port, bool v6)
{
	struct endpoint any = { .addr.af = v6 ? AF_INET6 : AF_INET,
				.port = port };
	int fd = socket(any.addr.af, SOCK_STREAM, 0), on = 1, off = 0;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	bind_to(fd, &any);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

struct pair {
	int client, server;
};

static struct pair join(int listener, const char *from, uint16_t from_port,
			const char *to, uint16_t port)
{
	struct endpoint src = at(from, from_port), dst = at(to, port);
	struct sockaddr_storage sa;
	struct pair p;
	socklen_t len;
	int on = 1;

	p.client = socket(dst.addr.af, SOCK_STREAM, 0);
	setsockopt(p.client, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	bind_to(p.client, &src);
	endpoint_to_sockaddr(&dst, &sa, &len);
	if (connect(p.client, (struct sockaddr *)&sa, len))
		fail_msg("connect: %s", strerror(errno));
	p.server = accept(listener, NULL, NULL);
	assert_true(p.server >= 0);
	return p;
}

static void part(struct pair *p)
{
	close(p->client);
	close(p->server);
}

static bool is_reset(const struct pair *p)
{
	struct pollfd pfd = { .fd = p->client, .events = POLLIN };
	char byte;

	return poll(&pfd, 1, 0) == 1 && recv(p->client, &byte, 1, 0) < 0 &&
	       errno == ECONNRESET;
}

static bool lives(const struct pair *p)
{
	char byte = 0;

	return send(p->client, "x", 1, MSG_NOSIGNAL) == 1 &&
	       recv(p->server, &byte, 1, 0) == 1 && byte == 'x';
}

static void on_too_long(struct ev_loop *loop, ev_timer *t, int revents)
{
	fail_msg("it does not end");
}

static void run(struct world *w, unsigned told)
{
	ev_timer late;

	ev_timer_init(&late, on_too_long, TOO_LONG_S, 0.);
	ev_timer_start(EV_DEFAULT, &late);
	while (w->told < told)
		ev_run(EV_DEFAULT, 0);
	ev_timer_stop(EV_DEFAULT, &late);
}

static struct cut cut_of(const struct route_set *routes)
{
	struct cut cut = { .id = 7,
			   .routes = *routes,
			   .doors = { 1, { DOOR } } };

	cut.local[FAMILY_V4] = at(NODE, 0).addr;
	cut.local[FAMILY_V6] = at(NODE6, 0).addr;
	return cut;
}

static const uint16_t five[] = { 5 };
static const struct route_set route_5 = { five, 1 };

static void end_route_5(struct world *w)
{
	struct cut cut = cut_of(&route_5);

	cutter_begin(w->cutter, &cut);
	run(w, 1);
	assert_int_equal(w->id, 7);
}

#define NEEDS_ROOT()                                 \
	do {                                         \
		if (geteuid()) {                     \
			print_message("needs root"); \
			skip();                      \
		}                                    \
	} while (0)

static void connections_of_the_route_end_and_of_others_live(void **state)
{
	int listener = 0, other = 0;
	struct world *w = *state;
	struct pair moves, stays;

	NEEDS_ROOT();
	listener = listen_at(DOOR + 4, false);
	other = listen_at(DOOR + 5, false);
	moves = join(listener, CLIENT, 0, NODE, DOOR + 4);
	stays = join(other, CLIENT, 0, NODE, DOOR + 5);
	end_route_5(w);
	assert_true(is_reset(&moves));
	assert_true(lives(&stays));
	part(&moves);
	/* and the listener listens */
	moves = join(listener, CLIENT, 0, NODE, DOOR + 4);
	assert_true(lives(&moves));
	part(&moves);
	part(&stays);
	close(listener);
	close(other);
}

static void each_family_and_their_mixture_is_found(void **state)
{
	struct world *w = *state;
	struct pair v6, mapped;
	int listener;

	NEEDS_ROOT();
	listener = listen_at(DOOR + 4, true);
	v6 = join(listener, CLIENT6, 0, NODE6, DOOR + 4);
	mapped = join(listener, CLIENT, 0, NODE, DOOR + 4);
	end_route_5(w);
	assert_true(is_reset(&v6));
	assert_true(is_reset(&mapped));
	part(&v6);
	part(&mapped);
	close(listener);
}

static void what_did_not_come_through_the_gateway_lives(void **state)
{
	struct world *w = *state;
	struct pair own, loopback;
	int listener;

	NEEDS_ROOT();
	listener = listen_at(DOOR + 4, false);
	own = join(listener, NODE, 0, NODE, DOOR + 4);
	loopback = join(listener, "127.0.0.1", 0, "127.0.0.1", DOOR + 4);
	end_route_5(w);
	assert_true(lives(&own));
	assert_true(lives(&loopback));
	part(&own);
	part(&loopback);
	close(listener);
}

/* The node is the client here, and has the door's port by accident. */
static void a_connection_the_node_makes_lives(void **state)
{
	struct world *w = *state;
	struct pair outgoing;
	int far;

	NEEDS_ROOT();
	far = listen_at(4000, false);
	outgoing = join(far, NODE, DOOR + 4, CLIENT, 4000);
	end_route_5(w);
	assert_true(lives(&outgoing));
	part(&outgoing);
	close(far);
}

static void bytes_on_their_way_may_arrive(void **state)
{
	struct cut cut = cut_of(&route_5);
	struct world *w = *state;
	struct pair idle, busy;
	uint64_t begun;
	int listener;

	NEEDS_ROOT();
	listener = listen_at(DOOR + 4, false);
	idle = join(listener, CLIENT, 0, NODE, DOOR + 4);
	busy = join(listener, CLIENT, 0, NODE, DOOR + 4);
	assert_int_equal(send(busy.client, "a request", 9, 0), 9);
	begun = clock_monotonic_ns();
	cut.gentle_ns = begun + 60 * NS_PER_MS;
	cutter_begin(w->cutter, &cut);
	while (!is_reset(&idle))
		ev_run(EV_DEFAULT, EVRUN_ONCE);
	assert_int_equal(w->told, 0);
	assert_false(is_reset(&busy));
	run(w, 1);
	assert_true(clock_monotonic_ns() >= begun + 60 * NS_PER_MS);
	assert_true(is_reset(&busy));
	part(&idle);
	part(&busy);
	close(listener);
}

static void a_cancelled_cut_ends_nothing_and_says_nothing(void **state)
{
	struct cut cut = cut_of(&route_5), next = cut_of(&route_5);
	static const uint16_t six[] = { 6 };
	struct world *w = *state;
	struct pair stays;
	int listener;

	NEEDS_ROOT();
	listener = listen_at(DOOR + 4, false);
	stays = join(listener, CLIENT, 0, NODE, DOOR + 4);
	cutter_begin(w->cutter, &cut);
	ev_run(EV_DEFAULT, EVRUN_ONCE); /* the question is under way */
	cutter_cancel(w->cutter, 7);
	next.id = 8;
	next.routes.ids = six;
	cutter_begin(w->cutter, &next);
	run(w, 1);
	assert_int_equal(w->id, 8);
	assert_true(lives(&stays));
	part(&stays);
	close(listener);
}

static void one_that_is_begun_again_is_told_once(void **state)
{
	static const uint16_t both[] = { 5, 6 };
	struct cut cut = cut_of(&route_5);
	struct world *w = *state;

	NEEDS_ROOT();
	cutter_begin(w->cutter, &cut);
	ev_run(EV_DEFAULT, EVRUN_ONCE);
	cut.routes = (struct route_set){ both, 2 };
	cutter_begin(w->cutter, &cut);
	run(w, 1);
	for (unsigned i = 0; i < 3; i++)
		ev_run(EV_DEFAULT, EVRUN_NOWAIT);
	assert_int_equal(w->told, 1);
}

/* More gaps than the kernel's filter is given ranges. */
static void routes_in_many_pieces_are_told_apart(void **state)
{
	enum { PIECES = 150 };
	static uint16_t odd[PIECES];
	struct pair pairs[2 * PIECES];
	struct world *w = *state;
	struct cut cut;
	int listeners[2 * PIECES];

	NEEDS_ROOT();
	for (unsigned i = 0; i < 2 * PIECES; i++) {
		uint16_t port = (uint16_t)(DOOR + i);

		listeners[i] = listen_at(port, false);
		pairs[i] = join(listeners[i], CLIENT, 0, NODE, port);
		if (i % 2)
			odd[i / 2] = (uint16_t)(i + 1);
	}
	cut = cut_of(&(struct route_set){ odd, PIECES });
	cutter_begin(w->cutter, &cut);
	run(w, 1);
	for (unsigned i = 0; i < 2 * PIECES; i++) {
		if (i % 2)
			assert_true(is_reset(&pairs[i]));
		else
			assert_true(lives(&pairs[i]));
		part(&pairs[i]);
		close(listeners[i]);
	}
}

static void many_handovers_are_all_told(void **state)
{
	struct cut cut = cut_of(&route_5);
	struct world *w = *state;

	NEEDS_ROOT();
	for (uint32_t id = 1; id <= 16; id++) {
		cut.id = id;
		cutter_begin(w->cutter, &cut);
	}
	run(w, 16);
}

/* A gateway may name any port: beyond the last there is none. */
static void doors_beyond_the_last_port_are_none(void **state)
{
	static const uint16_t last[] = { 65535 };
	struct cut cut = cut_of(&(struct route_set){ last, 1 });
	struct world *w = *state;

	NEEDS_ROOT();
	cutter_begin(w->cutter, &cut);
	run(w, 1);
}

static void without_the_capability_nothing_ends_and_it_is_told(void **state)
{
	struct world *w = *state;
	struct pair stays;
	int listener;

	NEEDS_ROOT();
	listener = listen_at(DOOR + 4, false);
	stays = join(listener, CLIENT, 0, NODE, DOOR + 4);
	capng_get_caps_process();
	capng_update(CAPNG_DROP, CAPNG_EFFECTIVE, CAP_NET_ADMIN);
	assert_int_equal(capng_apply(CAPNG_SELECT_CAPS), 0);
	end_route_5(w);
	capng_update(CAPNG_ADD, CAPNG_EFFECTIVE, CAP_NET_ADMIN);
	assert_int_equal(capng_apply(CAPNG_SELECT_CAPS), 0);
	assert_true(lives(&stays));
	part(&stays);
	close(listener);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(connections_of_the_route_end_and_of_others_live),
		T(each_family_and_their_mixture_is_found),
		T(what_did_not_come_through_the_gateway_lives),
		T(a_connection_the_node_makes_lives),
		T(bytes_on_their_way_may_arrive),
		T(a_cancelled_cut_ends_nothing_and_says_nothing),
		T(one_that_is_begun_again_is_told_once),
		T(routes_in_many_pieces_are_told_apart),
		T(many_handovers_are_all_told),
		T(doors_beyond_the_last_port_are_none),
		T(without_the_capability_nothing_ends_and_it_is_told),
	};

	return cmocka_run_group_tests(tests, group_set_up, NULL);
}
