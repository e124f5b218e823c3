// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/read.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "conf/suggest.h"

/* into: the member itself, but for rules of offset 0 their group's struct */
typedef void read_fn(const struct setting_source *src,
		     const config_setting_t *s, const struct rule *rule,
		     void *into);

static void store_unsigned(void *into, unsigned size, uint64_t value)
{
	if (size == sizeof(uint8_t))
		*(uint8_t *)into = (uint8_t)value;
	else if (size == sizeof(uint16_t))
		*(uint16_t *)into = (uint16_t)value;
	else
		*(uint32_t *)into = (uint32_t)value;
}

/* Fits: its length was checked. The rest is cleared, so that structs that
 * say the same are the same. */
static void store_text(void *into, unsigned size, const char *text)
{
	memset(into, 0, size);
	memcpy(into, text, strlen(text));
}

static void read_integer(const struct setting_source *src,
			 const config_setting_t *s, const struct rule *rule,
			 void *into)
{
	uint64_t value;

	if (setting_integer(src, s, rule->min, rule->max, &value))
		store_unsigned(into, rule->size, value);
}

static void read_duration(const struct setting_source *src,
			  const config_setting_t *s, const struct rule *rule,
			  void *into)
{
	setting_duration(src, s, rule->min, rule->max, into);
}

static void read_share(const struct setting_source *src,
		       const config_setting_t *s, const struct rule *rule,
		       void *into)
{
	setting_share(src, s, into);
}

static void read_bool(const struct setting_source *src,
		      const config_setting_t *s, const struct rule *rule,
		      void *into)
{
	if (s->type == CONFIG_TYPE_BOOL)
		*(bool *)into = config_setting_get_bool(s);
	else
		setting_error(src, s, "must be true or false, not %s",
			      setting_type_name(s));
}

static void read_mask(const struct setting_source *src,
		      const config_setting_t *s, const struct rule *rule,
		      void *into)
{
	uint32_t mask;

	if (setting_mask(src, s, (unsigned)rule->min, &mask))
		store_unsigned(into, rule->size, mask);
}

static void read_path(const struct setting_source *src,
		      const config_setting_t *s, const struct rule *rule,
		      void *into)
{
	const char *text = config_setting_get_string(s);

	if (rule->optional && text && !*text) {
		store_text(into, rule->size, text);
		return;
	}
	if (!setting_text(src, s, rule->size, &text))
		return;
	if (*text != '/')
		setting_error(src, s,
			      "\"%.100s\" must be an absolute path, from /",
			      text);
	else
		store_text(into, rule->size, text);
}

static void read_name(const struct setting_source *src,
		      const config_setting_t *s, const struct rule *rule,
		      void *into)
{
	const char *text;
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";

	if (!setting_text(src, s, rule->size, &text))
		return;
	if (text[strspn(text, allowed)])
		setting_error(src, s,
			      "\"%s\" may have letters, digits, '.', '_' and "
			      "'-' only",
			      text);
	else
		store_text(into, rule->size, text);
}

static void report_word(const struct setting_source *src,
			const config_setting_t *s,
			const struct rule_word *words, const char *text)
{
	struct suggest near = { .text = text };
	char allowed[80] = "";
	size_t len = 0;

	for (; words->text && len < sizeof(allowed); words++) {
		len += (size_t)snprintf(allowed + len, sizeof(allowed) - len,
					"%s%s", len ? ", " : "", words->text);
		suggest_offer(&near, words->text);
	}
	setting_error(src, s, "\"%.40s\" is not known, allowed: %s%s%s%s", text,
		      allowed, near.best ? " (did you mean \"" : "",
		      near.best ? near.best : "", near.best ? "\"?)" : "");
}

static const struct rule_word *find_word(const struct setting_source *src,
					 const config_setting_t *s,
					 const struct rule_word *words)
{
	const char *text;

	if (!setting_text(src, s, NODE_NAME_MAX, &text))
		return NULL;
	for (const struct rule_word *w = words; w->text; w++)
		if (!strcmp(w->text, text))
			return w;
	report_word(src, s, words, text);
	return NULL;
}

static void read_word(const struct setting_source *src,
		      const config_setting_t *s, const struct rule *rule,
		      void *into)
{
	const struct rule_word *word = find_word(src, s, rule->words);

	if (word)
		store_unsigned(into, rule->size, word->value);
}

static void read_word_text(const struct setting_source *src,
			   const config_setting_t *s, const struct rule *rule,
			   void *into)
{
	const struct rule_word *word = find_word(src, s, rule->words);

	if (word)
		store_text(into, rule->size, word->text);
}

static void read_endpoint(const struct setting_source *src,
			  const config_setting_t *s, const struct rule *rule,
			  void *into)
{
	struct endpoint *out = into, e;
	const char *text;

	if (!setting_text(src, s, CONF_PATH_MAX, &text))
		return;
	if (endpoint_parse(&e, text))
		setting_error(src, s,
			      "\"%s\" is not ADDRESS:PORT, as in "
			      "\"198.19.0.1:7460\" or \"[fd00::1]:7460\"",
			      text);
	else if (addr_is_multicast(&e.addr))
		setting_error(src, s,
			      "\"%s\" is multicast, an address of this host is "
			      "needed",
			      text);
	else
		*out = e;
}

/* Why clients cannot be served at an address; NULL when they can. */
static const char *vip_objection(const struct addr *a)
{
	struct in6_addr in6; /* aligned, as netinet's macros want it */

	memcpy(&in6, a->bytes, sizeof(in6));
	if (addr_is_loopback(a))
		return "is a loopback address";
	if (addr_is_multicast(a))
		return "is a multicast address";
	if (addr_is_wildcard(a))
		return "is no single address";
	if (a->af == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6))
		return "is an IPv4 address in disguise, write it as such";
	if (a->af == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&in6))
		return "is a link-local address";
	return NULL;
}

static void read_vip(const struct setting_source *src,
		     const config_setting_t *s, struct addr *vips)
{
	const char *text, *objection;
	struct addr a, *vip;

	if (!setting_text(src, s, CONF_PATH_MAX, &text))
		return;
	if (addr_parse(&a, text)) {
		setting_error(src, s,
			      "\"%s\" is not an IPv4 or IPv6 address (no port, "
			      "no prefix, no name)",
			      text);
		return;
	}
	objection = vip_objection(&a);
	vip = &vips[a.af == AF_INET6 ? FAMILY_V6 : FAMILY_V4];
	if (objection)
		setting_error(src, s,
			      "\"%s\" %s, one that clients can reach is needed",
			      text, objection);
	else if (addr_is_set(vip))
		setting_error(src, s,
			      "\"%s\" is a second address of its family, one "
			      "IPv4 and one IPv6 are allowed",
			      text);
	else
		*vip = a;
}

static bool is_sequence(const config_setting_t *s)
{
	return s->type == CONFIG_TYPE_LIST || s->type == CONFIG_TYPE_ARRAY;
}

static void read_vips(const struct setting_source *src,
		      const config_setting_t *s, const struct rule *rule,
		      void *into)
{
	int n = is_sequence(s) ? config_setting_length(s) : 0;

	if (!is_sequence(s))
		read_vip(src, s, into);
	else if (n == 0)
		setting_error(
			src, s,
			"is empty, one IPv4 and/or one IPv6 address is needed");
	for (int i = 0; i < n; i++)
		read_vip(src, config_setting_get_elem(s, (unsigned)i), into);
}

/* 198.19.0.7/24 is most likely not what was meant. */
static bool has_host_bits(const struct prefix *p)
{
	for (unsigned bit = p->len; bit < addr_len(&p->addr) * 8; bit++)
		if (p->addr.bytes[bit / 8] & 0x80 >> bit % 8)
			return true;
	return false;
}

static void read_network(const struct setting_source *src,
			 const config_setting_t *s, struct conf_agents *agents)
{
	const char *text;
	struct prefix p;

	if (!setting_text(src, s, CONF_PATH_MAX, &text))
		return;
	if (prefix_parse(&p, text))
		setting_error(src, s,
			      "\"%s\" is not a network such as "
			      "\"198.19.0.0/24\" (prefix 0..32, IPv6 0..128)",
			      text);
	else if (has_host_bits(&p))
		setting_error(src, s,
			      "\"%s\" has bits beyond its prefix of %u, clear "
			      "them or lengthen it",
			      text, p.len);
	else if (agents->n_networks == CONF_NETWORKS_MAX)
		setting_error(src, s, "too many networks, at most %u",
			      CONF_NETWORKS_MAX);
	else
		agents->networks[agents->n_networks++] = p;
}

static void read_networks(const struct setting_source *src,
			  const config_setting_t *s, const struct rule *rule,
			  void *into)
{
	int n = is_sequence(s) ? config_setting_length(s) : 0;

	if (!is_sequence(s))
		read_network(src, s, into);
	for (int i = 0; i < n; i++)
		read_network(src, config_setting_get_elem(s, (unsigned)i),
			     into);
}

static bool is_group(const struct setting_source *src,
		     const config_setting_t *s)
{
	if (s->type != CONFIG_TYPE_GROUP)
		setting_error(src, s, "must be a group { … }, not %s",
			      setting_type_name(s));
	return s->type == CONFIG_TYPE_GROUP;
}

/* A service takes its place even when it is wrong, so that service i is
 * element i of the list for check.c. */
static void read_services(const struct setting_source *src,
			  const config_setting_t *s, const struct rule *rule,
			  void *into)
{
	struct conf *conf = into;
	int n = s->type == CONFIG_TYPE_LIST ? config_setting_length(s) : 0;

	if (s->type != CONFIG_TYPE_LIST) {
		setting_error(src, s,
			      "must be a list ( { name = …; listen = …; }, … "
			      "), not %s",
			      setting_type_name(s));
		return;
	}
	if (n == 0 || n > SERVICES_MAX)
		setting_error(src, s, "%d services, allowed are 1..%d", n,
			      SERVICES_MAX);
	for (int i = 0; i < n && i < SERVICES_MAX; i++) {
		const config_setting_t *elem =
			config_setting_get_elem(s, (unsigned)i);
		struct conf_service *service = &conf->services[i];

		conf->n_services++;
		*service = (struct conf_service){ .protocol = IPPROTO_TCP };
		if (is_group(src, elem))
			read_group(src, elem, rule->rules, service);
	}
}

static void read_subgroup(const struct setting_source *src,
			  const config_setting_t *s, const struct rule *rule,
			  void *into)
{
	if (is_group(src, s))
		read_group(src, s, rule->rules, into);
}

static read_fn *const readers[RULE_KINDS] = {
	[RULE_INTEGER] = read_integer,	   [RULE_DURATION] = read_duration,
	[RULE_SHARE] = read_share,	   [RULE_PATH] = read_path,
	[RULE_NAME] = read_name,	   [RULE_WORD] = read_word,
	[RULE_WORD_TEXT] = read_word_text, [RULE_ENDPOINT] = read_endpoint,
	[RULE_VIPS] = read_vips,	   [RULE_NETWORKS] = read_networks,
	[RULE_SERVICES] = read_services,   [RULE_GROUP] = read_subgroup,
	[RULE_BOOL] = read_bool,	   [RULE_MASK] = read_mask,
};

static void report_unknown(const struct setting_source *src,
			   const config_setting_t *s, const struct rule *rules)
{
	struct suggest near = { .text = s->name };

	for (; rules->name; rules++)
		suggest_offer(&near, rules->name);
	if (near.best)
		setting_error(src, s, "is not a setting, did you mean \"%s\"?",
			      near.best);
	else
		setting_error(src, s,
			      "is not a setting here, see halod.conf(5)");
}

void read_group(const struct setting_source *src, const config_setting_t *group,
		const struct rule *rules, void *into)
{
	int n = config_setting_length(group);

	for (int i = 0; i < n; i++) {
		const config_setting_t *s =
			config_setting_get_elem(group, (unsigned)i);
		const struct rule *rule = rule_find(rules, s->name);

		if (rule)
			readers[rule->kind](src, s, rule,
					    (char *)into + rule->offset);
		else
			report_unknown(src, s, rules);
	}
}
