/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks a number up (pci_ids.h). In the list a vendor's line is followed by those of its devices,
 * and a class's by those of its subclasses, with a tab before them:
 *
 *	8086  Intel Corporation
 *		1237  440FX - 82441FX PMC [Natoma]
 *	C 03  Display controller
 *		00  VGA compatible controller
 */
#include "xapid/host/pci_ids.h"

#include <string.h>

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

/* Whether the line begins with BEFORE, the number, and two blanks. */
static bool is_of(const char *line, const char *before, const char *number)
{
	size_t n = strlen(before), m = strlen(number);

	return !strncmp(line, before, n) && !strncmp(line + n, number, m) &&
		!strncmp(line + n + m, "  ", 2);
}

static const char *find_top(const char *text, const char *before, const char *number)
{
	for (const char *line = text; *line; line = next_line(line))
		if (is_of(line, before, number))
			return line;
	return NULL;
}

/* Below the line TOP. */
static const char *find_below(const char *top, const char *number)
{
	if (!top)
		return NULL;
	for (const char *line = next_line(top); *line == '\t' || *line == '#';
		line = next_line(line))
		if (is_of(line, "\t", number))
			return line;
	return NULL;
}

static const char *name_of(const char *line, struct arena *a)
{
	const char *name = line ? strstr(line, "  ") : NULL;

	return name ? arena_strndup(a, name + 2, strcspn(name + 2, "\n")) : "";
}

const char *pci_ids_vendor(const char *text, const char *vendor, struct arena *a)
{
	return name_of(find_top(text, "", vendor), a);
}

const char *pci_ids_device(
	const char *text, const char *vendor, const char *device, struct arena *a)
{
	return name_of(find_below(find_top(text, "", vendor), device), a);
}

const char *pci_ids_class(const char *text, const char *class_id, struct arena *a)
{
	if (strlen(class_id) != 4)
		return "";
	const char *top = find_top(text, "C ", arena_strndup(a, class_id, 2));
	const char *below = find_below(top, class_id + 2);
	return name_of(below ? below : top, a);
}
