/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks the node's server for a page: well when the answer's status is as
 * wanted, in time. What the answer means is check.h's. It follows no redirect,
 * uses no proxy and keeps no connection.
 */
#ifndef HALO_NODEAGENT_HTTP_CHECK_H
#define HALO_NODEAGENT_HTTP_CHECK_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#define HTTP_CHECK_ANSWER_MAX (64 * 1024) /* octets of it that are read */

struct http_check;

/* ok: 0, 1, or -errno: it could not be tried here, which says nothing about
 * the server. why: the status or what went wrong, printable. */
typedef void (*http_check_fn)(void *arg, int ok, const char *why);

/* 0, or -EINVAL: it is not http://HOST[:PORT][/PATH] */
int http_check_url(const char *url);
/* url is borrowed. A name in it is looked up now, once, which blocks.
 * status: the one wanted, 0: 200 to 399. 0, or -errno; -ENXIO: the name has no
 * address. */
int http_check_new(struct http_check **out, struct ev_loop *loop,
		   const char *url, unsigned status, http_check_fn fn,
		   void *arg);
/* Nothing when it runs already. 0, or -errno: then nothing is told. */
int http_check_start(struct http_check *x, uint64_t timeout_ns);
/* Nothing is told any more. */
void http_check_free(struct http_check *x);

#endif
