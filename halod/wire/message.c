// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire/message.h"

#include <string.h>

static const char *name_in(const char *const *names, unsigned count,
			   unsigned value)
{
	return value < count && names[value] ? names[value] : "unknown";
}

const char *message_type_name(enum message_type type)
{
	static const char *const names[] = {
		[MESSAGE_HELLO] = "HELLO",
		[MESSAGE_WELCOME] = "WELCOME",
		[MESSAGE_ERROR] = "ERROR",
		[MESSAGE_BEAT] = "BEAT",
		[MESSAGE_BEAT_ACK] = "BEAT_ACK",
		[MESSAGE_MOVING] = "MOVING",
		[MESSAGE_MOVED_OK] = "MOVED_OK",
		[MESSAGE_ASSIGNED] = "ASSIGNED",
		[MESSAGE_ASSIGNED_OK] = "ASSIGNED_OK",
		[MESSAGE_GOODBYE] = "GOODBYE",
	};

	return name_in(names, ARRAY_SIZE(names), type);
}

const char *node_state_name(enum node_state state)
{
	static const char *const names[NODE_STATES] = {
		[NODE_JOINING] = "joining",
		[NODE_RESERVE] = "reserve",
		[NODE_ACTIVE] = "active",
		[NODE_SUSPECT] = "suspect",
		[NODE_DRAINING] = "draining",
		[NODE_DRAINED] = "drained",
		[NODE_LOST] = "lost",
		[NODE_QUARANTINED] = "quarantined",
	};

	return name_in(names, NODE_STATES, state);
}

const char *move_reason_name(enum move_reason reason)
{
	static const char *const names[MOVE_REASONS] = {
		[MOVE_JOIN] = "join",
		[MOVE_DRAIN] = "drain",
		[MOVE_UNDO] = "undo",
		[MOVE_LOSS] = "loss",
	};

	return name_in(names, MOVE_REASONS, reason);
}

const char *node_health_name(enum node_health health)
{
	static const char *const names[] = {
		[HEALTH_UNKNOWN] = "unknown",
		[HEALTH_UP] = "up",
		[HEALTH_DOWN] = "down",
	};

	return name_in(names, ARRAY_SIZE(names), health);
}

const char *error_code_name(enum error_code code)
{
	static const char *const names[] = {
		[ERROR_VERSION] = "version",	 [ERROR_PROTOCOL] = "protocol",
		[ERROR_NAME] = "name",		 [ERROR_ADDRESS] = "address",
		[ERROR_DUPLICATE] = "duplicate", [ERROR_FULL] = "full",
		[ERROR_REMOVED] = "removed",	 [ERROR_SHUTDOWN] = "shutdown",
	};

	return name_in(names, ARRAY_SIZE(names), code);
}

bool message_is_agents(enum message_type type)
{
	return type == MESSAGE_HELLO || type == MESSAGE_BEAT ||
	       type == MESSAGE_MOVED_OK || type == MESSAGE_ASSIGNED_OK ||
	       type == MESSAGE_GOODBYE;
}

/* Not isalnum(): the locale has no say in what a name is. */
static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool node_name_is_valid(const char *name)
{
	size_t len = strnlen(name, NODE_NAME_MAX);

	if (!len || len == NODE_NAME_MAX || *name == '.' || *name == '-')
		return false;
	for (; *name; name++)
		if (!is_name_char(*name))
			return false;
	return true;
}

uint32_t route_digest(const struct route_set *routes)
{
	uint32_t hash = 2166136261u;

	for (uint32_t i = 0; i < routes->count; i++) {
		hash = (hash ^ (routes->ids[i] >> 8)) * 16777619u;
		hash = (hash ^ (routes->ids[i] & 0xff)) * 16777619u;
	}
	return hash;
}
