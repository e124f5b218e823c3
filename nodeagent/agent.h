/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a node's agent decides: when to connect, greet and beat, when its
 * gateway is gone, what its node is told. A pure state machine: time and
 * inputs come in, actions go out. It names no socket, clock or process.
 */
#ifndef HALO_NODEAGENT_AGENT_H
#define HALO_NODEAGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"
#include "wire/message.h"

#define AGENT_BACKOFF_MIN_NS (50 * NS_PER_MS)
#define AGENT_BACKOFF_MAX_NS (2 * NS_PER_S)
#define AGENT_GREETING_NS    (3 * NS_PER_S) /* from connect to WELCOME */
#define AGENT_LEAVE_NS	     (5 * NS_PER_S)
#define AGENT_HANDOVERS_MAX  16

struct agent; /* owns its routes */

struct agent_conf {
	char name[NODE_NAME_MAX];
	uint64_t instance;
	struct addr addr[FAMILIES];
	enum node_wish wish;
	uint64_t seed; /* of the jitter */
	bool cuts;     /* connections of what moves away can be ended here */
};

enum agent_input_type {
	INPUT_START,
	INPUT_CONNECTED,    /* authenticated, ready for frames */
	INPUT_DISCONNECTED, /* or could not connect */
	INPUT_MESSAGE,	    /* message */
	INPUT_HEALTH,	    /* health */
	INPUT_DONE,	    /* id: the clients of a handover were told */
	INPUT_CUT,	    /* id: ACTION_CUT is through */
	INPUT_LEAVE,
	INPUT_TICK,
};

struct agent_input {
	enum agent_input_type type;
	enum node_health health;
	uint32_t id;
	const struct message *message;
};

enum agent_event_kind {
	AGENT_CONNECTED,
	AGENT_WELCOME,	/* state, slot, version */
	AGENT_ASSIGNED, /* version, routes: all it has */
	AGENT_MOVING,	/* id, routes, reason, deadline_ms */
	AGENT_MOVED,	/* routes, reason; id, 0 when there was no notice */
	AGENT_STAYS,	/* routes: they were to move, and do not */
	AGENT_FENCED,	/* routes that may be another node's by now */
	AGENT_UNFENCED, /* that is over; AGENT_ASSIGNED follows, or it has none
			 */
	AGENT_GATEWAY_LOST,
	AGENT_REFUSED, /* reason */
};

struct agent_event {
	enum agent_event_kind kind;
	uint64_t version;
	struct route_set routes;
	char reason[200];
	uint32_t id, deadline_ms;
	enum node_state state;
	uint16_t slot;
};

enum agent_action_type {
	ACTION_CONNECT,
	ACTION_SEND,  /* message */
	ACTION_CLOSE, /* the connection */
	ACTION_EVENT, /* event: tell the node */
	ACTION_PACE,  /* interval_ns: beats are asked for this often */
	ACTION_CUT,   /* cut: end the connections, in the background; replaces
		       * one of the same id */
	ACTION_SPARE, /* cut.id: stop that */
	ACTION_EXIT,
};

struct agent_cut {
	uint32_t id; /* of the handover; 0: of a forced move */
	struct route_set routes;
	struct door_ports doors;
	uint64_t gentle_ns; /* bytes on their way may arrive until then */
};

struct agent_action {
	enum agent_action_type type;
	uint64_t interval_ns;
	union {
		struct message message;
		struct agent_event event;
		struct agent_cut cut;
	};
};

/* One step's: each handover at most stops its cut, answers and tells, and a few
 * more. */
#define AGENT_ACTIONS_MAX (3 * AGENT_HANDOVERS_MAX + 8)

struct agent_actions {
	unsigned count;
	struct agent_action items[AGENT_ACTIONS_MAX];
};

/* NULL: no memory */
struct agent *agent_new(const struct agent_conf *conf);
void agent_free(struct agent *a);
/* What to do, in order, is put into out (emptied first); routes in it are
 * borrowed until the next step. */
void agent_step(struct agent *a, const struct agent_input *in, uint64_t now_ns,
		struct agent_actions *out);
/* When INPUT_TICK is due; TIME_NEVER: not before another input. */
uint64_t agent_deadline(const struct agent *a);
/* What it was last assigned; borrowed until the next step. */
struct route_set agent_routes(const struct agent *a);
const char *agent_event_name(enum agent_event_kind kind);

#endif
