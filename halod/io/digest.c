// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/digest.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <stdint.h>
#include <stdio.h>

#define SHA256_LEN 32

int digest_text(const void *data, size_t len, char out[DIGEST_TEXT_MAX])
{
	uint8_t sum[SHA256_LEN];
	char *at = out;

	if (gnutls_hash_fast(GNUTLS_DIG_SHA256, data, len, sum))
		return -EIO;
	at += sprintf(at, "sha256:");
	for (unsigned i = 0; i < sizeof(sum); i++)
		at += sprintf(at, "%02x", sum[i]);
	return 0;
}
