// SPDX-License-Identifier: GPL-2.0-or-later
#include "http_check.h"

#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/units.h"

#define ADDRESSES_MAX 4 /* of a name */

/* One socket of curl's, freed when curl says that it is done with it. */
struct watcher {
	ev_io io;
	struct http_check *owner;
};

struct http_check {
	struct ev_loop *loop;
	unsigned status;
	http_check_fn fn;
	void *arg;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *addresses; /* of the name, for curl */
	ev_timer timer;
	bool running;
	int own_error;	 /* no socket to be had */
	size_t received; /* octets of headers and body */
	char error[CURL_ERROR_SIZE];
};

static CURLU *url_parse(const char *url)
{
	CURLU *u = curl_url();

	if (u && (strncmp(url, "http://", 7) ||
		  curl_url_set(u, CURLUPART_URL, url, 0))) {
		curl_url_cleanup(u);
		return NULL;
	}
	return u;
}

int http_check_url(const char *url)
{
	CURLU *u = url_parse(url);

	curl_url_cleanup(u);
	return u ? 0 : -EINVAL;
}

static void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < 0x20 || *text >= 0x7f)
			*text = '?';
}

static bool is_as_wanted(const struct http_check *x, long status)
{
	return x->status ? status == (long)x->status
			 : status >= 200 && status < 400;
}

/* An answer that was cut off because it is long is one all the same. */
static int judge(struct http_check *x, CURLcode result)
{
	long status = 0;

	if (x->own_error || result == CURLE_OUT_OF_MEMORY)
		return x->own_error ? x->own_error : -ENOMEM;
	curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	if (result == CURLE_OK ||
	    (result == CURLE_WRITE_ERROR && status >= 200)) {
		snprintf(x->error, sizeof(x->error), "status %ld", status);
		return is_as_wanted(x, status);
	}
	if (!*x->error)
		snprintf(x->error, sizeof(x->error), "%s",
			 curl_easy_strerror(result));
	make_printable(x->error);
	return false;
}

static void take_result(struct http_check *x)
{
	CURLMsg *m;
	int left, ok;

	while (x->running && (m = curl_multi_info_read(x->multi, &left))) {
		if (m->msg != CURLMSG_DONE)
			continue;
		ok = judge(x, m->data.result);
		x->running = false;
		curl_multi_remove_handle(x->multi, x->easy);
		x->fn(x->arg, ok, x->error);
	}
}

static void go_on(struct http_check *x, curl_socket_t fd, int what)
{
	int running;

	curl_multi_socket_action(x->multi, fd, what, &running);
	take_result(x);
}

static void on_io(struct ev_loop *loop, ev_io *io, int revents)
{
	struct watcher *w = io->data;

	go_on(w->owner, io->fd,
	      (revents & EV_READ ? CURL_CSELECT_IN : 0) |
		      (revents & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	go_on(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

/* Never from within: curl asks for 0 ms when it wants to be called. */
static int set_timer(CURLM *multi, long ms, void *arg)
{
	struct http_check *x = arg;

	ev_timer_stop(x->loop, &x->timer);
	if (ms < 0)
		return 0;
	ev_timer_set(&x->timer, (double)ms / 1000, 0.);
	ev_timer_start(x->loop, &x->timer);
	return 0;
}

static struct watcher *watcher_new(struct http_check *x, curl_socket_t fd)
{
	struct watcher *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->owner = x;
	ev_io_init(&w->io, on_io, fd, 0);
	w->io.data = w;
	curl_multi_assign(x->multi, fd, w);
	return w;
}

static int watch(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct http_check *x = arg;
	struct watcher *w = known;

	if (w)
		ev_io_stop(x->loop, &w->io);
	if (what == CURL_POLL_REMOVE) {
		free(w);
		return 0;
	}
	if (!w)
		w = watcher_new(x, fd);
	if (!w)
		return -1;
	ev_io_set(&w->io, fd,
		  (what & CURL_POLL_IN ? EV_READ : 0) |
			  (what & CURL_POLL_OUT ? EV_WRITE : 0));
	ev_io_start(x->loop, &w->io);
	return 0;
}

/* No command of the operator is to inherit it. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose,
				 struct curl_sockaddr *at)
{
	struct http_check *x = arg;
	int fd = socket(at->family, at->socktype | SOCK_CLOEXEC, at->protocol);

	if (fd >= 0)
		return fd;
	x->own_error = -errno;
	return CURL_SOCKET_BAD;
}

/* For headers and body: nobody reads them, and no more than so much. */
static size_t swallow(char *data, size_t size, size_t n, void *arg)
{
	struct http_check *x = arg;

	x->received += size * n;
	return x->received <= HTTP_CHECK_ANSWER_MAX ? size * n : 0;
}

/* "HOST:PORT:ADDRESS,…": curl's own look-up would wait for a thread. */
static int add_addresses(struct http_check *x, const char *host,
			 const char *port, const struct addrinfo *list)
{
	char text[NI_MAXHOST + 16 + ADDRESSES_MAX * (ADDR_STRLEN + 3)];
	int len = snprintf(text, sizeof(text), "%.*s:%s:", NI_MAXHOST, host,
			   port);

	for (int i = 0; list && i < ADDRESSES_MAX; list = list->ai_next, i++) {
		char at[ADDR_STRLEN];

		if (getnameinfo(list->ai_addr, list->ai_addrlen, at, sizeof(at),
				NULL, 0, NI_NUMERICHOST))
			continue;
		len += snprintf(text + len, sizeof(text) - (size_t)len,
				list->ai_family == AF_INET6 ? "%s[%s]" : "%s%s",
				i ? "," : "", at);
	}
	x->addresses = curl_slist_append(NULL, text);
	return x->addresses ? 0 : -ENOMEM;
}

static int look_up(struct http_check *x, const char *host, const char *port)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	int ret;

	if (*host == '[') /* of IPv6, which is no name */
		return 0;
	if (getaddrinfo(host, port, &hints, &list))
		return -ENXIO;
	ret = add_addresses(x, host, port, list);
	freeaddrinfo(list);
	return ret;
}

static int find_server(struct http_check *x, const char *url)
{
	CURLU *u = url_parse(url);
	char *host = NULL, *port = NULL;
	int ret = -EINVAL;

	if (u && !curl_url_get(u, CURLUPART_HOST, &host, 0) &&
	    !curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT))
		ret = look_up(x, host, port);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return ret;
}

static void set_request(struct http_check *x, const char *url)
{
	CURL *e = x->easy;

	curl_easy_setopt(e, CURLOPT_URL, url);
	curl_easy_setopt(e, CURLOPT_RESOLVE, x->addresses);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(e, CURLOPT_USERAGENT, "halo-agent/" HALO_VERSION);
	curl_easy_setopt(e, CURLOPT_PROXY, ""); /* of the environment */
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, swallow);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, swallow);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, x);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, x->error);
}

static void set_loop(struct http_check *x)
{
	curl_multi_setopt(x->multi, CURLMOPT_SOCKETFUNCTION, watch);
	curl_multi_setopt(x->multi, CURLMOPT_SOCKETDATA, x);
	curl_multi_setopt(x->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(x->multi, CURLMOPT_TIMERDATA, x);
}

int http_check_new(struct http_check **out, struct ev_loop *loop,
		   const char *url, unsigned status, http_check_fn fn,
		   void *arg)
{
	struct http_check *x = calloc(1, sizeof(*x));
	int ret;

	if (!x)
		return -ENOMEM;
	*x = (struct http_check){
		.loop = loop, .status = status, .fn = fn, .arg = arg
	};
	ev_init(&x->timer, on_timer);
	x->timer.data = x;
	curl_global_init(CURL_GLOBAL_DEFAULT); /* counts */
	ret = find_server(x, url);
	x->multi = curl_multi_init();
	x->easy = curl_easy_init();
	if (!ret && (!x->multi || !x->easy))
		ret = -ENOMEM;
	if (ret) {
		http_check_free(x);
		return ret;
	}
	set_request(x, url);
	set_loop(x);
	*out = x;
	return 0;
}

int http_check_start(struct http_check *x, uint64_t timeout_ns)
{
	if (x->running)
		return 0;
	x->received = 0;
	x->own_error = 0;
	*x->error = 0;
	curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS,
			 (long)(timeout_ns / NS_PER_MS));
	if (curl_multi_add_handle(x->multi, x->easy))
		return -ENOMEM;
	x->running = true;
	return 0;
}

void http_check_free(struct http_check *x)
{
	if (!x)
		return;
	if (x->running)
		curl_multi_remove_handle(x->multi, x->easy);
	curl_easy_cleanup(x->easy);
	curl_multi_cleanup(x->multi);
	ev_timer_stop(x->loop, &x->timer);
	curl_slist_free_all(x->addresses);
	curl_global_cleanup();
	free(x);
}
