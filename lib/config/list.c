// SPDX-License-Identifier: BSD-2-Clause
/*
 * list.c - list files: one prefix, address or range a line, a million of them in the blink of an
 * eye.
 *
 * The usual line, an IPv4 prefix, is read by hand straight into the set; whatever is not that goes
 * the slow way, which knows comments, IPv6, ranges and every complaint.  `#` and `;` begin
 * comments. A file is read a piece at a time and nothing of it is kept, unless the caller keeps
 * files; it is never mapped, because a list that is rewritten in place while it is read would kill
 * the daemon. Fails with -errno of reading; faulty lines are findings.
 */
#include "parser.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define PIECE_BYTES (256u << 10) /* fits the second-level cache */

static struct mr_spot spot_at(const struct mr_list *l, const char *line, const char *end,
			      const char *at, size_t width)
{
	unsigned int column = 1;

	for (const char *c = line; c < at; c++)
		column += ((unsigned char)*c & 0xc0) != 0x80;
	return (struct mr_spot){ .path = l->path,
				 .line_text = line,
				 .line_len = (size_t)(end - line),
				 .line = l->line,
				 .column = column,
				 .width = (unsigned int)width };
}

static void complain(struct mr_list *l, const char *line, const char *end, const char *at,
		     size_t width, const char *hint, const char *message)
{
	struct mr_arena *a = NULL;
	struct mr_spot s;

	l->errors++;
	if (!mr_findings_wants(l->findings, MR_ERROR)) {
		l->findings->errors++;
		return;
	}
	s = spot_at(l, line, end, at, width);
	mr_findings_add(l->findings, MR_ERROR, &s, hint, "%s: %s", message,
			mr_word_quote(&a, at, width));
	mr_arena_free(a);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static int slow_range(struct mr_list *l, const char *line, const char *end, const char *s,
		      const char *e, const char *dash)
{
	const char *left = dash, *right = dash + 1;
	struct mr_prefix out[MR_RANGE_PREFIXES];
	struct mr_addr a, b;
	size_t n;
	int r;

	while (left > s && is_blank(left[-1]))
		left--;
	while (right < e && is_blank(*right))
		right++;
	if (mr_addr_parse(s, (size_t)(left - s), &a) < 0 ||
	    mr_addr_parse(right, (size_t)(e - right), &b) < 0 ||
	    mr_addr_is4(&a) != mr_addr_is4(&b)) {
		complain(l, line, end, s, (size_t)(e - s), "like 192.0.2.10-192.0.2.20",
			 "no range of addresses");
		return 0;
	}
	if (mr_range_prefixes(&a, &b, out, &n) < 0) {
		complain(l, line, end, s, (size_t)(e - s), "the smaller address comes first",
			 "the range ends before it begins");
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		r = mr_set_add(l->set, &out[i], l->file, l->line);
		if (r < 0)
			return r;
	}
	return 0;
}

static void host_bits(struct mr_list *l, const char *line, const char *end, const char *s,
		      const char *e, const struct mr_prefix *x)
{
	char buf[MR_PREFIX_TEXT], hint[128];

	snprintf(hint, sizeof(hint),
		 "did you mean %s? \"lenient\" behind the file's name masks them all",
		 mr_prefix_text(x, buf));
	complain(l, line, end, s, (size_t)(e - s), hint, "host bits are set");
}

static int slow_line(struct mr_list *l, const char *line, const char *end)
{
	const char *s = line, *e = end, *dash;
	struct mr_prefix x;
	int r;

	if (end - line > MR_LIST_LINE_MAX) {
		complain(l, line, end, line, 1, "is it a text file?",
			 "a line of more than 4096 bytes");
		return 0;
	}
	for (const char *c = line; c < end; c++)
		if (*c == '#' || *c == ';') {
			e = c;
			break;
		}
	if (l->line == 1 && e - s >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0)
		s += 3;
	while (s < e && is_blank(*s))
		s++;
	while (e > s && is_blank(e[-1]))
		e--;
	if (s == e)
		return 0;
	dash = memchr(s, '-', (size_t)(e - s));
	if (dash)
		return slow_range(l, line, end, s, e, dash);
	r = mr_prefix_parse(s, (size_t)(e - s), &x);
	if (r == -EDOM && l->lenient) {
		if (!l->masked++)
			l->first_masked = l->line;
		r = 0;
	}
	if (r == -EDOM)
		host_bits(l, line, end, s, e, &x);
	else if (r == -ERANGE)
		complain(l, line, end, s, (size_t)(e - s), "0 to 32 for IPv4, 0 to 128 for IPv6",
			 "the prefix length is out of range");
	else if (r < 0)
		complain(l, line, end, s, (size_t)(e - s),
			 "one prefix a line, like 192.0.2.0/24; comments begin with # or ;",
			 "no address");
	else
		return mr_set_add(l->set, &x, l->file, l->line);
	return 0;
}

/* Up to three digits, at most `max`, no leading zero; NULL if it is anything else. */
static inline const char *number(const char *s, unsigned int max, unsigned int *out)
{
	unsigned int a = (unsigned int)*s - '0', d;

	if (a > 9)
		return NULL;
	s++;
	d = (unsigned int)*s - '0';
	if (d <= 9) {
		if (a == 0)
			return NULL;
		a = a * 10 + d;
		s++;
		d = (unsigned int)*s - '0';
		if (d <= 9) {
			a = a * 10 + d;
			s++;
		}
	}
	if (a > max)
		return NULL;
	*out = a;
	return s;
}

/* An IPv4 prefix with nothing around it but a line's end: where it ends, or NULL. */
static inline const char *fast_line(const char *s, uint32_t *addr, unsigned int *plen)
{
	unsigned int a, b, c, d, n = 32;

	if (!(s = number(s, 255, &a)) || *s++ != '.' || !(s = number(s, 255, &b)) || *s++ != '.' ||
	    !(s = number(s, 255, &c)) || *s++ != '.' || !(s = number(s, 255, &d)))
		return NULL;
	if (*s == '/' && !(s = number(s + 1, 32, &n)))
		return NULL;
	if (*s == '\r')
		s++;
	if (*s != '\n')
		return NULL;
	*addr = a << 24 | b << 16 | c << 8 | d;
	*plen = n;
	return (*addr & (uint32_t)(0xffffffffull >> n)) ? NULL : s;
}

int mr_list_scan(struct mr_list *l, const char *data, size_t len)
{
	const char *s = data, *end = data + len;
	struct mr_set *set = l->set;
	int r;

	while (s < end) {
		unsigned int plen;
		const char *e;
		uint32_t addr;

		l->line++;
		e = fast_line(s, &addr, &plen);
		if (e && e < end) {
			if (set->n4 == set->alloc4) {
				r = mr_grow(&set->v4, &set->alloc4, set->n4, sizeof(*set->v4));
				if (r < 0)
					return r;
			}
			set->v4[set->n4++] = (struct mr_item4){ .addr = addr,
								.line = l->line,
								.file = l->file,
								.plen = (uint8_t)plen };
			set->given++;
			set->sealed = false;
			s = e + 1;
			continue;
		}
		e = memchr(s, '\n', (size_t)(end - s));
		if (!e)
			e = end;
		r = slow_line(l, s, e);
		if (r < 0)
			return r;
		s = e + 1;
	}
	return 0;
}

static int read_pieces(struct mr_list *l, int fd)
{
	_free_ char *buf = malloc(PIECE_BYTES + 1);
	size_t have = 0, total = 0;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read(fd, buf + have, PIECE_BYTES - have);
		const char *last;
		size_t whole;
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		have += (size_t)n;
		total += (size_t)n;
		if (total > MR_LIST_MAX)
			return -EFBIG;
		if (n == 0) {
			buf[have] = '\0';
			return mr_list_scan(l, buf, have);
		}
		last = memrchr(buf, '\n', have);
		if (!last && have < PIECE_BYTES)
			continue;
		if (!last) { /* a line that fills the buffer: a complaint, and nothing behind it */
			buf[have] = '\0';
			return mr_list_scan(l, buf, have);
		}
		whole = (size_t)(last - buf) + 1;
		{
			char kept = buf[whole];

			buf[whole] = '\0';
			r = mr_list_scan(l, buf, whole);
			buf[whole] = kept;
		}
		if (r < 0)
			return r;
		have -= whole;
		memmove(buf, buf + whole, have);
	}
}

int mr_list_read(struct mr_list *l, struct mr_files *files)
{
	_close_ int fd = -EBADF;
	const char *data;
	struct stat st;
	size_t len;
	int r;

	if (files) {
		if (!files->frozen && stat(l->path, &st) == 0 && !S_ISREG(st.st_mode))
			return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
		r = mr_files_get(files, l->path, MR_LIST_MAX, &data, &len, NULL);
		return r < 0 ? r : mr_list_scan(l, data, len);
	}
	fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode)) /* a pipe or a device could keep us for ever */
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	return read_pieces(l, fd);
}
