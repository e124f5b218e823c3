// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/known_nodes.h"

#include <errno.h>
#include <stdlib.h>

#include "base/units.h"

void known_nodes_init(struct known_nodes *k)
{
	*k = (struct known_nodes){ 0 };
}

void known_nodes_fini(struct known_nodes *k)
{
	free(k->nodes);
}

static int cmp_known(const void *addr, const void *known)
{
	const struct known_node *k = known;

	return addr_cmp(addr, &k->node.addr);
}

uint32_t known_nodes_mark(const struct known_node *nodes, unsigned count,
			  const struct addr *a)
{
	const struct known_node *found =
		count ? bsearch(a, nodes, count, sizeof(*nodes), cmp_known)
		      : NULL;

	return found && found->node.number < RULES_NODES_MAX
		       ? RULES_MARK + found->node.number
		       : 0;
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
	struct rules_node *add, *remove;
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
		c->remove[c->n_remove++] = kept.node;
	else
		c->nodes[c->n_nodes++] = kept;
}

/* Which list has the lower address at its head: < 0 known, > 0 serving. */
static int cmp_heads(const struct known_nodes *k, unsigned i,
		     const struct addr *serving, unsigned n_left)
{
	if (i == k->count)
		return 1;
	return n_left ? addr_cmp(&k->nodes[i].node.addr, serving) : -1;
}

/* Numbers that nobody of those known has, ascending. */
struct numbers {
	uint8_t taken[RULES_NODES_MAX / 8 + 1];
	unsigned next;
};

static struct numbers *numbers_new(const struct known_nodes *k)
{
	struct numbers *n = calloc(1, sizeof(*n));

	for (unsigned i = 0; n && i < k->count; i++) {
		unsigned number = k->nodes[i].node.number;

		n->taken[number / 8] |= (uint8_t)(1u << number % 8);
	}
	return n;
}

/* RULES_NODES_MAX: there is none left. */
static uint16_t numbers_take(struct numbers *n)
{
	while (n->next < RULES_NODES_MAX &&
	       n->taken[n->next / 8] & 1u << n->next % 8)
		n->next++;
	return (uint16_t)(n->next < RULES_NODES_MAX ? n->next++ : n->next);
}

/* Both lists ascend: one walk along them. */
static void merge(struct change *c, const struct known_nodes *k,
		  const struct addr *serving, unsigned n_serving,
		  struct numbers *numbers, uint64_t now_ns)
{
	unsigned i = 0, j = 0;

	while (i < k->count || j < n_serving) {
		struct known_node known = { .left_ns = TIME_NEVER };
		int order = cmp_heads(k, i, serving + j, n_serving - j);

		if (order < 0) {
			keep_or_forget(c, &k->nodes[i++], now_ns);
			continue;
		}
		if (order > 0) {
			known.node =
				(struct rules_node){ serving[j],
						     numbers_take(numbers) };
			c->add[c->n_add++] = known.node;
		} else {
			known.node = k->nodes[i++].node;
		}
		c->nodes[c->n_nodes++] = known;
		j++;
	}
}

static int write_all(const struct change *c)
{
	struct rules_node *all = calloc(c->n_nodes + 1, sizeof(*all));
	struct rules_nodes n = { .add = all,
				 .n_add = c->n_nodes,
				 .replace = true };
	int err;

	if (!all)
		return -ENOMEM;
	for (unsigned i = 0; i < c->n_nodes; i++)
		all[i] = c->nodes[i].node;
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
	struct numbers *numbers = numbers_new(k);
	struct change c;
	int err = change_init(&c, k->count + n_serving + 1);

	if (!numbers)
		err = -ENOMEM;
	if (err)
		goto out;
	merge(&c, k, serving, n_serving, numbers, now_ns);
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
	free(numbers);
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
