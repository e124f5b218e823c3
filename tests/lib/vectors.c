/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

unsigned vectors_each(char kind, void (*fn)(char *line))
{
	FILE *file = fopen("tests/vectors/assign.txt", "r");
	char *line = NULL;
	size_t size = 0;
	unsigned count = 0;

	if (!file)
		fail_msg("run from the top of the source tree");
	while (getline(&line, &size, file) > 0) {
		if (line[0] != kind)
			continue;
		line[strcspn(line, "\n")] = '\0';
		fn(line);
		count++;
	}
	free(line);
	fclose(file);
	return count;
}

const char *vectors_sha256(const uint16_t *ids, unsigned count,
			   char hex[SHA256_HEX])
{
	uint8_t *bytes = malloc(2 * (size_t)count + 1);
	uint8_t digest[32];

	assert_non_null(bytes);
	for (unsigned i = 0; i < count; i++) {
		bytes[2 * i] = (uint8_t)(ids[i] >> 8);
		bytes[2 * i + 1] = (uint8_t)ids[i];
	}
	assert_int_equal(0, gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes,
					     2 * (size_t)count, digest));
	for (unsigned i = 0; i < sizeof(digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	free(bytes);
	return hex;
}
