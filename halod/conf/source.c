// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/source.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tally {
	unsigned includes, failed;
};

struct scan {
	const char *at;
	const char *name; /* of the file, for messages */
	const char *dir;
	unsigned line;
	unsigned depth;
	struct tally *tally;
	struct diag_list *diags;
};

/* fopen() would take a directory, and a FIFO would block. */
static int open_regular(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int err = EINVAL;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = errno;
	else if (S_ISDIR(st.st_mode))
		err = EISDIR;
	else if (S_ISREG(st.st_mode) && st.st_size <= SOURCE_MAX)
		err = 0;
	else if (S_ISREG(st.st_mode))
		err = EFBIG;
	if (err) {
		close(fd);
		return -err;
	}
	*size = (size_t)st.st_size;
	return fd;
}

static ssize_t read_all(int fd, char *out, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, out + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static const char *why(int err)
{
	return err == -EINVAL  ? "not a regular file"
	       : err == -EFBIG ? "larger than 1 MiB"
			       : strerror(-err);
}

/* 0 with *out to be freed, or -errno. */
static int read_file(char **out, const char *path)
{
	size_t size = 0;
	int fd = open_regular(path, &size);
	ssize_t len;
	char *text;

	if (fd < 0)
		return fd;
	text = malloc(size + 1);
	len = text ? read_all(fd, text, size) : -ENOMEM;
	close(fd);
	if (len < 0) {
		free(text);
		return (int)len;
	}
	text[len] = 0;
	*out = text;
	return memchr(text, 0, (size_t)len) ? -EILSEQ : 0;
}

char *source_read(const char *path, const char *what, struct diag_list *diags)
{
	char *text = NULL;
	int err = read_file(&text, path);

	if (!err)
		return text;
	diag_error(diags, path, 0, "cannot read the %s: %s", what,
		   err == -EILSEQ ? "it has a NUL byte, it is no text"
				  : why(err));
	free(text);
	return NULL;
}

static void skip_line(struct scan *s)
{
	s->at += strcspn(s->at, "\n");
}

static void skip_block(struct scan *s)
{
	for (s->at += 2; *s->at && strncmp(s->at, "*/", 2); s->at++)
		s->line += *s->at == '\n';
	s->at += *s->at ? 2 : 0;
}

static void skip_string(struct scan *s)
{
	unsigned start = s->line;

	for (s->at++; *s->at && *s->at != '"'; s->at++) {
		s->line += *s->at == '\n';
		if (*s->at == '\\' && s->at[1])
			s->line += *++s->at == '\n';
	}
	if (*s->at) {
		s->at++;
		return;
	}
	s->tally->failed++;
	diag_error(s->diags, s->name, start,
		   "the string that begins here has no end, close it with \"");
}

static void skip_word(struct scan *s)
{
	while (isalnum((unsigned char)*s->at) ||
	       (*s->at && strchr("-_*", *s->at)))
		s->at++;
}

/* Hexadecimal ones are masks, of which libconfig keeps all 32 bits. An 'L'
 * behind the number makes libconfig keep 64 bits; floats are exact enough to be
 * refused by the setting's own range. */
static void check_number(struct scan *s)
{
	bool hex = s->at[0] == '0' && (s->at[1] == 'x' || s->at[1] == 'X');
	const char *start = s->at;
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(start, &end, hex ? 16 : 10);
	if (!strchr(".eEL", *end) || !*end) {
		if (errno == ERANGE || value > (hex ? UINT32_MAX : INT_MAX))
			diag_error(s->diags, s->name, s->line,
				   "%.*s is too large a number for any setting",
				   (int)(end - start > 40 ? 40 : end - start),
				   start);
	}
	s->at = end;
	while (isalnum((unsigned char)*s->at) || *s->at == '.')
		s->at++;
}

static void check_text(struct scan *s, const char *text);

static void check_include(struct scan *s, const char *file)
{
	struct scan inner = { .dir = s->dir,
			      .name = file,
			      .depth = s->depth + 1,
			      .tally = s->tally,
			      .diags = s->diags };
	char path[PATH_MAX], *text = NULL;
	bool relative = s->dir && *file != '/';
	int err = -ENAMETOOLONG;

	if (snprintf(path, sizeof(path), "%s%s%s", relative ? s->dir : "",
		     relative ? "/" : "", file) < (int)sizeof(path))
		err = ++s->tally->includes > SOURCE_INCLUDE_MAX
			      ? -ELOOP
			      : read_file(&text, path);
	if (!err) {
		check_text(&inner, text);
	} else {
		s->tally->failed++;
		diag_error(s->diags, s->name, s->line,
			   "cannot include \"%.120s\": %s", file, why(err));
	}
	free(text);
}

/* As libconfig does: an include begins its line. */
static void include(struct scan *s)
{
	const char *start = s->at + strlen("@include");
	char file[PATH_MAX];
	size_t len;

	start += strspn(start, " \t");
	if (*start++ != '"')
		return skip_line(s);
	len = strcspn(start, "\"\n");
	if (len >= sizeof(file) || start[len] != '"' ||
	    s->depth >= SOURCE_DEPTH_MAX)
		return skip_line(s);
	memcpy(file, start, len);
	file[len] = 0;
	check_include(s, file);
	s->at = start + len + 1;
}

static void check_token(struct scan *s)
{
	unsigned char c = (unsigned char)*s->at;

	if (c == '#' || !strncmp(s->at, "//", 2))
		skip_line(s);
	else if (!strncmp(s->at, "/*", 2))
		skip_block(s);
	else if (c == '"')
		skip_string(s);
	else if (!strncmp(s->at, "@include", strlen("@include")))
		include(s);
	else if (isalpha(c) || c == '*')
		skip_word(s);
	else if (isdigit(c))
		check_number(s);
	else
		s->line += *s->at++ == '\n';
}

static void check_text(struct scan *s, const char *text)
{
	s->at = text;
	s->line = 1;
	while (*s->at)
		check_token(s);
}

int source_check(const char *text, const char *name, const char *dir,
		 struct diag_list *diags)
{
	struct tally tally = { 0 };
	struct scan s = {
		.name = name, .dir = dir, .tally = &tally, .diags = diags
	};

	check_text(&s, text);
	return tally.failed ? -EINVAL : 0;
}
