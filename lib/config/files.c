// SPDX-License-Identifier: BSD-2-Clause
/*
 * files.c - what a load reads: from disk, from disk and kept, or from what was kept (config.h).
 *
 * A frozen collection never touches the disk, so that a snapshot parses to the same policy years
 * later.  Called by the parser and the list reader.  Fails with -errno; -ENOENT is remembered too,
 * because an optional file that was missing must stay missing.
 */
#include "parser.h"

#include <glob.h>
#include <string.h>

void mr_files_clear(struct mr_files *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->file[i].path);
		free(f->file[i].data);
	}
	for (size_t i = 0; i < f->n_globs; i++) {
		free(f->glob[i].pattern);
		mr_files_free_glob(f->glob[i].paths, f->glob[i].n);
	}
	free(f->file);
	free(f->glob);
	*f = (struct mr_files){ 0 };
}

void mr_files_free_glob(char **paths, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(paths[i]);
	free(paths);
}

int mr_files_get(struct mr_files *files, const char *path, size_t max, const char **data,
		 size_t *len, char **owned)
{
	struct mr_file f = { 0 };
	int r;

	if (!files) {
		r = mr_read_file(path, max, owned, len);
		if (r == 0)
			*data = *owned;
		return r;
	}
	for (size_t i = 0; i < files->n; i++) {
		const struct mr_file *k = &files->file[i];

		if (strcmp(k->path, path) != 0)
			continue;
		if (k->missing)
			return -ENOENT;
		if (k->len > max)
			return -EFBIG;
		*data = k->data;
		*len = k->len;
		return 0;
	}
	if (files->frozen)
		return -ENOENT;
	r = mr_grow(&files->file, &files->allocated, files->n, sizeof(f));
	if (r < 0)
		return r;
	f.path = strdup(path);
	if (!f.path)
		return -ENOMEM;
	r = mr_read_file(path, max, &f.data, &f.len);
	if (r < 0 && r != -ENOENT) {
		free(f.path);
		return r;
	}
	f.missing = r < 0;
	files->file[files->n++] = f;
	if (r < 0)
		return r;
	*data = f.data;
	*len = f.len;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A copy that a later mr_files_free_glob() takes. */
static int copy_paths(char *const *from, size_t n, char ***out)
{
	char **to = calloc(n + 1, sizeof(*to));

	if (!to)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		to[i] = strdup(from[i]);
		if (!to[i]) {
			mr_files_free_glob(to, i);
			return -ENOMEM;
		}
	}
	*out = to;
	return 0;
}

/* A directory that is not there matches nothing; one that cannot be read is an error. */
static int glob_error(const char *path, int error)
{
	(void)path;
	return error != ENOENT && error != ENOTDIR;
}

static int read_glob(const char *pattern, char ***paths, size_t *n)
{
	glob_t g = { 0 };
	int r = glob(pattern, GLOB_NOSORT, glob_error, &g);

	if (r == GLOB_NOMATCH) {
		g.gl_pathc = 0;
		r = 0;
	} else if (r) {
		r = r == GLOB_NOSPACE ? -ENOMEM : -EACCES;
	}
	if (r == 0 && g.gl_pathc)
		qsort(g.gl_pathv, g.gl_pathc, sizeof(*g.gl_pathv), compare);
	if (r == 0)
		r = copy_paths(g.gl_pathv, g.gl_pathc, paths);
	if (r == 0)
		*n = g.gl_pathc;
	globfree(&g);
	return r;
}

int mr_files_glob(struct mr_files *files, const char *pattern, char ***paths, size_t *n)
{
	struct mr_glob g = { 0 };
	int r;

	if (!files)
		return read_glob(pattern, paths, n);
	for (size_t i = 0; i < files->n_globs; i++) {
		if (strcmp(files->glob[i].pattern, pattern) != 0)
			continue;
		r = copy_paths(files->glob[i].paths, files->glob[i].n, paths);
		if (r == 0)
			*n = files->glob[i].n;
		return r;
	}
	if (files->frozen) {
		r = copy_paths(NULL, 0, paths);
		if (r == 0)
			*n = 0;
		return r;
	}
	r = mr_grow(&files->glob, &files->allocated_globs, files->n_globs, sizeof(g));
	if (r == 0)
		r = read_glob(pattern, &g.paths, &g.n);
	if (r < 0)
		return r;
	g.pattern = strdup(pattern);
	r = g.pattern ? copy_paths(g.paths, g.n, paths) : -ENOMEM;
	if (r < 0) {
		free(g.pattern);
		mr_files_free_glob(g.paths, g.n);
		return r;
	}
	*n = g.n;
	files->glob[files->n_globs++] = g;
	return 0;
}
