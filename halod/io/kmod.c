// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/kmod.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "io/kmod_private.h"

/* ---- opening ---- */

static int take_info(const struct nlmsghdr *nlh, void *arg);

struct info {
	struct kmod_info info;
	uint32_t abi;
};

static int ask_info(struct kmod *k, struct info *out)
{
	memset(out, 0, sizeof(*out));
	return genl_ask(&k->genl,
			genl_request(&k->genl, k->buf, HALO_CMD_INFO_GET),
			take_info, out);
}

static int check_version(struct kmod *k, char *err, unsigned err_size)
{
	struct info got;
	int ret = ask_info(k, &got);

	if (ret == -EPERM) {
		snprintf(err, err_size,
			 "the kmod plane needs CAP_NET_ADMIN: run halod as "
			 "root or give it the capability");
	} else if (ret) {
		snprintf(err, err_size, "halo.ko does not answer: %s%s%s",
			 strerror(-ret), *k->genl.why ? ": " : "", k->genl.why);
	} else if (got.abi != HALO_ABI) {
		snprintf(err, err_size,
			 "halo.ko %s speaks ABI %u, this halod ABI %u: load "
			 "the module that came with it (modprobe -r halo; "
			 "modprobe halo)",
			 got.info.version, got.abi, HALO_ABI);
		ret = -EPROTONOSUPPORT;
	}
	return ret;
}

int kmod_open(struct kmod **out, char *err, unsigned err_size)
{
	struct kmod *k = calloc(1, sizeof(*k));
	int ret = -ENOMEM;

	if (!k) {
		snprintf(err, err_size, "out of memory");
		return ret;
	}
	ret = genl_open(&k->genl, HALO_GENL_NAME, HALO_GENL_VERSION, NULL);
	if (ret) {
		snprintf(err, err_size,
			 ret == -ENOENT ? "the module halo is not loaded "
					  "(modprobe halo; see halo.ko(4))"
					: "generic netlink: %s",
			 strerror(-ret));
		goto err_free;
	}
	ret = check_version(k, err, err_size);
	if (ret)
		goto err_close;
	*out = k;
	return 0;

err_close:
	genl_close(&k->genl);
err_free:
	free(k);
	return ret;
}

void kmod_close(struct kmod *k)
{
	if (!k)
		return;
	genl_close(&k->genl);
	free(k);
}

uint32_t kmod_port(const struct kmod *k)
{
	return genl_port(&k->genl);
}

const char *kmod_why(const struct kmod *k)
{
	return k->genl.why;
}

int kmod_info(struct kmod *k, struct kmod_info *out)
{
	struct info got;
	int err = ask_info(k, &got);

	if (!err)
		*out = got.info;
	return err;
}

/* ---- reading attributes ---- */

uint64_t kmod_number(const struct nlattr *a)
{
	switch (mnl_attr_get_payload_len(a)) {
	case 1:
		return mnl_attr_get_u8(a);
	case 2:
		return mnl_attr_get_u16(a);
	case 4:
		return mnl_attr_get_u32(a);
	case 8:
		return mnl_attr_get_u64(a);
	default:
		return 0;
	}
}

struct addr kmod_address(const struct nlattr *a)
{
	switch (mnl_attr_get_payload_len(a)) {
	case 4:
		return addr_v4(mnl_attr_get_payload(a));
	case 16:
		return addr_v6(mnl_attr_get_payload(a));
	default:
		return (struct addr){ 0 };
	}
}

void kmod_text(const struct nlattr *a, char *out, size_t size)
{
	size_t len = mnl_attr_get_payload_len(a);

	if (len >= size)
		len = size - 1;
	memcpy(out, mnl_attr_get_payload(a), len);
	out[len] = '\0';
}

static int take_info(const struct nlmsghdr *nlh, void *arg)
{
	struct info *out = arg;
	const struct nlattr *a;

	mnl_attr_for_each(a, nlh, sizeof(struct genlmsghdr))
	{
		switch (mnl_attr_get_type(a)) {
		case HALO_ATTR_MODULE:
			kmod_text(a, out->info.version,
				  sizeof(out->info.version));
			break;
		case HALO_ATTR_ABI:
			out->abi = (uint32_t)kmod_number(a);
			break;
		case HALO_ATTR_FEATURES:
			out->info.features = kmod_number(a);
			break;
		case HALO_ATTR_FLOWS_LIMIT:
			out->info.flows_limit = (uint32_t)kmod_number(a);
			break;
		}
	}
	return MNL_CB_OK;
}

/* ---- holds, ends ---- */

static int ask(struct kmod *k, struct nlmsghdr *nlh)
{
	return genl_ask(&k->genl, nlh, NULL, NULL);
}

int kmod_flush(struct kmod *k)
{
	return ask(k, genl_request(&k->genl, k->buf, HALO_CMD_FLUSH));
}

int kmod_attend(struct kmod *k, uint16_t queue, unsigned alive_ms)
{
	struct nlmsghdr *nlh = genl_request(&k->genl, k->buf, HALO_CMD_ATTEND);

	mnl_attr_put_u32(nlh, HALO_ATTR_ALIVE_MS, alive_ms);
	mnl_attr_put_u16(nlh, HALO_ATTR_QUEUE, queue);
	mnl_attr_put(nlh, HALO_ATTR_REFUSALS, 0, NULL);
	return ask(k, nlh);
}

static void put_routes(struct nlmsghdr *nlh, const struct route_set *routes)
{
	uint8_t bits[ROUTES_MAX / 8 + 1] = { 0 };

	for (uint32_t i = 0; i < routes->count; i++)
		bits[routes->ids[i] / 8] |= (uint8_t)(1u << routes->ids[i] % 8);
	mnl_attr_put(nlh, HALO_ATTR_ROUTE_SET,
		     routes->ids[routes->count - 1] / 8 + 1u, bits);
}

static int set_hold(struct kmod *k, uint8_t cmd, const struct route_set *routes)
{
	struct nlmsghdr *nlh = genl_request(&k->genl, k->buf, cmd);

	if (!routes->count)
		return 0;
	put_routes(nlh, routes);
	return ask(k, nlh);
}

int kmod_hold(struct kmod *k, const struct route_set *routes)
{
	return set_hold(k, HALO_CMD_HOLD, routes);
}

int kmod_release(struct kmod *k, const struct route_set *routes)
{
	return set_hold(k, HALO_CMD_RELEASE, routes);
}

int kmod_end_flows(struct kmod *k, uint32_t tag, const struct route_set *routes,
		   bool forced)
{
	struct nlmsghdr *nlh =
		genl_request(&k->genl, k->buf, HALO_CMD_FLOWS_END);

	mnl_attr_put_u32(nlh, HALO_ATTR_TAG, tag);
	if (routes->count)
		put_routes(nlh, routes);
	if (forced)
		mnl_attr_put(nlh, HALO_ATTR_FORCED, 0, NULL);
	return ask(k, nlh);
}

/* ---- flows ---- */

struct viewing {
	struct flow_view *out;
	unsigned count, max;
};

static bool is_established(uint64_t state)
{
	return state == HALO_FLOW_ESTABLISHED || state == HALO_FLOW_CLOSING ||
	       state == HALO_FLOW_UDP;
}

static int take_flow(const struct nlmsghdr *nlh, void *arg)
{
	struct viewing *v = arg;
	struct flow_view f = { 0 };
	const struct nlattr *a;

	mnl_attr_for_each(a, nlh, sizeof(struct genlmsghdr))
	{
		switch (mnl_attr_get_type(a)) {
		case HALO_ATTR_CLIENT4:
		case HALO_ATTR_CLIENT6:
			f.client.addr = kmod_address(a);
			break;
		case HALO_ATTR_CLIENT_PORT:
			f.client.port = (uint16_t)kmod_number(a);
			break;
		case HALO_ATTR_PROTOCOL:
			f.protocol = (uint8_t)kmod_number(a);
			break;
		case HALO_ATTR_ROUTE:
			f.route = (uint16_t)kmod_number(a);
			break;
		case HALO_ATTR_TAG:
			f.tag = (uint32_t)kmod_number(a);
			break;
		case HALO_ATTR_SERVICE_INDEX:
			f.service = (uint8_t)kmod_number(a);
			break;
		case HALO_ATTR_STATE:
			f.established = is_established(kmod_number(a));
			break;
		case HALO_ATTR_IDLE_MS:
			f.idle_ns = kmod_number(a) * NS_PER_MS;
			break;
		}
	}
	v->out[v->count++] = f;
	return v->count < v->max ? MNL_CB_OK : MNL_CB_STOP;
}

int kmod_flows(struct kmod *k, const struct flow_query *q,
	       struct flow_view *out, unsigned max)
{
	struct viewing v = { .out = out, .max = max };
	struct nlmsghdr *nlh =
		genl_request(&k->genl, k->buf, HALO_CMD_FLOWS_GET);
	int err;

	if (!max)
		return 0;
	if (q->route)
		mnl_attr_put_u16(nlh, HALO_ATTR_ROUTE, q->route);
	if (q->tag)
		mnl_attr_put_u32(nlh, HALO_ATTR_TAG, q->tag);
	mnl_attr_put_u32(nlh, HALO_ATTR_MAX, max);
	err = genl_dump(&k->genl, nlh, take_flow, &v);
	/* flows come and go while they are shown */
	return err && err != -EINTR ? err : (int)v.count;
}

/* ---- counters ---- */

static const enum engine_reason reasons[HALO_REASONS] = {
	[HALO_REASON_CLIENT_TO_NODE] = REASON_CLIENT_TO_NODE,
	[HALO_REASON_NODE_TO_CLIENT] = REASON_NODE_TO_CLIENT,
	[HALO_REASON_NEW_FLOW] = REASON_NEW_FLOW,
	[HALO_REASON_ICMP_TO_NODE] = REASON_ICMP_TO_NODE,
	[HALO_REASON_ICMP_TO_CLIENT] = REASON_ICMP_TO_CLIENT,
	[HALO_REASON_HELD] = REASON_HELD,
	[HALO_REASON_REPLAYED] = REASON_REPLAYED,
	[HALO_REASON_REFUSAL_HELD] = REASON_REFUSAL_HELD,
	[HALO_REASON_REFUSAL_PASSED] = REASON_REFUSAL_PASSED,
	[HALO_REASON_RESET_CLIENT] = REASON_RESET_CLIENT,
	[HALO_REASON_RESET_NODE] = REASON_RESET_NODE,
	[HALO_REASON_RESET_FLOWLESS] = REASON_RESET_FLOWLESS,
	[HALO_REASON_STALE_FLOW] = REASON_STALE_FLOW,
	[HALO_REASON_UNOWNED] = REASON_UNOWNED,
	[HALO_REASON_FAMILY] = REASON_FAMILY,
	[HALO_REASON_FLOWS_FULL] = REASON_FLOWS_FULL,
	[HALO_REASON_NO_MEMORY] = REASON_FLOWS_FULL,
	[HALO_REASON_SHORT] = REASON_SHORT,
	[HALO_REASON_BAD_LENGTH] = REASON_BAD_LENGTH,
	[HALO_REASON_FRAGMENT] = REASON_FRAGMENT,
	[HALO_REASON_BAD_HEADER] = REASON_BAD_HEADER,
};

static void take_counter(const struct nlattr *one, struct engine_stats *out)
{
	uint64_t reason = HALO_REASONS, value = 0;
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, one)
	{
		if (mnl_attr_get_type(a) == HALO_COUNTER_REASON)
			reason = kmod_number(a);
		if (mnl_attr_get_type(a) == HALO_COUNTER_VALUE)
			value = kmod_number(a);
	}
	if (reason < HALO_REASONS)
		out->count[reasons[reason]] += value;
}

static int take_stats(const struct nlmsghdr *nlh, void *arg)
{
	struct engine_stats *out = arg;
	const struct nlattr *a, *one;

	mnl_attr_for_each(a, nlh, sizeof(struct genlmsghdr))
	{
		switch (mnl_attr_get_type(a)) {
		case HALO_ATTR_FLOWS:
			out->flows = kmod_number(a);
			break;
		case HALO_ATTR_FLOWS_MAX:
			out->flows_max = kmod_number(a);
			break;
		case HALO_ATTR_COUNTERS:
			mnl_attr_for_each_nested(one, a) take_counter(one, out);
			break;
		}
	}
	return MNL_CB_OK;
}

int kmod_stats(struct kmod *k, struct engine_stats *out)
{
	struct engine_stats s = { 0 };
	int err = genl_ask(&k->genl,
			   genl_request(&k->genl, k->buf, HALO_CMD_STATS_GET),
			   take_stats, &s);

	if (!err)
		*out = s;
	return err;
}
