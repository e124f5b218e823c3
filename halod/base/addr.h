/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network addresses as values: IPv4 or IPv6, with prefixes and endpoints.
 * Not for sockets: nothing here opens, resolves or binds.
 */
#ifndef HALO_BASE_ADDR_H
#define HALO_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDR_STRLEN	46 /* INET6_ADDRSTRLEN */
#define ENDPOINT_STRLEN (ADDR_STRLEN + 8)

/* Index of arrays with one address per family. */
enum { FAMILY_V4, FAMILY_V6, FAMILIES };

struct addr {
	uint8_t af;	   /* 0 (unset), AF_INET or AF_INET6 */
	uint8_t bytes[16]; /* network order; IPv4 in the first four, rest 0 */
};

struct prefix {
	struct addr addr;
	uint8_t len; /* bits */
};

struct endpoint {
	struct addr addr;
	uint16_t port; /* host order */
};

static inline bool addr_is_set(const struct addr *a)
{
	return a->af != 0;
}
/* 4, 16, or 0 when unset */
size_t addr_len(const struct addr *a);
bool addr_equal(const struct addr *a, const struct addr *b);
/* Orders unset < IPv4 < IPv6, then by bytes. */
int addr_cmp(const struct addr *a, const struct addr *b);
bool addr_is_loopback(const struct addr *a);
bool addr_is_multicast(const struct addr *a);
/* 0.0.0.0, ::, IPv4 broadcast: never the address of a machine */
bool addr_is_wildcard(const struct addr *a);

struct addr addr_v4(const uint8_t bytes[4]);
struct addr addr_v6(const uint8_t bytes[16]);

/* All parsers: 0 or -EINVAL; *out changes on success only. */
int addr_parse(struct addr *out, const char *text);
int prefix_parse(struct prefix *out, const char *text); /* "a" = a host */
/* "192.0.2.1:80", "[2001:db8::1]:80" */
int endpoint_parse(struct endpoint *out, const char *text);

bool prefix_contains(const struct prefix *p, const struct addr *a);

/* Writes at most ADDR_STRLEN (ENDPOINT_STRLEN) bytes; returns out. */
const char *addr_format(const struct addr *a, char *out);
const char *endpoint_format(const struct endpoint *e, char *out);
const char *prefix_format(const struct prefix *p, char *out); /* +4 bytes */

/* *len_out is the length of the sockaddr written. An IPv4-mapped IPv6
 * sockaddr is read back as IPv4. -EAFNOSUPPORT for other families. */
void endpoint_to_sockaddr(const struct endpoint *e,
			  struct sockaddr_storage *out, socklen_t *len_out);
int endpoint_from_sockaddr(struct endpoint *out, const struct sockaddr *sa);

#endif
