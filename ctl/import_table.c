// SPDX-License-Identifier: BSD-2-Clause
/*
 * import_table.c - Postfix's lookup tables as text: cidr tables, and access tables that a hash was
 * made of.
 *
 * A cidr table is read by import_cidr.c.  A hash is asked for the
 * most exact key first (the name, its parents, the address, shorter and shorter networks), so its
 * rules are sorted that way.  Called by import_postfix.c.
 */
#include "import_postfix.h"

#include <ctype.h>
#include <strings.h>

#define BLANKS	  " \t"
#define NAMES_MAX 2000 /* `name` rules: three services share 8191 rules */
#define KEY_SHOWN 60

int mr_import_add(struct mr_import *i, struct mr_import_rules *rules,
		  const struct mr_import_rule *rule)
{
	struct mr_import_rule copy = *rule;
	int r;

	if (rule->domain && rules->names >= NAMES_MAX) {
		struct mr_text t = mr_text_of(rule->domain);

		if (rules->too_many++)
			i->left++; /* one comment for all of them */
		else
			mr_import_left(i, &t, "more than %d names, from here on", NAMES_MAX);
		return 0;
	}
	r = mr_grow(&rules->v, &rules->allocated, rules->n, sizeof(*rules->v));
	if (r < 0)
		return r;
	if (rule->domain) {
		copy.domain = strdup(rule->domain);
		if (!copy.domain)
			return -ENOMEM;
		rules->names++;
	}
	copy.order = rules->n;
	rules->v[rules->n++] = copy;
	return 0;
}

static int append(char **buf, const struct mr_text *t)
{
	size_t had = *buf ? strlen(*buf) : 0;
	char *more;

	if (had + t->n > MR_IMPORT_LINE_MAX)
		return -EMSGSIZE;
	more = realloc(*buf, had + t->n + 2);
	if (!more)
		return -ENOMEM;
	if (had)
		more[had++] = ' ';
	memcpy(more + had, t->p, t->n);
	more[had + t->n] = '\0';
	*buf = more;
	return 0;
}

int mr_import_logical(struct mr_import *i, const char **at, const char *end, char **buf,
		      struct mr_text *line)
{
	unsigned int first = 0;
	struct mr_text t;

	free(MR_TAKE_PTR(*buf));
	while (*at < end) {
		bool continues = **at == ' ' || **at == '\t';
		const char *back = *at;
		int r;

		if (!mr_import_line(i, at, end, &t))
			break;
		if (!t.n || *t.p == '#')
			continue;
		if (*buf && !continues) {
			*at = back; /* the next one's */
			i->line--;
			break;
		}
		first = first ? first : i->line;
		r = append(buf, &t);
		if (r == -EMSGSIZE)
			mr_import_error(i, "a line of more than %d bytes with what continues it",
					MR_IMPORT_LINE_MAX);
		else if (r < 0)
			return r;
	}
	if (!*buf)
		return 0;
	*line = mr_text_of(*buf);
	return 1;
}

/* --- the right-hand side ---------------------------------------------------------------------- */

enum meaning { MEANS_ALLOW, MEANS_EXCEPT, MEANS_DENY, MEANS_REJECT, MEANS_OTHER };

static enum meaning meaning(struct mr_text value)
{
	struct mr_text word;
	bool digits = true;

	if (!mr_import_word(&value, BLANKS ",", &word))
		return MEANS_OTHER;
	for (size_t k = 0; k < word.n; k++)
		digits &= isdigit((unsigned char)word.p[k]) != 0;
	if (digits && word.n == 3 && *word.p == '5')
		return MEANS_REJECT;
	if (digits && word.n == 3 && *word.p == '4')
		return MEANS_DENY;
	/* pop-before-smtp and its kin leave the time at which an entry ends */
	if (digits || mr_text_is(&word, "OK") || mr_text_is(&word, "permit"))
		return MEANS_ALLOW;
	if (mr_text_is(&word, "DUNNO"))
		return MEANS_EXCEPT;
	if (mr_text_is(&word, "REJECT"))
		return MEANS_REJECT;
	if (mr_text_is(&word, "DEFER") || mr_text_is(&word, "DEFER_IF_PERMIT"))
		return MEANS_DENY;
	return MEANS_OTHER;
}

bool mr_import_action(struct mr_import *i, const struct mr_text *line, const struct mr_text *value,
		      enum mr_import_use use, struct mr_import_rule *rule)
{
	rule->noauth = use == MR_IMPORT_NETWORKS;
	rule->action = MR_IMPORT_ALLOW;
	if (use == MR_IMPORT_NETWORKS)
		return true;
	switch (meaning(*value)) {
	case MEANS_ALLOW:
		rule->noauth = use == MR_IMPORT_RELAY;
		return true;
	case MEANS_EXCEPT:
		return true;
	case MEANS_DENY:
		rule->action = MR_IMPORT_DENY;
		return true;
	case MEANS_REJECT:
		rule->action = MR_IMPORT_REJECT;
		return true;
	case MEANS_OTHER:
		break;
	}
	mr_import_left(i, line, "this action stays with Postfix");
	return false;
}

/* --- hash ------------------------------------------------------------------------------------- */

/* "192.168" is 192.168.0.0/16; "2001:db8" is 2001:db8::/32.  False: no address. */
static bool partial(const struct mr_text *key, struct mr_prefix *out)
{
	char text[64];
	unsigned int parts = 1, whole;
	char sep = memchr(key->p, ':', key->n) ? ':' : '.';
	int n;

	if (key->n == 0 || key->n > 40)
		return false;
	for (size_t k = 0; k < key->n; k++) {
		if (sep == '.' && key->p[k] != '.' && !isdigit((unsigned char)key->p[k]))
			return false;
		parts += key->p[k] == sep;
	}
	if (mr_addr_parse(key->p, key->n, &out->addr) == 0) {
		out->plen = 128;
		return true;
	}
	whole = sep == '.' ? 4 : 8;
	if (parts >= whole || memmem(key->p, key->n, "::", 2))
		return false;
	if (sep == '.')
		n = snprintf(text, sizeof(text), "%.*s%s/%u", (int)key->n, key->p,
			     &".0.0.0"[(parts - 1) * 2], parts * 8);
	else
		n = snprintf(text, sizeof(text), "%.*s::/%u", (int)key->n, key->p, parts * 16);
	return n > 0 && mr_prefix_parse(text, (size_t)n, out) == 0;
}

static int kill_line(struct mr_import *i, const struct mr_text *line, const struct mr_text *key,
		     const struct mr_text *value)
{
	enum meaning m = meaning(*value);
	const char *at = memchr(key->p, '@', key->n);

	if ((m != MEANS_REJECT && m != MEANS_DENY) || (at && at == key->p + key->n - 1) ||
	    mr_text_is(key, "<>")) {
		mr_import_left(i, line, "only refused senders go into a kill file");
		return 0;
	}
	fputs("#   ", i->out);
	if (!at && *key->p != '.')
		fputc('@', i->out);
	if (!at && *key->p == '.')
		fputs("@*", i->out);
	mr_import_print(i->out, key->p, key->n);
	fputc('\n', i->out);
	return 0;
}

static int hash_line(struct mr_import *i, const struct mr_text *line, enum mr_import_use use,
		     struct mr_import_rules *rules)
{
	struct mr_text rest = *line, key;
	struct mr_import_rule rule = { 0 };
	_free_ char *domain = NULL;

	mr_import_word(&rest, BLANKS, &key);
	while (rest.n && strchr(BLANKS, *rest.p))
		rest.p++, rest.n--;
	if (!rest.n && use != MR_IMPORT_NETWORKS) {
		mr_import_error(i, "no action behind \"%.*s\"",
				(int)(key.n < KEY_SHOWN ? key.n : KEY_SHOWN), key.p);
		return 0;
	}
	if (use == MR_IMPORT_SENDERS)
		return kill_line(i, line, &key, &rest);
	if (partial(&key, &rule.prefix)) {
		rule.depth = rule.prefix.plen;
		if (use == MR_IMPORT_NETWORKS && rule.prefix.plen < 128) {
			mr_import_left(i, line, "Postfix asks this table for whole addresses only");
			return 0;
		}
	} else {
		bool dot = *key.p == '.';
		const char *p = key.p + dot;
		size_t n = key.n - dot;

		if (mr_text_is(&key, "unknown") || !mr_import_domain(p, n)) {
			mr_import_left(i, line, "no address, and no name of a client");
			return 0;
		}
		domain = strndup(p, n);
		if (!domain)
			return -ENOMEM;
		rule.domain = domain;
		rule.depth = 1000 + n; /* before every address */
	}
	return mr_import_action(i, line, &rest, use, &rule) ? mr_import_add(i, rules, &rule) : 0;
}

static int by_depth(const void *a, const void *b)
{
	const struct mr_import_rule *x = a, *y = b;

	if (x->depth != y->depth)
		return x->depth > y->depth ? -1 : 1;
	if (x->action != y->action) /* of the same length they are disjoint: let sets form */
		return x->action < y->action ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* --- a table ---------------------------------------------------------------------------------- */

bool mr_import_hashed(const char *type)
{
	static const char *const types[] = { "hash", "btree", "lmdb", "texthash",
					     "dbm",  "cdb",   "sdbm" };

	for (size_t k = 0; k < MR_ARRAY_SIZE(types); k++)
		if (strcmp(type, types[k]) == 0)
			return true;
	return false;
}

int mr_import_table(struct mr_import *i, const char *type, const char *path, enum mr_import_use use,
		    struct mr_import_rules *rules)
{
	struct mr_text line, name = mr_text_of(path);
	_free_ char *data = NULL, *buf = NULL;
	const char *at, *was = i->path;
	unsigned int was_line = i->line;
	struct mr_import_cidr cidr = { .nested = 0 };
	size_t len, first = rules->n;
	bool hash = mr_import_hashed(type);
	int r = 0;

	if ((!hash && strcmp(type, "cidr") != 0) || (!hash && use == MR_IMPORT_SENDERS)) {
		bool pattern = strcmp(type, "pcre") == 0 || strcmp(type, "regexp") == 0;

		mr_import_left(
			i, &name,
			pattern ? "a table of type %s: its patterns fit texts, and rules here "
				  "are about networks and whole names"
				: "a table of type %s",
			type);
		return 0;
	}
	if (*path == '{') {
		mr_import_left(i, &name,
			       "a table that stands in main.cf itself: say its lines as rules");
		return 0;
	}
	if (was_line && access(path, R_OK) < 0) { /* named by main.cf: it may be elsewhere */
		mr_import_left(i, &name, "the table cannot be read (%s)", strerror(errno));
		return 0;
	}
	if (!mr_import_read(i, path, false, &data, &len))
		goto out;
	at = data;
	while ((r = mr_import_logical(i, &at, data + len, &buf, &line)) > 0) {
		r = hash ? hash_line(i, &line, use, rules)
			 : mr_import_cidr_line(&cidr, i, &line, use, rules);
		if (r < 0)
			break;
	}
	if (cidr.nested)
		mr_import_error(i, "if without endif");
	if (hash && rules->n > first)
		qsort(rules->v + first, rules->n - first, sizeof(*rules->v), by_depth);
out:
	i->path = was;
	i->line = was_line;
	return r < 0 ? r : 0;
}
