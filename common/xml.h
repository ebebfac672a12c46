/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * XML in memory: a whole text is read into a tree in an arena (by expat, which is included nowhere
 * else, where it is more than plain), and text is written with its escapes. No DOCTYPE, so no
 * entities of anybody's own. Any thread; nothing here parks.
 */
#ifndef XENITH_COMMON_XML_H
#define XENITH_COMMON_XML_H

#include "common/arena.h"
#include "common/err.h"
#include "common/sbuf.h"

#define XML_MAX_DEPTH  256
#define XML_MAX_MEMORY (UINT64_C(256) << 20) /* that a tree may take */

struct xml_attr {
	const char *name;
	const char *value;
};

struct xml_node {
	const char *name;
	const char *text; /* directly in it, joined; "" when there is none beside children */
	size_t text_len;
	const struct xml_attr *attrs;
	size_t n_attrs;
	size_t line; /* where it begins; 0 when lines were not to be counted */
	struct xml_node *first; /* child */
	struct xml_node *next; /* sibling */
};

struct xml_limits {
	size_t size; /* of the text, in bytes */
	unsigned depth; /* of elements; at most XML_MAX_DEPTH */
	bool counts_lines; /* nodes and errors tell of their lines */
};

/* BAD_REQUEST: it is not XML, or has a DOCTYPE; LIMIT_EXCEEDED. The text is UTF-8 in the tree
 * whatever encoding it came in. */
must_check struct err *xml_parse(const char *text, size_t len, const struct xml_limits *limits,
	struct arena *a, const struct xml_node **root);

/* The first child with this name (NULL: any), or NULL. */
const struct xml_node *xml_child(const struct xml_node *node, const char *name);
/* The value of an attribute, or NULL. */
const char *xml_attr_value(const struct xml_node *node, const char *name);

/* Adds text with its escapes; what XML cannot hold (control characters, bytes that are not UTF-8)
 * becomes U+FFFD. */
void xml_add_text(struct sbuf *b, const char *s, size_t len);
/* The same of a whole string. */
void xml_add_string(struct sbuf *b, const char *s);
/* The same for the value of an attribute, between its quotes. */
void xml_add_attr(struct sbuf *b, const char *s, size_t len);

#endif
