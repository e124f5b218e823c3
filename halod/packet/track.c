/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet/track.h"

#include <string.h>

/* Sequence numbers wrap (RFC 9293, section 3.4). */
static bool is_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static void raise_to(uint32_t *highest, bool *known, uint32_t value)
{
	if (*known && !is_before(*highest, value))
		return;
	*highest = value;
	*known = true;
}

static void observe(struct flow_sent *sent, const struct parsed *p)
{
	raise_to(&sent->end, &sent->has_end, p->seq + parsed_seq_len(p));
	if (p->flags & TCP_ACK)
		raise_to(&sent->ack, &sent->has_ack, p->ack);
}

void track_open(struct flow *f, const struct parsed *syn)
{
	memset(f->sent, 0, sizeof(f->sent));
	f->was_reset = false;
	/* Data on a SYN (RFC 7413) may be refused: not counted. */
	f->sent[FLOW_CLIENT].end = syn->seq + 1;
	f->sent[FLOW_CLIENT].has_end = true;
}

static enum flow_state client_syn(struct flow *f, const struct parsed *p)
{
	if (f->state == FLOW_SYN_SENT)
		track_open(f, p);
	return f->state;
}

static enum flow_state node_syn(struct flow *f, const struct parsed *p)
{
	const struct flow_sent *client = &f->sent[FLOW_CLIENT];

	if (f->state != FLOW_SYN_SENT || !(p->flags & TCP_ACK) ||
	    (client->has_end && is_before(p->ack, client->end)))
		return f->state;
	observe(&f->sent[FLOW_NODE], p);
	return FLOW_SYN_RECEIVED;
}

/* Only a reset that its receiver would obey closes the flow (RFC 5961, section
 * 3.2): a forged one must not shorten its life. */
static bool reset_is_exact(const struct flow *f, enum flow_end from,
			   const struct parsed *p)
{
	const struct flow_sent *own = &f->sent[from], *peer = &f->sent[!from];

	if (f->state == FLOW_SYN_SENT && from == FLOW_NODE)
		return p->flags & TCP_ACK && p->ack == peer->end;
	if (!own->has_end && !peer->has_ack)
		return true;
	return (own->has_end && p->seq == own->end) ||
	       (peer->has_ack && p->seq == peer->ack);
}

bool track_refuses(const struct flow *f, const struct parsed *p)
{
	return f->state == FLOW_SYN_SENT && p->flags & TCP_RST &&
	       reset_is_exact(f, FLOW_NODE, p);
}

static enum flow_state reset(struct flow *f, enum flow_end from,
			     const struct parsed *p)
{
	if (!reset_is_exact(f, from, p))
		return f->state;
	f->was_reset = true;
	return FLOW_CLOSING;
}

/* Whoever knows the node's sequence number has received its SYN/ACK. */
static bool completes_handshake(const struct flow *f, const struct parsed *p)
{
	const struct flow_sent *node = &f->sent[FLOW_NODE];

	return p->flags & TCP_ACK && node->has_end && p->ack == node->end;
}

enum flow_state track_segment(struct flow *f, enum flow_end from,
			      const struct parsed *p)
{
	enum flow_state state = f->state;

	if (p->flags & TCP_RST)
		return reset(f, from, p);
	if (p->flags & TCP_SYN)
		return from == FLOW_CLIENT ? client_syn(f, p) : node_syn(f, p);
	/* A challenge ACK: of an older connection of the same ports. */
	if (state == FLOW_SYN_SENT)
		return state;
	if (state == FLOW_SYN_RECEIVED && from == FLOW_CLIENT) {
		if (!completes_handshake(f, p))
			return state;
		state = FLOW_ESTABLISHED;
	}
	if (state == FLOW_RELEARNED && from == FLOW_NODE)
		state = FLOW_ESTABLISHED;
	observe(&f->sent[from], p);
	return p->flags & TCP_FIN ? FLOW_CLOSING : state;
}

unsigned track_expected(const struct flow *f, enum flow_end receiver,
			uint32_t seq[2])
{
	const struct flow_sent *peer = &f->sent[!receiver];
	const struct flow_sent *own = &f->sent[receiver];
	unsigned n = 0;

	if (peer->has_end)
		seq[n++] = peer->end;
	if (own->has_ack && (!n || seq[0] != own->ack))
		seq[n++] = own->ack;
	return n;
}
