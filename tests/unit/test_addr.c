// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/units.h"

static struct addr parse(const char *text)
{
	struct addr a = { 0 };

	assert_int_equal(addr_parse(&a, text), 0);
	return a;
}

static void address_is_parsed_and_formatted_canonically(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "2001:DB8:0:0::1", "2001:db8::1" },
		{ "::", "::" },
		{ "", NULL },
		{ "192.0.2", NULL },
		{ "192.0.2.256", NULL },
		{ "192.0.2.1 ", NULL },
		{ "fe80::1%eth0", NULL },
		{ "localhost", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct addr a = { .af = 77 };
		char text[ADDR_STRLEN];
		int err = addr_parse(&a, rows[i].text);

		assert_int_equal(err, rows[i].want ? 0 : -EINVAL);
		if (err)
			assert_int_equal(a.af, 77);
		else
			assert_string_equal(addr_format(&a, text),
					    rows[i].want);
	}
}

static void addresses_are_ordered_unset_then_ipv4_then_ipv6(void **state)
{
	struct addr unset = { 0 }, low = parse("10.0.0.1"),
		    high = parse("200.0.0.1"), v6 = parse("::1");

	assert_true(addr_cmp(&unset, &low) < 0);
	assert_true(addr_cmp(&low, &high) < 0);
	assert_true(addr_cmp(&high, &v6) < 0);
	assert_true(addr_cmp(&v6, &low) > 0);
	assert_true(addr_equal(&unset, &unset));
	assert_false(addr_equal(&low, &high));
	assert_int_equal(addr_len(&unset), 0);
	assert_int_equal(addr_len(&low), 4);
	assert_int_equal(addr_len(&v6), 16);
}

static void kinds_of_address_are_told_apart(void **state)
{
	static const struct {
		const char *text;
		bool loopback, multicast, wildcard;
	} rows[] = {
		{ "127.0.0.1", true, false, false },
		{ "127.255.255.254", true, false, false },
		{ "128.0.0.1", false, false, false },
		{ "::1", true, false, false },
		{ "::2", false, false, false },
		{ "224.0.0.1", false, true, false },
		{ "239.255.255.255", false, true, false },
		{ "240.0.0.1", false, false, false },
		{ "ff02::1", false, true, false },
		{ "0.0.0.0", false, false, true },
		{ "255.255.255.255", false, false, true },
		{ "::", false, false, true },
	};
	struct addr unset = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct addr a = parse(rows[i].text);

		assert_int_equal(addr_is_loopback(&a), rows[i].loopback);
		assert_int_equal(addr_is_multicast(&a), rows[i].multicast);
		assert_int_equal(addr_is_wildcard(&a), rows[i].wildcard);
	}
	assert_false(addr_is_wildcard(&unset));
	assert_false(addr_is_loopback(&unset));
}

static void prefix_contains_what_shares_its_bits(void **state)
{
	static const struct {
		const char *prefix, *addr;
		bool contains;
	} rows[] = {
		{ "198.19.0.0/24", "198.19.0.255", true },
		{ "198.19.0.0/24", "198.19.1.0", false },
		{ "198.18.0.0/15", "198.19.255.255", true },
		{ "198.18.0.0/15", "198.20.0.0", false },
		{ "0.0.0.0/0", "1.2.3.4", true },
		{ "0.0.0.0/0", "::1", false },
		{ "1.2.3.4", "1.2.3.4", true },
		{ "1.2.3.4", "1.2.3.5", false },
		{ "1.2.3.4/31", "1.2.3.5", true },
		{ "fd00::/8", "fdff::1", true },
		{ "fd00::/7", "fc00::1", true },
		{ "fd00::1/128", "fd00::1", true },
		{ "fd00::1/128", "fd00::2", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct addr a = parse(rows[i].addr);
		struct prefix p;

		assert_int_equal(prefix_parse(&p, rows[i].prefix), 0);
		assert_int_equal(prefix_contains(&p, &a), rows[i].contains);
	}
}

static void wrong_prefixes_are_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"/8",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/-1",
		"10.0.0.0/ 8",
		"10.0.0.0/8/8",
		"fd00::/129",
		"10.0.0.0/0x8",
		"10.0.0.0/99999999999999999999",
		"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/8",
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct prefix p = { .len = 99 };

		assert_int_equal(prefix_parse(&p, rows[i]), -EINVAL);
		assert_int_equal(p.len, 99);
	}
}

static void endpoint_needs_address_and_port(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
	} rows[] = {
		{ "192.0.2.1:80", "192.0.2.1:80" },
		{ "[2001:db8::1]:65535", "[2001:db8::1]:65535" },
		{ "192.0.2.1", NULL },
		{ "192.0.2.1:", NULL },
		{ "192.0.2.1:0", NULL },
		{ "192.0.2.1:65536", NULL },
		{ "192.0.2.1:8a", NULL },
		{ ":80", NULL },
		{ "[192.0.2.1]:80", NULL },
		{ "2001:db8::1:80", NULL },
		{ "[2001:db8::1]80", NULL },
		{ "[2001:db8::1", NULL },
		{ "[]:80", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct endpoint e = { .port = 7 };
		char text[ENDPOINT_STRLEN];
		int err = endpoint_parse(&e, rows[i].text);

		assert_int_equal(err, rows[i].want ? 0 : -EINVAL);
		if (err)
			assert_int_equal(e.port, 7);
		else
			assert_string_equal(endpoint_format(&e, text),
					    rows[i].want);
	}
}

static void longest_texts_fit_their_buffers(void **state)
{
	static const char longest[] =
		"[1111:1111:1111:1111:1111:1111:1111:1111]:65535";
	char text[ENDPOINT_STRLEN], network[ADDR_STRLEN + 4];
	struct endpoint e;
	struct prefix p;

	assert_int_equal(endpoint_parse(&e, longest), 0);
	assert_string_equal(endpoint_format(&e, text), longest);
	p = (struct prefix){ .addr = e.addr, .len = 128 };
	assert_string_equal(prefix_format(&p, network),
			    "1111:1111:1111:1111:1111:1111:1111:1111/128");
}

static void sockaddr_goes_there_and_back(void **state)
{
	static const char *const rows[] = { "192.0.2.1:80", "[2001:db8::1]:1" };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sockaddr_storage ss;
		struct endpoint e, back;
		socklen_t len;

		assert_int_equal(endpoint_parse(&e, rows[i]), 0);
		endpoint_to_sockaddr(&e, &ss, &len);
		assert_int_equal(len, e.addr.af == AF_INET
					      ? sizeof(struct sockaddr_in)
					      : sizeof(struct sockaddr_in6));
		assert_int_equal(
			endpoint_from_sockaddr(&back, (struct sockaddr *)&ss),
			0);
		assert_true(addr_equal(&e.addr, &back.addr));
		assert_int_equal(e.port, back.port);
	}
}

static void mapped_sockaddr_is_read_as_ipv4(void **state)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(80) };
	struct sockaddr other = { .sa_family = AF_UNIX };
	struct addr want = parse("192.0.2.1");
	struct endpoint e;

	inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6.sin6_addr);
	assert_int_equal(endpoint_from_sockaddr(&e, (struct sockaddr *)&in6),
			 0);
	assert_true(addr_equal(&e.addr, &want));
	assert_int_equal(endpoint_from_sockaddr(&e, &other), -EAFNOSUPPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_is_parsed_and_formatted_canonically),
		cmocka_unit_test(
			addresses_are_ordered_unset_then_ipv4_then_ipv6),
		cmocka_unit_test(kinds_of_address_are_told_apart),
		cmocka_unit_test(prefix_contains_what_shares_its_bits),
		cmocka_unit_test(wrong_prefixes_are_refused),
		cmocka_unit_test(endpoint_needs_address_and_port),
		cmocka_unit_test(longest_texts_fit_their_buffers),
		cmocka_unit_test(sockaddr_goes_there_and_back),
		cmocka_unit_test(mapped_sockaddr_is_read_as_ipv4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
