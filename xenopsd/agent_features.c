/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Agents' features (agent_features.h), as keys and values: "NAME/licensed" is "1" or "0", and
 * "NAME/parameters/KEY" what the parameter says.
 */
#define LOG_MODULE "features"
#include "xenopsd/agent_features.h"

#include "common/codec.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sbuf.h"
#include "core.gen.h"
#include "xenopsd/backend.h"
#include "xenopsd/queue.h"
#include "xenopsd/xenopsd.h"

#include <errno.h>

#define MAX_BYTES ((size_t)1 << 20)

static struct {
	char *path; /* owned */
	struct arena arena; /* of the keys */
	struct string_map keys;
	bool is_set; /* once there were some, they may also be taken away */
} features;

static void replace(struct arena *a, struct string_map keys)
{
	arena_fini(&features.arena);
	features.arena = *a;
	*a = (struct arena){0};
	features.keys = keys;
	features.is_set = true;
}

struct err *agent_features_begin(void)
{
	auto_arena a = {0};
	auto_str text = NULL;
	struct string_map keys;
	size_t len;

	features.path = xasprintf("%s/agent-features", xenopsd.dir);
	int r = file_read(features.path, MAX_BYTES, &text, &len);
	if (r == -ENOENT)
		return NULL;
	if (r)
		return err_errno(-r, "reading %s", features.path);
	TRY_CTX(codec_decode(&type_map_string, "features", text, len, &a, &keys), "reading %s",
		features.path);
	replace(&a, keys);
	return NULL;
}

void agent_features_end(void)
{
	arena_fini(&features.arena);
	free(features.path);
}

/* ---- telling ---- */

struct err *agent_features_tell(struct vm *vm)
{
	auto_arena a = {0};
	struct string_map keys;

	if (!features.is_set || !xenopsd.backend->vm_set_agent_features)
		return NULL;
	/* They may be replaced meanwhile. */
	codec_copy(&type_map_string, &features.keys, &a, &keys);
	return xenopsd.backend->vm_set_agent_features(vm, &keys);
}

static MAY_WAIT struct err *tell_in_turn(const char *id)
{
	AUTO(turn_end) struct turn turn = {0};

	TRY(turn_begin(&turn, id, "features of the agent", TURN_WORK));
	return turn.vm->phase == XENOPSD_PHASE_UP ? agent_features_tell(turn.vm) : NULL;
}

static MAY_WAIT void tell_main(void *arg)
{
	auto_str id = arg;
	auto_err e = tell_in_turn(id);

	if (e)
		log_err(LOG_WARN_, e, "vm=%s its agent is not told what it may do", id);
}

static struct err *tell_all(void)
{
	map_for_each (slot, &vms) {
		const struct vm *vm = slot->value;

		if (vm->phase == XENOPSD_PHASE_HALTED)
			continue;
		char *id = xstrdup(vm->id);
		struct err *e = fiber_spawn(NULL, tell_main, id, "features of vm %s", id);
		if (e) {
			free(id);
			return e;
		}
	}
	return NULL;
}

/* ---- setting ---- */

static void add(struct string_map *out, const char *key, const char *value)
{
	out->v[out->n++] = (struct string_map_entry){key, value};
}

static struct string_map keys_of(
	const struct xenops_guest_agent_feature_list *list, struct arena *a)
{
	struct string_map out = {.n = 0};
	size_t n = list->n;

	for (size_t i = 0; i < list->n; i++)
		n += list->v[i].parameters.n;
	out.v = arena_calloc(a, n, sizeof(*out.v));
	for (size_t i = 0; i < list->n; i++) {
		const struct xenops_guest_agent_feature *f = &list->v[i];

		add(&out, arena_printf(a, "%s/licensed", f->name), f->licensed ? "1" : "0");
		for (size_t k = 0; k < f->parameters.n; k++)
			add(&out,
				arena_printf(
					a, "%s/parameters/%s", f->name, f->parameters.v[k].key),
				arena_strdup(a, f->parameters.v[k].value));
	}
	return out;
}

struct err *agent_features_set(const struct xenops_guest_agent_feature_list *list)
{
	auto_arena a = {0};
	auto_sbuf text = {0};

	if (!xenopsd.backend->vm_set_agent_features)
		return err(Unimplemented, "vm_set_agent_features");
	struct string_map keys = keys_of(list, &a);
	codec_encode(&type_map_string, &keys, &text);
	int r = file_write(features.path, sbuf_data(&text), sbuf_len(&text), 0600, 0);
	if (r)
		return err_errno(-r, "writing %s", features.path);
	replace(&a, keys);
	return tell_all();
}
