/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPU time that groups of threads use while a load runs. Reads schedstat, so
 * it knows nothing of what the hardware or a hypervisor takes.
 */
#ifndef HALO_BENCH_CPU_H
#define HALO_BENCH_CPU_H

#include <stdint.h>
#include <stdio.h>

#define CPU_GROUPS_MAX 8
#define CPU_TIDS_MAX   64

struct cpu_group {
	char name[16];
	unsigned n;
	unsigned tid[CPU_TIDS_MAX];
	uint64_t used_ns; /* between each cpu_begin() and its cpu_end() */
};

/* Owned by the caller; all zero is a watch of nothing. */
struct cpu_watch {
	unsigned n;
	struct cpu_group group[CPU_GROUPS_MAX];
};

/* NAME=TID[,TID…], as given on the command line. -EINVAL, -E2BIG. */
int cpu_add(struct cpu_watch *w, const char *text);

/* Forgets what was used. */
void cpu_reset(struct cpu_watch *w);

void cpu_begin(struct cpu_watch *w);
void cpu_end(struct cpu_watch *w);

/* {"NAME":NS,…}; threads that have gone count as nothing. */
void cpu_print(const struct cpu_watch *w, FILE *out);

#endif
