// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The agent's checks: how they are written, when they change their mind, and
 * what the kernel says of listening sockets.
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* after the above, which it needs */
#include <cmocka.h>

#include "../../nodeagent/check.h"
#include "../../nodeagent/listening.h"
#include "../../nodeagent/sockdiag.h"
#include "base/units.h"

static struct check parsed(const char *text)
{
	char err[256] = "";
	struct check c;

	if (check_parse(&c, text, err, sizeof(err)))
		fail_msg("%s", err);
	return c;
}

static void a_listen_check_has_its_defaults(void **state)
{
	struct check c = parsed("listen:8001");

	assert_int_equal(c.kind, CHECK_LISTEN);
	assert_int_equal(c.at.port, 8001);
	assert_int_equal(c.interval_ns, 0);
	assert_int_equal(c.rise, 2);
	assert_int_equal(c.fall, 1);
}

static void a_tcp_check_takes_an_address_and_options(void **state)
{
	struct check c = parsed("tcp:[fd00::1]:80,interval=50ms,timeout=2s,"
				"rise=4,fall=5");
	char text[ENDPOINT_STRLEN];

	assert_int_equal(c.kind, CHECK_TCP);
	assert_string_equal(endpoint_format(&c.at, text), "[fd00::1]:80");
	assert_int_equal(c.interval_ns, 50 * NS_PER_MS);
	assert_int_equal(c.timeout_ns, 2 * NS_PER_S);
	assert_int_equal(c.rise, 4);
	assert_int_equal(c.fall, 5);
	c = parsed("tcp:80");
	assert_string_equal(endpoint_format(&c.at, text), "127.0.0.1:80");
	assert_int_equal(c.fall, 3);
}

static void a_command_may_have_commas_and_options(void **state)
{
	struct check c = parsed("exec:test -e /a,b && echo x=1,y,fall=2,"
				"timeout=3s");

	assert_int_equal(c.kind, CHECK_EXEC);
	assert_string_equal(c.text, "test -e /a,b && echo x=1,y");
	assert_int_equal(c.fall, 2);
	assert_int_equal(c.timeout_ns, 3 * NS_PER_S);
	assert_int_equal(parsed("exec:true").fall, 3);
}

static void a_page_may_have_commas_and_a_wanted_status(void **state)
{
	struct check c = parsed("http://127.0.0.1:80/a,b?c=1,d,status=204,"
				"timeout=3s");

	assert_int_equal(c.kind, CHECK_HTTP);
	assert_string_equal(c.text, "http://127.0.0.1:80/a,b?c=1,d");
	assert_int_equal(c.status, 204);
	assert_int_equal(c.fall, 3);
	assert_int_equal(c.timeout_ns, 3 * NS_PER_S);
	assert_int_equal(parsed("http://[::1]").status, 0);
}

static void what_is_wrong_in_a_check_is_named(void **state)
{
	static const struct {
		const char *text, *allowed;
	} rows[] = {
		{ "", "listen:PORT, tcp" },
		{ "8001", "listen:PORT, tcp" },
		{ "listen:", "listen:PORT, tcp" },
		{ "listen:0", "listen:PORT, tcp" },
		{ "listen:65536", "listen:PORT, tcp" },
		{ "listen:127.0.0.1:80", "listen:PORT, tcp" },
		{ "exec:", "exec:COMMAND" },
		{ "exec:true,fall=0", "1 to 1000" },
		{ "https://x", "listen:PORT, tcp" },
		{ "http://", "http://HOST" },
		{ "http://x:70000/", "http://HOST" },
		{ "http://x y/", "http://HOST" },
		{ "http://x/,status=100", "200 to 599" },
		{ "http://x/,status=ok", "200 to 599" },
		{ "listen:80,status=200", "the options" },
		{ "tcp:host:80", "listen:PORT, tcp" },
		{ "listen:80,", "the options" },
		{ "listen:80,every=1s", "the options" },
		{ "listen:80,interval=10", "with its unit" },
		{ "listen:80,interval=0ms", "1ms" },
		{ "listen:80,interval=-1s", "1ms" },
		{ "listen:80,interval=99999999999999999999s", "1ms" },
		{ "listen:80,fall=0", "1 to 1000" },
		{ "listen:80,rise=x", "1 to 1000" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		char err[256] = "";
		struct check c;

		print_message("  %s\n", rows[i].text);
		assert_int_equal(
			check_parse(&c, rows[i].text, err, sizeof(err)),
			-EINVAL);
		assert_non_null(strstr(err, rows[i].allowed));
	}
}

static void the_first_result_is_believed(void **state)
{
	struct check c = parsed("tcp:80");

	assert_int_equal(c.health, HEALTH_UNKNOWN);
	check_result(&c, false);
	assert_int_equal(c.health, HEALTH_DOWN);
}

static void it_falls_and_rises_after_so_many_results(void **state)
{
	struct check c = parsed("tcp:80,rise=2,fall=3");

	check_result(&c, true);
	check_result(&c, false);
	check_result(&c, false);
	assert_int_equal(c.health, HEALTH_UP);
	check_result(&c, true); /* starts the count anew */
	check_result(&c, false);
	check_result(&c, false);
	assert_int_equal(c.health, HEALTH_UP);
	check_result(&c, false);
	assert_int_equal(c.health, HEALTH_DOWN);
	check_result(&c, true);
	assert_int_equal(c.health, HEALTH_DOWN);
	check_result(&c, true);
	assert_int_equal(c.health, HEALTH_UP);
}

/* A bound socket of the family; *port is the one it got. */
static int bound(int family, uint16_t *port)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6,
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in four = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    (family == AF_INET
		     ? bind(fd, (struct sockaddr *)&four, sizeof(four))
		     : bind(fd, (struct sockaddr *)&six, sizeof(six))))
		return -1;
	getsockname(fd, (struct sockaddr *)&ss, &len);
	*port = ntohs(family == AF_INET
			      ? ((struct sockaddr_in *)&ss)->sin_port
			      : ((struct sockaddr_in6 *)&ss)->sin6_port);
	return fd;
}

static void see_a_listener_of(int family)
{
	struct sockdiag *l;
	uint16_t port;
	int fd = bound(family, &port);

	if (fd < 0)
		skip(); /* no such family on this host */
	assert_int_equal(sockdiag_open(&l), 0);
	assert_int_equal(listening_on(l, port), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(listening_on(l, port), 1);
	close(fd);
	assert_int_equal(listening_on(l, port), 0);
	sockdiag_close(l);
}

static void a_listener_of_ipv4_is_seen(void **state)
{
	see_a_listener_of(AF_INET);
}

static void a_listener_of_ipv6_is_seen(void **state)
{
	see_a_listener_of(AF_INET6);
}

/* Sockets on the neighbouring ports pass no filter of another one. */
static void other_ports_are_not_mistaken_for_it(void **state)
{
	struct sockdiag *l;
	uint16_t port;
	int fd = bound(AF_INET, &port);

	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(sockdiag_open(&l), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(listening_on(l, port), 1);
	assert_int_equal(listening_on(l, 1), 0);
	assert_int_equal(listening_on(l, port), 1);
	close(fd);
	sockdiag_close(l);
}

/* The one netlink socket of this process. */
static int netlink_fd(void)
{
	for (int fd = 3; fd < 64; fd++) {
		socklen_t len = sizeof(int);
		int domain;

		if (!getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) &&
		    domain == AF_NETLINK)
			return fd;
	}
	fail_msg("there is no netlink socket");
	return -1;
}

/* As after an error in the midst of an answer: its rest waits. */
static void leave_an_answer_unread(int fd)
{
	struct {
		struct nlmsghdr nlh;
		struct inet_diag_req_v2 req;
	} ask = { { .nlmsg_len = sizeof(ask),
		    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		    .nlmsg_seq = 4711 },
		  { .sdiag_family = AF_INET,
		    .sdiag_protocol = IPPROTO_TCP,
		    .idiag_states = ~0u } };

	assert_int_equal(send(fd, &ask, sizeof(ask), 0), sizeof(ask));
}

static void an_answer_left_unread_is_not_taken_for_the_next(void **state)
{
	struct sockdiag *l;
	uint16_t port;
	int fd = bound(AF_INET, &port);

	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(sockdiag_open(&l), 0);
	leave_an_answer_unread(netlink_fd());
	assert_int_equal(listening_on(l, port), 1);
	close(fd);
	leave_an_answer_unread(netlink_fd());
	assert_int_equal(listening_on(l, port), 0);
	assert_int_equal(listening_on(l, port), 0);
	sockdiag_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listen_check_has_its_defaults),
		cmocka_unit_test(a_tcp_check_takes_an_address_and_options),
		cmocka_unit_test(a_command_may_have_commas_and_options),
		cmocka_unit_test(a_page_may_have_commas_and_a_wanted_status),
		cmocka_unit_test(what_is_wrong_in_a_check_is_named),
		cmocka_unit_test(the_first_result_is_believed),
		cmocka_unit_test(it_falls_and_rises_after_so_many_results),
		cmocka_unit_test(a_listener_of_ipv4_is_seen),
		cmocka_unit_test(a_listener_of_ipv6_is_seen),
		cmocka_unit_test(other_ports_are_not_mistaken_for_it),
		cmocka_unit_test(
			an_answer_left_unread_is_not_taken_for_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
