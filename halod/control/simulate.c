/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "control/simulate.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "control/loss.h"
#include "control/placement.h"
#include "wire/message.h"

/* A node that is there now; its place in simulator.member is its id. */
struct member {
	char name[NODE_NAME_MAX];
	unsigned line; /* that named it last */
	UT_hash_handle hh;
};

struct id_list {
	unsigned count;
	node_id ids[NODES_MAX];
};

struct simulator {
	struct placement *placement;
	unsigned reserve;
	struct member *by_name;
	struct member member[NODES_MAX + 1];
	struct id_list unused;
	struct id_list active, waiting, gone; /* the batch of this line */
	node_id replaced, replacer;	      /* of this line; 0: none so far */
	node_id served_by[ROUTES_MAX + 1];
	unsigned line;
	struct diag *diag;
	struct simulate_result result;
	unsigned steps_room;
};

struct word {
	const char *text;
	size_t len;
};

struct event_kind {
	const char *name;
	int (*take_name)(struct simulator *sim, const struct event_kind *kind,
			 struct word name);
	enum node_wish wish; /* of joiners */
};

__attribute__((format(printf, 2, 3))) static int refuse(struct simulator *sim,
							const char *fmt, ...)
{
	va_list ap;

	sim->diag->warning = false;
	sim->diag->line = sim->line;
	va_start(ap, fmt);
	vsnprintf(sim->diag->text, sizeof(sim->diag->text), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of a line, cut off its front; empty at the end or a comment. */
static struct word next_word(struct word *line)
{
	struct word word;

	while (line->len && is_blank(*line->text)) {
		line->text++;
		line->len--;
	}
	word = (struct word){ .text = line->text };
	if (line->len && *line->text == '#')
		return word;
	while (line->len && !is_blank(*line->text)) {
		line->text++;
		line->len--;
		word.len++;
	}
	return word;
}

/* The start of a word as it may be shown: other people's bytes are not. */
static const char *shown(struct word word, char out[NODE_NAME_MAX])
{
	size_t len = word.len < NODE_NAME_MAX ? word.len : NODE_NAME_MAX - 1;

	for (size_t i = 0; i < len; i++)
		out[i] = word.text[i] > ' ' && word.text[i] <= '~'
				 ? word.text[i]
				 : '?';
	out[len] = '\0';
	return out;
}

static struct member *find_member(struct simulator *sim, struct word name)
{
	struct member *m;

	HASH_FIND(hh, sim->by_name, name.text, name.len, m);
	return m;
}

static node_id id_of(const struct simulator *sim, const struct member *m)
{
	return (node_id)(m - sim->member);
}

static void append(struct id_list *list, node_id id)
{
	list->ids[list->count++] = id;
}

static bool is_valid_name(struct word name)
{
	char text[NODE_NAME_MAX];

	if (name.len >= sizeof(text) || memchr(name.text, '\0', name.len))
		return false;
	memcpy(text, name.text, name.len);
	text[name.len] = '\0';
	return node_name_is_valid(text);
}

/* A name that is free for a joiner: 0, or why it is not. */
static int check_joiner(struct simulator *sim, struct word name)
{
	const struct member *m = find_member(sim, name);
	char text[NODE_NAME_MAX];

	shown(name, text);
	if (!is_valid_name(name))
		return refuse(sim,
			      "'%s' is no node name (1 to %d of A-Z a-z 0-9 . "
			      "_ -, not starting with . or -)",
			      text, NODE_NAME_MAX - 1);
	if (m && m->line == sim->line)
		return refuse(sim, "node '%s' is named twice", text);
	if (m)
		return refuse(sim, "node '%s' is already there", text);
	if (!sim->unused.count)
		return refuse(sim, "more than %d nodes at once", NODES_MAX);
	return 0;
}

static int add_member(struct simulator *sim, struct word name, node_id *id)
{
	struct member *m = &sim->member[sim->unused.ids[sim->unused.count - 1]];

	memcpy(m->name, name.text, name.len);
	m->name[name.len] = '\0';
	m->line = sim->line;
	HASH_ADD_KEYPTR(hh, sim->by_name, m->name, name.len, m);
	if (!m->hh.tbl)
		return -ENOMEM;
	sim->unused.count--;
	*id = id_of(sim, m);
	return 0;
}

static int take_joiner(struct simulator *sim, const struct event_kind *kind,
		       struct word name)
{
	bool active = kind->wish == WISH_ACTIVE;
	node_id id;
	int err = check_joiner(sim, name);

	if (!err)
		err = add_member(sim, name, &id);
	if (err)
		return err;
	/* `join` is an order, not a wish: N does not limit it */
	if (kind->wish == WISH_NONE)
		active = placement_takes_active(
			sim->placement, sim->active.count, sim->waiting.count,
			sim->reserve, WISH_NONE);
	append(active ? &sim->active : &sim->waiting, id);
	return 0;
}

static int take_leaver(struct simulator *sim, const struct event_kind *kind,
		       struct word name)
{
	struct member *m = find_member(sim, name);
	char text[NODE_NAME_MAX];

	if (!m)
		return refuse(sim, "there is no node '%s'", shown(name, text));
	if (m->line == sim->line)
		return refuse(sim, "node '%s' is named twice", m->name);
	m->line = sim->line;
	append(&sim->gone, id_of(sim, m));
	return 0;
}

/* OLD, then NEW. */
static int take_replacement(struct simulator *sim,
			    const struct event_kind *kind, struct word name)
{
	struct member *m = find_member(sim, name);
	char text[NODE_NAME_MAX];
	int err;

	if (sim->replacer)
		return refuse(sim, "'replace' takes two names: OLD NEW");
	if (sim->replaced) {
		err = m ? 0 : check_joiner(sim, name);
		if (!err && !m)
			return add_member(sim, name, &sim->replacer);
		if (!err && placement_slot(sim->placement, id_of(sim, m)))
			return refuse(sim, "node '%s' has a slot already",
				      m->name);
		if (!err)
			sim->replacer = id_of(sim, m);
		return err;
	}
	if (!m)
		return refuse(sim, "there is no node '%s'", shown(name, text));
	if (!placement_slot(sim->placement, id_of(sim, m)))
		return refuse(sim, "node '%s' has no slot", m->name);
	sim->replaced = id_of(sim, m);
	return 0;
}

static const struct event_kind kinds[] = {
	{ "join", take_joiner, WISH_ACTIVE },
	{ "reserve", take_joiner, WISH_RESERVE },
	{ "register", take_joiner, WISH_NONE },
	{ "fail", take_leaver, WISH_NONE },
	{ "drain", take_leaver, WISH_NONE },
	{ "replace", take_replacement, WISH_NONE },
};

static const struct event_kind *find_kind(struct word name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strlen(kinds[i].name) == name.len &&
		    !memcmp(kinds[i].name, name.text, name.len))
			return &kinds[i];
	return NULL;
}

static void append_word(char *text, struct word word)
{
	size_t len = strlen(text);

	if (len)
		text[len++] = ' ';
	memcpy(text + len, word.text, word.len);
	text[len + word.len] = '\0';
}

/* Gathers the batch of a line; what it says goes to event. */
static int read_event(struct simulator *sim, struct word line, char *event)
{
	struct word word = next_word(&line);
	const struct event_kind *kind = find_kind(word);
	char text[NODE_NAME_MAX];
	int err;

	if (!kind)
		return refuse(sim,
			      "'%s' is no event: join, reserve, register, "
			      "fail, drain or replace",
			      shown(word, text));
	append_word(event, word);
	word = next_word(&line);
	if (!word.len)
		return refuse(sim, "%s whom? a node's name is missing",
			      kind->name);
	for (; word.len; word = next_word(&line)) {
		err = kind->take_name(sim, kind, word);
		if (err)
			return err;
		append_word(event, word);
	}
	if (sim->replaced && !sim->replacer)
		return refuse(sim, "replace by whom? a node's name is missing");
	return 0;
}

static uint32_t count_moved(struct simulator *sim)
{
	const struct placement *p = sim->placement;
	uint32_t moved = 0;

	for (unsigned r = 1; r <= sim->result.routes; r++) {
		uint16_t slot = placement_owner(p, (uint16_t)r);
		node_id node = slot ? placement_node(p, slot) : 0;

		moved += sim->served_by[r] != node;
		sim->served_by[r] = node;
	}
	return moved;
}

static void forget(struct simulator *sim, node_id id)
{
	HASH_DEL(sim->by_name, &sim->member[id]);
	append(&sim->unused, id);
}

static void replace(struct simulator *sim)
{
	if (!sim->replaced)
		return;
	placement_replace(sim->placement, sim->replaced, sim->replacer);
	forget(sim, sim->replaced);
	sim->replaced = sim->replacer = 0;
}

static int apply_batch(struct simulator *sim)
{
	const struct placement_batch batch = {
		.active = sim->active.ids,
		.n_active = sim->active.count,
		.reserve = sim->waiting.ids,
		.n_reserve = sim->waiting.count,
		.gone = sim->gone.ids,
		.n_gone = sim->gone.count,
	};
	int err = placement_apply(sim->placement, &batch);

	if (err)
		return err;
	for (unsigned i = 0; i < sim->gone.count; i++)
		forget(sim, sim->gone.ids[i]);
	replace(sim);
	sim->active.count = sim->waiting.count = sim->gone.count = 0;
	return 0;
}

static struct simulate_step *add_step(struct simulator *sim, size_t event_len)
{
	struct simulate_result *result = &sim->result;
	struct simulate_step *steps = result->steps, *step;

	if (result->n_steps == sim->steps_room) {
		unsigned room = sim->steps_room ? 2 * sim->steps_room : 64;

		steps = realloc(steps, sizeof(*steps) * room);
		if (!steps)
			return NULL;
		result->steps = steps;
		sim->steps_room = room;
	}
	step = &steps[result->n_steps];
	*step = (struct simulate_step){ .event = calloc(1, event_len + 1) };
	if (!step->event)
		return NULL;
	result->n_steps++;
	return step;
}

static int play_line(struct simulator *sim, struct word line)
{
	struct word rest = line;
	struct simulate_step *step;
	int err;

	sim->line++;
	if (!next_word(&rest).len)
		return 0;
	step = add_step(sim, line.len);
	if (!step)
		return -ENOMEM;
	err = read_event(sim, line, step->event);
	if (!err)
		err = apply_batch(sim);
	if (err)
		return err;
	step->moved = count_moved(sim);
	sim->result.moved += step->moved;
	return 0;
}

/* The next line of a script, cut off its front. */
static struct word next_line(struct word *script)
{
	const char *stop = memchr(script->text, '\n', script->len);
	struct word line = { script->text, script->len };

	if (stop)
		line.len = (size_t)(stop - line.text);
	script->text += line.len + !!stop;
	script->len -= line.len + !!stop;
	return line;
}

static int play(struct simulator *sim, struct word script)
{
	int err = 0;

	while (!err && script.len)
		err = play_line(sim, next_line(&script));
	return err;
}

static void copy_name(const struct simulator *sim, node_id id,
		      char out[NODE_NAME_MAX])
{
	memcpy(out, sim->member[id].name, NODE_NAME_MAX);
}

static int foresee_loss(struct simulator *sim, node_id id)
{
	struct simulate_result *result = &sim->result;
	struct simulate_loss *out = &result->losses[result->n_losses++];
	struct loss loss;
	int err = loss_foresee(sim->placement, id, &loss);

	if (err)
		return err;
	copy_name(sim, id, out->node);
	if (loss.successor)
		copy_name(sim, loss.successor, out->successor);
	out->slot = placement_slot(sim->placement, id);
	out->routes = loss.routes;
	out->moved = loss.moved;
	out->takers = loss.takers;
	return 0;
}

static int foresee_losses(struct simulator *sim)
{
	const struct placement *p = sim->placement;
	struct simulate_result *r = &sim->result;
	int err = 0;

	r->losses = calloc(r->n_slots + r->n_reserve + 1, sizeof(*r->losses));
	if (!r->losses)
		return -ENOMEM;
	for (unsigned s = 1; !err && s <= r->n_slots; s++)
		err = foresee_loss(sim, placement_node(p, (uint16_t)s));
	for (unsigned i = 0; !err && i < r->n_reserve; i++)
		err = foresee_loss(sim, placement_reserve(p, i));
	return err;
}

/* What the last line has left, in names. */
static int conclude(struct simulator *sim)
{
	const struct placement *p = sim->placement;
	struct simulate_result *result = &sim->result;

	result->n_slots = placement_slots(p);
	result->n_reserve = placement_reserves(p);
	/* one more than needed: calloc(0, …) may return NULL */
	result->slots = calloc(result->n_slots + 1, NODE_NAME_MAX);
	result->reserve = calloc(result->n_reserve + 1, NODE_NAME_MAX);
	result->owner = calloc(result->routes, sizeof(*result->owner));
	if (!result->slots || !result->reserve || !result->owner)
		return -ENOMEM;
	for (unsigned s = 0; s < result->n_slots; s++)
		copy_name(sim, placement_node(p, (uint16_t)(s + 1)),
			  result->slots[s]);
	for (unsigned i = 0; i < result->n_reserve; i++)
		copy_name(sim, placement_reserve(p, i), result->reserve[i]);
	for (unsigned r = 0; r < result->routes; r++)
		result->owner[r] = placement_owner(p, (uint16_t)(r + 1));
	return 0;
}

/* Who is there before the first line. */
static int seat_all(struct simulator *sim, const char (*names)[NODE_NAME_MAX],
		    unsigned n, struct id_list *list)
{
	int err = 0;

	for (unsigned i = 0; !err && i < n; i++) {
		struct word name = { names[i],
				     strnlen(names[i], NODE_NAME_MAX) };
		node_id id;

		err = check_joiner(sim, name);
		if (!err)
			err = add_member(sim, name, &id);
		if (!err)
			append(list, id);
	}
	return err;
}

static int begin(struct simulator *sim, const struct simulate_start *start)
{
	int err = seat_all(sim, start->slots, start->n_slots, &sim->active);

	if (!err)
		err = seat_all(sim, start->in_reserve, start->n_reserve,
			       &sim->waiting);
	if (!err)
		err = apply_batch(sim);
	if (!err)
		count_moved(sim);
	return err;
}

static struct simulator *simulator_new(unsigned routes, unsigned reserve,
				       struct diag *diag)
{
	struct simulator *sim = calloc(1, sizeof(*sim));

	if (!sim)
		return NULL;
	sim->placement = placement_new(routes);
	if (!sim->placement) {
		free(sim);
		return NULL;
	}
	sim->reserve = reserve;
	sim->diag = diag;
	sim->result.routes = routes;
	for (unsigned id = NODES_MAX; id > 0; id--)
		append(&sim->unused, (node_id)id);
	return sim;
}

static void simulator_free(struct simulator *sim)
{
	HASH_CLEAR(hh, sim->by_name);
	placement_free(sim->placement);
	free(sim);
}

int simulate_run(const char *script, size_t len,
		 const struct simulate_start *start,
		 struct simulate_result *out, struct diag *diag)
{
	struct simulator *sim =
		simulator_new(start->routes, start->reserve, diag);
	int err;

	if (!sim)
		return -ENOMEM;
	err = begin(sim, start);
	if (!err)
		err = play(sim, (struct word){ script, len });
	if (!err)
		err = conclude(sim);
	if (!err && start->each)
		err = foresee_losses(sim);
	if (err)
		simulate_result_fini(&sim->result);
	else
		*out = sim->result;
	simulator_free(sim);
	return err;
}

void simulate_result_fini(struct simulate_result *result)
{
	for (unsigned i = 0; i < result->n_steps; i++)
		free(result->steps[i].event);
	free(result->steps);
	free(result->slots);
	free(result->reserve);
	free(result->owner);
	free(result->losses);
	*result = (struct simulate_result){ 0 };
}
