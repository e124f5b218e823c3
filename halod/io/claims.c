// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/claims.h"

#include <errno.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

struct claims {
	bool loopback_is_fine; /* auth = none: the listener is a loopback one */
	unsigned n_networks;
	struct prefix networks[CONF_NETWORKS_MAX];
	struct addr vip[FAMILIES];
	unsigned n_own;
	struct addr *own;
};

static unsigned count_interfaces(const struct ifaddrs *list)
{
	unsigned n = 0;

	for (; list; list = list->ifa_next)
		n++;
	return n;
}

static int read_own(struct claims *a)
{
	struct ifaddrs *list;
	struct endpoint e;

	if (getifaddrs(&list))
		return -errno;
	a->own = calloc(count_interfaces(list) + 1, sizeof(*a->own));
	for (struct ifaddrs *it = list; a->own && it; it = it->ifa_next)
		if (it->ifa_addr && !endpoint_from_sockaddr(&e, it->ifa_addr))
			a->own[a->n_own++] = e.addr;
	freeifaddrs(list);
	return a->own ? 0 : -ENOMEM;
}

int claims_new(struct claims **out, const struct conf *conf)
{
	struct claims *a = calloc(1, sizeof(*a));
	int ret;

	if (!a)
		return -ENOMEM;
	a->loopback_is_fine = conf->agents.auth == AUTH_NONE &&
			      addr_is_loopback(&conf->agents.listen.addr);
	a->n_networks = conf->agents.n_networks;
	memcpy(a->networks, conf->agents.networks, sizeof(a->networks));
	memcpy(a->vip, conf->vip, sizeof(a->vip));
	ret = read_own(a);
	if (ret) {
		claims_free(a);
		return ret;
	}
	*out = a;
	return 0;
}

void claims_free(struct claims *a)
{
	if (!a)
		return;
	free(a->own);
	free(a);
}

bool claims_is_node(const struct claims *a, const struct addr *addr)
{
	for (unsigned i = 0; i < a->n_networks; i++)
		if (prefix_contains(&a->networks[i], addr))
			return true;
	return false;
}

static bool is_own(const struct claims *a, const struct addr *addr)
{
	for (unsigned i = 0; i < a->n_own; i++)
		if (addr_equal(&a->own[i], addr))
			return true;
	return false;
}

static bool is_vip(const struct claims *a, const struct addr *addr)
{
	return addr_equal(&a->vip[FAMILY_V4], addr) ||
	       addr_equal(&a->vip[FAMILY_V6], addr);
}

/* Why a node may not have this address; NULL: it may. */
static const char *objection(const struct claims *a, const struct addr *addr,
			     const struct addr *peer)
{
	if (addr_is_wildcard(addr) || addr_is_multicast(addr))
		return "is no machine's address";
	if (is_vip(a, addr))
		return "is a virtual address";
	if (a->loopback_is_fine && addr_is_loopback(addr))
		return NULL;
	if (addr_is_loopback(addr))
		return "is a loopback address";
	if (is_own(a, addr))
		return "is the gateway's own";
	if (a->n_networks)
		return claims_is_node(a, addr) ? NULL
					       : "is not in node-networks";
	return addr_equal(addr, peer)
		       ? NULL
		       : "is not the one it connects from (see node-networks)";
}

static int check_addr(const struct claims *a, const struct addr *addr,
		      const struct addr *peer, struct frame_error *err)
{
	const char *why = objection(a, addr, peer);
	char text[ADDR_STRLEN];

	if (!why)
		return 0;
	err->code = ERROR_ADDRESS;
	snprintf(err->text, sizeof(err->text), "address %s %s",
		 addr_format(addr, text), why);
	return -EPERM;
}

static void fill_in(struct message_hello *hello, const struct addr *peer)
{
	if (addr_is_set(&hello->addr[FAMILY_V4]) ||
	    addr_is_set(&hello->addr[FAMILY_V6]))
		return;
	hello->addr[peer->af == AF_INET ? FAMILY_V4 : FAMILY_V6] = *peer;
}

int claims_check(const struct claims *a, struct message_hello *hello,
		 const char *identity, const struct addr *peer,
		 struct frame_error *err)
{
	if (identity && strcmp(identity, hello->name)) {
		err->code = ERROR_NAME;
		snprintf(err->text, sizeof(err->text),
			 "name %s is not the key's, which is %s", hello->name,
			 identity);
		return -EPERM;
	}
	fill_in(hello, peer);
	for (unsigned i = 0; i < FAMILIES; i++)
		if (addr_is_set(&hello->addr[i]) &&
		    check_addr(a, &hello->addr[i], peer, err))
			return -EPERM;
	return 0;
}
