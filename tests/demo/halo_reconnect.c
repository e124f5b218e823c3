/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The consumer of an agent's events beside nginx with nchan: when routes are
 * about to move away, it publishes an SSE event `reconnect` on each of their
 * channels, then tells the agent that the clients know.
 *
 * Usage: halo_reconnect SOCKET APP-PORT   (APP-PORT: route 1's app door)
 */
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define AGAIN_US 100000 /* the agent is not there: look again after this */

static int connect_agent(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at))) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

static int connect_server(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct timeval patience = { .tv_usec = 200000 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&at, sizeof(at))) {
		close(fd);
		return -ECONNREFUSED;
	}
	return fd;
}

/* Its answer is awaited: then the event is on its way to every subscriber. */
static void tell_clients(uint16_t port, const char *body)
{
	char request[256], answer[512];
	int len = snprintf(request, sizeof(request),
			   "POST /pub HTTP/1.0\r\n"
			   "X-EventSource-Event: reconnect\r\n"
			   "Content-Length: %zu\r\n\r\n%s",
			   strlen(body), body);
	int fd = connect_server(port);

	if (fd < 0) {
		fprintf(stderr, "halo_reconnect: no server on port %u\n", port);
		return;
	}
	if (send(fd, request, (size_t)len, MSG_NOSIGNAL) < 0 ||
	    recv(fd, answer, sizeof(answer), 0) <= 0)
		fprintf(stderr, "halo_reconnect: no answer on port %u\n", port);
	close(fd);
}

/* Grows with time, so that a client can tell a request it has obeyed. */
static void format_request(char *out, size_t size)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	snprintf(out, size, "reconnect %lld%03ld", (long long)ts.tv_sec,
		 ts.tv_nsec / 1000000);
}

static void tell_ranges(const json_t *ranges, unsigned app_port)
{
	char body[64];
	json_t *range;
	size_t i;

	format_request(body, sizeof(body));
	json_array_foreach(ranges, i, range)
	{
		json_int_t first = json_integer_value(json_array_get(range, 0));
		json_int_t last = json_integer_value(json_array_get(range, 1));

		for (json_int_t route = first; route && route <= last; route++)
			tell_clients((uint16_t)(app_port + route - 1), body);
	}
}

static int say_done(int agent, json_int_t id)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "{\"done\":%lld}\n",
			   (long long)id);

	return send(agent, line, (size_t)len, MSG_NOSIGNAL) == len ? 0 : -EPIPE;
}

static int on_event(int agent, const char *line, unsigned app_port)
{
	json_t *event = json_loads(line, 0, NULL);
	const char *kind = json_string_value(json_object_get(event, "event"));
	const json_t *id = json_object_get(event, "id");
	int err = 0;

	printf("%s", line);
	fflush(stdout);
	if (kind && !strcmp(kind, "moving") && id) {
		tell_ranges(json_object_get(event, "routes"), app_port);
		err = say_done(agent, json_integer_value(id));
	}
	json_decref(event);
	return err;
}

static void serve(int agent, unsigned app_port)
{
	FILE *events = fdopen(agent, "r");
	char *line = NULL;
	size_t size = 0;

	if (!events) {
		close(agent);
		return;
	}
	while (getline(&line, &size, events) > 0 &&
	       !on_event(agent, line, app_port))
		;
	free(line);
	fclose(events);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: halo_reconnect SOCKET APP-PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int agent = connect_agent(argv[1]);

		if (agent >= 0)
			serve(agent, (unsigned)atoi(argv[2]));
		usleep(AGAIN_US);
	}
}
