// SPDX-License-Identifier: BSD-2-Clause
/*
 * rotated.c - looks for what a log was rotated into (rotated.h).
 *
 * By content, where a place in the file is known; else by name and time.  What logrotate, newsyslog
 * and savelog call a file ends in digits, and in ".gz" where it is compressed; copies that people
 * make do not.  What is compressed is unpacked into a file without a name, if it was written to
 * since; compressing keeps a file's time.  Looks at a bounded number of names, and unpacks a
 * bounded number of bytes.  Never reads lines, never logs.  Called by file.c.  A directory that
 * cannot be read holds none, and what cannot be unpacked is not there.
 */
#include "rotated.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>

#define SIBLINGS_MAX 256 /* directory entries that may be a rotated file */
#define UNPACKED_MAX \
	(256u << 20) /* bytes of a log: a second's work; more would be a bomb, or no log of ours \
		      */
#define UNPACK_CHUNK 65536u /* bytes */
#define PACKED_MAX   MR_ROTATED_MAX /* files unpacked in search of one place */
#define PACKED_SLACK 2000000u /* us; some tools keep the time in whole seconds */

int mr_rotated_open(int dir, const char *name, struct stat *st)
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

static bool begins(const char *name, const char *base)
{
	return strncmp(name, base, strlen(base)) == 0 && name[strlen(base)];
}

/* ".1", "-20260131", ".2026-01-31", "-20260131-1769817600", ".2.gz" */
static bool is_number(const char *end)
{
	size_t n = strspn(end, "0123456789-.");

	return (*end == '.' || *end == '-') && end[1] >= '0' && end[1] <= '9' &&
	       (end[n] == '\0' || (end[n - 1] == '.' && strcmp(end + n, "gz") == 0));
}

static uint64_t written_us(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * 1000000 + (uint64_t)st->st_mtim.tv_nsec / 1000;
}

/* --- compressed ------------------------------------------------------------------------------- */

/* Bytes of the name before ".gz"; 0: it is not compressed. */
static size_t packed(const char *name)
{
	size_t n = strlen(name);

	return n > 3 && strcmp(name + n - 3, ".gz") == 0 ? n - 3 : 0;
}

static int unpack_to(gzFile z, int to)
{
	_free_ char *buf = malloc(UNPACK_CHUNK);
	size_t total = 0;
	int n;

	if (!buf)
		return -ENOMEM;
	while ((n = gzread(z, buf, UNPACK_CHUNK)) > 0) {
		total += (size_t)n;
		if (total > UNPACKED_MAX)
			return -EFBIG;
		for (ssize_t done = 0, w; done < n; done += w) {
			w = write(to, buf + done, (size_t)(n - done));
			if (w <= 0)
				return w < 0 ? -errno : -EIO;
		}
	}
	return n < 0 ? -EBADMSG : 0;
}

/* Takes the descriptor over.  *st becomes that of the unpacked file, but for the time. */
static int unpack(int from, struct stat *st)
{
	_close_ int to = open(P_tmpdir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct timespec written = st->st_mtim;
	gzFile z = gzdopen(from, "rb");
	int r;

	if (!z) {
		close(from);
		return -ENOMEM;
	}
	if (to < 0)
		to = memfd_create("mailreeve-log", MFD_CLOEXEC);
	r = to < 0 ? -errno : unpack_to(z, to);
	if (gzclose_r(z) != Z_OK && r == 0) /* one that is cut off ends like a whole one */
		r = -EBADMSG;
	if (r == 0 && fstat(to, st) < 0)
		r = -errno;
	st->st_mtim = written;
	return r < 0 ? r : MR_TAKE_FD(to);
}

/* A file beside the log, unpacked if need be.  -ENOENT: packed, and not written to since. */
static int open_beside(int dir, const char *name, uint64_t since_us, struct stat *st)
{
	int fd = mr_rotated_open(dir, name, st);

	if (fd < 0 || !packed(name))
		return fd;
	if (S_ISREG(st->st_mode) && written_us(st) + PACKED_SLACK > since_us)
		return unpack(fd, st);
	close(fd);
	return -ENOENT;
}

/* --- by content ------------------------------------------------------------------------------- */

/* Among the compressed ones, or among the others. */
static int find_among(DIR *d, const char *base, const json_t *place, uint64_t since_us,
		      bool compressed, struct stat *st)
{
	unsigned int seen = 0, unpacked = 0;
	const struct dirent *e;

	rewinddir(d);
	while (seen < SIBLINGS_MAX && unpacked < PACKED_MAX && (e = readdir(d))) {
		int fd;

		if (!begins(e->d_name, base) || compressed != (packed(e->d_name) != 0))
			continue;
		seen++;
		fd = open_beside(dirfd(d), e->d_name, since_us, st);
		unpacked += compressed && fd != -ENOENT;
		if (fd >= 0 && S_ISREG(st->st_mode) && mr_logfile_is(fd, st, place))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -ENOENT;
}

int mr_rotated_find(const char *dir, const char *base, const json_t *place, uint64_t since_us,
		    struct stat *st)
{
	DIR *d = opendir(dir);
	int r;

	if (!d)
		return -ENOENT;
	r = find_among(d, base, place, since_us, false, st);
	if (r < 0)
		r = find_among(d, base, place, since_us, true, st);
	closedir(d);
	return r;
}

/* --- by name and time ------------------------------------------------------------------------- */

/* 0: the file system does not know. */
static uint64_t born_us(int fd)
{
	struct statx x;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &x) < 0 || !(x.stx_mask & STATX_BTIME))
		return 0;
	return (uint64_t)x.stx_btime.tv_sec * 1000000 + x.stx_btime.tv_nsec / 1000;
}

/* In order of their last lines; the oldest makes room. */
static size_t insert(struct mr_rotated *out, size_t n, const struct mr_rotated *new)
{
	size_t i = 0;

	while (i < n && written_us(&out[i].st) <= written_us(&new->st))
		i++;
	if (n < MR_ROTATED_MAX) {
		memmove(&out[i + 1], &out[i], (n - i) * sizeof(*out));
		out[i] = *new;
		return n + 1;
	}
	if (i == 0) {
		close(new->fd);
		return n;
	}
	close(out[0].fd);
	memmove(&out[0], &out[1], (i - 1) * sizeof(*out));
	out[i - 1] = *new;
	return n;
}

/* Is the file that it was made of still there, beside it? */
static bool is_double(int dir, const char *name)
{
	_free_ char *of = packed(name) ? strndup(name, packed(name)) : NULL;

	return of && faccessat(dir, of, F_OK, 0) == 0;
}

/* Those that were chosen; what cannot be unpacked is none of them any more. */
static size_t unpack_all(struct mr_rotated *out, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (out[i].packed)
			out[i].fd = unpack(out[i].fd, &out[i].st);
		out[i].packed = false;
		if (out[i].fd >= 0)
			out[kept++] = out[i];
	}
	return kept;
}

size_t mr_rotated_since(const char *dir, const char *base, uint64_t since_us, bool by_birth,
			struct mr_rotated out[static MR_ROTATED_MAX])
{
	unsigned int seen = 0;
	size_t n = 0;
	DIR *d = opendir(dir);
	const struct dirent *e;

	while (d && seen < SIBLINGS_MAX && (e = readdir(d))) {
		struct mr_rotated r = { .fd = -EBADF };

		if (!begins(e->d_name, base) || !is_number(e->d_name + strlen(base)))
			continue;
		seen++;
		if (is_double(dirfd(d), e->d_name))
			continue;
		r.fd = mr_rotated_open(dirfd(d), e->d_name, &r.st);
		r.packed = packed(e->d_name);
		if (r.fd < 0)
			continue;
		/* one that was compressed was born with that */
		if (S_ISREG(r.st.st_mode) &&
		    (by_birth && !r.packed ? born_us(r.fd) : written_us(&r.st)) > since_us)
			n = insert(out, n, &r);
		else
			close(r.fd);
	}
	if (d)
		closedir(d);
	return unpack_all(out, n);
}
