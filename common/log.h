/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one logger: journald when it is there, else stderr. Each line carries the daemon, the module,
 * and the tag of the fiber (a task or request id). Control characters are escaped; a secret has a
 * type of its own (schema.h) that no format can print. Safe from every thread.
 *
 *	2027-03-01T12:00:00.123Z warn xenopsd[queue] task-17 the text, one line
 *	TIME                     LEVEL NAME[MODULE]  TAG (- if none; no spaces)
 *
 * A file names its module before including this header (default: the daemon's name):
 *
 *	#define LOG_MODULE "queue"
 */
#ifndef XENITH_COMMON_LOG_H
#define XENITH_COMMON_LOG_H

#include "common/dialect.h"
#include "common/err.h"

#include <stdarg.h>
#include <stdatomic.h>

/* The underscores keep them apart from <syslog.h>. */
enum log_level { LOG_BUG_, LOG_ERROR_, LOG_WARN_, LOG_INFO_, LOG_DEBUG_ };

/* One for each module, linked into a list when it first logs; its level can be set at run time. */
struct log_module {
	const char *name;
	atomic_int level; /* -1: follows the default */
	atomic_bool is_listed;
	struct log_module *next;
};

#ifndef LOG_MODULE
#define LOG_MODULE "main"
#endif

static maybe_unused struct log_module log_this_module = {.name = LOG_MODULE, .level = -1};

/* For the macros below: whether a line of this level would be written, and writing it. */
bool log_is_on(struct log_module *m, enum log_level level);
void log_write(struct log_module *m, enum log_level level, const char *file, int line,
	const char *fmt, ...) printf_like(5, 6);

#define log_at(level, ...) \
	do { \
		if (log_is_on(&log_this_module, level)) \
			log_write(&log_this_module, level, __FILE__, __LINE__, __VA_ARGS__); \
	} while (0)

/* bug: something that cannot happen did, and the daemon goes on. */
#define log_bug(...)   log_at(LOG_BUG_, __VA_ARGS__)
#define log_error(...) log_at(LOG_ERROR_, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN_, __VA_ARGS__)
#define log_info(...)  log_at(LOG_INFO_, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG_, __VA_ARGS__)

/* The same with an error behind the text (borrowed; NULL: none): "TEXT: CODE(param): detail". */
void log_write_err(struct log_module *m, enum log_level level, const char *file, int line,
	struct err *e, const char *fmt, ...) printf_like(6, 7);

#define log_err(level, e, ...) \
	do { \
		if (log_is_on(&log_this_module, level)) \
			log_write_err( \
				&log_this_module, level, __FILE__, __LINE__, e, __VA_ARGS__); \
	} while (0)

/* At most BURST lines in each PERIOD; what was left out is told with the next line that is written.
 * Safe from every thread. */
struct log_rate {
	int64_t period_ns;
	unsigned burst;
	int64_t window_end; /* this and what follows: under the logger's lock */
	unsigned written, dropped;
};
bool log_rate_ok(struct log_rate *r, unsigned *dropped);
/* The same at a given time, for tests. */
bool log_rate_ok_at(struct log_rate *r, int64_t now, unsigned *dropped);

#define log_rl(level, ...) \
	do { \
		static struct log_rate rate_ = {.period_ns = 10000000000, .burst = 5}; \
		unsigned dropped_; \
		if (log_is_on(&log_this_module, level) && log_rate_ok(&rate_, &dropped_)) { \
			log_write(&log_this_module, level, __FILE__, __LINE__, __VA_ARGS__); \
			if (dropped_) \
				log_write(&log_this_module, level, __FILE__, __LINE__, \
					"%u similar lines were left out", dropped_); \
		} \
	} while (0)

/* PROGRAM names the daemon in each line. Chooses journald or stderr, and takes the levels of the
 * environment (XENITH_LOG, as log_configure). Before there are threads. */
void log_init(const char *program);

/* MODULE NULL: the default level. False when no module has that name (it is kept for when one
 * turns up). */
bool log_set_level(const char *module, enum log_level level);
bool log_level_parse(const char *name, enum log_level *out);
const char *log_level_name(enum log_level level);

/* All levels at once, forgetting those set before: "info", "warn,queue=debug,rpc=info". On an error
 * (INVALID_VALUE) nothing changes. */
must_check struct err *log_configure(const char *levels);

#endif
