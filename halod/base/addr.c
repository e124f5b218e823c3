// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t addr_len(const struct addr *a)
{
	return a->af == AF_INET ? 4 : a->af == AF_INET6 ? 16 : 0;
}

static int family_rank(uint8_t af)
{
	return af == AF_INET ? 1 : af == AF_INET6 ? 2 : 0;
}

int addr_cmp(const struct addr *a, const struct addr *b)
{
	int diff = family_rank(a->af) - family_rank(b->af);

	return diff ? diff : memcmp(a->bytes, b->bytes, addr_len(a));
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return addr_cmp(a, b) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
	if (a->af == AF_INET)
		return a->bytes[0] == 127;
	return a->af == AF_INET6 &&
	       !memcmp(a->bytes, &in6addr_loopback, sizeof(in6addr_loopback));
}

bool addr_is_multicast(const struct addr *a)
{
	if (a->af == AF_INET)
		return (a->bytes[0] & 0xf0) == 0xe0;
	return a->af == AF_INET6 && a->bytes[0] == 0xff;
}

bool addr_is_wildcard(const struct addr *a)
{
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };
	static const uint8_t zero[16];

	if (a->af == AF_INET && !memcmp(a->bytes, broadcast, 4))
		return true;
	return a->af && !memcmp(a->bytes, zero, addr_len(a));
}

struct addr addr_v4(const uint8_t bytes[4])
{
	struct addr a = { .af = AF_INET };

	memcpy(a.bytes, bytes, 4);
	return a;
}

struct addr addr_v6(const uint8_t bytes[16])
{
	struct addr a = { .af = AF_INET6 };

	memcpy(a.bytes, bytes, 16);
	return a;
}

int addr_parse(struct addr *out, const char *text)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		*out = addr_v4(bytes);
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		*out = addr_v6(bytes);
	else
		return -EINVAL;
	return 0;
}

/* Decimal digits only: no sign, no blank, no hexadecimal. */
static int parse_number(const char *text, unsigned max, unsigned *out)
{
	unsigned value = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (unsigned)(*text - '0');
		if (value > max)
			return -EINVAL;
	}
	*out = value;
	return 0;
}

/* Copies text up to (not including) end; -EINVAL when it does not fit. */
static int copy_until(char *out, size_t size, const char *text, const char *end)
{
	size_t len = (size_t)(end - text);

	if (len >= size)
		return -EINVAL;
	memcpy(out, text, len);
	out[len] = 0;
	return 0;
}

int prefix_parse(struct prefix *out, const char *text)
{
	const char *slash = strchrnul(text, '/');
	char host[ADDR_STRLEN];
	struct addr addr;
	unsigned len;

	if (copy_until(host, sizeof(host), text, slash) ||
	    addr_parse(&addr, host))
		return -EINVAL;
	len = (unsigned)addr_len(&addr) * 8;
	if (*slash && parse_number(slash + 1, len, &len))
		return -EINVAL;
	*out = (struct prefix){ .addr = addr, .len = (uint8_t)len };
	return 0;
}

int endpoint_parse(struct endpoint *out, const char *text)
{
	bool bracket = *text == '[';
	const char *end = bracket ? strchr(text, ']') : strrchr(text, ':');
	const char *colon = bracket && end ? end + 1 : end;
	char host[ADDR_STRLEN];
	struct addr addr;
	unsigned port;

	if (!end || *colon != ':' ||
	    copy_until(host, sizeof(host), text + bracket, end) ||
	    addr_parse(&addr, host) || bracket != (addr.af == AF_INET6) ||
	    parse_number(colon + 1, 65535, &port) || !port)
		return -EINVAL;
	*out = (struct endpoint){ .addr = addr, .port = (uint16_t)port };
	return 0;
}

bool prefix_contains(const struct prefix *p, const struct addr *a)
{
	unsigned whole = p->len / 8, rest = p->len % 8;
	uint8_t mask = (uint8_t)(0xff00 >> rest);

	if (p->addr.af != a->af || memcmp(p->addr.bytes, a->bytes, whole))
		return false;
	return !rest ||
	       !((p->addr.bytes[whole] ^ a->bytes[whole]) & mask);
}

const char *addr_format(const struct addr *a, char *out)
{
	if (!a->af || !inet_ntop(a->af, a->bytes, out, ADDR_STRLEN))
		strcpy(out, "-");
	return out;
}

const char *endpoint_format(const struct endpoint *e, char *out)
{
	char host[ADDR_STRLEN];

	snprintf(out, ENDPOINT_STRLEN,
		 e->addr.af == AF_INET6 ? "[%s]:%u" : "%s:%u",
		 addr_format(&e->addr, host), e->port);
	return out;
}

const char *prefix_format(const struct prefix *p, char *out)
{
	char host[ADDR_STRLEN];

	snprintf(out, ADDR_STRLEN + 4, "%s/%u", addr_format(&p->addr, host),
		 p->len);
	return out;
}

void endpoint_to_sockaddr(const struct endpoint *e,
			  struct sockaddr_storage *out, socklen_t *len_out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	out->ss_family = e->addr.af;
	if (e->addr.af == AF_INET) {
		in->sin_port = htons(e->port);
		memcpy(&in->sin_addr, e->addr.bytes, 4);
		*len_out = sizeof(*in);
	} else {
		in6->sin6_port = htons(e->port);
		memcpy(&in6->sin6_addr, e->addr.bytes, 16);
		*len_out = sizeof(*in6);
	}
}

int endpoint_from_sockaddr(struct endpoint *out, const struct sockaddr *sa)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

	if (sa->sa_family == AF_INET) {
		out->addr = addr_v4((const uint8_t *)&in->sin_addr);
		out->port = ntohs(in->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		out->addr = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) ?
				    addr_v4(in6->sin6_addr.s6_addr + 12) :
				    addr_v6(in6->sin6_addr.s6_addr);
		out->port = ntohs(in6->sin6_port);
	} else {
		return -EAFNOSUPPORT;
	}
	return 0;
}
