// SPDX-License-Identifier: BSD-2-Clause
/*
 * watch.c - inotify on a path and on open files (watch.h).
 *
 * A path is looked up part by part: a change of any part, a swapped link among them, may make it
 * name another file.  Open files are watched by their descriptor, so no rename can come between.
 * Never opens a log, never logs.  Called by file.c.  A directory that cannot be watched is passed
 * over; if it is the last one, `blind` says so.
 */
#include "watch.h"

#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#define LINKS_MAX 40 /* as the kernel's own limit */
#define READS_MAX 16 /* buffers of events taken at once; what is left wakes the loop again */
#define DIR_MASK \
	(IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF | \
	 IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK)
#define FILE_MASK (IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF)

int mr_watch_open(struct mr_watch *w)
{
	*w = (struct mr_watch){ .fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK) };
	return w->fd < 0 ? -errno : 0;
}

static void free_dirs(struct mr_watch_dir *dir, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(dir[i].name);
}

void mr_watch_close(struct mr_watch *w)
{
	free_dirs(w->dir, w->dirs);
	if (w->fd >= 0)
		close(w->fd);
	*w = (struct mr_watch){ .fd = -EBADF };
}

static void add_dir(struct mr_watch *w, const char *dir, const char *name)
{
	char *copy;
	int wd = inotify_add_watch(w->fd, dir, DIR_MASK);

	w->blind = wd < 0;
	if (wd < 0 || w->dirs == MR_WATCH_DIRS)
		return;
	copy = strdup(name);
	if (!copy)
		return;
	snprintf(w->where, sizeof(w->where), "%s", dir);
	w->dir[w->dirs++] = (struct mr_watch_dir){ wd, copy };
}

/* Takes the first part off `rest`; false at the end. */
static bool next_part(char *rest, char part[static NAME_MAX + 1])
{
	size_t skip = strspn(rest, "/"), n = strcspn(rest + skip, "/");

	if (n == 0 || n > NAME_MAX)
		return false;
	memcpy(part, rest + skip, n);
	part[n] = '\0';
	memmove(rest, rest + skip + n, strlen(rest + skip + n) + 1);
	return true;
}

static bool join(char to[static PATH_MAX], const char *a, const char *b)
{
	return snprintf(to, PATH_MAX, "%s/%s", a, b) < PATH_MAX;
}

/* The target of a link goes in front of what is left of the path. */
static bool follow(const char *link, char here[static PATH_MAX], char rest[static PATH_MAX])
{
	char target[PATH_MAX], left[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);

	if (n <= 0)
		return false;
	target[n] = '\0';
	if (target[0] == '/')
		here[0] = '\0';
	memcpy(left, rest, PATH_MAX);
	return join(rest, target, left);
}

static void walk(struct mr_watch *w, const char *path)
{
	char here[PATH_MAX] = "", rest[PATH_MAX], part[NAME_MAX + 1], next[PATH_MAX];
	unsigned int links = 0;
	struct stat st;

	if ((size_t)snprintf(rest, sizeof(rest), "%s", path) >= sizeof(rest))
		return;
	while (next_part(rest, part)) {
		if (strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") == 0) {
			char *slash = strrchr(here, '/');

			if (slash)
				*slash = '\0';
			continue;
		}
		add_dir(w, *here ? here : "/", part);
		if (!join(next, here, part) || lstat(next, &st) < 0)
			return;
		if (!S_ISLNK(st.st_mode))
			memcpy(here, next, sizeof(here));
		else if (++links > LINKS_MAX || !follow(next, here, rest))
			return;
	}
}

void mr_watch_path(struct mr_watch *w, const char *path)
{
	struct mr_watch_dir old[MR_WATCH_DIRS];
	size_t n = w->dirs;

	memcpy(old, w->dir, sizeof(old));
	w->dirs = 0;
	walk(w, path);
	for (size_t i = 0; i < n; i++) {
		bool kept = false;

		for (size_t j = 0; j < w->dirs; j++)
			kept |= w->dir[j].wd == old[i].wd;
		if (!kept)
			mr_watch_forget(w, old[i].wd);
	}
	free_dirs(old, n);
}

const char *mr_watch_name(const struct mr_watch *w)
{
	return w->dirs ? w->dir[w->dirs - 1].name : NULL;
}

int mr_watch_file(struct mr_watch *w, int fd)
{
	char path[64];
	int wd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	wd = inotify_add_watch(w->fd, path, FILE_MASK);
	return wd < 0 ? -errno : wd;
}

void mr_watch_forget(struct mr_watch *w, int wd)
{
	inotify_rm_watch(w->fd, wd); /* gone already with its inode: all the same */
}

static void moves_from(struct mr_watch *w, const struct inotify_event *ev)
{
	w->moving = 0;
	while (w->moving < w->n_moved && strcmp(w->moved[w->moving], ev->name) != 0)
		w->moving++;
	if (w->moving < w->n_moved || strcmp(ev->name, mr_watch_name(w)) == 0)
		w->cookie = ev->cookie;
}

static void moves_to(struct mr_watch *w, const struct inotify_event *ev)
{
	size_t n = w->n_moved;

	if (!w->cookie || ev->cookie != w->cookie)
		return;
	w->cookie = 0;
	if (w->moving == MR_WATCH_MOVED) { /* the oldest makes room */
		memmove(w->moved[0], w->moved[1], (n - 1) * sizeof(w->moved[0]));
		w->moving--;
	}
	snprintf(w->moved[w->moving], sizeof(w->moved[0]), "%s", ev->name);
	if (w->n_moved == w->moving)
		w->n_moved++;
}

/* Files that left the path's name, and what they are called since. */
static void hear_move(struct mr_watch *w, const struct inotify_event *ev)
{
	if (!w->dirs || !ev->len || ev->wd != w->dir[w->dirs - 1].wd)
		return;
	if (ev->mask & IN_MOVED_FROM)
		moves_from(w, ev);
	else if (ev->mask & IN_MOVED_TO)
		moves_to(w, ev);
}

static void hear(const struct mr_watch *w, const struct inotify_event *ev, bool *look, bool *data)
{
	bool dir = false;

	if (ev->mask & IN_Q_OVERFLOW) {
		*look = *data = true;
		return;
	}
	if (ev->mask & IN_IGNORED)
		return;
	for (size_t i = 0; i < w->dirs; i++) {
		if (w->dir[i].wd != ev->wd)
			continue;
		dir = true;
		if (ev->len == 0 || strcmp(ev->name, w->dir[i].name) == 0)
			*look = true;
	}
	if (dir)
		return;
	if (ev->mask & IN_MODIFY)
		*data = true;
	if (ev->mask & (IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF))
		*look = true;
}

void mr_watch_read(struct mr_watch *w, bool *look, bool *data)
{
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t n;

	for (int i = 0; i < READS_MAX && (n = read(w->fd, buf, sizeof(buf))) > 0; i++)
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *ev = (const struct inotify_event *)(void *)p;

			hear_move(w, ev);
			hear(w, ev, look, data);
			p += sizeof(*ev) + ev->len;
		}
}
