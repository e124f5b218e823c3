/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet/rewrite.h"

#include <netinet/in.h>
#include <string.h>

#include "packet/checksum.h"

#define V4_CHECK_AT 10

/* Offset and length of the address fields: source and destination adjoin. */
static size_t address_len(const struct parsed *p)
{
	return p->family == FAMILY_V4 ? 4 : 16;
}

static size_t source_at(const struct parsed *p)
{
	return p->ip + (p->family == FAMILY_V4 ? 12 : 8);
}

uint16_t rewrite_address(uint8_t *data, const struct parsed *p,
			 enum rewrite_side side, const struct addr *to)
{
	size_t len = address_len(p);
	uint8_t *at = data + source_at(p) + (side == REWRITE_DST ? len : 0);
	uint8_t *check = data + p->ip + V4_CHECK_AT;
	uint16_t delta = checksum_delta(at, to->bytes, len);

	memcpy(at, to->bytes, len);
	if (p->family == FAMILY_V4)
		checksum_put(check,
			     checksum_adjust(checksum_get(check), delta));
	return delta;
}

void rewrite_adjust(uint8_t *data, const struct parsed *p, uint16_t delta)
{
	uint8_t *at = data + p->check;
	bool udp = p->protocol == IPPROTO_UDP;
	uint16_t check;

	if (!p->check || (udp && !checksum_get(at)))
		return;
	check = checksum_adjust(checksum_get(at), delta);
	checksum_put(at, udp && !check ? 0xffff : check);
}

void rewrite_complete(uint8_t *data, const struct parsed *p)
{
	size_t len = p->end - p->transport;
	uint64_t sum = checksum_sum(data + source_at(p), 2 * address_len(p));
	uint16_t check;

	checksum_put(data + p->check, 0);
	sum += p->protocol + len;
	sum += checksum_sum(data + p->transport, len);
	check = (uint16_t)~checksum_fold(sum);
	if (p->protocol == IPPROTO_UDP && !check)
		check = 0xffff;
	checksum_put(data + p->check, check);
}

static void adjust_pseudo(uint8_t *at, uint16_t delta)
{
	checksum_put(at, checksum_fold((uint64_t)checksum_get(at) + delta));
}

void rewrite_packet(uint8_t *data, const struct parsed *p,
		    enum rewrite_side side, const struct addr *to,
		    enum rewrite_check check)
{
	uint16_t delta = rewrite_address(data, p, side, to);

	switch (check) {
	case CHECK_COMPLETE:
		rewrite_adjust(data, p, delta);
		break;
	case CHECK_PSEUDO:
		adjust_pseudo(data + p->check, delta);
		break;
	case CHECK_MISSING:
		rewrite_complete(data, p);
		break;
	}
}
