// SPDX-License-Identifier: BSD-2-Clause
/*
 * state.c - the state directory: policies as they were applied, and which one counts (state.h).
 *
 * A list file that did not change between two policies stands on the disk once: contents are named
 * by hash and length, and compared before one is taken for the other.  Called by the worker and,
 * at start, by the main thread.  Never logs.  A directory that cannot be written costs the memory
 * of the past, never the running policy: the caller says so and goes on.
 */
#include "state.h"

#include <dirent.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define STATE_JSON_MAX (16u << 20) /* bytes of one of our JSON files */
#define STATE_VERSION  1 /* of the JSON files; a higher one says what we cannot know */
#define BLOB_NAME      64 /* bytes: hash, length, number of a collision */
#define BLOB_TWINS     16 /* different contents of one hash and length */

char *mr_state_path(const char *dir, const char *name)
{
	char *p;

	return asprintf(&p, "%s/%s", dir, name) < 0 ? NULL : p;
}

void mr_state_put_aside(const char *dir, const char *name)
{
	_free_ char *path = mr_state_path(dir, name), *aside = NULL;

	if (path && asprintf(&aside, "%s.damaged", path) >= 0)
		(void)rename(path, aside);
}

void mr_state_boot_id(char out[static MR_BOOT_ID])
{
	_free_ char *text = NULL;
	size_t len;

	memset(out, 0, MR_BOOT_ID);
	if (mr_read_file("/proc/sys/kernel/random/boot_id", 4096, &text, &len) == 0)
		snprintf(out, MR_BOOT_ID, "%.36s", text);
}

/* What a killed daemon was writing: mr_write_file()'s names, a dot and six characters behind ours.
 */
static void remove_unfinished(const char *dir)
{
	static const char *const ours[] = { "current.json", "entries", "ids.json", "sessions",
					    "sources.json" };
	DIR *d = opendir(dir);
	const struct dirent *de;

	while (d && (de = readdir(d))) {
		const char *dot = strrchr(de->d_name, '.');

		for (size_t i = 0; dot && strlen(dot) == 7 && i < MR_ARRAY_SIZE(ours); i++)
			if (strlen(ours[i]) == (size_t)(dot - de->d_name) &&
			    strncmp(ours[i], de->d_name, strlen(ours[i])) == 0)
				unlinkat(dirfd(d), de->d_name, 0);
	}
	if (d)
		closedir(d);
}

int mr_state_prepare(const char *dir, struct mr_error *e)
{
	static const char *const parts[] = { "", "policies", "blobs" };

	for (size_t i = 0; i < MR_ARRAY_SIZE(parts); i++) {
		_free_ char *p = mr_state_path(dir, parts[i]);
		int r = p ? mr_mkdirs(p, 0700) : -ENOMEM;

		if (r < 0)
			return mr_error(e, r, "%s: cannot make the state directory: %s",
					p ? p : dir, strerror(-r));
	}
	remove_unfinished(dir);
	return 0;
}

/* --- hashes ----------------------------------------------------------------------------------- */

/* Eight bytes a step; for telling contents apart, not against forgers: what it finds equal is
 * compared byte by byte where it matters. */
static uint64_t hash_bytes(const void *data, size_t len, uint64_t h)
{
	const unsigned char *p = data;
	uint64_t v;

	h ^= len * 0x9e3779b97f4a7c15ull;
	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&v, p, 8);
		h = (h ^ v) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	v = 0;
	memcpy(&v, p, len);
	h = (h ^ v) * 0xff51afd7ed558ccdull;
	return h ^ (h >> 29);
}

uint64_t mr_state_fingerprint(const char *config, const struct mr_files *f)
{
	uint64_t h = hash_bytes(config, strlen(config), 1);

	for (size_t i = 0; i < f->n; i++) {
		h = hash_bytes(f->file[i].path, strlen(f->file[i].path), h);
		h = hash_bytes(&f->file[i].missing, sizeof(bool), h);
		if (!f->file[i].missing)
			h = hash_bytes(f->file[i].data, f->file[i].len, h);
	}
	for (size_t i = 0; i < f->n_globs; i++) {
		h = hash_bytes(f->glob[i].pattern, strlen(f->glob[i].pattern), h);
		for (size_t j = 0; j < f->glob[i].n; j++)
			h = hash_bytes(f->glob[i].paths[j], strlen(f->glob[i].paths[j]), h);
	}
	return h ? h : 1;
}

/* --- contents --------------------------------------------------------------------------------- */

static void blob_name(const struct mr_file *f, int twin, char out[static BLOB_NAME])
{
	int n = snprintf(out, BLOB_NAME, "%016" PRIx64 "-%zu", hash_bytes(f->data, f->len, 0),
			 f->len);

	if (twin)
		snprintf(out + n, (size_t)(BLOB_NAME - n), "-%i", twin);
}

/* Writes the content unless it stands there already; its name in `out`. */
static int blob_save(const char *dir, const struct mr_file *f, char out[static BLOB_NAME])
{
	for (int twin = 0; twin < BLOB_TWINS; twin++) {
		_free_ char *path = NULL, *there = NULL;
		size_t len;
		int r;

		blob_name(f, twin, out);
		if (asprintf(&path, "%s/blobs/%s", dir, out) < 0)
			return -ENOMEM;
		r = mr_read_file(path, f->len, &there, &len);
		if (r == 0 && len == f->len && memcmp(there, f->data, len) == 0)
			return 0;
		if (r == -ENOENT || (r == 0 && len < f->len))
			return mr_write_file(path, f->data, f->len, 0600);
		if (r < 0 && r != -EFBIG)
			return r;
	}
	return -EEXIST;
}

static int blob_load(const char *dir, const char *name, struct mr_file *f)
{
	_free_ char *path = NULL;
	uint64_t hash;
	size_t len;
	int r;

	if (strchr(name, '/') || sscanf(name, "%" SCNx64 "-%zu", &hash, &len) != 2)
		return -EBADMSG;
	if (asprintf(&path, "%s/blobs/%s", dir, name) < 0)
		return -ENOMEM;
	r = mr_read_file(path, len, &f->data, &f->len);
	if (r < 0)
		return r;
	return f->len == len && hash_bytes(f->data, f->len, 0) == hash ? 0 : -EBADMSG;
}

/* --- policies --------------------------------------------------------------------------------- */

static char *policy_path(const char *dir, const char *name)
{
	char *p;

	if (!*name || strchr(name, '/'))
		return NULL;
	return asprintf(&p, "%s/policies/%s.json", dir, name) < 0 ? NULL : p;
}

/* Paths need not be UTF-8, JSON strings must: Latin-1 there and back. */
static json_t *json_path(const char *path)
{
	_free_ char *out = malloc(2 * strlen(path) + 1);
	size_t n = 0;

	if (!out)
		return NULL;
	for (const unsigned char *p = (const unsigned char *)path; *p; p++) {
		if (*p < 0x80) {
			out[n++] = (char)*p;
		} else {
			out[n++] = (char)(0xc0 | *p >> 6);
			out[n++] = (char)(0x80 | (*p & 0x3f));
		}
	}
	return json_stringn(out, n);
}

static char *path_json(const json_t *v)
{
	const unsigned char *p = (const unsigned char *)json_string_value(v);
	char *out = p ? malloc(strlen((const char *)p) + 1) : NULL;
	size_t n = 0;

	if (!out)
		return NULL;
	while (*p) {
		if (*p >= 0xc0 && p[1]) {
			out[n++] = (char)((*p & 3) << 6 | (p[1] & 0x3f));
			p += 2;
		} else {
			out[n++] = (char)*p++;
		}
	}
	out[n] = '\0';
	return out;
}

static json_t *globs_json(const struct mr_files *f)
{
	json_t *globs = json_array();

	for (size_t i = 0; i < f->n_globs; i++) {
		json_t *paths = json_array();

		for (size_t j = 0; j < f->glob[i].n; j++)
			json_array_append_new(paths, json_path(f->glob[i].paths[j]));
		json_array_append_new(globs,
				      json_pack("{s:o,s:o}", "pattern",
						json_path(f->glob[i].pattern), "paths", paths));
	}
	return globs;
}

static int write_json(const char *path, json_t *top)
{
	_free_ char *text = top ? json_dumps(top, JSON_INDENT(1)) : NULL;

	json_decref(top);
	return text ? mr_write_file(path, text, strlen(text), 0600) : -ENOMEM;
}

int mr_state_read_json(const char *path, size_t max, int version, json_t **out, struct mr_error *e)
{
	_free_ char *text = NULL;
	json_error_t why;
	size_t len;
	json_t *top;
	int r = mr_read_file(path, max, &text, &len);

	if (r < 0)
		return mr_error(e, r, "%s: %s", path, strerror(-r));
	top = json_loadb(text, len, 0, &why);
	if (!json_is_object(top)) {
		json_decref(top);
		return mr_error(e, -EBADMSG, "%s:%i: %s", path, why.line, why.text);
	}
	if (json_integer_value(json_object_get(top, "version")) > version) {
		json_decref(top);
		return mr_error(e, -EBADMSG, "%s: written by a newer mailreeve", path);
	}
	*out = top;
	return 0;
}

int mr_state_save_policy(const char *dir, const char *name, const char *config,
			 const struct mr_files *f, struct mr_error *e)
{
	_free_ char *path = policy_path(dir, name);
	json_t *files = json_array();
	int r = path ? 0 : -ENOMEM;

	for (size_t i = 0; i < f->n && r == 0; i++) {
		char blob[BLOB_NAME] = "";

		if (!f->file[i].missing)
			r = blob_save(dir, &f->file[i], blob);
		json_array_append_new(files,
				      json_pack("{s:o,s:o}", "path", json_path(f->file[i].path),
						"blob", *blob ? json_string(blob) : json_null()));
	}
	if (r < 0) {
		json_decref(files);
		return mr_error(e, r, "%s: cannot keep the policy: %s", dir, strerror(-r));
	}
	r = write_json(path, json_pack("{s:i,s:o,s:o,s:o}", "version", STATE_VERSION, "config",
				       json_path(config), "files", files, "globs", globs_json(f)));
	return r < 0 ? mr_error(e, r, "%s: %s", path, strerror(-r)) : 0;
}

static int load_globs(const json_t *list, struct mr_files *f)
{
	json_t *g, *v;
	size_t i, j;

	json_array_foreach (list, i, g) {
		json_t *paths = json_object_get(g, "paths");
		struct mr_glob *to;

		if (mr_grow(&f->glob, &f->allocated_globs, f->n_globs, sizeof(*f->glob)) < 0)
			return -ENOMEM;
		to = &f->glob[f->n_globs++];
		*to = (struct mr_glob){ .pattern = path_json(json_object_get(g, "pattern")) };
		to->paths = calloc(json_array_size(paths) + 1, sizeof(*to->paths));
		if (!to->pattern || !to->paths)
			return -EBADMSG;
		json_array_foreach (paths, j, v) {
			to->paths[to->n] = path_json(v);
			if (!to->paths[to->n])
				return -EBADMSG;
			to->n++;
		}
	}
	return 0;
}

static int load_files(const char *dir, const json_t *list, struct mr_files *f, struct mr_error *e)
{
	json_t *v;
	size_t i;
	int r;

	json_array_foreach (list, i, v) {
		const char *blob = json_string_value(json_object_get(v, "blob"));
		struct mr_file *to;

		if (mr_grow(&f->file, &f->allocated, f->n, sizeof(*f->file)) < 0)
			return -ENOMEM;
		to = &f->file[f->n++];
		*to = (struct mr_file){ .path = path_json(json_object_get(v, "path")),
					.missing = !blob };
		if (!to->path)
			return -EBADMSG;
		r = blob ? blob_load(dir, blob, to) : 0;
		if (r < 0)
			return mr_error(e, r, "%s/blobs/%s (the kept copy of %s): %s", dir, blob,
					to->path, strerror(-r));
	}
	return 0;
}

int mr_state_load_policy(const char *dir, const char *name, char **config, struct mr_files *files,
			 struct mr_error *e)
{
	_free_ char *path = policy_path(dir, name), *from = NULL;
	_cleanup_(mr_files_clear) struct mr_files f = { .frozen = true };
	json_t *top = NULL;
	int r = path ? mr_state_read_json(path, STATE_JSON_MAX, STATE_VERSION, &top, e) : -ENOENT;

	if (r < 0)
		return r;
	from = path_json(json_object_get(top, "config"));
	r = from ? load_files(dir, json_object_get(top, "files"), &f, e) : -EBADMSG;
	if (r == 0)
		r = load_globs(json_object_get(top, "globs"), &f);
	json_decref(top);
	if (r < 0)
		return r;
	*config = MR_TAKE_PTR(from);
	*files = f;
	f = (struct mr_files){ .frozen = true };
	return 0;
}

/* --- what nobody names any more --------------------------------------------------------------- */

struct kept {
	char **name;
	size_t n, allocated;
};

static void kept_clear(struct kept *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->name[i]);
	free(k->name);
}

static int keep(struct kept *k, const char *name)
{
	if (mr_grow(&k->name, &k->allocated, k->n, sizeof(*k->name)) < 0)
		return -ENOMEM;
	k->name[k->n] = strdup(name);
	return k->name[k->n] ? (k->n++, 0) : -ENOMEM;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int keep_policy(const char *dir, const char *name, struct kept *policies, struct kept *blobs)
{
	_free_ char *path = policy_path(dir, name), *file = NULL;
	json_t *top = NULL, *v;
	size_t i;
	int r;

	if (!path) /* "" names none */
		return 0;
	if (asprintf(&file, "%s.json", name) < 0)
		return -ENOMEM;
	r = mr_state_read_json(path, STATE_JSON_MAX, STATE_VERSION, &top, NULL);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = keep(policies, file);
	json_array_foreach (json_object_get(top, "files"), i, v) {
		const char *blob = json_string_value(json_object_get(v, "blob"));

		if (blob && r == 0)
			r = keep(blobs, blob);
	}
	json_decref(top);
	return r;
}

static int sweep(const char *dir, const char *sub, struct kept *k)
{
	_free_ char *path = mr_state_path(dir, sub);
	DIR *d = path ? opendir(path) : NULL;
	const struct dirent *de;

	if (!d)
		return path ? -errno : -ENOMEM;
	if (k->n)
		qsort(k->name, k->n, sizeof(*k->name), by_name);
	while ((de = readdir(d))) {
		const char *name = de->d_name;

		if (name[0] == '.' ||
		    (k->n && bsearch(&name, k->name, k->n, sizeof(*k->name), by_name)))
			continue;
		unlinkat(dirfd(d), name, 0);
	}
	closedir(d);
	return 0;
}

int mr_state_collect(const char *dir, const struct mr_current *c, const char *also)
{
	_cleanup_(kept_clear) struct kept policies = { 0 }, blobs = { 0 };
	const char *names[] = { c->active, c->previous, also ? also : "" };
	int r = 0;

	for (size_t i = 0; i < MR_ARRAY_SIZE(names) && r == 0; i++)
		r = keep_policy(dir, names[i], &policies, &blobs);
	if (r < 0)
		return r; /* a policy that cannot be read: rather keep too much */
	r = sweep(dir, "policies", &policies);
	return r < 0 ? r : sweep(dir, "blobs", &blobs);
}

/* --- which one counts ------------------------------------------------------------------------- */

static void copy_name(char out[static MR_SNAPSHOT_NAME], const json_t *v)
{
	snprintf(out, MR_SNAPSHOT_NAME, "%s", json_string_value(v) ?: "");
}

static uint64_t json_hex(const json_t *v)
{
	return strtoull(json_string_value(v) ?: "0", NULL, 16);
}

int mr_state_read_current(const char *dir, struct mr_current *out, struct mr_error *e)
{
	_free_ char *path = mr_state_path(dir, "current.json");
	struct mr_current c = { 0 };
	json_t *top = NULL;
	int r = path ? mr_state_read_json(path, STATE_JSON_MAX, STATE_VERSION, &top, e) : -ENOMEM;

	if (r == -ENOENT) {
		*out = c;
		return 0;
	}
	if (r < 0)
		return r;
	c.generation = (uint64_t)json_integer_value(json_object_get(top, "generation"));
	c.applied_us = (uint64_t)json_integer_value(json_object_get(top, "applied"));
	copy_name(c.active, json_object_get(top, "active"));
	c.active_fingerprint = json_hex(json_object_get(top, "fingerprint"));
	copy_name(c.previous, json_object_get(top, "previous"));
	c.trial = json_is_true(json_object_get(top, "unconfirmed"));
	c.file = json_hex(json_object_get(top, "file"));
	json_decref(top);
	*out = c;
	return 0;
}

int mr_state_write_current(const char *dir, const struct mr_current *c, struct mr_error *e)
{
	_free_ char *path = mr_state_path(dir, "current.json");
	char file[20], fingerprint[20];
	json_t *top;
	int r;

	if (!path)
		return -ENOMEM;
	snprintf(fingerprint, sizeof(fingerprint), "%016" PRIx64, c->active_fingerprint);
	snprintf(file, sizeof(file), "%016" PRIx64, c->file);
	top = json_pack("{s:i,s:I,s:I,s:s,s:s,s:s,s:s,s:b}", "version", STATE_VERSION, "generation",
			(json_int_t)c->generation, "applied", (json_int_t)c->applied_us, "active",
			c->active, "fingerprint", fingerprint, "previous", c->previous, "file",
			file, "unconfirmed", c->trial);
	r = write_json(path, top);
	return r < 0 ? mr_error(e, r, "%s: %s", path, strerror(-r)) : 0;
}
