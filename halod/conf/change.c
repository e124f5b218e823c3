// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/change.h"

#include <stdlib.h>
#include <string.h>

#include "conf/print.h"
#include "conf/rule.h"

#define NAME_MAX_LEN 80 /* "agents.node-networks" */

/* A leaf among the rules that has another value. was, is: as printed. */
struct change {
	const struct rule *rule;
	const char *name; /* with its group: "agents.listen" */
	const char *was, *is;
	const config_setting_t *at; /* it or what it would stand in; or NULL */
};

struct comparison {
	void (*found)(struct comparison *c, const struct change *change);
	const struct setting_source *src;
	void (*fn)(void *arg, const char *name);
	void *arg;
};

/* On the heap; NULL: no memory. */
static char *value_of(const struct rule *rule, const void *in)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	bool failed;

	if (!f)
		return NULL;
	print_value(f, rule, (const char *)in + rule->offset, 0);
	failed = ferror(f);
	if (fclose(f) || failed) {
		free(text);
		return NULL;
	}
	return text;
}

static const config_setting_t *member_of(const config_setting_t *group,
					 const char *name)
{
	const config_setting_t *s =
		group ? config_setting_get_member(group, name) : NULL;

	return s ? s : group;
}

/* Without memory to tell it counts as another value: nothing is missed. */
static void compare_leaf(struct comparison *c, struct change *change,
			 const void *from, const void *to)
{
	char *was = value_of(change->rule, from);
	char *is = value_of(change->rule, to);

	change->was = was ? was : "";
	change->is = is ? is : "";
	if (!was || !is || strcmp(was, is))
		c->found(c, change);
	free(was);
	free(is);
}

static void compare(struct comparison *c, const struct rule *rules,
		    const char *prefix, const config_setting_t *group,
		    const void *from, const void *to)
{
	for (const struct rule *r = rules; r->name; r++) {
		const config_setting_t *at = member_of(group, r->name);
		char name[NAME_MAX_LEN];
		struct change change = { .rule = r, .name = name, .at = at };

		snprintf(name, sizeof(name), "%s%s", prefix, r->name);
		if (r->kind == RULE_GROUP) {
			strcat(name, ".");
			compare(c, r->rules, name, at,
				(const char *)from + r->offset,
				(const char *)to + r->offset);
		} else {
			compare_leaf(c, &change, from, to);
		}
	}
}

static void refuse(struct comparison *c, const struct change *change)
{
	const config_setting_t *at = change->at;

	if (change->rule->live)
		return;
	diag_error(c->src->diags, at && at->file ? at->file : c->src->name,
		   at ? at->line : 0,
		   "%s: cannot go from %.60s to %.60s while halod runs, it is "
		   "read at start: restart halod",
		   change->name, change->was, change->is);
}

static bool hides_neighbours(const struct conf *c)
{
	for (unsigned i = 0; i < c->n_services; i++)
		if (c->services[i].snat)
			return true;
	return false;
}

/* Which neighbours are hidden is in the plane's rules, and written once. */
static void check_networks(const struct setting_source *src,
			   const config_setting_t *root,
			   const struct conf *from, const struct conf *to)
{
	const config_setting_t *at =
		member_of(member_of(root, "agents"), "node-networks");

	if ((!hides_neighbours(from) && !hides_neighbours(to)) ||
	    (from->agents.n_networks == to->agents.n_networks &&
	     !memcmp(from->agents.networks, to->agents.networks,
		     from->agents.n_networks * sizeof(struct prefix))))
		return;
	diag_error(src->diags, at && at->file ? at->file : src->name,
		   at ? at->line : 0,
		   "agents.node-networks: cannot change while halod runs and a "
		   "service has snat: restart halod");
}

void check_change(const struct setting_source *src,
		  const config_setting_t *root, const struct conf *from,
		  const struct conf *to)
{
	struct comparison c = { .found = refuse, .src = src };

	compare(&c, rule_root, "", root, from, to);
	check_networks(src, root, from, to);
}

static void name(struct comparison *c, const struct change *change)
{
	c->fn(c->arg, change->name);
}

void conf_changes(const struct conf *from, const struct conf *to,
		  void (*fn)(void *arg, const char *name), void *arg)
{
	struct comparison c = { .found = name, .fn = fn, .arg = arg };

	compare(&c, rule_root, "", NULL, from, to);
}
