/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the configuration is when nobody says otherwise.
 */
#ifndef HALOCTL_CONFIG_H
#define HALOCTL_CONFIG_H

#define CONFIG_FILE "/etc/halod/halod.conf"

#endif
