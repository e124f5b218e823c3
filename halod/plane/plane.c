// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/plane.h"

#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "io/kmod.h"
#include "io/nft_probe.h"

static const struct {
	const char *name;
	const struct plane_ops *ops;
} planes[] = {
	{ "nfqueue", &plane_nfqueue },
	{ "nft", &plane_nft },
	{ "kmod", &plane_kmod },
	{ "null", &plane_null },
};

const struct plane_ops *plane_by_name(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(planes); i++)
		if (!strcmp(planes[i].name, name))
			return planes[i].ops;
	return NULL;
}

static bool has_module(void)
{
	char err[160];
	struct kmod *k;

	if (kmod_open(&k, err, sizeof(err)))
		return false;
	kmod_close(k);
	return true;
}

const struct plane_ops *plane_choose(const char *name, bool nat, char *why,
				     unsigned why_size)
{
	char lacks[160];

	*why = '\0';
	if (strcmp(name, "auto"))
		return plane_by_name(name);
	if (!nat && has_module()) {
		snprintf(why, why_size, "auto: the module halo is loaded");
		return &plane_kmod;
	}
	if (!nft_probe_nat(lacks, sizeof(lacks))) {
		snprintf(why, why_size,
			 "auto: the kernel has NAT maps and conntrack");
		return &plane_nft;
	}
	snprintf(why, why_size, "auto: the plane nft cannot be used: %s",
		 lacks);
	return &plane_nfqueue;
}
