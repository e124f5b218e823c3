// SPDX-License-Identifier: GPL-2.0-or-later
#include "options.h"

#include <string.h>

#include "conf/suggest.h"

static const struct option_spec *find(const struct option_spec *specs,
				      const char *name, size_t len)
{
	for (; specs && specs->name; specs++) {
		if (strlen(specs->name) == len &&
		    !strncmp(specs->name, name, len))
			return specs;
	}
	return NULL;
}

static int unknown(struct haloctl *ctl, const struct option_spec *specs,
		   const char *word)
{
	struct suggest s = { .text = word + strspn(word, "-") };

	for (; specs && specs->name; specs++)
		suggest_offer(&s, specs->name);
	if (s.best)
		return haloctl_usage(
			ctl, "unknown option '%s': did you mean '--%s'?", word,
			s.best);
	return haloctl_usage(ctl, "unknown option '%s'", word);
}

/* One option at argv[*at]; *at is left on its last word. */
static int take(struct haloctl *ctl, int argc, char **argv, int *at,
		const struct option_spec *specs)
{
	const char *word = argv[*at];
	const char *name = word + 2, *equals = strchr(name, '=');
	const struct option_spec *spec = NULL;

	if (!strncmp(word, "--", 2))
		spec = find(specs, name,
			    equals ? (size_t)(equals - name) : strlen(name));
	if (!spec)
		return unknown(ctl, specs, word);
	if (spec->flag) {
		if (equals)
			return haloctl_usage(ctl, "'--%s' takes no value",
					     spec->name);
		*spec->flag = true;
		return 0;
	}
	if (!equals && *at + 1 == argc)
		return haloctl_usage(ctl, "'--%s' needs a value", spec->name);
	*spec->value = equals ? equals + 1 : argv[++*at];
	return 0;
}

int options_parse(struct haloctl *ctl, int *argc, char **argv,
		  const struct option_spec *specs, int min, int max)
{
	bool only_operands = false;
	int n = 1, err;

	for (int i = 1; i < *argc; i++) {
		if (only_operands || argv[i][0] != '-' || !argv[i][1]) {
			argv[n++] = argv[i];
		} else if (!strcmp(argv[i], "--")) {
			only_operands = true;
		} else {
			err = take(ctl, *argc, argv, &i, specs);
			if (err)
				return err;
		}
	}
	*argc = n;
	if (n - 1 < min)
		return haloctl_usage(ctl, "something is missing after '%s'",
				     argv[n - 1]);
	if (n - 1 > max)
		return haloctl_usage(ctl, "'%s' is one word too many",
				     argv[max + 1]);
	return 0;
}
