// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/plane_nft_tell.h"

#include "packet/reset.h"

/* Makes the receiver answer with the sequence number it expects: a SYN/ACK is
 * challenged by whoever has the connection (RFC 5961, section 4), and the
 * answer, of no flow any more, earns it a reset that it must accept. */
static void challenge(struct rawsock *raw, const struct endpoint *from,
		      const struct endpoint *to, uint32_t seq)
{
	struct reset r = { .src = *from,
			   .dst = *to,
			   .seq = seq,
			   .ack = ~seq,
			   .flags = TCP_SYN | TCP_ACK };
	uint8_t out[RESET_LEN_MAX];

	rawsock_send(raw, out, reset_build(&r, out));
}

/* One that the receiver accepts at once, if seq is what it expects. */
static void reset(struct rawsock *raw, const struct endpoint *from,
		  const struct endpoint *to, uint32_t seq)
{
	struct reset r = {
		.src = *from, .dst = *to, .seq = seq, .flags = TCP_RST
	};
	uint8_t out[RESET_LEN_MAX];

	rawsock_send(raw, out, reset_build(&r, out));
}

void plane_nft_tell_ask(struct rawsock *raw, const struct conntrack_entry *c,
			bool forced)
{
	challenge(raw, &c->door, &c->client, c->id);
	if (!forced)
		challenge(raw, &c->peer, &c->node, c->id);
}

/* A node that lives may have sent more between the look and the end, and so may
 * its client: then a reset comes too low, and the challenge makes up for it. */
void plane_nft_tell(struct rawsock *raw, const struct conntrack_entry *c,
		    const struct ct_seq_item *numbers, bool forced)
{
	if (numbers->found) {
		reset(raw, &c->door, &c->client, numbers->to_client);
		if (forced)
			return;
		reset(raw, &c->peer, &c->node, numbers->to_node);
	}
	plane_nft_tell_ask(raw, c, forced);
}
