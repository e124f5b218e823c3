/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Brings a fault about and prints `at NS`, the moment (CLOCK_MONOTONIC) right
 * before: starting a program takes longer than much of what is measured.
 *
 *   fault cut NETNS INTERFACE      takes the interface down
 *   fault kill PID…                kills all of them
 */
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PIDS_MAX 16

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static void say(uint64_t at_ns)
{
	printf("at %llu\n", (unsigned long long)at_ns);
	fflush(stdout);
}

static int enter(const char *netns)
{
	char path[128];
	int fd, err;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = setns(fd, CLONE_NEWNET) ? -errno : 0;
	close(fd);
	return err;
}

static void put_down(char *buf, unsigned index)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *link;

	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	link = mnl_nlmsg_put_extra_header(nlh, sizeof(*link));
	link->ifi_index = (int)index;
	link->ifi_change = IFF_UP;
}

static int request(struct mnl_socket *nl, char *buf, size_t size)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
	ssize_t n;

	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(nl, buf, size);
	if (n < 0 || mnl_cb_run(buf, (size_t)n, 0, 0, NULL, NULL) < 0)
		return -errno;
	return 0;
}

static int cut(const char *netns, const char *interface)
{
	char buf[8192];
	struct mnl_socket *nl;
	uint64_t at_ns;
	unsigned index;
	int err = enter(netns);

	if (err)
		return err;
	index = if_nametoindex(interface);
	nl = index ? mnl_socket_open(NETLINK_ROUTE) : NULL;
	if (!nl)
		return -errno;
	err = mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
	put_down(buf, index);
	at_ns = now_ns();
	if (!err)
		err = request(nl, buf, sizeof(buf));
	mnl_socket_close(nl);
	if (!err)
		say(at_ns);
	return err;
}

static int kill_all(char **pids, int count)
{
	pid_t pid[PIDS_MAX];
	uint64_t at_ns;
	int err = 0;

	if (count > PIDS_MAX)
		return -E2BIG;
	for (int i = 0; i < count; i++) {
		pid[i] = (pid_t)atoi(pids[i]);
		if (pid[i] <= 1)
			return -EINVAL;
	}
	at_ns = now_ns();
	for (int i = 0; i < count; i++)
		if (kill(pid[i], SIGKILL))
			err = -errno;
	say(at_ns);
	return err;
}

int main(int argc, char **argv)
{
	int err = -EINVAL;

	if (argc == 4 && !strcmp(argv[1], "cut"))
		err = cut(argv[2], argv[3]);
	else if (argc > 2 && !strcmp(argv[1], "kill"))
		err = kill_all(argv + 2, argc - 2);
	if (err)
		fprintf(stderr, "fault: %s: %s\n", argc > 1 ? argv[1] : "?",
			strerror(-err));
	return err != 0;
}
