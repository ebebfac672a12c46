/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * smd: the storage of this host. What was attached when it last ended is attached once more before
 * the socket opens. Read on in api_use.c, then datapath.c and backend.h.
 */
#include "common/daemon.h"
#include "common/mem.h"
#include "common/version.h"
#include "smd/datapath.h"
#include "smd/record.h"
#include "smd/smd.h"
#include "smd/sr.h"

#include "storage.gen.h"

struct smd smd;
struct smd_conf smd_conf;

static const struct conf_key keys[] = {
	{.name = "qemu-img",
		.kind = CONF_STRING,
		.offset = offsetof(struct smd_conf, qemu_img),
		.standard = "qemu-img",
		.doc = "The program that makes, changes and copies qcow2 images: a path, or a name "
		       "that is looked for in PATH."},
	{.name = "qemu-nbd",
		.kind = CONF_STRING,
		.offset = offsetof(struct smd_conf, qemu_nbd),
		.standard = "qemu-nbd",
		.doc = "The program that serves the bytes of a VDI which is copied in or out."},
	{0},
};

static MAY_WAIT struct err *init(void)
{
	auto_str path = xasprintf("%s/smd.db", daemon_paths()->state);

	TRY(records_open(path));
	TRY(datapaths_load());
	TRY(srs_open());
	datapaths_end_own();
	return NULL;
}

static void fini(void)
{
	datapaths_close();
	srs_close();
	records_close();
}

int main(int argc, char **argv)
{
	static const struct service *const services[] = {&storage_service, NULL};
	const struct daemon_spec spec = {
		.name = "smd",
		.summary = "the storage of this host",
		.version = XENITH_VERSION,
		.keys = keys,
		.conf = &smd_conf,
		.conf_size = sizeof(smd_conf),
		.services = services,
		.init = init,
		.fini = fini,
	};

	return daemon_run(argc, argv, &spec);
}
