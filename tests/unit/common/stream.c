/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/stream.c: shared bytes among a stream's own, in their order, and let go of in every way
 * that they can end; a buffer that shrinks. (TLS: tls.c.)
 */
#include "common/stream.h"

#include "common/shared.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"

#include <string.h>
#include <sys/socket.h>

enum { LARGE = 300 * 1000, PIECES_MANY = 500 };

static void stream_pair(struct stream *ends[2])
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ends[0] = stream_new(fds[0]);
	ends[1] = stream_new(fds[1]);
}

static struct shared *shared_of(char c, size_t n)
{
	struct shared *s = shared_new(n);

	memset(s->bytes, c, n);
	return s;
}

/* What the other end reads, N bytes in all. */
static void check_read(struct stream *s, const struct sbuf *wanted)
{
	bool is_end;

	while (sbuf_len(stream_in(s)) < sbuf_len(wanted))
		CHECK_OK(stream_fill(s, sbuf_len(wanted), &is_end, deadline_in(5 * NS_PER_S)));
	assert_memory_equal(sbuf_data(stream_in(s)), sbuf_data(wanted), sbuf_len(wanted));
	sbuf_clear(stream_in(s));
}

static void add_own(struct stream *s, const char *text, struct sbuf *wanted)
{
	sbuf_adds(stream_out(s), text);
	sbuf_adds(wanted, text);
}

static void add_shared(struct stream *s, struct shared *bytes, size_t from, struct sbuf *wanted)
{
	sbuf_add(wanted, bytes->bytes + from, bytes->n - from);
	stream_put_shared(s, bytes, from);
}

static void mixes(void *arg)
{
	auto_sbuf wanted = {0};
	struct stream *ends[2];

	stream_pair(ends);
	struct shared *kept = shared_hold(shared_of('k', 7));
	for (int i = 0; i < PIECES_MANY; i++) {
		if (i % 3)
			add_own(ends[0], "own", &wanted);
		add_shared(ends[0], shared_of((char)('a' + i % 26), (size_t)i * 17), 0, &wanted);
	}
	add_shared(ends[0], kept, 3, &wanted);
	add_shared(ends[0], shared_of('z', LARGE), LARGE, &wanted); /* nothing of it */
	add_shared(ends[0], shared_of('y', LARGE), 1, &wanted);
	add_own(ends[0], "the end", &wanted);
	assert_int_equal(stream_unwritten(ends[0]), sbuf_len(&wanted));
	stream_flush_later(ends[0]);
	check_read(ends[1], &wanted);
	CHECK_OK(stream_drain(ends[0], 0, deadline_in(5 * NS_PER_S)));
	assert_int_equal(stream_written(ends[0]), sbuf_len(&wanted));
	assert_int_equal(kept->n_holders, 1);
	shared_drop(kept);
	/* And as ever afterwards. */
	sbuf_clear(&wanted);
	add_own(ends[0], "more", &wanted);
	stream_flush_later(ends[0]);
	check_read(ends[1], &wanted);
	stream_free(ends[0]);
	stream_free(ends[1]);
}

static void shared_bytes_keep_their_place(void **state)
{
	run_in_fiber(mixes, NULL);
}

static void ends_early(void *arg)
{
	struct shared *kept = shared_of('k', LARGE);
	struct stream *ends[2];
	struct err *e;

	/* on this side */
	stream_pair(ends);
	for (int i = 0; i < 10; i++)
		stream_put_shared(ends[0], shared_hold(kept), 0);
	stream_flush_now(ends[0]);
	assert_true(stream_unwritten(ends[0]) > 0);
	assert_true(kept->n_holders > 1);
	stream_free(ends[0]);
	assert_int_equal(kept->n_holders, 1);
	stream_free(ends[1]);
	/* on the other, which nobody has told it yet when more comes */
	stream_pair(ends);
	for (int i = 0; i < 10; i++)
		stream_put_shared(ends[0], shared_hold(kept), 0);
	stream_free(ends[1]);
	e = stream_drain(ends[0], 0, deadline_in(5 * NS_PER_S));
	CHECK_ERR(e, CONNECTION_LOST);
	assert_int_equal(kept->n_holders, 1);
	stream_put_shared(ends[0], shared_hold(kept), 0);
	assert_int_equal(kept->n_holders, 1);
	stream_free(ends[0]);
	shared_drop(kept);
}

static void whose_stream_ends_is_let_go(void **state)
{
	run_in_fiber(ends_early, NULL);
}

/* Three that do not read, and some of what they hold has changed. */
static void cuts(void *arg)
{
	struct shared *old = shared_of('o', LARGE), *fresh = shared_of('f', LARGE);
	struct stream *first[2], *second[2], *last[2];

	stream_limit_old_bytes(LARGE + LARGE / 2);
	stream_pair(first);
	stream_pair(second);
	stream_pair(last);
	for (int i = 0; i < 10; i++) {
		stream_put_shared(first[0], shared_hold(fresh), 0);
		stream_put_shared(second[0], shared_hold(i ? fresh : old), 0);
		stream_put_shared(last[0], shared_hold(i ? fresh : old), 0);
	}
	shared_replace(old);
	CHECK_OK(fiber_yield());
	assert_null(stream_broken(second[0]));
	/* One more and it is too much; who has none of it stays, and so does the newest. */
	struct shared *more = shared_of('m', LARGE);
	stream_put_shared(second[0], shared_hold(more), 0);
	stream_put_shared(last[0], shared_hold(more), 0);
	shared_replace(more);
	CHECK_OK(fiber_yield());
	assert_null(stream_broken(first[0]));
	assert_non_null(stream_broken(second[0]));
	assert_null(stream_broken(last[0]));
	assert_int_equal(shared_old_bytes(), 2 * LARGE);
	stream_free(last[0]);
	assert_int_equal(shared_old_bytes(), 0);
	stream_free(first[0]);
	stream_free(first[1]);
	stream_free(second[0]);
	stream_free(second[1]);
	stream_free(last[1]);
	assert_int_equal(fresh->n_holders, 1);
	shared_drop(fresh);
	stream_limit_old_bytes(SIZE_MAX);
}

static void who_holds_what_is_old_for_too_long_is_cut_off(void **state)
{
	run_in_fiber(cuts, NULL);
}

/* What is unread stays, and more comes behind it. */
static void shrinks(void *arg)
{
	struct sbuf *in;
	auto_sbuf wanted = {0};
	struct stream *ends[2];
	bool is_end;

	stream_pair(ends);
	in = stream_in(ends[1]);
	add_own(ends[0], "passed over, then kept", &wanted);
	stream_flush_now(ends[0]);
	CHECK_OK(stream_fill(ends[1], LARGE, &is_end, deadline_in(5 * NS_PER_S)));
	size_t size = in->size;
	sbuf_consume(in, 13);
	sbuf_consume(&wanted, 13);
	stream_shrink(ends[1]);
	assert_true(in->size < size / 4);
	assert_int_equal(sbuf_len(in), sbuf_len(&wanted));
	add_own(ends[0], ", and what follows", &wanted);
	stream_flush_now(ends[0]);
	check_read(ends[1], &wanted);
	stream_shrink(ends[1]);
	assert_null(in->base);
	stream_free(ends[0]);
	stream_free(ends[1]);
}

static void a_buffer_shrinks_to_what_is_unread(void **state)
{
	run_in_fiber(shrinks, NULL);
}

TEST_MAIN(cmocka_unit_test(shared_bytes_keep_their_place),
	cmocka_unit_test(a_buffer_shrinks_to_what_is_unread),
	cmocka_unit_test(whose_stream_ends_is_let_go),
	cmocka_unit_test(who_holds_what_is_old_for_too_long_is_cut_off))
