// SPDX-License-Identifier: GPL-2.0-or-later
#include "control/cluster_private.h"

#define CLEAN_LIVES 10 /* up for so many hold-downs: its past is forgotten */

uint64_t quarantine_hold_down(const struct cluster *cl, uint32_t failures)
{
	uint64_t t = cl->conf.hold_down_ns;

	while (failures-- > 1 && t < cl->conf.hold_down_max_ns)
		t *= 2;
	return t < cl->conf.hold_down_max_ns ? t : cl->conf.hold_down_max_ns;
}

/* It failed, or left and may come back: both spend the same budget. */
void quarantine_count(struct cluster *cl, struct member *m)
{
	uint64_t clean =
		CLEAN_LIVES * quarantine_hold_down(cl, m->node.failures);

	if (m->joined_ns && cl->now - m->joined_ns >= clean)
		m->node.failures = 0;
	m->node.failures++;
	m->joined_ns = 0;
}

void quarantine_begin(struct cluster *cl, struct member *m, uint64_t until)
{
	struct note *note;

	member_set_state(cl, m, NODE_QUARANTINED);
	m->node.until_ns = until;
	note = say_note(cl, m, NOTE_QUARANTINED,
			m->barred ? "failed by the operator, until undrain"
				  : "it failed lately: hold-down");
	if (!m->barred)
		note->ms = (until - cl->now) / NS_PER_MS;
}

void quarantine_end_if_due(struct cluster *cl, struct member *m)
{
	if (m->node.state != NODE_QUARANTINED || m->barred ||
	    m->node.health == HEALTH_DOWN || cl->now < m->node.until_ns)
		return;
	admission_register(cl, m);
}
