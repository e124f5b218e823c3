// SPDX-License-Identifier: GPL-2.0-or-later
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "io/rules.h"

struct fixture {
	struct engine_conf engine;
	struct rules_conf conf;
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){
		.engine = { .routes = 24,
			    .n_services = 2,
			    .seed = 0x5eed,
			    .services = { { "browser", 8001, IPPROTO_TCP,
					    false },
					  { "app", 9001, IPPROTO_TCP,
					    false } } },
		.conf = { .queue = 5,
			  .workers = 1,
			  .mark = 0x48616c6f,
			  .how = RULES_NFT_QUEUE },
	};
	f.conf.engine = &f.engine;
	addr_parse(&f.engine.vip[FAMILY_V4], "198.18.0.100");
	*state = &f;
	return 0;
}

static bool says(const struct fixture *f, const char *line)
{
	char *text = rules_text(&f->conf);
	bool found;

	assert_non_null(text);
	found = strstr(text, line);
	free(text);
	return found;
}

static void doors_lead_past_conntrack_to_the_worker(void **state)
{
	assert_true(says(*state, "ip daddr 198.18.0.100 jump to_door_ip\n"));
	assert_true(says(*state, "chain to_door_ip {\n"
				 "tcp dport 8001-8024 notrack "
				 "goto from_client_ip\n"
				 "tcp dport 9001-9024 notrack "
				 "goto from_client_ip\n"));
	assert_true(says(*state, "chain worker0 {\nqueue num 5\n}\n"));
}

static void the_kernel_rewrites_what_comes_back_with_a_mark(void **state)
{
	assert_true(says(*state, "hook prerouting priority raw + 1; policy "
				 "accept;\nmeta mark & 0xffff0000 == "
				 "0x484e0000 meta nfproto ipv4 ip daddr set "
				 "meta mark map @node_of_mark4 meta mark set 0 "
				 "accept\n}"));
	assert_true(says(*state, "hook postrouting priority raw + 1; policy "
				 "accept;\nmeta mark 0x484effff meta nfproto "
				 "ipv4 ip saddr set 198.18.0.100 meta mark set "
				 "0 accept\n}"));
}

static void no_queue_is_ever_bypassed(void **state)
{
	assert_false(says(*state, "bypass"));
}

static void a_protocol_without_services_has_no_rules(void **state)
{
	struct fixture *f = *state;

	assert_false(says(f, "udp dport"));
	f->engine.services[1].protocol = IPPROTO_UDP;
	assert_true(says(f, "udp dport 9001-9024 "));
	assert_true(says(f, "tcp dport 8001-8024 "));
}

static void a_family_without_address_has_no_rules(void **state)
{
	struct fixture *f = *state;

	assert_false(says(f, "jump to_door_ip6"));
	assert_true(says(f, "chain to_door_ip6 {\n}\n"));
	addr_parse(&f->engine.vip[FAMILY_V6], "fd00:198:18::100");
	assert_true(says(f, "ip6 daddr fd00:198:18::100 jump to_door_ip6\n"));
	assert_false(says(f, "chain to_door_ip6 {\n}\n"));
}

static void one_worker_needs_no_hash(void **state)
{
	assert_false(says(*state, "jhash"));
}

static void workers_are_chosen_by_the_client_in_both_directions(void **state)
{
	struct fixture *f = *state;

	f->conf.workers = 2;
	assert_true(says(f, "chain from_client_ip {\njhash ip saddr mod 2 seed "
			    "0x5eed vmap { 0 : goto worker0, "
			    "1 : goto worker1 }"));
	assert_true(says(f, "chain to_client_ip {\njhash ip daddr mod 2 seed "
			    "0x5eed vmap"));
	assert_true(says(f, "queue num 6\n"));
}

static void a_worker_without_its_queue_rule_lets_nothing_pass(void **state)
{
	struct fixture *f = *state;

	f->conf.how = RULES_XT_QUEUE;
	assert_true(says(f, "chain worker0 {\ndrop\n}\n"));
	assert_false(says(f, "queue num"));
}

static void the_highest_port_stays_a_port(void **state)
{
	struct fixture *f = *state;

	f->engine.routes = 65535;
	f->engine.n_services = 1;
	f->engine.services[0].listen = 1;
	assert_true(says(f, "{ 1-65535 }"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(doors_lead_past_conntrack_to_the_worker,
				       setup),
		cmocka_unit_test_setup(
			the_kernel_rewrites_what_comes_back_with_a_mark, setup),
		cmocka_unit_test_setup(no_queue_is_ever_bypassed, setup),
		cmocka_unit_test_setup(a_protocol_without_services_has_no_rules,
				       setup),
		cmocka_unit_test_setup(a_family_without_address_has_no_rules,
				       setup),
		cmocka_unit_test_setup(one_worker_needs_no_hash, setup),
		cmocka_unit_test_setup(
			workers_are_chosen_by_the_client_in_both_directions,
			setup),
		cmocka_unit_test_setup(
			a_worker_without_its_queue_rule_lets_nothing_pass,
			setup),
		cmocka_unit_test_setup(the_highest_port_stays_a_port, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
