/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one list: doubly linked and intrusive, a link inside each element and one as the head. An
 * element that is on no list has a link that points to itself or is zeroed.
 */
#ifndef XENITH_COMMON_LIST_H
#define XENITH_COMMON_LIST_H

#include "common/dialect.h"

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name) \
	{ \
		&(name), &(name) \
	}

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_is_empty(const struct list *l)
{
	return !l->next || l->next == l;
}

/* Whether the element of this link is on a list. */
static inline bool list_is_linked(const struct list *link)
{
	return !list_is_empty(link);
}

static inline void list_insert_before(struct list *at, struct list *link)
{
	link->prev = at->prev;
	link->next = at;
	at->prev->next = link;
	at->prev = link;
}

static inline void list_push_back(struct list *head, struct list *link)
{
	list_insert_before(head, link);
}

static inline void list_push_front(struct list *head, struct list *link)
{
	list_insert_before(head->next, link);
}

/* Harmless on an element that is on no list. */
static inline void list_remove(struct list *link)
{
	if (link->next) {
		link->prev->next = link->next;
		link->next->prev = link->prev;
	}
	list_init(link);
}

/* Moves all of FROM to the end of TO. */
static inline void list_splice_back(struct list *to, struct list *from)
{
	if (list_is_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_entry(link, type, member) container_of(link, type, member)

/* The first element, or NULL. */
#define list_first(head, type, member) \
	(list_is_empty(head) ? NULL : list_entry((head)->next, type, member))

/* The first element, taken off the list, or NULL. */
#define list_pop_front(head, type, member) \
	({ \
		type *popped_ = list_first(head, type, member); \
		if (popped_) \
			list_remove(&popped_->member); \
		popped_; \
	})

#define list_for_each(pos, head, type, member) \
	for (type *pos = list_entry((head)->next, type, member); &pos->member != (head); \
		pos = list_entry(pos->member.next, type, member))

/* The same where the body may remove POS itself, but no other element. */
#define list_for_each_safe(pos, head, type, member) \
	for (type *pos = list_entry((head)->next, type, member), \
		  *pos##_next_ = list_entry(pos->member.next, type, member); \
		&pos->member != (head); \
		pos = pos##_next_, pos##_next_ = list_entry(pos->member.next, type, member))

#endif
