/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of the configuration file each part wants to know. No defaults here:
 * conf has filled everything in.
 */
#ifndef HALO_SETTINGS_H
#define HALO_SETTINGS_H

#include "conf/conf.h"
#include "control/cluster.h"
#include "packet/engine.h"

void settings_cluster(struct cluster_conf *out, const struct conf *c);
/* All but now_ns and seed, which are the worker's. */
void settings_engine(struct engine_conf *out, const struct conf *c);

/* Of to, when it is another than from's; -d stays in force. */
void settings_log_level(const struct conf *from, const struct conf *to);

#endif
