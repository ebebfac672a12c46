/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rounds, the arithmetic and the report of the benches. One thread; each side of each round is
 * a child process, so that neither its memory nor its pinning reaches the other.
 */
#include "tests/bench/bench.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 5, ROUNDS_MAX = 9, ROUNDS_MIN_KEPT = 3, WORDS_MAX = 16 };

/* ---- arithmetic ---- */

int64_t bench_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void bench_samples_add(struct bench_samples *s, int64_t ns)
{
	if (s->n == s->size) {
		s->size = s->size ? 2 * s->size : 4096;
		s->ns = realloc(s->ns, s->size * sizeof(*s->ns));
		assert(s->ns);
	}
	s->ns[s->n++] = ns;
}

static int by_int(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

void bench_samples_figures(struct bench_samples *s, struct bench_figures *out)
{
	if (s->n > 0) {
		qsort(s->ns, s->n, sizeof(*s->ns), by_int);
		out->p50 = (double)s->ns[s->n / 2] / 1e3;
		out->p99 = (double)s->ns[s->n * 99 / 100] / 1e3;
	}
	free(s->ns);
	*s = (struct bench_samples){0};
}

static int by_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(double *v, size_t n)
{
	assert(n > 0);
	qsort(v, n, sizeof(*v), by_double);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

enum bench_verdict bench_judge(const struct bench_row *row, double ratio, double base, double limit)
{
	if (row->pin == BENCH_FREE)
		return BENCH_SHOWN;
	/* A machine that is not itself proves nothing, in either direction. */
	if (limit > 0 && (base > 3 * limit || base < limit / 3))
		return BENCH_VOID;
	if (row->at_most > 0)
		return ratio <= row->at_most ? BENCH_PASSED : BENCH_FAILED;
	if (row->at_least > 0)
		return ratio >= row->at_least ? BENCH_PASSED : BENCH_FAILED;
	return BENCH_SHOWN;
}

/* ---- one side of one round ---- */

/* The last CPUs that we may use: the first ones serve most interrupts. */
static void pin(enum bench_pin how)
{
	cpu_set_t may, ours;
	int n = how == BENCH_PAIR ? 2 : 1;

	if (how == BENCH_FREE || sched_getaffinity(0, sizeof(may), &may) < 0)
		return;
	CPU_ZERO(&ours);
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0 && CPU_COUNT(&ours) < n; cpu--)
		if (CPU_ISSET(cpu, &may))
			CPU_SET(cpu, &ours);
	sched_setaffinity(0, sizeof(ours), &ours);
}

/* Becomes the base program; words are parted by blanks. */
static void exec_base(const char *line)
{
	const char *folder = getenv("BENCH_BASES");
	char *words[WORDS_MAX + 1] = {NULL};
	char *rest = strdup(line), path[4096];

	for (size_t n = 0; rest && n < WORDS_MAX;) {
		char *word = strsep(&rest, " ");
		if (*word)
			words[n++] = word;
	}
	snprintf(path, sizeof(path), "%s/%s", folder ? folder : "build/tests/bench", words[0]);
	execv(path, words);
	fprintf(stderr, "cannot run %s: %m\n", path);
}

static void child(const struct bench_row *row, bool is_base, int out_fd)
{
	struct bench_figures figures = {0};

	pin(row->pin);
	if (is_base) {
		dup2(out_fd, STDOUT_FILENO);
		exec_base(row->base);
		_exit(127);
	}
	row->fn(row->arg, &figures);
	dprintf(out_fd, "%.9g %.9g %.9g\n", figures.value, figures.p50, figures.p99);
	_exit(0);
}

/* Whether the side ran and gave its figures. */
static bool measure(const struct bench_row *row, bool is_base, struct bench_figures *out)
{
	int fds[2], status;

	fflush(NULL);
	if (pipe(fds) < 0)
		return false;
	pid_t pid = fork();
	if (pid == 0) {
		close(fds[0]);
		child(row, is_base, fds[1]);
	}
	close(fds[1]);
	FILE *f = fdopen(fds[0], "r");
	int n = f ? fscanf(f, "%lf %lf %lf", &out->value, &out->p50, &out->p99) : 0;
	if (f)
		fclose(f);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && n == 3 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static double pick(const struct bench_row *row, const struct bench_figures *f)
{
	switch (row->by) {
	case BENCH_BY_VALUE:
		return f->value;
	case BENCH_BY_P50:
		return f->p50;
	case BENCH_BY_P99:
		return f->p99;
	}
	return 0;
}

/* ---- a row ---- */

struct outcome {
	double value, base, ratio, p50, p99, limit, load;
	size_t n_kept;
	enum bench_verdict verdict;
};

struct rounds {
	size_t n;
	double ours[ROUNDS_MAX], base[ROUNDS_MAX], p50[ROUNDS_MAX], p99[ROUNDS_MAX];
};

/* Keeps the rounds whose base is within 30 % of the median base; how many. */
static size_t steady(struct rounds *r)
{
	double sorted[ROUNDS_MAX];
	size_t n = 0;

	memcpy(sorted, r->base, r->n * sizeof(*sorted));
	double middle = bench_median(sorted, r->n);
	for (size_t i = 0; i < r->n; i++) {
		if (r->base[i] < 0.7 * middle || r->base[i] > 1.3 * middle)
			continue;
		r->ours[n] = r->ours[i];
		r->base[n] = r->base[i];
		r->p50[n] = r->p50[i];
		r->p99[n] = r->p99[i];
		n++;
	}
	return n;
}

static bool one_round(const struct bench_row *row, struct rounds *r)
{
	struct bench_figures base = {.value = 1, .p50 = 1, .p99 = 1}, ours;

	if (row->base && !measure(row, true, &base)) {
		fprintf(stderr, "%s: no figures from %s\n", row->name, row->base);
		return false;
	}
	if (!measure(row, false, &ours)) {
		fprintf(stderr, "%s: our side gave no figures\n", row->name);
		return false;
	}
	r->base[r->n] = pick(row, &base);
	r->ours[r->n] = pick(row, &ours);
	r->p50[r->n] = ours.p50;
	r->p99[r->n] = ours.p99;
	r->n++;
	return true;
}

/* The value of KEY in tests/bench/limits.txt; 0: not listed. */
static double limit_of(const char *key)
{
	char line[256], name[64];
	double value, found = 0;
	FILE *f = key ? fopen("tests/bench/limits.txt", "re") : NULL;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %lf", name, &value) == 2 && strcmp(name, key) == 0)
			found = value;
	}
	if (f)
		fclose(f);
	if (key && found == 0)
		fprintf(stderr, "tests/bench/limits.txt does not know %s\n", key);
	return found;
}

static bool run_row(const struct bench_row *row, struct outcome *out)
{
	size_t wanted = row->rounds ? row->rounds : ROUNDS;
	struct rounds r = {0}, kept;
	double ratios[ROUNDS_MAX];

	do {
		if (!one_round(row, &r))
			return false;
		kept = r;
		kept.n = steady(&kept);
	} while (r.n < wanted || (kept.n < ROUNDS_MIN_KEPT && r.n < ROUNDS_MAX));
	for (size_t i = 0; i < kept.n; i++)
		ratios[i] = kept.base[i] > 0 ? kept.ours[i] / kept.base[i] : 0;
	*out = (struct outcome){.n_kept = kept.n, .limit = limit_of(row->limit)};
	if (kept.n == 0 || getloadavg(&out->load, 1) != 1)
		return false;
	out->value = bench_median(kept.ours, kept.n);
	out->base = row->base ? bench_median(kept.base, kept.n) : 0;
	out->ratio = bench_median(ratios, kept.n);
	out->p50 = bench_median(kept.p50, kept.n);
	out->p99 = bench_median(kept.p99, kept.n);
	out->verdict = bench_judge(row, out->ratio, out->base, out->limit);
	if (kept.n < ROUNDS_MIN_KEPT && out->verdict != BENCH_SHOWN)
		out->verdict = BENCH_VOID;
	return true;
}

/* ---- the report ---- */

static const char *verdict_word(enum bench_verdict v, bool is_json)
{
	switch (v) {
	case BENCH_PASSED:
		return is_json ? "true" : "yes";
	case BENCH_FAILED:
		return is_json ? "false" : "NO";
	case BENCH_VOID:
		return is_json ? "\"void\"" : "void";
	case BENCH_SHOWN:
		return is_json ? "null" : "";
	}
	return "";
}

static void goal_text(const struct bench_row *row, char *out, size_t size)
{
	out[0] = '\0';
	if (row->at_most > 0)
		snprintf(out, size, "<= %g", row->at_most);
	else if (row->at_least > 0)
		snprintf(out, size, ">= %g", row->at_least);
}

static void print_row(const struct bench_row *row, const struct outcome *o)
{
	char goal[32], ratio[32] = "";

	goal_text(row, goal, sizeof(goal));
	if (row->base)
		snprintf(ratio, sizeof(ratio), "%.3f", o->ratio);
	printf("%-34s %12.4g %-6s %-26s %8s %9s %-4s %9.4g %9.4g %5.2f\n", row->name, o->value,
		row->unit, row->base ? row->base : "", ratio, goal, verdict_word(o->verdict, false),
		o->p50, o->p99, o->load);
	if (o->verdict == BENCH_VOID)
		printf("%34s void: the base gave %.4g, %s says %.4g; %zu steady rounds\n", "",
			o->base, row->limit ? row->limit : "no limit", o->limit, o->n_kept);
	fflush(stdout);
}

static void write_row(
	FILE *f, const char *before, const struct bench_row *row, const struct outcome *o)
{
	char goal[32];

	goal_text(row, goal, sizeof(goal));
	fprintf(f, "%s\n\t{\"name\": \"%s\", \"value\": %.9g, \"unit\": \"%s\", ", before,
		row->name, o->value, row->unit);
	if (row->base)
		fprintf(f, "\"against\": \"%s\", \"base\": %.9g, \"ratio\": %.9g, ", row->base,
			o->base, o->ratio);
	else
		fprintf(f, "\"against\": null, \"base\": null, \"ratio\": null, ");
	if (goal[0])
		fprintf(f, "\"goal\": \"%s\", ", goal);
	else
		fprintf(f, "\"goal\": null, ");
	fprintf(f, "\"pass\": %s, \"pinned\": %s, ", verdict_word(o->verdict, true),
		row->pin == BENCH_FREE ? "false" : "true");
	fprintf(f, "\"p50\": %.9g, \"p99\": %.9g, \"load\": %.2f}", o->p50, o->p99, o->load);
}

int bench_main(const char *name, const struct bench_row *rows, size_t n, int argc, char **argv)
{
	const char *out = getenv("BENCH_OUT");
	const char *before = "";
	char path[4096];
	int code = 0;

	snprintf(path, sizeof(path), "build/bench/%s.json", name);
	FILE *f = fopen(out ? out : path, "we");
	if (!f) {
		fprintf(stderr, "cannot write %s: %m\n", out ? out : path);
		return 1;
	}
	printf("%-34s %12s %-6s %-26s %8s %9s %-4s %9s %9s %5s\n", name, "value", "unit", "against",
		"ratio", "goal", "pass", "p50", "p99", "load");
	fprintf(f, "[");
	for (size_t i = 0; i < n; i++) {
		struct outcome o;

		if (argc > 1 && !strstr(rows[i].name, argv[1]))
			continue;
		if (!run_row(&rows[i], &o)) {
			code = 1;
			continue;
		}
		print_row(&rows[i], &o);
		write_row(f, before, &rows[i], &o);
		before = ",";
	}
	fprintf(f, "\n]\n");
	if (fclose(f) != 0)
		code = 1;
	return code;
}
