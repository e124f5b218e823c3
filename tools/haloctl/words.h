/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How near one word is to another: for "did you mean".
 */
#ifndef HALOCTL_WORDS_H
#define HALOCTL_WORDS_H

/* Of candidates (ended by NULL) the nearest to word, or NULL when none is near
 * enough to be a slip of the fingers. */
const char *words_nearest(const char *word, const char *const *candidates);

#endif
