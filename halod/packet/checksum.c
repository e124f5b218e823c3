/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet/checksum.h"

#include <endian.h>
#include <string.h>

/* The sum is the same in either byte order but for one final swap (RFC 1071,
 * section 2B), so that it can be taken over native 32-bit words. */
uint64_t checksum_sum(const uint8_t *data, size_t len)
{
	uint64_t sum = 0;
	uint32_t word;

	for (; len >= sizeof(word); data += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		sum += word;
	}
	word = 0;
	if (len)
		memcpy(&word, data, len);
	return be16toh(checksum_fold(sum + word));
}

uint16_t checksum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint16_t checksum_delta_of_sums(uint64_t old, uint64_t new)
{
	return checksum_fold((uint16_t)~checksum_fold(old) + new);
}

uint16_t checksum_delta(const uint8_t *old, const uint8_t *new, size_t len)
{
	return checksum_delta_of_sums(checksum_sum(old, len),
				      checksum_sum(new, len));
}

uint16_t checksum_adjust(uint16_t check, uint16_t delta)
{
	return (uint16_t)~checksum_fold((uint64_t)(uint16_t)~check + delta);
}
