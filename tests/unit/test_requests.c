// SPDX-License-Identifier: GPL-2.0-or-later
/* What halod answers, from a real cluster in virtual time and the null plane.
 * Only what is answered later goes over a real control socket. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/clock.h"
#include "requests.h"

#define DEADLINE_NS (5 * NS_PER_S)
#define ROUTES	    24

static struct world {
	struct conf conf;
	struct requests_context requests;
	struct effects *fx;
	unsigned routes;
	uint64_t now_ns, seq;
	unsigned n_nodes;
	char names[8][NODE_NAME_MAX];
	bool dead[8]; /* sends no beats */
	int stopped;  /* by the shutdown request: 1, 2 with flush */
	struct ev_loop *loop;
	struct control_socket *socket;
	char folder[64], path[96], db[96];
} * w;

static uint64_t virtual_now(void)
{
	return w->now_ns;
}

static void carry_out(const struct effect *e)
{
	struct table_diff diff;
	struct store_event event;

	if (e->type == EFFECT_APPLY) {
		assert_int_equal(
			table_diff_init(&diff, w->requests.table, e->table), 0);
		w->requests.plane_ops->apply(w->requests.plane, &diff);
		table_diff_fini(&diff);
		table_put(w->requests.table);
		w->requests.table = table_get(e->table);
	}
	if (e->type != EFFECT_NOTE)
		return;
	event = (struct store_event){ .seq = ++w->seq,
				      .time_ms = 1763694000000 +
						 w->now_ns / NS_PER_MS,
				      .note = e->note };
	store_event(w->requests.store, &event);
	if (w->socket)
		control_publish(w->socket, requests_event(&event));
	requests_note(&w->requests, &event);
}

static int step(void *arg, const struct event *ev)
{
	int err = cluster_step(w->requests.cluster, ev, w->now_ns, w->fx);

	for (unsigned i = 0; i < effects_count(w->fx); i++)
		carry_out(effects_at(w->fx, i));
	effects_clear(w->fx);
	return err;
}

static void stop(void *arg, bool flush)
{
	w->stopped = flush ? 2 : 1;
}

static void beat(unsigned i)
{
	struct message_beat beat = { .seq = w->now_ns,
				     .health = HEALTH_UP,
				     .connections = 10 + i,
				     .version = 1 };
	struct event ev = { .type = EVENT_BEAT, .link = i + 1, .beat = &beat };

	step(NULL, &ev);
}

/* Virtual time passes; the living beat, deadlines are kept. */
static void pass_ms(unsigned ms)
{
	for (unsigned t = 0; t < ms; t += 10) {
		struct event tick = { .type = EVENT_TICK };

		w->now_ns += 10 * NS_PER_MS;
		for (unsigned i = 0; t % 100 == 0 && i < w->n_nodes; i++) {
			if (!w->dead[i])
				beat(i);
		}
		if (cluster_deadline(w->requests.cluster) <= w->now_ns)
			step(NULL, &tick);
	}
}

static void join(const char *name)
{
	unsigned i = w->n_nodes++;
	struct message_hello hello = { .instance = 100 + i,
				       .health = HEALTH_UP };
	struct event ev = { .type = EVENT_HELLO,
			    .link = i + 1,
			    .hello = &hello };
	const uint8_t bytes[4] = { 198, 19, 0, (uint8_t)(i + 1) };

	snprintf(hello.name, sizeof(hello.name), "%s", name);
	hello.addr[FAMILY_V4] = addr_v4(bytes);
	step(NULL, &ev);
}

/* All that is under way has come to rest. */
static void settle(void)
{
	pass_ms(3000);
}

static void fill_conf(struct conf *conf)
{
	const uint8_t vip[4] = { 198, 18, 0, 100 };

	conf->routes = w->routes;
	conf->vip[FAMILY_V4] = addr_v4(vip);
	conf->n_services = 2;
	conf->services[0] = (struct conf_service){ .name = "browser",
						   .listen = 8001,
						   .protocol = IPPROTO_TCP };
	conf->services[1] = (struct conf_service){ .name = "app",
						   .listen = 9001,
						   .protocol = IPPROTO_TCP };
}

static void fill_context(struct requests_context *r, struct plane *plane)
{
	r->conf = &w->conf;
	r->plane_ops = &plane_null;
	r->plane = plane;
	r->start_ns = w->now_ns;
	r->now_ns = virtual_now;
	r->step = step;
	r->shutdown = stop;
	r->table = table_new(w->routes, 1);
}

static int setup_sized(unsigned routes)
{
	const struct cluster_conf cc = { .routes = routes,
					 .interval_ns = 200 * NS_PER_MS,
					 .miss = 5,
					 .settle_ns = 500 * NS_PER_MS,
					 .move_grace_ns = 500 * NS_PER_MS,
					 .rejoin_ns = 5 * NS_PER_S,
					 .hold_down_ns = 10 * NS_PER_S,
					 .hold_down_max_ns = 300 * NS_PER_S,
					 .restart_grace_ns = 10 * NS_PER_S,
					 .panic = 0.5 };
	struct plane_conf plane_conf = { .engine.routes = (uint16_t)routes };
	struct plane *plane;
	char err[200];

	w = calloc(1, sizeof(*w));
	w->routes = routes;
	w->now_ns = 1000 * NS_PER_S;
	fill_conf(&w->conf);
	strcpy(w->folder, "/tmp/halo-requests-XXXXXX");
	if (!mkdtemp(w->folder))
		return -1;
	snprintf(w->db, sizeof(w->db), "%s/db", w->folder);
	snprintf(w->path, sizeof(w->path), "%s/sock", w->folder);
	if (plane_null.open(&plane, &plane_conf, err, sizeof(err)))
		return -1;
	fill_context(&w->requests, plane);
	w->fx = effects_new();
	w->requests.cluster = cluster_new(&cc, w->now_ns);
	return store_open(&w->requests.store, w->db, err, sizeof(err));
}

static int setup(void **state)
{
	return setup_sized(ROUTES);
}

static int setup_largest(void **state)
{
	return setup_sized(ROUTES_MAX);
}

static int teardown(void **state)
{
	char command[160];

	control_socket_free(w->socket);
	if (w->loop)
		ev_loop_destroy(w->loop);
	requests_fini(&w->requests);
	store_close(w->requests.store);
	plane_null.close(w->requests.plane, true);
	table_put(w->requests.table);
	cluster_free(w->requests.cluster);
	effects_free(w->fx);
	snprintf(command, sizeof(command), "rm -r %s", w->folder);
	if (system(command))
		return -1;
	free(w);
	return 0;
}

/* The answer to a request in JSON with ' for ". */
static json_t *ask(const char *text)
{
	char *copy = strdup(text);
	json_t *request, *answer;

	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	request = json_loads(copy, 0, NULL);
	assert_non_null(request);
	answer = requests_handle(&w->requests, request, NULL);
	assert_non_null(answer);
	assert_int_equal(json_integer_value(json_object_get(answer, "schema")),
			 1);
	json_decref(request);
	free(copy);
	return answer;
}

/* A member by its path, "nodes/0/name", as compact JSON; "none". */
static const char *at(const json_t *value, const char *path)
{
	static char text[4096];
	char copy[128], *save, *dump;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *p = strtok_r(copy, "/", &save); p && value;
	     p = strtok_r(NULL, "/", &save))
		value = json_is_array(value)
				? json_array_get(value, (size_t)atoi(p))
				: json_object_get(value, p);
	dump = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	snprintf(text, sizeof(text), "%s", dump ? dump : "none");
	free(dump);
	return text;
}

struct expectation {
	const char *path, *value;
};

static void check(const char *request, const struct expectation *rows)
{
	json_t *answer = ask(request);

	for (; rows->path; rows++) {
		const char *is = at(answer, rows->path);

		if (strcmp(is, rows->value))
			fail_msg("%s: %s is %s, not %s", request, rows->path,
				 is, rows->value);
	}
	json_decref(answer);
}

#define CHECK(request, ...) \
	check(request,      \
	      (const struct expectation[]){ __VA_ARGS__, { NULL, NULL } })

static void the_lists_keep_their_shape_for_no_node(void **state)
{
	CHECK("{'cmd':'node.list'}", { "nodes", "[]" }, { "next", "null" });
	CHECK("{'cmd':'route.list'}",
	      { "routes", "[{\"first\":1,\"last\":24,\"slot\":null,\"node\":"
			  "null,\"to\":null,\"reason\":null}]" },
	      { "next", "null" });
	CHECK("{'cmd':'history'}", { "events", "[]" }, { "next", "null" });
}

static void one_node_is_a_list_of_one(void **state)
{
	join("a");
	settle();
	CHECK("{'cmd':'node.list'}", { "nodes/0/name", "\"a\"" },
	      { "nodes/0/state", "\"active\"" }, { "nodes/0/slot", "1" },
	      { "nodes/0/routes", "24" },
	      { "nodes/0/addresses", "[\"198.19.0.1\"]" },
	      { "nodes/0/health", "\"up\"" }, { "nodes/0/connections", "10" },
	      { "nodes/0/connected", "true" }, { "nodes/1", "none" });
	CHECK("{'cmd':'node.show','name':'a'}",
	      { "nodes/0/ranges", "[[1,24]]" }, { "nodes/0/cause", "null" },
	      { "nodes/0/wish", "\"none\"" }, { "nodes/0/flows", "0" },
	      { "nodes/0/instance", "\"0000000000000064\"" },
	      { "nodes/1", "none" });
}

static void three_nodes_share_the_routes(void **state)
{
	join("a");
	join("b");
	join("c");
	settle();
	CHECK("{'cmd':'node.list'}", { "nodes/0/routes", "8" },
	      { "nodes/1/routes", "8" }, { "nodes/2/routes", "8" });
	CHECK("{'cmd':'route.list'}", { "routes/0/node", "\"a\"" },
	      { "routes/0/first", "1" }, { "routes/0/last", "8" },
	      { "routes/1/node", "\"c\"" }, { "routes/2/node", "\"b\"" },
	      { "routes/3/last", "24" }, { "routes/4", "none" });
	CHECK("{'cmd':'status'}", { "table/routes", "24" },
	      { "table/slots", "3" }, { "table/moving", "0" },
	      { "table/unowned", "0" }, { "nodes/active", "3" },
	      { "nodes/lost", "0" }, { "frozen", "false" }, { "panic", "null" },
	      { "degraded", "[]" }, { "vip", "[\"198.18.0.100\"]" },
	      { "services/1/first_port", "9001" },
	      { "services/1/last_port", "9024" }, { "plane/name", "\"null\"" },
	      { "store/healthy", "true" });
}

static void a_route_is_known_by_number_port_or_service(void **state)
{
	static const struct {
		const char *title, *request, *route;
	} rows[] = {
		{ "its number", "{'cmd':'route.show','route':'7'}", "7" },
		{ "a door of the first service",
		  "{'cmd':'route.show','route':'8007'}", "7" },
		{ "a door of the second", "{'cmd':'route.show','route':'9024'}",
		  "24" },
		{ "service and number", "{'cmd':'route.show','route':'app:3'}",
		  "3" },
		{ "beyond N", "{'cmd':'route.show','route':'25'}", "none" },
		{ "nothing", "{'cmd':'route.show','route':'0'}", "none" },
		{ "beyond the doors", "{'cmd':'route.show','route':'8025'}",
		  "none" },
		{ "no such service", "{'cmd':'route.show','route':'web:1'}",
		  "none" },
		{ "beyond N of a service",
		  "{'cmd':'route.show','route':'app:25'}", "none" },
		{ "words", "{'cmd':'route.show','route':'seven'}", "none" },
		{ "a number with a tail", "{'cmd':'route.show','route':'7x'}",
		  "none" },
		{ "a number that does not fit",
		  "{'cmd':'route.show','route':'99999999999999999999'}",
		  "none" },
		{ "a sign", "{'cmd':'route.show','route':'-1'}", "none" },
		{ "no text", "{'cmd':'route.show','route':''}", "none" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		print_message("# %s\n", rows[i].title);
		CHECK(rows[i].request, { "routes/0/route", rows[i].route });
		if (!strcmp(rows[i].route, "none"))
			CHECK(rows[i].request,
			      { "error/code", "\"not-found\"" });
	}
}

static void why_tells_the_slots_a_route_went_through(void **state)
{
	join("a");
	join("b");
	join("c");
	settle();
	/* T(24, n) of the design: route 21 was 1, then 2, then 3's */
	CHECK("{'cmd':'route.why','route':'21'}", { "routes/0/slot", "3" },
	      { "routes/0/node", "\"c\"" },
	      { "routes/0/chain",
		"[{\"slots\":1,\"slot\":1},{\"slots\":2,\"slot\":2},"
		"{\"slots\":3,\"slot\":3}]" },
	      { "routes/0/rule", "\"T(24, 3) gives route 21 to slot 3, and c "
				 "sits in it\"" });
	CHECK("{'cmd':'route.why','route':'1'}",
	      { "routes/0/chain", "[{\"slots\":1,\"slot\":1}]" });
}

static void why_without_a_node_says_so(void **state)
{
	CHECK("{'cmd':'route.why','route':'1'}", { "routes/0/node", "null" },
	      { "routes/0/chain", "[]" },
	      { "routes/0/rule", "\"no node is active: no slot owns it\"" },
	      { "routes/0/last_move", "null" });
}

static void trace_names_the_node_and_the_reasons(void **state)
{
	join("a");
	join("b");
	settle();
	CHECK("{'cmd':'trace','client':'198.18.1.2','to':"
	      "'198.18.0.100:8020'}",
	      { "trace/state", "\"served\"" }, { "trace/node", "\"b\"" },
	      { "trace/route", "20" }, { "trace/slot", "2" },
	      { "trace/service", "\"browser\"" },
	      { "trace/address", "\"198.19.0.2:8020\"" },
	      { "trace/flow", "false" },
	      { "trace/steps/0", "\"198.18.0.100:8020 is the door of route "
				 "20 of service browser\"" },
	      { "trace/verdict", "\"b gets it\"" });
}

static void trace_tells_what_is_not_served(void **state)
{
	CHECK("{'cmd':'trace','client':'198.18.1.2:5','to':"
	      "'198.18.0.100:8020'}",
	      { "trace/state", "\"unowned\"" }, { "trace/node", "null" });
	CHECK("{'cmd':'trace','client':'198.18.1.2','to':'198.18.0.100:80'}",
	      { "trace/state", "\"not-ours\"" }, { "trace/route", "null" });
	CHECK("{'cmd':'trace','client':'198.18.1.2','to':"
	      "'198.18.0.100:8020','protocol':'udp'}",
	      { "trace/state", "\"not-ours\"" });
}

static void trace_tells_a_move_and_a_suspicion(void **state)
{
	join("a");
	settle();
	join("b");
	pass_ms(600); /* settled, and the handover has begun */
	CHECK("{'cmd':'trace','client':'198.18.1.2','to':"
	      "'198.18.0.100:8020'}",
	      { "trace/state", "\"moving\"" }, { "trace/node", "\"a\"" },
	      { "trace/to", "\"b\"" });
	CHECK("{'cmd':'status'}", { "table/moving", "12" });
	settle();
	w->dead[1] = true;
	pass_ms(450);
	CHECK("{'cmd':'trace','client':'198.18.1.2','to':"
	      "'198.18.0.100:8020'}",
	      { "trace/state", "\"held\"" }, { "trace/node", "\"b\"" });
}

static void bad_arguments_are_usage_errors(void **state)
{
	static const char *const requests[] = {
		"{}",
		"{'cmd':7}",
		"{'cmd':'node.show'}",
		"{'cmd':'node.show','name':7}",
		"{'cmd':'node.list','from':'x'}",
		"{'cmd':'node.drain','name':'a','wait':'yes'}",
		"{'cmd':'route.why','route':7}",
		"{'cmd':'history','since':'x'}",
		"{'cmd':'monitor','since':[]}",
		"{'cmd':'shutdown','flush':1}",
		"{'cmd':'trace','client':'a','to':'198.18.0.100:1'}",
		"{'cmd':'trace','client':'198.18.1.1','to':'198.18.0.100'}",
		"{'cmd':'trace','client':'::1','to':'198.18.0.100:8001'}",
		"{'cmd':'trace','client':'198.18.1.1','to':"
		"'198.18.0.100:8001','protocol':'sctp'}",
		"{'cmd':'reboot'}",
	};

	join("a");
	settle();
	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
		print_message("# %s\n", requests[i]);
		CHECK(requests[i], { "error/code", "\"usage\"" });
	}
	CHECK("{'cmd':'node.drain','name':'a','deadline_ms':-1}",
	      { "error/code", "\"usage\"" });
	assert_int_equal(w->stopped, 0);
}

static void an_unknown_node_is_not_found(void **state)
{
	static const char *const requests[] = {
		"{'cmd':'node.show','name':'x'}",
		"{'cmd':'node.drain','name':'x'}",
		"{'cmd':'node.drain','name':'x','dry_run':true}",
		"{'cmd':'node.undrain','name':'x'}",
		"{'cmd':'node.fail','name':'x'}",
		"{'cmd':'node.rm','name':'x'}",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
		print_message("# %s\n", requests[i]);
		CHECK(requests[i], { "error/code", "\"not-found\"" },
		      { "error/object", "\"x\"" },
		      { "error/try", "\"haloctl node list\"" });
	}
}

static void a_page_beyond_the_end_is_empty(void **state)
{
	join("a");
	settle();
	CHECK("{'cmd':'node.list','from':7}", { "nodes", "[]" },
	      { "next", "null" });
	CHECK("{'cmd':'node.list','from':-7}", { "nodes", "[]" });
	CHECK("{'cmd':'route.list','from':25}", { "routes", "[]" },
	      { "next", "null" });
	CHECK("{'cmd':'route.list','from':-1}", { "routes", "[]" });
	CHECK("{'cmd':'route.list','from':24}", { "routes/0/first", "24" },
	      { "routes/0/last", "24" });
}

/* Follows "next"; how many items came, of at most most_page a page. */
static unsigned count_pages(const char *cmd, const char *list,
			    unsigned most_page)
{
	unsigned count = 0, pages = 0;
	json_int_t next = 0;

	do {
		uint64_t start_ns = clock_monotonic_ns();
		char request[100];
		json_t *answer;
		size_t n;

		snprintf(request, sizeof(request), "{'cmd':'%s'", cmd);
		if (next)
			snprintf(request + strlen(request), 40, ",'from':%lld",
				 (long long)next);
		strcat(request, "}");
		answer = ask(request);
		n = json_array_size(json_object_get(answer, list));
		assert_true(n <= most_page);
		count += (unsigned)n;
		next = json_integer_value(json_object_get(answer, "next"));
		json_decref(answer);
		print_message("# %s: %u us\n", cmd,
			      (unsigned)((clock_monotonic_ns() - start_ns) /
					 NS_PER_US));
	} while (next && ++pages < 100);
	return count;
}

/* All pages of the table as one object to be loaded. */
static json_t *dump_table(void)
{
	json_t *all = ask("{'cmd':'table.dump'}");
	json_t *nodes = json_object_get(all, "nodes");
	long long next;

	while ((next = json_integer_value(json_object_get(all, "next")))) {
		char text[80];
		json_t *page;

		snprintf(text, sizeof(text), "{'cmd':'table.dump','from':%lld}",
			 next);
		page = ask(text);
		assert_true(json_equal(json_object_get(page, "stamp"),
				       json_object_get(all, "stamp")));
		json_array_extend(nodes, json_object_get(page, "nodes"));
		json_object_set(all, "next", json_object_get(page, "next"));
		json_decref(page);
	}
	return all;
}

static json_t *load_table(json_t *table, const char *options)
{
	json_t *request = json_pack("{s:s, s:O}", "cmd", "table.load", "table",
				    table),
	       *answer;

	if (*options)
		json_object_set_new(request, options, json_true());
	answer = requests_handle(&w->requests, request, NULL);
	json_decref(request);
	return answer;
}

static void expect(json_t *take_answer, const char *path, const char *value)
{
	assert_string_equal(at(take_answer, path), value);
	json_decref(take_answer);
}

static void the_largest_cluster_comes_in_pages(void **state)
{
	struct event tick = { .type = EVENT_TICK };
	json_t *table;
	char *text;

	for (unsigned i = 0; i < NODES_MAX; i++) {
		struct message_hello hello = { .instance = i + 1,
					       .health = HEALTH_UP };
		struct event ev = { .type = EVENT_HELLO,
				    .link = i + 1,
				    .hello = &hello };
		const uint8_t bytes[4] = { 198, 19, (uint8_t)(i >> 8),
					   (uint8_t)i };

		snprintf(hello.name, sizeof(hello.name), "n%u", i);
		hello.addr[FAMILY_V4] = addr_v4(bytes);
		assert_int_equal(step(NULL, &ev), 0);
	}
	for (unsigned round = 0; round < 5; round++) {
		w->now_ns += 150 * NS_PER_MS;
		for (unsigned i = 0; i < NODES_MAX; i++)
			beat(i);
		step(NULL, &tick);
	}
	assert_int_equal(count_pages("node.list", "nodes", 256), NODES_MAX);
	assert_true(count_pages("route.list", "routes", 1024) > ROUTES_MAX / 2);
	table = dump_table();
	assert_int_equal(json_array_size(json_object_get(table, "nodes")),
			 NODES_MAX);
	text = json_dumps(table, JSON_COMPACT);
	assert_true(strlen(text) < CONTROL_REQUEST_MAX);
	free(text);
	expect(load_table(table, "move"), "moved", "0");
	json_decref(table);
	CHECK("{'cmd':'node.drain','name':'n0','dry_run':true}",
	      { "moved", "30" });
	CHECK("{'cmd':'route.why','route':'65535'}",
	      { "routes/0/route", "65535" });
}

static void a_rehearsed_drain_moves_nothing(void **state)
{
	join("a");
	join("b");
	join("c");
	settle();
	/* slot 3's node takes slot 1, and slot 3's routes go back */
	CHECK("{'cmd':'node.drain','name':'a','dry_run':true}",
	      { "dry_run", "true" }, { "moved", "12" },
	      { "moves/0/from", "\"a\"" }, { "moves/0/to", "\"c\"" },
	      { "moves/0/routes", "8" }, { "moves/1/from", "\"c\"" },
	      { "moves/1/to", "\"b\"" }, { "moves/1/routes", "4" },
	      { "moves/2", "none" });
	settle();
	CHECK("{'cmd':'node.list'}", { "nodes/0/state", "\"active\"" },
	      { "nodes/0/routes", "8" });
}

static void a_rehearsed_drain_of_the_last_node_leads_to_nobody(void **state)
{
	join("a");
	settle();
	CHECK("{'cmd':'node.drain','name':'a','dry_run':true}",
	      { "moved", "24" }, { "moves/0/to", "null" },
	      { "moves/0/routes", "24" });
}

static void a_drain_hands_the_routes_to_others(void **state)
{
	join("a");
	join("b");
	settle();
	CHECK("{'cmd':'node.drain','name':'b'}", { "state", "\"draining\"" },
	      { "done", "false" });
	settle();
	CHECK("{'cmd':'node.list'}", { "nodes/1/state", "\"drained\"" },
	      { "nodes/0/routes", "24" });
	CHECK("{'cmd':'node.undrain','name':'b'}", { "node", "\"b\"" });
	settle();
	CHECK("{'cmd':'node.list'}", { "nodes/1/state", "\"active\"" });
}

static void a_rehearsed_replacement_moves_nothing(void **state)
{
	join("a");
	join("b");
	settle();
	join("c");
	CHECK("{'cmd':'node.replace','name':'a','by':'c','dry_run':true}",
	      { "dry_run", "true" }, { "moved", "12" },
	      { "moves/0/from", "\"a\"" }, { "moves/0/to", "\"c\"" },
	      { "moves/1", "none" });
	CHECK("{'cmd':'node.replace','name':'a','by':'b','dry_run':true}",
	      { "error/code", "\"refused\"" },
	      { "error/what", "\"cannot replace node\"" });
	CHECK("{'cmd':'node.replace','name':'a','by':'d','dry_run':true}",
	      { "error/code", "\"not-found\"" }, { "error/object", "\"d\"" });
	CHECK("{'cmd':'node.list'}", { "nodes/0/routes", "12" },
	      { "nodes/0/state", "\"active\"" });
}

static void a_replacement_takes_the_slot(void **state)
{
	join("a");
	settle();
	join("b"); /* still joining */
	CHECK("{'cmd':'node.replace','name':'a','by':'b'}",
	      { "state", "\"draining\"" }, { "by", "\"b\"" });
	settle();
	CHECK("{'cmd':'node.list'}", { "nodes/0/state", "\"drained\"" },
	      { "nodes/1/slot", "1" }, { "nodes/1/routes", "24" });
}

static void a_refusal_says_why(void **state)
{
	join("a");
	settle();
	CHECK("{'cmd':'node.rm','name':'a'}", { "error/code", "\"refused\"" },
	      { "error/what", "\"cannot remove node\"" },
	      { "error/object", "\"a\"" },
	      { "error/try", "\"haloctl node drain a --wait\"" });
	CHECK("{'cmd':'node.undrain','name':'a'}",
	      { "error/code", "\"refused\"" });
	CHECK("{'cmd':'cluster.thaw'}", { "error/code", "\"refused\"" });
}

static void a_failed_node_is_lost_at_once_and_can_be_forgotten(void **state)
{
	join("a");
	join("b");
	settle();
	w->dead[1] = true;
	CHECK("{'cmd':'node.fail','name':'b'}", { "node", "\"b\"" });
	CHECK("{'cmd':'node.list'}", { "nodes/0/routes", "24" });
	CHECK("{'cmd':'node.rm','name':'b'}", { "state", "\"gone\"" });
	CHECK("{'cmd':'node.list'}", { "nodes/1", "none" });
}

static void a_freeze_shows_in_status_until_it_is_thawed(void **state)
{
	CHECK("{'cmd':'cluster.freeze'}", { "frozen", "true" });
	CHECK("{'cmd':'status'}", { "frozen", "true" },
	      { "degraded/0", "\"the table is frozen: no node is replaced\"" });
	CHECK("{'cmd':'cluster.thaw'}", { "frozen", "false" });
	CHECK("{'cmd':'status'}", { "degraded", "[]" });
}

static void a_move_under_way_is_shown_with_its_deadline(void **state)
{
	join("a");
	join("b");
	settle();
	CHECK("{'cmd':'status'}", { "moves", "[]" }, { "frozen_by", "null" });
	CHECK("{'cmd':'node.drain','name':'b'}", { "node", "\"b\"" });
	CHECK("{'cmd':'status'}", { "moves/0/from", "\"b\"" },
	      { "moves/0/to", "\"a\"" }, { "moves/0/routes", "12" },
	      { "moves/0/reason", "\"drain\"" },
	      { "moves/0/deadline_ms", "500" }, { "moves/1", "none" });
	CHECK("{'cmd':'node.show','name':'a'}",
	      { "nodes/0/moves/0/from", "\"b\"" });
	CHECK("{'cmd':'node.show','name':'b'}",
	      { "nodes/0/reason", "\"its routes are handed over\"" });
}

static void a_state_is_shown_with_its_reason(void **state)
{
	json_t *answer;

	join("a");
	join("b");
	settle();
	w->dead[1] = true;
	pass_ms(400);
	answer = ask("{'cmd':'node.show','name':'b'}");
	assert_non_null(strstr(at(answer, "nodes/0/reason"),
			       "it was active, its doors are held"));
	json_decref(answer);
	w->dead[1] = false;
	settle();
	CHECK("{'cmd':'node.fail','name':'b'}", { "node", "\"b\"" });
	answer = ask("{'cmd':'node.show','name':'b'}");
	assert_non_null(strstr(at(answer, "nodes/0/reason"), "node undrain"));
	assert_string_equal(at(answer, "nodes/0/until_ms"), "null");
	json_decref(answer);
	CHECK("{'cmd':'cluster.freeze'}", { "frozen", "true" });
	CHECK("{'cmd':'status'}", { "frozen_by", "\"operator\"" });
}

static void rules_that_others_change_show_in_status(void **state)
{
	static const uint64_t drifts = 3;

	w->requests.drifts = &drifts;
	CHECK("{'cmd':'status'}", { "drifts", "3" }, { "diverged", "0" },
	      { "degraded", "[]" }); /* they were put right */
}

static int full_stats(struct plane *p, struct plane_stats *out)
{
	*out = (struct plane_stats){ .engine.held = 3 };
	out->engine.count[REASON_HELD_FULL] = 7;
	return 0;
}

static void status_tells_of_those_for_whom_there_was_no_room(void **state)
{
	const struct plane_ops *ops = w->requests.plane_ops;
	struct plane_ops full = *ops;

	full.stats = full_stats;
	w->requests.plane_ops = &full;
	CHECK("{'cmd':'status'}", { "plane/held_full", "7" },
	      { "degraded/0", "\"no room for new connections that had to wait, "
			      "so far: 7; they try again by themselves; a "
			      "larger nfqueue.held holds more\"" });
	w->requests.plane_ops = ops;
}

static void without_a_store_status_is_degraded(void **state)
{
	struct store *store = w->requests.store;

	w->requests.store = NULL;
	w->requests.store_error = "disk is full";
	CHECK("{'cmd':'status'}", { "store/healthy", "false" },
	      { "degraded/0", "\"state is not stored: disk is full\"" });
	CHECK("{'cmd':'history'}", { "events", "[]" });
	CHECK("{'cmd':'route.why','route':'1'}",
	      { "routes/0/last_move", "null" });
	w->requests.store = store;
}

static void warnings_of_the_daemon_are_shown(void **state)
{
	static const char *const warnings[] = { "198.18.0.100 is not here",
						NULL };

	w->requests.warnings = warnings;
	CHECK("{'cmd':'status'}",
	      { "degraded", "[\"198.18.0.100 is not here\"]" });
}

static void doctor_has_a_fix_for_what_is_wrong(void **state)
{
	json_t *answer = ask("{'cmd':'doctor'}"), *check;
	size_t i;

	assert_true(json_array_size(json_object_get(answer, "checks")) > 0);
	json_array_foreach(json_object_get(answer, "checks"), i, check)
	{
		bool ok = !strcmp(at(check, "level"), "\"ok\"");

		assert_string_not_equal(at(check, "check"), "null");
		assert_string_not_equal(at(check, "text"), "null");
		assert_true(ok || strcmp(at(check, "fix"), "null"));
	}
	json_decref(answer);
}

static void stats_count_every_reason(void **state)
{
	char last[32];

	snprintf(last, sizeof(last), "packets/%d", ENGINE_REASONS - 1);
	CHECK("{'cmd':'stats'}", { "packets/0/count", "0" },
	      { "plane/lost_queue", "0" }, { "agents/beats", "0" });
	snprintf(last, sizeof(last), "packets/%d", ENGINE_REASONS);
	CHECK("{'cmd':'stats'}", { last, "none" });
}

static void shutdown_is_passed_on(void **state)
{
	CHECK("{'cmd':'shutdown'}", { "stopping", "true" },
	      { "flush", "false" });
	assert_int_equal(w->stopped, 1);
	CHECK("{'cmd':'shutdown','flush':true}", { "flush", "true" });
	assert_int_equal(w->stopped, 2);
}

/* The store writes on its own thread: until the answer has the path. */
static void wait_for_history(const char *request, const char *path)
{
	uint64_t end = clock_monotonic_ns() + DEADLINE_NS;
	bool there = false;

	while (!there && clock_monotonic_ns() < end) {
		json_t *answer = ask(request);

		there = strcmp(at(answer, path), "none") != 0;
		json_decref(answer);
	}
	assert_true(there);
}

/* What waited for the disk is there. */
static void reopen_store(void)
{
	char err[200];

	store_close(w->requests.store);
	assert_int_equal(
		store_open(&w->requests.store, w->db, err, sizeof(err)), 0);
}

static void history_tells_what_happened(void **state)
{
	join("a");
	settle();
	wait_for_history("{'cmd':'history'}", "events/0");
	CHECK("{'cmd':'history','node':'a'}", { "events/0/schema", "1" },
	      { "events/0/node", "\"a\"" }, { "events/0/seq", "1" });
	CHECK("{'cmd':'history','node':'x'}", { "events", "[]" });
	CHECK("{'cmd':'history','since':1000}", { "events", "[]" });
	CHECK("{'cmd':'history','from_ms':9999999999999}", { "events", "[]" });
}

static void why_tells_the_last_move(void **state)
{
	join("a");
	join("b");
	settle();
	CHECK("{'cmd':'node.drain','name':'b'}", { "schema", "1" });
	settle();
	reopen_store();
	CHECK("{'cmd':'route.why','route':'20'}",
	      { "routes/0/last_move/kind", "\"moved\"" },
	      { "routes/0/last_move/to", "\"a\"" });
}

static void a_long_history_comes_in_pages_without_a_gap(void **state)
{
	json_int_t since = 0;
	unsigned n = 0;

	for (unsigned i = 0; i < 600; i++) {
		CHECK("{'cmd':'cluster.freeze'}", { "frozen", "true" });
		CHECK("{'cmd':'cluster.thaw'}", { "frozen", "false" });
	}
	reopen_store();
	do {
		char text[64];
		json_t *page, *event;
		size_t i;

		snprintf(text, sizeof(text), "{'cmd':'history','since':%lld}",
			 (long long)since);
		page = ask(text);
		json_array_foreach(json_object_get(page, "events"), i, event)
		{
			assert_int_equal(json_integer_value(
						 json_object_get(event, "seq")),
					 ++n);
		}
		since = json_integer_value(json_object_get(page, "next"));
		json_decref(page);
	} while (since);
	assert_int_equal(n, w->seq);
	assert_true(n >= 1200);
}

static void a_move_names_the_event_and_the_rule(void **state)
{
	static const struct {
		const char *order, *why_route, *event, *why;
	} rows[] = {
		{ "{'cmd':'node.fail','name':'c'}",
		  "{'cmd':'route.why','route':'24'}",
		  "\"loss of c: by operator\"",
		  "\"undo: routes handed back\"" },
		{ "{'cmd':'node.drain','name':'a'}",
		  "{'cmd':'route.why','route':'1'}", "\"drain of a\"",
		  "\"highest slot takes the slot\"" },
		{ "{'cmd':'node.undrain','name':'a'}",
		  "{'cmd':'route.why','route':'24'}", "\"join of a\"",
		  "\"join\"" },
	};

	join("a");
	join("b");
	join("c");
	settle();
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *answer = ask(rows[i].order);

		json_decref(answer);
		settle();
		w->dead[2] = true;
		reopen_store();
		answer = ask(rows[i].why_route);
		assert_string_equal(at(answer, "routes/0/last_move/event"),
				    rows[i].event);
		assert_string_equal(at(answer, "routes/0/last_move/why"),
				    rows[i].why);
		json_decref(answer);
	}
}

static void an_event_has_all_members_whatever_it_is(void **state)
{
	static const uint16_t ids[] = { 1, 2, 3, 9 };
	struct store_event event = {
		.seq = 7,
		.time_ms = 1763694000123,
		.applied_us = 250,
		.note = { .kind = NOTE_MOVED,
			  .event = "drain of a",
			  .from = "a",
			  .to = "b",
			  .reason = MOVE_DRAIN,
			  .version = 3,
			  .ms = 12,
			  .why = "because",
			  .routes = { ids, ARRAY_SIZE(ids) } },
	};
	json_t *json = requests_event(&event);
	char *text = json_dumps(json, JSON_COMPACT);

	assert_string_equal(
		text, "{\"schema\":1,\"seq\":7,\"time\":\"2025-11-21T03:00:00."
		      "123Z\",\"kind\":\"moved\",\"node\":null,\"from\":\"a\","
		      "\"to\":\"b\",\"reason\":\"drain\",\"version\":3,"
		      "\"slot\":null,\"ms\":12,\"why\":\"because\","
		      "\"event\":\"drain of a\",\"applied_us\":250,"
		      "\"first_packet_us\":null,\"count\":4,"
		      "\"routes\":[[1,3],[9,9]]}");
	free(text);
	json_decref(json);
}

static void text_of_an_agent_that_is_no_text_is_not_passed_on(void **state)
{
	struct store_event event = { .seq = 1, .note = { .why = "\xff\xfe" } };
	json_t *json = requests_event(&event);

	assert_string_equal(at(json, "why"), "\"(not text)\"");
	json_decref(json);
}

/* As the daemon asks on behalf of a client of the read-only socket. */
static json_t *ask_reading(const char *cmd)
{
	json_t *request = json_pack("{s:s, s:s, s:s, s:b}", "cmd", cmd, "name",
				    "a", "route", "1", "flush", 1);
	json_t *answer = requests_read(&w->requests, request, NULL);

	json_decref(request);
	return answer;
}

static void who_may_only_look_can_change_nothing(void **state)
{
	static const char *const changing[] = {
		"shutdown",	 "node.drain",	"node.replace",
		"node.undrain",	 "node.fail",	"node.rm",
		"cluster.freeze", "cluster.thaw", "table.load",
		"config.reload",
	};

	join("a");
	settle();
	for (unsigned i = 0; i < ARRAY_SIZE(changing); i++) {
		print_message("# %s\n", changing[i]);
		expect(ask_reading(changing[i]), "error/code", "\"refused\"");
	}
	CHECK("{'cmd':'node.show','name':'a'}",
	      { "nodes/0/state", "\"active\"" });
	CHECK("{'cmd':'status'}", { "frozen", "false" });
}

static void who_may_only_look_sees_everything(void **state)
{
	static const char *const reading[] = {
		"status",    "doctor",	   "stats",	"node.list",
		"node.show", "route.list", "route.show", "route.why",
		"table.dump", "history",
	};

	join("a");
	for (unsigned i = 0; i < ARRAY_SIZE(reading); i++) {
		print_message("# %s\n", reading[i]);
		expect(ask_reading(reading[i]), "error", "none");
	}
	expect(ask_reading("dance"), "error/code", "\"usage\"");
}

/* Over a real socket: what is answered later. */

static void on_request(void *arg, struct control_client *client,
		       json_t *request)
{
	json_t *answer = requests_handle(&w->requests, request, client);

	if (answer)
		control_reply(client, answer);
}

static void on_gone(void *arg, struct control_client *client)
{
	requests_gone(&w->requests, client);
}

static int dial(const char *request)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct control_handler handler = { .request = on_request,
					   .gone = on_gone };
	char err[200];

	if (!w->loop) {
		w->loop = ev_loop_new(0);
		assert_int_equal(control_socket_open(&w->socket, w->loop,
						     w->path, &handler, err,
						     sizeof(err)),
				 0);
	}
	strcpy(addr.sun_path, w->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL),
			 strlen(request));
	return fd;
}

static void turn(unsigned times)
{
	while (times--)
		ev_run(w->loop, EVRUN_NOWAIT);
}

/* The next object; NULL when there is none by the deadline. */
static json_t *hear(int fd)
{
	uint64_t end = clock_monotonic_ns() + DEADLINE_NS;
	static char line[65536];
	size_t len = 0;

	while (clock_monotonic_ns() < end && len < sizeof(line)) {
		ssize_t n = recv(fd, line + len, 1, 0);

		if (n == 1 && line[len++] == '\n')
			return json_loadb(line, len, 0, NULL);
		if (n != 1)
			turn(1);
	}
	return NULL;
}

static void hears(int fd, const char *path, const char *value)
{
	json_t *answer = hear(fd);

	assert_non_null(answer);
	assert_string_equal(at(answer, path), value);
	json_decref(answer);
}

static void a_drain_that_waits_is_answered_when_it_is_done(void **state)
{
	char byte;
	int fd;

	join("a");
	join("b");
	settle();
	fd = dial("{\"cmd\":\"node.drain\",\"name\":\"b\",\"wait\":true}\n");
	turn(5);
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	settle();
	hears(fd, "done", "true");
	close(fd);
}

static void a_drain_that_waits_is_told_of_a_loss(void **state)
{
	int fd;

	join("a");
	join("b");
	settle();
	fd = dial("{\"cmd\":\"node.drain\",\"name\":\"b\",\"wait\":true}\n");
	turn(5);
	CHECK("{'cmd':'node.fail','name':'b'}", { "schema", "1" });
	hears(fd, "error/code", "\"failed\"");
	close(fd);
}

static void who_leaves_while_he_waits_is_forgotten(void **state)
{
	int fd;

	join("a");
	join("b");
	settle();
	fd = dial("{\"cmd\":\"node.drain\",\"name\":\"b\",\"wait\":true}\n");
	turn(5);
	assert_non_null(w->requests.waiting[0].client);
	close(fd);
	turn(5);
	assert_null(w->requests.waiting[0].client);
	settle();
}

static void a_monitor_hears_what_happens(void **state)
{
	int fd = dial("{\"cmd\":\"monitor\"}\n");

	turn(5);
	CHECK("{'cmd':'cluster.freeze'}", { "frozen", "true" });
	hears(fd, "kind", "\"frozen\"");
	CHECK("{'cmd':'cluster.thaw'}", { "frozen", "false" });
	hears(fd, "kind", "\"thawed\"");
	close(fd);
}

static void a_monitor_since_misses_and_repeats_nothing(void **state)
{
	uint64_t seq;
	int fd;

	/* some are stored, some are still on their way */
	for (unsigned i = 0; i < 30; i++) {
		CHECK("{'cmd':'cluster.freeze'}", { "frozen", "true" });
		CHECK("{'cmd':'cluster.thaw'}", { "frozen", "false" });
	}
	fd = dial("{\"cmd\":\"monitor\",\"since\":10}\n");
	turn(5);
	CHECK("{'cmd':'cluster.freeze'}", { "frozen", "true" });
	for (seq = 11; seq <= w->seq; seq++) {
		char text[24];

		snprintf(text, sizeof(text), "%llu", (unsigned long long)seq);
		hears(fd, "seq", text);
	}
	close(fd);
}

static void a_dumped_table_loads_on_a_fresh_gateway(void **state)
{
	json_t *table;

	join("a");
	join("b");
	join("c");
	settle();
	CHECK("{'cmd':'node.drain','name':'a'}", { "node", "\"a\"" });
	settle();
	table = dump_table();
	CHECK("{'cmd':'route.list'}", { "routes/0/node", "\"c\"" });
	teardown(NULL);
	setup(NULL);
	expect(load_table(table, "dry_run"), "awaited", "2");
	CHECK("{'cmd':'node.list'}", { "nodes", "[]" });
	expect(load_table(table, ""), "moved", "24");
	CHECK("{'cmd':'route.list'}", { "routes/0/node", "\"c\"" });
	CHECK("{'cmd':'node.show','name':'a'}",
	      { "nodes/0/state", "\"drained\"" });
	expect(load_table(table, ""), "error/code", "\"refused\"");
	expect(load_table(table, "move"), "error/code", "\"refused\"");
	json_decref(table);
}

static void a_table_that_is_wrong_is_refused_by_its_object(void **state)
{
	static const struct {
		const char *path, *value, *object, *why;
	} rows[] = {
		{ "routes", "25", "", "number of routes" },
		{ "routes", "'x'", "the table", "routes" },
		{ "slots", "3", "", "number of slots" },
		{ "nodes", "{}", "the table", "nodes" },
		{ "nodes/1/name", "'-x'", "nodes[1] -x", "name" },
		{ "nodes/1/name", "'a'", "", "a stands twice" },
		{ "nodes/1/slot", "1", "", "b has a place" },
		{ "nodes/1/slot", "4097", "nodes[1] b", "slot" },
		{ "nodes/1/slot", "-1", "nodes[1] b", "slot" },
		{ "nodes/1/state", "'well'", "nodes[1] b", "state" },
		{ "nodes/1/instance", "'xyz'", "nodes[1] b", "instance" },
		{ "nodes/1/addresses", "['198.19.0.1']", "nodes[1] b",
		  "another node has" },
		{ "nodes/1/addresses", "['nowhere']", "nodes[1] b", "address" },
		{ "nodes/1/addresses", "[]", "", "b has no address" },
	};
	json_t *table, *node;

	join("a");
	join("b");
	settle();
	table = dump_table();
	teardown(NULL);
	setup(NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *bad = json_deep_copy(table), *answer, *error;
		const char *key = strrchr(rows[i].path, '/');
		char value[40];

		snprintf(value, sizeof(value), "%s", rows[i].value);
		for (char *c = value; *c; c++)
			*c = *c == '\'' ? '"' : *c;
		node = key ? json_array_get(json_object_get(bad, "nodes"), 1)
			   : bad;
		json_object_set_new(node, key ? key + 1 : rows[i].path,
				    json_loads(value, JSON_DECODE_ANY, NULL));
		answer = load_table(bad, "");
		error = json_object_get(answer, "error");
		if (strcmp(at(error, "code"), "\"refused\"") ||
		    !strstr(at(error, "object"), rows[i].object) ||
		    !strstr(at(error, "why"), rows[i].why))
			fail_msg("%s %s: %s", rows[i].path, rows[i].value,
				 at(answer, "error"));
		json_decref(answer);
		json_decref(bad);
		CHECK("{'cmd':'node.list'}", { "nodes", "[]" });
	}
	json_decref(table);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_lists_keep_their_shape_for_no_node),
		T(one_node_is_a_list_of_one),
		T(three_nodes_share_the_routes),
		T(a_route_is_known_by_number_port_or_service),
		T(why_tells_the_slots_a_route_went_through),
		T(why_without_a_node_says_so),
		T(trace_names_the_node_and_the_reasons),
		T(trace_tells_what_is_not_served),
		T(trace_tells_a_move_and_a_suspicion),
		T(bad_arguments_are_usage_errors),
		T(an_unknown_node_is_not_found),
		T(a_page_beyond_the_end_is_empty),
		cmocka_unit_test_setup_teardown(
			the_largest_cluster_comes_in_pages, setup_largest,
			teardown),
		T(a_rehearsed_drain_moves_nothing),
		T(a_rehearsed_drain_of_the_last_node_leads_to_nobody),
		T(a_drain_hands_the_routes_to_others),
		T(a_rehearsed_replacement_moves_nothing),
		T(a_replacement_takes_the_slot),
		T(a_refusal_says_why),
		T(a_failed_node_is_lost_at_once_and_can_be_forgotten),
		T(a_freeze_shows_in_status_until_it_is_thawed),
		T(a_move_under_way_is_shown_with_its_deadline),
		T(a_state_is_shown_with_its_reason),
		T(rules_that_others_change_show_in_status),
		T(without_a_store_status_is_degraded),
		T(status_tells_of_those_for_whom_there_was_no_room),
		T(warnings_of_the_daemon_are_shown),
		T(doctor_has_a_fix_for_what_is_wrong),
		T(stats_count_every_reason),
		T(shutdown_is_passed_on),
		T(a_dumped_table_loads_on_a_fresh_gateway),
		T(a_table_that_is_wrong_is_refused_by_its_object),
		T(history_tells_what_happened),
		T(why_tells_the_last_move),
		T(who_may_only_look_can_change_nothing),
		T(who_may_only_look_sees_everything),
		T(a_long_history_comes_in_pages_without_a_gap),
		T(a_move_names_the_event_and_the_rule),
		T(an_event_has_all_members_whatever_it_is),
		T(text_of_an_agent_that_is_no_text_is_not_passed_on),
		T(a_drain_that_waits_is_answered_when_it_is_done),
		T(a_drain_that_waits_is_told_of_a_loss),
		T(who_leaves_while_he_waits_is_forgotten),
		T(a_monitor_hears_what_happens),
		T(a_monitor_since_misses_and_repeats_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
