// SPDX-License-Identifier: GPL-2.0-or-later
#include "checks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "exec_check.h"
#include "http_check.h"
#include "io/clock.h"
#include "io/probe.h"
#include "listening.h"
#include "sockdiag.h"

#define PACE_DEFAULT_NS (200 * NS_PER_MS)

struct runner {
	struct checks *owner;
	struct check check;
	struct clock_timer timer;
	struct exec_check *exec; /* of its kind, … */
	struct http_check *http; /* … or this */
};

struct checks {
	struct sockdiag *sockdiag;
	struct probes *probes;
	uint64_t pace_ns;
	enum node_health health; /* last told */
	checks_fn fn;
	void *arg;
	unsigned count;
	struct runner runners[CHECKS_MAX];
};

static enum node_health add_up(const struct checks *c)
{
	enum node_health sum = c->count ? HEALTH_UP : HEALTH_UNKNOWN;

	for (unsigned i = 0; i < c->count; i++) {
		if (c->runners[i].check.health == HEALTH_DOWN)
			return HEALTH_DOWN;
		if (c->runners[i].check.health == HEALTH_UNKNOWN)
			sum = HEALTH_UNKNOWN;
	}
	return sum;
}

/* The port, the URL or the command. */
static const char *name_of(const struct runner *r, char out[16])
{
	if (*r->check.text)
		return r->check.text;
	snprintf(out, 16, "%u", r->check.at.port);
	return out;
}

static void take_result(struct runner *r, bool ok, const char *why)
{
	char name[16];
	struct checks *c = r->owner;
	enum node_health before = r->check.health, sum;

	check_result(&r->check, ok);
	if (r->check.health == before)
		return;
	log_info("check changed", "check=\"%s\" health=%s%s%s%s",
		 name_of(r, name), node_health_name(r->check.health),
		 *why ? " why=\"" : "", why, *why ? "\"" : "");
	sum = add_up(c);
	if (sum == c->health)
		return;
	c->health = sum;
	c->fn(c->arg, sum);
}

static void say_not_run(const struct runner *r, int err)
{
	char name[16];

	log_warn("check failed to run", "check=\"%s\" error=\"%s\"",
		 name_of(r, name), strerror(-err));
}

/* A question the kernel did not answer says nothing about the server. */
static void run_listen(struct runner *r)
{
	int ret = listening_on(r->owner->sockdiag, r->check.at.port);

	if (ret < 0)
		say_not_run(r, ret);
	else
		take_result(r, ret, "");
}

/* Nor does a command that could not be started. */
static void run_exec(struct runner *r)
{
	int ret = exec_check_start(r->exec, r->check.timeout_ns);

	if (ret)
		say_not_run(r, ret);
}

static void on_executed(void *arg, bool ok, const char *why)
{
	take_result(arg, ok, why);
}

static void run_http(struct runner *r)
{
	int ret = http_check_start(r->http, r->check.timeout_ns);

	if (ret)
		say_not_run(r, ret);
}

static void on_answered(void *arg, int ok, const char *why)
{
	if (ok < 0)
		say_not_run(arg, ok);
	else
		take_result(arg, ok, why);
}

static void run(struct runner *r)
{
	switch (r->check.kind) {
	case CHECK_LISTEN:
		run_listen(r);
		break;
	case CHECK_TCP:
		probes_start(r->owner->probes,
			     (uint32_t)(r - r->owner->runners), &r->check.at,
			     r->check.timeout_ns);
		break;
	case CHECK_HTTP:
		run_http(r);
		break;
	case CHECK_EXEC:
		run_exec(r);
		break;
	}
}

static void on_timer(void *arg)
{
	struct runner *r = arg;
	uint64_t interval =
		r->check.interval_ns ? r->check.interval_ns : r->owner->pace_ns;

	clock_timer_set(&r->timer, clock_monotonic_ns() + interval);
	run(r);
}

static void on_probed(void *arg, uint32_t tag, bool ok)
{
	struct checks *c = arg;

	take_result(&c->runners[tag], ok, "");
}

static int open_runner(struct runner *r, struct ev_loop *loop)
{
	const char *text = r->check.text;
	int ret = 0;

	if (r->check.kind == CHECK_EXEC) {
		r->exec = exec_check_new(loop, text, on_executed, r);
		ret = r->exec ? 0 : -ENOMEM;
	} else if (r->check.kind == CHECK_HTTP) {
		ret = http_check_new(&r->http, loop, text, r->check.status,
				     on_answered, r);
	}
	if (ret == -ENXIO)
		log_error("check of an unknown host",
			  "check=\"%s\" try=\"an address\"", text);
	return ret;
}

static int add_runner(struct checks *c, struct ev_loop *loop,
		      const struct check *check)
{
	struct runner *r = &c->runners[c->count];
	int ret = clock_timer_init(&r->timer, loop, on_timer, r);

	if (ret)
		return ret;
	r->owner = c;
	r->check = *check;
	c->count++; /* it is to be undone */
	ret = open_runner(r, loop);
	if (!ret)
		clock_timer_set(&r->timer, clock_monotonic_ns());
	return ret;
}

int checks_new(struct checks **out, struct ev_loop *loop,
	       const struct check *checks, unsigned count, checks_fn fn,
	       void *arg)
{
	struct checks *c = calloc(1, sizeof(*c));
	int ret;

	if (!c)
		return -ENOMEM;
	c->pace_ns = PACE_DEFAULT_NS;
	c->fn = fn;
	c->arg = arg;
	ret = sockdiag_open(&c->sockdiag);
	if (!ret) {
		c->probes = probes_new(loop, on_probed, c);
		ret = c->probes ? 0 : -ENOMEM;
	}
	for (unsigned i = 0; !ret && i < count; i++)
		ret = add_runner(c, loop, &checks[i]);
	if (ret) {
		checks_free(c);
		return ret;
	}
	*out = c;
	return 0;
}

void checks_pace(struct checks *c, uint64_t interval_ns)
{
	c->pace_ns = interval_ns;
	for (unsigned i = 0; i < c->count; i++)
		clock_timer_advance(&c->runners[i].timer,
				    clock_monotonic_ns() + interval_ns);
}

void checks_free(struct checks *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < c->count; i++) {
		clock_timer_fini(&c->runners[i].timer);
		exec_check_free(c->runners[i].exec);
		http_check_free(c->runners[i].http);
	}
	probes_free(c->probes);
	sockdiag_close(c->sockdiag);
	free(c);
}
