// SPDX-License-Identifier: GPL-2.0-or-later
#include "listening.h"

#include "sockdiag.h"

static void count(void *arg, const struct sockdiag_socket *s)
{
	++*(unsigned *)arg;
}

static int listening_in(struct sockdiag *d, uint8_t family, uint16_t port)
{
	const struct port_range range = { port, port };
	unsigned found = 0;
	int ret = sockdiag_ask(d, family, 1u << TCP_LISTEN, &range, 1);

	if (ret)
		return ret;
	do {
		ret = sockdiag_receive(d, count, &found);
	} while (ret > 0);
	return ret ? ret : found > 0;
}

int listening_on(struct sockdiag *d, uint16_t port)
{
	int ret = listening_in(d, AF_INET, port);

	return ret ? ret : listening_in(d, AF_INET6, port);
}
