/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a bench is made of. A bench program lists rows; a row measures our side and, in the same
 * rounds and pinned alike, a base: a program of tests/bench/base_*.c that holds no project code.
 * What counts is the ratio, never the absolute figure: the median over five rounds of ours by base.
 *
 *	static void echo(void *arg, struct bench_figures *out) { … one short round … }
 *
 *	int main(int argc, char **argv)
 *	{
 *		const struct bench_row rows[] = {
 *			{.name = "single call", .unit = "us", .fn = echo, .by = BENCH_BY_P50,
 *				.base = "base_unix_hop 200 1", .pin = BENCH_SAME,
 *				.at_most = 1.6, .limit = "unix_hop_p50"},
 *		};
 *		return bench_main("rpc", rows, ARRAY_LEN(rows), argc, argv);
 *	}
 *
 * Each round of each side is a process of its own. Called with a word, the program runs only the
 * rows whose name has it.
 */
#ifndef XENITH_TESTS_BENCH_BENCH_H
#define XENITH_TESTS_BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>

/* What one round of one side found. A base program prints these three with bench_print's format:
 * "VALUE P50 P99", a number that has no meaning for it as 0. */
struct bench_figures {
	double value; /* a rate, a size: the row's unit says */
	double p50, p99; /* microseconds */
};

typedef void (*bench_fn)(void *arg, struct bench_figures *out);

enum bench_by { BENCH_BY_VALUE, BENCH_BY_P50, BENCH_BY_P99 };

/* Both ends of the measured thing on one CPU: its work. On two: what several processes do at once.
 * Free: what a user sees, goals never. */
enum bench_pin { BENCH_SAME, BENCH_PAIR, BENCH_FREE };

struct bench_row {
	const char *name;
	const char *unit;
	bench_fn fn; /* one round of ours, in a child process */
	void *arg;
	const char *base; /* program and arguments; NULL: the goal is for the value itself */
	enum bench_by by; /* which figure is compared */
	enum bench_pin pin;
	double at_most,
		at_least; /* the goal for the ratio (without a base: for the value); 0: none */
	unsigned rounds; /* of what takes long; 0: five */
	const char *limit; /* the key in limits.txt that the base is held against, or NULL */
};

/* Runs the rows and writes the table and $BENCH_OUT (else build/bench/NAME.json). Returns what
 * main returns: 0 when every row could be measured, whether or not it met its goal. */
int bench_main(const char *name, const struct bench_row *rows, size_t n, int argc, char **argv);

/* Durations of a round; bench_samples_figures sorts them and frees. */
struct bench_samples {
	int64_t *ns; /* owned */
	size_t n, size;
};

int64_t bench_now_ns(void);
void bench_samples_add(struct bench_samples *s, int64_t ns);
void bench_samples_figures(struct bench_samples *s, struct bench_figures *out);

/* The middle of N values; they are sorted in place. */
double bench_median(double *v, size_t n);

enum bench_verdict { BENCH_PASSED, BENCH_FAILED, BENCH_VOID, BENCH_SHOWN };

/* How ROW came out: RATIO against the goal, BASE (0: none) against its LIMIT (0: none). */
enum bench_verdict bench_judge(
	const struct bench_row *row, double ratio, double base, double limit);

#endif
