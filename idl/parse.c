/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parser: one function a statement of the language, no table, no second look ahead. After an
 * error it goes on behind the next ';' or '}', or at a statement that begins a line, so that one
 * run tells of several errors.
 */
#include "idl/parse.h"

#include "idl/marks.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* ---- the cursor ---- */

void parser_advance(struct parser *p)
{
	if (p->token.doc && !p->recovering)
		error_at(p->idl, p->token.doc_at, "this doc comment documents nothing");
	p->depth += parser_at(p, '{') - parser_at(p, '}');
	p->end = p->token.at;
	p->end.offset += p->token.len;
	p->token = lex_next(&p->lexer);
}

bool parser_at(const struct parser *p, char punctuation)
{
	return p->token.kind == TOKEN_PUNCTUATION && p->token.text[0] == punctuation;
}

bool parser_at_word(const struct parser *p, const char *word)
{
	return p->token.kind == TOKEN_WORD && !strcmp(p->token.text, word);
}

bool parser_accept(struct parser *p, char punctuation)
{
	if (!parser_at(p, punctuation))
		return false;
	parser_advance(p);
	return true;
}

bool parser_accept_word(struct parser *p, const char *word)
{
	if (!parser_at_word(p, word))
		return false;
	parser_advance(p);
	return true;
}

const char *parser_take_doc(struct parser *p)
{
	const char *doc = p->token.doc;

	p->token.doc = NULL;
	p->recovering = false;
	return doc;
}

static bool say_expected(struct parser *p, struct loc at, const char *what)
{
	if (p->token.kind == TOKEN_END)
		error_at(p->idl, p->end, "expected %s, found the end of the file", what);
	else if (p->token.kind != TOKEN_BAD)
		error_at(p->idl, at, "expected %s, found '%.40s'", what, p->token.text);
	return false;
}

bool parser_expected(struct parser *p, const char *what)
{
	return say_expected(p, p->token.at, what);
}

/* A mark that is missing is missing behind the token before, if the next one is on another line. */
static struct loc missing_at(const struct parser *p)
{
	const struct source *s = p->token.at.source;

	for (size_t i = p->end.offset; i < p->token.at.offset; i++)
		if (s->text[i] == '\n')
			return p->end;
	return p->token.at;
}

bool parser_expect(struct parser *p, char punctuation, const char *where)
{
	if (parser_accept(p, punctuation))
		return true;
	return say_expected(
		p, missing_at(p), arena_printf(&p->idl->arena, "'%c' %s", punctuation, where));
}

bool parse_dashed_name(struct parser *p, const char *what, const char **out, struct loc *at)
{
	if (p->token.kind != TOKEN_WORD)
		return parser_expected(p, what);
	size_t len = p->token.len;
	if (p->token.text[0] == '_' || p->token.text[len - 1] == '_')
		error_at(p->idl, p->token.at, "a name neither begins nor ends with '_'");
	if (len > 80)
		error_at(p->idl, p->token.at, "a name has at most 80 letters");
	*out = p->token.text;
	*at = p->token.at;
	parser_advance(p);
	return true;
}

bool parse_name(struct parser *p, const char *what, const char **out, struct loc *at)
{
	if (p->token.kind == TOKEN_WORD && strchr(p->token.text, '-'))
		error_at(p->idl, p->token.at, "there is no '-' in this kind of name");
	return parse_dashed_name(p, what, out, at);
}

bool parse_role(struct parser *p, struct role_use *out)
{
	if (!parse_dashed_name(p, "a role", &out->name, &out->at))
		return false;
	return !parser_accept_word(p, "or") ||
		parse_dashed_name(p, "a role", &out->other, &out->other_at);
}

bool parse_string(struct parser *p, const char *what, const char **out)
{
	if (p->token.kind != TOKEN_STRING)
		return parser_expected(p, what);
	if (!*p->token.string)
		error_at(p->idl, p->token.at, "this string says nothing");
	*out = p->token.string;
	parser_advance(p);
	return true;
}

bool parse_mark_once(struct parser *p, unsigned *seen, unsigned bit)
{
	if (*seen & bit) {
		error_at(p->idl, p->token.at, "'%.40s' comes too late: there is one already",
			p->token.text);
		return false;
	}
	*seen |= bit;
	return true;
}

/* ---- going on after an error ---- */

static const char *const statements[] = {
	"import", "roles", "id", "enum", "record", "variant", "error", "call", "class"};

/* A statement that begins in the first column is surely meant as one. */
static bool at_statement(const struct parser *p)
{
	if (!p->token.begins_line)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(statements); i++)
		if (parser_at_word(p, statements[i]))
			return true;
	return false;
}

void parser_skip_member(struct parser *p, int depth)
{
	if (p->member_is_odd)
		note_at(p->idl, p->member_at, "perhaps a '}' is missing before this");
	p->recovering = true;
	while (p->token.kind != TOKEN_END && !at_statement(p)) {
		bool is_inside = p->depth > depth, is_last = parser_at(p, ';') && !is_inside;

		if (parser_at(p, '}') && !is_inside)
			return;
		parser_advance(p);
		if (is_last)
			return;
	}
}

bool parser_at_end(struct parser *p)
{
	p->member_at = p->token.at;
	p->member_is_odd = at_statement(p);
	return parser_at(p, '}') || p->token.kind == TOKEN_END ||
		(p->recovering && at_statement(p));
}

bool parser_close(struct parser *p, const char *where)
{
	return (p->recovering && at_statement(p)) || parser_expect(p, '}', where);
}

static void skip_statement(struct parser *p)
{
	p->recovering = true;
	while (p->token.kind != TOKEN_END && !at_statement(p)) {
		bool may_end = parser_at(p, ';') || parser_at(p, '}');

		parser_advance(p);
		if (may_end && p->depth <= 0)
			return;
	}
}

/* ---- statements ---- */

struct decl *parse_decl_new(struct parser *p, enum decl_kind kind, const char *doc)
{
	struct decl *d = arena_new(&p->idl->arena, struct decl);

	d->kind = kind;
	d->doc = doc;
	d->at = p->token.at;
	d->owner = p->interface;
	d->name = "";
	*p->interface->decls_end = d;
	p->interface->decls_end = &d->next;
	return d;
}

static bool parse_enum(struct parser *p, struct decl *d)
{
	if (!parse_name(p, "a type", &d->name, &d->at))
		return false;
	if (parser_accept_word(p, "unknown") &&
		!parse_dashed_name(p, "a case", &d->unknown, &d->unknown_at))
		return false;
	return parse_cases(p, d);
}

/* What a class's line says behind persistent or volatile. */
static bool parse_class_mark(struct parser *p, struct decl *d, bool *found)
{
	*found = true;
	if (parser_accept_word(p, "role"))
		return parse_role(p, &d->role);
	if (parser_accept_word(p, "visible"))
		return parse_role(p, &d->reader);
	if (parser_accept_word(p, "since"))
		return parse_string(p, "a version in quotes", &d->since);
	if (parser_accept_word(p, "deprecated"))
		return parse_string(p, "what to use instead, in quotes", &d->deprecated);
	return parse_word_mark(p, MARK_OF_CLASS, &d->marks, found);
}

static bool parse_class_marks(struct parser *p, struct decl *d)
{
	bool found = true;

	while (found)
		if (!parse_class_mark(p, d, &found))
			return false;
	return true;
}

static bool parse_class(struct parser *p, struct decl *d)
{
	if (!parse_name(p, "a class", &d->name, &d->at))
		return false;
	d->is_persistent = parser_at_word(p, "persistent");
	if (!d->is_persistent && !parser_at_word(p, "volatile"))
		return parser_expected(p, "'persistent' or 'volatile'");
	parser_advance(p);
	return parse_class_marks(p, d) && parse_class_body(p, d);
}

static bool parse_decl(struct parser *p, enum decl_kind kind)
{
	const char *doc = parser_take_doc(p);

	parser_advance(p);
	if (kind == DECL_CALL)
		return parse_call(p, NULL, doc);
	struct decl *d = parse_decl_new(p, kind, doc);
	if (kind == DECL_ENUM)
		return parse_enum(p, d);
	if (kind == DECL_CLASS)
		return parse_class(p, d);
	if (!parse_name(p, kind == DECL_ERROR ? "an error" : "a type", &d->name, &d->at))
		return false;
	if (kind == DECL_ID)
		return parser_expect(p, ';', "after the id");
	if (kind == DECL_ERROR)
		return parse_parameters(p, d) && parser_expect(p, ';', "after the error");
	return parse_members(p, d);
}

static bool parse_import(struct parser *p)
{
	struct import *i = arena_new(&p->idl->arena, struct import);

	parser_advance(p);
	if (!parse_name(p, "an interface", &i->name, &i->at))
		return false;
	*p->interface->imports_end = i;
	p->interface->imports_end = &i->next;
	return parser_expect(p, ';', "after the import");
}

static bool parse_roles(struct parser *p)
{
	parser_advance(p);
	do {
		struct role_decl *r = arena_new(&p->idl->arena, struct role_decl);

		if (!parse_dashed_name(p, "a role", &r->name, &r->at))
			return false;
		*p->interface->roles_end = r;
		p->interface->roles_end = &r->next;
	} while (parser_accept(p, ','));
	return parser_expect(p, ';', "after the roles");
}

static bool parse_statement(struct parser *p)
{
	static const struct {
		const char *word;
		enum decl_kind kind;
	} decls[] = {{"id", DECL_ID}, {"enum", DECL_ENUM}, {"record", DECL_RECORD},
		{"variant", DECL_VARIANT}, {"error", DECL_ERROR}, {"call", DECL_CALL},
		{"class", DECL_CLASS}};

	p->depth = 0;
	for (size_t i = 0; i < ARRAY_LEN(decls); i++)
		if (parser_at_word(p, decls[i].word))
			return parse_decl(p, decls[i].kind);
	if (parser_at_word(p, "import"))
		return parse_import(p);
	if (parser_at_word(p, "roles"))
		return parse_roles(p);
	return parser_expected(p,
		"a declaration (import, roles, id, enum, record, variant, error, call or class)");
}

/* ---- the interface line ---- */

static struct interface_decl *interface_new(struct parser *p)
{
	struct interface_decl *i = arena_new(&p->idl->arena, struct interface_decl);

	i->imports_end = &i->imports;
	i->roles_end = &i->roles;
	i->decls_end = &i->decls;
	i->handlers = "api";
	return i;
}

static bool parse_version(struct parser *p, long *out)
{
	if (!parser_accept_word(p, "version"))
		return parser_expected(p, "'version'");
	if (p->token.kind != TOKEN_NUMBER)
		return parser_expected(p, "a version");
	char *end;
	errno = 0;
	*out = strtol(p->token.text, &end, 10);
	if (errno || *end || *out < 1 || *out > INT_MAX)
		error_at(p->idl, p->token.at, "a version is a whole number from 1 on");
	parser_advance(p);
	return true;
}

/* interface NAME version N [handlers PREFIX]; */
static bool parse_interface_line(struct parser *p, struct interface_decl *i)
{
	struct loc at;

	i->doc_is_meant = p->token.doc;
	i->doc = p->token.doc ? p->token.doc : p->token.comment;
	parser_take_doc(p);
	if (!parser_accept_word(p, "interface"))
		return parser_expected(p, "'interface NAME version N;' as the first statement");
	if (!parse_name(p, "the interface's name", &i->name, &i->at))
		return false;
	if (!parse_version(p, &i->version))
		return false;
	if (parser_accept_word(p, "handlers") && !parse_name(p, "a prefix", &i->handlers, &at))
		return false;
	return parser_expect(p, ';', "after the version");
}

/* The first file of an interface makes it, the others must be of the same. */
static bool join(struct parser *p, struct interface_decl *mine, struct interface_decl **whole)
{
	if (!*whole) {
		*whole = mine;
		return true;
	}
	if (!(*whole)->doc || (mine->doc_is_meant && !(*whole)->doc_is_meant)) {
		(*whole)->doc = mine->doc;
		(*whole)->doc_is_meant = mine->doc_is_meant;
	}
	if (!strcmp((*whole)->name, mine->name) && (*whole)->version == mine->version &&
		!strcmp((*whole)->handlers, mine->handlers))
		return true;
	error_at(p->idl, mine->at, "all files of an interface begin with the same line");
	note_at(p->idl, (*whole)->at, "this one came first");
	return false;
}

/* Everything behind this may take the text for UTF-8 without control characters. */
static bool check_text(struct idl *idl, const struct source *s)
{
	for (size_t i = 0, n; i < s->len; i += n) {
		n = source_character(s, i);
		if (!n) {
			error_at(idl, (struct loc){s, i}, "the byte 0x%02x is no text in UTF-8",
				(unsigned char)s->text[i]);
			return false;
		}
	}
	return true;
}

void parse_source(struct idl *idl, const struct source *s, struct interface_decl **interface)
{
	struct parser p = {.idl = idl, .lexer = {.idl = idl, .source = s}};

	if (!check_text(idl, s))
		return;
	p.end = p.token.at = (struct loc){s, 0};
	parser_advance(&p);
	struct interface_decl *mine = interface_new(&p);
	if (!parse_interface_line(&p, mine) || !join(&p, mine, interface))
		return;
	p.interface = *interface;
	while (p.token.kind != TOKEN_END && idl->n_errors < MAX_ERRORS)
		if (!parse_statement(&p))
			skip_statement(&p);
	if (p.token.doc && !p.recovering)
		error_at(idl, p.token.doc_at, "this doc comment documents nothing");
}
