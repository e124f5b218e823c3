/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What only a module built for tests has (make … HALO_TEST=1): a check of the
 * table against a naive one at load, and allocations that fail when told to.
 */
#ifndef HALO_SELFTEST_H
#define HALO_SELFTEST_H

#include <linux/types.h>

#ifdef HALO_TEST
int halo_selftest(void);
/* True for the allocation that the parameter fail_at names, counted from when
 * it was set.
 */
bool halo_test_fails(void);
#else
static inline int halo_selftest(void)
{
	return 0;
}

static inline bool halo_test_fails(void)
{
	return false;
}
#endif

#endif
