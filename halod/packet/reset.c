/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet/reset.h"

#include <netinet/in.h>

#include "base/buf.h"
#include "packet/checksum.h"
#include "packet/rewrite.h"

#define TCP_HEADER    20
#define DONT_FRAGMENT 0x4000
#define V4_CHECK_AT   10
#define V4_HEADER     20

static void put_v4(struct buf *b, const struct reset *r)
{
	uint8_t *header = b->data;

	buf_put_be16(b, 0x4500);
	buf_put_be16(b, V4_HEADER + TCP_HEADER);
	buf_put_be16(b, 0);
	buf_put_be16(b, DONT_FRAGMENT);
	buf_put_u8(b, RESET_TTL);
	buf_put_u8(b, IPPROTO_TCP);
	buf_put_be16(b, 0);
	buf_put(b, r->src.addr.bytes, 4);
	buf_put(b, r->dst.addr.bytes, 4);
	checksum_put(header + V4_CHECK_AT,
		     ~checksum_fold(checksum_sum(header, V4_HEADER)));
}

static void put_v6(struct buf *b, const struct reset *r)
{
	buf_put_be32(b, 0x60000000);
	buf_put_be16(b, TCP_HEADER);
	buf_put_u8(b, IPPROTO_TCP);
	buf_put_u8(b, RESET_TTL);
	buf_put(b, r->src.addr.bytes, 16);
	buf_put(b, r->dst.addr.bytes, 16);
}

static void put_tcp(struct buf *b, const struct reset *r)
{
	buf_put_be16(b, r->src.port);
	buf_put_be16(b, r->dst.port);
	buf_put_be32(b, r->seq);
	buf_put_be32(b, r->ack);
	buf_put_u8(b, TCP_HEADER / 4 << 4);
	buf_put_u8(b, r->flags);
	buf_put_be32(b, 0); /* window, checksum */
	buf_put_be16(b, 0);
}

size_t reset_build(const struct reset *r, uint8_t out[RESET_LEN_MAX])
{
	struct buf b = buf_over(out, RESET_LEN_MAX);
	struct parsed p;

	if (r->dst.addr.af == AF_INET)
		put_v4(&b, r);
	else
		put_v6(&b, r);
	put_tcp(&b, r);
	if (parse_packet(out, b.pos, &p) == PARSE_OK)
		rewrite_complete(out, &p);
	return b.pos;
}

bool reset_answer(const struct parsed *p, struct reset *out)
{
	if (p->flags & TCP_RST)
		return false;
	*out = (struct reset){
		.src = { p->dst, p->dst_port },
		.dst = { p->src, p->src_port },
		.flags = TCP_RST,
	};
	if (p->flags & TCP_ACK) {
		out->seq = p->ack;
	} else {
		out->ack = p->seq + parsed_seq_len(p);
		out->flags |= TCP_ACK;
	}
	return true;
}
