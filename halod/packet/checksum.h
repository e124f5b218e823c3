/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Internet checksum: incremental changes for forwarded packets, which keep
 * a corrupted checksum exactly as wrong as it was, and full sums for packets
 * that HaloD crafts itself. Never recomputes what merely passes through.
 */
#ifndef HALO_PACKET_CHECKSUM_H
#define HALO_PACKET_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* The one's complement sum of big-endian words (RFC 1071), to be folded; an odd
 * last byte is padded with zero. Sums of even-length pieces may be added. */
uint64_t checksum_sum(const uint8_t *data, size_t len);
uint16_t checksum_fold(uint64_t sum);

/* What replacing old by new adds to a sum: fold(~old + new). */
uint16_t checksum_delta(const uint8_t *old, const uint8_t *new, size_t len);
uint16_t checksum_delta_of_sums(uint64_t old, uint64_t new);

/* RFC 1624 eqn 3; eqn 2 yields 0xffff where 0 is right. */
uint16_t checksum_adjust(uint16_t check, uint16_t delta);

/* A stored checksum: two bytes at *at, which the caller has bounds-checked. */
static inline uint16_t checksum_get(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void checksum_put(uint8_t *at, uint16_t check)
{
	at[0] = (uint8_t)(check >> 8);
	at[1] = (uint8_t)check;
}

#endif
