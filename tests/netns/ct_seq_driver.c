// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does to a door's flows what a plane does to those of a lost node, by itself:
 * reads the sequence numbers of all, deletes them, resets both ends.
 *
 * ct_seq_driver ADDRESS PORT
 *
 * Two flows that are not there are asked for as well. Prints, with
 * CLOCK_MONOTONIC microseconds first: "listed N", "read found=N
 * mistaken=N" (those not there that were found), "deleted", "told". Without the
 * kernel's help: "unsupported WHY", and ends with 3.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "io/clock.h"
#include "io/conntrack.h"
#include "io/ct_seq.h"
#include "io/rawsock.h"
#include "packet/parse.h"
#include "packet/reset.h"

#define FLOWS_MAX 20000
#define ABSENT	  2
#define MARK	  0x68616c6f /* the script's rule: not tracked */

struct flows {
	struct conntrack *ct;
	struct endpoint door;
	unsigned count;
	struct conntrack_entry entries[FLOWS_MAX];
	struct ct_seq_item items[FLOWS_MAX + ABSENT];
};

static void say(const char *what)
{
	printf("%llu %s\n", clock_monotonic_ns() / NS_PER_US, what);
	fflush(stdout);
}

static int fail(const char *what, int err)
{
	fprintf(stderr, "ct_seq_driver: %s: %s\n", what, strerror(-err));
	return 1;
}

static bool collect(void *arg, const struct conntrack_entry *e)
{
	struct flows *f = arg;

	if (e->protocol == IPPROTO_TCP && e->door.port == f->door.port &&
	    addr_equal(&e->door.addr, &f->door.addr)) {
		f->items[f->count].client = e->client;
		f->items[f->count].door = e->door;
		f->entries[f->count++] = *e;
	}
	return f->count < FLOWS_MAX;
}

/* A client that never called, and a flow read from the wrong end. */
static void add_absent(struct flows *f)
{
	struct ct_seq_item *absent = &f->items[f->count];

	absent[0] = f->items[0];
	absent[0].client.port = 1;
	absent[1] = (struct ct_seq_item){ .client = f->entries[0].node,
					  .door = f->entries[0].peer };
}

static unsigned found(const struct ct_seq_item *items, unsigned count)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		n += items[i].found;
	return n;
}

static int read_all(struct ct_seq *s, struct flows *f)
{
	char line[80];
	int err = ct_seq_read(s, f->items, f->count + ABSENT);

	snprintf(line, sizeof(line), "read found=%u mistaken=%u",
		 found(f->items, f->count), found(f->items + f->count, ABSENT));
	say(line);
	return err;
}

static void send_reset(struct rawsock *raw, const struct endpoint *from,
		       const struct endpoint *to, uint32_t seq)
{
	struct reset r = {
		.src = *from, .dst = *to, .seq = seq, .flags = TCP_RST
	};
	uint8_t out[RESET_LEN_MAX];

	rawsock_send(raw, out, reset_build(&r, out));
}

static void tell_all(struct rawsock *raw, const struct flows *f)
{
	for (unsigned i = 0; i < f->count; i++) {
		const struct conntrack_entry *e = &f->entries[i];
		const struct ct_seq_item *item = &f->items[i];

		if (!item->found)
			continue;
		send_reset(raw, &e->door, &e->client, item->to_client);
		send_reset(raw, &e->peer, &e->node, item->to_node);
	}
}

static int list_all(struct flows *f)
{
	struct conntrack_mark any = { 0 };
	char line[40];
	int err = conntrack_list(f->ct, &any, collect, f);

	snprintf(line, sizeof(line), "listed %u", f->count);
	say(line);
	return err;
}

static int end_all(struct ct_seq *s, struct rawsock *raw, struct flows *f)
{
	int err = list_all(f);

	if (err)
		return fail("list", err);
	add_absent(f);
	err = read_all(s, f);
	if (err)
		return fail("read", err);
	err = conntrack_delete(f->ct, f->entries, f->count, NULL);
	if (err)
		return fail("delete", err);
	say("deleted");
	tell_all(raw, f);
	say("told");
	return raw->failed ? fail("send", -EIO) : 0;
}

int main(int argc, char **argv)
{
	static struct flows f;
	struct rawsock raw;
	struct ct_seq *s;
	char why[160];
	int err;

	if (argc != 3 || addr_parse(&f.door.addr, argv[1]))
		return 2;
	f.door.port = (uint16_t)atoi(argv[2]);
	err = ct_seq_open(&s, why, sizeof(why));
	if (err) {
		printf("unsupported %s\n", why);
		return 3;
	}
	say("open");
	err = rawsock_init(&raw, MARK);
	if (err)
		return fail("raw socket", err);
	err = conntrack_open(&f.ct);
	if (err)
		return fail("conntrack", err);
	err = end_all(s, &raw, &f);
	conntrack_close(f.ct);
	rawsock_fini(&raw);
	ct_seq_close(s);
	return err;
}
