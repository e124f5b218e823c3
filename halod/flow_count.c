// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow_count.h"

#include <errno.h>
#include <stdlib.h>

static void add(struct flow_count *c, const struct flow_view *flows, int n)
{
	for (int i = 0; i < n; i++)
		if (flows[i].established) {
			c->routes[flows[i].route]++;
			c->total++;
		}
	c->more = n == FLOW_COUNT_MAX;
}

int flow_count_init(struct flow_count *out, const struct plane_ops *ops,
		    struct plane *plane, uint32_t tag)
{
	struct flow_view *flows = calloc(FLOW_COUNT_MAX, sizeof(*flows));
	struct flow_query query = { .tag = tag };
	struct flow_count c = { .routes = calloc(ROUTES_MAX + 1,
						 sizeof(*c.routes)) };
	int n = -ENOMEM;

	if (flows && c.routes)
		n = ops->flows(plane, &query, flows, FLOW_COUNT_MAX);
	if (n >= 0)
		add(&c, flows, n);
	free(flows);
	if (n < 0) {
		free(c.routes);
		return n;
	}
	*out = c;
	return 0;
}

void flow_count_fini(struct flow_count *c)
{
	free(c->routes);
}
