// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "conf/duration.h"

static void print_string(FILE *out, const char *text)
{
	putc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putc('\\', out);
		putc(*text, out);
	}
	putc('"', out);
}

static uint64_t load_unsigned(const void *from, unsigned size)
{
	if (size == sizeof(uint8_t))
		return *(const uint8_t *)from;
	if (size == sizeof(uint16_t))
		return *(const uint16_t *)from;
	return *(const uint32_t *)from;
}

static void print_duration(FILE *out, uint64_t ns)
{
	char text[DURATION_STRLEN];

	print_string(out, duration_format(ns, text));
}

/* The fewest digits that read back as the same number, with a point or an
 * exponent: without, libconfig takes it for an integer. */
static void print_share(FILE *out, double value)
{
	char text[32];

	for (int digits = 1; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	fprintf(out, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
}

static void print_vips(FILE *out, const struct addr *vips)
{
	const char *separator = "";
	char text[ADDR_STRLEN];

	fputs("[ ", out);
	for (unsigned i = 0; i < FAMILIES; i++) {
		if (!addr_is_set(&vips[i]))
			continue;
		fprintf(out, "%s\"%s\"", separator,
			addr_format(&vips[i], text));
		separator = ", ";
	}
	fputs(" ]", out);
}

static void print_networks(FILE *out, const struct conf_agents *agents)
{
	char text[ADDR_STRLEN + 4];

	fputs("[", out);
	for (unsigned i = 0; i < agents->n_networks; i++)
		fprintf(out, "%s \"%s\"", i ? "," : "",
			prefix_format(&agents->networks[i], text));
	fputs(" ]", out);
}

static void print_indent(FILE *out, unsigned indent)
{
	while (indent--)
		putc('\t', out);
}

static void print_block(FILE *out, const struct rule *rules, const void *from,
			unsigned indent)
{
	fputs("{\n", out);
	print_group(out, rules, from, indent + 1);
	print_indent(out, indent);
	putc('}', out);
}

static void print_services(FILE *out, const struct rule *rules,
			   const struct conf *conf, unsigned indent)
{
	fputs("( ", out);
	for (unsigned i = 0; i < conf->n_services; i++) {
		fputs(i ? ", " : "", out);
		print_block(out, rules, &conf->services[i], indent);
	}
	fputs(" )", out);
}

static void print_endpoint(FILE *out, const struct endpoint *e)
{
	char text[ENDPOINT_STRLEN];

	print_string(out, endpoint_format(e, text));
}

void print_value(FILE *out, const struct rule *rule, const void *from,
		 unsigned indent)
{
	switch (rule->kind) {
	case RULE_INTEGER:
		fprintf(out, "%" PRIu64, load_unsigned(from, rule->size));
		break;
	case RULE_DURATION:
		print_duration(out, *(const uint64_t *)from);
		break;
	case RULE_SHARE:
		print_share(out, *(const double *)from);
		break;
	case RULE_BOOL:
		fputs(*(const bool *)from ? "true" : "false", out);
		break;
	case RULE_MASK:
		fprintf(out, "0x%08" PRIx32, *(const uint32_t *)from);
		break;
	case RULE_WORD:
		print_string(out, rule_word_text(rule->words,
						 (unsigned)load_unsigned(
							 from, rule->size)));
		break;
	case RULE_ENDPOINT:
		print_endpoint(out, from);
		break;
	case RULE_VIPS:
		print_vips(out, from);
		break;
	case RULE_NETWORKS:
		print_networks(out, from);
		break;
	case RULE_SERVICES:
		print_services(out, rule->rules, from, indent);
		break;
	case RULE_GROUP:
		print_block(out, rule->rules, from, indent);
		break;
	default:
		print_string(out, from);
	}
}

void print_group(FILE *out, const struct rule *rules, const void *from,
		 unsigned indent)
{
	for (const struct rule *rule = rules; rule->name; rule++) {
		print_indent(out, indent);
		fprintf(out, "%s = ", rule->name);
		print_value(out, rule, (const char *)from + rule->offset,
			    indent);
		fputs(";\n", out);
	}
}
