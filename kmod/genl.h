/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The netlink family of uapi/halo.h: messages to and from the state of a
 * namespace. What messages are made of is halo_read_* and halo_put_*
 * (attr.c); what a table is, is table.c's.
 */
#ifndef HALO_GENL_H
#define HALO_GENL_H

#include <net/genetlink.h>

#include "core.h"
#include "ending.h"
#include "table.h"

extern struct genl_family halo_family;

int halo_genl_register(void);
void halo_genl_unregister(void);

/* Events. From hooks and workers; when nobody listens, or without memory, they
 * are not sent.
 */
void halo_genl_refused(struct halo_net *hn, u32 tag, u16 route);
void halo_genl_ended(struct halo_net *hn, u32 tag, bool forced,
		     const struct halo_ended *ended);

/* txn.c: the table, as it is written and read. All answer a message. */
int halo_txn_begin(struct sk_buff *skb, struct genl_info *info);
int halo_txn_add(struct sk_buff *skb, struct genl_info *info);
int halo_txn_commit(struct sk_buff *skb, struct genl_info *info);
int halo_txn_abort(struct sk_buff *skb, struct genl_info *info);
int halo_txn_change(struct sk_buff *skb, struct genl_info *info);
int halo_txn_flush(struct sk_buff *skb, struct genl_info *info);
/* Of a socket that is closed, or of any (portid 0). */
void halo_txn_drop(struct halo_net *hn, u32 portid);
void halo_txn_timed_out(struct work_struct *work);

/* dump.c */
int halo_dump_table(struct sk_buff *skb, struct netlink_callback *cb);
int halo_dump_flows(struct sk_buff *skb, struct netlink_callback *cb);

/* attr.c: 0, or -errno with an extended-ack text. */
int halo_read_services(struct halo_table *t, const struct nlattr *nest,
		       struct netlink_ext_ack *extack);
int halo_read_seats(struct halo_table *t, const struct nlattr *nest,
		    struct netlink_ext_ack *extack);
int halo_read_runs(struct halo_table *t, const struct nlattr *attr,
		   struct netlink_ext_ack *extack);
/* To be freed by bitmap_free(); routes: N. */
int halo_read_route_set(unsigned long **bits, const struct nlattr *attr,
			u16 routes, struct netlink_ext_ack *extack);
/* 0 or -EMSGSIZE, nothing left behind then. */
int halo_put_services(struct sk_buff *skb, const struct halo_table *t);
int halo_put_route_set(struct sk_buff *skb, const unsigned long *bits,
		       u16 routes);
/* As many as there is room for, from *seat (*route) on, which moves on. */
int halo_put_seats(struct sk_buff *skb, const struct halo_table *t, u32 *seat);
int halo_put_runs(struct sk_buff *skb, const struct halo_table *t, u32 *route);

/* A policy's own limits are signed and of 16 bits. Not const for kernels before
 * 6.8.
 */
extern struct netlink_range_validation halo_tag_range, halo_seat_range;
extern const struct nla_policy halo_service_policy[HALO_SERVICE_LAST + 1];
extern const struct nla_policy halo_seat_policy[HALO_SEAT_LAST + 1];

#endif
