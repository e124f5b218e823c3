// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When most of the nodes vanish at once, the fault is more likely the
 * gateway's own network than theirs: then nothing moves.
 */
#include "control/cluster_private.h"

#include <stdio.h>

#define PANIC_NODES_MIN 4

static uint64_t window(const struct cluster *cl)
{
	return cl->conf.interval_ns * cl->conf.miss;
}

static bool vanishes(enum lost_cause cause)
{
	return cause == LOST_MACHINE || cause == LOST_AGENT;
}

static bool is_missing(const struct member *m)
{
	return vanishes(m->doom) || m->node.state == NODE_SUSPECT;
}

/* Buried after that moment and not seen since. */
static bool vanished_since(const struct member *m, uint64_t since_ns)
{
	return m->node.state == NODE_LOST && vanishes(m->node.cause) &&
	       m->node.since_ns > since_ns;
}

static bool is_there(const struct cluster *cl, const struct member *m)
{
	return m->serves || placement_has(cl->place, m->node.id);
}

static uint64_t window_start(const struct cluster *cl)
{
	return cl->now > window(cl) ? cl->now - window(cl) : 0;
}

static bool is_too_many(const struct cluster *cl, unsigned missing, unsigned of)
{
	return missing > cl->conf.panic * of;
}

/* About to bury: is it more than the guard lets pass? */
bool panic_trips(const struct cluster *cl, unsigned *missing, unsigned *of)
{
	uint64_t since = window_start(cl);
	bool any = false;

	*missing = *of = 0;
	for (unsigned i = 0; i < cl->n_members; i++) {
		const struct member *m = cl->members[i];
		bool gone = vanished_since(m, since);

		any |= vanishes(m->doom);
		*of += gone || is_there(cl, m);
		*missing += gone || is_missing(m);
	}
	return any && cl->now >= cl->guard_off_ns && *of >= PANIC_NODES_MIN &&
	       is_too_many(cl, *missing, *of);
}

void panic_begin(struct cluster *cl, unsigned missing, unsigned of)
{
	struct note *note = say_note(cl, NULL, NOTE_PANIC, "");

	snprintf(note->why, sizeof(note->why),
		 "%u of %u nodes vanished at once: is it our own network?",
		 missing, of);
	cl->panicked = true;
	cl->panic_of = of;
	cl->panic_since_ns = window_start(cl);
	cl->thaw_ns = TIME_NEVER;
	cl->moves_due = true;
	cl->store_due = true;
	/* the silent ones stay suspect and may yet be heard of */
	for (unsigned i = 0; i < cl->n_members; i++)
		if (cl->members[i]->doom == LOST_MACHINE)
			member_pardon(cl, cl->members[i]);
}

unsigned panic_missing(const struct cluster *cl)
{
	unsigned missing = 0;

	for (unsigned i = 0; i < cl->n_members; i++)
		missing += is_missing(cl->members[i]) ||
			   vanished_since(cl->members[i], cl->panic_since_ns);
	return missing;
}

/* Ends every freeze. What is silent now is judged now, as one batch, and the
 * guard looks away until that is through. */
void panic_thaw(struct cluster *cl, const char *why)
{
	cl->frozen = cl->panicked = false;
	cl->thaw_ns = TIME_NEVER;
	cl->guard_off_ns = cl->now + window(cl);
	cl->moves_due = true;
	cl->store_due = true;
	say_note(cl, NULL, NOTE_THAWED, why);
	liveness_judge(cl);
}

/* When enough are back the rest may be a beat away: they get one window. */
void panic_review(struct cluster *cl)
{
	unsigned missing;

	if (!cl->panicked || cl->frozen)
		return;
	missing = panic_missing(cl);
	if (is_too_many(cl, missing, cl->panic_of))
		cl->thaw_ns = TIME_NEVER;
	else if (!missing || cl->thaw_ns <= cl->now)
		panic_thaw(cl, "enough nodes are back");
	else if (cl->thaw_ns == TIME_NEVER)
		cl->thaw_ns = cl->now + window(cl);
}
