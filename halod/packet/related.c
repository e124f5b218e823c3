/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet/related.h"

#include "packet/icmp.h"

static struct flow *find(const struct engine *e, const struct parsed *quote,
			 const struct addr *client, uint16_t client_port,
			 uint16_t door_port)
{
	struct flow_key key = { .client = *client,
				.protocol = quote->protocol,
				.client_port = client_port,
				.door_port = door_port };
	struct flow *f = flow_find(e->flows, &key);

	return f && !context_is_stale(e, f) ? f : NULL;
}

static enum verdict unrelated(struct engine *e)
{
	return context_verdict(e, REASON_ICMP_UNRELATED, VERDICT_ACCEPT);
}

enum verdict related_from_client(struct engine *e, struct packet *p,
				 const struct parsed *error)
{
	const struct addr *vip = &e->conf.vip[error->family];
	struct parsed quote;
	struct flow *f;

	if (!addr_equal(&error->dst, vip) ||
	    icmp_quote(p->data, error, &quote) || !addr_equal(&quote.src, vip))
		return unrelated(e);
	f = find(e, &quote, &quote.dst, quote.dst_port, quote.src_port);
	if (!f)
		return unrelated(e);
	icmp_to_node(p->data, error, &quote, &f->node);
	return context_verdict(e, REASON_ICMP_TO_NODE, VERDICT_REWRITE);
}

enum verdict related_from_node(struct engine *e, struct packet *p,
			       const struct parsed *error)
{
	const struct addr *vip = &e->conf.vip[error->family];
	struct parsed quote;
	struct flow *f;

	if (icmp_quote(p->data, error, &quote) ||
	    !addr_equal(&error->dst, &quote.src))
		return unrelated(e);
	f = find(e, &quote, &quote.src, quote.src_port, quote.dst_port);
	if (!f || !addr_equal(&quote.dst, &f->node))
		return unrelated(e);
	icmp_to_client(p->data, error, &quote, vip);
	return context_verdict(e, REASON_ICMP_TO_CLIENT, VERDICT_REWRITE);
}
