// SPDX-License-Identifier: BSD-2-Clause
/*
 * stream.c - reads lines from a descriptor until it ends: standard input (feed.h).
 *
 * A pipe or terminal is waited for, a plain file is read turn by turn.  Nothing is remembered over
 * a restart.  Never blocks, never logs.  Called by the event loop through feed.c.
 */
#include "feed.h"
#include "lines.h"

#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#define CLOCK_LINES 16 /* lines between two looks at the clock */

struct stream_feed {
	struct mr_feed feed;
	struct mr_lines lines;
	int fd;
	bool plain; /* a file: always readable */
	sd_event_source *io;
};

static int on_io(sd_event_source *s _unused_, int fd _unused_, uint32_t events _unused_,
		 void *userdata)
{
	mr_feed_wake(userdata);
	return 0;
}

static int stream_open(struct mr_feed *feed, struct mr_error *e)
{
	struct stream_feed *f = (struct stream_feed *)feed;
	struct stat st;
	int r;

	if (f->fd < 0)
		return 0;
	if (fstat(f->fd, &st) < 0)
		return mr_error(e, -errno, "standard input: %s", strerror(errno));
	f->plain = S_ISREG(st.st_mode);
	r = f->plain ? 0 : sd_event_add_io(feed->event, &f->io, f->fd, EPOLLIN, on_io, feed);
	if (r == -EPERM) { /* a device that cannot be waited for, such as /dev/null */
		f->plain = true;
		r = 0;
	}
	if (r < 0)
		return mr_error(e, r, "standard input: %s", strerror(-r));
	mr_feed_set_state(feed, MR_FEED_FOLLOWING);
	return 0;
}

static bool hand_on(struct stream_feed *f, uint64_t deadline)
{
	struct mr_str line;
	uint64_t used = 0;
	unsigned int n = 0;

	while (mr_lines_next(&f->lines, &line, &used)) {
		f->feed.sink->line(f->feed.userdata, line.p, line.n, 0);
		if (++n % CLOCK_LINES == 0 && mr_boottime_ns() >= deadline)
			return true;
	}
	return mr_boottime_ns() >= deadline;
}

static void ended(struct stream_feed *f)
{
	f->io = sd_event_source_disable_unref(f->io);
	close(f->fd);
	f->fd = -EBADF;
	mr_feed_set_state(&f->feed, MR_FEED_ENDED);
}

/* 1: bytes came; 0: none now. */
static int fill(struct stream_feed *f)
{
	size_t room;
	char *p = mr_lines_room(&f->lines, &room);
	struct pollfd ready = { .fd = f->fd, .events = POLLIN };
	ssize_t n;

	if (!p)
		return -ENOMEM;
	if (poll(&ready, 1, 0) <= 0)
		return 0; /* others hold this end too: it stays blocking, and is read when ready */
	n = read(f->fd, p, room);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0) {
		ended(f);
		return 0;
	}
	mr_lines_added(&f->lines, (size_t)n);
	return 1;
}

static int stream_step(struct mr_feed *feed, uint64_t deadline, struct mr_error *e)
{
	struct stream_feed *f = (struct stream_feed *)feed;
	int r;

	if (f->fd < 0)
		return 0;
	if (f->lines.start < f->lines.end && hand_on(f, deadline))
		return 1;
	r = fill(f);
	if (r < 0)
		return mr_error(e, r, "standard input: %s", strerror(-r));
	if (r > 0 && hand_on(f, deadline))
		return 1;
	feed->skipped = f->lines.skipped;
	return r > 0 && f->plain;
}

static void stream_close(struct mr_feed *feed)
{
	struct stream_feed *f = (struct stream_feed *)feed;

	f->io = sd_event_source_disable_unref(f->io);
}

static void stream_free(struct mr_feed *feed)
{
	struct stream_feed *f = (struct stream_feed *)feed;

	mr_lines_clear(&f->lines);
	if (f->fd >= 0)
		close(f->fd);
	free(f);
}

static const struct mr_feed_ops stream_ops = { stream_open, stream_step, stream_close, NULL,
					       stream_free };

int mr_feed_stream(int fd, struct mr_feed **out)
{
	struct stream_feed *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->feed.ops = &stream_ops;
	f->fd = fd;
	*out = &f->feed;
	return 0;
}
