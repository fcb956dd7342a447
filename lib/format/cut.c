// SPDX-License-Identifier: BSD-2-Clause
/*
 * cut.c - the few cuts that every log format is made of (format.h).
 *
 * Each is linear in what it eats and moves nothing on a mismatch.  Never allocates, never fails
 * in another way than false.  Called by the parse functions only.
 */
#include <mailreeve/format.h>

bool mr_cut_to(struct mr_str *s, char c, struct mr_str *head)
{
	const char *q = s->n ? memchr(s->p, c, s->n) : NULL;

	if (!q)
		return false;
	*head = (struct mr_str){ s->p, (size_t)(q - s->p) };
	s->n -= head->n + 1;
	s->p = q + 1;
	return true;
}

bool mr_trim_from(struct mr_str *s, char c, struct mr_str *tail)
{
	const char *q = s->n ? memrchr(s->p, c, s->n) : NULL;

	if (!q)
		return false;
	*tail = (struct mr_str){ q + 1, s->n - (size_t)(q - s->p) - 1 };
	s->n = (size_t)(q - s->p);
	return true;
}

bool mr_cut_number(struct mr_str *s, uint64_t *v)
{
	uint64_t x = 0;
	size_t i;

	for (i = 0; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++) {
		if (i == 19) /* twenty digits may not fit */
			return false;
		x = x * 10 + (uint64_t)(s->p[i] - '0');
	}
	if (i == 0)
		return false;
	s->p += i;
	s->n -= i;
	*v = x;
	return true;
}

static const uint8_t classes[256] = {
	['0' ... '9'] = MR_CLASS_WORD | MR_CLASS_BASE64 | MR_CLASS_HEX,
	['A' ... 'F'] = MR_CLASS_WORD | MR_CLASS_BASE64 | MR_CLASS_HEX,
	['G' ... 'Z'] = MR_CLASS_WORD | MR_CLASS_BASE64,
	['a' ... 'f'] = MR_CLASS_WORD | MR_CLASS_BASE64 | MR_CLASS_HEX,
	['g' ... 'z'] = MR_CLASS_WORD | MR_CLASS_BASE64,
	['-'] = MR_CLASS_WORD,
	['_'] = MR_CLASS_WORD,
	[':'] = MR_CLASS_COLON,
	['.'] = MR_CLASS_WORD,
	['+'] = MR_CLASS_BASE64,
	['/'] = MR_CLASS_BASE64,
	['='] = MR_CLASS_BASE64,
};

bool mr_cut_class(struct mr_str *s, unsigned int class, struct mr_str *run)
{
	const char *start = s->p, *end, *p = start;

	if (s->n == 0) /* and perhaps nowhere */
		return false;
	end = start + s->n;
	while (p < end && classes[(unsigned char)*p] & class)
		p++;
	if (p == start)
		return false;
	*run = (struct mr_str){ start, (size_t)(p - start) };
	*s = (struct mr_str){ p, (size_t)(end - p) };
	return true;
}

bool mr_str_addr(struct mr_str s, struct mr_addr *out)
{
	if (!MR_CUT(&s, "IPv6:"))
		MR_CUT(&s, "IPV6:");
	return mr_addr_parse(s.p, s.n, out) == 0;
}

/* By the literal's last byte, as mr_find_last(): memmem() prepares a table first, which takes
 * longer than to walk a line. */
const char *mr_find_at(struct mr_str s, const char *lit, size_t n)
{
	const char *p, *end;

	if (s.n < n)
		return NULL;
	end = s.p + s.n;
	for (p = s.p + n - 1; (p = memchr(p, lit[n - 1], (size_t)(end - p))); p++)
		if (memcmp(p + 1 - n, lit, n) == 0)
			return p + 1 - n;
	return NULL;
}

bool mr_find(struct mr_str s, const char *lit, struct mr_str *before, struct mr_str *behind)
{
	size_t n = strlen(lit);
	const char *q = mr_find_at(s, lit, n);

	if (!q)
		return false;
	*before = (struct mr_str){ s.p, (size_t)(q - s.p) };
	*behind = (struct mr_str){ q + n, s.n - before->n - n };
	return true;
}

bool mr_find_last(struct mr_str s, const char *lit, struct mr_str *before, struct mr_str *behind)
{
	size_t n = strlen(lit);

	/* the literal's last byte is looked for, so that a line is walked once for each such byte
	 */
	for (size_t end = s.n; end >= n; end--) {
		const char *q = memrchr(s.p, lit[n - 1], end);

		if (!q || (size_t)(q - s.p) + 1 < n)
			return false;
		end = (size_t)(q - s.p) + 1;
		if (memcmp(q + 1 - n, lit, n) == 0) {
			*before = (struct mr_str){ s.p, end - n };
			*behind = (struct mr_str){ q + 1, s.n - end };
			return true;
		}
	}
	return false;
}

bool mr_find_only(struct mr_str s, const char *lit, struct mr_str *before, struct mr_str *behind)
{
	struct mr_str b, r, x;

	if (!mr_find(s, lit, &b, &r) || mr_find(r, lit, &x, &x))
		return false;
	*before = b;
	*behind = r;
	return true;
}

bool mr_cut_host(struct mr_str *s, struct mr_addr *a)
{
	struct mr_str t = *s, name, addr;

	if (mr_cut_class(&t, MR_CLASS_WORD, &name))
		MR_CUT(&t, " ");
	if (!MR_CUT(&t, "[") || !mr_cut_to(&t, ']', &addr) || !mr_str_addr(addr, a))
		return false;
	*s = t;
	return true;
}

bool mr_str_host(struct mr_str s, struct mr_addr *a)
{
	struct mr_addr x;

	if (!mr_cut_host(&s, &x) || s.n)
		return false;
	*a = x;
	return true;
}

enum mr_parse mr_take(struct mr_event *out, const char *format, enum mr_event_kind kind,
		      enum mr_family family, const struct mr_addr *a, struct mr_str user,
		      const char *what)
{
	*out = (struct mr_event){ .kind = kind,
				  .family = family,
				  .addr = *a,
				  .user = user,
				  .format = format,
				  .what = what,
				  .count = 1 };
	return MR_PARSE_EVENT;
}

bool mr_cut_http(struct mr_str *s)
{
	return MR_CUT(s, "GET ") || MR_CUT(s, "POST ") || MR_CUT(s, "CONNECT ");
}
