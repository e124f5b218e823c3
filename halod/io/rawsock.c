// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/rawsock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Ten thousand resets at once must not wait for the device. */
#define SEND_BUFFER (4 << 20)

static int open_family(int af, uint32_t mark)
{
	int fd, size = SEND_BUFFER;

	/* IPPROTO_RAW: the header is ours (raw(7)), and nothing comes in */
	fd = socket(af, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

int rawsock_init(struct rawsock *s, uint32_t mark)
{
	int v4 = open_family(AF_INET, mark), v6;

	if (v4 < 0)
		return v4;
	v6 = open_family(AF_INET6, mark);
	/* a host without IPv6 has no IPv6 clients to answer */
	if (v6 < 0 && v6 != -EAFNOSUPPORT) {
		close(v4);
		return v6;
	}
	*s = (struct rawsock){ .fd = { v4, v6 } };
	return 0;
}

void rawsock_fini(struct rawsock *s)
{
	for (unsigned i = 0; i < FAMILIES; i++)
		if (s->fd[i] >= 0)
			close(s->fd[i]);
}

static ssize_t send_v4(int fd, const uint8_t *data, size_t len)
{
	struct sockaddr_in to = { .sin_family = AF_INET };

	memcpy(&to.sin_addr, data + offsetof(struct iphdr, daddr), 4);
	return sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof(to));
}

static ssize_t send_v6(int fd, const uint8_t *data, size_t len)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6 };

	memcpy(&to.sin6_addr, data + offsetof(struct ip6_hdr, ip6_dst), 16);
	return sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof(to));
}

void rawsock_send(struct rawsock *s, const uint8_t *data, size_t len)
{
	ssize_t sent = -1;

	if (len >= sizeof(struct ip6_hdr) && data[0] >> 4 == 6)
		sent = send_v6(s->fd[FAMILY_V6], data, len);
	else if (len >= sizeof(struct iphdr) && data[0] >> 4 == 4)
		sent = send_v4(s->fd[FAMILY_V4], data, len);
	s->failed += sent < 0;
}
