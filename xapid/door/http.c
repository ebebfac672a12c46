/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading heads (http.h). First our own pass over the lines, which refuses whatever parsers are
 * known to disagree about; then libhttp-parser takes request line, headers and lengths apart.
 */
#include "xapid/door/http.h"

#include <ctype.h>
#include <http_parser.h>
#include <string.h>
#include <strings.h>

const char *http_status_text(unsigned status)
{
	return http_status_str((enum http_status)status);
}

size_t http_head_size(const char *bytes, size_t n, size_t *scanned)
{
	const char *end = bytes + n, *at = bytes + *scanned;

	while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
		size_t left = (size_t)(end - at);

		if (left >= 2 && at[1] == '\n')
			return (size_t)(at + 2 - bytes);
		if (left >= 3 && at[1] == '\r' && at[2] == '\n')
			return (size_t)(at + 3 - bytes);
		if (left < 3) { /* what follows will tell */
			*scanned = (size_t)(at - bytes);
			return 0;
		}
		at++;
	}
	*scanned = n;
	return 0;
}

/* ---- our own pass ---- */

static bool is_token(unsigned char c)
{
	return isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *check_request_line(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (line[i] < ' ' || line[i] == 0x7f) /* negative: not ASCII */
			return "a character that the request line may not hold";
	return NULL;
}

static const char *check_header_line(const char *line, size_t len)
{
	size_t name = 0;

	if (*line == ' ' || *line == '\t')
		return "a folded header";
	while (name < len && is_token((unsigned char)line[name]))
		name++;
	if (!name || name == len || line[name] != ':')
		return "a header without a proper name";
	for (size_t i = name; i < len; i++)
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
			return "a control character in a header";
	return NULL;
}

/* NULL, or why the head is refused. */
static const char *check_lines(const char *bytes, size_t size)
{
	const char *end = bytes + size, *why = NULL;
	bool is_first = true;

	for (const char *line = bytes; !why && line < end;) {
		const char *lf = memchr(line, '\n', (size_t)(end - line));
		if (!lf || lf == line || lf[-1] != '\r')
			return "a line that does not end in CR LF";
		size_t len = (size_t)(lf - 1 - line);
		if (len)
			why = is_first ? check_request_line(line, len)
				       : check_header_line(line, len);
		is_first = false;
		line = lf + 1;
	}
	return why;
}

/* ---- libhttp-parser ---- */

struct reading {
	struct http_request *out;
	struct arena *arena;
	size_t space; /* headers that fit */
	bool is_too_many;
};

static int on_url(http_parser *p, const char *at, size_t len)
{
	struct reading *r = p->data;

	/* the head is in one piece, so everything comes in one piece */
	r->out->target = arena_strndup(r->arena, at, len);
	return 0;
}

static bool grow_headers(struct reading *r)
{
	if (r->out->n_headers < r->space)
		return true;
	if (r->space == HTTP_HEADERS_MAX)
		return false;
	size_t space = r->space ? HTTP_HEADERS_MAX : 16;
	struct http_header *more = arena_calloc(r->arena, space, sizeof(*more));
	if (r->space)
		memcpy(more, r->out->headers, r->space * sizeof(*more));
	r->out->headers = more;
	r->space = space;
	return true;
}

static int on_header_field(http_parser *p, const char *at, size_t len)
{
	struct reading *r = p->data;

	if (!grow_headers(r)) {
		r->is_too_many = true;
		return -1;
	}
	char *name = arena_strndup(r->arena, at, len);
	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	r->out->headers[r->out->n_headers++] = (struct http_header){name, ""};
	return 0;
}

static int on_header_value(http_parser *p, const char *at, size_t len)
{
	struct reading *r = p->data;

	while (len && (at[len - 1] == ' ' || at[len - 1] == '\t'))
		len--;
	r->out->headers[r->out->n_headers - 1].value = arena_strndup(r->arena, at, len);
	return 0;
}

static int on_headers_complete(http_parser *p)
{
	struct reading *r = p->data;

	r->out->has_length = p->flags & F_CONTENTLENGTH;
	r->out->length = r->out->has_length ? p->content_length : 0;
	r->out->keeps_alive = http_should_keep_alive(p);
	return 1; /* the body is not the parser's */
}

static unsigned refuse(const char **why, unsigned status, const char *text)
{
	*why = text;
	return status;
}

static unsigned parse(const char *bytes, size_t size, struct reading *r, const char **why)
{
	static const http_parser_settings settings = {.on_url = on_url,
		.on_header_field = on_header_field,
		.on_header_value = on_header_value,
		.on_headers_complete = on_headers_complete};
	http_parser p;

	http_parser_init(&p, HTTP_REQUEST);
	p.data = r;
	size_t n = http_parser_execute(&p, &settings, bytes, size);
	if (r->is_too_many)
		return refuse(why, 431, "too many headers");
	enum http_errno problem = HTTP_PARSER_ERRNO(&p);
	if (problem == HPE_INVALID_VERSION)
		return refuse(why, 505, "this server speaks HTTP/1.1");
	if (problem != HPE_OK)
		return refuse(why, 400, http_errno_description(problem));
	if (n != size || !r->out->target)
		return refuse(why, 400, "no request");
	if (p.http_major != 1 || p.http_minor > 1)
		return refuse(why, 505, "this server speaks HTTP/1.1");
	r->out->method = http_method_str((enum http_method)p.method);
	r->out->is_1_0 = p.http_minor == 0;
	return 0;
}

/* ---- targets ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The LEN bytes at S with their %XX taken out; NULL when they are wrong or hold a NUL. */
static char *percent_decode(struct arena *a, const char *s, size_t len, bool plus_is_blank)
{
	char *out = arena_bytes(a, len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = s[i] == '+' && plus_is_blank ? ' ' : s[i];

		if (c == '%') {
			int high = len - i > 2 ? hex_digit(s[i + 1]) : -1;
			int low = high >= 0 ? hex_digit(s[i + 2]) : -1;

			if (low < 0 || (!high && !low))
				return NULL;
			c = (char)(high << 4 | low);
			i += 2;
		}
		out[n++] = c;
	}
	out[n] = '\0';
	return out;
}

/* http://host/path becomes /path; a target that is no path ("*", "host:port") stays as it is. */
static const char *path_of_target(const char *target)
{
	const char *scheme = strstr(target, "://");

	if (*target == '/' || !scheme || strcspn(target, "/?") < (size_t)(scheme - target))
		return target;
	const char *slash = strchr(scheme + 3, '/');
	return slash ? slash : "/";
}

static bool read_target(struct http_request *out, struct arena *a)
{
	const char *path = path_of_target(out->target);
	size_t len = strcspn(path, "?#");
	const char *query = path[len] == '?' ? path + len + 1 : "";

	out->query = arena_strndup(a, query, strcspn(query, "#"));
	out->path = percent_decode(a, path, len, false);
	return out->path && (*out->path == '/' || !strcmp(out->path, "*"));
}

/* ---- a head ---- */

unsigned http_read_head(
	const char *bytes, size_t size, struct arena *a, struct http_request *out, const char **why)
{
	struct reading r = {.out = out, .arena = a};

	*out = (struct http_request){0};
	const char *problem = check_lines(bytes, size);
	if (problem)
		return refuse(why, 400, problem);
	unsigned status = parse(bytes, size, &r, why);
	if (status)
		return status;
	if (http_header(out, "transfer-encoding"))
		return out->has_length ? refuse(why, 400, "a length and a transfer coding")
				       : refuse(why, 501, "a body needs a content-length");
	if (!read_target(out, a))
		return refuse(why, 400, "the target is no path");
	const char *expect = http_header(out, "expect");
	out->expects_continue = expect && !strcasecmp(expect, "100-continue");
	if (expect && !out->expects_continue)
		return refuse(why, 417, "the only expectation is 100-continue");
	return 0;
}

const char *http_header(const struct http_request *r, const char *name)
{
	for (size_t i = 0; i < r->n_headers; i++)
		if (!strcmp(r->headers[i].name, name))
			return r->headers[i].value;
	return NULL;
}

bool http_header_has(const struct http_request *r, const char *name, const char *word)
{
	const char *at = http_header(r, name);
	size_t len = strlen(word);

	while (at && *at) {
		at += strspn(at, ", \t");
		size_t n = strcspn(at, ", \t");
		if (n == len && !strncasecmp(at, word, len))
			return true;
		at += n;
	}
	return false;
}

/* The value of KEY among "key=value" pairs with SEPARATORS between; *LEN its length. */
static const char *find_pair(const char *text, const char *separators, const char *key, size_t *len)
{
	size_t key_len = strlen(key);

	for (const char *at = text; *at;) {
		at += strspn(at, separators);
		size_t n = strcspn(at, separators);
		if (n >= key_len && !strncmp(at, key, key_len)) {
			if (n == key_len) {
				*len = 0;
				return at + n;
			}
			if (at[key_len] == '=') {
				*len = n - key_len - 1;
				return at + key_len + 1;
			}
		}
		at += n;
	}
	return NULL;
}

const char *http_query(const struct http_request *r, struct arena *a, const char *key)
{
	size_t len;
	const char *value = find_pair(r->query, "&", key, &len);

	return value ? percent_decode(a, value, len, true) : NULL;
}

struct string_list http_query_all(const struct http_request *r, struct arena *a, const char *key)
{
	struct string_list out = {0};
	const char *at = r->query, *value;
	size_t len, n = 0;

	for (; (value = find_pair(at, "&", key, &len)); at = value + len)
		n++;
	out.v = arena_calloc(a, n, sizeof(*out.v));
	for (at = r->query; (value = find_pair(at, "&", key, &len)); at = value + len) {
		const char *decoded = percent_decode(a, value, len, true);

		if (decoded)
			out.v[out.n++] = decoded;
	}
	return out;
}

const char *http_cookie(const struct http_request *r, struct arena *a, const char *key)
{
	const char *cookies = http_header(r, "cookie");
	size_t len;
	const char *value = cookies ? find_pair(cookies, "; ", key, &len) : NULL;

	return value ? percent_decode(a, value, len, false) : NULL;
}
