/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sends a datagram from a fixed port and prints the answer, which must come
 * from where it was sent to. Usage: udp_ask ADDRESS PORT FROM-PORT
 */
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

static int open_from(int family, unsigned port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port) };
	struct timeval patience = { .tv_sec = 1 };
	int fd = socket(family, SOCK_DGRAM, 0), err;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (family == AF_INET)
		err = bind(fd, (struct sockaddr *)&v4, sizeof(v4));
	else
		err = bind(fd, (struct sockaddr *)&v6, sizeof(v6));
	return err ? -1 : fd;
}

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST,
				  .ai_socktype = SOCK_DGRAM };
	struct addrinfo *to;
	char text[64];
	ssize_t n;
	int fd;

	if (argc != 4 || getaddrinfo(argv[1], argv[2], &hints, &to))
		return 2;
	fd = open_from(to->ai_family, (unsigned)atoi(argv[3]));
	/* connected: an answer from another address is not taken */
	if (fd < 0 || connect(fd, to->ai_addr, to->ai_addrlen)) {
		perror("udp_ask");
		return 1;
	}
	freeaddrinfo(to);
	for (int tries = 0; tries < 3; tries++) {
		if (send(fd, "?", 1, 0) < 0)
			continue;
		n = recv(fd, text, sizeof(text), 0);
		if (n > 0) {
			printf("%.*s\n", (int)n, text);
			return 0;
		}
	}
	return 1;
}
