/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The simulator's domains, and what it can be told to do to them. It lives in its own process
 * (main.c) and knows nothing of xenopsd. Loop thread.
 */
#ifndef XENITH_XENOPSD_SIMULATOR_SIMULATOR_H
#define XENITH_XENOPSD_SIMULATOR_SIMULATOR_H

#include "common/arena.h"
#include "common/fiber.h"
#include "common/loop.h"
#include "common/map.h"
#include "common/vec.h"
#include "simulator.gen.h"
#include "xenops.gen.h"

struct console;

struct sim_device {
	enum simulator_device_kind kind;
	char *name, *backend; /* owned */
	bool is_connected, is_closing;
	struct string_map settings; /* in the domain's arena */
};

struct domain {
	struct arena arena; /* of spec and what the agent says */
	struct simulator_domain_spec spec;
	int64_t domid;
	enum simulator_domain_power power;
	enum simulator_guest_end end; /* when it has ended */
	bool is_held; /* of one that has ended: it was paused since */
	bool is_asleep;
	bool is_built, has_device_model;
	int64_t vcpus;
	int64_t memory_bytes, memory_target_bytes; /* domain_memory() tells the first */
	int64_t balloon_ns; /* when that was last reckoned */
	struct timer arrival; /* of the balloon, where it is to be */
	double shadow_multiplier;
	vec_of(struct sim_device) devices; /* in order of plugging */
	struct console *console; /* owned; NULL until it is built */
	struct string_map agent, xenstore_data, agent_features;
	enum xenops_numa_policy numa_policy;
	struct xenops_script_result *script; /* what scripts give; NULL: their own text */
	int64_t ran_ns; /* time that it ran, up to the last change of power */
	int64_t runs_since_ns; /* while it is running */
	int64_t changed_pages; /* of its memory, since the last round of copying */
	/* How its guest behaves. */
	bool acknowledges, ends, lets_go, balloons;
	int64_t balloon_bytes_per_s; /* 0: all at once */
};

struct simulator {
	struct map domains; /* by VM id; owned */
	int64_t last_domid;
	int64_t memory_bytes; /* of the host */
	int64_t used_bytes; /* by all domains */
	int64_t operation_ns;
	bool has_power_buttons; /* by which guests without an agent can be asked to end */
	enum xenops_numa_policy numa_policy;
	vec_of(char *) quarantine; /* owned addresses of PCI devices */
	char *console_dir; /* owned */
	int faults_fd; /* a file of one byte while faults are planned, else of none */
};

extern struct simulator simulator;

/* NULL when there is none. */
struct domain *domain_find(const char *vm);
/* Domain_not_built when there is none. */
must_check struct err *domain_get(const char *vm, struct domain **out);
/* Of the time it ran, for the counters. */
int64_t domain_ran_ns(const struct domain *d);
void domain_set_power(struct domain *d, enum simulator_domain_power power);
/* Also out of `domains`. */
void domain_free(struct domain *d);
void domain_describe(struct domain *d, struct arena *a, struct simulator_domain *out);
/* The guest ends; who watches hears of it. */
void domain_end(struct domain *d, enum simulator_guest_end how);
/* What stat shows of it is not as before. */
void domain_changed(const struct domain *d);
/* The device's place, or devices.n. */
size_t device_find(const struct domain *d, enum simulator_device_kind kind, const char *name);

/* ---- balloon.c ---- */

int64_t memory_free_bytes(void);
void domain_balloon_init(struct domain *d);
/* Gives it its memory: Not_enough_memory. */
must_check struct err *domain_populate(struct domain *d, int64_t bytes);
void domain_depopulate(struct domain *d);
must_check struct err *domain_set_shadow(struct domain *d, double multiplier);
/* Bytes that it has now. */
int64_t domain_memory(struct domain *d);
/* It has a new target, or a new way of moving there. */
void domain_balloon(struct domain *d);

/* ---- api_hardware.c ---- */

/* The guest has the device no longer, or has it. */
void device_taken(const struct sim_device *device);
void device_given(const struct sim_device *device);

/* ---- console.c ---- */

/* A text console: a Unix socket that greets, echoes, and shows what the domain does. */
must_check struct err *console_new(struct console **out, const char *path, const char *greeting);
const char *console_path(const struct console *c);
/* To all who are connected, and to those who connect later (the last 4 KiB). */
void console_print(struct console *c, const char *text);
/* What it has shown, and what was typed, as far as it is kept: text, in the arena. */
void console_tell(const struct console *c, struct arena *a, struct simulator_console_text *out);
void console_free(struct console *c);

/* ---- api_fault.c ---- */

/* Frees the plan. */
void faults_fini(void);

#endif
