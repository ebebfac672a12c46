/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The commands of xenops-cli beside the calls: what an operator types who has a name, and no time.
 * Each is a call or two of the interface. One fiber, as all of a CLI.
 */
#ifndef XENITH_XENOPSD_CLI_CLI_H
#define XENITH_XENOPSD_CLI_CLI_H

#include "common/cli.h"
#include "xenops.gen.h"

/* ---- names.c ---- */

/* A VM's name or id, or that of a device of it ("web/xvda"), becomes the id. */
MAY_WAIT struct err *find_id(
	struct cli *cli, const struct type *id, const char *text, const char **out);
/* Of a command whose first argument is a VM: its id. MOST: arguments that it takes at most. */
MAY_WAIT must_check struct err *vm_argument(
	struct cli *cli, int argc, char **argv, int most, const char **out);

/* ---- list.c ---- */

MAY_WAIT struct err *run_list(struct cli *cli, int argc, char **argv);

/* ---- power.c ---- */

extern const struct cli_option options_of_start[], options_of_shutdown[];
MAY_WAIT struct err *run_start(struct cli *cli, int argc, char **argv);
MAY_WAIT struct err *run_shutdown(struct cli *cli, int argc, char **argv);
MAY_WAIT struct err *run_reboot(struct cli *cli, int argc, char **argv);
MAY_WAIT struct err *run_pause(struct cli *cli, int argc, char **argv);
MAY_WAIT struct err *run_unpause(struct cli *cli, int argc, char **argv);
MAY_WAIT struct err *run_suspend(struct cli *cli, int argc, char **argv);
MAY_WAIT struct err *run_resume(struct cli *cli, int argc, char **argv);
MAY_WAIT struct err *run_migrate(struct cli *cli, int argc, char **argv);

/* ---- console.c ---- */

MAY_WAIT struct err *run_console(struct cli *cli, int argc, char **argv);

#endif
