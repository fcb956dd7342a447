// SPDX-License-Identifier: BSD-2-Clause
/*
 * import.c - `mailreeve import`: prints a configuration made from another mail server's settings.
 *
 * Reads what it is given and nothing is changed.  What has no equal here becomes a comment with its
 * file and line; what is no line of such a file is an error, and then nothing is printed: half an
 * access list is worse than none.  Exit status 2: bad input.
 */
#include "import.h"

#include <mailreeve/config.h>
#include <mailreeve/report.h>

#include <ctype.h>
#include <stdarg.h>
#include <strings.h>

#define ERRORS_SHOWN 20
#define TEXT_SHOWN   200 /* bytes of a line in a comment */
#define WORD_MAX     1000 /* bytes of a word of the configuration, below the lexer's limit */
#define DOMAIN_MAX   253

static const struct system {
	const char *name, *title;
	int (*import)(struct mr_import *i);
} systems[] = {
	{ "vpop3", "VPOP3 access restrictions", mr_import_vpop3 },
	{ "imail", "IMail relay addresses, accept.txt and kill.lst", mr_import_imail },
	{ "postfix", "Postfix main.cf, mynetworks and access tables", mr_import_postfix },
	{ "ispconfig", "ISPConfig mail_user_ip_restriction", mr_import_ispconfig },
};

/* --- text ------------------------------------------------------------------------------------- */

struct mr_text mr_text_of(const char *s)
{
	return (struct mr_text){ s, strlen(s) };
}

bool mr_text_is(const struct mr_text *t, const char *word)
{
	return strlen(word) == t->n && strncasecmp(t->p, word, t->n) == 0;
}

void mr_import_print(FILE *out, const char *p, size_t n)
{
	bool cut = n > TEXT_SHOWN;

	for (size_t at = 0; at < n && at < TEXT_SHOWN;) {
		size_t k = mr_report_utf8((const unsigned char *)p + at, n - at);

		if (k == 0 || (unsigned char)p[at] < ' ' || p[at] == 0x7f) {
			fputc(p[at] == '\t' ? ' ' : '?', out);
			at++;
			continue;
		}
		/* C1 controls are valid UTF-8, and terminals obey them */
		if (k == 2 && (unsigned char)p[at] == 0xc2 && (unsigned char)p[at + 1] < 0xa0)
			fputc('?', out);
		else
			fwrite(p + at, 1, k, out);
		at += k;
	}
	if (cut)
		fputs("…", out);
}

bool mr_import_sayable(struct mr_import *i, const struct mr_text *t)
{
	if (t->n > WORD_MAX) {
		mr_import_error(i, "a word of more than %d bytes", WORD_MAX);
		return false;
	}
	for (size_t at = 0; at < t->n;) {
		size_t k = mr_report_utf8((const unsigned char *)t->p + at, t->n - at);

		if (k == 0) {
			mr_import_error(i, "this is not UTF-8 text: convert the file with "
					   "iconv -f windows-1252 -t utf-8");
			return false;
		}
		if (k == 1 && ((unsigned char)t->p[at] < ' ' || t->p[at] == 0x7f)) {
			mr_import_error(i, "a control character within a word");
			return false;
		}
		at += k;
	}
	return true;
}

static bool bare(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)p[i]) && !strchr("._-+@", p[i]))
			return false;
	return n > 0;
}

void mr_import_quote(FILE *out, const char *p, size_t n)
{
	if (bare(p, n)) {
		fwrite(p, 1, n, out);
		return;
	}
	fputc('"', out);
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '"' || p[i] == '\\')
			fputc('\\', out);
		fputc(p[i], out);
	}
	fputc('"', out);
}

bool mr_import_word(struct mr_text *rest, const char *blanks, struct mr_text *word)
{
	while (rest->n && strchr(blanks, *rest->p))
		rest->p++, rest->n--;
	*word = (struct mr_text){ rest->p, 0 };
	while (rest->n && !strchr(blanks, *rest->p))
		rest->p++, rest->n--, word->n++;
	return word->n > 0;
}

/* --- what is told ----------------------------------------------------------------------------- */

void mr_import_error(struct mr_import *i, const char *fmt, ...)
{
	va_list ap;

	if (i->errors++ >= ERRORS_SHOWN)
		return;
	fflush(stdout);
	mr_import_print(stderr, i->path, strlen(i->path));
	if (i->line)
		fprintf(stderr, ":%u", i->line);
	fputs(": error: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void mr_import_left(struct mr_import *i, const struct mr_text *what, const char *fmt, ...)
{
	va_list ap;

	i->left++;
	fputs("# ", i->out);
	mr_import_print(i->out, i->path, strlen(i->path));
	fprintf(i->out, ":%u: not carried over: ", i->line);
	va_start(ap, fmt);
	vfprintf(i->out, fmt, ap);
	va_end(ap);
	if (what) {
		fputs(": ", i->out);
		mr_import_print(i->out, what->p, what->n);
	}
	fputc('\n', i->out);
}

/* --- files ------------------------------------------------------------------------------------ */

static int read_stdin(char **data, size_t *len)
{
	_free_ char *buf = NULL;
	size_t allocated = 0, n = 0;

	for (;;) {
		size_t got;
		int r = mr_grow(&buf, &allocated, n + BUFSIZ, 1);

		if (r < 0)
			return r;
		got = fread(buf + n, 1, BUFSIZ, stdin);
		n += got;
		if (n > MR_IMPORT_FILE_MAX)
			return -EFBIG;
		if (got == 0)
			break;
	}
	if (ferror(stdin))
		return -EIO;
	buf[n] = '\0';
	*len = n;
	*data = MR_TAKE_PTR(buf);
	return 0;
}

/* The first byte that no text file holds.  In dumps of a database strings may hold anything. */
static bool check_bytes(struct mr_import *i, const char *data, size_t len, bool sql)
{
	const unsigned char *p = (const unsigned char *)data;

	i->line = 1;
	if (len >= 2 && ((p[0] == 0xff && p[1] == 0xfe) || (p[0] == 0xfe && p[1] == 0xff))) {
		mr_import_error(i, "this is UTF-16: convert the file with "
				   "iconv -f utf-16 -t utf-8");
		return false;
	}
	for (size_t at = 0; at < len; at++) {
		if (p[at] == '\n')
			i->line++;
		if (p[at] == 0 || (!sql && p[at] < ' ' && p[at] != '\n' && p[at] != '\t' &&
				   p[at] != '\r' && p[at] != '\f' && p[at] != 0x1a)) {
			mr_import_error(i, "no text: byte 0x%02x", p[at]);
			return false;
		}
	}
	return true;
}

bool mr_import_read(struct mr_import *i, const char *path, bool sql, char **data, size_t *len)
{
	_free_ char *buf = NULL;
	size_t n = 0;
	int r;

	i->path = strcmp(path, "-") == 0 ? "standard input" : path;
	i->line = 0;
	r = strcmp(path, "-") == 0 ? read_stdin(&buf, &n)
				   : mr_read_file(path, MR_IMPORT_FILE_MAX, &buf, &n);
	if (r == -EFBIG)
		mr_import_error(i, "more than %u MiB", MR_IMPORT_FILE_MAX >> 20);
	else if (r == -EINVAL)
		mr_import_error(i, "not a file: give - and feed it to standard input");
	else if (r < 0)
		mr_import_error(i, "%s", strerror(-r));
	if (r < 0 || !check_bytes(i, buf, n, sql))
		return false;
	i->line = 0;
	if (n >= 3 && memcmp(buf, "\xef\xbb\xbf", 3) == 0) { /* byte order mark */
		n -= 3;
		memmove(buf, buf + 3, n + 1);
	}
	*len = n;
	*data = MR_TAKE_PTR(buf);
	return true;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == 0x1a; /* DOS ends files so */
}

bool mr_import_line(struct mr_import *i, const char **at, const char *end, struct mr_text *line)
{
	const char *p = *at, *eol;

	if (p >= end)
		return false;
	i->line++;
	eol = memchr(p, '\n', (size_t)(end - p));
	eol = eol ? eol : end;
	*at = eol + 1;
	while (p < eol && blank(*p))
		p++;
	while (eol > p && blank(eol[-1]))
		eol--;
	*line = (struct mr_text){ p, (size_t)(eol - p) };
	if (line->n > MR_IMPORT_LINE_MAX) {
		mr_import_error(i, "a line of more than %d bytes", MR_IMPORT_LINE_MAX);
		line->n = 0;
	}
	return true;
}

/* --- addresses -------------------------------------------------------------------------------- */

bool mr_import_named(const struct mr_text *t)
{
	for (size_t k = 0; k < t->n; k++)
		if (!strchr("0123456789abcdefABCDEF.:/", t->p[k]))
			return true;
	return false;
}

int mr_import_prefix(const struct mr_text *addr, const struct mr_text *mask, struct mr_prefix *out,
		     bool *cut)
{
	const char *slash = memchr(addr->p, '/', addr->n);
	struct mr_text head = *addr, tail = { NULL, 0 };
	struct mr_prefix p;
	struct mr_addr a;
	unsigned int len;
	int r;

	*cut = false;
	if (mask->n)
		tail = *mask;
	if (slash) {
		if (mask->n)
			return -EINVAL;
		head.n = (size_t)(slash - addr->p);
		tail = (struct mr_text){ slash + 1, addr->n - head.n - 1 };
	}
	if (!memchr(tail.p ?: "", '.', tail.n)) {
		if (mask->n)
			return -EINVAL;
		r = mr_prefix_parse(addr->p, addr->n, &p);
		if (r < 0 && r != -EDOM)
			return -EINVAL;
		*cut = r == -EDOM;
		*out = p;
		return 0;
	}
	if (mr_addr_parse(tail.p, tail.n, &a) < 0)
		return -EINVAL;
	r = mr_addr_netmask(&a, &len);
	if (r < 0)
		return r;
	if (mr_addr_parse(head.p, head.n, &a) < 0 || !mr_addr_is4(&a))
		return -EINVAL;
	p.addr = a;
	p.plen = (uint8_t)(96 + len);
	mr_addr_mask(&p.addr, p.plen);
	*cut = memcmp(&p.addr, &a, sizeof(a)) != 0;
	*out = p;
	return 0;
}

const char *mr_import_source(const struct mr_prefix *p, char buf[static MR_PREFIX_TEXT])
{
	if (p->plen == 96 && mr_addr_is4(&p->addr))
		return "any";
	return mr_prefix_text(p, buf);
}

bool mr_import_domain(const char *p, size_t n)
{
	size_t label = 0;

	if (n == 0 || n > DOMAIN_MAX || p[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++) {
		bool ends = p[i] == '.' || p[i] == '-';

		if (ends ? label == 0 || (p[i] == '.' && p[i - 1] == '-')
			 : !isalnum((unsigned char)p[i]) && p[i] != '_')
			return false;
		label = p[i] == '.' ? 0 : label + 1;
		if (label > 63)
			return false;
	}
	return label > 0;
}

int mr_import_kind(const char *arg, const char *const *kinds, const char **path)
{
	for (int k = 0; kinds[k]; k++) {
		size_t n = strlen(kinds[k]);

		if (strncasecmp(arg, kinds[k], n) == 0 && arg[n] == ':' && arg[n + 1]) {
			*path = arg + n + 1;
			return k;
		}
	}
	*path = arg;
	return -1;
}

struct options {
	bool lines;
};
static const struct mr_option options[] = {
	{ "lines", 0, MR_OPTION_FLAG, offsetof(struct options, lines), NULL,
	  "ispconfig: lines for `mailreeve account import`" },
	{ NULL, 0, 0, 0, NULL, NULL },
};

/* --- the command ------------------------------------------------------------------------------ */

static enum mr_exit import_done(struct mr_import *i, const char *text, size_t len)
{
	if (i->errors) {
		if (i->errors > ERRORS_SHOWN)
			fprintf(stderr, "and %zu errors more\n", i->errors - ERRORS_SHOWN);
		return mr_ctl_fail(MR_EXIT_USAGE, "nothing is printed: %zu error%s", i->errors,
				   i->errors == 1 ? "" : "s");
	}
	if (len > MR_CONFIG_MAX && !i->lines)
		return mr_ctl_fail(
			MR_EXIT_USAGE,
			"nothing is printed: a configuration has at most %u MiB, and this would "
			"have %zu.  Networks may stand in files that a set names, accounts in "
			"the store (--lines)",
			MR_CONFIG_MAX >> 20, (len >> 20) + 1);
	fwrite(text, 1, len, stdout);
	if (i->left)
		mr_ctl_fail(MR_EXIT_DONE,
			    "%zu line%s could not be carried over: the comments say which and why",
			    i->left, i->left == 1 ? "" : "s");
	return MR_EXIT_DONE;
}

static enum mr_exit import_run(const struct mr_ctl *ctl)
{
	struct mr_import i = { .args = ctl->args + 1, .n_args = ctl->n_args - 1, .path = "" };
	const struct options *o = ctl->options;
	const struct system *s = NULL;
	_free_ char *text = NULL;
	size_t len = 0;
	int r;

	for (size_t k = 0; k < MR_ARRAY_SIZE(systems); k++)
		if (strcmp(ctl->args[0], systems[k].name) == 0)
			s = &systems[k];
	if (!s)
		return mr_ctl_fail(MR_EXIT_USAGE,
				   "import: '%s' is not vpop3, imail, postfix or ispconfig",
				   ctl->args[0]);
	i.lines = o->lines;
	if (i.lines && s->import != mr_import_ispconfig)
		return mr_ctl_fail(MR_EXIT_USAGE, "import %s: --lines is for ispconfig", s->name);
	if (i.n_args == 0)
		return mr_ctl_fail(MR_EXIT_USAGE, "import %s: which file?", s->name);
	i.out = open_memstream(&text, &len);
	if (!i.out)
		return mr_ctl_fail(MR_EXIT_USAGE, "out of memory");
	fprintf(i.out,
		"# Made by mailreeve import from: %s.\n"
		"# Read it, then: mailreeve %s FILE\n\n",
		s->title, i.lines ? "account import" : "check -c");
	r = s->import(&i);
	if (fclose(i.out) != 0 && r == 0)
		r = -ENOMEM;
	if (r < 0)
		return mr_ctl_fail(MR_EXIT_USAGE, "import %s: %s", s->name, strerror(-r));
	return import_done(&i, text, len);
}

const struct mr_command mr_ctl_import = {
	.name = "import",
	.usage = "vpop3|imail|postfix|ispconfig [--lines] [KIND:]FILE…",
	.summary = "print a configuration made from another mail server's settings",
	.help = "vpop3      access restrictions, old (!192.168.0.1) and new (DENY 192.168.1.1);\n"
		"           KIND: smtp, pop3, imap or global, where the file does not say it\n"
		"imail      relay addresses, accept.txt, kill.lst; KIND: relay, accept or kill\n"
		"postfix    main.cf or the output of `postconf -n`, and tables as text;\n"
		"           KIND: cidr or hash, for a table that main.cf does not name\n"
		"ispconfig  a dump of mail_user and mail_user_ip_restriction, or their rows\n"
		"           as `mysql -B` prints them; --lines: for the SQLite store\n\n"
		"What has no equal becomes a comment; a line that is none is an error, and\n"
		"nothing is printed then.  - is standard input.  Nothing is changed.",
	.options = options,
	.options_size = sizeof(struct options),
	.min_args = 1,
	.max_args = 1024,
	.run = import_run,
};
