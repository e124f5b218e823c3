/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files that speak to halo.ko share. Not for anybody else.
 */
#ifndef HALO_IO_KMOD_PRIVATE_H
#define HALO_IO_KMOD_PRIVATE_H

#include <linux/genetlink.h>

#include "../kmod/uapi/halo.h"
#include "io/genl.h"
#include "io/kmod.h"

struct kmod {
	struct genl genl;
	char buf[GENL_REQUEST_MAX];
};

/* Of an attribute of 1, 2, 4 or 8 bytes; else 0. */
uint64_t kmod_number(const struct nlattr *a);
/* Of 4 or 16 bytes; else unset. */
struct addr kmod_address(const struct nlattr *a);
/* Cut to size, with a 0 behind. */
void kmod_text(const struct nlattr *a, char *out, size_t size);

#endif
