// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/conf.h"

#define MINIMAL                                              \
	"routes = 24;\n"                                     \
	"virtual-address = \"198.18.0.100\";\n"              \
	"services = ( { name = \"b\"; listen = 8001; } );\n" \
	"agents = { listen = \"198.19.0.1:7460\"; };\n"

static struct diag_list diags; /* 50 kB: too large for a stack frame */

static int parse(struct conf *out, const char *text)
{
	memset(&diags, 0, sizeof(diags));
	return conf_parse(out, text, "t.conf", &diags);
}

static void print_diags(void)
{
	for (unsigned i = 0; i < diags.count; i++)
		print_message("%s:%u: %s\n", diags.items[i].file,
			      diags.items[i].line, diags.items[i].text);
}

static bool has_error(unsigned line, const char *text)
{
	for (unsigned i = 0; i < diags.count; i++)
		if (diags.items[i].line == line && !diags.items[i].warning &&
		    strstr(diags.items[i].text, text))
			return true;
	return false;
}

static void minimal_file_gets_the_documented_defaults(void **state)
{
	struct conf c;

	assert_int_equal(parse(&c, MINIMAL), 0);
	assert_int_equal(diags.count, 0);
	assert_int_equal(c.routes, 24);
	assert_int_equal(c.vip[FAMILY_V4].af, AF_INET);
	assert_false(addr_is_set(&c.vip[FAMILY_V6]));
	assert_int_equal(c.services[0].protocol, IPPROTO_TCP);
	assert_int_equal(c.services[0].handover, HANDOVER_ATOMIC);
	assert_int_equal(c.agents.interval_ns, 200 * NS_PER_MS);
	assert_int_equal(c.agents.miss, 5);
	assert_int_equal(c.agents.auth, AUTH_PSK);
	assert_int_equal(c.reserve, 0);
	assert_string_equal(c.plane, "auto");
	assert_string_equal(c.control, "/run/halod/halod.sock");
	assert_int_equal(c.hold_down_max_ns, 300 * NS_PER_S);
	assert_true(c.panic == 0.5);
	assert_int_equal(c.ct_mark_mask, 0xffff0000);
	assert_int_equal(c.nfqueue.held_max, 8192);
}

static void fast_profile_sets_what_the_file_does_not(void **state)
{
	struct conf c;

	assert_int_equal(parse(&c,
			       "routes = 1; virtual-address = \"fd00::1\";"
			       "services = ({name=\"b\";listen=1;});"
			       "agents = { listen = \"[fd00::2]:7460\";"
			       "interval = \"20 ms\"; profile = \"fast\"; };"),
			 0);
	assert_int_equal(c.agents.interval_ns, 20 * NS_PER_MS);
	assert_int_equal(c.agents.miss, 3);
	assert_int_equal(c.vip[FAMILY_V6].af, AF_INET6);
}

static void output_changes_on_success_only(void **state)
{
	struct conf c;

	memset(&c, 0x5a, sizeof(c));
	assert_int_equal(parse(&c, "routes = 7;"), -EINVAL);
	for (size_t i = 0; i < sizeof(c); i++)
		assert_int_equal(((unsigned char *)&c)[i], 0x5a);
}

/* Appended to MINIMAL, so line 5 on; or a whole file when it begins with ! */
static const struct bad {
	const char *title, *text;
	unsigned line;
	const char *expect;
} bads[] = {
	{ "unknown name", "rezerve = 1;", 5, "did you mean \"reserve\"" },
	{ "underscore", "log_level = \"info\";", 5, "\"log-level\"" },
	{ "nothing near", "colour = 1;", 5, "is not a setting here" },
	{ "wrong type", "reserve = \"1\";", 5,
	  "must be a whole number, 0..4096, not a string" },
	{ "negative", "reserve = -1;", 5, "-1 is out of range" },
	{ "float for int", "reserve = 1.5;", 5, "not a fraction" },
	{ "32-bit overflow", "\nreserve = 4294967297;", 6, "too large" },
	{ "64-bit overflow", "reserve = 18446744073709551617;", 5,
	  "too large" },
	{ "hex overflow", "reserve = 0x100000001;", 5, "too large" },
	{ "64-bit value", "reserve = 4294967297L;", 5, "out of range" },
	{ "bare duration", "settle = 500;", 5,
	  "has no unit, write it as \"500 ms\"" },
	{ "strange unit", "settle = \"5 parsec\";", 5, "is not a duration" },
	{ "fraction of a unit", "settle = \"1.5 s\";", 5, "whole number" },
	{ "no unit in string", "settle = \"500\";", 5, "is not a duration" },
	{ "too long", "settle = \"2 min\";", 5, "allowed is 0 s..1 min" },
	{ "overflowing duration", "settle = \"99999999999999999999 h\";", 5,
	  "out of range" },
	{ "negative duration", "settle = \"-1 s\";", 5, "is not a duration" },
	{ "bool duration", "settle = true;", 5, "must be a duration" },
	{ "unknown plane", "plane = \"nfqeue\";", 5,
	  "did you mean \"nfqueue\"" },
	{ "unknown level", "log-level = \"loud\";", 5,
	  "allowed: error, warn, info, debug" },
	{ "panic of 0", "panic = 0.0;", 5, "above 0 and at most 1" },
	{ "mask with a hole", "ct-mark-mask = 0x3fff0f00;", 5,
	  "no mask of 16 or more bits side by side" },
	{ "mask too narrow", "ct-mark-mask = 0x7fff;", 5, "0x7fff is no mask" },
	{ "no mask", "ct-mark-mask = 0;", 5, "0x0 is no mask" },
	{ "mask of 33 bits", "ct-mark-mask = 0x1ffff0000;", 5,
	  "too large a number" },
	{ "mask as text", "ct-mark-mask = \"ffff\";", 5,
	  "must be a mask such as 0xffff0000" },
	{ "mask elsewhere", "reserve = 0xffff0000;", 5, "out of range" },
	{ "panic over 1", "panic = 1.01;", 5, "above 0 and at most 1" },
	{ "relative path", "state = \"halod.db\";", 5, "absolute path" },
	{ "empty path", "state = \"\";", 5, "0 characters" },
	{ "long socket path",
	  "control = \"/123456789012345678901234567890123456789012345678901234"
	  "56789012345678901234567890123456789012345678901234567\";",
	  5, "108 characters, allowed are 1..107" },
	{ "twin sockets in one place", "control-readonly = \"/run/halod/halod.sock\";",
	  5, "each needs its own" },
	{ "relative path of the twin", "control-readonly = \"x\";", 5,
	  "absolute" },
	{ "newline in path", "state = \"/a\\nb\";", 5, "control character" },
	{ "hold-down order", "hold-down = \"10 min\";", 5,
	  "at least hold-down" },
	{ "hold-down-max order", "hold-down-max = \"1 s\";", 5,
	  "at least hold-down" },
	{ "queue numbers", "nfqueue = { queue = 65530; workers = 10; };", 5,
	  "queues up to 65539" },
	{ "unknown in group", "nfqueue = { wrokers = 1; };", 5, "\"workers\"" },
	{ "group is scalar", "nfqueue = 3;", 5, "must be a group" },
	{ "duplicate setting", "routes = 3;", 5, "duplicate setting name" },
	{ "syntax", "\n\nreserve 1;", 7, "syntax error" },
	{ "string without end", "state = \"/a;\npanic = 1;\n", 5,
	  "has no end" },
	{ "missing include", "@include \"/nonexistent/x\"", 5,
	  "cannot include \"/nonexistent/x\": No such file" },
	{ "include a directory", "@include \"/tmp\"", 5, "Is a directory" },
	{ "empty file", "!", 0, "routes is missing" },
	{ "no service", "!routes = 1;\nservices = ( );", 2,
	  "0 services, allowed are 1..16" },
	{ "services not a list", "!services = { };", 1, "must be a list" },
	{ "service not a group", "!services = ( 1 );", 1, "must be a group" },
	{ "service without port", "!services = (\n { name = \"a\"; } );", 2,
	  "listen is missing" },
	{ "bad service name", "!services = ( { name = \"a b\"; } );", 1,
	  "letters, digits" },
	{ "node-port", "!services = ( { node-port = 65536; } );", 1,
	  "out of range" },
	{ "node-port of another plane",
	  "!plane = \"nfqueue\";\nservices = ( { name = \"a\";\n"
	  "node-port = 80; } );",
	  3, "the plane nft alone can change a port, not \"nfqueue\"" },
	{ "snat of another plane",
	  "!plane = \"null\";\nservices = ( { name = \"a\";\n"
	  "snat = true; } );",
	  3, "can change clients' addresses, not \"null\"" },
	{ "snat of nobody", "!services = ( { name = \"a\";\nsnat = true; } );",
	  2, "agents.node-networks must say" },
	{ "snat = 1", "!services = ( { name = \"a\";\nsnat = 1; } );", 2,
	  "must be true or false, not a number" },
	{ "protocol", "!services = ( { protocol = \"sctp\"; } );", 1,
	  "allowed: tcp, udp" },
	{ "no virtual address", "!virtual-address = [ ];", 1, "is empty" },
	{ "routes 0", "!routes = 0;", 1, "allowed is 1..65535" },
	{ "routes 65536", "!routes = 65536;", 1, "allowed is 1..65535" },
	{ "loopback", "!virtual-address = \"127.0.0.1\";", 1, "loopback" },
	{ "multicast", "!virtual-address = \"ff02::1\";", 1, "multicast" },
	{ "wildcard", "!virtual-address = \"0.0.0.0\";", 1, "no single" },
	{ "link-local", "!virtual-address = \"fe80::1\";", 1, "link-local" },
	{ "mapped", "!virtual-address = \"::ffff:1.2.3.4\";", 1, "disguise" },
	{ "host name", "!virtual-address = \"www\";", 1, "not an IPv4" },
	{ "two of a family",
	  "!virtual-address = [ \"198.18.0.1\",\n"
	  "\"198.18.0.2\" ];",
	  2, "second address" },
	{ "ports beyond 65535",
	  "!routes = 24;\nservices = ( { name = \"a\";\nlisten = 65513; } );",
	  3, "at most 65512" },
	{ "overlap",
	  "!routes = 24;\nservices = ( { name = \"a\"; listen = 8001; },\n"
	  "{ name = \"b\"; listen = 8024; } );",
	  3, "ports 8024..8047 overlap 8001..8024 of service \"a\"" },
	{ "double name",
	  "!services = ( { name = \"a\"; listen = 1; },\n{ name = \"a\"; } );",
	  2, "taken by another service" },
	{ "agents at a door",
	  "!routes = 9; virtual-address = \"198.18.0.1\";\n"
	  "services = ( { name = \"a\"; listen = 7459; } );\n"
	  "agents = { listen = \"198.18.0.1:7460\"; };",
	  2, "contain agents.listen 7460" },
	{ "agents at any door",
	  "!routes = 9; virtual-address = \"198.18.0.1\";\n"
	  "services = ( { name = \"a\"; listen = 7459; } );\n"
	  "agents = { listen = \"0.0.0.0:7460\"; };",
	  2, "contain agents.listen 7460" },
	{ "agents without port", "!agents = { listen = \"198.18.0.1\"; };", 1,
	  "is not ADDRESS:PORT" },
	{ "agents port 0", "!agents = { listen = \"198.18.0.1:0\"; };", 1,
	  "is not ADDRESS:PORT" },
	{ "agents multicast", "!agents = { listen = \"224.0.0.1:1\"; };", 1,
	  "multicast" },
	{ "agents without listen", "!agents = {\n };", 1, "listen is missing" },
	{ "no auth off loopback",
	  "!agents = { listen = \"198.19.0.1:1\";\nauth = \"none\"; };", 2,
	  "loopback listener only" },
	{ "interval too short", "!agents = { interval = \"999 us\"; };", 1,
	  "allowed is 1 ms..1 min" },
	{ "interval too long", "!agents = { interval = \"61 s\"; };", 1,
	  "allowed is 1 ms..1 min" },
	{ "miss 0", "!agents = { miss = 0; };", 1, "1..100" },
	{ "miss 101", "!agents = { miss = 101; };", 1, "1..100" },
	{ "prefix length", "!agents = { node-networks = \"10.0.0.0/33\"; };", 1,
	  "is not a network" },
	{ "host bits", "!agents = { node-networks = \"10.0.0.1/24\"; };", 1,
	  "bits beyond its prefix of 24" },
};

static void
each_wrong_value_is_named_with_line_and_what_is_allowed(void **state)
{
	char text[2048];
	struct conf c;

	for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
		const struct bad *b = &bads[i];
		bool whole = *b->text == '!';

		snprintf(text, sizeof(text), "%s%s\n", whole ? "" : MINIMAL,
			 b->text + whole);
		assert_int_equal(parse(&c, text), -EINVAL);
		if (!has_error(b->line, b->expect)) {
			print_message("row \"%s\": no error \"%s\" at %u in:\n",
				      b->title, b->expect, b->line);
			print_diags();
			fail();
		}
	}
}

static void all_errors_are_reported_in_one_run(void **state)
{
	struct conf c;

	assert_int_equal(parse(&c, "routes = 0;\n"
				   "virtual-adress = \"198.18.0.1\";\n"
				   "services = ( { name = 3;\n"
				   "listen = 99999; } );\n"
				   "settle = 3;\n"
				   "panic = 2;\n"),
			 -EINVAL);
	assert_true(has_error(1, "routes: 0 is out of range"));
	assert_true(has_error(2, "did you mean \"virtual-address\""));
	assert_true(has_error(3, "must be a string"));
	assert_true(has_error(4, "99999 is out of range"));
	assert_true(has_error(5, "has no unit"));
	assert_true(has_error(6, "above 0"));
	assert_true(has_error(0, "virtual-address is missing"));
	assert_true(has_error(0, "agents is missing"));
	assert_int_equal(diags.errors, 8);
}

static void more_errors_than_can_be_kept_are_counted(void **state)
{
	char text[16384] = "";
	struct conf c;

	for (int i = 0; i < DIAG_MAX + 50; i++)
		sprintf(text + strlen(text), "x%d = 1;\n", i);
	assert_int_equal(parse(&c, text), -EINVAL);
	assert_int_equal(diags.count, DIAG_MAX);
	assert_int_equal(diags.errors, DIAG_MAX + 50 + 4);
	assert_int_equal(diags.dropped, 54);
}

static void udp_and_tcp_may_share_ports(void **state)
{
	struct conf c;

	assert_int_equal(
		parse(&c,
		      "routes = 24; virtual-address = \"198.18.0.1\";"
		      "services = ( { name = \"a\"; listen = 8001; },"
		      "{ name = \"b\"; listen = 8001; protocol = \"udp\"; } );"
		      "agents = { listen = \"127.0.0.1:8001\"; auth = "
		      "\"none\"; };"),
		0);
}

static void range_may_end_at_the_last_port(void **state)
{
	struct conf c;

	assert_int_equal(
		parse(&c, "routes = 65535; virtual-address = \"198.18.0.1\";"
			  "services = ( { name = \"a\"; listen = 1; } );"
			  "agents = { listen = \"198.19.0.1:1\"; };"),
		0);
	assert_int_equal(c.routes, 65535);
}

static void put_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int load(struct conf *out, const char *dir, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	memset(&diags, 0, sizeof(diags));
	return conf_load(out, path, &diags);
}

static void remove_dir(const char *dir)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
}

static void errors_in_an_included_file_name_that_file(void **state)
{
	char dir[] = "/tmp/test_conf.XXXXXX";
	struct conf c;

	assert_non_null(mkdtemp(dir));
	put_file(dir, "main", "@include \"more\"\n" MINIMAL "panic = 7;\n");
	put_file(dir, "more", "\nreserve = 9999;\n");
	assert_int_equal(load(&c, dir, "main"), -EINVAL);
	assert_int_equal(diags.count, 2);
	assert_true(has_error(2, "9999 is out of range"));
	assert_string_equal(diags.items[0].file, "more");
	assert_true(has_error(6, "7 is out of range"));
	assert_non_null(strstr(diags.items[1].file, "/main"));
	put_file(dir, "more", "reserve = 3;\n");
	put_file(dir, "main", "@include \"more\"\n" MINIMAL);
	assert_int_equal(load(&c, dir, "main"), 0);
	assert_int_equal(c.reserve, 3);
	put_file(dir, "main", "@include \"main\"\n" MINIMAL);
	assert_int_equal(load(&c, dir, "main"), -EINVAL);
	remove_dir(dir);
}

static void file_that_cannot_be_read_says_why(void **state)
{
	struct conf c;

	assert_int_equal(load(&c, "/nonexistent", "x"), -EINVAL);
	assert_true(has_error(0, "No such file"));
	assert_int_equal(load(&c, "/", "tmp"), -EINVAL);
	assert_true(has_error(0, "Is a directory"));
	assert_int_equal(load(&c, "/dev", "zero"), -EINVAL);
	assert_true(has_error(0, "not a regular file"));
}

static char *print(const struct conf *c)
{
	size_t size;
	char *text = NULL;
	FILE *f = open_memstream(&text, &size);

	conf_print(c, f);
	fclose(f);
	return text;
}

/* What a reload of `text` says to a halod that runs with MINIMAL. */
static int reload(struct conf *out, const char *text)
{
	char dir[] = "/tmp/halo-conf-XXXXXX", path[64];
	struct conf running;
	int err;

	assert_int_equal(parse(&running, MINIMAL), 0);
	assert_non_null(mkdtemp(dir));
	put_file(dir, "t.conf", text);
	snprintf(path, sizeof(path), "%s/t.conf", dir);
	memset(&diags, 0, sizeof(diags));
	err = conf_reload(out, path, &running, &diags);
	remove_dir(dir);
	return err;
}

static void note_name(void *arg, const char *name)
{
	char *list = arg;

	strcat(strcat(list, name), " ");
}

static void what_may_change_while_it_runs_is_named(void **state)
{
	char list[512] = "";
	struct conf before, after;

	assert_int_equal(
		reload(&after,
		       "routes = 24; reserve = 2; settle = \"1 s\";\n"
		       "virtual-address = \"198.18.0.101\";\n"
		       "services = ( { name = \"b\"; listen = 8001; },\n"
		       "  { name = \"c\"; listen = 9001; } );\n"
		       "agents = { listen = \"198.19.0.1:7460\";\n"
		       "  interval = \"50 ms\"; keys = \"/k\";\n"
		       "  node-networks = \"198.19.0.0/24\"; };\n"),
		0);
	assert_int_equal(parse(&before, MINIMAL), 0);
	conf_changes(&before, &after, note_name, list);
	assert_string_equal(list,
			    "virtual-address services agents.interval "
			    "agents.keys agents.node-networks reserve settle ");
	*list = 0;
	conf_changes(&after, &after, note_name, list);
	assert_string_equal(list, "");
}

static void what_is_read_at_start_alone_is_refused_with_its_line(void **state)
{
	struct conf c = { .routes = 7 };

	assert_int_equal(
		reload(&c, "routes = 48;\n"
			   "virtual-address = \"198.18.0.100\";\n"
			   "services = ( { name = \"b\"; listen = 8001; } );\n"
			   "agents = {\n"
			   "  listen = \"198.19.0.1:7461\"; };\n"
			   "reserve = 1;\n"
			   "plane = \"nft\";\n"
			   "nfqueue = { workers = 2; };\n"),
		-EINVAL);
	assert_true(has_error(1, "routes: cannot go from 24 to 48"));
	assert_true(has_error(5, "agents.listen: cannot go from"));
	assert_true(has_error(7, "plane: cannot go from \"auto\" to \"nft\""));
	assert_true(has_error(8, "nfqueue.workers: cannot go from 1 to 2"));
	assert_int_equal(diags.errors, 4);
	assert_int_equal(c.routes, 7);
}

static void errors_of_a_reload_come_before_what_cannot_change(void **state)
{
	struct conf c;

	assert_int_equal(reload(&c, MINIMAL "reserve = -1;\nplane = \"nft\";"),
			 -EINVAL);
	assert_int_equal(diags.errors, 1);
	assert_true(has_error(5, "reserve: -1 is out of range"));
	assert_int_equal(reload(&c, MINIMAL), 0);
	assert_int_equal(diags.count, 0);
}

static void print_matches_the_golden_file(void **state)
{
	static char golden[8192];
	struct conf c;
	FILE *f = fopen("tests/golden/conf/full.conf", "r");
	char *text;

	if (!f)
		skip(); /* run from the top of the tree */
	golden[fread(golden, 1, sizeof(golden) - 1, f)] = 0;
	fclose(f);
	assert_int_equal(parse(&c, golden), 0);
	text = print(&c);
	assert_string_equal(text, golden);
	free(text);
}

static void example_is_valid(void **state)
{
	struct conf c;

	if (access("etc/halod.conf.example", R_OK))
		skip(); /* run from the top of the tree */
	assert_int_equal(load(&c, "etc", "halod.conf.example"), 0);
	assert_int_equal(diags.count, 0);
	assert_int_equal(c.n_services, 2);
}

static uint64_t below(uint64_t n)
{
	return ((uint64_t)random() << 31 | (uint64_t)random()) % n;
}

static uint64_t random_ns(uint64_t max_ns)
{
	static const uint64_t steps[] = { NS_PER_US, NS_PER_MS, NS_PER_S };
	uint64_t step = steps[below(3)];

	return below(max_ns / step + 1) * step;
}

static struct addr random_v4(void)
{
	return addr_v4((uint8_t[]){ 198, 18, (uint8_t)below(256),
				    (uint8_t)below(256) });
}

static struct addr random_v6(void)
{
	uint8_t bytes[16] = { 0xfd };

	for (int i = 1; i < 16; i++)
		bytes[i] = below(2) ? (uint8_t)below(256) : 0;
	return addr_v6(bytes);
}

static void random_services(struct conf *c)
{
	unsigned room = 65535 / c->routes;

	c->n_services =
		1 + (unsigned)below(room < SERVICES_MAX ? room : SERVICES_MAX);
	for (unsigned i = 0; i < c->n_services; i++) {
		struct conf_service *s = &c->services[i];

		sprintf(s->name, "%c%u", (char)('a' + below(26)), i);
		s->listen = (uint16_t)(1 + i * c->routes);
		s->protocol = below(2) ? IPPROTO_TCP : IPPROTO_UDP;
		s->handover = below(2) ? HANDOVER_ATOMIC : HANDOVER_KEEP;
	}
}

static void random_agents(struct conf_agents *a)
{
	a->listen.addr = addr_v4((uint8_t[]){ 127, 0, 0, 1 });
	a->listen.port = (uint16_t)(1 + below(65535));
	a->profile = (enum conf_profile)below(2);
	a->auth = (enum conf_auth)below(2);
	sprintf(a->keys, "/k\\e\"y %u", (unsigned)below(1000));
	a->n_networks = (unsigned)below(4);
	for (unsigned i = 0; i < a->n_networks; i++)
		a->networks[i] = (struct prefix){ random_v4(), 32 };
	a->interval_ns = NS_PER_MS + random_ns(59 * NS_PER_S);
	a->miss = 1 + (unsigned)below(100);
}

static void random_conf(struct conf *c)
{
	static const char *const planes[] = { "auto", "nft", "null" };

	memset(c, 0, sizeof(*c));
	c->routes = 1 + (unsigned)below(below(2) ? 100 : 65535);
	c->vip[FAMILY_V4] = random_v4();
	if (below(2))
		c->vip[FAMILY_V6] = random_v6();
	random_services(c);
	random_agents(&c->agents);
	c->reserve = (unsigned)below(NODES_MAX + 1);
	strcpy(c->plane, planes[below(3)]);
	if (!strcmp(c->plane, "nft"))
		c->services[0].node_port = (uint16_t)below(65536);
	c->services[0].snat = c->services[0].node_port && c->agents.n_networks;
	sprintf(c->state, "/s%u", (unsigned)below(1000));
	sprintf(c->control, "/c#%u", (unsigned)below(1000));
	strcpy(c->control_readonly, below(2) ? "/c" : "");
	strcpy(c->log_level, "debug");
	c->settle_ns = random_ns(60 * NS_PER_S);
	c->move_grace_ns = random_ns(600 * NS_PER_S);
	c->rejoin_ns = random_ns(3600 * NS_PER_S);
	c->hold_down_ns = random_ns(3600 * NS_PER_S);
	c->hold_down_max_ns = c->hold_down_ns + random_ns(3600 * NS_PER_S);
	c->restart_grace_ns = random_ns(3600 * NS_PER_S);
	c->drain_deadline_ns = random_ns(3600 * NS_PER_S);
	c->no_node_hold_ns = random_ns(60 * NS_PER_S);
	c->panic = (double)(1 + below(1 << 30)) / (1 << 30);
	c->ct_mark_mask = 0xffffu << below(17);
	c->nfqueue.queue = (uint16_t)below(60000);
	c->nfqueue.workers = 1 + (unsigned)below(64);
	c->nfqueue.queue_len = 1 + (unsigned)below(1 << 20);
	c->nfqueue.flows_max = 1024 + (unsigned)below(1 << 20);
	c->nfqueue.held_max = 1 + (unsigned)below(1 << 20);
}

static void what_is_printed_reads_back_as_the_same(void **state)
{
	unsigned seed = (unsigned)getpid();
	static struct conf c, back;

	if (getenv("SEED"))
		seed = (unsigned)strtoul(getenv("SEED"), NULL, 0);
	print_message("SEED=%u\n", seed);
	srandom(seed);
	for (int i = 0; i < 500; i++) {
		char *text, *again;

		random_conf(&c);
		text = print(&c);
		if (parse(&back, text)) {
			print_diags();
			fail_msg("%s", text);
		}
		again = print(&back);
		assert_string_equal(text, again);
		assert_true(addr_equal(&c.agents.listen.addr,
				       &back.agents.listen.addr));
		assert_int_equal(c.agents.listen.port, back.agents.listen.port);
		/* it has padding, the only one */
		memcpy(&back.agents.listen, &c.agents.listen,
		       sizeof(c.agents.listen));
		assert_memory_equal(&c, &back, sizeof(c));
		free(text);
		free(again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(minimal_file_gets_the_documented_defaults),
		cmocka_unit_test(fast_profile_sets_what_the_file_does_not),
		cmocka_unit_test(output_changes_on_success_only),
		cmocka_unit_test(
			each_wrong_value_is_named_with_line_and_what_is_allowed),
		cmocka_unit_test(all_errors_are_reported_in_one_run),
		cmocka_unit_test(more_errors_than_can_be_kept_are_counted),
		cmocka_unit_test(udp_and_tcp_may_share_ports),
		cmocka_unit_test(range_may_end_at_the_last_port),
		cmocka_unit_test(errors_in_an_included_file_name_that_file),
		cmocka_unit_test(file_that_cannot_be_read_says_why),
		cmocka_unit_test(what_may_change_while_it_runs_is_named),
		cmocka_unit_test(
			what_is_read_at_start_alone_is_refused_with_its_line),
		cmocka_unit_test(
			errors_of_a_reload_come_before_what_cannot_change),
		cmocka_unit_test(print_matches_the_golden_file),
		cmocka_unit_test(example_is_valid),
		cmocka_unit_test(what_is_printed_reads_back_as_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
