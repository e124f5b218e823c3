// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <sys/prctl.h>

#include "base/units.h"

int privileges_reduce(const struct privileges *wants)
{
	const struct {
		unsigned capability;
		bool wanted;
	} rights[] = {
		{ CAP_NET_ADMIN, true }, /* netlink, marks of sockets */
		{ CAP_NET_RAW, true },	 /* raw sockets */
		{ CAP_BPF, true },	 /* ct_seq */
		{ CAP_PERFMON, true },	 /* ct_seq: its program reads memory */
		{ CAP_SYS_NICE, wants->realtime },
		{ CAP_IPC_LOCK, wants->realtime },
		{ CAP_NET_BIND_SERVICE, wants->low_port },
	};
	bool keep[ARRAY_SIZE(rights)], bounds;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	if (capng_get_caps_process())
		return -EIO;
	for (unsigned i = 0; i < ARRAY_SIZE(rights); i++)
		keep[i] = rights[i].wanted &&
			  capng_have_capability(CAPNG_PERMITTED,
						rights[i].capability);
	bounds = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_clear(CAPNG_SELECT_BOTH);
	for (unsigned i = 0; i < ARRAY_SIZE(rights); i++)
		if (keep[i])
			capng_update(CAPNG_ADD,
				     CAPNG_EFFECTIVE | CAPNG_PERMITTED,
				     rights[i].capability);
	return capng_apply(bounds ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS)
		       ? -EPERM
		       : 0;
}
