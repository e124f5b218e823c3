/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One node as the cluster knows it: what it is called, where it is, how it
 * fares. Owned by cluster; others read it, borrowed until the next step.
 */
#ifndef HALO_CONTROL_NODE_H
#define HALO_CONTROL_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"
#include "control/placement.h"
#include "wire/message.h"

enum lost_cause {
	LOST_NOT,
	LOST_MACHINE,  /* silent for miss intervals */
	LOST_AGENT,    /* connection ended, and the server refused or is silent */
	LOST_SERVER,   /* the agent's check says so */
	LOST_OPERATOR, /* haloctl node fail */
	LOST_GOODBYE,  /* left on purpose without having been drained */
	LOST_REVOKED, /* its key was removed or changed */
	LOST_CAUSES
};

struct node {
	node_id id;		/* stable while the node is known */
	char name[NODE_NAME_MAX];
	uint32_t tag;		/* of this life; 0 before the first */
	uint64_t instance;	/* the agent process's */
	uint64_t link;		/* its connection; 0: none */
	struct addr addr[FAMILIES];
	enum node_state state;
	enum node_state suspect_from; /* what SUSPECT goes back to */
	enum lost_cause cause;	/* of LOST and QUARANTINED */
	enum node_wish wish;
	enum node_health health;
	uint32_t connections;
	uint16_t slot;		/* 0: none */
	bool agent_away;	/* connection ended; `rejoin` is running */
	bool diverged;		/* its version or digest is not ours */
	uint64_t beat_seq;
	uint64_t beat_ns;	/* arrival of the last beat */
	uint64_t since_ns;	/* entered this state */
	uint64_t until_ns;	/* quarantine, rejoin or drain ends; 0: none */
	uint32_t failures;	/* hold-down doublings so far */
	uint64_t version;	/* last it acknowledged */
};

const char *lost_cause_name(enum lost_cause cause);
static inline bool node_is_serving(const struct node *n)
{
	return n->slot != 0;
}

#endif
