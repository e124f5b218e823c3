// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A struct table to and from halo.ko: whole, or what differs, in a transaction
 * of as many messages as it takes.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "io/kmod_private.h"

/* Attributes of one message stay below this; a nest's length is 16 bits. */
#define FILL_MAX (GENL_REQUEST_MAX - 1024)

static void put_address(struct nlmsghdr *nlh, const struct addr *a,
			uint16_t type4, uint16_t type6)
{
	if (a->af == AF_INET)
		mnl_attr_put(nlh, type4, 4, a->bytes);
	else if (a->af == AF_INET6)
		mnl_attr_put(nlh, type6, 16, a->bytes);
}

static void put_services(struct nlmsghdr *nlh, const struct engine_conf *conf)
{
	struct nlattr *all = mnl_attr_nest_start(nlh, HALO_ATTR_SERVICES);

	for (unsigned i = 0; i < conf->n_services; i++) {
		const struct engine_service *s = &conf->services[i];
		struct nlattr *one =
			mnl_attr_nest_start(nlh, HALO_ATTR_SERVICE);

		mnl_attr_put_strz(nlh, HALO_SERVICE_NAME, s->name);
		mnl_attr_put_u8(nlh, HALO_SERVICE_PROTOCOL, s->protocol);
		mnl_attr_put_u16(nlh, HALO_SERVICE_LISTEN, s->listen);
		if (s->keep)
			mnl_attr_put(nlh, HALO_SERVICE_KEEP, 0, NULL);
		mnl_attr_nest_end(nlh, one);
	}
	mnl_attr_nest_end(nlh, all);
}

static void put_seat(struct nlmsghdr *nlh, unsigned number,
		     const struct table_seat *s)
{
	struct nlattr *one = mnl_attr_nest_start(nlh, HALO_ATTR_SEAT);

	mnl_attr_put_u16(nlh, HALO_SEAT_NUMBER, (uint16_t)number);
	if (s->tag) {
		mnl_attr_put_u32(nlh, HALO_SEAT_TAG, s->tag);
		for (unsigned f = 0; f < FAMILIES; f++)
			put_address(nlh, &s->addr[f], HALO_SEAT_NODE4,
				    HALO_SEAT_NODE6);
		if (s->name[0])
			mnl_attr_put_strz(nlh, HALO_SEAT_NAME, s->name);
	}
	mnl_attr_nest_end(nlh, one);
}

/* A table on its way into the kernel, a message at a time. */
struct writer {
	struct kmod *k;
	struct nlmsghdr *nlh; /* NULL: none begun */
	struct nlattr *nest;  /* of seats; NULL: none open */
	struct halo_run run;  /* gathered; seat valid when open */
	bool run_open;
	int err; /* the first; then nothing is sent */
};

static void close_nest(struct writer *w)
{
	if (w->nest)
		mnl_attr_nest_end(w->nlh, w->nest);
	w->nest = NULL;
}

static void send_part(struct writer *w)
{
	close_nest(w);
	if (w->nlh && !w->err)
		w->err = genl_ask(&w->k->genl, w->nlh, NULL, NULL);
	w->nlh = NULL;
}

static void make_room(struct writer *w)
{
	if (w->nlh && w->nlh->nlmsg_len > FILL_MAX)
		send_part(w);
	if (!w->nlh)
		w->nlh = genl_request(&w->k->genl, w->k->buf,
				      HALO_CMD_TABLE_ADD);
}

static void write_seat(struct writer *w, unsigned number,
		       const struct table_seat *s)
{
	make_room(w);
	if (!w->nest)
		w->nest = mnl_attr_nest_start(w->nlh, HALO_ATTR_SEATS);
	put_seat(w->nlh, number, s);
}

/* One attribute of runs a message: what is gathered goes out in one piece. */
struct runs {
	struct halo_run run[3072];
	unsigned n;
};

static void write_runs(struct writer *w, struct runs *r)
{
	if (!r->n)
		return;
	close_nest(w);
	if (w->nlh && w->nlh->nlmsg_len + r->n * sizeof(r->run[0]) > FILL_MAX)
		send_part(w);
	make_room(w);
	mnl_attr_put(w->nlh, HALO_ATTR_RUNS, r->n * sizeof(r->run[0]), r->run);
	send_part(w);
	r->n = 0;
}

static void add_route(struct writer *w, struct runs *r, uint16_t route,
		      uint16_t seat)
{
	struct halo_run *last = r->n ? &r->run[r->n - 1] : NULL;

	if (last && last->last + 1 == route && last->seat == seat) {
		last->last = route;
		return;
	}
	if (r->n == ARRAY_SIZE(r->run))
		write_runs(w, r);
	r->run[r->n++] = (struct halo_run){ route, route, seat };
}

static int begin(struct kmod *k, struct nlmsghdr *nlh)
{
	return genl_ask(&k->genl, nlh, NULL, NULL);
}

static int commit(struct writer *w)
{
	uint8_t cmd = w->err ? HALO_CMD_TABLE_ABORT : HALO_CMD_TABLE_COMMIT;
	int err =
		genl_ask(&w->k->genl, genl_request(&w->k->genl, w->k->buf, cmd),
			 NULL, NULL);

	return w->err ? w->err : err;
}

static struct nlmsghdr *whole_table(struct kmod *k,
				    const struct engine_conf *conf,
				    const struct table *t)
{
	struct nlmsghdr *nlh =
		genl_request(&k->genl, k->buf, HALO_CMD_TABLE_BEGIN);

	mnl_attr_put_u64(nlh, HALO_ATTR_VERSION, t->version);
	mnl_attr_put_u16(nlh, HALO_ATTR_ROUTES, t->routes);
	mnl_attr_put_u16(nlh, HALO_ATTR_SEATS_MAX, t->seats ? t->seats : 1);
	put_services(nlh, conf);
	for (unsigned f = 0; f < FAMILIES; f++)
		put_address(nlh, &conf->vip[f], HALO_ATTR_VIP4, HALO_ATTR_VIP6);
	return nlh;
}

int kmod_replace(struct kmod *k, const struct engine_conf *conf,
		 const struct table *t)
{
	struct runs *r = calloc(1, sizeof(*r));
	struct writer w = { .k = k };

	if (!r)
		return -ENOMEM;
	w.err = begin(k, whole_table(k, conf, t));
	if (w.err)
		goto out;
	for (unsigned s = 1; s <= t->seats; s++)
		if (t->seat[s].tag)
			write_seat(&w, s, &t->seat[s]);
	for (unsigned route = 1; route <= t->routes; route++)
		if (t->seat_of[route])
			add_route(&w, r, (uint16_t)route, t->seat_of[route]);
	write_runs(&w, r);
	send_part(&w);
	w.err = commit(&w);
out:
	free(r);
	return w.err;
}

static const struct table_seat *occupant(const struct table *t, unsigned seat)
{
	static const struct table_seat nobody;

	return seat <= t->seats ? &t->seat[seat] : &nobody;
}

int kmod_change(struct kmod *k, const struct table_diff *d)
{
	struct runs *r = calloc(1, sizeof(*r));
	struct writer w = { .k = k };
	struct nlmsghdr *nlh;

	if (!r)
		return -ENOMEM;
	nlh = genl_request(&k->genl, k->buf, HALO_CMD_TABLE_BEGIN);
	mnl_attr_put_u64(nlh, HALO_ATTR_VERSION, d->to->version);
	mnl_attr_put_u64(nlh, HALO_ATTR_FROM_VERSION, d->from->version);
	if (d->to->seats > d->from->seats)
		mnl_attr_put_u16(nlh, HALO_ATTR_SEATS_MAX, d->to->seats);
	w.err = begin(k, nlh);
	if (w.err)
		goto out;
	for (uint32_t i = 0; i < d->n_seats; i++)
		write_seat(&w, d->seats[i], occupant(d->to, d->seats[i]));
	for (uint32_t i = 0; i < d->n_routes; i++)
		add_route(&w, r, d->routes[i].route, d->routes[i].to);
	write_runs(&w, r);
	send_part(&w);
	w.err = commit(&w);
out:
	free(r);
	return w.err;
}

/* ---- reading ---- */

struct reading {
	const struct engine_conf *conf;
	struct table *t; /* NULL until the first message */
	bool differs;	 /* it is not as conf says */
	int err;
};

struct header {
	uint64_t version, routes, seats;
	struct addr vip[FAMILIES];
	unsigned services;
	bool same_services;
};

static bool is_same_service(const struct nlattr *one,
			    const struct engine_service *want)
{
	char name[HALO_NAME_MAX] = "";
	uint64_t protocol = 0, listen = 0;
	bool keep = false;
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, one)
	{
		switch (mnl_attr_get_type(a)) {
		case HALO_SERVICE_NAME:
			kmod_text(a, name, sizeof(name));
			break;
		case HALO_SERVICE_PROTOCOL:
			protocol = kmod_number(a);
			break;
		case HALO_SERVICE_LISTEN:
			listen = kmod_number(a);
			break;
		case HALO_SERVICE_KEEP:
			keep = true;
			break;
		}
	}
	return !strcmp(name, want->name) && protocol == want->protocol &&
	       listen == want->listen && keep == want->keep;
}

static void read_services(struct header *h, const struct nlattr *all,
			  const struct engine_conf *conf)
{
	const struct nlattr *one;

	h->same_services = true;
	mnl_attr_for_each_nested(one, all)
	{
		if (h->services >= conf->n_services ||
		    !is_same_service(one, &conf->services[h->services]))
			h->same_services = false;
		h->services++;
	}
}

static void read_header(struct header *h, const struct nlmsghdr *nlh,
			const struct engine_conf *conf)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, nlh, sizeof(struct genlmsghdr))
	{
		switch (mnl_attr_get_type(a)) {
		case HALO_ATTR_VERSION:
			h->version = kmod_number(a);
			break;
		case HALO_ATTR_ROUTES:
			h->routes = kmod_number(a);
			break;
		case HALO_ATTR_SEATS_MAX:
			h->seats = kmod_number(a);
			break;
		case HALO_ATTR_VIP4:
			h->vip[FAMILY_V4] = kmod_address(a);
			break;
		case HALO_ATTR_VIP6:
			h->vip[FAMILY_V6] = kmod_address(a);
			break;
		case HALO_ATTR_SERVICES:
			read_services(h, a, conf);
			break;
		}
	}
}

static bool fits(const struct header *h, const struct engine_conf *conf)
{
	for (unsigned f = 0; f < FAMILIES; f++)
		if (!addr_equal(&h->vip[f], &conf->vip[f]))
			return false;
	return h->routes == conf->routes && h->same_services &&
	       h->services == conf->n_services;
}

static void begin_reading(struct reading *r, const struct nlmsghdr *nlh)
{
	struct header h = { 0 };

	read_header(&h, nlh, r->conf);
	if (!fits(&h, r->conf)) {
		r->differs = true;
		return;
	}
	r->t = table_new(r->conf->routes, (unsigned)h.seats);
	if (!r->t) {
		r->err = -ENOMEM;
		return;
	}
	r->t->version = h.version;
}

static void read_seat(struct table *t, const struct nlattr *one)
{
	struct table_seat s = { 0 };
	uint64_t seat = 0;
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, one)
	{
		switch (mnl_attr_get_type(a)) {
		case HALO_SEAT_NUMBER:
			seat = kmod_number(a);
			break;
		case HALO_SEAT_TAG:
			s.tag = (uint32_t)kmod_number(a);
			break;
		case HALO_SEAT_NODE4:
			s.addr[FAMILY_V4] = kmod_address(a);
			break;
		case HALO_SEAT_NODE6:
			s.addr[FAMILY_V6] = kmod_address(a);
			break;
		case HALO_SEAT_NAME:
			kmod_text(a, s.name, sizeof(s.name));
			break;
		}
	}
	if (seat && seat <= t->seats)
		t->seat[seat] = s;
}

static void read_runs(struct table *t, const struct nlattr *a)
{
	const struct halo_run *run = mnl_attr_get_payload(a);
	unsigned n = mnl_attr_get_payload_len(a) / sizeof(*run);

	for (unsigned i = 0; i < n; i++)
		for (unsigned r = run[i].first;
		     r && r <= run[i].last && r <= t->routes; r++)
			if (run[i].seat <= t->seats)
				t->seat_of[r] = run[i].seat;
}

static int read_part(const struct nlmsghdr *nlh, void *arg)
{
	struct reading *r = arg;
	const struct nlattr *a, *one;

	if (!r->t)
		begin_reading(r, nlh);
	if (!r->t)
		return MNL_CB_STOP;
	mnl_attr_for_each(a, nlh, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(a) == HALO_ATTR_SEATS)
			mnl_attr_for_each_nested(one, a) read_seat(r->t, one);
		if (mnl_attr_get_type(a) == HALO_ATTR_RUNS)
			read_runs(r->t, a);
	}
	return MNL_CB_OK;
}

int kmod_read(struct kmod *k, const struct engine_conf *conf,
	      struct table **out)
{
	struct reading r = { .conf = conf };
	int err = genl_dump(&k->genl,
			    genl_request(&k->genl, k->buf, HALO_CMD_TABLE_GET),
			    read_part, &r);

	if (!err)
		err = r.err;
	if (!err && !r.t)
		err = -ENOENT;
	if (err) {
		table_put(r.t);
		return err;
	}
	*out = r.t;
	return 0;
}
