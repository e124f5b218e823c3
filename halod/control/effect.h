/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a step of the cluster wants done, as data, in order. The daemon turns
 * each into I/O; tests read them. Bounded: O(nodes + N) in one step.
 */
#ifndef HALO_CONTROL_EFFECT_H
#define HALO_CONTROL_EFFECT_H

#include <stdbool.h>
#include <stdint.h>

#include "table/diff.h"
#include "base/route_set.h"
#include "wire/message.h"

enum effect_type {
	EFFECT_SEND,	  /* link, message */
	EFFECT_CLOSE,	  /* link: after what was sent has gone out */
	EFFECT_HOLD,	  /* routes: new connections wait … */
	EFFECT_RELEASE,	  /* routes: … and go on, looked up anew */
	EFFECT_APPLY,	  /* table: make it the plane's, before what follows */
	EFFECT_END_FLOWS, /* tag, routes (count 0: all of the tag), forced */
	EFFECT_PROBE, /* tag, addr, route: connect to that door of the node */
	EFFECT_STORE, /* the state to keep has changed: cluster_save() */
	EFFECT_NOTE,  /* for log, history and monitor */
};

enum note_kind {
	NOTE_JOINED,   /* node became active (slot) */
	NOTE_RESERVED, /* node waits in reserve */
	NOTE_SUSPECT,
	NOTE_RECOVERED,	 /* suspect → what it was */
	NOTE_LOST,	 /* cause; ms = silence */
	NOTE_AGENT_AWAY, /* connection ended, server still accepts or is asked
			  */
	NOTE_AGENT_BACK,
	NOTE_QUARANTINED,
	NOTE_DRAINING,
	NOTE_DRAINED,
	NOTE_UNDRAINED,
	NOTE_REMOVED,
	NOTE_REFUSED_NODE, /* HELLO refused; text says why */
	NOTE_MOVING,	   /* planned move begins: routes, from → to */
	NOTE_MOVED,   /* routes switched, from → to, reason, ms it took */
	NOTE_UNOWNED, /* no node left for routes */
	NOTE_DIVERGED,
	NOTE_PANIC,
	NOTE_FROZEN,
	NOTE_THAWED,
	NOTE_RESTORED,
	NOTE_APPLY_FAILED,
	NOTE_REPAIRED, /* another changed the plane's rules; ms it took */
	NOTE_REPAIR_FAILED,
	NOTE_KINDS
};

struct note {
	enum note_kind kind;
	char node[NODE_NAME_MAX]; /* "" when it is about no one node */
	char from[NODE_NAME_MAX], to[NODE_NAME_MAX];
	enum move_reason reason;
	uint64_t version;
	uint64_t ms;
	uint16_t slot;
	char why[96]; /* plain words: the rule that applied, the cause */
	char event[96]; /* of a move: what brought it about; "" otherwise */
	struct route_set routes;
};

struct effect {
	enum effect_type type;
	uint64_t link;
	uint32_t tag;
	uint16_t route;
	bool forced;
	struct addr addr;
	struct route_set routes; /* borrowed from the effects */
	union {
		struct message message; /* its routes likewise */
		struct note note;
		struct table *table; /* reference held by the effects */
	};
};

struct effects; /* growable list and an arena of route ids; owned by caller */

struct effects *effects_new(void);
void effects_free(struct effects *fx);
void effects_clear(struct effects *fx); /* drops references, keeps memory */
unsigned effects_count(const struct effects *fx);
const struct effect *effects_at(const struct effects *fx, unsigned i);

/* Room for n more effects and ids more route ids: 0 or -ENOMEM. After it,
 * adding that many cannot fail. */
int effects_reserve(struct effects *fx, unsigned n, unsigned ids);
struct effect *effects_add(struct effects *fx, enum effect_type type);
/* count ids of arena to be filled by the caller; stays put once handed out */
uint16_t *effects_ids(struct effects *fx, unsigned count);

const char *note_kind_name(enum note_kind kind);

#endif
