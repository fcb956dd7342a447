// SPDX-License-Identifier: BSD-2-Clause
/*
 * log.c - writes the daemon's messages (log.h).
 *
 * To the journal, natively and with fields, where systemd connected standard error to it; else to
 * standard error, one line with the program's name.  Never fails the caller, never blocks on a
 * journal that is gone.  Called from both threads.
 */
#include "log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#define LOG_TEXT   8192 /* bytes of one message; a whole page of findings fits */
#define LOG_FIELDS 20 /* fields of one message, our own six included */

void mr_log_open(struct mr_log *l)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t dev, ino;
	struct stat st;

	l->journal = stream && sscanf(stream, "%ju:%ju", &dev, &ino) == 2 &&
		     fstat(STDERR_FILENO, &st) == 0 && dev == (uintmax_t)st.st_dev &&
		     ino == (uintmax_t)st.st_ino;
	l->max_level = getenv("MAILREEVE_DEBUG") ? LOG_DEBUG : LOG_INFO;
}

static void log_journal(int level, const struct mr_log_field *fields, size_t n, const char *file,
			int line, const char *func, const char *text)
{
	struct iovec iov[LOG_FIELDS];
	char *owned[LOG_FIELDS];
	size_t count = 0;

#define FIELD(...) \
	do { \
		if (count < LOG_FIELDS && asprintf(&owned[count], __VA_ARGS__) >= 0) { \
			iov[count].iov_base = owned[count]; \
			iov[count].iov_len = strlen(owned[count]); \
			count++; \
		} \
	} while (0)
	FIELD("MESSAGE=%s", text);
	FIELD("PRIORITY=%i", level);
	FIELD("SYSLOG_IDENTIFIER=mailreeved");
	FIELD("CODE_FILE=%s", file);
	FIELD("CODE_LINE=%i", line);
	FIELD("CODE_FUNC=%s", func);
	for (size_t i = 0; i < n; i++)
		if (fields[i].value)
			FIELD("%s=%s", fields[i].name, fields[i].value);
#undef FIELD
	sd_journal_sendv(iov, (int)count);
	while (count)
		free(owned[--count]);
}

void mr_log_emit(const struct mr_log *l, int level, const struct mr_log_field *fields, size_t n,
		 const char *file, int line, const char *func, const char *fmt, ...)
{
	char text[LOG_TEXT];
	va_list ap;

	if (level > l->max_level)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (l->journal)
		log_journal(level, fields, n, file, line, func, text);
	else
		fprintf(stderr, "mailreeved: %s%s\n",
			level <= LOG_ERR       ? "error: "
			: level == LOG_WARNING ? "warning: "
					       : "",
			text);
}
