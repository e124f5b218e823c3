/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A checksum against damage on the way. Not against forgery: who can write the
 * bytes can write their digest.
 */
#ifndef HALO_IO_DIGEST_H
#define HALO_IO_DIGEST_H

#include <stddef.h>

#define DIGEST_TEXT_MAX 72

/* "sha256:" and 64 hexadecimal digits. 0 or -EIO. */
int digest_text(const void *data, size_t len, char out[DIGEST_TEXT_MAX]);

#endif
