/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * util.h - ownership and errors, the two habits every file shares.
 *
 * Functions return 0 or -errno and leave their out-parameters untouched on failure.  A function
 * that has something to tell a person takes a `struct mr_error *` (may be NULL) and fills it: what,
 * where, and the way out.  lib/ never logs; the caller does.
 */
#ifndef MAILREEVE_UTIL_H
#define MAILREEVE_UTIL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_       __attribute__((unused))

/* A cleanup function for a pointer type from its destructor; the destructor takes NULL. */
#define MR_DEFINE_CLEANUP(type, func) \
	static inline _unused_ void func##p(type *p) \
	{ \
		if (*p) \
			func(*p); \
	}

#define MR_TAKE_PTR(p) \
	({ \
		__typeof__(p) *_pp = &(p); \
		__typeof__(p) _v = *_pp; \
		*_pp = NULL; \
		_v; \
	})
#define MR_TAKE_FD(fd) \
	({ \
		int *_fp = &(fd); \
		int _v = *_fp; \
		*_fp = -EBADF; \
		_v; \
	})
#define MR_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* "1 rule", "2 rules" */
static inline const char *mr_plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static inline void mr_freep(void *p)
{
	free(*(void **)p);
}
static inline void mr_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
static inline void mr_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}
#define _free_	 _cleanup_(mr_freep)
#define _close_	 _cleanup_(mr_closep)
#define _fclose_ _cleanup_(mr_fclosep)

#define MR_ERROR_BYTES 1024 /* one message, several lines at most */
struct mr_error {
	char text[MR_ERROR_BYTES];
};

/* Fills *e (unless NULL) and returns r, so that `return mr_error(e, -ENOENT, "…")` reads well. */
int mr_error(struct mr_error *e, int r, const char *fmt, ...) _printf_(3, 4);

/* Grows *array (element size `size`) so that index n fits, doubling; *allocated counts elements. */
int mr_grow(void *array, size_t *allocated, size_t n, size_t size);

/* The whole of a file, NUL-terminated behind *len.  -EFBIG above `max` bytes, -EINVAL for a named
 * pipe or a device, which could keep us for ever. */
int mr_read_file(const char *path, size_t max, char **data, size_t *len);
/* Atomic: temporary file beside it, fsync, rename, fsync of the directory. */
int mr_write_file(const char *path, const void *data, size_t len, unsigned int mode);
/* mkdir -p; existing directories keep their mode. */
int mr_mkdirs(const char *path, unsigned int mode);

uint64_t mr_boottime_ns(void); /* CLOCK_BOOTTIME, the clock of the entries */
uint64_t mr_realtime_us(void);

#endif
