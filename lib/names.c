// SPDX-License-Identifier: BSD-2-Clause
/*
 * names.c - lists of hosts and mail addresses (names.h).
 *
 * One block of lower-cased text and an open-addressed table of offsets into it, at most half full.
 * Who is looked up is chosen by strangers, who is in the table by the administrator, so a plain
 * hash will do.  Fails with -ENOMEM, -EINVAL (a faulty line) or what reading the file gives.
 */
#include <mailreeve/addr.h>
#include <mailreeve/names.h>

#include <ctype.h>
#include <string.h>

struct mr_names {
	char *text; /* names, NUL behind each */
	size_t len, allocated;
	uint32_t *table; /* offset + 1; 0: free */
	size_t size, count; /* size: a power of two */
	bool suffixes; /* a kill file with @* lines */
};

void mr_names_free(struct mr_names *n)
{
	if (!n)
		return;
	free(n->text);
	free(n->table);
	free(n);
}

size_t mr_names_count(const struct mr_names *n)
{
	return n ? n->count : 0;
}

static char names_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static uint32_t names_hash(uint32_t h, const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)names_lower(p[i])) * 16777619u;
	return h;
}
#define NAMES_SEED 2166136261u /* FNV-1a */

static bool names_equal(const char *have, const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (have[i] != names_lower(p[i]))
			return false;
	return have[len] == '\0';
}

/* `head` and `p` together are the word. */
static uint32_t *names_slot(const struct mr_names *n, const char *head, const char *p, size_t len)
{
	size_t skip = strlen(head);
	uint32_t h = names_hash(names_hash(NAMES_SEED, head, skip), p, len);

	for (size_t i = h & (n->size - 1);; i = (i + 1) & (n->size - 1)) {
		const char *have = n->text && n->table[i] ? n->text + n->table[i] - 1 : NULL;

		if (!have)
			return &n->table[i];
		if (strncmp(have, head, skip) == 0 && names_equal(have + skip, p, len))
			return &n->table[i];
	}
}

static int names_resize(struct mr_names *n)
{
	uint32_t *old = n->table;
	size_t had = n->size;

	if (n->count * 2 < n->size)
		return 0;
	n->size = had ? had * 2 : 16;
	n->table = calloc(n->size, sizeof(*n->table));
	if (!n->table) {
		n->table = old;
		n->size = had;
		return -ENOMEM;
	}
	for (size_t i = 0; i < had; i++)
		if (old[i]) {
			const char *word = n->text + old[i] - 1;

			*names_slot(n, "", word, strlen(word)) = old[i];
		}
	free(old);
	return 0;
}

static int names_add(struct mr_names *n, const char *p, size_t len)
{
	uint32_t *slot;
	int r = names_resize(n);

	if (len > 1 && p[len - 1] == '.') /* the root's, which nobody is asked with either */
		len--;
	if (r < 0)
		return r;
	slot = names_slot(n, "", p, len);
	if (*slot)
		return 0;
	r = mr_grow(&n->text, &n->allocated, n->len + len, 1);
	if (r < 0)
		return r;
	*slot = (uint32_t)n->len + 1;
	for (size_t i = 0; i < len; i++)
		n->text[n->len++] = names_lower(p[i]);
	n->text[n->len++] = '\0';
	n->count++;
	n->suffixes |= len > 2 && p[0] == '@' && p[1] == '*';
	return 0;
}

bool mr_names_has(const struct mr_names *n, const char *text, size_t len)
{
	return n && n->count && *names_slot(n, "", text, len);
}

bool mr_names_kills(const struct mr_names *n, const char *address)
{
	const char *at = strrchr(address, '@');
	size_t len;

	if (!n || !n->count || !at)
		return false;
	len = strlen(at);
	if (len > 1 && at[len - 1] == '.') /* the root's dot makes no other host of it */
		len--;
	if (mr_names_has(n, address, (size_t)(at - address) + len) || mr_names_has(n, at, len))
		return true;
	for (size_t i = 1; n->suffixes && i < len; i++)
		if (*names_slot(n, "@*", at + i, len - i))
			return true;
	return false;
}

/* --- files ------------------------------------------------------------------------------------ */

static bool names_literal(const char *p, size_t len)
{
	struct mr_addr a;

	return mr_addr_parse(p, len, &a) == 0;
}

/* Why this cannot be a line of such a file, or NULL. */
static const char *names_fault(enum mr_names_kind kind, const char *p, size_t len)
{
	const char *at = memrchr(p, '@', len);
	const char *host = at ? at + 1 : p;
	size_t n = (size_t)(p + len - host);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)p[i] <= ' ' || p[i] == 0x7f)
			return "a blank or control character within a name";
	if (at && n == 0)
		return "no host behind the @";
	if (kind == MR_NAMES_KILL && !at)
		return "a sender is written user@host, @host or @*suffix";
	if (kind != MR_NAMES_KILL && at == p)
		return "no user before the @";
	if (kind == MR_NAMES_KILL && at == p && n > 1 && host[0] == '*')
		host++, n--;
	if (memchr(host, '*', n) || (at && memchr(p, '*', (size_t)(at - p))))
		return kind == MR_NAMES_KILL ? "a * stands only right behind the @, and not alone"
					     : "a * is for the kill file: here names are exact";
	return NULL;
}

static int names_line(struct mr_names *n, const char *p, size_t len, enum mr_names_kind kind)
{
	char text[MR_ADDR_TEXT];
	struct mr_addr a;

	if (kind != MR_NAMES_ACCEPT || !names_literal(p, len))
		return names_add(n, p, len);
	mr_addr_parse(p, len, &a); /* in the one spelling that is looked up */
	mr_addr_text(&a, text);
	return names_add(n, text, strlen(text));
}

int mr_names_parse(const char *data, size_t len, const char *path, enum mr_names_kind kind,
		   struct mr_names **out, struct mr_error *e)
{
	_cleanup_(mr_names_freep) struct mr_names *n = calloc(1, sizeof(*n));
	const char *end = data + len, *p = data;

	if (!n)
		return -ENOMEM;
	if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) /* lists come from Windows, too */
		p += 3;
	for (unsigned int line = 1; p < end; line++) {
		const char *eol = memchr(p, '\n', (size_t)(end - p)), *last;
		const char *fault = NULL;
		int r = 0;

		eol = eol ? eol : end;
		last = eol;
		while (p < last && isspace((unsigned char)*p))
			p++;
		for (const char *c = p; c < last; c++)
			if (*c == '#' || *c == ';')
				last = c;
		while (last > p && isspace((unsigned char)last[-1]))
			last--;
		if (last - p > MR_NAMES_LINE_MAX)
			fault = "a line of more than 512 bytes";
		else if (last > p)
			fault = names_fault(kind, p, (size_t)(last - p));
		if (fault)
			return mr_error(e, -EINVAL, "%s:%u: %s", path, line, fault);
		if (last > p)
			r = names_line(n, p, (size_t)(last - p), kind);
		if (r < 0)
			return mr_error(e, r, "%s: %s", path, strerror(-r));
		p = eol + 1;
	}
	*out = MR_TAKE_PTR(n);
	return 0;
}

int mr_names_read(const char *path, enum mr_names_kind kind, struct mr_names **out,
		  struct mr_error *e)
{
	_free_ char *data = NULL;
	size_t len;
	int r = mr_read_file(path, MR_NAMES_FILE_MAX, &data, &len);

	if (r == -EFBIG)
		return mr_error(e, r, "%s: larger than 16 MiB", path);
	if (r < 0)
		return mr_error(e, r, "%s: %s", path, strerror(-r));
	return mr_names_parse(data, len, path, kind, out, e);
}

int mr_names_words(const char *const *words, size_t count, struct mr_names **out)
{
	_cleanup_(mr_names_freep) struct mr_names *n = calloc(1, sizeof(*n));
	int r = n ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = names_add(n, words[i], strlen(words[i]));
	if (r == 0)
		*out = MR_TAKE_PTR(n);
	return r;
}
