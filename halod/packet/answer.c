/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet/answer.h"

#include <netinet/in.h>

#include "packet/icmp.h"
#include "packet/reset.h"
#include "packet/track.h"

static void send_reset(struct engine *e, const struct reset *r)
{
	uint8_t out[RESET_LEN_MAX];

	e->sink.send(e->sink.arg, out, reset_build(r, out));
}

void answer_segment(struct engine *e, const struct transit *t)
{
	struct reset r;

	if (t->at.protocol == IPPROTO_TCP && reset_answer(&t->at, &r))
		send_reset(e, &r);
}

static void send_unreachable(struct engine *e, const struct transit *t)
{
	uint8_t out[ICMP_UNREACHABLE_MAX];

	e->sink.send(e->sink.arg, out,
		     icmp_build_unreachable(t->packet->data, &t->at, out));
}

void answer_unserved(struct engine *e, const struct transit *t)
{
	if (t->at.protocol == IPPROTO_TCP)
		answer_segment(e, t);
	else
		send_unreachable(e, t);
}

static struct endpoint client_of(const struct flow *f)
{
	return (struct endpoint){ f->key.client, f->key.client_port };
}

static struct endpoint door_of(const struct engine *e, const struct flow *f)
{
	const struct addr *vips =
		f->service == SERVICE_GONE ? e->former_vip : e->conf.vip;

	return (struct endpoint){ vips[flow_family(f)], f->key.door_port };
}

void answer_reset(struct engine *e, const struct flow *f, enum flow_end end)
{
	struct reset r = { .flags = TCP_RST };
	uint32_t seq[2];
	unsigned n = track_expected(f, end, seq);

	if (end == FLOW_CLIENT) {
		r.src = door_of(e, f);
		r.dst = client_of(f);
	} else {
		r.src = client_of(f);
		r.dst = (struct endpoint){ f->node, f->key.door_port };
	}
	for (unsigned i = 0; i < n; i++) {
		r.seq = seq[i];
		send_reset(e, &r);
	}
	context_count(e, end == FLOW_CLIENT ? REASON_RESET_CLIENT
					    : REASON_RESET_NODE);
}

void answer_refuse(struct engine *e, const struct flow *f)
{
	struct reset r = {
		.src = door_of(e, f),
		.dst = client_of(f),
		.ack = f->sent[FLOW_CLIENT].end,
		.flags = TCP_RST | TCP_ACK,
	};

	send_reset(e, &r);
	context_count(e, REASON_RESET_CLIENT);
}
