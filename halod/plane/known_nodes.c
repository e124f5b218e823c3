// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/known_nodes.h"

#include <errno.h>
#include <stdlib.h>

#include "base/units.h"
#include "io/rules.h"

void known_nodes_init(struct known_nodes *k)
{
	*k = (struct known_nodes){ 0 };
}

void known_nodes_fini(struct known_nodes *k)
{
	free(k->nodes);
}

static int cmp_addr(const void *a, const void *b)
{
	return addr_cmp(a, b);
}

/* Ascending, none twice; out has room for all of the table's. */
static unsigned list_serving(const struct table *t, struct addr *out)
{
	unsigned n = 0, unique = 0;

	for (unsigned s = 1; s <= t->seats; s++)
		for (unsigned f = 0; f < FAMILIES; f++)
			if (t->seat[s].tag && addr_is_set(&t->seat[s].addr[f]))
				out[n++] = t->seat[s].addr[f];
	qsort(out, n, sizeof(*out), cmp_addr);
	for (unsigned i = 0; i < n; i++)
		if (!unique || addr_cmp(&out[unique - 1], &out[i]))
			out[unique++] = out[i];
	return unique;
}

/* A step from what is known to what shall be. Arrays have room for both. */
struct change {
	struct known_node *nodes;
	struct addr *add, *remove;
	unsigned n_nodes, n_add, n_remove;
};

static int change_init(struct change *c, size_t room)
{
	*c = (struct change){
		.nodes = calloc(room, sizeof(*c->nodes)),
		.add = calloc(room, sizeof(*c->add)),
		.remove = calloc(room, sizeof(*c->remove)),
	};
	return c->nodes && c->add && c->remove ? 0 : -ENOMEM;
}

static void change_fini(struct change *c)
{
	free(c->nodes);
	free(c->add);
	free(c->remove);
}

static void keep_or_forget(struct change *c, const struct known_node *k,
			   uint64_t now_ns)
{
	struct known_node kept = *k;

	if (kept.left_ns == TIME_NEVER)
		kept.left_ns = now_ns;
	if (now_ns - kept.left_ns > KNOWN_NODES_KEEP_NS)
		c->remove[c->n_remove++] = kept.addr;
	else
		c->nodes[c->n_nodes++] = kept;
}

/* Which list has the lower address at its head: < 0 known, > 0 serving. */
static int cmp_heads(const struct known_nodes *k, unsigned i,
		     const struct addr *serving, unsigned n_left)
{
	if (i == k->count)
		return 1;
	return n_left ? addr_cmp(&k->nodes[i].addr, serving) : -1;
}

/* Both lists ascend: one walk along them. */
static void merge(struct change *c, const struct known_nodes *k,
		  const struct addr *serving, unsigned n_serving,
		  uint64_t now_ns)
{
	unsigned i = 0, j = 0;

	while (i < k->count || j < n_serving) {
		int order = cmp_heads(k, i, serving + j, n_serving - j);

		if (order < 0) {
			keep_or_forget(c, &k->nodes[i++], now_ns);
			continue;
		}
		if (order > 0)
			c->add[c->n_add++] = serving[j];
		else
			i++;
		c->nodes[c->n_nodes++] =
			(struct known_node){ serving[j++], TIME_NEVER };
	}
}

static int write_all(const struct change *c)
{
	struct addr *all = calloc(c->n_nodes + 1, sizeof(*all));
	struct rules_nodes n = { .add = all,
				 .n_add = c->n_nodes,
				 .replace = true };
	int err;

	if (!all)
		return -ENOMEM;
	for (unsigned i = 0; i < c->n_nodes; i++)
		all[i] = c->nodes[i].addr;
	err = rules_change_nodes(&n);
	free(all);
	return err;
}

static int write_difference(const struct change *c)
{
	struct rules_nodes n = { .add = c->add,
				 .n_add = c->n_add,
				 .remove = c->remove,
				 .n_remove = c->n_remove };

	return c->n_add || c->n_remove ? rules_change_nodes(&n) : 0;
}

static int update_with(struct known_nodes *k, const struct table *t,
		       struct addr *serving, uint64_t now_ns)
{
	unsigned n_serving = list_serving(t, serving);
	struct change c;
	int err = change_init(&c, k->count + n_serving + 1);

	if (err)
		goto out;
	merge(&c, k, serving, n_serving, now_ns);
	err = k->written ? write_difference(&c) : write_all(&c);
	if (err)
		goto out;
	free(k->nodes);
	k->nodes = c.nodes;
	k->count = c.n_nodes;
	k->written = true;
	c.nodes = NULL;
out:
	change_fini(&c);
	return err;
}

int known_nodes_update(struct known_nodes *k, const struct table *t,
		       uint64_t now_ns)
{
	struct addr *serving =
		calloc((size_t)t->seats * FAMILIES + 1, sizeof(*serving));
	int err;

	if (!serving)
		return -ENOMEM;
	err = update_with(k, t, serving, now_ns);
	if (err)
		k->written = false; /* not sure any more: all of them next */
	free(serving);
	return err;
}

int known_nodes_rewrite(struct known_nodes *k)
{
	struct change all = { .nodes = k->nodes, .n_nodes = k->count };
	int err = write_all(&all);

	k->written = !err;
	return err;
}
