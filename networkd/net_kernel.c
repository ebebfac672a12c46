/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's network (net.h). Each operation is a job for the pool over one netlink socket, which
 * a mutex guards; the fiber waits meanwhile, so a job may live on its stack.
 */
#include "common/fiber.h"
#include "common/file.h"
#include "common/mem.h"
#include "common/offload.h"
#include "networkd/net.h"
#include "networkd/nft.h"
#include "networkd/nl.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static struct {
	struct nl_sock *socket; /* guarded by busy */
	struct mutex busy;
} kernel;

struct job {
	int (*run)(struct job *job); /* in the pool; what nl_reason explains */
	const char *name; /* of the interface */
	const struct net_change *change;
	const char *address;
	const struct network_route *route;
	struct arena *arena; /* of the results */
	struct net_link_list links;
	struct net_link *link;
	int r;
};

static void run_job(void *arg)
{
	struct job *job = arg;

	job->r = job->run(job);
}

static MAY_WAIT struct err *do_job(struct job *job, const char *what)
{
	TRY(mutex_lock(&kernel.busy, "netlink", NEVER));
	struct err *e = offload(what, run_job, job);
	mutex_unlock(&kernel.busy);
	if (!e && job->r < 0)
		e = err_wrap(err(Network_error, what, nl_reason(job->r)), "%s",
			job->name ? job->name : "every interface");
	return e;
}

static struct err *kernel_begin(void)
{
	mutex_init(&kernel.busy);
	int r = nl_start(&kernel.socket);
	return r < 0 ? err(Network_error, "opening netlink", nl_reason(r)) : NULL;
}

static void kernel_end(void)
{
	if (!kernel.socket)
		return;
	nl_stop(take(kernel.socket));
	mutex_fini(&kernel.busy);
}

static int job_read_links(struct job *job)
{
	return nl_link_read_all(kernel.socket, job->arena, &job->links);
}

static MAY_WAIT struct err *kernel_read_links(struct arena *a, struct net_link_list *out)
{
	struct job job = {.run = job_read_links, .arena = a};

	TRY(do_job(&job, "reading interfaces"));
	*out = job.links;
	return NULL;
}

static int job_find_link(struct job *job)
{
	return nl_link_find(kernel.socket, job->name, job->arena, &job->link);
}

static MAY_WAIT struct err *kernel_find_link(
	const char *name, struct arena *a, struct net_link **out)
{
	struct job job = {.run = job_find_link, .name = name, .arena = a};

	TRY(do_job(&job, "reading an interface"));
	*out = job.link;
	return NULL;
}

static int job_make_bridge(struct job *job)
{
	return nl_link_make_bridge(kernel.socket, job->name);
}

static MAY_WAIT struct err *kernel_make_bridge(const char *name)
{
	struct job job = {.run = job_make_bridge, .name = name};

	return do_job(&job, "making a bridge");
}

static int job_remove(struct job *job)
{
	return nl_link_remove(kernel.socket, job->name);
}

static MAY_WAIT struct err *kernel_remove_bridge(const char *name)
{
	struct job job = {.run = job_remove, .name = name};

	return do_job(&job, "taking a bridge away");
}

static int job_change_link(struct job *job)
{
	return nl_link_change(kernel.socket, job->name, job->change);
}

static MAY_WAIT struct err *kernel_change_link(const char *name, const struct net_change *change)
{
	struct job job = {.run = job_change_link, .name = name, .change = change};

	return do_job(&job, "changing an interface");
}

static int job_put_address(struct job *job)
{
	return nl_address_put(kernel.socket, (int)if_nametoindex(job->name), job->address);
}

static MAY_WAIT struct err *kernel_put_address(const char *name, const char *address)
{
	struct job job = {.run = job_put_address, .name = name, .address = address};

	return do_job(&job, "adding an address");
}

static int job_drop_address(struct job *job)
{
	return nl_address_drop(kernel.socket, (int)if_nametoindex(job->name), job->address);
}

static MAY_WAIT struct err *kernel_drop_address(const char *name, const char *address)
{
	struct job job = {.run = job_drop_address, .name = name, .address = address};

	return do_job(&job, "removing an address");
}

static int job_put_route(struct job *job)
{
	return nl_route_put(kernel.socket, (int)if_nametoindex(job->name), job->route);
}

static MAY_WAIT struct err *kernel_put_route(const char *name, const struct network_route *route)
{
	struct job job = {.run = job_put_route, .name = name, .route = route};

	return do_job(&job, "adding a route");
}

static int job_drop_route(struct job *job)
{
	return nl_route_drop(kernel.socket, (int)if_nametoindex(job->name), job->route);
}

static MAY_WAIT struct err *kernel_drop_route(const char *name, const struct network_route *route)
{
	struct job job = {.run = job_drop_route, .name = name, .route = route};

	return do_job(&job, "removing a route");
}

/* A setting of IPv6; /proc/sys/net is that of the thread's network namespace. Does not block. */
static struct err *set(const char *name, const char *key, char value)
{
	auto_str path = xasprintf("/proc/sys/net/ipv6/conf/%s/%s", name, key);
	auto_fd fd = open(path, O_RDWR | O_CLOEXEC);
	char now = 0;

	if (fd < 0 && errno == ENOENT)
		return NULL; /* a kernel without IPv6 */
	if (fd < 0)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && pread(fd, &now, 1, 0) == 1 && now == value)
		return NULL;
	if (fd < 0 || pwrite(fd, &value, 1, 0) != 1) {
		auto_err e = err_errno(errno, "%s", path);

		return err(Network_error, "switching IPv6", err_text(e));
	}
	return NULL;
}

static MAY_WAIT struct err *kernel_switch_ipv6(const char *name, bool on)
{
	if (!on)
		return set(name, "disable_ipv6", '1');
	TRY(set(name, "accept_ra", '0'));
	return set(name, "disable_ipv6", '0');
}

struct filter_job {
	const char *rules;
	struct arena arena;
	const char *why; /* in the arena; NULL: it is done */
};

static void run_filter(void *arg)
{
	struct filter_job *job = arg;

	job->why = nft_run(job->rules, &job->arena);
}

static MAY_WAIT struct err *kernel_filter(const char *rules)
{
	struct filter_job job = {.rules = rules};

	TRY(mutex_lock(&kernel.busy, "netlink", NEVER));
	struct err *e = offload("filtering what guests send", run_filter, &job);
	mutex_unlock(&kernel.busy);
	if (!e && job.why)
		e = err(Network_error, "filtering what guests send", job.why);
	arena_fini(&job.arena);
	return e;
}

const struct net_ops net_kernel = {
	.begin = kernel_begin,
	.end = kernel_end,
	.read_links = kernel_read_links,
	.find_link = kernel_find_link,
	.find_guest = kernel_find_link,
	.make_bridge = kernel_make_bridge,
	.remove_bridge = kernel_remove_bridge,
	.change_link = kernel_change_link,
	.switch_ipv6 = kernel_switch_ipv6,
	.put_address = kernel_put_address,
	.drop_address = kernel_drop_address,
	.put_route = kernel_put_route,
	.drop_route = kernel_drop_route,
	.filter = kernel_filter,
};
