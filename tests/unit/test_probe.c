// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/units.h"
#include "io/clock.h"
#include "io/probe.h"

#define TIMEOUT_NS (200 * NS_PER_MS)

struct answer {
	struct ev_loop *loop;
	unsigned count;
	uint32_t tag;
	bool ok;
};

static void on_answer(void *arg, uint32_t tag, bool ok)
{
	struct answer *a = arg;

	a->count++;
	a->tag = tag;
	a->ok = ok;
	ev_break(a->loop, EVBREAK_ALL);
}

static int listen_on_loopback(struct endpoint *where, int backlog)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int fd;

	addr_parse(&where->addr, "127.0.0.1");
	where->port = 0;
	endpoint_to_sockaddr(where, &ss, &len);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(endpoint_from_sockaddr(where, (void *)&ss), 0);
	return fd;
}

static struct answer probe(const struct endpoint *door, unsigned times)
{
	struct answer a = { .loop = ev_loop_new(0) };
	struct probes *p = probes_new(a.loop, on_answer, &a);

	assert_non_null(p);
	for (unsigned i = 0; i < times; i++)
		probes_start(p, 7, door, TIMEOUT_NS);
	assert_int_equal(a.count, 0); /* never from within */
	while (ev_run(a.loop, EVRUN_ONCE) && !a.count)
		;
	ev_run(a.loop, EVRUN_NOWAIT);
	probes_free(p);
	ev_loop_destroy(a.loop);
	return a;
}

static void a_listening_server_accepts(void **state)
{
	struct endpoint door;
	int fd = listen_on_loopback(&door, 8);
	struct answer a = probe(&door, 1);

	assert_int_equal(a.count, 1);
	assert_int_equal(a.tag, 7);
	assert_true(a.ok);
	close(fd);
}

static void a_closed_door_refuses(void **state)
{
	struct endpoint door;
	struct answer a;

	close(listen_on_loopback(&door, 8));
	a = probe(&door, 1);
	assert_int_equal(a.count, 1);
	assert_false(a.ok);
}

static void asking_twice_at_once_is_asking_once(void **state)
{
	struct endpoint door;
	int fd = listen_on_loopback(&door, 8);

	assert_int_equal(probe(&door, 5).count, 1);
	close(fd);
}

/* A full backlog drops SYNs, as a machine without power does. */
static int fill_backlog(const struct endpoint *door, int *fds, int max)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int n;

	endpoint_to_sockaddr(door, &ss, &len);
	for (n = 0; n < max; n++) {
		fds[n] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		assert_true(fds[n] >= 0);
		connect(fds[n], (struct sockaddr *)&ss, len);
	}
	return n;
}

static void silence_is_an_answer_after_the_timeout(void **state)
{
	struct endpoint door;
	int fd = listen_on_loopback(&door, 0), fds[8];
	int n = fill_backlog(&door, fds, 8);
	uint64_t start = clock_monotonic_ns();
	struct answer a = probe(&door, 1);

	assert_int_equal(a.count, 1);
	assert_false(a.ok);
	assert_true(clock_monotonic_ns() - start >= TIMEOUT_NS);
	while (n--)
		close(fds[n]);
	close(fd);
}

static void freeing_forgets_what_is_under_way(void **state)
{
	struct answer a = { .loop = ev_loop_new(0) };
	struct probes *p = probes_new(a.loop, on_answer, &a);
	struct endpoint door;
	int fd = listen_on_loopback(&door, 8);

	probes_start(p, 1, &door, TIMEOUT_NS);
	probes_start(p, 2, &door, TIMEOUT_NS);
	probes_free(p);
	ev_run(a.loop, EVRUN_NOWAIT);
	assert_int_equal(a.count, 0);
	ev_loop_destroy(a.loop);
	close(fd);
}

struct ring {
	struct ev_loop *loop;
	unsigned count;
};

static void on_ring(void *arg)
{
	struct ring *r = arg;

	r->count++;
	ev_break(r->loop, EVBREAK_ALL);
}

static void a_timer_rings_once_and_never_early(void **state)
{
	struct ring r = { .loop = ev_loop_new(0) };
	uint64_t at = clock_monotonic_ns() + 5 * NS_PER_MS;
	struct clock_timer t;

	assert_int_equal(clock_timer_init(&t, r.loop, on_ring, &r), 0);
	clock_timer_set(&t, at);
	clock_timer_advance(&t, at + NS_PER_S); /* later: no effect */
	ev_run(r.loop, 0);
	assert_int_equal(r.count, 1);
	assert_true(clock_monotonic_ns() >= at);
	assert_true(t.armed_ns == TIME_NEVER);
	clock_timer_fini(&t);
	ev_loop_destroy(r.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listening_server_accepts),
		cmocka_unit_test(a_closed_door_refuses),
		cmocka_unit_test(asking_twice_at_once_is_asking_once),
		cmocka_unit_test(silence_is_an_answer_after_the_timeout),
		cmocka_unit_test(freeing_forgets_what_is_under_way),
		cmocka_unit_test(a_timer_rings_once_and_never_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
