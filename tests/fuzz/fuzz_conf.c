// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * halod.conf as any text: what is accepted must print to a text that is
 * accepted and prints the same; what is refused must say why.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

#define TEXT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libconfig 1.5 loses some bytes of a text that it refuses. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig";
}

static struct diag_list diags;

static int parse(struct conf *out, const char *text)
{
	memset(&diags, 0, sizeof(diags));
	return conf_parse(out, text, "fuzz", &diags);
}

static char *print(const struct conf *conf)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert(f);
	conf_print(conf, f);
	fclose(f);
	return text;
}

static void check_round_trip(const struct conf *conf)
{
	char *text = print(conf), *again;
	struct conf back;
	int err = parse(&back, text);

	assert(!err);
	again = print(&back);
	assert(!strcmp(text, again));
	free(text);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[TEXT_MAX + 1];
	struct conf conf;

	if (size > TEXT_MAX)
		return -1;
	memcpy(text, data, size);
	text[size] = 0;
	/* the files of the host are no input of ours */
	if (strstr(text, "@include"))
		return -1;
	if (!parse(&conf, text))
		check_round_trip(&conf);
	else
		assert(diags.errors && diags.items[0].text[0]);
	return 0;
}
