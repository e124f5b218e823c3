/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A struct as the settings that would read into it: every one, in the order
 * of its rules. The canonical form; comments and includes are not kept.
 */
#ifndef HALO_CONF_PRINT_H
#define HALO_CONF_PRINT_H

#include <stdio.h>

#include "conf/rule.h"

void print_group(FILE *out, const struct rule *rules, const void *from,
		 unsigned indent);

#endif
