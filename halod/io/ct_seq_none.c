// SPDX-License-Identifier: GPL-2.0-or-later
/* Stands in for ct_seq.c where there is no libbpf or no clang to build it. */
#include "io/ct_seq.h"

#include <errno.h>
#include <stdio.h>

int ct_seq_open(struct ct_seq **out, char *why, unsigned why_size)
{
	snprintf(why, why_size, "built without libbpf");
	return -EOPNOTSUPP;
}

void ct_seq_close(struct ct_seq *s)
{
}

int ct_seq_read(struct ct_seq *s, struct ct_seq_item *items, unsigned count)
{
	return -EOPNOTSUPP;
}
