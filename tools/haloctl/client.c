// SPDX-License-Identifier: GPL-2.0-or-later
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_MAX_LEN (64u << 20) /* no answer of halod comes near */

struct client {
	struct haloctl *ctl;
	int fd;
	char *data;
	size_t len, size;
	size_t searched; /* no line ends before */
};

static int unreachable(struct haloctl *ctl, const char *what, const char *why,
		       const char *advice)
{
	if (ctl->retries)
		return HALOCTL_UNREACHABLE;
	return haloctl_fail(ctl, HALOCTL_UNREACHABLE,
			    &(struct haloctl_error){ .what = what,
						     .object = ctl->socket,
						     .why = why,
						     .advice = advice });
}

static const char *advice_for(int err)
{
	if (err == EACCES || err == EPERM)
		return "run it as root, or as a member of the socket's group";
	return "systemctl status halod; -s SOCKET if it listens elsewhere";
}

/* The descriptor, or -errno. */
static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = errno;
	if (fd >= 0)
		close(fd);
	return -err;
}

/* Who may not act may look, where halod has a socket for it. */
static int dial(struct haloctl *ctl)
{
	int fd = connect_to(ctl->socket), twin = -1;

	if (fd == -EACCES && ctl->fallback)
		twin = connect_to(ctl->fallback);
	if (twin >= 0) {
		ctl->socket = ctl->fallback;
		return twin;
	}
	if (fd < 0)
		unreachable(ctl, "cannot reach halod at",
			    fd == -ENAMETOOLONG ? "the path is too long"
						: strerror(-fd),
			    advice_for(-fd));
	return fd;
}

int client_open(struct haloctl *ctl, struct client **out)
{
	struct client *client;
	int fd = dial(ctl);

	if (fd < 0)
		return HALOCTL_UNREACHABLE;
	client = calloc(1, sizeof(*client));
	if (!client) {
		close(fd);
		return unreachable(ctl, "cannot reach halod at",
				   "out of memory", NULL);
	}
	client->ctl = ctl;
	client->fd = fd;
	*out = client;
	return 0;
}

void client_close(struct client *client)
{
	if (!client)
		return;
	close(client->fd);
	free(client->data);
	free(client);
}

int client_send(struct client *client, json_t *take_request)
{
	char *text = json_dumps(take_request, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0, done = 0;
	ssize_t n = 0;

	json_decref(take_request);
	if (text)
		text[len++] = '\n'; /* in place of the terminating 0 */
	while (done < len && n >= 0) {
		n = send(client->fd, text + done, len - done, MSG_NOSIGNAL);
		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 0;
	}
	free(text);
	/* a daemon that turns us away has said why before it closed */
	if (n < 0 && errno != EPIPE)
		return unreachable(client->ctl, "cannot ask halod at",
				   strerror(errno), NULL);
	return 0;
}

bool client_is_ready(struct client *client, int timeout_ms)
{
	struct pollfd pfd = { .fd = client->fd, .events = POLLIN };

	return client->len || poll(&pfd, 1, timeout_ms) > 0;
}

/* 0, or -1 with errno; ETIMEDOUT, ENODATA for the end. */
static int read_more(struct client *client, int timeout_ms)
{
	struct pollfd pfd = { .fd = client->fd, .events = POLLIN };
	ssize_t n;
	int ready;

	if (client->len == client->size) {
		size_t size = client->size ? client->size * 2 : 65536;
		char *data = size > LINE_MAX_LEN ? NULL
						 : realloc(client->data, size);

		if (!data) {
			errno = ENOMEM;
			return -1;
		}
		client->data = data;
		client->size = size;
	}
	ready = poll(&pfd, 1, timeout_ms);
	if (ready <= 0) {
		errno = ready ? errno : ETIMEDOUT;
		return -1;
	}
	n = recv(client->fd, client->data + client->len,
		 client->size - client->len, 0);
	if (n > 0)
		client->len += (size_t)n;
	else if (n == 0)
		errno = ENODATA;
	return n > 0 ? 0 : -1;
}

static json_t *take_line(struct client *client)
{
	char *end = client->len > client->searched
			    ? memchr(client->data + client->searched, '\n',
				     client->len - client->searched)
			    : NULL;
	json_t *value;
	size_t used;

	client->searched = client->len;
	if (!end)
		return NULL;
	used = (size_t)(end - client->data) + 1;
	value = json_loadb(client->data, used, 0, NULL);
	client->len -= used;
	memmove(client->data, end + 1, client->len);
	client->searched = 0;
	return json_is_object(value) ? value : json_object();
}

static enum haloctl_exit exit_of(const char *code)
{
	if (!strcmp(code, "not-found"))
		return HALOCTL_NOT_FOUND;
	if (!strcmp(code, "usage"))
		return HALOCTL_USAGE;
	return HALOCTL_FAILED;
}

static const char *member(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* What of a file it is about, a line each. */
static void tell_diagnostics(struct haloctl *ctl, const json_t *list)
{
	const json_t *d;
	size_t i;

	json_array_foreach(list, i, d)
	{
		json_int_t line =
			json_integer_value(json_object_get(d, "line"));
		const char *file = member(d, "file"), *text = member(d, "text");

		fprintf(ctl->err, "%s:", file ? file : "?");
		if (line)
			fprintf(ctl->err, "%lld:", (long long)line);
		fprintf(ctl->err, " %s\n", text ? text : "?");
	}
}

/* The daemon's refusal in our words: 0 when the answer is none. */
static int tell_error(struct haloctl *ctl, json_t *answer)
{
	const json_t *refusal = json_object_get(answer, "error");
	struct haloctl_error error = { member(refusal, "what"),
				       member(refusal, "object"),
				       member(refusal, "why"),
				       member(refusal, "try") };
	const char *code = member(refusal, "code");

	if (!refusal)
		return 0;
	if (!code || !error.what || !error.why)
		return unreachable(ctl, "cannot understand halod at",
				   "it answers in another shape",
				   "haloctl --version");
	tell_diagnostics(ctl, json_object_get(answer, "diagnostics"));
	haloctl_tell(ctl, &error);
	if (ctl->json)
		haloctl_print_json(ctl, json_incref(answer));
	return exit_of(code);
}

static int tell_broken(struct client *client)
{
	const char *why = strerror(errno);

	if (errno == ENODATA)
		why = "it closed the connection";
	else if (errno == ETIMEDOUT)
		why = "it has not answered in time";
	return unreachable(client->ctl, "lost halod at", why,
			   "systemctl status halod");
}

int client_receive(struct client *client, json_t **out, int timeout_ms)
{
	json_t *answer = take_line(client);
	int err;

	while (!answer) {
		if (read_more(client, timeout_ms) && errno != EINTR)
			return tell_broken(client);
		answer = take_line(client);
	}
	if (!json_object_get(answer, "schema")) {
		json_decref(answer);
		return unreachable(client->ctl, "cannot understand halod at",
				   "it answers in another shape",
				   "haloctl --version");
	}
	err = tell_error(client->ctl, answer);
	if (err)
		json_decref(answer);
	else
		*out = answer;
	return err;
}

int client_ask(struct haloctl *ctl, json_t *take_request, json_t **answer)
{
	bool waits = json_is_true(json_object_get(take_request, "wait"));
	struct client *client;
	int err = client_open(ctl, &client);

	if (err) {
		json_decref(take_request);
		return err;
	}
	err = client_send(client, take_request);
	if (!err)
		err = client_receive(client, answer,
				     waits ? -1 : CLIENT_TIMEOUT_MS);
	client_close(client);
	return err;
}

/* Adds a page to what has come so far; the number of the next, or null. */
static json_t *merge_page(json_t **all, json_t *take_page, const char *list)
{
	json_t *next = json_object_get(take_page, "next");

	json_incref(next);
	if (*all) {
		json_array_extend(json_object_get(*all, list),
				  json_object_get(take_page, list));
		json_decref(take_page);
	} else {
		json_object_del(take_page, "next");
		*all = take_page;
	}
	return next;
}

int client_ask_all(struct haloctl *ctl, json_t *take_request, const char *list,
		   const char *page, json_t **answer)
{
	json_t *all = NULL, *part, *next = NULL;
	struct client *client = NULL;
	int err = client_open(ctl, &client);

	while (!err) {
		err = client_send(client, json_incref(take_request));
		if (!err)
			err = client_receive(client, &part, CLIENT_TIMEOUT_MS);
		if (err)
			break;
		next = merge_page(&all, part, list);
		if (!json_is_integer(next))
			break;
		json_object_set_new(take_request, page, next);
		next = NULL;
	}
	json_decref(next);
	json_decref(take_request);
	client_close(client);
	if (err)
		json_decref(all);
	else
		*answer = all;
	return err;
}

int client_show(struct haloctl *ctl, json_t *take_request,
		void (*print)(struct haloctl *ctl, const json_t *answer))
{
	json_t *answer;
	int err = client_ask(ctl, take_request, &answer);

	if (err)
		return err;
	if (ctl->json)
		return haloctl_print_json(ctl, answer);
	print(ctl, answer);
	json_decref(answer);
	return HALOCTL_OK;
}
