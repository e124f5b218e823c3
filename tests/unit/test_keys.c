// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The directory of keys: which one is found, and which files are none.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* after the above, which it needs */
#include <cmocka.h>

#include "io/keys.h"

struct fixture {
	char dir[64];
	struct diag_list diags;
	struct keys *keys;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/halo-keys-XXXXXX");
	*state = f;
	return mkdtemp(f->dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];

	keys_free(f->keys);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	free(f);
	return system(command);
}

static void add(struct fixture *f, const char *name)
{
	char path[256];

	assert_int_equal(keys_create(f->dir, name, path, sizeof(path)), 0);
	assert_int_equal(access(path, R_OK), 0);
}

static void load(struct fixture *f)
{
	assert_int_equal(keys_load(&f->keys, f->dir, &f->diags), 0);
}

static void write_file(struct fixture *f, const char *name, const char *text,
		       mode_t mode)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	file = fopen(path, "w");
	fputs(text, file);
	fclose(file);
	chmod(path, mode);
}

static const char *found(struct fixture *f, const char *name)
{
	const char *pattern = NULL;

	return keys_find(f->keys, name, &pattern) ? pattern : "none";
}

static void the_nearest_entry_is_found(void **state)
{
	struct fixture *f = *state;

	add(f, "*");
	add(f, "web-*");
	add(f, "web-eu-*");
	add(f, "web-eu-1");
	load(f);
	assert_int_equal(keys_count(f->keys), 4);
	assert_string_equal(found(f, "web-eu-1"), "web-eu-1");
	assert_string_equal(found(f, "web-eu-2"), "web-eu-*");
	assert_string_equal(found(f, "web-us-1"), "web-*");
	assert_string_equal(found(f, "db"), "*");
}

static void a_name_without_a_key_finds_none(void **state)
{
	struct fixture *f = *state;

	add(f, "a");
	add(f, "web-*");
	load(f);
	assert_string_equal(found(f, "b"), "none");
	assert_string_equal(found(f, "web"), "none");
	assert_string_equal(found(f, ""), "none");
}

static void no_two_keys_are_alike(void **state)
{
	struct fixture *f = *state;

	add(f, "a");
	add(f, "b");
	load(f);
	assert_memory_not_equal(keys_find(f->keys, "a", NULL),
				keys_find(f->keys, "b", NULL), KEY_LEN);
}

static void a_new_key_is_its_owners_alone(void **state)
{
	struct fixture *f = *state;
	char path[256], again[256] = "kept";
	struct stat st;

	assert_int_equal(keys_create(f->dir, "a", path, sizeof(path)), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(keys_create(f->dir, "a", again, sizeof(again)),
			 -EEXIST);
	assert_string_equal(again, "kept");
}

static void names_that_are_paths_are_refused(void **state)
{
	static const char *const names[] = { "",	".",   "..",
					     "../x",	"a/b", "-x",
					     ".hidden", "a b", "a\n" };
	struct fixture *f = *state;
	char path[256];

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(
			keys_create(f->dir, names[i], path, sizeof(path)),
			-EINVAL);
		assert_int_equal(keys_remove(f->dir, names[i]), -EINVAL);
	}
}

static void a_removed_key_is_gone(void **state)
{
	struct fixture *f = *state;

	add(f, "a");
	assert_int_equal(keys_remove(f->dir, "a"), 0);
	assert_int_equal(keys_remove(f->dir, "a"), -ENOENT);
	load(f);
	assert_int_equal(keys_count(f->keys), 0);
}

#define HEX "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

static void files_that_hold_no_key_are_named(void **state)
{
	static const struct {
		const char *title, *text;
	} rows[] = {
		{ "empty", "" },
		{ "too-short", "0011\n" },
		{ "too-long", HEX "00\n" },
		{ "not-hex", "x" HEX },
		{ "two-lines", HEX "\n\n" },
	};
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		write_file(f, rows[i].title, rows[i].text, 0600);
	write_file(f, "good", HEX "\n", 0600);
	write_file(f, "no-newline", HEX, 0600);
	load(f);
	assert_int_equal(f->diags.errors, ARRAY_SIZE(rows));
	assert_non_null(strstr(f->diags.items[0].text, "64 hex digits"));
	assert_int_equal(keys_count(f->keys), 2);
}

static void a_key_that_others_can_read_is_a_warning(void **state)
{
	struct fixture *f = *state;

	write_file(f, "open", HEX, 0644);
	load(f);
	assert_int_equal(f->diags.errors, 0);
	assert_int_equal(f->diags.count, 1);
	assert_true(f->diags.items[0].warning);
	assert_non_null(strstr(f->diags.items[0].text, "chmod 0600"));
	assert_int_equal(keys_count(f->keys), 1);
}

static void a_directory_that_is_not_there_is_an_error(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(keys_load(&f->keys, "/nonexistent", &f->diags),
			 -ENOENT);
	assert_int_equal(f->diags.errors, 1);
}

static void an_agents_key_file_is_read(void **state)
{
	struct fixture *f = *state;
	uint8_t key[KEY_LEN];
	char path[256], err[300];

	write_file(f, "a", HEX "\n", 0600);
	snprintf(path, sizeof(path), "%s/a", f->dir);
	assert_int_equal(key_read_file(key, path, err, sizeof(err)), 0);
	assert_int_equal(key[1], 0x11);
	assert_int_equal(key[KEY_LEN - 1], 0xff);
	assert_int_equal(key_read_file(key, f->dir, err, sizeof(err)), -EINVAL);
	assert_int_equal(key_read_file(key, "/nonexistent", err, sizeof(err)),
			 -ENOENT);
	assert_non_null(strstr(err, "/nonexistent"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_nearest_entry_is_found),
		TEST(a_name_without_a_key_finds_none),
		TEST(no_two_keys_are_alike),
		TEST(a_new_key_is_its_owners_alone),
		TEST(names_that_are_paths_are_refused),
		TEST(a_removed_key_is_gone),
		TEST(files_that_hold_no_key_are_named),
		TEST(a_key_that_others_can_read_is_a_warning),
		TEST(a_directory_that_is_not_there_is_an_error),
		TEST(an_agents_key_file_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
