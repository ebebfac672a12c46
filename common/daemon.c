/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of a daemon (daemon.h). Everything is on the loop's thread; what runs before the loop
 * may block.
 */
#define LOG_MODULE "daemon"
#include "common/daemon.h"

#include "common/child.h"
#include "common/daemon_options.h"
#include "common/diagnostics.h"
#include "common/fiber.h"
#include "common/file.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/offload.h"
#include "common/rpc.h"
#include "common/rpc_conn.h"
#include "common/sbuf.h"
#include "common/systemd.h"
#include "common/task.h"
#include "common/updates.h"
#include "common/vec.h"
#include "core.gen.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define MAX_OPEN_FILES ((rlim_t)1 << 20)

/* What every daemon's file may say. */
struct common_conf {
	char *log;
	int64_t message_size, calls, connections;
	int64_t stop_grace;
};

static const struct conf_key common_keys[] = {
	{.name = "log",
		.kind = CONF_STRING,
		.offset = offsetof(struct common_conf, log),
		.standard = "info",
		.doc = "Which lines are logged: a level (bug, error, warn, info or debug), and "
		       "modules that differ from it, as in 'info,queue=debug'."},
	{.name = "rpc_message_size",
		.kind = CONF_SIZE,
		.offset = offsetof(struct common_conf, message_size),
		.standard = "16MiB",
		.min = 64 << 10,
		.max = 1 << 30,
		.doc = "The largest message that is taken on the socket. Read at the start only."},
	{.name = "rpc_calls",
		.kind = CONF_INT,
		.offset = offsetof(struct common_conf, calls),
		.standard = "1024",
		.min = 1,
		.max = 100000,
		.doc = "How many calls one connection may have in flight. Read at the start only."},
	{.name = "rpc_connections",
		.kind = CONF_INT,
		.offset = offsetof(struct common_conf, connections),
		.standard = "1024",
		.min = 1,
		.max = 100000,
		.doc = "How many connections are served at once. Read at the start only."},
	{.name = "stop_grace",
		.kind = CONF_DURATION,
		.offset = offsetof(struct common_conf, stop_grace),
		.standard = "10s",
		.min = 0,
		.max = 3600 * NS_PER_S,
		.doc = "How long work in flight may take to end when the daemon is told to stop."},
	{0},
};

enum phase { PHASE_STARTING, PHASE_READY, PHASE_STOPPING };

/* The one daemon of this process. */
static struct {
	const struct daemon_spec *spec;
	struct daemon_options options;
	struct daemon_paths paths;
	struct common_conf conf;
	struct conf_table tables[2];
	size_t n_tables;
	int lock_fd;
	vec_of(const struct service *) services; /* the server borrows it */
	struct rpc_server *server;
	enum phase phase;
	bool is_reloading, must_reload;
	bool was_told; /* by a signal */
	struct timer watchdog;
	int exit_status;
} self;

const struct daemon_paths *daemon_paths(void)
{
	return &self.paths;
}

/* ---- configuration ---- */

static void tables_init(void)
{
	self.conf = (struct common_conf){0};
	self.tables[0] = (struct conf_table){
		.keys = common_keys, .values = &self.conf, .size = sizeof(self.conf)};
	self.n_tables = 1;
	if (self.spec->keys)
		self.tables[self.n_tables++] = (struct conf_table){.keys = self.spec->keys,
			.values = self.spec->conf,
			.size = self.spec->conf_size};
}

/* The command line wins over the environment, that over the file. */
static struct err *levels_apply(void)
{
	const char *from_env = getenv("XENITH_LOG");

	if (self.options.log_level)
		return log_configure(self.options.log_level);
	return log_configure(from_env ? from_env : self.conf.log);
}

static struct err *config_load(void)
{
	TRY(conf_load(self.tables, self.n_tables, self.paths.config, self.options.config));
	return levels_apply();
}

/* "FILE:LINE: REASON" for a line of a file, as editors know it; else the error as it is. */
static void config_complain(struct err *e, const char *what)
{
	if (err_is(e, &ERR_CONFIGURATION_INVALID))
		log_error("%s: %s: %s", what, e->params[0], e->params[1]);
	else
		log_err(LOG_ERROR_, e, "%s", what);
}

static int config_print(void)
{
	auto_sbuf b = {0};
	auto_str head = xasprintf("%s: %s", self.spec->name, self.spec->summary);

	conf_print(self.tables, self.n_tables, head, &b);
	fputs(sbuf_str(&b), stdout);
	return fflush(stdout) ? DAEMON_EXIT_FAILED : DAEMON_EXIT_OK;
}

/* ---- the process ---- */

/* So that no descriptor of ours becomes one of these, and somebody's printf writes into it. */
static void standard_fds_open(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	close_fdp(&fd);
}

static void limits_raise(void)
{
	struct rlimit files, core;

	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		child_set_file_limit(files.rlim_cur);
		files.rlim_cur = files.rlim_max < MAX_OPEN_FILES ? files.rlim_max : MAX_OPEN_FILES;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (!getrlimit(RLIMIT_CORE, &core)) {
		core.rlim_cur = core.rlim_max;
		setrlimit(RLIMIT_CORE, &core);
	}
}

static void process_set_up(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	standard_fds_open();
	umask(027);
	sigaction(SIGPIPE, &ignore, NULL);
	limits_raise();
}

/* The directories, and the lock: one daemon of a name in them. */
static struct err *places_take(void)
{
	auto_str lock_name = xasprintf("%s.lock", self.spec->name);

	int r = dir_make(self.paths.run, 0755);
	if (r)
		return err_errno(-r, "making %s", self.paths.run);
	r = dir_make(self.paths.state, 0750);
	if (r)
		return err_errno(-r, "making %s", self.paths.state);
	TRY(dir_lock_after_death(self.paths.run, lock_name, &self.lock_fd));
	r = dir_remove_temporaries(self.paths.state, self.spec->name);
	return r ? err_errno(-r, "clearing %s", self.paths.state) : NULL;
}

/* ---- reloading ---- */

static MAY_WAIT void reload(void)
{
	auto_err e = config_load();

	if (e) {
		config_complain(e, "not reloaded, the configuration stays as it was");
		return;
	}
	log_info("the configuration was loaded again");
	auto_err f = self.spec->reload ? self.spec->reload() : NULL;
	if (f)
		log_err(LOG_ERROR_, f, "not all of the new configuration is in force");
}

static MAY_WAIT void reload_main(void *arg)
{
	self.is_reloading = true;
	do {
		self.must_reload = false;
		systemd_notify_reloading();
		reload();
		systemd_notify("READY=1");
	} while (self.must_reload && self.phase == PHASE_READY);
	self.is_reloading = false;
}

static void on_hangup(int signum)
{
	self.must_reload = true;
	if (self.phase != PHASE_READY || self.is_reloading)
		return;
	auto_err e = fiber_spawn(NULL, reload_main, NULL, "reload");
	if (e)
		log_err(LOG_ERROR_, e, "not reloaded");
}

/* ---- starting ---- */

static struct err *server_open(void)
{
	struct rpc_limits limits = {
		.message_size = (size_t)self.conf.message_size,
		.calls = (unsigned)self.conf.calls,
		.connections = (unsigned)self.conf.connections,
		.descriptors = self.spec->descriptors,
	};
	struct err *e;

	vec_push(&self.services, &core_service);
	for (size_t i = 0; self.spec->services && self.spec->services[i]; i++)
		vec_push(&self.services, self.spec->services[i]);
	vec_push(&self.services, NULL);
	int fd = systemd_listen_fd();
	if (fd == -EINVAL)
		e = err_errno(EINVAL, "what was passed in is not one listening Unix socket");
	else if (fd >= 0)
		e = rpc_server_from_fd(&self.server, fd, self.services.v, &limits);
	else
		e = rpc_server_new(&self.server, self.paths.socket, self.services.v, &limits);
	return e;
}

static MAY_WAIT struct err *start(void)
{
	if (self.spec->init)
		TRY(self.spec->init());
	TRY(fiber_check());
	return server_open();
}

static MAY_WAIT void start_main(void *arg)
{
	auto_err e = start();

	if (self.phase != PHASE_STARTING || loop_is_stopping())
		return; /* told to stop meanwhile; E is why it ended early */
	if (e) {
		log_err(LOG_ERROR_, e, "the start failed");
		daemon_stop(DAEMON_EXIT_FAILED);
		return;
	}
	self.phase = PHASE_READY;
	log_info("ready: %s %s, process %ld", self.spec->name, self.spec->version, (long)getpid());
	systemd_notify("READY=1");
	if (self.must_reload)
		reload_main(NULL);
}

/* ---- stopping ---- */

static MAY_WAIT void stop_main(void *arg)
{
	rpc_server_free(take(self.server));
	if (self.spec->stop) {
		fiber_set_deadline(deadline_in(self.conf.stop_grace));
		self.spec->stop();
	}
	loop_stop();
}

void daemon_stop(int exit_status)
{
	if (exit_status)
		self.exit_status = exit_status;
	if (self.phase == PHASE_STOPPING)
		return;
	bool was_ready = self.phase == PHASE_READY;
	self.phase = PHASE_STOPPING;
	systemd_notify("STOPPING=1");
	/* What has not begun is not stopped: init ends with SHUTTING_DOWN. */
	auto_err e = was_ready ? fiber_spawn(NULL, stop_main, NULL, "stop") : NULL;
	if (e)
		log_err(LOG_ERROR_, e, "stopping at once");
	if (e || !was_ready)
		loop_stop();
}

bool daemon_was_told_to_stop(void)
{
	return self.was_told;
}

static void on_terminate(int signum)
{
	self.was_told = true;
	if (self.phase == PHASE_STOPPING) {
		log_warn("told to stop again: stopping at once");
		loop_stop();
		return;
	}
	log_info("told to stop by signal %d", signum);
	daemon_stop(DAEMON_EXIT_OK);
}

/* ---- the whole ---- */

/* Its part of debug.diagnostics. */
static void diagnostics_write(struct json_writer *w)
{
	static const char *const phases[] = {[PHASE_STARTING] = "starting",
		[PHASE_READY] = "ready",
		[PHASE_STOPPING] = "stopping"};

	json_write_object(w);
	json_member_int(w, "pid", getpid());
	json_member_string(w, "phase", phases[self.phase]);
	json_member_string(w, "config", self.paths.config);
	json_member_string(w, "state", self.paths.state);
	json_member_string(w, "run", self.paths.run);
	json_write_object_end(w);
}

static struct diagnostics_section diagnostics = {.name = "daemon", .write = diagnostics_write};

/* From the loop: a loop that hangs misses it. */
static void watchdog_feed(struct timer *t)
{
	systemd_notify("WATCHDOG=1");
	timer_arm(t, deadline_in(systemd_watchdog_ns() / 2));
}

static struct err *loop_set_up(void)
{
	loop_init();
	TRY(loop_on_signal(SIGTERM, on_terminate));
	TRY(loop_on_signal(SIGINT, on_terminate));
	TRY(loop_on_signal(SIGHUP, on_hangup));
	diagnostics_add(&diagnostics);
	timer_init(&self.watchdog, watchdog_feed);
	if (systemd_watchdog_ns())
		watchdog_feed(&self.watchdog);
	return fiber_spawn(NULL, start_main, NULL, "start");
}

static void loop_tear_down(void)
{
	timer_disarm(&self.watchdog);
	diagnostics_remove(&diagnostics);
	rpc_server_free(take(self.server)); /* it is there only after a stop at once */
	if (self.spec->fini)
		self.spec->fini();
	task_fini();
	updates_fini();
	rpc_inbound_fini();
	offload_fini();
	loop_fini();
	vec_fini(&self.services);
}

static int live(void)
{
	auto_err e = places_take();

	if (!e) {
		e = loop_set_up();
		if (!e)
			loop_run(self.conf.stop_grace);
		loop_tear_down();
	}
	if (e) {
		log_err(LOG_ERROR_, e, "cannot start");
		self.exit_status = DAEMON_EXIT_FAILED;
	}
	log_info("ended with status %d", self.exit_status);
	return self.exit_status;
}

/* ---- instead of living ---- */

static MAY_WAIT void tool_main(void *arg)
{
	const struct daemon_options *o = &self.options;
	auto_err e = o->tool->run(o->tool_value, o->is_forced);

	fflush(stdout);
	if (e)
		fprintf(stderr, "%s: --%s: %s\n", self.spec->name, o->tool->name, err_text(e));
	self.exit_status = e ? DAEMON_EXIT_FAILED : DAEMON_EXIT_OK;
	loop_stop();
}

static int use_tool(void)
{
	loop_init();
	auto_err e = fiber_spawn(NULL, tool_main, NULL, "tool");
	if (!e)
		loop_run(0);
	offload_fini();
	loop_fini();
	return e ? DAEMON_EXIT_FAILED : self.exit_status;
}

static int configure_and_live(void)
{
	auto_err e = config_load();

	if (e) {
		config_complain(e, "cannot start");
		return DAEMON_EXIT_CONFIG;
	}
	if (self.options.print_config)
		return config_print();
	return self.options.tool ? use_tool() : live();
}

int daemon_run(int argc, char **argv, const struct daemon_spec *spec)
{
	assert(!self.spec);
	self.spec = spec;
	self.lock_fd = -1;
	self.phase = PHASE_STARTING;
	process_set_up();
	int status = daemon_options_parse(argc, argv, spec, &self.options);
	if (status >= 0)
		return status;
	systemd_adopt();
	log_init(spec->name);
	diagnostics_set_version(spec->name, spec->version);
	daemon_paths_init(&self.paths, spec->name, &self.options);
	tables_init();
	status = configure_and_live();
	conf_clear(self.tables, self.n_tables);
	daemon_paths_fini(&self.paths);
	close_fdp(&self.lock_fd);
	return status;
}
