// SPDX-License-Identifier: BSD-2-Clause
/*
 * secret.c - reads and makes files that hold one secret word (secret.h).
 *
 * A secret that others may read is none, and is not used.  What is made has no line end, so that
 * Dovecot's `setting = </path` takes it as it is.  Called by the daemon, and by `check` for
 * the rule; never logs.
 */
#include <mailreeve/secret.h>

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

int mr_secret_kept(const char *path, const struct stat *st, uid_t user, struct mr_error *e)
{
	if (!S_ISREG(st->st_mode))
		return mr_error(e, -EINVAL, "%s: not a file", path);
	if (st->st_uid != 0 && st->st_uid != user)
		return mr_error(e, -EPERM,
				"%s: belongs to another user (uid %u), who may read and change it: "
				"chown root %s, and change the secret",
				path, st->st_uid, path);
	if (st->st_mode & (S_IRWXO | S_IWGRP))
		return mr_error(e, -EPERM,
				"%s: others may read or change it (mode %04o): chmod 0640 %s, and "
				"change the secret",
				path, st->st_mode & 07777, path);
	return 0;
}

int mr_secret_read(const char *path, char **out, struct mr_error *e)
{
	_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char text[MR_SECRET_BYTES + 1];
	struct stat st;
	ssize_t n;
	char *copy;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return mr_error(e, -errno, "%s: %s", path, strerror(errno));
	r = mr_secret_kept(path, &st, geteuid(), e);
	if (r < 0)
		return r;
	n = read(fd, text, sizeof(text));
	if (n < 0)
		return mr_error(e, -errno, "%s: %s", path, strerror(errno));
	if ((size_t)n == sizeof(text))
		return mr_error(e, -EFBIG, "%s: more than %d bytes", path, MR_SECRET_BYTES);
	text[n] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	if (!*text)
		return mr_error(e, -ENODATA, "%s: the first line is empty", path);
	copy = strdup(text);
	explicit_bzero(text, sizeof(text));
	if (!copy)
		return -ENOMEM;
	*out = copy;
	return 0;
}

int mr_secret_read_or_make(const char *path, char **out, struct mr_error *e)
{
	unsigned char random[32]; /* 256 bits: nobody guesses it */
	char text[2 * sizeof(random) + 1];
	int r;

	if (access(path, F_OK) == 0 || errno != ENOENT)
		return mr_secret_read(path, out, e);
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return mr_error(e, -EIO, "no random bytes");
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(text + 2 * i, 3, "%02x", random[i]);
	r = mr_write_file(path, text, strlen(text), 0640);
	explicit_bzero(text, sizeof(text));
	if (r < 0)
		return mr_error(e, r, "%s: cannot be made: %s", path, strerror(-r));
	return mr_secret_read(path, out, e);
}
