/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What two configurations differ in, setting by setting, and which of it a
 * halod that runs cannot take over. Not what a change does: the daemon knows.
 */
#ifndef HALO_CONF_CHANGE_H
#define HALO_CONF_CHANGE_H

#include "conf/conf.h"
#include "conf/setting.h"

/* Each difference that is not `live` is an error at its line of root, from
 * which `to` was read. */
void check_change(const struct setting_source *src,
		  const config_setting_t *root, const struct conf *from,
		  const struct conf *to);

#endif
