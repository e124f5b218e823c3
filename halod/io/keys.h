/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pre-shared keys of agents: a directory with one file a key, named by the
 * node's name or a pattern ("web-*"), mode 0600, holding 64 hex digits.
 * Used by halod (look-up) and haloctl key (new, list, rm).
 */
#ifndef HALO_IO_KEYS_H
#define HALO_IO_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/units.h"

#define KEY_LEN 32

struct keys; /* immutable once loaded */

int keys_load(struct keys **out, const char *dir, struct diag_list *diags);
void keys_free(struct keys *k);
/* An exact name before patterns, longer patterns before shorter. NULL: none.
 * *pattern_out (may be NULL): which entry matched. */
const uint8_t *keys_find(const struct keys *k, const char *name,
			 const char **pattern_out);
unsigned keys_count(const struct keys *k);
const char *keys_name_at(const struct keys *k, unsigned i);

/* Creates DIR/NAME (dir too, 0700) with a fresh random key: 0, -EEXIST,
 * -EINVAL (not a name or pattern), -errno. */
int keys_create(const char *dir, const char *name, char *path_out,
		unsigned path_size);
int keys_remove(const char *dir, const char *name);
/* An agent's --key FILE: 64 hex digits. */
int key_read_file(uint8_t key[KEY_LEN], const char *path, char *err,
		  unsigned err_size);

#endif
