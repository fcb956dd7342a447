// SPDX-License-Identifier: BSD-2-Clause
/*
 * util.c - the small helpers that every file shares (util.h).
 *
 * Never logs, never exits.  Called by everybody.  Fails with -errno; mr_write_file leaves either
 * the old file or the new one, never half of one.
 */
#include <mailreeve/util.h>

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>

int mr_error(struct mr_error *e, int r, const char *fmt, ...)
{
	va_list ap;

	if (e) {
		va_start(ap, fmt);
		vsnprintf(e->text, sizeof(e->text), fmt, ap);
		va_end(ap);
	}
	return r;
}

int mr_grow(void *array, size_t *allocated, size_t n, size_t size)
{
	void **p = array;
	size_t want = *allocated ? *allocated : 16;
	void *q;

	if (n < *allocated)
		return 0;
	while (want <= n) {
		if (want > SIZE_MAX / 2 / size)
			return -ENOMEM;
		want *= 2;
	}
	q = realloc(*p, want * size);
	if (!q)
		return -ENOMEM;
	*p = q;
	*allocated = want;
	return 0;
}

/*
 * A named pipe or a device keeps its reader for as long as nobody writes: refused.  What has no
 * name in a file system was given to us open (<(…), a here-document): its writer is at work.
 */
static int read_kind(int fd, const struct stat *st)
{
	struct statfs fs;

	if (S_ISDIR(st->st_mode))
		return -EISDIR;
	if (S_ISREG(st->st_mode))
		return 0;
	if (S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3))
		return 0; /* /dev/null, an empty file */
	if (!S_ISFIFO(st->st_mode))
		return -EINVAL;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_type != PIPEFS_MAGIC)
		return -EINVAL;
	return fcntl(fd, F_SETFL, 0) < 0 ? -errno : 0;
}

int mr_read_file(const char *path, size_t max, char **data, size_t *len)
{
	_close_ int fd = -EBADF;
	_free_ char *buf = NULL;
	size_t n = 0, room = 0;
	struct stat st;
	ssize_t r;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	r = read_kind(fd, &st);
	if (r < 0)
		return (int)r;
	if (S_ISREG(st.st_mode) && (size_t)st.st_size > max)
		return -EFBIG;
	for (;;) {
		if (n + 1 >= room) {
			size_t want = room ? room * 2 : (size_t)st.st_size + 4096;
			char *p = realloc(buf, want);

			if (!p)
				return -ENOMEM;
			buf = p;
			room = want;
		}
		r = read(fd, buf + n, room - n - 1);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		n += (size_t)r;
		if (n > max)
			return -EFBIG;
	}
	buf[n] = '\0';
	*data = MR_TAKE_PTR(buf);
	*len = n;
	return 0;
}

static int write_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t r = write(fd, p, len);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		p += r;
		len -= (size_t)r;
	}
	return 0;
}

static int sync_parent(const char *path)
{
	_free_ char *copy = strdup(path);
	_close_ int fd = -EBADF;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

int mr_write_file(const char *path, const void *data, size_t len, unsigned int mode)
{
	_free_ char *tmp = NULL;
	_close_ int fd = -EBADF;
	int r;

	if (asprintf(&tmp, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write_all(fd, data, len);
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(tmp, path) < 0))
		r = -errno;
	if (r < 0) {
		unlink(tmp);
		return r;
	}
	return sync_parent(path);
}

int mr_mkdirs(const char *path, unsigned int mode)
{
	char buf[PATH_MAX];
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(buf))
		return -ENAMETOOLONG;
	memcpy(buf, path, len + 1);
	for (char *p = buf + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(buf, mode) < 0 && errno != EEXIST)
			return -errno;
		if (c == '\0')
			return 0;
		*p = c;
	}
}

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t mr_boottime_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

uint64_t mr_realtime_us(void)
{
	return clock_ns(CLOCK_REALTIME) / 1000;
}
