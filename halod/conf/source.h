/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of a configuration before libconfig sees it. Catches what
 * libconfig 1.5 does not report: it cuts numbers to 32 bits without a word
 * (routes = 4294967320 would be 24), including a directory ends the process,
 * and a string without an end is told at the last line, with its memory lost.
 * Not a parser of settings.
 */
#ifndef HALO_CONF_SOURCE_H
#define HALO_CONF_SOURCE_H

#include "base/diag.h"

#define SOURCE_MAX	   (1u << 20) /* bytes of one file */
#define SOURCE_DEPTH_MAX   10	      /* libconfig's own limit of includes */
#define SOURCE_INCLUDE_MAX 100	      /* files in all */

/* The whole file as one string; free() it. NULL with the reason in diags.
 * what: how messages call it. */
char *source_read(const char *path, const char *what, struct diag_list *diags);

/* Checks text and what it includes; errors go to diags. dir: where relative
 * includes are looked up, NULL: the working directory. 0, or -EINVAL when
 * libconfig must not see it; numbers alone are no reason. */
int source_check(const char *text, const char *name, const char *dir,
		 struct diag_list *diags);

#endif
