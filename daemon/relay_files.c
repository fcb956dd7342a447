// SPDX-License-Identifier: BSD-2-Clause
/*
 * relay_files.c - keeps the kill, accept and groups files of the policy in force (policyd.h).
 *
 * Looks at a file's inode, size and times when somebody asks, ten times a second at most, and reads
 * it again when they differ: a change takes effect with the next mail, through symbolic links and
 * however it was written.  A faulty file keeps the content that was read before, is logged once,
 * and named in status.  Called by answer.c, status.c and methods.c on the main thread.
 */
#include "policyd.h"

#include <string.h>

#define LOOK_NS	  100000000ull /* between two looks at the files */
#define SETTLE_NS 50000000ll /* a file this young may change again within one tick of its clock */

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool settled(const struct stat *st)
{
	struct timespec now;
	int64_t age;

	clock_gettime(CLOCK_REALTIME, &now);
	age = (now.tv_sec - st->st_mtim.tv_sec) * INT64_C(1000000000) + now.tv_nsec -
	      st->st_mtim.tv_nsec;
	return age > SETTLE_NS || age < -SETTLE_NS;
}

static void file_fault(struct mr_policyd *d, struct mr_relay_file *f, const char *text, bool kept)
{
	if (f->error && strcmp(f->error, text) == 0)
		return;
	free(f->error);
	f->error = strdup(text);
	mr_log_with(&d->m->log, LOG_ERR,
		    MR_FIELDS({ "MESSAGE_ID", MR_MSG_LIST }, { "MAILREEVE_FILE", f->path }),
		    "%s; %s", text,
		    kept ? "what was read before stays in force" : "the list is empty until then");
}

static void file_read(struct mr_policyd *d, struct mr_relay_file *f, enum mr_names_kind kind)
{
	struct mr_names **list = &d->lists->file[kind], *fresh = NULL;
	struct mr_error e = { "" };
	struct stat st;

	if (stat(f->path, &st) < 0) {
		memset(&f->st, 0, sizeof(f->st));
		snprintf(e.text, sizeof(e.text), "%s: %s", f->path, strerror(errno));
		file_fault(d, f, e.text, *list);
		return;
	}
	if (same_file(&st, &f->st))
		return;
	f->st = st;
	if (!settled(&st))
		f->st.st_ino = 0;
	if (mr_names_read(f->path, kind, &fresh, &e) < 0) {
		file_fault(d, f, *e.text ? e.text : "out of memory", *list);
		return;
	}
	if (f->error)
		mr_log_with(&d->m->log, LOG_NOTICE, MR_FIELDS({ "MESSAGE_ID", MR_MSG_LIST }),
			    "%s: read, %zu names", f->path, mr_names_count(fresh));
	free(MR_TAKE_PTR(f->error));
	mr_names_free(*list);
	*list = fresh;
}

/* Another policy: its lists, and of the files' contents those that it names too. */
static int change_policy(struct mr_policyd *d, const struct mr_policy *p)
{
	struct mr_relay_lists *fresh;
	int r = mr_relay_lists_new(p, &fresh);

	if (r < 0)
		return r;
	for (int k = 0; k < (int)MR_ARRAY_SIZE(d->file); k++) {
		const char *path = mr_relay_path(p, (enum mr_names_kind)k);
		struct mr_relay_file *f = &d->file[k];

		if (path && f->path && strcmp(path, f->path) == 0) {
			fresh->file[k] = d->lists ? MR_TAKE_PTR(d->lists->file[k]) : NULL;
			continue;
		}
		free(f->path);
		free(f->error);
		*f = (struct mr_relay_file){ .path = path ? strdup(path) : NULL };
	}
	mr_relay_lists_free(d->lists);
	d->lists = fresh;
	d->lists_of = p;
	d->checked = 0;
	return 0;
}

const struct mr_relay_lists *mr_relay_files(struct mr_policyd *d)
{
	const struct mr_policy *p = d->m->active ? d->m->active->policy : NULL;
	uint64_t now = mr_boottime_ns();

	if (!p)
		return NULL;
	if (d->lists_of != p && change_policy(d, p) < 0)
		return NULL;
	if (d->checked && now - d->checked < LOOK_NS)
		return d->lists;
	d->checked = now;
	for (int k = 0; k < (int)MR_ARRAY_SIZE(d->file); k++)
		if (d->file[k].path)
			file_read(d, &d->file[k], (enum mr_names_kind)k);
	return d->lists;
}

void mr_relay_files_clear(struct mr_policyd *d)
{
	for (size_t k = 0; k < MR_ARRAY_SIZE(d->file); k++) {
		free(d->file[k].path);
		free(d->file[k].error);
		d->file[k] = (struct mr_relay_file){ 0 };
	}
	mr_relay_lists_free(MR_TAKE_PTR(d->lists));
	d->lists_of = NULL;
}
