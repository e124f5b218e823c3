/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet_world.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static void record(struct world_packet *p, uint32_t id, enum verdict verdict,
		   const uint8_t *data, size_t len)
{
	p->id = id;
	p->verdict = verdict;
	p->len = len;
	memcpy(p->data, data, len);
}

static void on_send(void *arg, const uint8_t *data, size_t len)
{
	struct world *w = arg;

	assert(len <= PACKET_MAX);
	record(&w->sent[w->n_sent++ % WORLD_EVENTS], 0, VERDICT_ACCEPT, data,
	       len);
}

static void on_settle(void *arg, uint32_t id, enum verdict verdict,
		      const uint8_t *data, size_t len)
{
	struct world *w = arg;

	record(&w->settled[w->n_settled++ % WORLD_EVENTS], id, verdict, data,
	       len);
}

static void on_refused(void *arg, uint32_t tag, uint16_t route)
{
	struct world *w = arg;

	w->refused[w->n_refused % WORLD_EVENTS].tag = tag;
	w->refused[w->n_refused++ % WORLD_EVENTS].route = route;
}

static void seat(struct table *t, unsigned n, uint32_t tag, const char *v4,
		 const char *v6)
{
	t->seat[n].tag = tag;
	addr_parse(&t->seat[n].addr[FAMILY_V4], v4);
	if (v6)
		addr_parse(&t->seat[n].addr[FAMILY_V6], v6);
}

static uint32_t mark_of(void *arg, const struct addr *node)
{
	return node ? node->bytes[addr_len(node) - 1] : WORLD_DOOR_MARK;
}

static struct engine *make_engine(struct world *w, unsigned flows_max,
				  unsigned held_max)
{
	struct engine_conf conf = {
		.routes = WORLD_ROUTES,
		.n_services = 3,
		.services = {
			{ "browser", BROWSER, IPPROTO_TCP, false },
			{ "app", APP_KEEP, IPPROTO_TCP, true },
			{ "datagrams", DATAGRAMS, IPPROTO_UDP, false },
		},
		.flows_max = flows_max,
		.held_max = held_max,
		.seed = 7,
	};
	struct engine_sink sink = { on_send, on_settle, on_refused, mark_of,
				    w };

	addr_parse(&conf.vip[FAMILY_V4], WORLD_VIP);
	addr_parse(&conf.vip[FAMILY_V6], WORLD_VIP_V6);
	return engine_new(&conf, &sink);
}

struct world *world_new(unsigned flows_max, unsigned held_max)
{
	struct world *w = calloc(1, sizeof(*w));

	assert(w);
	w->now_ns = 1000 * NS_PER_S;
	w->next_id = 1;
	w->engine = make_engine(w, flows_max, held_max);
	w->table = table_new(WORLD_ROUTES, 2);
	assert(w->engine && w->table);
	seat(w->table, 1, TAG_A, WORLD_NODE_A, WORLD_NODE_A_V6);
	seat(w->table, 2, TAG_B, WORLD_NODE_B, NULL);
	world_assign(w, 1, WORLD_ROUTES, 1);
	return w;
}

void world_free(struct world *w)
{
	engine_free(w->engine);
	table_put(w->table);
	free(w);
}

void world_assign(struct world *w, uint16_t first, uint16_t last, uint16_t to)
{
	struct table *t = table_copy(w->table);

	assert(t);
	t->version++;
	for (unsigned r = first; r <= last; r++)
		t->seat_of[r] = to;
	engine_set_table(w->engine, t);
	table_put(w->table);
	w->table = t;
}

void world_forget_sent(struct world *w)
{
	w->n_sent = w->n_settled = w->n_refused = 0;
}

enum verdict world_put(struct world *w, const struct built *b,
		       enum packet_direction direction)
{
	struct packet p = { .len = (uint32_t)b->len,
			    .direction = direction,
			    .by_mark = w->by_mark,
			    .id = w->next_id++ };
	enum verdict verdict;

	w->last = *b;
	p.data = w->last.data;
	if (w->cut_at && p.len > w->cut_at) {
		p.cut = p.len - w->cut_at;
		p.len = w->cut_at;
		memset(p.data + p.len, 0xa5, p.cut);
	}
	verdict = engine_packet(w->engine, &p, w->now_ns);
	w->mark = p.mark;
	return verdict;
}

struct packet_spec world_client_tcp(uint8_t flags, uint32_t seq, uint32_t ack,
				    size_t payload)
{
	return (struct packet_spec){ .src = WORLD_CLIENT,
				     .dst = WORLD_VIP,
				     .src_port = 40000,
				     .dst_port = BROWSER,
				     .flags = flags,
				     .seq = seq,
				     .ack = ack,
				     .payload = payload };
}

struct packet_spec world_node_tcp(uint8_t flags, uint32_t seq, uint32_t ack,
				  size_t payload)
{
	return (struct packet_spec){ .src = WORLD_NODE_A,
				     .dst = WORLD_CLIENT,
				     .src_port = BROWSER,
				     .dst_port = 40000,
				     .flags = flags,
				     .seq = seq,
				     .ack = ack,
				     .payload = payload };
}

enum verdict world_from_client(struct world *w, const struct packet_spec *s)
{
	struct built b = packet_build(s);

	return world_put(w, &b, FROM_CLIENT);
}

enum verdict world_from_node(struct world *w, const struct packet_spec *s)
{
	struct built b = packet_build(s);

	return world_put(w, &b, FROM_NODE);
}

static void exchange(struct world *w, struct packet_spec s, bool client,
		     uint16_t client_port, uint16_t door)
{
	s.src_port = client ? client_port : door;
	s.dst_port = client ? door : client_port;
	if (client)
		world_from_client(w, &s);
	else
		world_from_node(w, &s);
}

void world_establish(struct world *w, uint16_t client_port, uint16_t door)
{
	exchange(w, world_client_tcp(SYN, 1000, 0, 0), true, client_port, door);
	exchange(w, world_node_tcp(SYN | ACK, 5000, 1001, 0), false,
		 client_port, door);
	exchange(w, world_client_tcp(ACK, 1001, 5001, 0), true, client_port,
		 door);
	exchange(w, world_client_tcp(ACK, 1001, 5001, 100), true, client_port,
		 door);
	exchange(w, world_node_tcp(ACK, 5001, 1101, 200), false, client_port,
		 door);
	exchange(w, world_client_tcp(ACK, 1101, 5201, 0), true, client_port,
		 door);
}

uint64_t world_count(const struct world *w, enum engine_reason reason)
{
	struct engine_stats stats;

	engine_stats(w->engine, &stats);
	return stats.count[reason];
}

uint64_t world_flows(const struct world *w)
{
	struct engine_stats stats;

	engine_stats(w->engine, &stats);
	return stats.flows;
}

static const uint16_t route_ids[WORLD_ROUTES] = { 1,  2,  3,  4,  5,  6,
						  7,  8,  9,  10, 11, 12,
						  13, 14, 15, 16, 17, 18,
						  19, 20, 21, 22, 23, 24 };

struct route_set world_route(uint16_t route)
{
	return (struct route_set){ &route_ids[route - 1], 1 };
}

struct route_set world_all_routes(void)
{
	return (struct route_set){ route_ids, WORLD_ROUTES };
}
