/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A note of the cluster in the words of the log. Where else it goes (store,
 * monitor) is the daemon's; its JSON is requests'.
 */
#ifndef HALO_NOTES_H
#define HALO_NOTES_H

#include "control/effect.h"

void notes_log(const struct note *note);

#endif
