// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/ct_seq.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "io/bpf/ct_seq_slot.h"

#define SLOTS_SIZE (CT_SEQ_SLOTS * sizeof(struct ct_seq_slot))

/* The compiled BPF program; the Makefile names its folder to the assembler. */
__asm__(".pushsection .rodata\n"
	".balign 8\n"
	"ct_seq_object:\n"
	".incbin \"ct_seq.bpf.o\"\n"
	"ct_seq_object_end:\n"
	".popsection\n");
extern const char ct_seq_object[], ct_seq_object_end[];

struct ct_seq {
	struct bpf_object *object;
	int program;		   /* the object's */
	struct ct_seq_slot *slots; /* the map's memory */
};

/* libbpf explains itself on stderr, where nobody has asked. */
static int hush(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char line[256];

	if (!log_enabled(LOG_LEVEL_DEBUG))
		return 0;
	vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = '\0';
	log_debug("libbpf", "says=\"%s\"", line);
	return 0;
}

static const char *missing(void)
{
	if (getenv("HALO_FORCE_NO_CT_SEQ"))
		return "switched off by HALO_FORCE_NO_CT_SEQ";
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return "kernel without BTF";
	return NULL;
}

/* ESRCH: libbpf has looked for the kernel's function everywhere. EINVAL: among
 * others, a helper that is kept from those without CAP_PERFMON. */
static int explain(int err, char *why, unsigned why_size)
{
	switch (err) {
	case -ESRCH:
		snprintf(why, why_size, "kernel without bpf_skb_ct_lookup");
		return -EOPNOTSUPP;
	case -EPERM:
	case -EACCES:
	case -EINVAL:
		snprintf(why, why_size,
			 "refused by the kernel (%s), needs CAP_BPF, "
			 "CAP_PERFMON and CAP_NET_ADMIN",
			 strerror(-err));
		return err;
	default:
		snprintf(why, why_size, "%s", strerror(-err));
		return err;
	}
}

static int map_slots(struct ct_seq *s)
{
	int fd = bpf_object__find_map_fd_by_name(s->object, "slots");
	void *memory = mmap(NULL, SLOTS_SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	s->slots = memory;
	return 0;
}

static int load(struct ct_seq *s)
{
	int err;

	libbpf_set_print(hush);
	s->object = bpf_object__open_mem(
		ct_seq_object, (size_t)(ct_seq_object_end - ct_seq_object),
		NULL);
	if (!s->object)
		return -errno;
	err = bpf_object__load(s->object);
	if (!err)
		err = map_slots(s);
	if (err) {
		bpf_object__close(s->object);
		return err;
	}
	s->program = bpf_program__fd(bpf_object__next_program(s->object, NULL));
	return 0;
}

int ct_seq_open(struct ct_seq **out, char *why, unsigned why_size)
{
	const char *lacks = missing();
	struct ct_seq *s;
	int err;

	if (lacks) {
		snprintf(why, why_size, "%s", lacks);
		return -EOPNOTSUPP;
	}
	s = calloc(1, sizeof(*s));
	err = s ? load(s) : -ENOMEM;
	if (err) {
		free(s);
		return explain(err, why, why_size);
	}
	*out = s;
	return 0;
}

void ct_seq_close(struct ct_seq *s)
{
	if (!s)
		return;
	munmap(s->slots, SLOTS_SIZE);
	bpf_object__close(s->object);
	free(s);
}

static void ask(struct ct_seq_slot *slot, const struct ct_seq_item *item)
{
	struct bpf_sock_tuple *flow = &slot->flow;

	memset(slot, 0, sizeof(*slot));
	slot->is_v6 = item->client.addr.af == AF_INET6;
	if (slot->is_v6) {
		memcpy(flow->ipv6.saddr, item->client.addr.bytes, 16);
		memcpy(flow->ipv6.daddr, item->door.addr.bytes, 16);
		flow->ipv6.sport = htons(item->client.port);
		flow->ipv6.dport = htons(item->door.port);
	} else {
		memcpy(&flow->ipv4.saddr, item->client.addr.bytes, 4);
		memcpy(&flow->ipv4.daddr, item->door.addr.bytes, 4);
		flow->ipv4.sport = htons(item->client.port);
		flow->ipv4.dport = htons(item->door.port);
	}
}

static void take(const struct ct_seq_slot *slot, struct ct_seq_item *item)
{
	item->found = slot->is_found;
	item->to_client = slot->node_end;
	item->to_node = slot->client_end;
}

/* One system call: the kernel repeats the program, and lets others run in
 * between. A signal ends it early; reading twice does no harm. */
static int run(const struct ct_seq *s, unsigned slots)
{
	static const char nothing[ETH_HLEN]; /* the least the kernel takes */
	struct __sk_buff context = { .cb = { 0 } };
	int err;

	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = nothing,
		    .data_size_in = sizeof(nothing), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = (int)slots);
	do
		err = bpf_prog_test_run_opts(s->program, &opts);
	while (err == -EINTR);
	return err;
}

static int read_some(struct ct_seq *s, struct ct_seq_item *items,
		     unsigned count)
{
	int err;

	for (unsigned i = 0; i < count; i++)
		ask(&s->slots[i], &items[i]);
	err = run(s, count);
	for (unsigned i = 0; i < count && !err; i++)
		take(&s->slots[i], &items[i]);
	return err;
}

int ct_seq_read(struct ct_seq *s, struct ct_seq_item *items, unsigned count)
{
	int err = 0;

	for (unsigned i = 0; i < count; i++)
		items[i].found = false;
	for (unsigned at = 0; at < count && !err; at += CT_SEQ_SLOTS) {
		unsigned left = count - at;

		err = read_some(s, items + at,
				left < CT_SEQ_SLOTS ? left : CT_SEQ_SLOTS);
	}
	return err;
}
