/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a parser has to say about its input: where and what. Parsers collect;
 * callers print. Not a log.
 */
#ifndef HALO_BASE_DIAG_H
#define HALO_BASE_DIAG_H

#include <stdbool.h>

#define DIAG_TEXT_MAX 240
#define DIAG_MAX      100 /* further ones are counted, not kept */

struct diag {
	bool warning;
	unsigned line; /* 1-based; 0 when it belongs to no line */
	char file[256];
	char text[DIAG_TEXT_MAX]; /* what, what is allowed, did you mean */
};

struct diag_list {
	unsigned count;	  /* kept in items[] */
	unsigned errors;  /* all, kept or not */
	unsigned dropped; /* not kept */
	struct diag items[DIAG_MAX];
};

__attribute__((format(printf, 4, 5))) void
diag_error(struct diag_list *list, const char *file, unsigned line,
	   const char *fmt, ...);
__attribute__((format(printf, 4, 5))) void
diag_warning(struct diag_list *list, const char *file, unsigned line,
	     const char *fmt, ...);

#endif
