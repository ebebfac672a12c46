/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one logger (log.h). A line is formatted in buffers of the calling thread (not on a fiber's
 * stack, whose touched pages stay) and leaves by one write or one message to journald, so lines of
 * threads and processes never mix. The list of modules, the levels that were asked for and all rate
 * limits are under one lock; whether a line is on is two atomic reads.
 */
#include "common/log.h"

#include "common/fiber.h"
#include "common/mem.h"
#include "common/systemd.h"
#include "common/utf8.h"
#include "core.gen.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* A whole line, newline included, is at most PIPE_BUF bytes: a pipe takes that in one piece. */
#define LINE_SIZE 4096
#define HEAD_SIZE 512
/* Names that levels were set for, known modules or not: a peer may ask, so it is bounded. */
#define MAX_WISHES 256

/* A level that was set for a name; modules of that name which turn up later take it. */
struct wish {
	char *module;
	enum log_level level;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_module *modules; /* under lock; grows at its head only */
static struct wish wishes[MAX_WISHES]; /* under lock */
static size_t n_wishes;
static atomic_int default_level = LOG_INFO_;

/* Set by log_init, before there are threads. */
static char program_name[32] = "xenith";
static bool to_journal;

static const char *const level_names[] = {
	[LOG_BUG_] = "bug",
	[LOG_ERROR_] = "error",
	[LOG_WARN_] = "warn",
	[LOG_INFO_] = "info",
	[LOG_DEBUG_] = "debug",
};

/* ---- levels ---- */

static struct wish *wish_find(const char *module)
{
	for (size_t i = 0; i < n_wishes; i++)
		if (!strcmp(wishes[i].module, module))
			return &wishes[i];
	return NULL;
}

static void module_list(struct log_module *m)
{
	pthread_mutex_lock(&lock);
	if (!atomic_load(&m->is_listed)) {
		struct wish *w = wish_find(m->name);

		if (w)
			atomic_store(&m->level, (int)w->level);
		m->next = modules;
		modules = m;
		atomic_store(&m->is_listed, true);
	}
	pthread_mutex_unlock(&lock);
}

bool log_is_on(struct log_module *m, enum log_level level)
{
	if (!atomic_load_explicit(&m->is_listed, memory_order_acquire))
		module_list(m);
	int limit = atomic_load_explicit(&m->level, memory_order_relaxed);
	if (limit < 0)
		limit = atomic_load_explicit(&default_level, memory_order_relaxed);
	return (int)level <= limit;
}

/* Sets the level of all modules of this name, present and future. Under the lock. */
static bool module_set(const char *name, enum log_level level)
{
	struct wish *w = wish_find(name);
	bool found = false;

	if (!w && n_wishes < MAX_WISHES) {
		w = &wishes[n_wishes++];
		w->module = xstrdup(name);
	}
	if (w)
		w->level = level;
	for (struct log_module *m = modules; m; m = m->next) {
		if (strcmp(m->name, name))
			continue;
		atomic_store(&m->level, (int)level);
		found = true;
	}
	return found;
}

bool log_set_level(const char *module, enum log_level level)
{
	if (!module) {
		atomic_store(&default_level, (int)level);
		return true;
	}
	pthread_mutex_lock(&lock);
	bool found = module_set(module, level);
	pthread_mutex_unlock(&lock);
	return found;
}

bool log_level_parse(const char *name, enum log_level *out)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (!strcmp(level_names[i], name)) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

static void levels_forget(void)
{
	for (struct log_module *m = modules; m; m = m->next)
		atomic_store(&m->level, -1);
	for (size_t i = 0; i < n_wishes; i++)
		free(wishes[i].module);
	n_wishes = 0;
	atomic_store(&default_level, LOG_INFO_);
}

/* One item of log_configure's list, checked; carried out when APPLY. ITEM is cut at its '='. */
static struct err *item_configure(char *item, bool apply)
{
	char *equals = strchr(item, '=');
	const char *word = equals ? equals + 1 : item;
	enum log_level level;

	if (!log_level_parse(word, &level)) {
		auto_str reason =
			xasprintf("'%s' is no level; they are bug, error, warn, info, debug", word);
		return err(INVALID_VALUE, "log level", reason);
	}
	if (equals == item)
		return err(INVALID_VALUE, "log level", "there is no module before '='");
	if (!apply)
		return NULL;
	if (equals) {
		*equals = '\0';
		module_set(item, level);
	} else {
		atomic_store(&default_level, (int)level);
	}
	return NULL;
}

static struct err *levels_walk(const char *levels, bool apply)
{
	auto_str copy = xstrdup(levels);
	char *rest;

	for (char *item = strtok_r(copy, ", \t", &rest); item; item = strtok_r(NULL, ", \t", &rest))
		TRY(item_configure(item, apply));
	return NULL;
}

struct err *log_configure(const char *levels)
{
	TRY(levels_walk(levels, false));
	pthread_mutex_lock(&lock);
	levels_forget();
	err_free(levels_walk(levels, true)); /* checked above */
	pthread_mutex_unlock(&lock);
	return NULL;
}

void log_init(const char *program)
{
	const char *levels = getenv("XENITH_LOG");

	snprintf(program_name, sizeof(program_name), "%s", program);
	to_journal = systemd_has_journal();
	if (!levels)
		return;
	auto_err e = log_configure(levels);
	if (e)
		log_err(LOG_WARN_, e, "XENITH_LOG is not used");
}

/* ---- rate limits ---- */

bool log_rate_ok_at(struct log_rate *r, int64_t now, unsigned *dropped)
{
	pthread_mutex_lock(&lock);
	if (now >= r->window_end) {
		r->window_end = now + r->period_ns;
		r->written = 0;
	}
	bool ok = r->written < r->burst;
	if (ok) {
		r->written++;
		*dropped = r->dropped;
		r->dropped = 0;
	} else {
		r->dropped++;
	}
	pthread_mutex_unlock(&lock);
	return ok;
}

bool log_rate_ok(struct log_rate *r, unsigned *dropped)
{
	return log_rate_ok_at(r, clock_mono_ns(), dropped);
}

/* ---- one line ---- */

/* One call's line and where it comes from. */
struct line {
	const struct log_module *module;
	enum log_level level;
	const char *file;
	int number;
	char tag[256]; /* of the fiber, or of the work that this thread does for one */
	char raw[LINE_SIZE];
	char text[LINE_SIZE]; /* escaped and cut */
	size_t text_len;
};

/* What leaves: a line, or the fields of a message. */
union message {
	char line[LINE_SIZE];
	struct {
		struct iovec fields[7];
		char message[LINE_SIZE + 16];
		char priority[16], program[64], file[160], number[32], module[64], tag[272];
	} journal;
};

/* FULL_LEN is the length of the text of which RAW holds the first RAW_LEN bytes. */
static void line_escape(struct line *l, size_t room, size_t raw_len, size_t full_len)
{
	char mark[48];
	size_t used;

	l->text_len = utf8_escape(l->text, room, l->raw, raw_len, &used);
	if (used == full_len)
		return;
	/* Again, leaving room for the mark. */
	l->text_len = utf8_escape(l->text, room - sizeof(mark), l->raw, raw_len, &used);
	int n = snprintf(mark, sizeof(mark), "...[cut: %zu bytes more]", full_len - used);
	memcpy(l->text + l->text_len, mark, (size_t)n);
	l->text_len += (size_t)n;
}

static void line_format(struct line *l, int errnum, const char *fmt, va_list ap)
{
	errno = errnum; /* for %m */
	int n = vsnprintf(l->raw, sizeof(l->raw), fmt, ap);
	if (n < 0)
		n = snprintf(l->raw, sizeof(l->raw), "(a line that cannot be formatted: %s)", fmt);
	line_escape(l, LINE_SIZE - HEAD_SIZE, strnlen(l->raw, sizeof(l->raw)), (size_t)n);
}

/* Escaped, and without spaces, so that a line has fixed columns. */
static void line_set_tag(struct line *l, const char *tag)
{
	size_t used;

	if (!tag || !*tag)
		tag = "-";
	size_t n = utf8_escape(l->tag, sizeof(l->tag) - 1, tag, strlen(tag), &used);
	l->tag[n] = '\0';
	for (char *c = l->tag; *c; c++)
		if (*c == ' ')
			*c = '_';
}

static size_t head_make(char *head, const struct line *l)
{
	struct timespec now;
	struct tm tm;
	char seconds[32];

	/* Not clock_real_ns: where a test has stopped the clock, its log still tells the time. */
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &tm);
	int n = snprintf(head, HEAD_SIZE, "%s.%03ldZ %s %s[%.32s] %s ", seconds,
		now.tv_nsec / 1000000, level_names[l->level], program_name, l->module->name,
		l->tag);
	return n < HEAD_SIZE ? (size_t)n : HEAD_SIZE - 1;
}

static void to_stderr(char *out, const struct line *l)
{
	size_t len = head_make(out, l);

	/* Both parts and the newline fit: text_len is at most LINE_SIZE - HEAD_SIZE. */
	memcpy(out + len, l->text, l->text_len);
	len += l->text_len;
	out[len++] = '\n';
	while (write(STDERR_FILENO, out, len) < 0 && errno == EINTR)
		;
}

static int to_journald(union message *out, const struct line *l)
{
	static const int priorities[] = {
		[LOG_BUG_] = 2,
		[LOG_ERROR_] = 3,
		[LOG_WARN_] = 4,
		[LOG_INFO_] = 6,
		[LOG_DEBUG_] = 7,
	};
	char *const strings[] = {out->journal.message, out->journal.priority, out->journal.program,
		out->journal.file, out->journal.number, out->journal.module, out->journal.tag};

#define FIELD(name, ...) snprintf(out->journal.name, sizeof(out->journal.name), __VA_ARGS__)
	FIELD(message, "MESSAGE=%s%.*s", l->level == LOG_BUG_ ? "bug: " : "", (int)l->text_len,
		l->text);
	FIELD(priority, "PRIORITY=%d", priorities[l->level]);
	FIELD(program, "SYSLOG_IDENTIFIER=%s", program_name);
	FIELD(file, "CODE_FILE=%s", l->file);
	FIELD(number, "CODE_LINE=%d", l->number);
	FIELD(module, "XENITH_MODULE=%s", l->module->name);
	FIELD(tag, "XENITH_TAG=%s", l->tag);
#undef FIELD
	for (size_t i = 0; i < ARRAY_LEN(strings); i++)
		out->journal.fields[i] = (struct iovec){strings[i], strlen(strings[i])};
	return systemd_journal_send(out->journal.fields, ARRAY_LEN(strings));
}

static void line_write(struct log_module *m, enum log_level level, const char *file, int number,
	const char *fmt, va_list ap)
{
	static _Thread_local struct line line;
	static _Thread_local union message message;
	int saved = errno;

	line.module = m;
	line.level = level;
	line.file = file;
	line.number = number;
	line_set_tag(&line, fiber_tag());
	line_format(&line, saved, fmt, ap);
	if (!to_journal || to_journald(&message, &line) < 0)
		to_stderr(message.line, &line);
	errno = saved;
}

void log_write(struct log_module *m, enum log_level level, const char *file, int line,
	const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line_write(m, level, file, line, fmt, ap);
	va_end(ap);
}

void log_write_err(struct log_module *m, enum log_level level, const char *file, int line,
	struct err *e, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	auto_str what = xvasprintf(fmt, ap);
	va_end(ap);
	errno = saved;
	log_write(m, level, file, line, "%s: %s", what, e ? err_text(e) : "no error");
}
