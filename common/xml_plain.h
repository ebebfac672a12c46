/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two readers behind xml_parse, for xml.c and for tests that compare them. What nearly every
 * text is made of, elements and their text, is read here in one pass; whatever else XML knows, and
 * all that is wrong, is expat's. Where both read a text they make the same tree of it.
 */
#ifndef XENITH_COMMON_XML_PLAIN_H
#define XENITH_COMMON_XML_PLAIN_H

#include "common/xml.h"

/* A parse under way; its arena's use is bounded. */
struct xml_source {
	const char *text;
	size_t len;
	struct arena *arena;
	size_t memory_limit; /* for arena->used */
	unsigned max_depth;
	bool counts_lines; /* which is expat's to do */
};

/* False: the text has something else in it, or something is wrong with it. */
bool xml_read_plain(const struct xml_source *s, const struct xml_node **root);
/* By expat. */
must_check struct err *xml_read_any(const struct xml_source *s, const struct xml_node **root);

#endif
