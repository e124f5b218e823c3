/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers every datagram to a range of ports with a name: a node's UDP server
 * for the tests. Usage: udp_who NAME FIRST-PORT COUNT
 */
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PORTS_MAX 64

static int open_port(unsigned port)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6,
				   .sin6_addr = in6addr_any,
				   .sin6_port = htons((uint16_t)port) };
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at))) {
		perror("udp_who: bind");
		return -1;
	}
	return fd;
}

static void answer(int fd, const char *name)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	char byte;

	if (recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &len) >= 0)
		sendto(fd, name, strlen(name), 0, (struct sockaddr *)&from,
		       len);
}

int main(int argc, char **argv)
{
	struct pollfd ports[PORTS_MAX];
	unsigned count = argc == 4 ? (unsigned)atoi(argv[3]) : 0;

	if (!count || count > PORTS_MAX)
		return 2;
	for (unsigned i = 0; i < count; i++) {
		ports[i].fd = open_port((unsigned)atoi(argv[2]) + i);
		ports[i].events = POLLIN;
		if (ports[i].fd < 0)
			return 1;
	}
	while (poll(ports, count, -1) > 0)
		for (unsigned i = 0; i < count; i++)
			if (ports[i].revents & POLLIN)
				answer(ports[i].fd, argv[1]);
	return 1;
}
