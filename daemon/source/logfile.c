// SPDX-License-Identifier: BSD-2-Clause
/*
 * logfile.c - reads one log file (logfile.h).
 *
 * A place in a file is its offset and a fingerprint of what stands at the head of the file and
 * right before the offset: so a file is found again after a rename or in the copy that copytruncate
 * made, and a file that was cut and filled again is seen to be another.  The bytes before the
 * offset are compared at every wake-up; that costs one small read.  Never opens a file, never logs.
 * Called by file.c.
 */
#include "logfile.h"

#include <string.h>
#include <time.h>

#define HEAD_MAX    1024 /* bytes at the head that tell files apart: some lines with their stamps */
#define HEAD_ALONE  64 /* bytes of head that tell a copy without the inode */
#define SINCE_BLOCK (2 * MR_LINE_MAX) /* bytes looked at to find one line with a time */
#define CLOCK_LINES 16 /* lines between two looks at the clock: about 10 us */

void mr_logfile_init(struct mr_logfile *l, int fd, const struct stat *st)
{
	*l = (struct mr_logfile){
		.fd = fd,
		.wd = -1,
		.fifo = S_ISFIFO(st->st_mode),
		.dev = st->st_dev,
		.ino = st->st_ino,
		.old_end = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0,
		.old_us = (uint64_t)st->st_mtim.tv_sec * 1000000 +
			  (uint64_t)st->st_mtim.tv_nsec / 1000,
		.read_at = mr_boottime_ns(),
	};
}

void mr_logfile_clear(struct mr_logfile *l)
{
	mr_lines_clear(&l->lines);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -EBADF;
}

static size_t read_at(int fd, void *p, size_t n, uint64_t offset)
{
	ssize_t r = pread(fd, p, n, (off_t)offset);

	return r < 0 ? 0 : (size_t)r;
}

void mr_logfile_seek(struct mr_logfile *l, uint64_t offset)
{
	size_t n = offset < MR_LOGFILE_TAIL ? (size_t)offset : MR_LOGFILE_TAIL;

	l->offset = offset;
	l->tail_n = read_at(l->fd, l->tail, n, offset - n);
	mr_lines_reset(&l->lines, l->tail_n && l->tail[l->tail_n - 1] != '\n');
}

/* --- reading ---------------------------------------------------------------------------------- */

static void begin_anew(struct mr_logfile *l)
{
	off_t data = lseek(l->fd, 0, SEEK_DATA);

	l->offset =
		data > 0 ? (uint64_t)data : 0; /* over the hole of a writer that did not notice */
	l->tail_n = 0;
	l->old_end = 0;
	mr_lines_reset(&l->lines, false);
}

static int check_cut(struct mr_logfile *l)
{
	char now[MR_LOGFILE_TAIL];
	struct stat st;

	if (fstat(l->fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size < l->offset + (l->lines.end - l->lines.start) ||
	    (l->tail_n && (read_at(l->fd, now, l->tail_n, l->offset - l->tail_n) != l->tail_n ||
			   memcmp(now, l->tail, l->tail_n) != 0)))
		begin_anew(l);
	return 0;
}

/* The last bytes that were handed on; they stand in the buffer before `start`. */
static void keep_tail(struct mr_logfile *l, size_t used)
{
	const char *end = l->lines.buf + l->lines.start;
	size_t n = used < MR_LOGFILE_TAIL ? used : MR_LOGFILE_TAIL;
	size_t keep = MR_LOGFILE_TAIL - n < l->tail_n ? MR_LOGFILE_TAIL - n : l->tail_n;

	memmove(l->tail, l->tail + l->tail_n - keep, keep);
	memcpy(l->tail + keep, end - n, n);
	l->tail_n = keep + n;
}

/* Hands on what the buffer holds; true: the deadline is over. */
static bool hand_on(struct mr_logfile *l, const struct mr_feed *f, uint64_t deadline)
{
	struct mr_str line;
	uint64_t used = 0;
	unsigned int n = 0;
	bool late = false;

	while (!late && mr_lines_next(&l->lines, &line, &used)) {
		f->sink->line(f->userdata, line.p, line.n,
			      l->offset + used <= l->old_end ? l->old_us : 0);
		if (++n % CLOCK_LINES == 0)
			late = mr_boottime_ns() >= deadline;
	}
	keep_tail(l, (size_t)used);
	l->offset += used;
	return late || mr_boottime_ns() >= deadline;
}

int mr_logfile_read(struct mr_logfile *l, const struct mr_feed *f, uint64_t deadline)
{
	int r = l->fifo ? 0 : check_cut(l);

	if (r < 0)
		return r;
	/* what the last turn had no time for */
	if (l->lines.start < l->lines.end && hand_on(l, f, deadline))
		return 1;
	for (;;) {
		size_t room;
		char *p = mr_lines_room(&l->lines, &room);
		ssize_t n;

		if (!p)
			return -ENOMEM;
		n = l->fifo ? read(l->fd, p, room)
			    : pread(l->fd, p, room,
				    (off_t)(l->offset + (l->lines.end - l->lines.start)));
		if (n < 0)
			return errno == EAGAIN ? 0 : errno == EINTR ? 1 : -errno;
		if (n == 0)
			return 0;
		l->read_at = mr_boottime_ns();
		mr_lines_added(&l->lines, (size_t)n);
		if (hand_on(l, f, deadline))
			return 1;
		if ((size_t)n < room && !l->fifo)
			return 0; /* what comes now wakes us again */
	}
}

uint64_t mr_logfile_behind(const struct mr_logfile *l)
{
	struct stat st;

	if (l->fifo || fstat(l->fd, &st) < 0 || (uint64_t)st.st_size < l->offset)
		return 0;
	return (uint64_t)st.st_size - l->offset;
}

/* --- since ------------------------------------------------------------------------------------ */

/* The time of the first whole line behind `offset` that bears one; 0: none in a block. */
static uint64_t time_at(const struct mr_logfile *l, uint64_t offset, char *block,
			struct mr_clock *clock)
{
	size_t n = read_at(l->fd, block, SINCE_BLOCK, offset);
	char *p = block, *end = block + n;

	for (char *nl = memchr(p, '\n', n); nl; nl = memchr(p, '\n', (size_t)(end - p))) {
		struct mr_line line;

		/* the first may be the rest of a line */
		if ((p != block || offset == 0) &&
		    mr_line_parse(p, (size_t)(nl - p), clock, &line) == 0 && line.time_us)
			return line.time_us;
		p = nl + 1;
	}
	return 0;
}

void mr_logfile_since(struct mr_logfile *l, uint64_t since_us)
{
	_free_ char *block = malloc(SINCE_BLOCK);
	uint64_t low = 0, high = l->old_end;
	struct mr_clock clock = { .now_us = mr_realtime_us() };

	mr_zone_read(clock.now_us, &clock.zone);
	if (!block || !time_at(l, 0, block, &clock)) {
		mr_logfile_seek(l, high);
		return;
	}
	while (high - low > SINCE_BLOCK) {
		uint64_t middle = low + (high - low) / 2;
		uint64_t t = time_at(l, middle, block, &clock);

		if (t && t < since_us)
			low = middle;
		else
			high = middle;
	}
	mr_logfile_seek(l, low);
}

/* --- places ----------------------------------------------------------------------------------- */

/* FNV-1a, 64 bits, of the head and of what stands before the offset. */
static uint64_t print_of(int fd, uint64_t head, uint64_t offset)
{
	char buf[HEAD_MAX + MR_LOGFILE_TAIL];
	size_t tail = offset < MR_LOGFILE_TAIL ? (size_t)offset : MR_LOGFILE_TAIL;
	size_t n = read_at(fd, buf, head < HEAD_MAX ? (size_t)head : HEAD_MAX, 0);
	uint64_t h = 0xcbf29ce484222325u;

	n += read_at(fd, buf + n, tail, offset - tail);
	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)buf[i]) * 0x100000001b3u;
	return h;
}

json_t *mr_logfile_place(struct mr_logfile *l)
{
	uint64_t head = l->offset < HEAD_MAX ? l->offset : HEAD_MAX;
	char print[24];

	if (l->fifo)
		return NULL;
	snprintf(print, sizeof(print), "%016llx",
		 (unsigned long long)print_of(l->fd, head, l->offset));
	return json_pack("{s:I,s:I,s:I,s:s}", "inode", (json_int_t)l->ino, "offset",
			 (json_int_t)l->offset, "head", (json_int_t)head, "print", print);
}

uint64_t mr_logfile_place_offset(const json_t *place)
{
	json_int_t v = json_integer_value(json_object_get(place, "offset"));

	return v < 0 ? 0 : (uint64_t)v;
}

bool mr_logfile_is(int fd, const struct stat *st, const json_t *place)
{
	uint64_t offset = mr_logfile_place_offset(place);
	json_int_t inode = json_integer_value(json_object_get(place, "inode"));
	json_int_t head = json_integer_value(json_object_get(place, "head"));
	const char *print = json_string_value(json_object_get(place, "print"));

	if (!print || head < 0 || (uint64_t)st->st_size < offset)
		return false;
	if ((ino_t)inode != st->st_ino && head < HEAD_ALONE)
		return false;
	return strtoull(print, NULL, 16) == print_of(fd, (uint64_t)head, offset);
}
