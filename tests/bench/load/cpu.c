/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int add_tids(struct cpu_group *g, const char *text)
{
	char *end;

	do {
		unsigned long tid = strtoul(text, &end, 10);

		if (end == text || !tid || (*end && *end != ','))
			return -EINVAL;
		if (g->n == CPU_TIDS_MAX)
			return -E2BIG;
		g->tid[g->n++] = (unsigned)tid;
		text = end + 1;
	} while (*end);
	return 0;
}

int cpu_add(struct cpu_watch *w, const char *text)
{
	struct cpu_group g = { 0 };
	const char *eq = strchr(text, '=');
	int ret;

	if (!eq || (size_t)(eq - text) >= sizeof(g.name))
		return -EINVAL;
	if (w->n == CPU_GROUPS_MAX)
		return -E2BIG;
	memcpy(g.name, text, (size_t)(eq - text));
	ret = add_tids(&g, eq + 1);
	if (!ret)
		w->group[w->n++] = g;
	return ret;
}

static uint64_t thread_ns(unsigned tid)
{
	uint64_t ns = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/schedstat", tid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%" SCNu64, &ns) != 1)
		ns = 0;
	fclose(file);
	return ns;
}

static uint64_t group_ns(const struct cpu_group *g)
{
	uint64_t ns = 0;

	for (unsigned i = 0; i < g->n; i++)
		ns += thread_ns(g->tid[i]);
	return ns;
}

void cpu_reset(struct cpu_watch *w)
{
	for (unsigned i = 0; i < w->n; i++)
		w->group[i].used_ns = 0;
}

void cpu_begin(struct cpu_watch *w)
{
	for (unsigned i = 0; i < w->n; i++)
		w->group[i].used_ns -= group_ns(&w->group[i]);
}

void cpu_end(struct cpu_watch *w)
{
	for (unsigned i = 0; i < w->n; i++)
		w->group[i].used_ns += group_ns(&w->group[i]);
}

void cpu_print(const struct cpu_watch *w, FILE *out)
{
	fputc('{', out);
	for (unsigned i = 0; i < w->n; i++)
		fprintf(out, "%s\"%s\":%" PRIu64, i ? "," : "",
			w->group[i].name, w->group[i].used_ns);
	fputc('}', out);
}
