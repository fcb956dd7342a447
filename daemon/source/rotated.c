// SPDX-License-Identifier: BSD-2-Clause
/*
 * rotated.c - looks for what a log was rotated into (rotated.h).
 *
 * By content, where a place in the file is known; else by name and time.  What logrotate, newsyslog
 * and savelog call a file ends in digits; copies that people make, and compressed files, do not.
 * Looks at a bounded number of names.  Never reads lines, never logs.  Called by file.c.  A
 * directory that cannot be read holds none.
 */
#include "rotated.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#define SIBLINGS_MAX 256 /* directory entries that may be a rotated file */

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

/* ".1", "-20260131", ".2026-01-31", "-20260131-1769817600" */
static bool is_number(const char *end)
{
	return (*end == '.' || *end == '-') && end[1] >= '0' && end[1] <= '9' &&
	       strspn(end, "0123456789-.") == strlen(end);
}

int mr_rotated_find(const char *dir, const char *base, const json_t *place, struct stat *st)
{
	unsigned int seen = 0;
	int found = -ENOENT;
	DIR *d = opendir(dir);
	const struct dirent *e;

	while (d && found < 0 && seen < SIBLINGS_MAX && (e = readdir(d))) {
		int fd;

		if (!begins(e->d_name, base))
			continue;
		seen++;
		fd = mr_rotated_open(dirfd(d), e->d_name, st);
		if (fd >= 0 && S_ISREG(st->st_mode) && mr_logfile_is(fd, st, place))
			found = fd;
		else if (fd >= 0)
			close(fd);
	}
	if (d)
		closedir(d);
	return found;
}

static uint64_t written_us(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * 1000000 + (uint64_t)st->st_mtim.tv_nsec / 1000;
}

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
		r.fd = mr_rotated_open(dirfd(d), e->d_name, &r.st);
		if (r.fd < 0)
			continue;
		if (S_ISREG(r.st.st_mode) &&
		    (by_birth ? born_us(r.fd) : written_us(&r.st)) > since_us)
			n = insert(out, n, &r);
		else
			close(r.fd);
	}
	if (d)
		closedir(d);
	return n;
}
