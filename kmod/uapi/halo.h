/* SPDX-License-Identifier: GPL-2.0-or-later WITH Linux-syscall-note */
/*
 * How halo.ko is spoken to: the generic netlink family "halo", version 1. For
 * whoever writes tables into the kernel or looks at what it carries; it says
 * nothing of how packets are carried.
 *
 * Everything belongs to the network namespace of the socket, and everything
 * needs CAP_NET_ADMIN in that namespace's user namespace. Numbers are in host
 * order, addresses and nothing else in network order. Unknown attributes, and
 * attributes of another command, are refused (NETLINK_EXT_ACK says which). A
 * refused message changes nothing.
 *
 * command             attributes                       answer
 * ------------------- -------------------------------- ---------------------
 * INFO_GET            -                                INFO_GET:
 *                                                        MODULE, ABI, FEATURES,
 *                                                        FLOWS_LIMIT [, VERSION]
 *
 * A table is written by a transaction of its socket, one at a time; it is
 * dropped when the socket closes, by ABORT, by the same socket's next BEGIN,
 * and HALO_TXN_MS after the last message of it.
 *
 * TABLE_BEGIN         VERSION, ROUTES, SEATS_MAX,      ack: unowned routes,
 *                     SERVICES, VIP4 and/or VIP6       empty seats
 *                     [, FLOWS_MAX]
 *                     or, on top of the table there:
 *                     VERSION, FROM_VERSION            ack. -ESTALE: another
 *                     [, SEATS_MAX]                    version is there
 * TABLE_ADD           [SEATS] [, RUNS]                 ack. As often as needed;
 *                                                      what comes later wins.
 *                                                      Refused: it is as after
 *                                                      ABORT
 * TABLE_COMMIT        -                                ack: every packet is
 *                                                      answered by it from now
 *                                                      on
 * TABLE_ABORT         -                                ack
 * TABLE_CHANGE        VERSION, FROM_VERSION            ack: BEGIN, ADD and
 *                     [, SEATS_MAX] [, SEATS]          COMMIT in one message
 *                     [, RUNS]
 * TABLE_GET (dump)    -                                TABLE_GET, several; no
 *                                                      message: no table
 *                       the first: VERSION, ROUTES, SEATS_MAX, SERVICES,
 *                                  [VIP4,] [VIP6,] FLOWS_MAX,
 *                                  [HELD (ROUTE_SET),] [QUEUE,] ALIVE_MS
 *                       the others: SEATS and/or RUNS, both ascending
 *                       NLM_F_DUMP_INTR: it was replaced meanwhile; ask again
 * FLUSH               -                                ack: no table, no flow,
 *                                                      no hook in the namespace
 *
 * Flows survive TABLE_COMMIT. One whose route has gone to another node instance
 * (and whose service is not KEEP) carries nothing from then on: the next
 * segment of it is answered by a reset, its next SYN or datagram begins anew.
 * FLOWS_END ends them without waiting for that.
 *
 * ATTEND              ALIVE_MS [, QUEUE] [, REFUSALS]  ack
 *     Somebody attends to NFQUEUE QUEUE for the next ALIVE_MS (at most
 *     HALO_ALIVE_MAX_MS, 0: nobody any more). Holds are void while nobody does.
 *     With REFUSALS a RST in answer to a SYN is queued too (NF_ACCEPT: the
 *     client gets it, NF_DROP: it never does; never NF_REPEAT), before its
 *     source is rewritten; without anybody at the queue it passes.
 *     QUEUE stays as it was when it is not given.
 * HOLD                ROUTE_SET                        ack: in force
 *     SYNs to these routes, and datagrams without a flow, are queued as the
 *     client sent them, before conntrack. NF_REPEAT: looked up anew (and queued
 *     again, should the route be held still), NF_DROP: gone. They are added to
 *     what is held; they stay when the table changes.
 * RELEASE             [ROUTE_SET]                      ack. None: all routes
 *
 * FLOWS_END           TAG, [ROUTE_SET,] [FORCED]       ack: it has begun
 *     In the background, in bounded steps. Both ends of an established flow get
 *     the exact reset (FORCED: the client only, the node is dead); an
 *     unanswered SYN is sent again to who serves the route now; datagram flows
 *     vanish. Without FORCED flows of KEEP services stay. No ROUTE_SET: all
 *     routes. For the same TAG and FORCED the sets add up and it begins anew.
 *     -EBUSY: HALO_ENDS_MAX are under way.
 * FLOWS_GET (dump)    [ROUTE] [, TAG] [, CLIENT4 or    FLOWS_GET, one a flow:
 *                     CLIENT6] [, MAX]                   CLIENT4 or CLIENT6,
 *                                                        CLIENT_PORT, NODE4 or
 *                                                        NODE6, DOOR_PORT,
 *                                                        PROTOCOL, ROUTE, TAG,
 *                                                        SERVICE_INDEX, STATE,
 *                                                        IDLE_MS
 * STATS_GET           -                                STATS_GET:
 *                                                        COUNTERS, FLOWS,
 *                                                        FLOWS_MAX, HELD_ROUTES
 *
 * multicast group "events"
 *
 * FLOWS_ENDED         TAG [, FORCED], ENDED (flows), TOLD_CLIENTS, TOLD_NODES,
 *                     REPLAYED (SYNs): a FLOWS_END is finished
 * REFUSED             TAG, ROUTE: a door answered a SYN by RST; at most one
 *                     each HALO_REFUSED_REST_MS for each tag
 * TABLE_CHANGED       PORT [, VERSION]: by the socket of that netlink port;
 *                     no VERSION: flushed
 */
#ifndef _UAPI_HALO_H
#define _UAPI_HALO_H

#include <linux/types.h>

#define HALO_GENL_NAME		"halo"
#define HALO_GENL_VERSION	1
#define HALO_GENL_EVENTS	"events"

/* Changes whenever a program written for the former would misunderstand. */
#define HALO_ABI		1

#define HALO_SERVICES_MAX	16
#define HALO_SEATS_MAX		65534
#define HALO_TAG_MAX		65534
#define HALO_NAME_MAX		64	/* with the terminating 0 */
#define HALO_TXN_MS		10000
#define HALO_ALIVE_MAX_MS	10000
#define HALO_ENDS_MAX		64
#define HALO_REFUSED_REST_MS	10

enum halo_cmd {
	HALO_CMD_UNSPEC,
	HALO_CMD_INFO_GET,
	HALO_CMD_TABLE_BEGIN,
	HALO_CMD_TABLE_ADD,
	HALO_CMD_TABLE_COMMIT,
	HALO_CMD_TABLE_ABORT,
	HALO_CMD_TABLE_CHANGE,
	HALO_CMD_TABLE_GET,
	HALO_CMD_FLUSH,
	HALO_CMD_ATTEND,
	HALO_CMD_HOLD,
	HALO_CMD_RELEASE,
	HALO_CMD_FLOWS_END,
	HALO_CMD_FLOWS_GET,
	HALO_CMD_STATS_GET,
	/* events */
	HALO_CMD_FLOWS_ENDED,
	HALO_CMD_REFUSED,
	HALO_CMD_TABLE_CHANGED,
	__HALO_CMD_END
};
#define HALO_CMD_MAX (__HALO_CMD_END - 1)

enum halo_attr {
	HALO_ATTR_UNSPEC,
	HALO_ATTR_PAD,
	HALO_ATTR_MODULE,	/* string: the module's version */
	HALO_ATTR_ABI,		/* u32: HALO_ABI */
	HALO_ATTR_FEATURES,	/* u64: HALO_FEATURE_* */
	HALO_ATTR_FLOWS_LIMIT,	/* u32: the module's parameter flows_max */
	HALO_ATTR_VERSION,	/* u64: of the table */
	HALO_ATTR_FROM_VERSION,	/* u64 */
	HALO_ATTR_ROUTES,	/* u16: N, 1..65535 */
	HALO_ATTR_SEATS_MAX,	/* u16: seats are 1..that */
	HALO_ATTR_VIP4,		/* be32 */
	HALO_ATTR_VIP6,		/* 16 bytes */
	HALO_ATTR_FLOWS_MAX,	/* u32: at most FLOWS_LIMIT, which it is if absent */
	HALO_ATTR_SERVICES,	/* nest of HALO_ATTR_SERVICE, in order */
	HALO_ATTR_SERVICE,	/* nest, enum halo_service_attr */
	HALO_ATTR_SEATS,	/* nest of HALO_ATTR_SEAT */
	HALO_ATTR_SEAT,		/* nest, enum halo_seat_attr */
	HALO_ATTR_RUNS,		/* array of struct halo_run */
	HALO_ATTR_ROUTE_SET,	/* bits: route r is bit r % 8 of byte r / 8; any
				 * length up to 8192 bytes; bit 0 is 0
				 */
	HALO_ATTR_QUEUE,	/* u16 */
	HALO_ATTR_REFUSALS,	/* flag */
	HALO_ATTR_ALIVE_MS,	/* u32 */
	HALO_ATTR_TAG,		/* u32: 1..HALO_TAG_MAX */
	HALO_ATTR_FORCED,	/* flag */
	HALO_ATTR_ROUTE,	/* u16 */
	HALO_ATTR_CLIENT4,	/* be32 */
	HALO_ATTR_CLIENT6,	/* 16 bytes */
	HALO_ATTR_CLIENT_PORT,	/* u16 */
	HALO_ATTR_NODE4,	/* be32 */
	HALO_ATTR_NODE6,	/* 16 bytes */
	HALO_ATTR_DOOR_PORT,	/* u16 */
	HALO_ATTR_PROTOCOL,	/* u8: IPPROTO_TCP or IPPROTO_UDP */
	HALO_ATTR_SERVICE_INDEX,/* u8: from 0 */
	HALO_ATTR_STATE,	/* u8: enum halo_flow_state */
	HALO_ATTR_IDLE_MS,	/* u64 */
	HALO_ATTR_MAX,		/* u32: so many flows at most */
	HALO_ATTR_COUNTERS,	/* nest of HALO_ATTR_COUNTER */
	HALO_ATTR_COUNTER,	/* nest, enum halo_counter_attr */
	HALO_ATTR_FLOWS,	/* u32: now */
	HALO_ATTR_HELD_ROUTES,	/* u32: how many routes are held */
	HALO_ATTR_ENDED,	/* u32 */
	HALO_ATTR_TOLD_CLIENTS,	/* u32 */
	HALO_ATTR_TOLD_NODES,	/* u32 */
	HALO_ATTR_REPLAYED,	/* u32 */
	HALO_ATTR_PORT,		/* u32 */
	__HALO_ATTR_END
};
#define HALO_ATTR_LAST (__HALO_ATTR_END - 1)

/* Doors are ports LISTEN..LISTEN + ROUTES - 1; those of services of the same
 * protocol may not overlap.
 */
enum halo_service_attr {
	HALO_SERVICE_UNSPEC,
	HALO_SERVICE_NAME,	/* string, 1..HALO_NAME_MAX - 1 bytes */
	HALO_SERVICE_PROTOCOL,	/* u8: IPPROTO_TCP or IPPROTO_UDP */
	HALO_SERVICE_LISTEN,	/* u16 */
	HALO_SERVICE_KEEP,	/* flag: old flows stay with their node */
	__HALO_SERVICE_END
};
#define HALO_SERVICE_LAST (__HALO_SERVICE_END - 1)

/* A seat without TAG and addresses is empty; one with a TAG has an address. */
enum halo_seat_attr {
	HALO_SEAT_UNSPEC,
	HALO_SEAT_NUMBER,	/* u16: 1..SEATS_MAX */
	HALO_SEAT_TAG,		/* u32: 1..HALO_TAG_MAX, the node instance */
	HALO_SEAT_NODE4,	/* be32 */
	HALO_SEAT_NODE6,	/* 16 bytes */
	HALO_SEAT_NAME,		/* string, 1..HALO_NAME_MAX - 1 bytes, optional:
				 * the node's; kept and told by TABLE_GET, so
				 * that a later halod knows who sits there
				 */
	__HALO_SEAT_END
};
#define HALO_SEAT_LAST (__HALO_SEAT_END - 1)

enum halo_counter_attr {
	HALO_COUNTER_UNSPEC,
	HALO_COUNTER_PAD,
	HALO_COUNTER_REASON,	/* u8: enum halo_reason */
	HALO_COUNTER_NAME,	/* string: "client-to-node" … */
	HALO_COUNTER_VALUE,	/* u64 */
	__HALO_COUNTER_END
};
#define HALO_COUNTER_LAST (__HALO_COUNTER_END - 1)

/* Routes first..last (inclusive) are at that seat; 0: unowned. */
struct halo_run {
	__u16 first, last, seat;
};

#define HALO_FEATURE_IPV6	(1 << 0)
#define HALO_FEATURE_QUEUE	(1 << 1) /* NFQUEUE can be loaded */

enum halo_flow_state {
	HALO_FLOW_SYN_SENT = 1,
	HALO_FLOW_SYN_RECEIVED,	/* SYN/ACK passed, the client has not answered */
	HALO_FLOW_ESTABLISHED,
	HALO_FLOW_CLOSING,	/* a FIN or an exact RST was seen */
	HALO_FLOW_UDP_NEW,	/* the node has not answered */
	HALO_FLOW_UDP,
};

/* Why a packet was treated as it was. Named as enum engine_reason's, where both
 * know the thing.
 */
enum halo_reason {
	HALO_REASON_CLIENT_TO_NODE,	/* rewritten, known flow */
	HALO_REASON_NODE_TO_CLIENT,
	HALO_REASON_NEW_FLOW,
	HALO_REASON_ICMP_TO_NODE,
	HALO_REASON_ICMP_TO_CLIENT,
	HALO_REASON_HELD,		/* queued */
	HALO_REASON_REPLAYED,		/* SYN sent again, to another node */
	HALO_REASON_REFUSAL_HELD,	/* RST in answer to a SYN, queued */
	HALO_REASON_REFUSAL_PASSED,	/* one went on to its client */
	HALO_REASON_RESET_CLIENT,
	HALO_REASON_RESET_NODE,
	HALO_REASON_RESET_FLOWLESS,	/* mid-stream without a flow, answered */
	HALO_REASON_STALE_FLOW,		/* of an instance that no longer serves */
	HALO_REASON_UNOWNED,		/* no node: answered, dropped */
	HALO_REASON_FAMILY,		/* node has no address of this family */
	HALO_REASON_FLOWS_FULL,		/* an old flow gave way */
	HALO_REASON_NO_MEMORY,		/* for a flow or an answer; dropped */
	HALO_REASON_SHORT,		/* truncated header, dropped */
	HALO_REASON_BAD_LENGTH,		/* lengths contradict, dropped */
	HALO_REASON_FRAGMENT,		/* could not be joined, dropped */
	HALO_REASON_BAD_HEADER,		/* extension chain, TCP offset; dropped */
	HALO_REASONS
};

#endif
