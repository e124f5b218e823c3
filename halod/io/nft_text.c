// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/nft_text.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <string.h>

/* Messages begin with a place in our text and show it again: the operator gets
 * what is between. */
static void copy_error(char *err, unsigned err_size, const char *message)
{
	const char *text = strstr(message, "Error: ");

	text = text ? text + strlen("Error: ") : message;
	snprintf(err, err_size, "nftables: %.*s", (int)strcspn(text, "\n"),
		 text);
}

static int run(struct nft_ctx *nft, const char *text, char *err,
	       unsigned err_size)
{
	int ret = -ENOMEM;

	if (!nft_ctx_buffer_output(nft) && !nft_ctx_buffer_error(nft))
		ret = nft_run_cmd_from_buffer(nft, text) ? -EINVAL : 0;
	if (ret)
		copy_error(err, err_size, nft_ctx_get_error_buffer(nft));
	return ret;
}

int nft_text_run(const char *text, char *err, unsigned err_size)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	int ret;

	if (!nft)
		return -ENOMEM;
	ret = run(nft, text, err, err_size);
	nft_ctx_free(nft);
	return ret;
}

static bool has_line(const char *text, const char *line)
{
	size_t len;

	for (; *text; text += len + (text[len] == '\n')) {
		text += strspn(text, "\t ");
		len = strcspn(text, "\n");
		if (len == strlen(line) && !strncmp(text, line, len))
			return true;
	}
	return false;
}

bool nft_text_has_rule(const char *chain, const char *rule)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	char list[300], err[8];
	bool has;

	if (!nft)
		return false;
	snprintf(list, sizeof(list), "list chain %s", chain);
	has = !run(nft, list, err, sizeof(err)) &&
	      has_line(nft_ctx_get_output_buffer(nft), rule);
	nft_ctx_free(nft);
	return has;
}

/* What is owned goes with the socket, which is the context's. */
int nft_text_own(struct nft_text_owner **out, const char *text, char *err,
		 unsigned err_size)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	int ret;

	if (!nft)
		return -ENOMEM;
	ret = run(nft, text, err, err_size);
	if (ret)
		nft_ctx_free(nft);
	else
		*out = (struct nft_text_owner *)nft;
	return ret;
}

void nft_text_disown(struct nft_text_owner *owner)
{
	if (owner)
		nft_ctx_free((struct nft_ctx *)owner);
}
