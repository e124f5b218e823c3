/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows the demo: on a terminal a live picture, elsewhere plain lines. Reads
 * lines of JSON on stdin, from whoever knows:
 *
 *   {"nodes":[{"name","state"}…]}   {"owners":["a",null,…]}
 *   {"second":true,…}               halo_load's figures so far
 *   {"say":"…"}                     something happened
 *   {"end":true}                    that was all
 *
 * Usage: halo_show TITLE
 */
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NODES	  8
#define ROUTES	  64
#define LINES	  12
#define LINE_SIZE 160
#define BAR_WIDTH 24

struct show_node {
	char name[32], state[16];
	unsigned routes;
};

struct show {
	const char *title;
	bool live, color;
	time_t start;
	unsigned n_nodes, n_routes, n_lines;
	struct show_node node[NODES];
	char owner[ROUTES][32];
	unsigned subscribers, connected;
	long long published, delivered, lost, probes, probe_failures;
	char line[LINES][LINE_SIZE]; /* the last ones, oldest first */
};

static int node_index(const struct show *s, const char *name)
{
	for (unsigned i = 0; i < s->n_nodes; i++)
		if (!strcmp(s->node[i].name, name))
			return (int)i;
	return -1;
}

/* Background colours of the 256-colour palette that carry black text. */
static void paint(const struct show *s, int node, const char *text)
{
	static const unsigned char colors[NODES] = { 75,  215, 114, 176,
						     221, 80,  203, 250 };

	if (!s->color || node < 0)
		printf("%s", text);
	else
		printf("\033[48;5;%u;30m%s\033[0m", colors[node], text);
}

static void draw_node(const struct show *s, unsigned i)
{
	const struct show_node *n = &s->node[i];

	printf("  %-3s %-12s ", n->name, n->state);
	for (unsigned r = 0; r < n->routes && r < BAR_WIDTH; r++)
		paint(s, (int)i, s->color ? " " : "#");
	printf(" %u\033[K\n", n->routes);
}

static void draw_strip(const struct show *s)
{
	printf("  ");
	for (unsigned r = 0; r < s->n_routes; r++) {
		int node = node_index(s, s->owner[r]);
		char cell[8];

		snprintf(cell, sizeof(cell), " %.1s ",
			 node < 0 ? "." : s->owner[r]);
		paint(s, node, cell);
	}
	printf("\033[K\n  ");
	for (unsigned r = 0; r < s->n_routes; r++)
		printf("%2u ", r + 1);
	printf("\033[K\n");
}

static void draw(const struct show *s)
{
	printf("\033[H%s%s%s\033[K\n\033[K\n", s->color ? "\033[1m" : "",
	       s->title, s->color ? "\033[0m" : "");
	for (unsigned i = 0; i < s->n_nodes; i++)
		draw_node(s, i);
	printf("\033[K\n");
	draw_strip(s);
	printf("\033[K\n  subscribers %u/%u   published %lld   delivered %lld"
	       "   lost %lld\033[K\n",
	       s->connected, s->subscribers, s->published, s->delivered,
	       s->lost);
	printf("  newcomers %lld, failed %lld\033[K\n\033[K\n", s->probes,
	       s->probe_failures);
	for (unsigned i = 0; i < s->n_lines; i++)
		printf("  %.76s\033[K\n", s->line[i]);
	printf("\033[J");
	fflush(stdout);
}

static void say(struct show *s, const char *text)
{
	char *line;

	if (s->n_lines == LINES) {
		memmove(s->line[0], s->line[1], sizeof(s->line) - LINE_SIZE);
		s->n_lines--;
	}
	line = s->line[s->n_lines++];
	snprintf(line, LINE_SIZE, "%3ld s  %s", (long)(time(NULL) - s->start),
		 text);
	if (!s->live) {
		printf("%s\n", line);
		fflush(stdout);
	}
}

static void say_spread(struct show *s)
{
	char text[LINE_SIZE] = "routes:";
	size_t len = strlen(text);

	for (unsigned i = 0; i < s->n_nodes && len < sizeof(text); i++)
		if (s->node[i].routes)
			len += (size_t)snprintf(text + len, sizeof(text) - len,
						" %s %u", s->node[i].name,
						s->node[i].routes);
	say(s, text);
}

static void take_nodes(struct show *s, const json_t *nodes)
{
	json_t *node;
	size_t i;

	json_array_foreach(nodes, i, node)
	{
		const char *name, *state;
		int at;

		if (json_unpack(node, "{s:s, s:s}", "name", &name, "state",
				&state))
			continue;
		at = node_index(s, name);
		if (at < 0 && s->n_nodes == NODES)
			continue;
		if (at < 0)
			at = (int)s->n_nodes++;
		snprintf(s->node[at].name, sizeof(s->node[at].name), "%s",
			 name);
		snprintf(s->node[at].state, sizeof(s->node[at].state), "%s",
			 state);
	}
}

static void take_owners(struct show *s, const json_t *owners)
{
	unsigned count[NODES] = { 0 };
	bool changed = false;
	json_t *owner;
	size_t r;

	json_array_foreach(owners, r, owner)
	{
		const char *name = json_string_value(owner);
		int at = name ? node_index(s, name) : -1;

		if (r == ROUTES)
			break;
		snprintf(s->owner[r], sizeof(s->owner[r]), "%s",
			 name ? name : "");
		s->n_routes = (unsigned)r + 1;
		if (at >= 0)
			count[at]++;
	}
	for (unsigned i = 0; i < s->n_nodes; i++) {
		changed |= s->node[i].routes != count[i];
		s->node[i].routes = count[i];
	}
	if (changed && !s->live)
		say_spread(s);
}

static void take_figures(struct show *s, json_t *load)
{
	json_int_t subscribers, connected, published, delivered, lost, probes,
		failures;

	if (json_unpack(load, "{s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			"subscribers", &subscribers, "connected", &connected,
			"published", &published, "delivered", &delivered,
			"lost", &lost, "probes", &probes, "probe_failures",
			&failures))
		return;
	s->subscribers = (unsigned)subscribers;
	s->connected = (unsigned)connected;
	s->published = published;
	s->delivered = delivered;
	s->lost = lost;
	s->probes = probes;
	s->probe_failures = failures;
}

/* false: the end */
static bool take(struct show *s, const char *line)
{
	json_t *j = json_loads(line, 0, NULL);
	const char *text = json_string_value(json_object_get(j, "say"));
	bool end;

	if (text)
		say(s, text);
	if (json_object_get(j, "nodes"))
		take_nodes(s, json_object_get(j, "nodes"));
	if (json_object_get(j, "owners"))
		take_owners(s, json_object_get(j, "owners"));
	if (json_object_get(j, "second"))
		take_figures(s, j);
	end = json_object_get(j, "end") != NULL;
	json_decref(j);
	return !end;
}

static bool is_terminal(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
}

int main(int argc, char **argv)
{
	struct show s = { .title = argc > 1 ? argv[1] : "HaloD",
			  .live = is_terminal(),
			  .start = time(NULL) };
	char *line = NULL;
	size_t size = 0;

	/* ends with its input, so that the terminal is left as it was */
	signal(SIGINT, SIG_IGN);
	s.color = s.live && !getenv("NO_COLOR");
	if (s.live)
		printf("\033[2J\033[?25l");
	while (getline(&line, &size, stdin) > 0 && take(&s, line)) {
		if (s.live)
			draw(&s);
	}
	if (s.live)
		printf("\033[?25h\n");
	free(line);
	return 0;
}
