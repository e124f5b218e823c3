/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * halod.conf(5): file → checked struct → canonical print (section 10 of the
 * design). All errors are collected in one run. Opens nothing but the file.
 */
#ifndef HALO_CONF_CONF_H
#define HALO_CONF_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/diag.h"
#include "base/units.h"

enum conf_profile { PROFILE_DEFAULT, PROFILE_FAST };
enum conf_auth { AUTH_PSK, AUTH_NONE };
enum conf_handover { HANDOVER_ATOMIC, HANDOVER_KEEP };

#define CONF_NETWORKS_MAX  64
#define CONF_MARK_BITS_MIN 16  /* for the tags of node instances */
#define CONF_PATH_MAX	   108 /* sun_path's limit for sockets */

struct conf_service {
	char name[NODE_NAME_MAX];
	uint16_t listen;
	uint8_t protocol; /* IPPROTO_TCP (default), IPPROTO_UDP */
	enum conf_handover handover;
	bool snat; /* nodes see the gateway instead of their neighbours */
	uint16_t node_port; /* 0: the door's own, on the node as well */
};

struct conf_agents {
	struct endpoint listen;
	enum conf_profile profile;
	enum conf_auth auth;
	char keys[256];
	unsigned n_networks; /* 0: the address it connects from */
	struct prefix networks[CONF_NETWORKS_MAX];
	uint64_t interval_ns; /* set by profile, then by the file */
	unsigned miss;
};

struct conf {
	unsigned routes;
	struct addr vip[FAMILIES]; /* one per family: [0] IPv4, [1] IPv6 */
	unsigned n_services;
	struct conf_service services[SERVICES_MAX];
	struct conf_agents agents;
	unsigned reserve;
	char plane[16]; /* auto, nft, nfqueue, kmod, null */
	char state[256];
	char control[CONF_PATH_MAX];
	char control_readonly[CONF_PATH_MAX]; /* "": none */
	char log_level[8];
	uint64_t settle_ns, move_grace_ns, rejoin_ns, hold_down_ns,
		hold_down_max_ns, restart_grace_ns, drain_deadline_ns,
		no_node_hold_ns;
	double panic;
	uint32_t ct_mark_mask; /* adjoining bits, CONF_MARK_BITS_MIN or more */
	struct {	       /* nfqueue = { … } */
		uint16_t queue;
		unsigned workers, queue_len, flows_max, held_max;
	} nfqueue;
};

/* Reads and checks. 0, or -EINVAL with the errors in diags (warnings may be
 * there in both cases). *out changes on success only. */
int conf_load(struct conf *out, const char *path, struct diag_list *diags);
/* The same from memory; name stands for the file in messages. */
int conf_parse(struct conf *out, const char *text, const char *name,
	       struct diag_list *diags);
/* As conf_load(), for a halod that runs: what differs from `running` and is
 * read at start alone is an error, too. */
int conf_reload(struct conf *out, const char *path, const struct conf *running,
		struct diag_list *diags);
/* Calls fn with the name of each setting that differs: "agents.interval". */
void conf_changes(const struct conf *from, const struct conf *to,
		  void (*fn)(void *arg, const char *name), void *arg);
/* Every setting with its value in force, parseable again. */
void conf_print(const struct conf *conf, FILE *out);

#endif
