/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/rpc_descriptor.c and common/scm.c: descriptors that are handed over with calls, by a
 * client of ours and by peers that do it wrong; none is left open by anybody.
 */
#include "common/mem.h"
#include "common/rpc_conn.h"
#include "common/scm.h"
#include "common/updates.h"
#include "tests/unit/common/rpc_sample.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>

#define LIMIT 3

static char dir[32];
static char path[64];
static struct rpc_server *server;
static struct rpc_client *client;
static unsigned n_before; /* descriptors of this process */

/* The handler of "echo": answers with what can be read from the descriptor of that name. */
static struct err *read_descriptor(struct call *c, const void *in, void *out)
{
	const struct sample_text_in *id = in;
	char *text = arena_bytes(c->arena, 16);
	auto_fd fd = -1;

	TRY(rpc_take_descriptor(c, "text", id->text, &fd));
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	ssize_t n = read(fd, text, 15);
	text[n > 0 ? n : 0] = '\0';
	*(const char **)out = text;
	return NULL;
}

static const method_fn handlers[ARRAY_LEN(sample_handlers)] = {[SAMPLE_ECHO] = read_descriptor};
static const struct service service = {.interface = &sample_interface, .handlers = handlers};
static const struct service *const services[] = {&service, &core_service, NULL};

static unsigned count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void start(unsigned limit)
{
	struct rpc_limits limits = {.descriptors = limit};

	sample_reset();
	strcpy(dir, "/tmp/xenith-desc-XXXXXX"); /* lint: fits */
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
	CHECK_OK(rpc_server_new(&server, path, services, &limits));
	client = rpc_client_new(path, NULL);
	CHECK_OK(rpc_client_connect(client, NEVER));
	for (int i = 0; i < 10; i++)
		CHECK_OK(fiber_yield());
	n_before = count_fds();
}

/* Every connection but the client's has gone, and what came over it. */
static void no_fd_is_left(void)
{
	for (int i = 0; i < 10000 && count_fds() != n_before; i++)
		CHECK_OK(fiber_yield());
	assert_int_equal(count_fds(), n_before);
}

static void finish(void)
{
	no_fd_is_left();
	rpc_client_free(client);
	rpc_server_free(server);
	for (int i = 0; fiber_count() > 1 && i < 10000; i++)
		CHECK_OK(fiber_yield());
	task_fini();
	updates_fini();
	rpc_inbound_fini();
	assert_int_equal(rmdir(dir), 0);
}

#define WITH_LIMIT(name, limit) \
	static void name##_body(void); \
	static void name##_fiber(void *arg) \
	{ \
		start(limit); \
		name##_body(); \
		finish(); \
	} \
	static void name(void **state) \
	{ \
		run_in_fiber(name##_fiber, NULL); \
	} \
	static void name##_body(void)

/* The end of a pipe out of which TEXT comes. */
static int pipe_with(const char *text)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(write(fds[1], text, strlen(text)), (ssize_t)strlen(text));
	close(fds[1]);
	return fds[0];
}

static struct err *take_back(const char *id, struct arena *a, const char **out)
{
	return sample_call(client, SAMPLE_ECHO, id, a, out, NEVER);
}

/* ---- a client of ours ---- */

WITH_LIMIT(a_call_takes_what_came_before_it, LIMIT)
{
	auto_arena a = {0};
	const char *first, *second, *text = NULL;

	CHECK_OK(rpc_hand_over(client, pipe_with("one"), &a, &first, NEVER));
	CHECK_OK(rpc_hand_over(client, pipe_with("two"), &a, &second, NEVER));
	assert_string_not_equal(first, second);
	CHECK_OK(take_back(second, &a, &text));
	assert_string_equal(text, "two");
	CHECK_OK(take_back(first, &a, &text));
	assert_string_equal(text, "one");
	CHECK_ERR(take_back(first, &a, &text), INVALID_VALUE);
	CHECK_ERR(take_back("stream-99", &a, &text), INVALID_VALUE);
}

/* As many as one likes, one after the other; also behind more bytes than the socket holds. */
WITH_LIMIT(often, LIMIT)
{
	auto_str large = xmalloc(1 << 20);

	memset(large, 'x', 1 << 20);
	large[(1 << 20) - 1] = '\0';
	for (int i = 0; i < 50; i++) {
		auto_arena a = {0};
		const char *id, *text = NULL;

		if (i % 10 == 0)
			CHECK_ERR(take_back(large, &a, &text), INVALID_VALUE);
		CHECK_OK(rpc_hand_over(client, pipe_with("again"), &a, &id, NEVER));
		CHECK_OK(take_back(id, &a, &text));
		assert_string_equal(text, "again");
	}
}

WITH_LIMIT(the_limit_closes_the_connection_and_all, LIMIT)
{
	auto_arena a = {0};
	const char *id, *text;

	for (int i = 0; i < LIMIT + 1; i++)
		CHECK_OK(rpc_hand_over(client, pipe_with("x"), &a, &id, NEVER));
	CHECK_ERR(take_back(id, &a, &text), LIMIT_EXCEEDED);
	CHECK_OK(rpc_client_connect(client, NEVER));
	CHECK_ERR(take_back(id, &a, &text), INVALID_VALUE);
}

WITH_LIMIT(who_takes_none_says_so, 0)
{
	auto_arena a = {0};
	const char *id, *text;

	CHECK_OK(rpc_hand_over(client, pipe_with("x"), &a, &id, NEVER));
	CHECK_ERR(take_back(id, &a, &text), CONNECTION_LOST);
	CHECK_OK(rpc_client_connect(client, NEVER));
}

WITH_LIMIT(a_server_that_is_away_takes_nothing, LIMIT)
{
	auto_arena a = {0};
	struct rpc_client *nobody = rpc_client_new("/nonexistent/socket", NULL);
	const char *id;

	CHECK_ERR(rpc_hand_over(nobody, pipe_with("x"), &a, &id, NEVER), CONNECTION_REFUSED);
	rpc_client_free(nobody);
}

/* ---- peers that do it wrong ---- */

#define NOTIFICATION(id) \
	"{\"jsonrpc\":\"2.0\",\"method\":\"rpc.descriptor\",\"params\":{\"id\":" id "}}\n"
static const char call_x[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\","
			     "\"params\":{\"text\":\"x\"}}\n";

static int raw_new(void)
{
	int fd = -1;

	assert_int_equal(unix_connect(path, &fd), 0);
	return fd;
}

static void raw_send(int fd, const char *text, int passed)
{
	ssize_t n = passed < 0 ? write(fd, text, strlen(text))
			       : scm_write(fd, text, strlen(text), passed);

	assert_int_equal(n, strlen(text));
	close_fdp(&passed);
}

/* All that the server says until it closes, or, if it does not, until a line has PART in it. */
static void expect(int fd, const char *part, bool ends)
{
	char text[4096];
	size_t n = 0;

	for (;;) {
		CHECK_OK(fiber_wait_fd(fd, FD_READABLE, "the server", deadline_in(10 * NS_PER_S)));
		ssize_t r = read(fd, text + n, sizeof(text) - 1 - n);
		if (r <= 0)
			break;
		n += (size_t)r;
		text[n] = '\0';
		if (!ends && strstr(text, part))
			return;
	}
	text[n] = '\0';
	assert_true(ends);
	if (!strstr(text, part))
		fail_msg("no %s in %s", part, text);
}

WITH_LIMIT(beside_any_byte_of_the_line, LIMIT)
{
	int fd = raw_new();

	raw_send(fd, "{\"jsonrpc\":", pipe_with("raw"));
	raw_send(fd, &NOTIFICATION("\"x\"")[11], -1);
	raw_send(fd, call_x, -1);
	expect(fd, "\"result\":\"raw\"", false);
	close(fd);
}

WITH_LIMIT(wrong_notifications, LIMIT)
{
	static const struct {
		const char *line, *answer;
		unsigned n_fds;
	} wrong[] = {
		{NOTIFICATION("\"x\""), "no descriptor came", 0},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"rpc.descriptor\"}\n", "without a name", 1},
		{NOTIFICATION("\"x\"") NOTIFICATION("\"x\""), "without a name", 2},
	};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		int fd = raw_new();

		for (unsigned k = 0; k < wrong[i].n_fds; k++)
			raw_send(fd, " ", pipe_with("x"));
		raw_send(fd, wrong[i].line, -1);
		expect(fd, wrong[i].answer, true);
		close(fd);
		no_fd_is_left();
	}
}

/* Without a word they are kept up to the limit, and closed with the connection. */
WITH_LIMIT(descriptors_without_a_call, LIMIT)
{
	int fd = raw_new();

	for (int i = 0; i < LIMIT; i++)
		raw_send(fd, " ", pipe_with("x"));
	raw_send(fd, call_x, -1);
	expect(fd, "INVALID_VALUE", false);
	raw_send(fd, " ", pipe_with("x"));
	expect(fd, "", true);
	close(fd);
	no_fd_is_left();
}

WITH_LIMIT(more_at_once_than_there_is_room_for, LIMIT)
{
	int fds[SCM_MAX + 4], fd = raw_new();
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control = {0};
	char space = ' ';
	struct iovec vec = {&space, 1};
	struct msghdr msg = {.msg_iov = &vec,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = pipe_with("x");
	*c = (struct cmsghdr){CMSG_LEN(sizeof(fds)), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	assert_int_equal(sendmsg(fd, &msg, 0), 1);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	expect(fd, "", true);
	close(fd);
	no_fd_is_left();
}

TEST_MAIN(TEST(a_call_takes_what_came_before_it), TEST(often),
	TEST(the_limit_closes_the_connection_and_all), TEST(who_takes_none_says_so),
	TEST(a_server_that_is_away_takes_nothing), TEST(beside_any_byte_of_the_line),
	TEST(wrong_notifications), TEST(descriptors_without_a_call),
	TEST(more_at_once_than_there_is_room_for))
