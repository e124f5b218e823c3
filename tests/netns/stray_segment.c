/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sends a segment from the middle of a connection that never was, and prints
 * what comes of it: "reset", or "silence" after 2 s.
 * Usage: stray_segment ADDRESS PORT
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

static int repair(int fd, int on)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on));
}

/* In repair mode connect() makes a socket established without a packet. */
static int pretend(const struct addrinfo *to)
{
	struct timeval patience = { .tv_sec = 2 };
	int fd = socket(to->ai_family, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (repair(fd, TCP_REPAIR_ON) ||
	    connect(fd, to->ai_addr, to->ai_addrlen) ||
	    repair(fd, TCP_REPAIR_OFF_NO_WP))
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST,
				  .ai_socktype = SOCK_STREAM };
	struct addrinfo *to;
	char byte = '?';
	int fd;

	if (argc != 3 || getaddrinfo(argv[1], argv[2], &hints, &to))
		return 2;
	fd = pretend(to);
	freeaddrinfo(to);
	if (fd < 0 || send(fd, &byte, 1, MSG_NOSIGNAL) < 0) {
		perror("stray_segment");
		return 1;
	}
	if (recv(fd, &byte, 1, 0) < 0 && errno == ECONNRESET)
		puts("reset");
	else
		puts("silence");
	return 0;
}
