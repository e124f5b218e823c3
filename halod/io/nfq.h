/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One NFQUEUE as a worker sees it: packets come in batches, verdicts go out in
 * batches, nothing is allocated on the way. It does not look into packets.
 */
#ifndef HALO_IO_NFQ_H
#define HALO_IO_NFQ_H

#include <stdbool.h>
#include <stdint.h>

#define NFQ_BATCH 64

struct nfq;

struct nfq_packet {
	uint8_t *data; /* from the IP header; the reader may write to it */
	uint32_t len;
	uint32_t cut;  /* bytes behind them that were not copied */
	uint32_t mark; /* it came with */
	uint32_t id;
	uint8_t hook; /* enum nf_inet_hooks */
	bool csum_not_ready;
	bool gso;
};

#define NFQ_WHOLE 65535 /* copy_len: packets come whole or not at all */

/*
 * Binds the queue: the first copy_len bytes of packets, segments left merged
 * (GSO), max_len packets kept by the kernel while nobody reads. -EBUSY:
 * somebody else has the queue; -EPERM: no CAP_NET_ADMIN.
 */
int nfq_new(struct nfq **out, uint16_t queue, uint32_t max_len,
	    uint32_t copy_len);
/* Packets the kernel still holds for us are dropped. */
void nfq_free(struct nfq *q);

int nfq_poll_fd(const struct nfq *q);

/* The packets that wait, at most NFQ_BATCH; 0: none. Never blocks. They are
 * borrowed until the next call. With NFQ_WHOLE a packet that did not come whole
 * is dropped here and counted: a verdict with its payload would cut it short.
 */
unsigned nfq_receive(struct nfq *q, struct nfq_packet out[NFQ_BATCH]);

/* Verdicts gather until nfq_flush() or until a batch is full. data is borrowed
 * until then, unless copied. */
void nfq_accept(struct nfq *q, uint32_t id);
/* Passes the hook that queued it again. */
void nfq_repeat(struct nfq *q, uint32_t id);
void nfq_drop(struct nfq *q, uint32_t id);
/* Accepts it with another mark. */
void nfq_mark(struct nfq *q, uint32_t id, uint32_t mark);
/* The same where all that came before it have their verdicts: one that follows
 * another of the same mark costs no message of its own. */
void nfq_mark_alone(struct nfq *q, uint32_t id, uint32_t mark);
void nfq_rewrite(struct nfq *q, uint32_t id, const uint8_t *data, uint32_t len);
/* For data that does not live until the flush. */
void nfq_rewrite_copied(struct nfq *q, uint32_t id, const uint8_t *data,
			uint32_t len);
/* What the kernel has no memory for is dropped, by this flush or a later one:
 * call it now and then even when there is nothing to say. */
void nfq_flush(struct nfq *q);

struct nfq_stats {
	uint64_t packets, batches;
	uint64_t truncated; /* dropped by nfq_receive() */
	uint64_t failed;    /* verdicts the kernel would not take */
};
struct nfq_stats nfq_stats(const struct nfq *q);

/* The kernel's own account of a queue of this network namespace. */
struct nfq_counters {
	uint32_t port;	      /* netlink port of who has it, mostly a pid */
	uint32_t waiting;     /* packets without a verdict */
	uint64_t lost_queue;  /* more than max_len waited */
	uint64_t lost_socket; /* the socket's buffer was full */
};
/* -ENOENT: nobody has the queue. */
int nfq_counters(uint16_t queue, struct nfq_counters *out);

#endif
