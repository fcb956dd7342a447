// SPDX-License-Identifier: BSD-2-Clause
/*
 * file.c - follows a log file by its path (feed.h).
 *
 * Woken by inotify, never by a clock.  A path that comes to name another file (rename, a swapped
 * link, deletion and creation) is opened anew and read from its start; the file before is read on
 * for a while, because its writer may not have noticed.  At start it goes on where it was, looking
 * for the old file under its rotated names too.  A path that names nothing is waited for; one that
 * names a FIFO is read as a stream.  Called by the event loop through feed.c.
 */
#include "logfile.h"
#include "watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#define FILES_MAX    4 /* open at once: the one that the path names, and three rotated ones */
#define LINGER_NS    60000000000ull /* a rotated file is given up after so long without a line */
#define SIBLINGS_MAX 256 /* directory entries that may be a rotated file */

struct file_feed {
	struct mr_feed feed;
	char *path;
	struct mr_feed_start start;
	struct mr_watch watch;
	sd_event_source *io, *fifo, *linger;
	struct mr_logfile file[FILES_MAX]; /* oldest first; the last is what the path named last */
	size_t files;
	bool began; /* what comes now is new, and read from its start */
	bool look; /* the path may name something else */
};

static struct file_feed *file_feed(struct mr_feed *f)
{
	return (struct file_feed *)f;
}

/* --- open files ------------------------------------------------------------------------------- */

static void remove_file(struct file_feed *f, size_t i)
{
	if (f->file[i].wd >= 0)
		mr_watch_forget(&f->watch, f->file[i].wd);
	mr_logfile_clear(&f->file[i]);
	f->files--;
	memmove(&f->file[i], &f->file[i + 1], (f->files - i) * sizeof(f->file[0]));
}

static int on_linger(sd_event_source *s, uint64_t usec, void *userdata);

static void arm_linger(struct file_feed *f)
{
	f->linger = sd_event_source_disable_unref(f->linger);
	if (f->files > 1)
		sd_event_add_time_relative(f->feed.event, &f->linger, CLOCK_BOOTTIME,
					   LINGER_NS / 1000, 1000000, on_linger, f);
}

static int on_linger(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata)
{
	struct file_feed *f = userdata;
	uint64_t now = mr_boottime_ns();

	for (size_t i = 0; i + 1 < f->files;)
		if (now - f->file[i].read_at >= LINGER_NS && !mr_logfile_behind(&f->file[i]))
			remove_file(f, i);
		else
			i++;
	arm_linger(f);
	return 0;
}

static struct mr_logfile *add_file(struct file_feed *f, int fd, const struct stat *st)
{
	struct mr_logfile *l;

	if (f->files == FILES_MAX)
		remove_file(f, 0);
	l = &f->file[f->files++];
	mr_logfile_init(l, fd, st);
	if (!l->fifo)
		l->wd = mr_watch_file(&f->watch, fd);
	arm_linger(f);
	return l;
}

static int on_fifo(sd_event_source *s _unused_, int fd _unused_, uint32_t events _unused_,
		   void *userdata)
{
	mr_feed_wake(userdata);
	return 0;
}

/* --- where it was ----------------------------------------------------------------------------- */

static int open_log(int dir, const char *name, struct stat *st)
{
	/* a FIFO is opened for writing too: so it has no end when its last writer leaves */
	int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	if (fstat(fd, st) < 0) {
		close(fd);
		return -EIO;
	}
	if (S_ISFIFO(st->st_mode)) {
		int both = openat(dir, name, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

		if (both >= 0) {
			close(fd);
			fd = both;
		}
	}
	return fd;
}

/* A rotated or copied file of this place: a name that begins like ours, in the same directory. */
static int find_rotated(const struct file_feed *f, const json_t *place, struct stat *st)
{
	const char *slash = strrchr(f->path, '/');
	_free_ char *dir = strndup(f->path, (size_t)(slash - f->path) + 1);
	const char *base = slash + 1;
	unsigned int seen = 0;
	struct dirent *e;
	int found = -ENOENT;
	DIR *d = dir ? opendir(dir) : NULL;

	while (d && found < 0 && seen < SIBLINGS_MAX && (e = readdir(d))) {
		int fd;

		if (strncmp(e->d_name, base, strlen(base)) != 0 || strcmp(e->d_name, base) == 0)
			continue;
		seen++;
		fd = open_log(dirfd(d), e->d_name, st);
		if (fd >= 0 && S_ISREG(st->st_mode) && mr_logfile_is(fd, st, place))
			found = fd;
		else if (fd >= 0)
			close(fd);
	}
	if (d)
		closedir(d);
	return found;
}

/* The files that were being read, but for the one that the path names now. */
static void find_old(struct file_feed *f, int current, const struct stat *now)
{
	const json_t *place;
	size_t i;

	json_array_foreach (json_object_get(f->feed.saved, "files"), i, place) {
		struct stat st;
		int fd;

		if (current >= 0 && mr_logfile_is(current, now, place))
			continue;
		fd = find_rotated(f, place, &st);
		if (fd < 0)
			continue;
		if ((uint64_t)st.st_size == mr_logfile_place_offset(place))
			close(fd); /* read to its end already, or its writer wakes nobody any more
				    */
		else
			mr_logfile_seek(add_file(f, fd, &st), mr_logfile_place_offset(place));
	}
}

static void seek_first(struct file_feed *f, struct mr_logfile *l, const struct stat *st)
{
	const json_t *place;
	size_t i;

	json_array_foreach (json_object_get(f->feed.saved, "files"), i, place)
		if (mr_logfile_is(l->fd, st, place)) {
			mr_logfile_seek(l, mr_logfile_place_offset(place));
			return;
		}
	if (f->feed.saved || f->start.from_start)
		mr_logfile_seek(l, 0);
	else if (f->start.since_us)
		mr_logfile_since(l, f->start.since_us);
	else
		mr_logfile_seek(l, l->old_end);
}

/* --- the path --------------------------------------------------------------------------------- */

static int missing(struct file_feed *f, int r, struct mr_error *e)
{
	char text[MR_ERROR_BYTES];

	if (r != -ENOENT && r != -ENOTDIR)
		return mr_error(e, r, "%s: %s%s", f->path, strerror(-r),
				r == -EACCES ? "; the daemon's user must be able to read it (often "
					       "by the group adm)"
					     : "");
	if (f->watch.blind)
		return mr_error(e, r, "%s: %s, and its directory cannot be watched", f->path,
				strerror(-r));
	if (!f->began)
		find_old(f, -1, NULL);
	f->began = true;
	if (!f->files) {
		snprintf(text, sizeof(text), "%s: there is no such file yet", f->path);
		mr_feed_wait(&f->feed, text);
	}
	return 0;
}

static int take(struct file_feed *f, int fd, const struct stat *st)
{
	struct mr_logfile *l;

	if (!f->began)
		find_old(f, fd, st);
	l = add_file(f, fd, st);
	if (f->began || l->fifo)
		mr_lines_reset(&l->lines, false);
	else
		seek_first(f, l, st);
	f->began = true;
	f->fifo = sd_event_source_disable_unref(f->fifo);
	if (!l->fifo)
		return l->wd < 0 ? l->wd : 0;
	return sd_event_add_io(f->feed.event, &f->fifo, fd, EPOLLIN, on_fifo, &f->feed);
}

static int look(struct file_feed *f, struct mr_error *e)
{
	const struct mr_logfile *last = f->files ? &f->file[f->files - 1] : NULL;
	struct stat st = { 0 };
	int fd, r;

	f->look = false;
	mr_watch_path(&f->watch, f->path);
	fd = open_log(AT_FDCWD, f->path, &st);
	if (fd < 0)
		return missing(f, fd, e);
	if (last && last->dev == st.st_dev && last->ino == st.st_ino) {
		close(fd);
		return 0;
	}
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode)) {
		close(fd);
		return mr_error(e, -EINVAL, "%s is neither a file nor a FIFO", f->path);
	}
	r = take(f, fd, &st);
	return r < 0 ? mr_error(e, r, "%s: %s", f->path, strerror(-r)) : 0;
}

static int on_inotify(sd_event_source *s _unused_, int fd _unused_, uint32_t events _unused_,
		      void *userdata)
{
	struct file_feed *f = userdata;
	bool data = false;

	mr_watch_read(&f->watch, &f->look, &data);
	if (f->look || data)
		mr_feed_wake(&f->feed);
	return 0;
}

/* --- what feed.c calls ------------------------------------------------------------------------ */

static int file_open(struct mr_feed *feed, struct mr_error *e)
{
	struct file_feed *f = file_feed(feed);
	int r = mr_watch_open(&f->watch);

	if (r == 0)
		r = sd_event_add_io(feed->event, &f->io, f->watch.fd, EPOLLIN, on_inotify, f);
	if (r < 0)
		return mr_error(e, r, "%s cannot be watched: %s", f->path, strerror(-r));
	f->began = false;
	return look(f, e);
}

static int file_step(struct mr_feed *feed, uint64_t deadline, struct mr_error *e)
{
	struct file_feed *f = file_feed(feed);
	const struct mr_logfile *last;
	int r = 0;

	for (size_t i = 0; i < f->files && r == 0; i++)
		r = mr_logfile_read(&f->file[i], feed, deadline);
	/* only when the old file is at its end: its lines come first */
	if (r == 0 && f->look) {
		r = look(f, e);
		if (r < 0)
			return r;
		r = f->files ? mr_logfile_read(&f->file[f->files - 1], feed, deadline) : 0;
	}
	if (r < 0)
		return mr_error(e, r, "%s: %s", f->path, strerror(-r));
	for (size_t i = 0; i < f->files; i++) {
		feed->skipped += f->file[i].lines.skipped;
		f->file[i].lines.skipped = 0;
	}
	last = f->files ? &f->file[f->files - 1] : NULL;
	if (last)
		mr_feed_set_state(feed, r && last->offset < last->old_end ? MR_FEED_CATCHING_UP
									  : MR_FEED_FOLLOWING);
	return r;
}

static void file_close(struct mr_feed *feed)
{
	struct file_feed *f = file_feed(feed);

	f->io = sd_event_source_disable_unref(f->io);
	f->fifo = sd_event_source_disable_unref(f->fifo);
	f->linger = sd_event_source_disable_unref(f->linger);
	while (f->files)
		remove_file(f, f->files - 1);
	mr_watch_close(&f->watch);
}

static json_t *file_position(struct mr_feed *feed)
{
	struct file_feed *f = file_feed(feed);
	json_t *list = json_array();

	for (size_t i = 0; i < f->files; i++) {
		json_t *place = mr_logfile_place(&f->file[i]);

		if (place)
			json_array_append_new(list, place);
	}
	return json_pack("{s:o}", "files", list);
}

static void file_free(struct mr_feed *feed)
{
	struct file_feed *f = file_feed(feed);

	free(f->path);
	free(f);
}

static const struct mr_feed_ops file_ops = { file_open, file_step, file_close, file_position,
					     file_free };

int mr_feed_file(const char *path, const struct mr_feed_start *start, struct mr_feed **out)
{
	struct file_feed *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->feed.ops = &file_ops;
	f->watch.fd = -EBADF;
	f->start = *start;
	f->path = strdup(path);
	if (!f->path) {
		free(f);
		return -ENOMEM;
	}
	*out = &f->feed;
	return 0;
}
