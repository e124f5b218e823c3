/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kernels from 6.1 on call differently. Nothing else asks for the version.
 */
#ifndef HALO_COMPAT_H
#define HALO_COMPAT_H

#include <linux/version.h>
#include <net/genetlink.h>

static inline struct nlattr **halo_dump_attrs(struct netlink_callback *cb)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
	return genl_dumpit_info(cb)->attrs;
#else
	return genl_dumpit_info(cb)->info.attrs;
#endif
}

#endif
