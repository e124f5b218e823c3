// SPDX-License-Identifier: GPL-2.0-or-later
/* What halo.ko tells by itself. */
#include <errno.h>
#include <stdlib.h>

#include "io/kmod_private.h"

#define EVENTS_AHEAD 64 /* of one datagram, which carries one */

struct kmod_events {
	struct genl genl;
	struct kmod_event ahead[EVENTS_AHEAD];
	unsigned first, n;
};

int kmod_events_open(struct kmod_events **out)
{
	struct kmod_events *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	err = genl_open(&e->genl, HALO_GENL_NAME, HALO_GENL_VERSION,
			HALO_GENL_EVENTS);
	if (err) {
		free(e);
		return err;
	}
	*out = e;
	return 0;
}

void kmod_events_close(struct kmod_events *e)
{
	if (!e)
		return;
	genl_close(&e->genl);
	free(e);
}

int kmod_events_fd(const struct kmod_events *e)
{
	return genl_fd(&e->genl);
}

static bool type_of(uint8_t cmd, enum kmod_event_type *out)
{
	switch (cmd) {
	case HALO_CMD_FLOWS_ENDED:
		*out = KMOD_FLOWS_ENDED;
		return true;
	case HALO_CMD_REFUSED:
		*out = KMOD_REFUSED;
		return true;
	case HALO_CMD_TABLE_CHANGED:
		*out = KMOD_CHANGED;
		return true;
	default: /* of a later module */
		return false;
	}
}

static int take_event(const struct nlmsghdr *nlh, void *arg)
{
	const struct genlmsghdr *head = mnl_nlmsg_get_payload(nlh);
	struct kmod_events *e = arg;
	struct kmod_event ev = { 0 };
	const struct nlattr *a;

	if (!type_of(head->cmd, &ev.type) || e->n == EVENTS_AHEAD)
		return MNL_CB_OK;
	mnl_attr_for_each(a, nlh, sizeof(*head))
	{
		switch (mnl_attr_get_type(a)) {
		case HALO_ATTR_TAG:
			ev.tag = (uint32_t)kmod_number(a);
			break;
		case HALO_ATTR_ROUTE:
			ev.route = (uint16_t)kmod_number(a);
			break;
		case HALO_ATTR_PORT:
			ev.port = (uint32_t)kmod_number(a);
			break;
		case HALO_ATTR_ENDED:
			ev.count = kmod_number(a);
			break;
		}
	}
	e->ahead[e->n++] = ev;
	return MNL_CB_OK;
}

int kmod_events_next(struct kmod_events *e, struct kmod_event *out)
{
	while (e->first == e->n) {
		int err;

		e->first = e->n = 0;
		err = genl_receive(&e->genl, take_event, e);
		if (err)
			return err;
	}
	*out = e->ahead[e->first++];
	return 0;
}
