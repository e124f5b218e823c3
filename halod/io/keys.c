// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/keys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_HEX_LEN  (2 * KEY_LEN)
#define KEYS_MAX     65536
#define KEY_PATH_MAX 4096

struct key {
	char name[NODE_NAME_MAX]; /* or pattern */
	uint8_t bytes[KEY_LEN];
};

struct keys {
	unsigned count, exact; /* the first `exact` are names, sorted */
	struct key *items;
};

static bool is_pattern(const char *name)
{
	return strpbrk(name, "*?");
}

/* A node's name in which * and ? may stand; fit to be a file's name. */
static bool name_is_valid(const char *name)
{
	size_t len = strnlen(name, NODE_NAME_MAX);

	return len && len < NODE_NAME_MAX && *name != '.' && *name != '-' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-*?") == len;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Exactly 64 digits, then nothing or one end of line. */
static int parse_key(uint8_t out[KEY_LEN], const char *text, size_t len)
{
	if (len && text[len - 1] == '\n')
		len--;
	if (len != KEY_HEX_LEN)
		return -EINVAL;
	for (unsigned i = 0; i < KEY_LEN; i++) {
		int high = hex_value(text[2 * i]);
		int low = hex_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

/* *open_to_others: readable by more than its owner. -EINVAL: holds no key. */
static int read_key(int dir, const char *path, uint8_t out[KEY_LEN],
		    bool *open_to_others)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char text[KEY_HEX_LEN + 2];
	struct stat st;
	ssize_t n;
	int ret;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st)) {
		ret = -errno;
		close(fd);
		return ret;
	}
	n = S_ISREG(st.st_mode) ? read(fd, text, sizeof(text)) : 0;
	ret = n < 0 ? -errno : parse_key(out, text, (size_t)n);
	*open_to_others = st.st_mode & 077;
	explicit_bzero(text, sizeof(text));
	close(fd);
	return ret;
}

static void load_one(struct keys *k, int dir, const char *dir_name,
		     const char *name, struct diag_list *diags)
{
	struct key *key = &k->items[k->count];
	bool open_to_others;
	int ret;

	if (!name_is_valid(name)) {
		diag_warning(diags, dir_name, 0,
			     "key file %s: no node's name or pattern; ignored",
			     name);
		return;
	}
	ret = read_key(dir, name, key->bytes, &open_to_others);
	if (ret) {
		diag_error(diags, dir_name, 0, "key %s: %s", name,
			   ret == -EINVAL ? "not 64 hex digits"
					  : strerror(-ret));
		return;
	}
	if (open_to_others)
		diag_warning(diags, dir_name, 0,
			     "key %s can be read by others: chmod 0600", name);
	memcpy(key->name, name, strlen(name) + 1);
	k->count++;
}

/* Names, sorted; then patterns, longest first. */
static int cmp_key(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	bool px = is_pattern(x->name), py = is_pattern(y->name);

	if (px != py)
		return px - py;
	if (px && strlen(x->name) != strlen(y->name))
		return strlen(x->name) > strlen(y->name) ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int make_room(struct keys *k)
{
	struct key *grown;

	if (k->count & (k->count - 1) || k->count >= KEYS_MAX)
		return k->count >= KEYS_MAX ? -E2BIG : 0;
	grown = realloc(k->items,
			sizeof(*grown) * (k->count ? 2 * k->count : 1));
	if (!grown)
		return -ENOMEM;
	k->items = grown;
	return 0;
}

static int load_all(struct keys *k, DIR *d, const char *dir_name,
		    struct diag_list *diags)
{
	const struct dirent *e;
	int ret;

	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		ret = make_room(k);
		if (ret)
			return ret;
		load_one(k, dirfd(d), dir_name, e->d_name, diags);
	}
	if (k->count)
		qsort(k->items, k->count, sizeof(*k->items), cmp_key);
	while (k->exact < k->count && !is_pattern(k->items[k->exact].name))
		k->exact++;
	return 0;
}

int keys_load(struct keys **out, const char *dir, struct diag_list *diags)
{
	struct keys *k;
	DIR *d;
	int ret;

	d = opendir(dir);
	if (!d) {
		ret = -errno;
		diag_error(diags, dir, 0,
			   "keys: %s; `haloctl key new NAME` "
			   "makes one",
			   strerror(-ret));
		return ret;
	}
	k = calloc(1, sizeof(*k));
	ret = k ? load_all(k, d, dir, diags) : -ENOMEM;
	closedir(d);
	if (ret) {
		diag_error(diags, dir, 0, "keys: %s",
			   ret == -E2BIG ? "more than 65536 files"
					 : strerror(-ret));
		keys_free(k);
		return ret;
	}
	*out = k;
	return 0;
}

void keys_free(struct keys *k)
{
	if (!k)
		return;
	if (k->items)
		explicit_bzero(k->items, k->count * sizeof(*k->items));
	free(k->items);
	free(k);
}

static int cmp_name(const void *name, const void *key)
{
	return strcmp(name, ((const struct key *)key)->name);
}

static const struct key *find(const struct keys *k, const char *name)
{
	const struct key *exact = NULL;

	if (k->exact)
		exact = bsearch(name, k->items, k->exact, sizeof(*k->items),
				cmp_name);
	if (exact)
		return exact;
	for (unsigned i = k->exact; i < k->count; i++)
		if (!fnmatch(k->items[i].name, name, 0))
			return &k->items[i];
	return NULL;
}

const uint8_t *keys_find(const struct keys *k, const char *name,
			 const char **pattern_out)
{
	const struct key *key = find(k, name);

	if (!key)
		return NULL;
	if (pattern_out)
		*pattern_out = key->name;
	return key->bytes;
}

unsigned keys_count(const struct keys *k)
{
	return k->count;
}

const char *keys_name_at(const struct keys *k, unsigned i)
{
	return k->items[i].name;
}

static int random_key_text(char text[KEY_HEX_LEN + 2])
{
	uint8_t key[KEY_LEN];

	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return -EIO;
	for (unsigned i = 0; i < KEY_LEN; i++)
		snprintf(text + 2 * i, 3, "%02x", key[i]);
	text[KEY_HEX_LEN] = '\n';
	text[KEY_HEX_LEN + 1] = 0;
	explicit_bzero(key, sizeof(key));
	return 0;
}

static int write_key(int fd)
{
	char text[KEY_HEX_LEN + 2];
	int ret = random_key_text(text);

	if (!ret && write(fd, text, KEY_HEX_LEN + 1) != KEY_HEX_LEN + 1)
		ret = errno ? -errno : -EIO;
	if (!ret && fsync(fd))
		ret = -errno;
	explicit_bzero(text, sizeof(text));
	return ret;
}

static int make_dir(const char *dir)
{
	return mkdir(dir, 0700) && errno != EEXIST ? -errno : 0;
}

/* The new name itself must outlive a power cut. */
static int sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = fsync(fd) ? -errno : 0;
	close(fd);
	return ret;
}

int keys_create(const char *dir, const char *name, char *path_out,
		unsigned path_size)
{
	char path[KEY_PATH_MAX];
	int fd, ret;

	if (!name_is_valid(name) || strlen(dir) + NODE_NAME_MAX >= sizeof(path))
		return -EINVAL;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ret = make_dir(dir);
	if (ret)
		return ret;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	ret = write_key(fd);
	close(fd);
	if (!ret)
		ret = sync_dir(dir);
	if (ret) {
		unlink(path);
		return ret;
	}
	snprintf(path_out, path_size, "%s", path);
	return 0;
}

int keys_remove(const char *dir, const char *name)
{
	char path[KEY_PATH_MAX];

	if (!name_is_valid(name) || strlen(dir) + NODE_NAME_MAX >= sizeof(path))
		return -EINVAL;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return unlink(path) ? -errno : sync_dir(dir);
}

int key_read_file(uint8_t key[KEY_LEN], const char *path, char *err,
		  unsigned err_size)
{
	bool open_to_others;
	int ret = read_key(AT_FDCWD, path, key, &open_to_others);

	if (ret == -EINVAL)
		snprintf(err, err_size, "%s: not 64 hex digits", path);
	else if (ret)
		snprintf(err, err_size, "%s: %s", path, strerror(-ret));
	return ret;
}
