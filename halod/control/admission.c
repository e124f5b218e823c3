// SPDX-License-Identifier: GPL-2.0-or-later
#include "control/cluster_private.h"

#include <string.h>

/* Known, but neither connected nor serving nor awaited: free to be replaced. */
static bool is_absent(const struct member *m)
{
	return !m->node.link && !m->node.agent_away && !m->serves;
}

static bool shares_address(const struct node *n, const struct message_hello *h)
{
	for (int f = 0; f < FAMILIES; f++)
		if (addr_is_set(&h->addr[f]) &&
		    addr_equal(&h->addr[f], &n->addr[f]))
			return true;
	return false;
}

static bool has_same_addresses(const struct node *n,
			       const struct message_hello *h)
{
	for (int f = 0; f < FAMILIES; f++)
		if (!addr_equal(&h->addr[f], &n->addr[f]))
			return false;
	return true;
}

static bool address_is_taken(const struct cluster *cl,
			     const struct message_hello *h)
{
	for (unsigned i = 0; i < cl->n_members; i++) {
		const struct member *m = cl->members[i];

		if (!is_absent(m) && strcmp(m->node.name, h->name) &&
		    shares_address(&m->node, h))
			return true;
	}
	return false;
}

static struct member *longest_absent(const struct cluster *cl)
{
	struct member *oldest = NULL;

	for (unsigned i = 0; i < cl->n_members; i++) {
		struct member *m = cl->members[i];

		if (is_absent(m) && !m->barred &&
		    (!oldest || m->node.since_ns < oldest->node.since_ns))
			oldest = m;
	}
	return oldest;
}

static int refuse(struct cluster *cl, const struct event *ev,
		  enum error_code code, const char *text)
{
	struct note *note = say_note(cl, NULL, NOTE_REFUSED_NODE, text);

	memcpy(note->node, ev->hello->name, sizeof(note->node));
	say_error(cl, ev->link, code, text);
	return 0;
}

/* A node that may be dealt routes now: awake, and its server is up. */
bool admission_is_ready(const struct cluster *cl, const struct member *m)
{
	return m->node.link && m->node.health != HEALTH_DOWN &&
	       cl->now - m->node.beat_ns < cl->conf.interval_ns * 3 / 2;
}

void admission_register(struct cluster *cl, struct member *m)
{
	m->left = false;
	m->barred = false;
	member_set_state(cl, m, NODE_JOINING);
	if (admission_is_ready(cl, m) && cl->settle_ns == TIME_NEVER)
		cl->settle_ns = cl->now + cl->conf.settle_ns;
}

/* A node that was gone is at the door again. */
static void readmit(struct cluster *cl, struct member *m)
{
	/* to leave and come back is forgiven once, a failure never */
	uint32_t failures = m->node.failures - (m->left && m->node.failures);

	if (m->barred)
		quarantine_begin(cl, m, TIME_NEVER);
	else if (failures && placement_slots(cl->place))
		quarantine_begin(cl, m,
				 cl->now + quarantine_hold_down(cl, failures));
	else
		admission_register(cl, m);
}

/* It said goodbye, but the frozen table has kept its place. */
static void stay(struct cluster *cl, struct member *m)
{
	m->left = false;
	if (m->drain_due)
		cl->n_drains_due--;
	m->drain_due = false;
	member_pardon(cl, m);
}

static void enter(struct cluster *cl, struct member *m)
{
	if (m->node.agent_away)
		liveness_back(cl, m);
	else if (m->left && placement_has(cl->place, m->node.id))
		stay(cl, m);
	else if (m->node.state == NODE_LOST || m->left)
		readmit(cl, m);
}

static void take_hello(struct cluster *cl, struct member *m,
		       const struct event *ev)
{
	const struct message_hello *h = ev->hello;

	member_set_link(cl, m, ev->link);
	m->node.beat_ns = cl->now;
	m->node.instance = h->instance;
	m->node.wish = h->wish;
	m->node.version = h->version;
	m->node.beat_seq = 0;
	m->misread = false;
	memcpy(m->node.addr, h->addr, sizeof(m->node.addr));
	/* a new process: what its check says now is where it starts from */
	m->node.health = h->health;
}

/* Why the HELLO of a known name cannot be taken, or 0. */
static enum error_code objection(const struct member *m,
				 const struct message_hello *h,
				 const char **text)
{
	if (m->node.link && m->node.instance != h->instance) {
		*text = "another live agent has this name";
		return ERROR_DUPLICATE;
	}
	if (!is_absent(m) && !has_same_addresses(&m->node, h)) {
		*text = "the node still serves from another address";
		return ERROR_ADDRESS;
	}
	return 0;
}

static int come_back(struct cluster *cl, struct member *m,
		     const struct event *ev)
{
	const char *text;
	enum error_code code = objection(m, ev->hello, &text);

	if (code)
		return refuse(cl, ev, code, text);
	if (m->node.link)
		say_close(cl, m->node.link);
	take_hello(cl, m, ev);
	liveness_heard(cl, m);
	enter(cl, m);
	say_welcome(cl, m);
	/* it was here before: it may believe anything */
	handover_tell(cl, m);
	liveness_health(cl, m, ev->hello->health);
	return 0;
}

static int come_first(struct cluster *cl, const struct event *ev)
{
	struct member *m;

	if (cl->n_members == NODES_MAX) {
		m = longest_absent(cl);
		if (!m)
			return refuse(cl, ev, ERROR_FULL,
				      "no room for another node");
		member_forget(cl, m);
	}
	m = member_new(cl, ev->hello->name);
	take_hello(cl, m, ev);
	admission_register(cl, m);
	say_welcome(cl, m);
	if (ev->hello->version)
		handover_tell(cl, m);
	return 0;
}

int admission_hello(struct cluster *cl, const struct event *ev)
{
	struct member *m = member_by_link(cl, ev->link);

	if (m) {
		say_error(cl, ev->link, ERROR_PROTOCOL, "a second HELLO");
		admission_link_ended(cl, m);
		return 0;
	}
	if (address_is_taken(cl, ev->hello))
		return refuse(cl, ev, ERROR_ADDRESS,
			      "another node has this address");
	m = member_by_name(cl, ev->hello->name);
	return m ? come_back(cl, m, ev) : come_first(cl, ev);
}

static void leave_place(struct cluster *cl, struct member *m)
{
	m->left = true;
	m->drain_ns = 0;
	if (!m->drain_due)
		cl->n_drains_due++;
	m->drain_due = true;
}

/* It leaves on purpose: a drain that ends with its connection. Who has no
 * routes and no place just closes. */
int admission_goodbye(struct cluster *cl, const struct event *ev)
{
	struct member *m = member_by_link(cl, ev->link);

	if (!m || m->left)
		return 0;
	if (placement_has(cl->place, m->node.id)) {
		leave_place(cl, m);
	} else if (m->serves) {
		m->left = true;
		member_set_state(cl, m, NODE_DRAINING);
	}
	return 0;
}

static void forget_or_lose(struct cluster *cl, struct member *m)
{
	if (!m->node.failures && !m->had_routes) {
		member_forget(cl, m);
		return;
	}
	m->node.cause = LOST_GOODBYE;
	member_set_state(cl, m, NODE_LOST);
}

/* The connection of a member is gone, whoever ended it. */
void admission_link_ended(struct cluster *cl, struct member *m)
{
	bool serves = m->serves || placement_has(cl->place, m->node.id);

	member_set_link(cl, m, 0);
	if (serves && m->left)
		member_doom(cl, m, LOST_GOODBYE);
	else if (serves)
		liveness_away(cl, m, cl->conf.rejoin_ns);
	else if (m->node.state == NODE_JOINING)
		forget_or_lose(cl, m);
	else if (m->node.state == NODE_QUARANTINED)
		member_set_state(cl, m, NODE_LOST);
}

int admission_closed(struct cluster *cl, const struct event *ev)
{
	struct member *m = member_by_link(cl, ev->link);

	if (m)
		admission_link_ended(cl, m);
	return 0;
}

/* Whoever has its key taken away shall not serve a moment longer. */
int admission_revoked(struct cluster *cl, const struct event *ev)
{
	struct member *m = member_by_link(cl, ev->link);

	if (!m)
		return 0;
	if (!m->serves && !placement_has(cl->place, m->node.id)) {
		admission_link_ended(cl, m);
		return 0;
	}
	member_set_link(cl, m, 0);
	member_doom(cl, m, LOST_REVOKED);
	return 0;
}
