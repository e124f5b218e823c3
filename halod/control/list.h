/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An intrusive doubly linked ring: O(1) to append and to leave, no memory of
 * its own. Not a container: the links live in what is listed.
 */
#ifndef HALO_CONTROL_LIST_H
#define HALO_CONTROL_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev, *next;
};

/* The struct that holds this link. */
#define list_entry(at, type, member) \
	((type *)((char *)(at)-offsetof(type, member)))

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_is_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_append(struct list *head, struct list *item)
{
	item->prev = head->prev;
	item->next = head;
	head->prev->next = item;
	head->prev = item;
}

/* Safe to call again: an item out of any list is a ring of itself. */
static inline void list_leave(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}

#endif
