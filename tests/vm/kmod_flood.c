// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sends small packets as fast as the kernel takes them and prints how many
 * nanoseconds each took: all that one CPU did, as it forwards what it sends. In
 * a guest that counts instructions these are instructions.
 *
 *   kmod_flood udp|syn CLIENT SERVER PORT DOOR FLOWS DOORS COUNT [reply]
 *
 * Flow k is from port PORT + k / DOORS to DOOR + k % DOORS; packet i is of flow
 * i % FLOWS. With reply: from the server to the client.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define PAYLOAD 18 /* the smallest frame */

struct packet {
	struct iphdr ip;
	union {
		struct tcphdr tcp;
		struct udphdr udp;
	};
	char payload[PAYLOAD];
};

struct order {
	bool syn, reply;
	in_addr_t client, server;
	unsigned port, door, flows, doors, count;
};

static uint32_t sum(const void *data, size_t len, uint32_t acc)
{
	const uint8_t *byte = data;

	for (size_t i = 0; i < len; i++)
		acc += i % 2 ? byte[i] : (uint32_t)byte[i] << 8;
	return acc;
}

static uint16_t check(const struct packet *p, size_t len)
{
	uint32_t acc = sum(&p->ip.saddr, 8, p->ip.protocol + (uint32_t)len);

	acc = sum(&p->tcp, len, acc);
	acc = (acc & 0xffff) + (acc >> 16);
	return htons((uint16_t)~((acc & 0xffff) + (acc >> 16)));
}

static size_t fill(struct packet *p, const struct order *o, unsigned k)
{
	uint16_t port = htons((uint16_t)(o->port + k / o->doors));
	uint16_t door = htons((uint16_t)(o->door + k % o->doors));
	size_t len = o->syn ? sizeof(p->tcp) : sizeof(p->udp) + PAYLOAD;

	memset(p, 0, sizeof(*p));
	p->ip = (struct iphdr){ .version = 4, .ihl = 5, .ttl = 64,
				.protocol = o->syn ? IPPROTO_TCP : IPPROTO_UDP,
				.saddr = o->reply ? o->server : o->client,
				.daddr = o->reply ? o->client : o->server };
	p->tcp.source = o->reply ? door : port;
	p->tcp.dest = o->reply ? port : door;
	if (o->syn) {
		p->tcp.seq = htonl(k);
		p->tcp.doff = 5;
		p->tcp.syn = 1;
		p->tcp.check = check(p, len);
	} else {
		p->udp.len = htons((uint16_t)len);
		p->udp.check = check(p, len);
	}
	return sizeof(p->ip) + len;
}

static double flood(const struct order *o, int fd, struct packet *packets,
		    size_t len)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct timespec a, b;

	to.sin_addr.s_addr = packets[0].ip.daddr;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (unsigned i = 0; i < o->count; i++)
		if (sendto(fd, &packets[i % o->flows], len, 0,
			   (struct sockaddr *)&to, sizeof(to)) < 0) {
			perror("kmod_flood");
			exit(1);
		}
	clock_gettime(CLOCK_MONOTONIC, &b);
	return ((double)(b.tv_sec - a.tv_sec) * 1e9 +
		(double)(b.tv_nsec - a.tv_nsec)) / o->count;
}

int main(int argc, char **argv)
{
	struct order o = { .reply = argc == 10 };
	struct packet *packets;
	size_t len = 0;
	int fd;

	if (argc < 9)
		return 2;
	o.syn = !strcmp(argv[1], "syn");
	o.client = inet_addr(argv[2]);
	o.server = inet_addr(argv[3]);
	o.port = (unsigned)atoi(argv[4]);
	o.door = (unsigned)atoi(argv[5]);
	o.flows = (unsigned)atoi(argv[6]);
	o.doors = (unsigned)atoi(argv[7]);
	o.count = (unsigned)atoi(argv[8]);
	packets = calloc(o.flows, sizeof(*packets));
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	if (!packets || fd < 0)
		return 1;
	for (unsigned k = 0; k < o.flows; k++)
		len = fill(&packets[k], &o, k);
	printf("%.0f\n", flood(&o, fd, packets, len));
	return 0;
}
