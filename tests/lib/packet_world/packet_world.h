/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An engine with two nodes and 24 routes around it, in virtual time; records
 * what the engine sends, settles and reports.
 *
 *	client 198.18.0.1 ── VIP 198.18.0.100 ── node a 198.19.0.11 (tag 11)
 *	                         gateway        └─ node b 198.19.0.12 (tag 12)
 */
#ifndef HALO_TESTS_PACKET_WORLD_H
#define HALO_TESTS_PACKET_WORLD_H

#include "packet/engine.h"
#include "../packet_build.h"

#define WORLD_CLIENT	"198.18.0.1"
#define WORLD_VIP	"198.18.0.100"
#define WORLD_NODE_A	"198.19.0.11"
#define WORLD_NODE_B	"198.19.0.12"
#define WORLD_CLIENT_V6 "fd00:198:18::1"
#define WORLD_VIP_V6	"fd00:198:18::100"
#define WORLD_NODE_A_V6 "fd00:198:19::11"

#define WORLD_DOOR_MARK 100
#define WORLD_ROUTES	24
#define WORLD_EVENTS	64
#define TAG_A		11
#define TAG_B		12

enum { BROWSER = 8001, APP_KEEP = 9001, DATAGRAMS = 5001 };

struct world_packet {
	uint32_t id;
	enum verdict verdict;
	uint8_t data[PACKET_MAX];
	size_t len;
};

struct world {
	struct engine *engine;
	struct table *table;
	uint64_t now_ns;
	uint32_t next_id;
	bool by_mark;	 /* a node's last byte is its mark */
	uint32_t cut_at; /* what comes behind is cut from packets; 0: nothing */
	uint32_t mark;	 /* of the last packet */
	struct built last; /* the packet that went in, as it came out */
	unsigned n_sent, n_settled, n_refused;
	struct world_packet sent[WORLD_EVENTS], settled[WORLD_EVENTS];
	struct {
		uint32_t tag;
		uint16_t route;
	} refused[WORLD_EVENTS];
};

/* Every route is node a's; node b sits in seat 2 and serves none. */
struct world *world_new(unsigned flows_max, unsigned held_max);
void world_free(struct world *w);

/* A new table: the routes go to that seat (0: unowned). */
void world_assign(struct world *w, uint16_t first, uint16_t last,
		  uint16_t seat);
void world_forget_sent(struct world *w);

enum verdict world_put(struct world *w, const struct built *b,
		       enum packet_direction direction);

/* TCP of client port 40000 with route 1's door. */
struct packet_spec world_client_tcp(uint8_t flags, uint32_t seq, uint32_t ack,
				    size_t payload);
struct packet_spec world_node_tcp(uint8_t flags, uint32_t seq, uint32_t ack,
				  size_t payload);
enum verdict world_from_client(struct world *w, const struct packet_spec *s);
enum verdict world_from_node(struct world *w, const struct packet_spec *s);

/* The handshake of that client port with that door: client ISN 1000, node ISN
 * 5000; then 100 bytes from the client, 200 from the node, acknowledged. */
void world_establish(struct world *w, uint16_t client_port, uint16_t door);

uint64_t world_count(const struct world *w, enum engine_reason reason);
uint64_t world_flows(const struct world *w);
struct route_set world_route(uint16_t route);
struct route_set world_all_routes(void);

#endif
