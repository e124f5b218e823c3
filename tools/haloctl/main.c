// SPDX-License-Identifier: GPL-2.0-or-later
/* haloctl: what stands before and between the words of a command. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

static bool is(const char *word, const char *shorter, const char *longer)
{
	return !strcmp(word, shorter) || !strcmp(word, longer);
}

/* Takes haloctl's own options out, wherever they stand before a "--". Returns
 * how many words are left, or -1 when -s lacks its value. */
static int take_options(struct haloctl *ctl, int argc, char **argv)
{
	int n = 0;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--")) {
			while (i < argc)
				argv[n++] = argv[i++];
		} else if (is(argv[i], "-j", "--json")) {
			ctl->json = true;
		} else if (is(argv[i], "-s", "--socket")) {
			if (++i == argc)
				return -1;
			ctl->socket = argv[i];
			ctl->fallback = NULL;
		} else if (!strncmp(argv[i], "--socket=", 9)) {
			ctl->socket = argv[i] + 9;
			ctl->fallback = NULL;
		} else {
			argv[n++] = argv[i];
		}
	}
	return n;
}

static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) &&
	       !(term && !strcmp(term, "dumb"));
}

static int run(struct haloctl *ctl, int argc, char **argv)
{
	int n = take_options(ctl, argc, argv);

	if (n < 0)
		return haloctl_usage(ctl, "-s needs a value");
	if (n == 0) {
		command_run(ctl, 0, argv);
		return HALOCTL_USAGE;
	}
	if (is(argv[0], "-V", "--version")) {
		fprintf(ctl->out, "haloctl %s\n", HALO_VERSION);
		return HALOCTL_OK;
	}
	if (argv[0][0] == '-' && !is(argv[0], "-h", "--help"))
		return haloctl_usage(
			ctl, "unknown option '%s': see haloctl help", argv[0]);
	return command_run(ctl, n, argv);
}

/* An error of an earlier write has no errno any more. */
static int finish_output(void)
{
	bool failed = ferror(stdout);

	if (!fflush(stdout) && !failed)
		return HALOCTL_OK;
	fputs("haloctl: cannot write all of the output\n", stderr);
	return HALOCTL_FAILED;
}

int main(int argc, char **argv)
{
	struct haloctl ctl = {
		.colour = wants_colour(),
		.socket = HALOCTL_SOCKET,
		.fallback = HALOCTL_SOCKET_READING,
		.out = stdout,
		.err = stderr,
	};
	int ret;

	setlocale(LC_ALL, "");
	ret = run(&ctl, argc, argv);
	return ret == HALOCTL_OK ? finish_output() : ret;
}
