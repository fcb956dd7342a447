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
#include "rotated.h"
#include "watch.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

#define FILES_MAX \
	(MR_ROTATED_MAX + 2) /* open at once: the one that the path names, and rotated ones */
#define LINGER_NS 60000000000ull /* a rotated file is given up after so long without a line */

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
	bool stuck; /* it names nothing that can be read */
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

static bool is_open(const struct file_feed *f, const struct stat *st)
{
	for (size_t i = 0; i < f->files; i++)
		if (f->file[i].dev == st->st_dev && f->file[i].ino == st->st_ino)
			return true;
	return false;
}

/* Is the file, or what it is a copy of, one that was being read? */
static bool was_read(const struct file_feed *f, int fd, const struct stat *st)
{
	const json_t *place;
	size_t i;

	json_array_foreach (json_object_get(f->feed.saved, "files"), i, place)
		if (mr_logfile_is(fd, st, place))
			return true;
	return false;
}

/* Files that came and were rotated away while nobody looked; the first time, those that `since`
 * reaches. */
static void find_between(struct file_feed *f, const struct stat *now)
{
	json_int_t saved_us = json_integer_value(json_object_get(f->feed.saved, "time"));
	uint64_t since = f->feed.saved ? (uint64_t)saved_us : f->start.since_us;
	const char *name = mr_watch_name(&f->watch);
	struct mr_rotated list[MR_ROTATED_MAX];
	size_t n = 0;

	if (name && saved_us >= 0 && since)
		n = mr_rotated_since(f->watch.where, name, since, f->feed.saved, list);
	for (size_t i = 0; i < n; i++)
		if (is_open(f, &list[i].st) || was_read(f, list[i].fd, &list[i].st) ||
		    (now && now->st_dev == list[i].st.st_dev && now->st_ino == list[i].st.st_ino))
			close(list[i].fd);
		else if (f->feed.saved)
			mr_logfile_seek(add_file(f, list[i].fd, &list[i].st), 0);
		else
			mr_logfile_since(add_file(f, list[i].fd, &list[i].st), since);
}

/* The files that were being read, but for the one that the path names now. */
static void find_old(struct file_feed *f, int current, const struct stat *now)
{
	json_int_t saved_us = json_integer_value(json_object_get(f->feed.saved, "time"));
	const char *name = mr_watch_name(&f->watch);
	const json_t *place;
	size_t i;

	json_array_foreach (json_object_get(f->feed.saved, "files"), i, place) {
		struct stat st;
		int fd;

		if (!name || (current >= 0 && mr_logfile_is(current, now, place)))
			continue;
		fd = mr_rotated_find(f->watch.where, name, place,
				     saved_us > 0 ? (uint64_t)saved_us : 0, &st);
		if (fd < 0)
			continue;
		if ((uint64_t)st.st_size == mr_logfile_place_offset(place))
			close(fd); /* read to its end already, or its writer wakes nobody any more
				    */
		else
			mr_logfile_seek(add_file(f, fd, &st), mr_logfile_place_offset(place));
	}
	find_between(f, now);
}

/* What the path named between two looks. */
static void find_moved(struct file_feed *f)
{
	_close_ int dir = f->watch.n_moved ? open(f->watch.where, O_PATH | O_CLOEXEC) : -EBADF;

	for (size_t i = 0; i < f->watch.n_moved && dir >= 0; i++) {
		struct stat st;
		int fd = mr_rotated_open(dir, f->watch.moved[i], &st);

		if (fd >= 0 && (!S_ISREG(st.st_mode) || is_open(f, &st)))
			close(fd);
		else if (fd >= 0)
			mr_logfile_seek(add_file(f, fd, &st), 0);
	}
	f->watch.n_moved = 0;
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

static int stuck(struct file_feed *f, const char *fmt, ...) _printf_(2, 3);
static int stuck(struct file_feed *f, const char *fmt, ...)
{
	char text[MR_ERROR_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	f->stuck = f->look = true; /* at the next wake-up, whatever it is for */
	mr_feed_stuck(&f->feed, text);
	return 0;
}

/* What comes under the path now is new. */
static void nothing_there(struct file_feed *f)
{
	if (!f->began)
		find_old(f, -1, NULL);
	f->began = true;
}

static int missing(struct file_feed *f, int r)
{
	char text[MR_ERROR_BYTES];

	if (r != -ENOENT && r != -ENOTDIR)
		return stuck(f, "%s: %s%s", f->path, strerror(-r),
			     r == -EACCES ? "; the daemon's user must be able to read it (often by "
					    "the group adm); in /root and /home its unit lets "
					    "it read nothing"
					  : "");
	if (f->watch.blind)
		return stuck(f, "%s: %s, and its directory cannot be watched", f->path,
			     strerror(-r));
	nothing_there(f);
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

/* A file that is open already becomes the one that the path named last, and is read on. */
static bool names_open(struct file_feed *f, const struct stat *st)
{
	for (size_t i = 0; i < f->files; i++)
		if (f->file[i].dev == st->st_dev && f->file[i].ino == st->st_ino) {
			struct mr_logfile l = f->file[i];

			memmove(&f->file[i], &f->file[i + 1],
				(f->files - 1 - i) * sizeof(f->file[0]));
			f->file[f->files - 1] = l;
			return true;
		}
	return false;
}

static int look(struct file_feed *f, struct mr_error *e)
{
	struct stat st = { 0 };
	int fd, r;

	f->look = f->stuck = false;
	mr_watch_path(&f->watch, f->path);
	fd = mr_rotated_open(AT_FDCWD, f->path, &st);
	/* with the current one open, what left its name since is one of the moved */
	if (f->began)
		find_moved(f);
	if (fd < 0)
		return missing(f, fd);
	if (names_open(f, &st)) {
		close(fd);
		return 0;
	}
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode)) {
		close(fd);
		nothing_there(f);
		return stuck(f, "%s is neither a file nor a FIFO", f->path);
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
	f->began = f->stuck = false;
	return look(f, e);
}

static int read_all(struct file_feed *f, uint64_t deadline)
{
	int r = 0;

	for (size_t i = 0; i < f->files && r == 0; i++)
		r = mr_logfile_read(&f->file[i], &f->feed, deadline);
	return r;
}

/* Reads what stood in a file when it was opened. */
static bool catches_up(const struct file_feed *f)
{
	for (size_t i = 0; i < f->files; i++)
		if (f->file[i].offset < f->file[i].old_end)
			return true;
	return false;
}

static int file_step(struct mr_feed *feed, uint64_t deadline, struct mr_error *e)
{
	struct file_feed *f = file_feed(feed);
	int r = read_all(f, deadline);

	/* only when the old file is at its end: its lines come first */
	if (r == 0 && f->look) {
		r = look(f, e);
		if (r < 0)
			return r;
		r = read_all(f, deadline);
	}
	if (r < 0)
		return mr_error(e, r, "%s: %s", f->path, strerror(-r));
	for (size_t i = 0; i < f->files; i++) {
		feed->skipped += f->file[i].lines.skipped;
		f->file[i].lines.skipped = 0;
	}
	if (f->files && !f->stuck)
		mr_feed_set_state(feed,
				  r && catches_up(f) ? MR_FEED_CATCHING_UP : MR_FEED_FOLLOWING);
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
	json_t *list;

	if (!f->began)
		return NULL; /* nothing was read: the place is where it was */
	list = json_array();

	for (size_t i = 0; i < f->files; i++) {
		json_t *place = mr_logfile_place(&f->file[i]);

		if (place)
			json_array_append_new(list, place);
	}
	return json_pack("{s:o,s:I}", "files", list, "time", (json_int_t)mr_realtime_us());
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
