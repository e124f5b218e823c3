// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/plane_nft_flows.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST 256

int plane_nft_flows_add(struct plane_nft_flows *f,
			const struct conntrack_entry *e)
{
	if (f->count == f->room) {
		size_t room = f->room ? 2 * f->room : FIRST;
		struct conntrack_entry *grown =
			realloc(f->entries, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		f->entries = grown;
		f->room = room;
	}
	f->entries[f->count++] = *e;
	return 0;
}

void plane_nft_flows_clear(struct plane_nft_flows *f)
{
	free(f->entries);
	*f = (struct plane_nft_flows){ 0 };
}
