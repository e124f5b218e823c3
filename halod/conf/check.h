/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the settings say together: what is missing, doubled, or in the way of
 * another. Each by itself was checked when it was read.
 */
#ifndef HALO_CONF_CHECK_H
#define HALO_CONF_CHECK_H

#include "conf/conf.h"
#include "conf/setting.h"

/* root: the settings conf was read from, for their lines. What was wrong by
 * itself is still unset in conf and not reported twice. */
void check_conf(const struct setting_source *src, const config_setting_t *root,
		const struct conf *conf);

#endif
