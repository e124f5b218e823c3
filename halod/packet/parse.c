/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet/parse.h"

#include <netinet/in.h>

#include "base/buf.h"

#define V4_HEADER_MIN	 20
#define V4_FRAGMENT_MASK 0x3fff /* more fragments, or an offset */
#define V4_OFFSET_MASK	 0x1fff
#define V6_HEADER	 40
#define V6_FRAGMENT_MASK 0xfff9
#define V6_OFFSET_MASK	 0xfff8
#define TCP_HEADER_MIN	 20
#define TCP_CHECK_AT	 16
#define UDP_HEADER	 8
#define UDP_CHECK_AT	 6
#define ICMP_HEADER	 8
#define ICMP_CHECK_AT	 2

/* What the IP headers say besides what struct parsed keeps. */
struct network {
	size_t total;	/* bytes the IP header claims, itself included */
	bool fragment;	/* there are other pieces */
	bool has_ports; /* not a later piece: the transport header is here */
};

static enum parse_error parse_v4(struct buf *b, struct parsed *p,
				 struct network *net)
{
	size_t header = (buf_get_u8(b) & 0x0f) * 4u;
	const uint8_t *src, *dst;
	uint16_t fragment;

	buf_take(b, 1);
	net->total = buf_get_be16(b);
	buf_take(b, 2);
	fragment = buf_get_be16(b);
	buf_take(b, 1);
	p->protocol = buf_get_u8(b);
	buf_take(b, 2);
	src = buf_take(b, 4);
	dst = buf_take(b, 4);
	if (!buf_ok(b))
		return PARSE_SHORT;
	if (header < V4_HEADER_MIN)
		return PARSE_BAD_HEADER;
	if (!buf_take(b, header - V4_HEADER_MIN))
		return PARSE_SHORT;
	if (net->total < header)
		return PARSE_BAD_LENGTH;

	p->family = FAMILY_V4;
	p->src = addr_v4(src);
	p->dst = addr_v4(dst);
	net->fragment = fragment & V4_FRAGMENT_MASK;
	net->has_ports = !(fragment & V4_OFFSET_MASK);
	return PARSE_OK;
}

/* Hop-by-hop, routing and destination options share one shape. A routing
 * header that is not done means that the destination is not the last one. */
static enum parse_error skip_options(struct buf *b, struct parsed *p,
				     bool routing)
{
	uint8_t next = buf_get_u8(b);
	size_t len = buf_get_u8(b) * 8u + 6;
	struct buf rest = buf_sub(b, len);

	if (!buf_ok(b))
		return PARSE_SHORT;
	buf_take(&rest, 1);
	if (routing && buf_get_u8(&rest))
		return PARSE_BAD_HEADER;
	p->protocol = next;
	return PARSE_OK;
}

static enum parse_error skip_fragment(struct buf *b, struct parsed *p,
				      struct network *net)
{
	uint8_t next = buf_get_u8(b);
	uint16_t fragment;

	buf_take(b, 1);
	fragment = buf_get_be16(b);
	buf_take(b, 4);
	if (!buf_ok(b))
		return PARSE_SHORT;
	p->protocol = next;
	net->fragment |= !!(fragment & V6_FRAGMENT_MASK);
	net->has_ports &= !(fragment & V6_OFFSET_MASK);
	return PARSE_OK;
}

static enum parse_error skip_extensions(struct buf *b, struct parsed *p,
					struct network *net)
{
	enum parse_error err = PARSE_OK;

	for (int i = 0; i < PARSE_EXTENSIONS_MAX && net->has_ports; i++) {
		switch (p->protocol) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_DSTOPTS:
			err = skip_options(b, p, false);
			break;
		case IPPROTO_ROUTING:
			err = skip_options(b, p, true);
			break;
		case IPPROTO_FRAGMENT:
			err = skip_fragment(b, p, net);
			break;
		default:
			return PARSE_OK;
		}
		if (err)
			return err;
	}
	return net->has_ports ? PARSE_BAD_HEADER : PARSE_OK;
}

static enum parse_error parse_v6(struct buf *b, struct parsed *p,
				 struct network *net)
{
	const uint8_t *src, *dst;

	buf_take(b, 4);
	net->total = V6_HEADER + buf_get_be16(b);
	p->protocol = buf_get_u8(b);
	buf_take(b, 1);
	src = buf_take(b, 16);
	dst = buf_take(b, 16);
	if (!buf_ok(b))
		return PARSE_SHORT;

	p->family = FAMILY_V6;
	p->src = addr_v6(src);
	p->dst = addr_v6(dst);
	net->has_ports = true;
	return skip_extensions(b, p, net);
}

static enum parse_error parse_network(struct buf *b, struct parsed *p,
				      struct network *net)
{
	enum parse_error err;

	p->ip = b->pos;
	if (!buf_left(b))
		return PARSE_SHORT;
	switch (b->data[b->pos] >> 4) {
	case 4:
		err = parse_v4(b, p, net);
		break;
	case 6:
		err = parse_v6(b, p, net);
		break;
	default:
		return PARSE_BAD_HEADER;
	}
	p->transport = b->pos;
	return err;
}

static enum parse_error parse_tcp(struct buf *b, struct parsed *p)
{
	size_t available = p->end - p->transport, header;

	p->src_port = buf_get_be16(b);
	p->dst_port = buf_get_be16(b);
	p->seq = buf_get_be32(b);
	p->ack = buf_get_be32(b);
	header = (buf_get_u8(b) >> 4) * 4u;
	p->flags = buf_get_u8(b);
	buf_take(b, 6);
	if (!buf_ok(b))
		return PARSE_SHORT;
	if (header < TCP_HEADER_MIN || header > available)
		return PARSE_BAD_HEADER;
	p->payload = (uint32_t)(available - header);
	p->check = p->transport + TCP_CHECK_AT;
	return PARSE_OK;
}

static enum parse_error parse_udp(struct buf *b, struct parsed *p)
{
	size_t available = p->end - p->transport, len;

	p->src_port = buf_get_be16(b);
	p->dst_port = buf_get_be16(b);
	len = buf_get_be16(b);
	buf_take(b, 2);
	if (!buf_ok(b))
		return PARSE_SHORT;
	if (len < UDP_HEADER || len > available)
		return PARSE_BAD_LENGTH;
	p->payload = (uint32_t)(len - UDP_HEADER);
	p->end = p->transport + len; /* what its checksum covers */
	p->check = p->transport + UDP_CHECK_AT;
	return PARSE_OK;
}

static enum parse_error parse_icmp(struct buf *b, struct parsed *p)
{
	p->type = buf_get_u8(b);
	if (!buf_take(b, ICMP_HEADER - 1))
		return PARSE_SHORT;
	p->check = p->transport + ICMP_CHECK_AT;
	return PARSE_OK;
}

static bool is_icmp(const struct parsed *p)
{
	return p->protocol ==
	       (p->family == FAMILY_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

enum parse_error parse_packet(const uint8_t *data, size_t len,
			      struct parsed *out)
{
	return parse_cut(data, len, len, out);
}

enum parse_error parse_cut(const uint8_t *data, size_t have, size_t len,
			   struct parsed *out)
{
	struct buf b = buf_reader(data, have);
	struct parsed p = { 0 };
	struct network net = { 0 };
	enum parse_error err = parse_network(&b, &p, &net);

	if (err)
		return err;
	if (net.total > len || net.total < b.pos)
		return PARSE_BAD_LENGTH;
	if (net.fragment)
		return PARSE_FRAGMENT;
	p.end = net.total;
	b.len = net.total < have ? net.total : have;
	if (p.protocol == IPPROTO_TCP)
		err = parse_tcp(&b, &p);
	else if (p.protocol == IPPROTO_UDP)
		err = parse_udp(&b, &p);
	else if (is_icmp(&p))
		err = parse_icmp(&b, &p);
	if (!err)
		*out = p;
	return err;
}

/* The offset of a quoted transport checksum, 0 when the quote ends before. */
static size_t quoted_check(const struct parsed *p)
{
	size_t at = p->transport +
		    (p->protocol == IPPROTO_TCP ? TCP_CHECK_AT : UDP_CHECK_AT);

	return at + 2 <= p->end ? at : 0;
}

enum parse_error parse_quoted(const uint8_t *data, size_t len, size_t at,
			      struct parsed *out)
{
	struct buf b = buf_reader(data, len);
	struct parsed p = { 0 };
	struct network net = { 0 };
	enum parse_error err;

	buf_take(&b, at);
	err = parse_network(&b, &p, &net);
	if (err)
		return err;
	if (!net.has_ports)
		return PARSE_FRAGMENT;
	/* Padding and RFC 4884 extensions may follow a short quote. */
	if (net.total < len - at)
		b.len = at + net.total;
	if (b.pos > b.len)
		return PARSE_BAD_LENGTH;
	p.end = b.len;
	if (p.protocol == IPPROTO_TCP || p.protocol == IPPROTO_UDP) {
		p.src_port = buf_get_be16(&b);
		p.dst_port = buf_get_be16(&b);
		p.check = quoted_check(&p);
	}
	if (!buf_ok(&b))
		return PARSE_SHORT;
	*out = p;
	return PARSE_OK;
}
