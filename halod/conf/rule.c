// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/rule.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#define MS  NS_PER_MS
#define S   NS_PER_S
#define MIN (60 * NS_PER_S)
#define H   (3600 * NS_PER_S)

#define IN(type, member) \
	.offset = offsetof(type, member), .size = sizeof(((type *)0)->member)

static const struct rule_word protocols[] = {
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{ .text = NULL },
};
static const struct rule_word handovers[] = {
	{ "atomic", HANDOVER_ATOMIC },
	{ "keep", HANDOVER_KEEP },
	{ .text = NULL },
};
static const struct rule_word profiles[] = {
	{ "default", PROFILE_DEFAULT },
	{ "fast", PROFILE_FAST },
	{ .text = NULL },
};
static const struct rule_word auths[] = {
	{ "psk", AUTH_PSK },
	{ "none", AUTH_NONE },
	{ .text = NULL },
};
static const struct rule_word planes[] = {
	{ .text = "auto" }, { .text = "nft" },	{ .text = "nfqueue" },
	{ .text = "kmod" }, { .text = "null" }, { .text = NULL },
};
static const struct rule_word log_levels[] = {
	{ .text = "error" }, { .text = "warn" }, { .text = "info" },
	{ .text = "debug" }, { .text = NULL },
};

static const struct rule service[] = {
	{ "name", RULE_NAME, IN(struct conf_service, name) },
	{ "listen", RULE_INTEGER, IN(struct conf_service, listen), 1, 65535 },
	{ "protocol", RULE_WORD, IN(struct conf_service, protocol),
	  .words = protocols },
	{ "handover", RULE_WORD, IN(struct conf_service, handover),
	  .words = handovers },
	{ "node-port", RULE_INTEGER, IN(struct conf_service, node_port), 0,
	  65535 },
	{ "snat", RULE_BOOL, IN(struct conf_service, snat) },
	{ .name = NULL },
};

static const struct rule agents[] = {
	{ "listen", RULE_ENDPOINT, IN(struct conf_agents, listen) },
	{ "profile", RULE_WORD, IN(struct conf_agents, profile),
	  .words = profiles, .live = true },
	{ "interval", RULE_DURATION, IN(struct conf_agents, interval_ns),
	  1 * MS, 60 * S, .live = true },
	{ "miss", RULE_INTEGER, IN(struct conf_agents, miss), 1, 100,
	  .live = true },
	{ "auth", RULE_WORD, IN(struct conf_agents, auth), .words = auths },
	{ "keys", RULE_PATH, IN(struct conf_agents, keys), .live = true },
	{ .name = "node-networks", .kind = RULE_NETWORKS, .live = true },
	{ .name = NULL },
};

static const struct rule nfqueue[] = {
	{ "queue", RULE_INTEGER, IN(struct conf, nfqueue.queue), 0, 65535 },
	{ "workers", RULE_INTEGER, IN(struct conf, nfqueue.workers), 1, 64 },
	{ "queue-length", RULE_INTEGER, IN(struct conf, nfqueue.queue_len), 1,
	  1 << 20 },
	{ "flows", RULE_INTEGER, IN(struct conf, nfqueue.flows_max), 1024,
	  1 << 26 },
	{ "held", RULE_INTEGER, IN(struct conf, nfqueue.held_max), 1, 1 << 20 },
	{ .name = NULL },
};

const struct rule rule_root[] = {
	{ "routes", RULE_INTEGER, IN(struct conf, routes), 1, ROUTES_MAX },
	{ "virtual-address", RULE_VIPS, IN(struct conf, vip), .live = true },
	{ "services", RULE_SERVICES, .rules = service, .live = true },
	{ "agents", RULE_GROUP, IN(struct conf, agents), .rules = agents },
	{ "reserve", RULE_INTEGER, IN(struct conf, reserve), 0, NODES_MAX,
	  .live = true },
	{ "plane", RULE_WORD_TEXT, IN(struct conf, plane), .words = planes },
	{ "state", RULE_PATH, IN(struct conf, state) },
	{ "control", RULE_PATH, IN(struct conf, control) },
	{ "control-readonly", RULE_PATH, IN(struct conf, control_readonly),
	  .optional = true },
	{ "log-level", RULE_WORD_TEXT, IN(struct conf, log_level),
	  .words = log_levels, .live = true },
	{ "settle", RULE_DURATION, IN(struct conf, settle_ns), 0, 1 * MIN,
	  .live = true },
	{ "move-grace", RULE_DURATION, IN(struct conf, move_grace_ns), 0,
	  10 * MIN, .live = true },
	{ "rejoin", RULE_DURATION, IN(struct conf, rejoin_ns), 0, 1 * H,
	  .live = true },
	{ "hold-down", RULE_DURATION, IN(struct conf, hold_down_ns), 0, 1 * H,
	  .live = true },
	{ "hold-down-max", RULE_DURATION, IN(struct conf, hold_down_max_ns), 0,
	  24 * H, .live = true },
	{ "restart-grace", RULE_DURATION, IN(struct conf, restart_grace_ns), 0,
	  1 * H, .live = true },
	{ "drain-deadline", RULE_DURATION, IN(struct conf, drain_deadline_ns),
	  0, 168 * H, .live = true },
	{ "no-node-hold", RULE_DURATION, IN(struct conf, no_node_hold_ns), 0,
	  1 * MIN, .live = true },
	{ "panic", RULE_SHARE, IN(struct conf, panic), .live = true },
	{ "ct-mark-mask", RULE_MASK, IN(struct conf, ct_mark_mask),
	  CONF_MARK_BITS_MIN },
	{ "nfqueue", RULE_GROUP, .rules = nfqueue },
	{ .name = NULL },
};

const struct rule *rule_find(const struct rule *rules, const char *name)
{
	for (; rules->name; rules++)
		if (!strcmp(rules->name, name))
			return rules;
	return NULL;
}

const char *rule_word_text(const struct rule_word *words, unsigned value)
{
	while (words->value != value)
		words++;
	return words->text;
}
