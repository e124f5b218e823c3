/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One setting of libconfig as a checked value, or an error that names the
 * line, what is wrong and what is allowed. Knows no setting by name.
 */
#ifndef HALO_CONF_SETTING_H
#define HALO_CONF_SETTING_H

#include <libconfig.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"

struct setting_source {
	const char *name; /* the main file; settings of includes know theirs */
	struct diag_list *diags;
};

/* Reported as "<name of the setting>: <text>" at its line. */
__attribute__((format(printf, 3, 4))) void
setting_error(const struct setting_source *src, const config_setting_t *at,
	      const char *fmt, ...);

/* Its name; an element of a list is called by the list's. */
const char *setting_name(const config_setting_t *s);
/* "a string", "a group { … }": for "must be …, not …" */
const char *setting_type_name(const config_setting_t *s);

/* All: true with *out set, or false and reported. */
bool setting_integer(const struct setting_source *src,
		     const config_setting_t *s, uint64_t min, uint64_t max,
		     uint64_t *out);
bool setting_duration(const struct setting_source *src,
		      const config_setting_t *s, uint64_t min_ns,
		      uint64_t max_ns, uint64_t *out_ns);
/* above 0, at most 1 */
bool setting_share(const struct setting_source *src, const config_setting_t *s,
		   double *out);
/* Of `bits` adjoining bits or more; libconfig keeps them as an int's. */
bool setting_mask(const struct setting_source *src, const config_setting_t *s,
		  unsigned bits, uint32_t *out);
/* Borrowed; not empty, shorter than size, printable. */
bool setting_text(const struct setting_source *src, const config_setting_t *s,
		  unsigned size, const char **out);

#endif
