/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mapped file of the short archives (series.h): a head, the columns, then the rows of either
 * archive, each a ring. What a new sample changes beside its rows is there twice, in two banks; the
 * head says which one counts, and that is written last. Loop thread.
 */
#define LOG_MODULE "series"
#include "rrdd/series.h"

#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "core.gen.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define MAGIC         "XENSERIE"
#define FORM          1
#define FIRST_COLUMNS 32

/* One state of the series. */
struct bank {
	int64_t step; /* of the last row; 0: none */
	int64_t taken_ns;
};

struct series_head {
	char magic[8];
	uint32_t form;
	uint32_t capacity; /* of columns; rows have that many places */
	_Atomic uint32_t n_columns;
	_Atomic uint32_t current; /* of banks */
	struct bank banks[2];
	struct column columns[];
};

static size_t size_for(size_t capacity)
{
	return sizeof(struct series_head) + capacity * sizeof(struct column) +
		2 * ROWS * capacity * sizeof(double);
}

static uint32_t current(const struct series *s)
{
	return atomic_load(&s->head->current) & 1;
}

static double *row_at(const struct series *s, unsigned archive, int64_t number)
{
	double *first = (double *)&s->head->columns[s->head->capacity];

	return first + ((size_t)archive * ROWS + (size_t)(number % ROWS)) * s->head->capacity;
}

static double *step_row(const struct series *s, int64_t step)
{
	return row_at(s, 0, step);
}

static double *minute_row(const struct series *s, int64_t minute)
{
	return row_at(s, 1, minute);
}

/* ---- the file ---- */

static struct err *map(struct series *s, int fd, size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return err_errno(errno, "mapping %s", s->path);
	s->head = at;
	s->size = size;
	return NULL;
}

static void unmap(struct series *s)
{
	if (s->head)
		munmap(take(s->head), s->size);
}

static void fill_new(struct series_head *head, size_t capacity)
{
	double *rows = (double *)&head->columns[capacity];

	memcpy(head->magic, MAGIC, sizeof(head->magic));
	head->form = FORM;
	head->capacity = (uint32_t)capacity;
	for (size_t i = 0; i < 2 * ROWS * capacity; i++)
		rows[i] = NAN;
}

/* A new file in the place of what is there, with room for CAPACITY columns and FROM's content (or
 * none). */
static struct err *make(struct series *s, size_t capacity, const struct series *from)
{
	auto_str tmp = xasprintf("%s.new", s->path);
	size_t size = size_for(capacity);
	auto_fd fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);

	/* All of it at once: a full tmpfs is an error here, and would be a signal later. */
	if (fd < 0)
		return err_errno(errno, "making %s", tmp);
	int r = posix_fallocate(fd, 0, (off_t)size);
	if (r)
		return err_errno(r, "making %s", tmp);
	TRY(map(s, fd, size));
	fill_new(s->head, capacity);
	if (from) {
		size_t n = from->head->n_columns;

		memcpy(s->head->columns, from->head->columns, n * sizeof(struct column));
		memcpy(s->head->banks, from->head->banks, sizeof(s->head->banks));
		s->head->current = from->head->current;
		s->head->n_columns = (uint32_t)n;
		for (unsigned archive = 0; archive < 2; archive++)
			for (int64_t i = 0; i < ROWS; i++)
				memcpy(row_at(s, archive, i), row_at(from, archive, i),
					n * sizeof(double));
	}
	if (rename(tmp, s->path))
		return err_errno(errno, "making %s", s->path);
	return NULL;
}

static const char *problem(const struct series *s, size_t size)
{
	const struct series_head *head = s->head;

	if (memcmp(head->magic, MAGIC, sizeof(head->magic)) || head->form != FORM)
		return "it is of another form";
	if (!head->capacity || head->capacity > MAX_COLUMNS || size != size_for(head->capacity) ||
		head->n_columns > head->capacity)
		return "its size is not right";
	for (size_t i = 0; i < head->n_columns; i++) {
		const struct column *c = &head->columns[i];

		if (!memchr(c->name, '\0', sizeof(c->name)) ||
			!memchr(c->units, '\0', sizeof(c->units)) ||
			!memchr(c->description, '\0', sizeof(c->description)))
			return "a name in it has no end";
	}
	if (head->banks[0].step < 0 || head->banks[1].step < 0)
		return "a time in it is not right";
	return NULL;
}

/* NULL head: it is not there, or not to be used. */
static struct err *open_existing(struct series *s)
{
	struct stat st;
	auto_fd fd = open(s->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 || fstat(fd, &st))
		return err_errno(errno, "opening %s", s->path);
	const char *why = "it is too short";
	if ((size_t)st.st_size >= sizeof(struct series_head)) {
		TRY(map(s, fd, (size_t)st.st_size));
		why = problem(s, (size_t)st.st_size);
	}
	if (why) {
		log_warn("%s is made anew: %s", s->path, why);
		unmap(s);
	}
	return NULL;
}

struct err *series_open(struct series **out, const char *path)
{
	struct series *s = xnew(struct series);

	s->path = xstrdup(path);
	struct err *e = open_existing(s);
	if (!e && !s->head)
		e = make(s, FIRST_COLUMNS, NULL);
	if (e)
		series_close(s);
	else
		*out = s;
	return e;
}

void series_close(struct series *s)
{
	if (!s)
		return;
	unmap(s);
	free(s->path);
	free(s);
}

void series_remove(struct series *s)
{
	if (unlink(s->path))
		log_warn("%s stays: %m", s->path);
	series_close(s);
}

/* ---- columns ---- */

int series_find(const struct series *s, const char *name)
{
	for (size_t i = 0; i < s->head->n_columns; i++)
		if (!strcmp(s->head->columns[i].name, name))
			return (int)i;
	return -1;
}

static struct err *make_room(struct series *s)
{
	struct series old = *s;

	if (s->head->n_columns < s->head->capacity)
		return NULL;
	if (s->head->capacity >= MAX_COLUMNS)
		return err(LIMIT_EXCEEDED, "data sources of one owner", "1024");
	s->head = NULL;
	struct err *e = make(s, old.head->capacity * 2, &old);
	if (e) {
		unmap(s);
		s->head = old.head;
		s->size = old.size;
		return e;
	}
	munmap(old.head, old.size);
	return NULL;
}

static struct err *add_column(struct series *s, const struct sample *sample)
{
	TRY(make_room(s));
	size_t i = s->head->n_columns;
	struct column *c = &s->head->columns[i];

	*c = (struct column){.kind = sample->kind, .max = sample->max, .raw = {NAN, NAN}};
	snprintf(c->name, sizeof(c->name), "%s", sample->name);
	snprintf(c->units, sizeof(c->units), "%s", sample->units);
	snprintf(c->description, sizeof(c->description), "%s", sample->description);
	for (int64_t row = 0; row < ROWS; row++) {
		step_row(s, row)[i] = NAN;
		minute_row(s, row)[i] = NAN;
	}
	atomic_store(&s->head->n_columns, (uint32_t)i + 1);
	return NULL;
}

void series_forget(struct series *s, size_t column)
{
	for (int64_t row = 0; row < ROWS; row++) {
		step_row(s, row)[column] = NAN;
		minute_row(s, row)[column] = NAN;
	}
}

/* ---- a sample ---- */

/* What a column is to show from the last sample to this one. */
static double value_of(const struct column *c, double raw, double before, double seconds)
{
	double value = raw;

	if (c->kind == COLUMN_COUNTER)
		value = raw < before || seconds <= 0 ? NAN : (raw - before) / seconds;
	return value > c->max ? c->max : value;
}

/* The average of the minute's rows, when at least half of them are known. What stands where rows
 * before OLDEST were is from another time. */
static double consolidate(const struct series *s, int64_t minute, size_t column, int64_t oldest)
{
	int64_t first = (minute - 1) * STEPS_A_MINUTE + 1;
	double sum = 0;
	unsigned n = 0;

	for (int64_t step = first > oldest ? first : oldest; step < first + STEPS_A_MINUTE;
		step++) {
		double v = step_row(s, step)[column];

		if (!isnan(v)) {
			sum += v;
			n++;
		}
	}
	return 2 * n >= STEPS_A_MINUTE ? sum / n : NAN;
}

/* The rows behind LAST up to STEP, of which only as many as there are. Those between are VALUES
 * too when IS_STEADY, else nothing is known of them. */
static void write_rows(
	struct series *s, int64_t last, int64_t step, const double *values, bool is_steady)
{
	size_t n = s->head->n_columns;
	int64_t oldest = step - ROWS + 1, from = step - last > ROWS ? oldest : last + 1;

	for (int64_t at = from; at <= step; at++) {
		for (size_t i = 0; i < n; i++)
			step_row(s, at)[i] = is_steady || at == step ? values[i] : NAN;
		if (at % STEPS_A_MINUTE)
			continue;
		for (size_t i = 0; i < n; i++)
			minute_row(s, at / STEPS_A_MINUTE)[i] =
				consolidate(s, at / STEPS_A_MINUTE, i, oldest);
	}
}

/* The minutes that ended before what write_rows looks at are not known. */
static void forget_minutes(struct series *s, int64_t last, int64_t step)
{
	int64_t from = last / STEPS_A_MINUTE + 1, to = (step - ROWS) / STEPS_A_MINUTE;

	if (to - from >= ROWS)
		from = to - ROWS + 1;
	for (int64_t minute = from; minute <= to; minute++)
		for (size_t i = 0; i < s->head->n_columns; i++)
			minute_row(s, minute)[i] = NAN;
}

/* The clock was set back beyond all that is kept: what is there belongs to no time any more. */
static void begin_anew(struct series *s)
{
	log_warn("%s begins anew: the clock was set back", s->path);
	s->head->banks[!current(s)] = (struct bank){0};
	atomic_store(&s->head->current, !current(s));
	for (int64_t row = 0; row < ROWS; row++) {
		for (size_t i = 0; i < s->head->capacity; i++) {
			step_row(s, row)[i] = NAN;
			minute_row(s, row)[i] = NAN;
		}
	}
}

struct err *series_add(struct series *s, int64_t step, const struct samples *samples)
{
	double values[MAX_COLUMNS];

	if (step < series_last(s) - ROWS)
		begin_anew(s);
	struct bank before = s->head->banks[current(s)];
	if (step <= before.step)
		return NULL;
	for (size_t i = 0; i < samples->v.n; i++)
		if (series_find(s, samples->v.v[i].name) < 0)
			TRY(add_column(s, &samples->v.v[i]));

	struct series_head *head = s->head;
	uint32_t old = current(s), new = !old;
	bool is_steady = (step - before.step) * STEP_S <= HEARTBEAT_S;
	double seconds = (double)(samples->taken_ns - before.taken_ns) / 1e9;
	for (size_t i = 0; i < head->n_columns; i++) {
		values[i] = NAN;
		head->columns[i].raw[new] = NAN;
	}
	for (size_t i = 0; i < samples->v.n; i++) {
		int at = series_find(s, samples->v.v[i].name);
		struct column *c = &head->columns[at];

		c->raw[new] = samples->v.v[i].value;
		values[at] = value_of(c, c->raw[new], is_steady ? c->raw[old] : NAN, seconds);
	}
	forget_minutes(s, before.step, step);
	write_rows(s, before.step, step, values, is_steady);
	head->banks[new] = (struct bank){step, samples->taken_ns};
	atomic_store(&head->current, new);
	return NULL;
}

/* ---- looking ---- */

size_t series_n_columns(const struct series *s)
{
	return s->head->n_columns;
}

const struct column *series_column(const struct series *s, size_t i)
{
	return &s->head->columns[i];
}

int64_t series_last(const struct series *s)
{
	return s->head->banks[current(s)].step;
}

double series_raw(const struct series *s, size_t column)
{
	return s->head->columns[column].raw[current(s)];
}

double series_value(const struct series *s, int64_t step, size_t column)
{
	int64_t last = series_last(s);

	return step > last || step <= last - ROWS || step < 1 ? NAN : step_row(s, step)[column];
}

double series_minute(const struct series *s, int64_t minute, size_t column)
{
	int64_t last = series_last(s) / STEPS_A_MINUTE;

	return minute > last || minute <= last - ROWS || minute < 1 ? NAN
								    : minute_row(s, minute)[column];
}
