// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/plane.h"

#include <string.h>

#include "base/units.h"

static const struct {
	const char *name;
	const struct plane_ops *ops;
} planes[] = {
	{ "auto", &plane_nfqueue },
	{ "nfqueue", &plane_nfqueue },
	{ "nft", &plane_nft },
	{ "null", &plane_null },
};

const struct plane_ops *plane_by_name(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(planes); i++)
		if (!strcmp(planes[i].name, name))
			return planes[i].ops;
	return NULL;
}
