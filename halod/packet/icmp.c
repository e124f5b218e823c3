/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet/icmp.h"

#include <netinet/in.h>

#include "base/buf.h"
#include "packet/checksum.h"
#include "packet/rewrite.h"

#define ICMP_HEADER	8
#define ICMP_TTL	64
#define V4_HEADER	20
#define V4_CHECK_AT	10
#define V6_HEADER	40
#define V4_QUOTE_MAX	(576 - V4_HEADER - ICMP_HEADER) /* RFC 1812, 4.3.2.3 */
#define V6_QUOTE_MAX	(ICMP_UNREACHABLE_MAX - V6_HEADER - ICMP_HEADER)
#define V4_PORT_UNREACH 0x0303 /* type, code */
#define V6_PORT_UNREACH 0x0104

enum {
	V4_UNREACHABLE = 3,
	V4_TIME_EXCEEDED = 11,
	V4_PARAMETER = 12,
	V6_UNREACHABLE = 1,
	V6_PARAMETER = 4,
};

bool icmp_is_error(const struct parsed *p)
{
	if (p->family == FAMILY_V4)
		return p->protocol == IPPROTO_ICMP &&
		       (p->type == V4_UNREACHABLE ||
			p->type == V4_TIME_EXCEEDED || p->type == V4_PARAMETER);
	return p->protocol == IPPROTO_ICMPV6 && p->type >= V6_UNREACHABLE &&
	       p->type <= V6_PARAMETER;
}

enum parse_error icmp_quote(const uint8_t *data, const struct parsed *error,
			    struct parsed *quote)
{
	struct parsed found;
	enum parse_error err = parse_quoted(
		data, error->end, error->transport + ICMP_HEADER, &found);

	if (err)
		return err;
	if (found.family != error->family)
		return PARSE_BAD_HEADER;
	*quote = found;
	return PARSE_OK;
}

/* Everything that changes in a quote lies in its headers up to the transport
 * checksum, or up to the ports when the quote ends there: an even length. */
static size_t quote_headers(const struct parsed *quote)
{
	size_t end = quote->check ? quote->check + 2 : quote->transport;

	return end - quote->ip;
}

/* What the change of the quote adds to the checksum that covers it. */
static uint16_t translate_quote(uint8_t *data, const struct parsed *quote,
				enum rewrite_side side, const struct addr *to)
{
	size_t len = quote_headers(quote);
	uint64_t before = checksum_sum(data + quote->ip, len);
	uint16_t delta = rewrite_address(data, quote, side, to);

	rewrite_adjust(data, quote, delta);
	return checksum_delta_of_sums(before,
				      checksum_sum(data + quote->ip, len));
}

static void translate(uint8_t *data, const struct parsed *error,
		      enum rewrite_side side, const struct parsed *quote,
		      enum rewrite_side quote_side, const struct addr *to)
{
	uint64_t delta = translate_quote(data, quote, quote_side, to);
	uint16_t outer = rewrite_address(data, error, side, to);
	uint8_t *check = data + error->check;

	if (error->family == FAMILY_V6) /* ICMPv4 has no pseudo header */
		delta += outer;
	checksum_put(check, checksum_adjust(checksum_get(check),
					    checksum_fold(delta)));
}

void icmp_to_node(uint8_t *data, const struct parsed *error,
		  const struct parsed *quote, const struct addr *node)
{
	translate(data, error, REWRITE_DST, quote, REWRITE_SRC, node);
}

void icmp_to_client(uint8_t *data, const struct parsed *error,
		    const struct parsed *quote, const struct addr *vip)
{
	translate(data, error, REWRITE_SRC, quote, REWRITE_DST, vip);
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void put_icmp(struct buf *b, uint16_t type_code, const uint8_t *quote,
		     size_t len)
{
	buf_put_be16(b, type_code);
	buf_put_be16(b, 0);
	buf_put_be32(b, 0);
	buf_put(b, quote, len);
}

static size_t build_v4(const uint8_t *data, const struct parsed *p,
		       struct buf *b)
{
	size_t quoted = smaller(p->end, V4_QUOTE_MAX);
	uint8_t *icmp = b->data + V4_HEADER;

	buf_put_be16(b, 0x45c0); /* internetwork control, RFC 1812, 4.3.2.5 */
	buf_put_be16(b, (uint16_t)(V4_HEADER + ICMP_HEADER + quoted));
	buf_put_be32(b, 0);
	buf_put_u8(b, ICMP_TTL);
	buf_put_u8(b, IPPROTO_ICMP);
	buf_put_be16(b, 0);
	buf_put(b, p->dst.bytes, 4);
	buf_put(b, p->src.bytes, 4);
	put_icmp(b, V4_PORT_UNREACH, data, quoted);
	checksum_put(b->data + V4_CHECK_AT,
		     ~checksum_fold(checksum_sum(b->data, V4_HEADER)));
	checksum_put(icmp + 2,
		     ~checksum_fold(checksum_sum(icmp, ICMP_HEADER + quoted)));
	return b->pos;
}

static size_t build_v6(const uint8_t *data, const struct parsed *p,
		       struct buf *b)
{
	size_t quoted = smaller(p->end, V6_QUOTE_MAX);
	struct parsed made;

	buf_put_be32(b, 0x60000000);
	buf_put_be16(b, (uint16_t)(ICMP_HEADER + quoted));
	buf_put_u8(b, IPPROTO_ICMPV6);
	buf_put_u8(b, ICMP_TTL);
	buf_put(b, p->dst.bytes, 16);
	buf_put(b, p->src.bytes, 16);
	put_icmp(b, V6_PORT_UNREACH, data, quoted);
	if (parse_packet(b->data, b->pos, &made) == PARSE_OK)
		rewrite_complete(b->data, &made);
	return b->pos;
}

size_t icmp_build_unreachable(const uint8_t *data, const struct parsed *p,
			      uint8_t out[ICMP_UNREACHABLE_MAX])
{
	struct buf b = buf_over(out, ICMP_UNREACHABLE_MAX);

	return p->family == FAMILY_V4 ? build_v4(data, p, &b)
				      : build_v6(data, p, &b);
}
