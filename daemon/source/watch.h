/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch.h - hears when a path may name another file than before, and when a file grows.
 */
#ifndef MAILREEVE_DAEMON_SOURCE_WATCH_H
#define MAILREEVE_DAEMON_SOURCE_WATCH_H

#include <limits.h>
#include <mailreeve/util.h>

#define MR_WATCH_MOVED 4 /* names kept of what was renamed between two looks */
#define MR_WATCH_DIRS  64 /* directories on the way of one path, symbolic links included */

struct mr_watch_dir {
	int wd;
	char *name; /* the entry that matters there */
};
struct mr_watch {
	int fd; /* inotify, non-blocking: readable when there is something to hear */
	struct mr_watch_dir dir[MR_WATCH_DIRS];
	size_t dirs;
	bool blind; /* the last directory cannot be watched */
	char where[PATH_MAX]; /* the directory of the last part; dir[dirs - 1] has its name */
	/* what the files are called now that the path named since the last look, in order: two
	 * rotations may lie between two looks */
	char moved[MR_WATCH_MOVED][NAME_MAX + 1];
	size_t n_moved, moving; /* `moving` is between its two events, if there is a cookie */
	uint32_t cookie;
};

int mr_watch_open(struct mr_watch *w);
void mr_watch_close(struct mr_watch *w);
/* Watches every directory in which a part of the path is looked up, links followed; again after
 * each change.  A path that ends early is watched as far as it goes. */
void mr_watch_path(struct mr_watch *w, const char *path);
/* The last part of the path, without links; NULL: none. */
const char *mr_watch_name(const struct mr_watch *w);
/* One open file; the number is for mr_watch_forget(). */
int mr_watch_file(struct mr_watch *w, int fd);
void mr_watch_forget(struct mr_watch *w, int wd);
/* Empties the queue.  *look: the path may name something else now; *data: a file grew or shrank. */
void mr_watch_read(struct mr_watch *w, bool *look, bool *data);

#endif
