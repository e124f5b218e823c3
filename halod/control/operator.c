// SPDX-License-Identifier: GPL-2.0-or-later
#include "control/cluster_private.h"

#include <errno.h>

static int refuse(struct cluster *cl, int err, const char *why)
{
	cl->refusal = why;
	return err;
}

static int find(struct cluster *cl, const struct event *ev, struct member **out)
{
	*out = member_by_name(cl, ev->name);
	return *out ? 0 : refuse(cl, -ENOENT, "no such node");
}

static int find_to_move(struct cluster *cl, const struct event *ev,
			struct member **out)
{
	if (cluster_is_frozen(cl))
		return refuse(cl, -EPERM,
			      "the cluster is frozen: thaw it first");
	return find(cl, ev, out);
}

int operator_drain(struct cluster *cl, const struct event *ev)
{
	uint64_t deadline =
		ev->deadline_ns ? ev->deadline_ns : cl->conf.drain_deadline_ns;
	struct member *m;
	int err = find_to_move(cl, ev, &m);

	if (err)
		return err;
	if (m->node.state == NODE_DRAINING || m->node.state == NODE_DRAINED)
		return refuse(cl, -EALREADY, "the node is drained already");
	if (!placement_has(cl->place, m->node.id))
		return refuse(cl, -EBUSY,
			      "the node is neither active nor in reserve");
	m->drain_ns = deadline ? cl->now + deadline : 0;
	m->drain_due = true; /* not frozen: carried out in this step */
	cl->n_drains_due++;
	return 0;
}

static int check_replaced(struct cluster *cl, const struct member *m)
{
	if (m->node.state == NODE_DRAINING || m->node.state == NODE_DRAINED)
		return refuse(cl, -EALREADY, "the node is drained already");
	if (!placement_slot(cl->place, m->node.id))
		return refuse(cl, -EBUSY, "the node has no slot to be taken");
	return 0;
}

static int check_replacer(struct cluster *cl, const struct member *m)
{
	if (placement_slot(cl->place, m->node.id))
		return refuse(cl, -EBUSY,
			      "the node that is to take over has a slot "
			      "already");
	if (m->node.state != NODE_RESERVE && m->node.state != NODE_JOINING)
		return refuse(cl, -EBUSY,
			      "the node that is to take over is neither in "
			      "reserve nor joining");
	if (!admission_is_ready(cl, m))
		return refuse(cl, -EBUSY,
			      "the node that is to take over is silent, or its "
			      "server is down");
	return 0;
}

/* Carried out by the batch of this step. */
int operator_replace(struct cluster *cl, const struct event *ev)
{
	struct member *m, *by;
	int err = find_to_move(cl, ev, &m);

	if (err)
		return err;
	by = member_by_name(cl, ev->by);
	if (!by)
		return refuse(cl, -ENOENT,
			      "there is no node of the second name");
	err = check_replaced(cl, m);
	if (!err)
		err = check_replacer(cl, by);
	if (err || ev->rehearse)
		return err;
	m->drain_ns = cl->conf.drain_deadline_ns
			      ? cl->now + cl->conf.drain_deadline_ns
			      : 0;
	cl->replaced = m;
	cl->replacer = by;
	return 0;
}

int operator_undrain(struct cluster *cl, const struct event *ev)
{
	struct member *m;
	int err = find(cl, ev, &m);

	if (err)
		return err;
	if (m->node.state != NODE_DRAINED && m->node.state != NODE_DRAINING &&
	    !m->barred)
		return refuse(cl, -EALREADY,
			      "the node is neither drained nor failed");
	if (!m->node.link && member_is_alive(m))
		return refuse(cl, -EBUSY, "its agent is away");
	m->drain_ns = 0;
	m->barred = false;
	say_note(cl, m, NOTE_UNDRAINED, "by operator");
	if (m->node.link)
		admission_register(cl, m);
	else /* its next HELLO registers it */
		member_set_state(cl, m, NODE_LOST);
	return 0;
}

int operator_fail(struct cluster *cl, const struct event *ev)
{
	struct member *m;
	int err = find_to_move(cl, ev, &m);

	if (err)
		return err;
	if (m->barred)
		return refuse(cl, -EALREADY, "the node is failed already");
	if (!member_is_alive(m))
		return refuse(cl, -EBUSY, "the node is not in service");
	m->barred = true;
	member_doom(cl, m, LOST_OPERATOR);
	return 0;
}

int operator_rm(struct cluster *cl, const struct event *ev)
{
	struct member *m;
	int err = find(cl, ev, &m);

	if (err)
		return err;
	if (m->serves || placement_has(cl->place, m->node.id))
		return refuse(cl, -EBUSY,
			      "the node is in service: drain or fail it first");
	say_note(cl, m, NOTE_REMOVED, "by operator");
	if (m->node.link)
		say_error(cl, m->node.link, ERROR_REMOVED,
			  "the operator removed this node");
	member_forget(cl, m);
	return 0;
}

int operator_freeze(struct cluster *cl, const struct event *ev)
{
	if (cl->frozen)
		return refuse(cl, -EALREADY, "the cluster is frozen already");
	cl->frozen = true;
	cl->moves_due = true;
	cl->store_due = true;
	say_note(cl, NULL, NOTE_FROZEN, "by operator");
	return 0;
}

int operator_thaw(struct cluster *cl, const struct event *ev)
{
	if (!cluster_is_frozen(cl))
		return refuse(cl, -EALREADY, "the cluster is not frozen");
	panic_thaw(cl, "by operator");
	return 0;
}
