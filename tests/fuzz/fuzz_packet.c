/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One input is a run of packets through one engine: each with a control byte,
 * a two-byte length and its bytes. Whatever arrives, nothing may be read or
 * written outside a packet, and a packet that is not rewritten stays as it is.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "packet/engine.h"

#define ROUTES 4

/* Bits of the control byte. */
enum {
	NODE = 1,
	NOT_READY = 2,
	GSO = 4,
	HOLD = 8,
	RELEASE = 16,
	MOVE = 32,
	END = 64,
	LATER = 128,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_send(void *arg, const uint8_t *data, size_t len)
{
	if (len < 40)
		__builtin_trap();
}

static void on_settle(void *arg, uint32_t id, enum verdict verdict,
		      const uint8_t *data, size_t len)
{
	if (verdict == VERDICT_HOLD)
		__builtin_trap();
}

static void on_refused(void *arg, uint32_t tag, uint16_t route)
{
	if (!tag || !route || route > ROUTES)
		__builtin_trap();
}

static struct engine *make_engine(void)
{
	static const struct engine_sink sink = { on_send, on_settle, on_refused,
						 NULL, NULL };
	struct engine_conf conf = {
		.routes = ROUTES,
		.n_services = 3,
		.services = { { "browser", 8001, IPPROTO_TCP, false },
			      { "app", 9001, IPPROTO_TCP, true },
			      { "datagrams", 5001, IPPROTO_UDP, false } },
		.flows_max = 8,
		.held_max = 8,
	};

	addr_parse(&conf.vip[FAMILY_V4], "198.18.0.100");
	addr_parse(&conf.vip[FAMILY_V6], "fd00:198:18::100");
	return engine_new(&conf, &sink);
}

static void set_table(struct engine *e, uint16_t seat)
{
	struct table *t = table_new(ROUTES, 2);

	if (!t)
		return;
	t->seat[1].tag = 11;
	addr_parse(&t->seat[1].addr[FAMILY_V4], "198.19.0.11");
	addr_parse(&t->seat[1].addr[FAMILY_V6], "fd00:198:19::11");
	t->seat[2].tag = 12;
	addr_parse(&t->seat[2].addr[FAMILY_V4], "198.19.0.12");
	for (unsigned r = 1; r <= ROUTES; r++)
		t->seat_of[r] = seat;
	engine_set_table(e, t);
	table_put(t);
}

static void disturb(struct engine *e, uint8_t control, uint64_t now_ns)
{
	static const uint16_t ids[ROUTES] = { 1, 2, 3, 4 };
	struct route_set all = { ids, ROUTES };

	if (control & HOLD)
		engine_hold(e, &all);
	if (control & MOVE)
		set_table(e, control & NODE ? 2 : control & GSO ? 0 : 1);
	if (control & END)
		engine_end_flows(e, control & NODE ? 11 : 12, &all,
				 control & GSO, 4, now_ns);
	if (control & RELEASE)
		engine_release(e, &all, now_ns);
}

static void put(struct engine *e, uint8_t control, const uint8_t *bytes,
		size_t len, uint64_t now_ns)
{
	struct packet p = {
		.data = malloc(len ? len : 1),
		.len = (uint32_t)len,
		.direction = control & NODE ? FROM_NODE : FROM_CLIENT,
		.csum_not_ready = control & NOT_READY,
		.gso = control & GSO,
	};

	if (!p.data)
		return;
	memcpy(p.data, bytes, len);
	if (engine_packet(e, &p, now_ns) != VERDICT_REWRITE &&
	    memcmp(p.data, bytes, len))
		__builtin_trap();
	free(p.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf b = buf_reader(data, size);
	struct engine *e = make_engine();
	uint64_t now_ns = NS_PER_S;

	if (!e)
		return 0;
	set_table(e, 1);
	while (buf_left(&b)) {
		uint8_t control = buf_get_u8(&b);
		size_t len = buf_get_be16(&b);
		const uint8_t *bytes;

		if (len > buf_left(&b))
			len = buf_left(&b);
		bytes = buf_take(&b, len);
		if (!bytes)
			break;
		now_ns += control & LATER ? 30 * NS_PER_S : NS_PER_MS;
		put(e, control, bytes, len, now_ns);
		disturb(e, control, now_ns);
		engine_expire(e, 4, now_ns);
	}
	engine_free(e);
	return 0;
}
