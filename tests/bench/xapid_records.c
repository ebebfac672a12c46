/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What grows with the number of objects: all records of a class, memory, start-up, one object among
 * many. Pools are put into the file of a xapid that does not run; disks are put into a directory.
 */
#include "common/clock.h"
#include "common/codec.h"
#include "common/fiber.h"
#include "common/file.h"
#include "common/uuid.h"
#include "storage.gen.h"
#include "tests/bench/bare_http.h"
#include "tests/bench/xapid_rows.h"
#include "tests/unit/xapid/full_pool.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { POOL = 2400, CHANGED = POOL / 20, TIMES = 20, STARTS = 3 };
enum { FEW = 100, MANY = 16000, WARM_UP = 20, TOUCHES = 400 };
enum { VMS = 1000, MORE_VMS = 500, DISKS = 2 };

#define BULK        22900000 /* bytes that the base sends; ours are reckoned to as many */
#define FALSE_VALUE "<value><boolean>0</boolean></value>"

/* ---- a pool ---- */

static MAY_WAIT void fill(unsigned n_vms)
{
	auto_arena a = {0};
	const struct db_options options = {.path = host_path("lib/xapid.db", &a)};
	struct full_pool pool;

	must(db_open(&options));
	full_pool_join(&pool, arena_strdup(&a, db_first_ref(host)));
	full_pool_add(&pool, n_vms);
	must(db_barrier(0, NEVER));
	db_close();
}

static MAY_WAIT void begin_with_pool(void)
{
	xapid_host_begin(host_folder(), 0, "");
	xapid_host_stop(SIGTERM);
	fill(POOL);
	xapid_host_start();
}

/* ---- all records ---- */

/* The time for BULK bytes of such an answer, which is read and dropped. */
static int64_t ask_for_all(const struct xapid_client *c, const char *request, size_t len)
{
	static char room[256 * 1024];
	size_t done = 0, whole = 0;
	int64_t began = bench_now_ns();

	bare_must(send(c->fd, request, len, MSG_NOSIGNAL) == (ssize_t)len, "a request");
	while (!whole || done < whole) {
		ssize_t n = recv(c->fd, room, sizeof(room) - 1, 0);

		bare_must(n > 0, "an answer");
		if (!whole) {
			room[n] = '\0';
			const char *length = strcasestr(room, "content-length:");
			const char *end = strstr(room, "\r\n\r\n");
			bare_must(length && end, "the head of an answer");
			whole = strtoul(length + 15, NULL, 10) + (size_t)(end + 4 - room);
		}
		done += (size_t)n;
	}
	int64_t took = bench_now_ns() - began;
	bare_must(whole > BULK / 3, "a long answer");
	return (int64_t)((double)took * BULK / (double)whole);
}

static const char *json_request(struct arena *a, const struct xapid_client *c, size_t *len)
{
	const char *body = arena_printf(a,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"VM.get_all_records\",\"params\":[\"%s\"]}",
		c->session);
	const char *text = arena_printf(
		a, "POST /jsonrpc HTTP/1.1\r\ncontent-length: %zu\r\n\r\n%s", strlen(body), body);

	*len = strlen(text);
	return text;
}

/* BETWEEN is done before each but the first; not timed. */
static MAY_WAIT void all_again(struct bench_figures *out, bool is_json,
	void (*between)(struct xapid_client *c, unsigned time))
{
	struct bench_samples samples = {0};
	struct xapid_client c, other;
	auto_arena a = {0};
	size_t len;

	begin_with_pool();
	xapid_client_open(&c);
	xapid_client_open(&other);
	const char *request = is_json ? json_request(&a, &c, &len)
				      : xapid_request(&a, &len, &c, "VM.get_all_records", NULL);
	for (unsigned i = 0; i < 3; i++)
		ask_for_all(&c, request, len);
	for (unsigned i = 0; i < TIMES; i++) {
		if (between)
			between(&other, i);
		bench_samples_add(&samples, ask_for_all(&c, request, len));
	}
	bench_samples_figures(&samples, out);
	out->value = out->p50;
	xapid_client_close(&c);
	xapid_client_close(&other);
}

static MAY_WAIT void all_warm(struct bench_figures *out)
{
	all_again(out, false, NULL);
}

static MAY_WAIT void all_warm_json(struct bench_figures *out)
{
	all_again(out, true, NULL);
}

/* One in twenty is described anew. */
static void change_some(struct xapid_client *c, unsigned time)
{
	auto_arena a = {0};
	const char *refs[CHANGED];
	const char *at = xapid_call(c, "VM.get_all", NULL);
	size_t n = 0;

	for (unsigned i = 0; n < CHANGED && (at = strstr(at, "OpaqueRef:")); i++, at++)
		if (i % 20 == time % 20)
			refs[n++] = arena_strndup(&a, at, strcspn(at, "<"));
	for (size_t i = 0; i < n; i++)
		xapid_call(c, "VM.set_name_description", refs[i],
			arena_printf(&a, "It is described for the %uth time, and as long as before",
				time),
			NULL);
}

static MAY_WAIT void all_changed(struct bench_figures *out)
{
	all_again(out, false, change_some);
}

static MAY_WAIT void all_cold(struct bench_figures *out)
{
	struct bench_samples samples = {0};

	begin_with_pool();
	for (int i = 0; i < STARTS; i++) {
		struct xapid_client c;
		auto_arena a = {0};
		size_t len;

		if (i) {
			xapid_host_stop(SIGTERM);
			xapid_host_start();
		}
		xapid_client_open(&c);
		const char *request = xapid_request(&a, &len, &c, "VM.get_all_records", NULL);
		bench_samples_add(&samples, ask_for_all(&c, request, len));
		xapid_client_close(&c);
	}
	bench_samples_figures(&samples, out);
	out->value = out->p50;
}

/* ---- start ---- */

/* Milliseconds, from the start of the process to an answer. */
static MAY_WAIT void starting(struct bench_figures *out)
{
	double took[STARTS];

	begin_with_pool();
	for (int i = 0; i < STARTS; i++) {
		struct xapid_client c;

		xapid_host_stop(SIGTERM);
		int64_t began = bench_now_ns();
		xapid_host_start();
		xapid_client_open(&c);
		took[i] = (double)(bench_now_ns() - began) / 1e6;
		xapid_client_close(&c);
	}
	out->value = bench_median(took, STARTS);
}

/* ---- disks ---- */

/* What smd takes for a disk: an empty image, and what is known of it. */
static void put_disk(const char *folder)
{
	struct storage_vdi vdi = STORAGE_VDI_INIT;
	char uuid[UUID_TEXT_SIZE];
	auto_arena a = {0};
	auto_sbuf json = {0};

	vdi.vdi = vdi.uuid = uuid_random_text(uuid);
	vdi.content_id = uuid;
	vdi.name_label = "a disk";
	vdi.type = "user";
	vdi.persistent = true;
	vdi.virtual_size_bytes = 1 << 20;
	sbuf_printf(&json, "{\"version\":1,\"image\":\"node-%s.raw\",\"vdi\":", uuid);
	codec_encode(&storage_type_vdi, &vdi, &json);
	sbuf_addc(&json, '}');
	const char *image = arena_printf(&a, "%s/node-%s.raw", folder, uuid);
	auto_fd fd = open(image, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	bare_must(fd >= 0 && !ftruncate(fd, vdi.virtual_size_bytes), image);
	const char *about = arena_printf(&a, "%s/%s.json", folder, uuid);
	bare_must(!file_write(about, sbuf_data(&json), sbuf_len(&json), 0600, 0), about);
}

/* An SR with N disks. */
static const char *make_sr(struct xapid_client *c, struct arena *a, unsigned n)
{
	const char *folder = host_path("sr", a);
	const char *host = xapid_call(c, "host.get_all", NULL);

	host = arena_strndup(a, strstr(host, "OpaqueRef:"), DB_REF_SIZE - 1);
	bare_must(!mkdir(folder, 0700), folder);
	for (unsigned i = 0; i < n; i++)
		put_disk(folder);
	return xapid_ref(a,
		xapid_call(c, "SR.create", host,
			arena_printf(a,
				"<value><struct><member><name>location</name><value>%s</value>"
				"</member></struct></value>",
				folder),
			"0", "sr", "", "file", "user", FALSE_VALUE,
			"<value><struct></struct></value>", NULL));
}

/* ---- one among many ---- */

/* Raw, so that no program is run, whose time would hide ours. */
static const char *make_disk(struct xapid_client *c, struct arena *a, const char *sr)
{
	return xapid_ref(a,
		xapid_call(c, "VDI.create",
			arena_printf(a,
				"<value><struct>"
				"<member><name>name_label</name><value>one</value></member>"
				"<member><name>name_description</name><value></value></member>"
				"<member><name>SR</name><value>%s</value></member>"
				"<member><name>virtual_size</name><value>1048576</value></member>"
				"<member><name>type</name><value>suspend</value></member>"
				"<member><name>sharable</name>" FALSE_VALUE "</member>"
				"<member><name>read_only</name>" FALSE_VALUE "</member>"
				"<member><name>other_config</name><value><struct></struct></value>"
				"</member></struct></value>",
				sr),
			NULL));
}

/* A disk's life. */
static void touch(struct xapid_client *c, const char *sr, int number)
{
	auto_arena a = {0};
	const char *vdi = make_disk(c, &a, sr);
	const char *name = arena_printf(&a, "disk number %d", number);

	xapid_call(c, "VDI.get_record", vdi, NULL);
	xapid_call(c, "VDI.set_name_label", vdi, name, NULL);
	xapid_call(c, "VDI.get_by_name_label", name, NULL);
	xapid_call(c, "VDI.destroy", vdi, NULL);
}

static MAY_WAIT double time_of_touching(unsigned n)
{
	struct bench_samples samples = {0};
	struct bench_figures figures = {0};
	struct xapid_client c;
	auto_arena a = {0};

	xapid_host_begin(host_folder(), HOST_SMD, "");
	xapid_client_open(&c);
	const char *sr = make_sr(&c, &a, n);
	must(fiber_sleep(NS_PER_S)); /* what is under way comes to rest */
	for (int i = 0; i < WARM_UP + TOUCHES; i++) {
		int64_t began = bench_now_ns();

		touch(&c, sr, i);
		if (i >= WARM_UP)
			bench_samples_add(&samples, bench_now_ns() - began);
	}
	xapid_client_close(&c);
	host_end();
	bench_samples_figures(&samples, &figures);
	return figures.p50;
}

static MAY_WAIT void one_of_many(struct bench_figures *out)
{
	double few = time_of_touching(FEW), many = time_of_touching(MANY);

	*out = (struct bench_figures){.value = many / few, .p50 = few, .p99 = many};
}

/* ---- memory ---- */

static void add_device(struct xapid_client *c, const char *method, const char *record)
{
	auto_str value = xasprintf("<value><struct>%s</struct></value>", record);

	xapid_call(c, method, value, NULL);
}

#define MEMBER(name, value) "<member><name>" name "</name><value>" value "</value></member>"
#define EMPTY_MAP           "<struct></struct>"

static void make_whole_vm(struct xapid_client *c, const char *network, const char *sr, unsigned i)
{
	auto_arena a = {0};
	const char *vm = xapid_make_vm(c, &a, arena_printf(&a, "virtual machine %u", i));

	for (int k = 0; k < DISKS; k++)
		add_device(c, "VBD.create",
			arena_printf(&a,
				MEMBER("VM", "%s") MEMBER("VDI", "%s") MEMBER("userdevice", "%d")
					MEMBER("bootable", "<boolean>0</boolean>") MEMBER(
						"mode", "RW") MEMBER("type", "Disk") MEMBER("empty",
						"<boolean>0</boolean>") MEMBER("other_config",
						EMPTY_MAP) MEMBER("qos_algorithm_type", "")
						MEMBER("qos_algorithm_params", EMPTY_MAP),
				vm, make_disk(c, &a, sr), k));
	add_device(c, "VIF.create",
		arena_printf(&a,
			MEMBER("VM", "%s") MEMBER("network", "%s") MEMBER("device", "0") MEMBER(
				"MAC", "") MEMBER("MTU", "1500") MEMBER("other_config", EMPTY_MAP)
				MEMBER("qos_algorithm_type", "")
					MEMBER("qos_algorithm_params", EMPTY_MAP),
			vm, network));
	xapid_call(c, "VM.start", vm, FALSE_VALUE, FALSE_VALUE, NULL);
}

/* All records of all classes, as a client begins that wants to know everything. */
static void get_everything(struct xapid_client *c)
{
	for (size_t i = 0; i < xenapi_interface.n_classes; i++) {
		const struct class *class = xenapi_interface.classes[i];
		auto_str name = xasprintf("%s.get_all_records", class->name);

		if ((class->flags & (CLASS_LISTED | CLASS_REMOVED)) == CLASS_LISTED)
			xapid_call(c, name, NULL);
	}
}

/* Of the five daemons, in KiB. What stands for Xen, the simulator, is none; and rrdd's archives are
 * files, whose mappings count here only because the folder is in memory. */
static double memory_in_use(void)
{
	static const char *const daemons[] = {"xapid", "xenopsd", "smd", "networkd", "rrdd"};
	long sum = 0;

	for (size_t i = 0; i < ARRAY_LEN(daemons); i++) {
		pid_t pid = host_pid(daemons[i]);
		sum += host_status(pid, "RssAnon");
		if (strcmp(daemons[i], "rrdd") != 0)
			sum += host_status(pid, "RssShmem");
	}
	return (double)sum;
}

/* KiB, of a host with so many VMs that run, of which a client has asked for everything once. */
static MAY_WAIT double memory_of_vms(unsigned n)
{
	auto_arena a = {0};
	struct xapid_client c;

	xapid_host_begin(host_folder(), HOST_ALL, "");
	xapid_client_open(&c);
	const char *sr = make_sr(&c, &a, 0);
	const char *network = arena_strndup(
		&a, strstr(xapid_call(&c, "network.get_all", NULL), "OpaqueRef:"), DB_REF_SIZE - 1);
	for (unsigned i = 0; i < n; i++)
		make_whole_vm(&c, network, sr, i);
	get_everything(&c);
	must(fiber_sleep(2 * NS_PER_S)); /* what is under way comes to rest */
	double kib = memory_in_use();
	xapid_client_close(&c);
	host_end();
	return kib;
}

static MAY_WAIT void memory(struct bench_figures *out)
{
	out->value = memory_of_vms(VMS) / 1024;
}

static MAY_WAIT void memory_of_one(struct bench_figures *out)
{
	double few = memory_of_vms(VMS);

	out->value = (memory_of_vms(VMS + MORE_VMS) - few) / MORE_VMS;
}

/* ---- the rows ---- */

void xapid_records(struct xapid_rows *rows)
{
	const char *bulk = arena_printf(&rows->arena, "base_bulk %d %d", BULK, TIMES);
	const struct {
		const char *name;
		xapid_round_fn fn;
		double at_most;
	} answers[] = {
		{"VM.get_all_records of 2400 VMs", all_warm, 1.25},
		{"the same as JSON", all_warm_json, 1.25},
		{"a twentieth changed meanwhile", all_changed, 2},
		{"nothing at hand", all_cold, 8},
	};
	const struct bench_row others[] = {
		{.name = "one VDI of 16,000 by one of 100",
			.unit = "times",
			.fn = xapid_round,
			.arg = (void *)one_of_many,
			.pin = BENCH_PAIR,
			.at_most = 1.2,
			.rounds = 3},
		{.name = "start with 2400 VMs",
			.unit = "ms",
			.fn = xapid_round,
			.arg = (void *)starting,
			.pin = BENCH_PAIR,
			.at_most = 250},
		{.name = "memory of 1000 VMs",
			.unit = "MiB",
			.fn = xapid_round,
			.arg = (void *)memory,
			.pin = BENCH_PAIR,
			.at_most = 64,
			.rounds = 3},
		{.name = "memory of one VM more",
			.unit = "KiB",
			.fn = xapid_round,
			.arg = (void *)memory_of_one,
			.pin = BENCH_PAIR,
			.at_most = 24,
			.rounds = 3},
	};

	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		vec_push(&rows->v,
			(struct bench_row){.name = answers[i].name,
				.unit = "us",
				.fn = xapid_round,
				.arg = (void *)answers[i].fn,
				.by = BENCH_BY_P50,
				.base = bulk,
				.pin = BENCH_SAME,
				.at_most = answers[i].at_most});
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		vec_push(&rows->v, others[i]);
}
