// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/plane_nft_text.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

/*
 * The way of a packet, hook by hook:
 * - made (output, raw): what HaloD makes itself is not tracked.
 * - arrive, depart (−120): after conntrack, before any NAT. What NAT has bound
 *   to a node passes by one rule or two, answered or not: out of the queue it
 *   would come as it went in. A segment to a door or from a node's door without
 * a flow is answered by a reset. A new connection is copied to the SYN journal;
 *   to a held door it waits in the queue.
 * - nat_in, nat_out (−101): first packets only. Door → seat, whose chain puts
 *   the node instance's tag into the ct mark → address.
 * - hide (99): a node's neighbour comes from the gateway, or the answers would
 *   not come back through it.
 */

static const struct family {
	const char *ip, *digit, *type, *to_door;
} families[FAMILIES] = {
	[FAMILY_V4] = { "ip", "4", "ipv4_addr", "goto door4" },
	[FAMILY_V6] = { "ip6", "6", "ipv6_addr", "goto door6" },
};

static const char *protocol_name(const struct engine_service *s)
{
	return s->protocol == IPPROTO_UDP ? "udp" : "tcp";
}

/* The service's port on the node is one that another has there. */
static bool is_covered(const struct engine_conf *c, unsigned i)
{
	unsigned port = c->nat[i].node_port;

	for (unsigned o = 0; o < c->n_services; o++) {
		unsigned first = c->services[o].listen;

		if (c->services[o].protocol != c->services[i].protocol)
			continue;
		if (c->nat[o].node_port
			    ? o < i && c->nat[o].node_port == port
			    : port >= first && port - first < c->routes)
			return true;
	}
	return false;
}

/* " 8001-8024". A range, not a set of several: Linux 6.18 makes a set's
 * intervals visible a moment after the rules that came with it. */
static void put_ports(FILE *f, const struct engine_conf *c,
		      const struct engine_service *s)
{
	fprintf(f, " %u", s->listen);
	if (c->routes > 1)
		fprintf(f, "-%u", s->listen + c->routes - 1u);
}

/* For as many services as may come, of ports that do not overlap. */
static unsigned room_for_doors(const struct engine_conf *c)
{
	unsigned all = c->routes * SERVICES_MAX;
	unsigned ports = 65535 * 2; /* of TCP and UDP */

	return all < ports ? all : ports;
}

/* Sized for all doors: a table that grows while it is filled took ten times as
 * long on a busy machine. */
static void put_sets(FILE *f, const struct engine_conf *c,
		     const struct family *fam)
{
	unsigned doors = room_for_doors(c);
	const char *d = fam->digit, *type = fam->type;

	fprintf(f,
		"map doors%s { type inet_proto . %s . inet_service : verdict;"
		" size %u; }\n",
		d, type, doors);
	fprintf(f,
		"set hold%s { type inet_proto . %s . inet_service;"
		" size %u; }\n",
		d, type, doors);
	fprintf(f, "map address%s { type mark : %s; }\n", d, type);
	fprintf(f, "set nodes%s { type %s; }\n", d, type);
	fprintf(f, "set former%s { type %s; flags timeout; }\n", d, type);
}

/* To a door, not of a known flow. */
static void put_door(FILE *f, const struct plane_nft_conf *c,
		     const struct family *fam)
{
	fprintf(f,
		"chain door%s {\n"
		"meta mark 0x%x accept\n"
		"tcp flags & (fin|syn|rst|ack) != syn goto flowless\n",
		fam->digit, c->replay);
	if (!c->unlogged)
		fprintf(f,
			"meta l4proto tcp log group %u snaplen 120"
			" queue-threshold 1\n",
			c->group);
	fprintf(f,
		"counter name new_flows\n"
		"meta l4proto @alive meta l4proto @unowned goto held\n"
		"meta l4proto @alive meta l4proto . %s daddr . th dport"
		" @hold%s goto held\n}\n",
		fam->ip, fam->digit);
}

/* "ip daddr VIP tcp dport … THEN" for each service */
static void put_to_doors(FILE *f, const struct engine_conf *c, unsigned family,
			 const char *then)
{
	char to[ADDR_STRLEN];

	if (!addr_is_set(&c->vip[family]))
		return;
	addr_format(&c->vip[family], to);
	for (unsigned i = 0; i < c->n_services; i++) {
		const struct engine_service *s = &c->services[i];

		fprintf(f, "%s daddr %s %s dport", families[family].ip, to,
			protocol_name(s));
		put_ports(f, c, s);
		fprintf(f, " %s\n", then);
	}
}

static void put_from_nodes(FILE *f, const struct engine_conf *c,
			   const struct family *fam, const char *set)
{
	for (unsigned i = 0; i < c->n_services; i++) {
		const struct engine_service *s = &c->services[i];

		if (s->protocol != IPPROTO_TCP ||
		    (c->nat[i].node_port && is_covered(c, i)))
			continue;
		fprintf(f, "%s saddr @%s%s tcp sport", fam->ip, set,
			fam->digit);
		if (c->nat[i].node_port)
			fprintf(f, " %u", c->nat[i].node_port);
		else
			put_ports(f, c, s);
		fputs(" fib daddr type != local"
		      " tcp flags & (fin|syn|rst|ack) != syn goto flowless\n",
		      f);
	}
}

static void put_guard(FILE *f, const struct plane_nft_conf *c, const char *name,
		      const char *hook, bool from_nodes)
{
	fprintf(f,
		"chain %s {\n"
		"type filter hook %s priority -120; policy accept;\n"
		"ct status & (assured|dnat) == (assured|dnat) accept\n"
		"ct status dnat goto bound\n"
		"ct state established,related,untracked accept\n",
		name, hook);
	for (unsigned i = 0; i < FAMILIES; i++) {
		put_to_doors(f, c->engine, i, families[i].to_door);
		if (!from_nodes || !addr_is_set(&c->engine->vip[i]))
			continue;
		put_from_nodes(f, c->engine, &families[i], "nodes");
		put_from_nodes(f, c->engine, &families[i], "former");
	}
	fputs("}\n", f);
}

/* The services' doors in their order: a rule each where the port changes. */
static void put_changed_ports(FILE *f, const struct engine_conf *c,
			      unsigned family, const char *dnat)
{
	char to[ADDR_STRLEN];

	addr_format(&c->vip[family], to);
	for (unsigned i = 0; i < c->n_services; i++) {
		const struct engine_service *s = &c->services[i];

		if (c->nat[i].node_port)
			fprintf(f, "%s daddr %s %s dport %u-%u %s : %u\n",
				families[family].ip, to, protocol_name(s),
				s->listen, s->listen + c->routes - 1u, dnat,
				c->nat[i].node_port);
	}
}

static void put_nat(FILE *f, const struct plane_nft_conf *c, const char *name,
		    const char *hook)
{
	char dnat[64];

	fprintf(f,
		"chain %s {\n"
		"type nat hook %s priority -101; policy accept;\n",
		name, hook);
	for (unsigned i = 0; i < FAMILIES; i++) {
		if (!addr_is_set(&c->engine->vip[i]))
			continue;
		fprintf(f, "meta l4proto . %s daddr . th dport vmap @doors%s\n",
			families[i].ip, families[i].digit);
		snprintf(dnat, sizeof(dnat),
			 "dnat %s to ct mark & 0x%x map @address%s",
			 families[i].ip, c->tag.mask, families[i].digit);
		put_changed_ports(f, c->engine, i, dnat);
		put_to_doors(f, c->engine, i, dnat);
		put_to_doors(f, c->engine, i, "goto unserved");
	}
	fputs("}\n", f);
}

static bool is_of(const struct prefix *p, unsigned family)
{
	return p->addr.af == (family == FAMILY_V6 ? AF_INET6 : AF_INET);
}

static void put_neighbours(FILE *f, const struct plane_nft_conf *c,
			   unsigned family)
{
	const char *before = "elements = { ";
	char text[ADDR_STRLEN + 4];

	fprintf(f, "set neighbours%s { type %s; flags interval; auto-merge\n",
		families[family].digit, families[family].type);
	for (unsigned i = 0; i < c->n_networks; i++) {
		if (!is_of(&c->networks[i], family))
			continue;
		fprintf(f, "%s%s", before,
			prefix_format(&c->networks[i], text));
		before = ", ";
	}
	fputs(*before == ',' ? " }\n}\n" : "}\n", f);
}

static bool hides(const struct engine_conf *c)
{
	for (unsigned i = 0; i < c->n_services; i++)
		if (c->nat[i].snat)
			return true;
	return false;
}

static void put_hidden(FILE *f, const struct engine_conf *c, unsigned family)
{
	const struct family *fam = &families[family];
	char door[ADDR_STRLEN];

	addr_format(&c->vip[family], door);
	for (unsigned i = 0; i < c->n_services; i++) {
		const struct engine_service *s = &c->services[i];

		if (c->nat[i].snat)
			fprintf(f,
				"meta l4proto %s ct original %s daddr %s"
				" ct original proto-dst %u-%u"
				" %s saddr @neighbours%s masquerade\n",
				protocol_name(s), fam->ip, door, s->listen,
				s->listen + c->routes - 1u, fam->ip,
				fam->digit);
	}
}

static void put_hide(FILE *f, const struct plane_nft_conf *c)
{
	if (!hides(c->engine))
		return;
	for (unsigned i = 0; i < FAMILIES; i++)
		put_neighbours(f, c, i);
	fputs("chain hide {\n"
	      "type nat hook postrouting priority 99; policy accept;\n"
	      "ct status & dnat == 0 accept\n",
	      f);
	for (unsigned i = 0; i < FAMILIES; i++)
		if (addr_is_set(&c->engine->vip[i]))
			put_hidden(f, c->engine, i);
	fputs("}\n", f);
}

static void put_fixed(FILE *f, const struct plane_nft_conf *c)
{
	fputs("set " PLANE_NFT_LAYOUT_SET
	      " { type mark . mark; }\n" /* fingerprint, tag's mask */
	      "set version { type mark . mark; }\n"
	      "set serving { type inet_proto; }\n"
	      "set unowned { type inet_proto; }\n"
	      "set alive { type inet_proto; flags timeout; }\n"
	      "counter new_flows { }\n"
	      "counter flowless { }\n"
	      "counter unserved { }\n"
	      /* no node has it, or not of that family; before the first table
	       * there is no answer */
	      "chain unserved {\n"
	      "counter name unserved\n"
	      "meta l4proto != @serving drop\n"
	      "meta l4proto tcp reject with tcp reset\n"
	      "reject with icmpx port-unreachable\n}\n"
	      "chain flowless {\n"
	      "counter name flowless\n"
	      "meta l4proto tcp reject with tcp reset\n}\n",
	      f);
	fputs("chain held {\n", f);
	if (c->how == RULES_NFT_QUEUE)
		fprintf(f, "queue num %u\n", c->queue);
	else
		fputs("drop\n", f); /* until its xt rule stands before it */
	fputs("}\n", f);
	/* the end of a handshake: a refusal waits while its node is looked at,
	 * unless nobody is there to look */
	fputs("chain bound {\n"
	      "tcp flags & (syn|rst|ack) == (rst|ack) ct direction reply"
	      " goto refused\n"
	      "accept\n}\n"
	      "chain refused {\n",
	      f);
	if (c->how == RULES_NFT_QUEUE)
		fprintf(f, "queue num %u bypass\n", c->queue);
	else
		fputs("accept\n", f); /* the same */
	fputs("}\n", f);
	fprintf(f,
		"chain made {\n"
		"type filter hook output priority raw; policy accept;\n"
		"meta mark 0x%x notrack\n}\n",
		c->mark);
}

/* All that names an address or a port; put_flushes() names these chains. */
static void put_chains(FILE *f, const struct plane_nft_conf *c)
{
	for (unsigned i = 0; i < FAMILIES; i++)
		put_door(f, c, &families[i]);
	put_guard(f, c, "arrive", "prerouting", true);
	put_guard(f, c, "depart", "output", false);
	put_nat(f, c, "nat_in", "prerouting");
	put_nat(f, c, "nat_out", "output");
}

/* The first NAT chain of a namespace brings NAT itself, the last takes it
 * along. What reaches the gateway at a door has not been looked up. */
static void put_anchor(FILE *f, const struct engine_conf *c)
{
	fputs("table inet " PLANE_NFT_TABLE "_anchor {\n"
	      "flags owner;\n"
	      "chain nat {\n"
	      "type nat hook prerouting priority -101; policy accept;\n}\n"
	      "chain lost {\n"
	      "type filter hook input priority -120; policy accept;\n",
	      f);
	for (unsigned i = 0; i < FAMILIES; i++)
		put_to_doors(f, c, i, "ct direction original drop");
	fputs("}\n}\n", f);
}

static void put_flushes(FILE *f)
{
	static const char *const chains[] = { "door4",	"door6",  "arrive",
					      "depart", "nat_in", "nat_out" };

	for (unsigned i = 0; i < ARRAY_SIZE(chains); i++)
		fprintf(f, "flush chain inet " PLANE_NFT_TABLE " %s\n",
			chains[i]);
	fputs("flush set inet " PLANE_NFT_TABLE " layout\n", f);
}

static void put_table(FILE *f, const struct plane_nft_conf *c)
{
	fputs("table inet " PLANE_NFT_TABLE " {\n", f);
	for (unsigned i = 0; i < FAMILIES; i++)
		put_sets(f, c->engine, &families[i]);
	put_fixed(f, c);
	put_chains(f, c);
	put_hide(f, c);
	fputs("}\n", f);
}

static void put_change(FILE *f, const struct plane_nft_conf *c, uint32_t layout)
{
	put_flushes(f);
	fputs("table inet " PLANE_NFT_TABLE " {\n", f);
	put_chains(f, c);
	fprintf(f,
		"}\nadd element inet " PLANE_NFT_TABLE " layout"
		" { 0x%08x . 0x%08x }\n",
		layout, c->tag.mask);
}

static uint32_t fingerprint(const char *text)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	while (*text)
		h = (h ^ (uint8_t)*text++) * 16777619u;
	return h;
}

char *plane_nft_text_doors(const struct plane_nft_conf *c, uint32_t *layout)
{
	char *text = plane_nft_text(c, layout);
	size_t len;
	FILE *f;
	bool failed;

	free(text);
	if (!text)
		return NULL;
	f = open_memstream(&text, &len);
	if (!f)
		return NULL;
	put_change(f, c, *layout);
	failed = ferror(f);
	if (fclose(f) || failed) {
		free(text);
		return NULL;
	}
	return text;
}

/* NULL: no memory. */
static char *hide_text(const struct plane_nft_conf *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	put_hide(f, c);
	if (!fclose(f))
		return text;
	free(text);
	return NULL;
}

bool plane_nft_text_hides_alike(const struct plane_nft_conf *a,
				const struct plane_nft_conf *b)
{
	char *one = hide_text(a), *other = hide_text(b);
	bool same = one && other && !strcmp(one, other);

	free(one);
	free(other);
	return same;
}

char *plane_nft_text(const struct plane_nft_conf *c, uint32_t *layout)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	bool failed;

	if (!f)
		return NULL;
	fputs("add table inet " PLANE_NFT_TABLE "\n"
	      "delete table inet " PLANE_NFT_TABLE "\n",
	      f);
	put_table(f, c);
	failed = ferror(f);
	if (fclose(f) || failed) {
		free(text);
		return NULL;
	}
	*layout = fingerprint(text);
	return text;
}

char *plane_nft_text_anchor(const struct engine_conf *engine)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	bool failed;

	if (!f)
		return NULL;
	put_anchor(f, engine);
	failed = ferror(f);
	if (!fclose(f) && !failed)
		return text;
	free(text);
	return NULL;
}
