/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The messages of the agent protocol (section 4 of the design, haloproto(7))
 * as structs. Bytes are wire/frame.h's; meaning is control's and the agent's.
 */
#ifndef HALO_WIRE_MESSAGE_H
#define HALO_WIRE_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/units.h"
#include "base/route_set.h"

enum message_type {
	MESSAGE_HELLO = 1, /* agent → gateway, first */
	MESSAGE_WELCOME,   /* gateway → agent, answers HELLO */
	MESSAGE_ERROR,	   /* gateway → agent, then the connection closes */
	MESSAGE_BEAT,	   /* agent → gateway, every interval */
	MESSAGE_BEAT_ACK,  /* gateway → agent */
	MESSAGE_MOVING,	   /* gateway → former node of a planned move */
	MESSAGE_MOVED_OK, /* agent → gateway: clients were told, switch now */
	MESSAGE_ASSIGNED, /* gateway → node: all routes it has (to be) now */
	MESSAGE_ASSIGNED_OK, /* agent → gateway */
	MESSAGE_GOODBYE,     /* agent → gateway: leaves on purpose */
};

enum node_wish { WISH_NONE, WISH_ACTIVE, WISH_RESERVE };
enum node_health { HEALTH_UNKNOWN, HEALTH_UP, HEALTH_DOWN };

/* Section 3 of the design; names by node_state_name(). */
enum node_state {
	NODE_JOINING,
	NODE_RESERVE,
	NODE_ACTIVE,
	NODE_SUSPECT, /* was active or reserve; silent for 1.5 intervals */
	NODE_DRAINING,
	NODE_DRAINED,
	NODE_LOST,
	NODE_QUARANTINED,
	NODE_STATES
};

enum move_reason {
	MOVE_JOIN,  /* planned: a node joined */
	MOVE_DRAIN, /* planned: the operator (or the agent) drains the node */
	MOVE_UNDO,  /* planned: routes of the highest slot are handed back */
	MOVE_LOSS,  /* forced: already moved, deadline_ms is 0 */
	MOVE_REASONS
};

enum error_code {
	ERROR_VERSION = 1, /* protocol version unknown; text names both */
	ERROR_PROTOCOL,	   /* malformed or out of order */
	ERROR_NAME,	   /* not a valid name, or not the key's */
	ERROR_ADDRESS,	   /* an address it may not claim */
	ERROR_DUPLICATE,   /* another live agent has this name */
	ERROR_FULL,	   /* no room for another node */
	ERROR_REMOVED,	   /* the operator removed or failed the node */
	ERROR_SHUTDOWN,	   /* the gateway is going away; come back */
};

struct message_hello {
	char name[NODE_NAME_MAX];
	uint64_t instance; /* drawn at start, one per life of the agent's
			      process */
	struct addr addr[FAMILIES]; /* none set: the one it connects from */
	enum node_wish wish;
	enum node_health health;
	uint64_t version; /* last table version it knows, 0 if none */
};

struct message_welcome {
	enum node_state state;
	uint16_t slot; /* 0: none */
	uint32_t interval_us;
	uint16_t miss;
	uint64_t version;
};

struct message_error {
	enum error_code code;
	char text[200];
};

struct message_beat {
	uint64_t seq;
	enum node_health health;
	uint32_t connections;
	uint64_t version; /* of the last ASSIGNED applied */
};

struct message_beat_ack {
	uint64_t seq;
	uint64_t version;
	uint32_t digest; /* route_digest() of the routes the gateway means */
	enum node_state state;
	uint16_t slot;
};

/* Where the doors of route 1 are on the node, a TCP port a service; those of
 * route r are r - 1 higher. */
struct door_ports {
	uint32_t count;
	uint16_t first[SERVICES_MAX];
};

struct message_moving {
	uint32_t id; /* of the handover; comes back in MOVED_OK */
	enum move_reason reason;
	uint32_t deadline_ms; /* from now; 0: already done */
	struct route_set routes;
	struct door_ports doors; /* whose connections end with the move */
	bool stays; /* announced before, the routes do not move after all */
};

struct message_moved_ok {
	uint32_t id;
};

struct message_assigned {
	uint64_t version;
	struct route_set routes; /* the complete set, replacing the last */
};

struct message_assigned_ok {
	uint64_t version;
	uint32_t digest;
};

struct message_goodbye {
	char reason[64];
};

struct message {
	enum message_type type;
	union {
		struct message_hello hello;
		struct message_welcome welcome;
		struct message_error error;
		struct message_beat beat;
		struct message_beat_ack beat_ack;
		struct message_moving moving;
		struct message_moved_ok moved_ok;
		struct message_assigned assigned;
		struct message_assigned_ok assigned_ok;
		struct message_goodbye goodbye;
	};
};

const char *message_type_name(enum message_type type);
const char *node_state_name(enum node_state state);
const char *move_reason_name(enum move_reason reason);
const char *node_health_name(enum node_health health);
const char *error_code_name(enum error_code code);
/* Sent by agents; all others are the gateway's. */
bool message_is_agents(enum message_type type);
/* [A-Za-z0-9._-]{1,63}, not starting with '.' or '-' */
bool node_name_is_valid(const char *name);
/* FNV-1a over the big-endian ids: the agent's and halod's view compared */
uint32_t route_digest(const struct route_set *routes);

#endif
