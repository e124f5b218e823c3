/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A group of settings into a struct, by its rules. Each setting is checked by
 * itself; what they say together is check.h's.
 */
#ifndef HALO_CONF_READ_H
#define HALO_CONF_READ_H

#include "conf/rule.h"
#include "conf/setting.h"

/* What is absent or wrong stays as it is in *into; errors go to src. */
void read_group(const struct setting_source *src, const config_setting_t *group,
		const struct rule *rules, void *into);

#endif
