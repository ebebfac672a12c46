/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The words that mean something: base types and type makers in the IDL, and what C keeps for
 * itself. Every other word of the language (record, call, task, …) only counts where it is
 * expected, so that it may name a member or a type.
 */
#include "idl/idlc.h"

#include <string.h>

static const char *const base_types[] = {
	[BASE_BOOL] = "bool",
	[BASE_INT] = "int",
	[BASE_FLOAT] = "float",
	[BASE_STRING] = "string",
	[BASE_SECRET] = "secret",
	[BASE_BYTES] = "bytes",
	[BASE_DATETIME] = "datetime",
	[BASE_ANY] = "any",
};

static const char *const type_makers[] = {"list", "set", "map", "ref", "record", "void", "option"};

/* An interface's name is the prefix of its C names; these are modules of the runtime. */
static const char *const runtime_modules[] = {"api", "call", "codec", "err", "json", "log",
	"method", "rpc", "service", "type", "updates"};

/* Keywords, and the macros that a system header or the compiler itself may define. */
static const char *const c_words[] = {"asm", "auto", "bool", "break", "case", "char", "const",
	"continue", "default", "do", "double", "else", "enum", "errno", "extern", "false", "float",
	"for", "goto", "if", "inline", "int", "linux", "long", "register", "restrict", "return",
	"short", "signed", "sizeof", "static", "stderr", "stdin", "stdout", "struct", "switch",
	"take", "true", "typedef", "typeof", "union", "unix", "unsigned", "void", "volatile",
	"while"};

static bool contains(const char *const *words, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(words[i], word))
			return true;
	return false;
}

bool base_type_find(const char *word, enum base_kind *out)
{
	for (size_t i = 0; i < ARRAY_LEN(base_types); i++) {
		if (!strcmp(base_types[i], word)) {
			*out = (enum base_kind)i;
			return true;
		}
	}
	return false;
}

const char *base_type_name(enum base_kind b)
{
	return base_types[b];
}

bool is_type_word(const char *word)
{
	return contains(base_types, ARRAY_LEN(base_types), word) ||
		contains(type_makers, ARRAY_LEN(type_makers), word);
}

bool is_interface_word(const char *word)
{
	return contains(runtime_modules, ARRAY_LEN(runtime_modules), word) || is_type_word(word) ||
		is_c_word(word);
}

bool is_c_word(const char *word)
{
	return contains(c_words, ARRAY_LEN(c_words), word);
}
