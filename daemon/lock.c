// SPDX-License-Identifier: BSD-2-Clause
/*
 * lock.c - keeps a second daemon away from the directories of the first (lock.h).
 *
 * flock(2): the lock goes with the process, whatever ends it.  A bpffs takes no files, and a state
 * directory may be read-only, so these directories themselves are locked, and who holds them is
 * read from /proc/locks where that can be seen.
 * Called by the manager at start.
 */
#include "lock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* Who has a lock on this inode; 0: cannot be seen. */
static long holder(int fd)
{
	_fclose_ FILE *f = fopen("/proc/locks", "re");
	unsigned long ino;
	char line[256];
	struct stat st;
	long pid;

	while (f && fstat(fd, &st) == 0 && fgets(line, sizeof(line), f))
		/* NOLINTNEXTLINE(cert-err34-c): numbers that the kernel printed */
		if (sscanf(line, "%*d: FLOCK ADVISORY WRITE %ld %*x:%*x:%lu", &pid, &ino) == 2 &&
		    ino == (unsigned long)st.st_ino)
			return pid; // cppcheck-suppress resourceLeak ; the cleanup attribute closes
				    // it
	return 0;
}

static int busy(const char *what, const char *dir, long pid, struct mr_error *e)
{
	char who[32] = "";

	if (pid > 0)
		snprintf(who, sizeof(who), " (pid %ld)", pid);
	return mr_error(e, -EBUSY,
			"another mailreeved%s runs with the %s directory %s; stop it, or give this "
			"one directories of its own (--runtime-dir, --state-dir, --pin-dir)",
			who, what, dir);
}

int mr_lock_runtime(const char *dir, struct mr_error *e)
{
	_free_ char *path = NULL;
	_close_ int fd = -EBADF;
	char text[24] = "";

	if (asprintf(&path, "%s/lock", dir) < 0)
		return -ENOMEM;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		return mr_error(e, -errno, "%s: %m", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return mr_error(e, -errno, "%s: cannot be locked: %m", path);
		if (pread(fd, text, sizeof(text) - 1, 0) < 0)
			text[0] = '\0';
		return busy("runtime", dir, strtol(text, NULL, 10), e);
	}
	snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, strlen(text), 0) < 0)
		return mr_error(e, -errno, "%s: %m", path);
	return MR_TAKE_FD(fd);
}

static int lock_directory(const char *what, const char *dir, int fd, struct mr_error *e)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return mr_error(e, -errno, "%s: cannot be locked: %m", dir);
	return busy(what, dir, holder(fd), e);
}

int mr_lock_pins(const char *dir, struct mr_error *e)
{
	_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;
	int r;

	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_type != BPF_FS_MAGIC)
		return -ENOENT;
	r = lock_directory("pin", dir, fd, e);
	return r < 0 ? r : MR_TAKE_FD(fd);
}

int mr_lock_state(const char *dir, struct mr_error *e)
{
	_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? mr_error(e, -errno, "%s: %m", dir) : lock_directory("state", dir, fd, e);

	return r < 0 ? r : MR_TAKE_FD(fd);
}
