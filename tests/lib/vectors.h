/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads tests/vectors/assign.txt, the published cases of the slot table (its
 * head explains the lines). Not a parser for anything from outside.
 */
#ifndef HALO_TESTS_LIB_VECTORS_H
#define HALO_TESTS_LIB_VECTORS_H

#include <stdint.h>

#define SHA256_HEX (64 + 1)

/* Calls fn with each line that begins with kind; returns how many did. Fails
 * the test when the file cannot be read. */
unsigned vectors_each(char kind, void (*fn)(char *line));

/* SHA-256 over ids as big-endian 16-bit numbers; returns hex. */
const char *vectors_sha256(const uint16_t *ids, unsigned count,
			   char hex[SHA256_HEX]);

#endif
