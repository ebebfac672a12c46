/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keeps an SR of type file: its VDIs and images, and their files (file_sr.h). Fibers.
 */
#define LOG_MODULE "file"
#include "smd/file_sr.h"

#include "common/codec.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/offload.h"
#include "common/uuid.h"
#include "core.gen.h"
#include "smd/backend.h"
#include "smd/file_list.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define FORM      1 /* of the JSON files */
#define MAX_BYTES ((size_t)1 << 20)

/* ---- images ---- */

static struct file_node *node_add(struct file_sr *sr, const char *name, bool is_raw)
{
	struct file_node *n = xnew(struct file_node);

	n->name = xstrdup(name);
	n->is_raw = is_raw;
	n->is_ours = !strncmp(name, NODE_START, strlen(NODE_START));
	map_put(&sr->nodes, name, n);
	return n;
}

static void node_free(struct file_node *n)
{
	free(n->name);
	free(n);
}

struct file_node *file_node_new(
	struct file_sr *sr, struct file_node *parent, bool is_raw, int64_t size_bytes)
{
	char uuid[UUID_TEXT_SIZE];
	auto_str name =
		xasprintf(NODE_START "%s.%s", uuid_random_text(uuid), is_raw ? "raw" : "qcow2");
	struct file_node *n = node_add(sr, name, is_raw);

	n->size_bytes = size_bytes;
	n->parent = parent;
	n->n_refs = 1;
	if (parent)
		file_node_ref(parent);
	return n;
}

char *file_node_path(const struct file_sr *sr, const struct file_node *n)
{
	return xasprintf("%s/%s", sr->dir, n->name);
}

unsigned file_node_depth(const struct file_node *n)
{
	unsigned depth = 0;

	for (; n; n = n->parent)
		depth++;
	return depth;
}

/* Removes the file of an image that nobody refers to; one that stays goes at the next attach. */
static MAY_WAIT void node_remove(struct file_sr *sr, struct file_node *n)
{
	auto_str path = file_node_path(sr, n);
	struct file_node *parent = n->parent;

	map_remove(&sr->nodes, n->name);
	node_free(n);
	auto_err e = file_drop(path, 0);
	if (e)
		log_err(LOG_WARN_, e, "an image that nobody needs stays");
	if (parent)
		file_node_unref(sr, parent);
}

MAY_WAIT void file_node_unref(struct file_sr *sr, struct file_node *n)
{
	if (--n->n_refs || !n->is_ours)
		return;
	fiber_cancel_mask();
	node_remove(sr, n);
	fiber_cancel_unmask();
}

/* ---- what the images refer to ---- */

bool file_node_is_behind(const struct file_node *n, const struct file_node *wanted)
{
	unsigned depth = 0;

	for (; n && depth <= FILE_MAX_DEPTH; n = n->parent, depth++)
		if (n == wanted)
			return true;
	return depth > FILE_MAX_DEPTH;
}

/* Puts NODE before the image that its head names, which must be one of this SR. */
static const char *link_parent(
	struct file_sr *sr, struct file_node *n, const struct qcow2_head *head)
{
	struct file_node *parent = map_get(&sr->nodes, head->backing);

	if (!parent)
		return "its backing file is no image of this SR";
	if (strcmp(head->backing_format, parent->is_raw ? "raw" : "qcow2"))
		return "it does not say rightly how its backing file is written";
	if (file_node_is_behind(parent, n))
		return "its chain of backing files is too long, or has no end";
	n->parent = parent;
	file_node_ref(parent);
	return NULL;
}

static const char *chain_problem(const struct file_node *n)
{
	for (; n; n = n->parent)
		if (n->problem)
			return n->problem;
	return NULL;
}

struct chain_check {
	const char *dir;
	size_t n;
	struct chain_link {
		const char *name, *backing;
		bool backing_is_raw;
	} links[FILE_MAX_DEPTH + 1];
	const char *problem;
};

static const char *check_link(const char *dir, const struct chain_link *link)
{
	struct file_entry entry;

	file_look(dir, link->name, &entry);
	if (entry.problem)
		return entry.problem;
	if (strcmp(entry.head.backing, link->backing))
		return "its backing file is another one than before";
	if (*link->backing &&
		strcmp(entry.head.backing_format, link->backing_is_raw ? "raw" : "qcow2"))
		return "the format of its backing file is another one than before";
	return NULL;
}

static void check_links(void *arg)
{
	struct chain_check *c = arg;

	for (size_t i = 0; !c->problem && i < c->n; i++)
		c->problem = check_link(c->dir, &c->links[i]);
}

MAY_WAIT struct err *file_node_check(const struct file_sr *sr, const struct file_node *n)
{
	const char *problem = chain_problem(n);
	struct chain_check *c = xnew(struct chain_check);

	c->dir = sr->dir;
	const struct file_node *at = n;
	do {
		c->links[c->n++] = (struct chain_link){at->name, at->parent ? at->parent->name : "",
			at->parent && at->parent->is_raw};
		at = at->parent;
	} while (at && c->n <= FILE_MAX_DEPTH);
	struct err *e = problem ? NULL : offload("looking at images", check_links, c);
	if (!problem)
		problem = c->problem;
	free(c);
	if (!e && problem)
		e = backend_error(
			FAULT_VDI_UNAVAILABLE, "image %s/%s: %s", sr->dir, n->name, problem);
	return e;
}

/* ---- VDIs ---- */

struct err *file_vdi_find(const struct file_sr *sr, const char *id, struct file_vdi **out)
{
	struct file_vdi *v = map_get(&sr->vdis, id);

	if (!v)
		return err(Vdi_does_not_exist, sr->about.sr, id);
	*out = v;
	return NULL;
}

static void vdi_free(struct file_vdi *v)
{
	arena_fini(&v->arena);
	free(v);
}

/* The VDI as it is to be in memory; refers to its images. */
static void vdi_show(struct file_sr *sr, const struct storage_vdi *value, struct file_node *image,
	struct file_node *base)
{
	struct file_vdi *v = xnew(struct file_vdi);

	codec_keep(&storage_type_vdi, value, &v->arena, &v->value);
	v->value.virtual_size_bytes = image->size_bytes;
	v->value.image_format = image->is_raw ? "raw" : "qcow2";
	v->image = image;
	v->base = base;
	file_node_ref(image);
	if (base)
		file_node_ref(base);
	map_put(&sr->vdis, v->value.vdi, v);
}

/* The same VDI as it was before. */
static MAY_WAIT void vdi_hide(struct file_sr *sr, struct file_vdi *v)
{
	struct file_node *image = v->image, *base = v->base;

	vdi_free(v);
	file_node_unref(sr, image);
	if (base)
		file_node_unref(sr, base);
}

static char *vdi_path(const struct file_sr *sr, const char *id)
{
	return xasprintf("%s/%s.json", sr->dir, id);
}

/* {"version": 1, "image": "node-….qcow2", "base": …, "vdi": {…}} */
static void encode(const struct storage_vdi *value, const struct file_node *image,
	const struct file_node *base, struct sbuf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_write_object(&w);
	json_member_int(&w, "version", FORM);
	json_member_string(&w, "image", image->name);
	if (base)
		json_member_string(&w, "base", base->name);
	json_write_name(&w, "vdi");
	codec_write(&storage_type_vdi, value, 0, &w);
	json_write_object_end(&w);
	sbuf_addc(out, '\n');
}

static MAY_WAIT struct err *vdi_put(struct file_sr *sr, const struct storage_vdi *value,
	struct file_node *image, struct file_node *base)
{
	auto_sbuf json = {0};
	auto_str path = vdi_path(sr, value->vdi);

	encode(value, image, base, &json);
	TRY(file_store(path, sbuf_data(&json), sbuf_len(&json), 0640, FILE_DURABLE));
	struct file_vdi *before = map_get(&sr->vdis, value->vdi);
	vdi_show(sr, value, image, base);
	if (before)
		vdi_hide(sr, before);
	return NULL;
}

MAY_WAIT struct err *file_vdi_put(struct file_sr *sr, const struct storage_vdi *value,
	struct file_node *image, struct file_node *base)
{
	fiber_cancel_mask();
	struct err *e = vdi_put(sr, value, image, base);
	fiber_cancel_unmask();
	return e;
}

static MAY_WAIT struct err *vdi_remove(struct file_sr *sr, struct file_vdi *v)
{
	auto_str path = vdi_path(sr, v->value.vdi);
	struct file_node *image = v->image;

	TRY(file_drop(path, FILE_DURABLE));
	map_remove(&sr->vdis, v->value.vdi);
	/* An image that somebody put there goes with its VDI, if that was all it was for. */
	if (image->n_refs == 1)
		image->is_ours = true;
	vdi_hide(sr, v);
	return NULL;
}

MAY_WAIT struct err *file_vdi_remove(struct file_sr *sr, struct file_vdi *v)
{
	fiber_cancel_mask();
	struct err *e = vdi_remove(sr, v);
	fiber_cancel_unmask();
	return e;
}

/* ---- reading ---- */

struct vdi_file {
	const char *image, *base;
	struct storage_vdi vdi;
};

static bool is_member(const char *name, size_t len, const char *wanted)
{
	return len == strlen(wanted) && !memcmp(name, wanted, len);
}

static struct err *decode(const char *text, size_t len, struct arena *a, struct vdi_file *out)
{
	struct json_reader r;
	const char *name;
	size_t name_len;
	int64_t version = 0;

	json_reader_init(&r, text, len, a);
	if (!json_enter_object(&r))
		return err(INVALID_VALUE, "", "not an object");
	for (bool first = true; json_next_member(&r, &first, &name, &name_len);) {
		bool is_read = true;

		if (is_member(name, name_len, "version"))
			is_read = json_read_int(&r, &version);
		else if (is_member(name, name_len, "image"))
			is_read = json_read_string(&r, &out->image, NULL);
		else if (is_member(name, name_len, "base"))
			is_read = json_read_string(&r, &out->base, NULL);
		else if (is_member(name, name_len, "vdi"))
			TRY(codec_read(&storage_type_vdi, "vdi", &r, &out->vdi));
		else
			is_read = json_skip(&r, NULL);
		if (!is_read)
			return err(INVALID_VALUE, "", "a member is not right");
	}
	if (r.problem || !json_at_end(&r))
		return err(INVALID_VALUE, "", r.problem ? r.problem : "text behind its end");
	if (version != FORM || !out->image || !out->vdi.vdi)
		return err(INVALID_VALUE, "", "not a VDI of a known version");
	return NULL;
}

static struct err *find_image(struct file_sr *sr, const char *name, struct file_node **out)
{
	struct file_node *n = map_get(&sr->nodes, name);
	const char *problem = n ? chain_problem(n) : "it is not there";

	if (problem)
		return backend_error(FAULT_VDI_UNAVAILABLE, "image %s: %s", name, problem);
	*out = n;
	return NULL;
}

static struct err *read_vdi(struct file_sr *sr, const struct file_entry *entry)
{
	auto_arena a = {0};
	struct vdi_file file = {0};
	struct file_node *image, *base = NULL;

	if (entry->problem)
		return err(INVALID_VALUE, entry->name, entry->problem);
	TRY(decode(entry->json, entry->json_len, &a, &file));
	auto_str name = xasprintf("%s.json", file.vdi.vdi);
	if (strcmp(name, entry->name))
		return err(INVALID_VALUE, "vdi", "the file has the name of another");
	TRY(find_image(sr, file.image, &image));
	if (file.base)
		TRY(find_image(sr, file.base, &base));
	if (!map_has(&sr->vdis, file.vdi.vdi))
		vdi_show(sr, &file.vdi, image, base);
	return NULL;
}

static void read_vdis(struct file_sr *sr, const struct file_listing *l)
{
	vec_for_each (i, &l->entries) {
		const struct file_entry *entry = &l->entries.v[i];
		auto_err e = entry->json ? read_vdi(sr, entry) : NULL;

		if (!e)
			continue;
		log_err(LOG_ERROR_, e, "%s/%s is left out", sr->dir, entry->name);
		sr->is_doubtful = true;
	}
}

/* Images that are not known yet, and what they refer to. */
static void read_images(struct file_sr *sr, const struct file_listing *l)
{
	vec_of(const struct file_entry *) added = {0};

	vec_for_each (i, &l->entries) {
		const struct file_entry *entry = &l->entries.v[i];

		if (entry->json || map_has(&sr->nodes, entry->name))
			continue;
		struct file_node *n = node_add(sr, entry->name, entry->is_raw);
		n->problem = entry->problem;
		n->size_bytes = entry->head.virtual_size_bytes;
		vec_push(&added, entry);
	}
	vec_for_each (i, &added) {
		struct file_node *n = map_get(&sr->nodes, added.v[i]->name);

		if (!n->problem && *added.v[i]->head.backing)
			n->problem = link_parent(sr, n, &added.v[i]->head);
		if (n->problem)
			log_warn("%s/%s is not used: %s", sr->dir, n->name, n->problem);
	}
	vec_fini(&added);
}

typedef vec_of(struct file_node *) node_vec;

/* What nobody refers to: OURS, left over; else put there by somebody. */
static void find_loose(struct file_sr *sr, bool ours, node_vec *out)
{
	map_for_each (slot, &sr->nodes) {
		struct file_node *n = slot->value;

		if (!n->n_refs && n->is_ours == ours)
			vec_push(out, n);
	}
}

static MAY_WAIT void remove_leftovers(struct file_sr *sr)
{
	node_vec loose = {0};

	find_loose(sr, true, &loose);
	vec_for_each (i, &loose) {
		log_info("removing %s/%s, which was left over", sr->dir, loose.v[i]->name);
		node_remove(sr, loose.v[i]);
	}
	vec_fini(&loose);
}

static MAY_WAIT struct err *introduce(struct file_sr *sr, struct file_node *n)
{
	struct storage_vdi vdi = STORAGE_VDI_INIT;
	char uuid[UUID_TEXT_SIZE];

	vdi.vdi = vdi.uuid = uuid_random_text(uuid);
	vdi.name_label = n->name;
	return file_vdi_put(sr, &vdi, n, NULL);
}

static MAY_WAIT struct err *introduce_loose(struct file_sr *sr)
{
	node_vec loose = {0};
	struct err *e = NULL;

	find_loose(sr, false, &loose);
	vec_for_each (i, &loose)
		if (!e && !loose.v[i]->n_refs && !chain_problem(loose.v[i]))
			e = introduce(sr, loose.v[i]);
	vec_fini(&loose);
	return e;
}

/* ---- the directory ---- */

struct reading {
	const char *dir;
	struct file_listing *out;
	bool cleans;
	int r;
};

static void read_dir(void *arg)
{
	struct reading *reading = arg;

	if (reading->cleans)
		reading->r = dir_remove_temporaries(reading->dir, "");
	if (!reading->r)
		reading->r = file_list(reading->dir, reading->out);
}

static MAY_WAIT struct err *list_dir(struct file_sr *sr, bool cleans, struct file_listing *out)
{
	struct reading reading = {.dir = sr->dir, .out = out, .cleans = cleans};

	TRY(offload("reading an SR", read_dir, &reading));
	return reading.r ? err_errno(-reading.r, "reading %s", sr->dir) : NULL;
}

static MAY_WAIT struct err *load(struct file_sr *sr)
{
	struct file_listing l = {{0}};
	struct err *e = list_dir(sr, true, &l);

	if (!e) {
		read_images(sr, &l);
		read_vdis(sr, &l);
	}
	file_listing_fini(&l);
	if (!e && !sr->is_doubtful) {
		remove_leftovers(sr);
		e = introduce_loose(sr);
	}
	return e;
}

MAY_WAIT struct err *file_sr_scan(struct file_sr *sr)
{
	struct file_listing l = {{0}};

	TRY(mutex_lock(&sr->scanning, "another scan", NEVER));
	struct err *e = list_dir(sr, false, &l);
	if (!e)
		read_images(sr, &l);
	file_listing_fini(&l);
	if (!e && !sr->is_doubtful)
		e = introduce_loose(sr);
	mutex_unlock(&sr->scanning);
	return e;
}

MAY_WAIT struct err *file_sr_describe(const char *dir, const struct storage_sr *about)
{
	auto_str path = xasprintf("%s/sr.json", dir);
	auto_sbuf json = {0};

	codec_encode(&storage_type_sr, about, &json);
	sbuf_addc(&json, '\n');
	return file_store(path, sbuf_data(&json), sbuf_len(&json), 0640, FILE_DURABLE);
}

MAY_WAIT struct err *file_sr_read(const char *dir, struct arena *a, struct storage_sr *out)
{
	auto_str path = xasprintf("%s/sr.json", dir);
	auto_str text = NULL;
	size_t len;

	if (access(path, F_OK) && errno == ENOENT)
		return err(Does_not_exist, "SR", dir);
	TRY(file_load(path, MAX_BYTES, &text, &len));
	return codec_decode(&storage_type_sr, "sr", text, len, a, out);
}

static MAY_WAIT struct err *open_dir(struct file_sr *sr, const char *id)
{
	TRY(file_sr_read(sr->dir, &sr->arena, &sr->about));
	if (strcmp(sr->about.sr, id))
		return backend_error(
			FAULT_SR_UNAVAILABLE, "%s has SR %s and not %s", sr->dir, sr->about.sr, id);
	TRY(dir_lock(sr->dir, ".lock", &sr->lock_fd));
	return load(sr);
}

MAY_WAIT struct err *file_sr_open(struct file_sr **out, const char *dir, const char *id)
{
	struct file_sr *sr = xnew(struct file_sr);

	sr->dir = xstrdup(dir);
	sr->lock_fd = -1;
	mutex_init(&sr->scanning);
	struct err *e = open_dir(sr, id);
	if (e)
		file_sr_close(sr);
	else
		*out = sr;
	return e;
}

void file_sr_close(struct file_sr *sr)
{
	map_for_each (slot, &sr->vdis)
		vdi_free(slot->value);
	map_fini(&sr->vdis);
	map_for_each (slot, &sr->nodes)
		node_free(slot->value);
	map_fini(&sr->nodes);
	mutex_fini(&sr->scanning);
	arena_fini(&sr->arena);
	if (sr->lock_fd >= 0)
		close(sr->lock_fd);
	free(sr->dir);
	free(sr);
}

static void remove_dir(void *arg)
{
	int r = rmdir(arg);
	(void)r;
}

MAY_WAIT struct err *file_sr_destroy(struct file_sr *sr)
{
	auto_str about = xasprintf("%s/sr.json", sr->dir);
	auto_str lock = xasprintf("%s/.lock", sr->dir);
	vec_of(struct file_vdi *) vdis = {0};
	struct err *e = NULL;

	map_for_each (slot, &sr->vdis)
		vec_push(&vdis, slot->value);
	vec_for_each (i, &vdis)
		if (!e)
			e = vdi_remove(sr, vdis.v[i]);
	vec_fini(&vdis);
	if (!e)
		e = file_drop(about, FILE_DURABLE);
	if (e)
		return e;
	/* What somebody else put there stays, and then so does the directory. */
	err_free(file_drop(lock, 0));
	err_free(offload("removing an SR's directory", remove_dir, sr->dir));
	return NULL;
}
