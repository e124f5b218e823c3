// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/rules.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/nft.h"
#include "io/nft_probe.h"
#include "io/nft_text.h"

#define CHAIN_NAME_MAX 24

/* What nft calls things in each family, and where the packet that an ICMP error
 * is about lies behind the outer IP header: offset and length in bits. */
struct family {
	const char *ip, *set, *inner_set, *of_mark, *type, *nfproto;
	const char *icmp_error;
	const char *inner_dst, *inner_src_port;
	const char *inner_is_odd; /* its ports are not where we look */
};

static const struct family families[FAMILIES] = {
	[FAMILY_V4] = {
		.ip = "ip", .set = "nodes4", .inner_set = "inner_nodes4",
		.of_mark = "node_of_mark4", .type = "ipv4_addr",
		.nfproto = "ipv4",
		.icmp_error = "icmp type { destination-unreachable, "
			      "time-exceeded, parameter-problem }",
		.inner_dst = "@th,192,32", .inner_src_port = "@th,224,16",
		.inner_is_odd = "@th,68,4 != 5",
	},
	[FAMILY_V6] = {
		.ip = "ip6", .set = "nodes6", .inner_set = "inner_nodes6",
		.of_mark = "node_of_mark6", .type = "ipv6_addr",
		.nfproto = "ipv6",
		.icmp_error = "icmpv6 type { destination-unreachable, "
			      "packet-too-big, time-exceeded, "
			      "parameter-problem }",
		.inner_dst = "@th,256,128", .inner_src_port = "@th,384,16",
		.inner_is_odd = "@th,112,8 != { 6, 17 }",
	},
};

static const char *protocol_name(const struct engine_service *s)
{
	return s->protocol == IPPROTO_UDP ? "udp" : "tcp";
}

/* " 8001-8024". A range, not a set of several: Linux 6.18 makes a set's
 * intervals visible a moment after the rules that came with it, and in between
 * the host itself would answer clients by resets. */
static void put_range(FILE *f, const struct engine_conf *c,
		      const struct engine_service *s)
{
	fprintf(f, " %u", s->listen);
	if (c->routes > 1)
		fprintf(f, "-%u", s->listen + c->routes - 1u);
}

/* " { 8001-8024, 9001-9024 }": of all, where a moment does not matter. */
static void put_ports(FILE *f, const struct engine_conf *c)
{
	fputs(" {", f);
	for (unsigned i = 0; i < c->n_services; i++) {
		fputs(i ? "," : "", f);
		put_range(f, c, &c->services[i]);
	}
	fputs(" }", f);
}

static void put_sets(FILE *f, const struct family *fam)
{
	fprintf(f, "set %s { typeof %s saddr; }\n", fam->set, fam->ip);
	fprintf(f, "set %s { typeof %s; }\n", fam->inner_set, fam->inner_dst);
	fprintf(f, "map %s { type mark : %s; }\n", fam->of_mark, fam->type);
}

/* Before its queue rule is in, nothing passes a worker's chain. */
static void put_worker(FILE *f, const struct rules_conf *c, unsigned i)
{
	fprintf(f, "chain worker%u {\n", i);
	if (c->how == RULES_NFT_QUEUE)
		fprintf(f, "queue num %u\n", c->queue + i);
	else
		fputs("drop\n", f);
	fputs("}\n", f);
}

/* A chain that leads to the worker of a client. */
static void put_choice(FILE *f, const struct rules_conf *c, const char *name,
		       const struct family *fam, const char *client)
{
	fprintf(f, "chain %s_%s {\n", name, fam->ip);
	if (c->workers == 1) {
		fputs("goto worker0\n}\n", f);
		return;
	}
	fprintf(f, "jhash %s mod %u seed 0x%x vmap { ", client, c->workers,
		c->engine->seed);
	for (unsigned i = 0; i < c->workers; i++)
		fprintf(f, "%s%u : goto worker%u", i ? ", " : "", i, i);
	fputs(" }\n}\n", f);
}

static void put_choices(FILE *f, const struct rules_conf *c,
			const struct family *fam)
{
	char field[16];

	snprintf(field, sizeof(field), "%s saddr", fam->ip);
	put_choice(f, c, "from_client", fam, field);
	snprintf(field, sizeof(field), "%s daddr", fam->ip);
	put_choice(f, c, "to_client", fam, field);
	put_choice(f, c, "about_client", fam, fam->inner_dst);
}

/* Clients' packets to doors, and errors about what doors sent to clients. */
static void put_to_doors(FILE *f, const struct engine_conf *c,
			 const struct family *fam)
{
	for (unsigned i = 0; i < c->n_services; i++) {
		const struct engine_service *s = &c->services[i];

		fprintf(f, "%s dport", protocol_name(s));
		put_range(f, c, s);
		fprintf(f, " notrack goto from_client_%s\n", fam->ip);
	}
	fprintf(f, "%s %s", fam->icmp_error, fam->inner_src_port);
	put_ports(f, c);
	fprintf(f, " notrack goto about_client_%s\n", fam->ip);
	fprintf(f, "%s %s notrack goto about_client_%s\n", fam->icmp_error,
		fam->inner_is_odd, fam->ip);
}

/* Nodes' packets from doors. */
static void put_from_doors(FILE *f, const struct engine_conf *c,
			   const char *then)
{
	for (unsigned i = 0; i < c->n_services; i++) {
		fprintf(f, "%s sport", protocol_name(&c->services[i]));
		put_range(f, c, &c->services[i]);
		fprintf(f, "%s\n", then);
	}
}

/* Chains that the hooks' chains lead to by one comparison of an address, so
 * that a packet does not meet the services' rules of the other direction. The
 * gateway's own connections to nodes (probes) stay tracked. */
static void put_directions(FILE *f, const struct rules_conf *c, unsigned i)
{
	const struct family *fam = &families[i];
	bool used = addr_is_set(&c->engine->vip[i]);
	char then[32];

	fprintf(f, "chain to_door_%s {\n", fam->ip);
	if (used)
		put_to_doors(f, c->engine, fam);
	fprintf(f, "}\nchain from_door_%s {\n", fam->ip);
	if (used)
		put_from_doors(f, c->engine,
			       " fib daddr type != local notrack accept");
	fprintf(f, "}\nchain left_door_%s {\n", fam->ip);
	snprintf(then, sizeof(then), " goto to_client_%s", fam->ip);
	if (used)
		put_from_doors(f, c->engine, then);
	fputs("}\n", f);
}

static void put_prerouting(FILE *f, const struct rules_conf *c)
{
	char vip[ADDR_STRLEN];

	fputs("chain prerouting {\n"
	      "type filter hook prerouting priority raw; policy accept;\n",
	      f);
	for (unsigned i = 0; i < FAMILIES; i++) {
		const struct family *fam = &families[i];

		if (!addr_is_set(&c->engine->vip[i]))
			continue;
		addr_format(&c->engine->vip[i], vip);
		fprintf(f,
			"%s daddr %s jump to_door_%s\n"
			"%s saddr @%s jump from_door_%s\n"
			"%s %s @%s fib daddr type != local notrack\n",
			fam->ip, vip, fam->ip, fam->ip, fam->set, fam->ip,
			fam->icmp_error, fam->inner_dst, fam->inner_set);
	}
	fputs("}\n", f);
}

static void put_output(FILE *f, const struct rules_conf *c)
{
	fprintf(f,
		"chain output {\n"
		"type filter hook output priority raw; policy accept;\n"
		"meta mark 0x%x notrack\n",
		c->mark);
	for (unsigned i = 0; i < FAMILIES; i++)
		if (addr_is_set(&c->engine->vip[i]))
			fprintf(f, "%s %s @%s notrack\n",
				families[i].icmp_error, families[i].inner_dst,
				families[i].inner_set);
	fputs("}\n", f);
}

static void put_postrouting(FILE *f, const struct rules_conf *c)
{
	fprintf(f,
		"chain postrouting {\n"
		"type filter hook postrouting priority raw; policy accept;\n"
		"meta mark 0x%x accept\n",
		c->mark);
	for (unsigned i = 0; i < FAMILIES; i++) {
		const struct family *fam = &families[i];

		if (addr_is_set(&c->engine->vip[i]))
			fprintf(f,
				"%s saddr @%s jump left_door_%s\n"
				"%s %s @%s goto to_client_%s\n",
				fam->ip, fam->set, fam->ip, fam->icmp_error,
				fam->inner_dst, fam->inner_set, fam->ip);
	}
	fputs("}\n", f);
}

/* After the queues. Those that were rewritten by user space have no mark. */
static void put_to_nodes(FILE *f, const struct rules_conf *c)
{
	fputs("chain to_nodes {\n"
	      "type filter hook prerouting priority raw + 1; policy accept;\n",
	      f);
	for (unsigned i = 0; i < FAMILIES; i++)
		if (addr_is_set(&c->engine->vip[i]))
			fprintf(f,
				"meta mark & 0x%x == 0x%x meta nfproto %s "
				"%s daddr set meta mark map @%s "
				"meta mark set 0 accept\n",
				RULES_MARK_MASK, RULES_MARK,
				families[i].nfproto, families[i].ip,
				families[i].of_mark);
	fputs("}\n", f);
}

static void put_to_clients(FILE *f, const struct rules_conf *c)
{
	char vip[ADDR_STRLEN];

	fputs("chain to_clients {\n"
	      "type filter hook postrouting priority raw + 1; policy accept;\n",
	      f);
	for (unsigned i = 0; i < FAMILIES; i++) {
		if (!addr_is_set(&c->engine->vip[i]))
			continue;
		addr_format(&c->engine->vip[i], vip);
		fprintf(f,
			"meta mark 0x%x meta nfproto %s %s saddr set %s "
			"meta mark set 0 accept\n",
			RULES_MARK_DOOR, families[i].nfproto, families[i].ip,
			vip);
	}
	fputs("}\n", f);
}

/* All that names an address or a port. */
static void put_doors(FILE *f, const struct rules_conf *c)
{
	for (unsigned i = 0; i < FAMILIES; i++)
		put_directions(f, c, i);
	put_prerouting(f, c);
	put_output(f, c);
	put_postrouting(f, c);
	put_to_nodes(f, c);
	put_to_clients(f, c);
}

static void put_table(FILE *f, const struct rules_conf *c)
{
	fputs("table inet " RULES_TABLE " {\n", f);
	for (unsigned i = 0; i < FAMILIES; i++)
		put_sets(f, &families[i]);
	for (unsigned i = 0; i < c->workers; i++)
		put_worker(f, c, i);
	for (unsigned i = 0; i < FAMILIES; i++)
		put_choices(f, c, &families[i]);
	put_doors(f, c);
	fputs("}\n", f);
}

/* What write writes, on the heap; NULL: no memory. */
static char *text_of(void (*write)(FILE *f, const char *first,
				   const struct rules_conf *c),
		     const char *first, const struct rules_conf *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	bool failed;

	if (!f)
		return NULL;
	write(f, first, c);
	failed = ferror(f);
	if (fclose(f) || failed) {
		free(text);
		return NULL;
	}
	return text;
}

static void write_whole(FILE *f, const char *first, const struct rules_conf *c)
{
	fprintf(f,
		"add table inet " RULES_TABLE "\n%s table inet " RULES_TABLE
		"\n",
		first);
	put_table(f, c);
}

/* The workers' chains and what leads to them stay as they are. */
static void write_doors(FILE *f, const char *first, const struct rules_conf *c)
{
	static const char *const chains[] = {
		"prerouting",  "output",	"postrouting",	 "to_nodes",
		"to_clients",  "to_door_ip",	"from_door_ip",	 "left_door_ip",
		"to_door_ip6", "from_door_ip6", "left_door_ip6",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(chains); i++)
		fprintf(f, "%s chain inet " RULES_TABLE " %s\n", first,
			chains[i]);
	fputs("table inet " RULES_TABLE " {\n", f);
	put_doors(f, c);
	fputs("}\n", f);
}

static int run_text(char *take_text, char *err, unsigned err_size)
{
	int ret;

	snprintf(err, err_size, "%s", strerror(ENOMEM));
	if (!take_text)
		return -ENOMEM;
	ret = nft_text_run(take_text, err, err_size);
	free(take_text);
	return ret;
}

char *rules_text(const struct rules_conf *c)
{
	return text_of(write_whole, "flush", c);
}

/* In a table of family ip: for that the kernel loads xt_NFQUEUE, which then
 * serves inet too; for inet it would ask for a module of no name. */
static int probe_xt_queue(char *err, unsigned err_size)
{
	struct nft_batch b;
	int ret = nft_text_run("add table ip " NFT_PROBE_TABLE "\n"
			       "add chain ip " NFT_PROBE_TABLE " c\n",
			       err, err_size);

	if (ret)
		return ret;
	nft_batch_init(&b, NFT_PROBE_TABLE);
	b.family = AF_INET;
	nft_insert_xt_queue(&b, "c", 0, false);
	ret = nft_commit(&b);
	if (ret)
		snprintf(err, err_size,
			 "this kernel has neither nft's queue "
			 "statement nor xtables' NFQUEUE target: %s; "
			 "load nft_queue or xt_NFQUEUE",
			 strerror(-ret));
	nft_text_run("delete table ip " NFT_PROBE_TABLE "\n", (char[128]){ 0 },
		     128);
	return ret;
}

int rules_probe(enum rules_queue *out, char *err, unsigned err_size)
{
	int ret;

	if (!getenv("HALO_FORCE_XT_NFQUEUE") &&
	    nft_probe_statement("queue num 0")) {
		*out = RULES_NFT_QUEUE;
		return 0;
	}
	ret = probe_xt_queue(err, err_size);
	if (!ret)
		*out = RULES_XT_QUEUE;
	return ret;
}

static int insert_xt_queues(const struct rules_conf *c, char *err,
			    unsigned err_size)
{
	char chain[CHAIN_NAME_MAX];
	struct nft_batch b;
	int ret;

	nft_batch_init(&b, RULES_TABLE);
	for (unsigned i = 0; i < c->workers; i++) {
		snprintf(chain, sizeof(chain), "worker%u", i);
		nft_insert_xt_queue(&b, chain, (uint16_t)(c->queue + i), false);
	}
	ret = nft_commit(&b);
	if (ret)
		snprintf(err, err_size, "cannot insert the NFQUEUE rules: %s",
			 strerror(-ret));
	return ret;
}

static int write_after(const char *first, const struct rules_conf *c, char *err,
		       unsigned err_size)
{
	return run_text(text_of(write_whole, first, c), err, err_size);
}

int rules_write(const struct rules_conf *c, char *err, unsigned err_size)
{
	int ret = write_after("flush", c, err, err_size);

	if (ret) /* chains or sets of another version stand in the way */
		ret = write_after("delete", c, err, err_size);
	if (!ret && c->how == RULES_XT_QUEUE)
		ret = insert_xt_queues(c, err, err_size);
	return ret;
}

int rules_change_doors(const struct rules_conf *c, char *err, unsigned err_size)
{
	return run_text(text_of(write_doors, "flush", c), err, err_size);
}

int rules_remove(char *err, unsigned err_size)
{
	return nft_text_run("add table inet " RULES_TABLE
			    "\ndelete table inet " RULES_TABLE "\n",
			    err, err_size);
}

static const struct family *family_of(const struct addr *a)
{
	return &families[a->af == AF_INET6 ? FAMILY_V6 : FAMILY_V4];
}

static void flush_nodes(struct nft_batch *b)
{
	for (unsigned i = 0; i < FAMILIES; i++) {
		nft_set_flush(b, families[i].set);
		nft_set_flush(b, families[i].inner_set);
		nft_set_flush(b, families[i].of_mark);
	}
}

static void remove_node(struct nft_batch *b, const struct rules_node *n)
{
	const struct family *fam = family_of(&n->addr);

	nft_set_remove(b, fam->set, &n->addr);
	nft_set_remove(b, fam->inner_set, &n->addr);
	if (n->number < RULES_NODES_MAX)
		nft_map_remove(b, fam->of_mark, RULES_MARK + n->number);
}

static void add_node(struct nft_batch *b, const struct rules_node *n)
{
	const struct family *fam = family_of(&n->addr);

	nft_set_add(b, fam->set, &n->addr);
	nft_set_add(b, fam->inner_set, &n->addr);
	if (n->number < RULES_NODES_MAX)
		nft_map_add(b, fam->of_mark, RULES_MARK + n->number, &n->addr);
}

int rules_change_nodes(const struct rules_nodes *n)
{
	unsigned n_remove = n->replace ? 0 : n->n_remove;
	struct nft_batch b;

	nft_batch_init(&b, RULES_TABLE);
	if (n->replace)
		flush_nodes(&b);
	for (unsigned i = 0; i < n_remove; i++)
		remove_node(&b, &n->remove[i]);
	for (unsigned i = 0; i < n->n_add; i++)
		add_node(&b, &n->add[i]);
	return nft_commit(&b);
}

int rules_fingerprint(uint64_t *out)
{
	uint64_t sum = 0;
	int err = nft_sum_rules(RULES_TABLE, &sum);

	if (err)
		return err;
	for (unsigned i = 0; i < FAMILIES && !err; i++) {
		err = nft_sum_elements(RULES_TABLE, families[i].set, &sum);
		if (!err)
			err = nft_sum_elements(RULES_TABLE,
					       families[i].inner_set, &sum);
		if (!err)
			err = nft_sum_elements(RULES_TABLE, families[i].of_mark,
					       &sum);
	}
	if (err)
		return err == -ENOENT ? -EINVAL : err;
	*out = sum;
	return 0;
}
