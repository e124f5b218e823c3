/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A struct as the settings that would read into it: every one, in the order
 * of its rules. The canonical form; comments and includes are not kept.
 */
#ifndef HALO_CONF_PRINT_H
#define HALO_CONF_PRINT_H

#include <stdio.h>

#include "conf/rule.h"

/* One value alone, of the member that the rule is about. */
void print_value(FILE *out, const struct rule *rule, const void *from,
		 unsigned indent);
void print_group(FILE *out, const struct rule *rules, const void *from,
		 unsigned indent);

#endif
