// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What becomes of verdicts that the kernel does not take: its ear, sendmsg(),
 * is this program's own. The queue is one of a network namespace of its own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "io/nfq.h"

#define QUEUE	 5
#define HEAR_MAX 512

static struct {
	int error;	   /* 0: takes all that fits */
	unsigned fails;	   /* so many times, then no more */
	size_t bytes_most; /* longer messages fail */
	unsigned count;
	struct {
		uint32_t id, verdict;
		bool all; /* up to it */
	} heard[HEAR_MAX];
} kernel;

static void hear(const char *buf, int len)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;

	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		const struct nlattr *a;

		mnl_attr_for_each(a, nlh, sizeof(struct nfgenmsg))
		{
			const struct nfqnl_msg_verdict_hdr *v =
				mnl_attr_get_payload(a);

			if (mnl_attr_get_type(a) != NFQA_VERDICT_HDR)
				continue;
			assert_in_range(kernel.count, 0, HEAR_MAX - 1);
			kernel.heard[kernel.count].id = ntohl(v->id);
			kernel.heard[kernel.count].all =
				(nlh->nlmsg_type & 0xff) ==
				NFQNL_MSG_VERDICT_BATCH;
			kernel.heard[kernel.count++].verdict =
				ntohl(v->verdict);
		}
	}
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	static char buf[1 << 20];
	size_t len = 0;

	for (size_t i = 0; i < msg->msg_iovlen; i++) {
		memcpy(buf + len, msg->msg_iov[i].iov_base,
		       msg->msg_iov[i].iov_len);
		len += msg->msg_iov[i].iov_len;
	}
	if (kernel.fails || len > kernel.bytes_most) {
		kernel.fails -= kernel.fails > 0;
		errno = kernel.error;
		return -1;
	}
	hear(buf, (int)len);
	return (ssize_t)len;
}

static int setup(void **state)
{
	struct nfq *q;

	if (nfq_new(&q, QUEUE, 1024, NFQ_WHOLE))
		return -1;
	memset(&kernel, 0, sizeof(kernel));
	kernel.bytes_most = SIZE_MAX;
	*state = q;
	return 0;
}

static int teardown(void **state)
{
	nfq_free(*state);
	return 0;
}

static void accept_three(struct nfq *q)
{
	for (uint32_t id = 1; id <= 3; id++)
		nfq_accept(q, id);
	nfq_flush(q);
}

static void heard(unsigned i, uint32_t id, uint32_t verdict)
{
	assert_in_range(i, 0, (int)kernel.count - 1);
	assert_int_equal(kernel.heard[i].id, id);
	assert_int_equal(kernel.heard[i].verdict, verdict);
}

static void verdicts_of_a_flush_go_out_together(void **state)
{
	accept_three(*state);
	assert_int_equal(kernel.count, 3);
	heard(0, 1, NF_ACCEPT);
	heard(2, 3, NF_ACCEPT);
	assert_int_equal(nfq_stats(*state).failed, 0);
}

static void an_interrupted_flush_is_repeated(void **state)
{
	kernel.error = EINTR;
	kernel.fails = 2;
	accept_three(*state);
	assert_int_equal(kernel.count, 3);
	assert_int_equal(nfq_stats(*state).failed, 0);
}

static void what_does_not_fit_at_once_goes_one_by_one(void **state)
{
	kernel.error = ENOBUFS;
	kernel.fails = 1;
	accept_three(*state);
	assert_int_equal(kernel.count, 3);
	heard(1, 2, NF_ACCEPT);
	assert_int_equal(nfq_stats(*state).failed, 0);
}

static void a_packet_too_long_for_the_memory_there_is_is_dropped(void **state)
{
	static uint8_t data[2000];

	kernel.error = ENOBUFS;
	kernel.bytes_most = 1000;
	nfq_accept(*state, 1);
	nfq_rewrite(*state, 2, data, sizeof(data));
	nfq_flush(*state);
	assert_int_equal(kernel.count, 2);
	heard(0, 1, NF_ACCEPT);
	heard(1, 2, NF_DROP);
	assert_int_equal(nfq_stats(*state).failed, 1);
}

static void packets_without_a_verdict_are_dropped_by_a_later_flush(void **state)
{
	kernel.error = ENOBUFS;
	kernel.bytes_most = 0;
	accept_three(*state);
	assert_int_equal(kernel.count, 0);
	assert_int_equal(nfq_stats(*state).failed, 3);
	kernel.bytes_most = SIZE_MAX;
	nfq_flush(*state);
	assert_int_equal(kernel.count, 3);
	heard(0, 1, NF_DROP);
	heard(2, 3, NF_DROP);
	nfq_flush(*state);
	assert_int_equal(kernel.count, 3);
}

static void a_long_want_of_memory_is_survived(void **state)
{
	kernel.error = ENOBUFS;
	kernel.bytes_most = 0;
	for (uint32_t id = 1; id <= 2000; id++)
		nfq_accept(*state, id);
	nfq_flush(*state);
	assert_int_equal(nfq_stats(*state).failed, 2000);
	kernel.bytes_most = SIZE_MAX;
	accept_three(*state);
	heard(0, 1, NF_ACCEPT);
	heard(3, 1, NF_DROP);
	nfq_mark_alone(*state, 4, 8);
	nfq_mark_alone(*state, 5, 8); /* who knows who is still there */
	kernel.count = 0;
	nfq_flush(*state);
	assert_int_equal(kernel.count, 2);
}

static void heard_all(unsigned i, uint32_t id, uint32_t verdict)
{
	heard(i, id, verdict);
	assert_true(kernel.heard[i].all);
}

static void packets_of_one_mark_share_a_verdict(void **state)
{
	nfq_mark_alone(*state, 1, 7);
	for (uint32_t id = 2; id <= 9; id++)
		nfq_mark_alone(*state, id, 8);
	nfq_drop(*state, 10);
	nfq_mark_alone(*state, 11, 8);
	nfq_flush(*state);
	assert_int_equal(kernel.count, 4);
	heard(0, 1, NF_ACCEPT);
	assert_false(kernel.heard[0].all);
	heard_all(1, 9, NF_ACCEPT);
	heard(2, 10, NF_DROP);
	heard(3, 11, NF_ACCEPT);
	assert_false(kernel.heard[3].all);
}

static void a_mark_that_is_not_alone_is_said_of_itself_only(void **state)
{
	for (uint32_t id = 1; id <= 3; id++)
		nfq_mark(*state, id, 8);
	nfq_flush(*state);
	assert_int_equal(kernel.count, 3);
	assert_false(kernel.heard[2].all);
}

static void a_shared_verdict_ends_with_the_flush(void **state)
{
	nfq_mark_alone(*state, 1, 8);
	nfq_flush(*state);
	nfq_mark_alone(*state, 2, 8);
	nfq_flush(*state);
	assert_int_equal(kernel.count, 2);
	assert_false(kernel.heard[1].all);
}

static void a_shared_verdict_never_accepts_what_is_owed(void **state)
{
	static uint8_t data[2000];

	kernel.error = ENOBUFS;
	kernel.bytes_most = 1000;
	nfq_rewrite(*state, 1, data, sizeof(data));
	nfq_mark_alone(*state, 2, 8);
	nfq_mark_alone(*state, 3, 8);
	nfq_flush(*state);
	heard_all(0, 3, NF_DROP);
	heard(1, 1, NF_DROP);
}

static void a_shared_verdict_that_is_owed_drops_all_it_was_about(void **state)
{
	kernel.error = ENOBUFS;
	kernel.bytes_most = 0;
	nfq_mark_alone(*state, 1, 8);
	nfq_mark_alone(*state, 2, 8);
	nfq_flush(*state);
	kernel.bytes_most = SIZE_MAX;
	nfq_flush(*state);
	assert_int_equal(kernel.count, 1);
	heard_all(0, 2, NF_DROP);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(verdicts_of_a_flush_go_out_together),
		TEST(an_interrupted_flush_is_repeated),
		TEST(what_does_not_fit_at_once_goes_one_by_one),
		TEST(a_packet_too_long_for_the_memory_there_is_is_dropped),
		TEST(packets_without_a_verdict_are_dropped_by_a_later_flush),
		TEST(a_long_want_of_memory_is_survived),
		TEST(packets_of_one_mark_share_a_verdict),
		TEST(a_mark_that_is_not_alone_is_said_of_itself_only),
		TEST(a_shared_verdict_ends_with_the_flush),
		TEST(a_shared_verdict_never_accepts_what_is_owed),
		TEST(a_shared_verdict_that_is_owed_drops_all_it_was_about),
	};

	if (unshare(CLONE_NEWNET)) {
		print_message("skip - test_nfq: no network namespace\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
