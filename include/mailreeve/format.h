/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * format.h - log lines to events: one parser for each mail server, lib/format/NAME.c.
 *
 * A line is first cut into its frame (time, host, program, pid, message) by mr_line_parse(); the
 * table in format.c then finds the formats whose program it is, and their parse functions read the
 * message.  Rules of the house for a parse function:
 *   - linear time, no backtracking, no allocation, no regular expression;
 *   - anchored at both ends: every byte of a line that yields an event is accounted for;
 *   - text that a client chose is never read as an address or a verdict: scan from the side where
 *     the server wrote, and where two readings are possible, there is no event;
 *   - the address comes from mr_cut_addr(), never from a substring search.
 */
#ifndef MAILREEVE_FORMAT_H
#define MAILREEVE_FORMAT_H

#include <mailreeve/event.h>

#include <stdio.h>

/* The frame of one line.  Borrowed from the buffer that holds it. */
struct mr_line {
	struct mr_str program; /* "dovecot", "postfix/submission/smtpd"; n = 0: the line has none */
	uint32_t pid; /* 0: none */
	struct mr_str message;
	bool syslog; /* surely begins with "Nov 21 20:43:50 HOST PROGRAM"; false says nothing */
	uint32_t repeated; /* times that syslog says the message came; 0: it does not say */
	uint64_t time_us; /* realtime; 0: none.  A syslog stamp without a year gets the year of
			     `now` */
	struct mr_str body; /* all behind the stamp: for servers' own logs, that have no program */
	struct mr_str text; /* the whole line */
};
#define MR_HOST_MAX 48 /* bytes: longer names of hosts are not remembered */
/* Changes of the clocks within thirteen months: two where there is a summer time, four in Morocco.
 */
#define MR_ZONE_CHANGES 4
struct mr_zone {
	long gmtoff; /* seconds east of UTC, now */
	struct {
		uint64_t until_us; /* realtime; 0: no change is known */
		long gmtoff;
	} before[MR_ZONE_CHANGES]; /* latest first */
};
/* The local zone of this process (tzset(3)), as of now. */
void mr_zone_read(uint64_t now_us, struct mr_zone *out);
long mr_zone_offset(uint64_t at_us);

struct mr_clock {
	uint64_t now_us; /* realtime: gives a year to stamps that have none */
	struct mr_zone zone; /* of stamps that name none */
	/* what lines began with, because it repeats; to be zeroed at first */
	char last[16 + MR_HOST_MAX]; /* "Nov 21 20:43:50 HOST ": syslog's last stamp, any's host */
	size_t host_n; /* bytes of the host with its blank; 0: none */
	int64_t last_days;
	uint64_t last_us;
	char last_iso[24];
	int64_t last_iso_days;
	int last_iso_second;
};
#define MR_LINE_MAX \
	(64u << 10) /* bytes: what is longer is no line of a mail server, and is skipped */
/* 0, or -EINVAL for what is no line (then *out is untouched). */
int mr_line_parse(const char *p, size_t n, struct mr_clock *clock, struct mr_line *out);

enum mr_parse {
	MR_PARSE_NOT_MINE, /* not this server's program */
	MR_PARSE_NOTHING, /* understood, tells nothing */
	MR_PARSE_EVENT, /* *out is filled */
	MR_PARSE_LOST, /* looks like a login verdict, and is none that is known */
};
struct mr_join; /* memory of sessions that take two lines (join.c): bounded, oldest goes first */

struct mr_format {
	const char *name;
	bool legacy; /* of a server no longer shipped: only when named */
	/* Whose lines it may take: NAME, PREFIX*, *SUFFIX, or "" for a line without a program.
	 * parse is not asked about the lines of others, and would answer NOT_MINE. */
	const char *const *programs;
	/* How messages begin that tell nothing, whatever follows, in all its programs: where a log
	 * is full of them, and no other format takes the program, parse is not asked.  NULL: none.
	 */
	const struct mr_str *dull; /* ends with n = 0 */
	bool own_stamp; /* takes no line whose stamp is syslog's, whoever's it is */
	const char *unit; /* systemd units that begin so are this server's; NULL: none by name */
	enum mr_parse (*parse)(const struct mr_line *l, struct mr_join *j, struct mr_event *out);
};
/* one of each file of lib/format/ */
extern const struct mr_format mr_format_appleimap;
extern const struct mr_format mr_format_courier;
extern const struct mr_format mr_format_cucipop;
extern const struct mr_format mr_format_cyrus;
extern const struct mr_format mr_format_dovecot;
extern const struct mr_format mr_format_dovecot0;
extern const struct mr_format mr_format_exim;
extern const struct mr_format mr_format_gnupop3d;
extern const struct mr_format mr_format_horde;
extern const struct mr_format mr_format_kerio;
extern const struct mr_format mr_format_nginx;
extern const struct mr_format mr_format_opensmtpd;
extern const struct mr_format mr_format_perdition;
extern const struct mr_format mr_format_popa3d;
extern const struct mr_format mr_format_postfix;
extern const struct mr_format mr_format_qpopper;
extern const struct mr_format mr_format_roundcube;
extern const struct mr_format mr_format_sendmail;
extern const struct mr_format mr_format_sogo;
extern const struct mr_format mr_format_solidpop3d;
extern const struct mr_format mr_format_teapop;
extern const struct mr_format mr_format_uw;
extern const struct mr_format mr_format_vmpop3d;
extern const struct mr_format mr_format_vpopmail;
extern const struct mr_format *const mr_formats[]; /* NULL-terminated */
const struct mr_format *mr_format_find(const char *name);
/* Does one of f->programs fit? */
bool mr_format_knows(const struct mr_format *f, struct mr_str program);

int mr_join_new(size_t sessions, struct mr_join **out);
void mr_join_free(struct mr_join *j);
MR_DEFINE_CLEANUP(struct mr_join *, mr_join_free)
/* What a first line told of a session.  `scope` is the format's name or a literal of its own; keys
 * of different scopes never meet.  Strings are copied in and cut to MR_JOIN_USER / MR_JOIN_KEY
 * bytes. */
#define MR_JOIN_USER 256
#define MR_JOIN_KEY  96
struct mr_joined {
	struct mr_addr addr;
	enum mr_family family;
	struct mr_str user;
	uint64_t time_us;
};
int mr_join_put(struct mr_join *j, const char *scope, struct mr_str key, const struct mr_joined *v);
bool mr_join_get(struct mr_join *j, const char *scope, struct mr_str key, struct mr_joined *out);
void mr_join_drop(struct mr_join *j, const char *scope, struct mr_str key);
/* All that is remembered, for another process of the same machine.  -EBADMSG: not what was saved;
 * what came before the fault is remembered. */
int mr_join_save(const struct mr_join *j, FILE *f);
int mr_join_restore(struct mr_join *j, struct mr_str saved);
/* The same with a process id as the key; pid 0 (none), or no joiner, is never found. */
void mr_join_put_pid(struct mr_join *j, const char *scope, uint32_t pid, const struct mr_joined *v);
bool mr_join_get_pid(struct mr_join *j, const char *scope, uint32_t pid, struct mr_joined *out);
void mr_join_drop_pid(struct mr_join *j, const char *scope, uint32_t pid);

/* --- cutting ---------------------------------------------------------------------------------- */
/* A cursor eats from the left (mr_cut_) or from the right (mr_trim_).  On a mismatch nothing moves.
 */
static inline bool mr_cut(struct mr_str *s, const char *lit, size_t n)
{
	if (s->n < n || memcmp(s->p, lit, n) != 0)
		return false;
	s->p += n;
	s->n -= n;
	return true;
}
static inline bool mr_trim(struct mr_str *s, const char *lit, size_t n)
{
	if (s->n < n || memcmp(s->p + s->n - n, lit, n) != 0)
		return false;
	s->n -= n;
	return true;
}
#define MR_CUT(s, lit)	mr_cut((s), (lit), sizeof(lit) - 1)
#define MR_TRIM(s, lit) mr_trim((s), (lit), sizeof(lit) - 1)

/* Up to the first (last) byte c, which is eaten too; false if there is none. */
bool mr_cut_to(struct mr_str *s, char c, struct mr_str *head);
bool mr_trim_from(struct mr_str *s, char c, struct mr_str *tail);
/* The longest run of digits / of bytes of a token class at the left; at least one. */
bool mr_cut_number(struct mr_str *s, uint64_t *v);
#define MR_CLASS_WORD	1 /* letters, digits, - _ . */
#define MR_CLASS_BASE64 2 /* A-Z a-z 0-9 + / = */
#define MR_CLASS_HEX	4
#define MR_CLASS_COLON	8
bool mr_cut_class(struct mr_str *s, unsigned int class, struct mr_str *run);
/* A literal address as the whole of s: 192.0.2.1, 2001:db8::1, IPv6:…, ::ffff:a.b.c.d (unmapped).
 */
bool mr_str_addr(struct mr_str s, struct mr_addr *out);
/* Where lit, of n bytes and at least one, stands for the first time; NULL: nowhere. */
const char *mr_find_at(struct mr_str s, const char *lit, size_t n);
#define MR_FIND_AT(s, lit) mr_find_at((s), (lit), sizeof(lit) - 1)
/* The first (last) occurrence of lit: what stands before and behind it; s is not moved. */
bool mr_find(struct mr_str s, const char *lit, struct mr_str *before, struct mr_str *behind);
bool mr_find_last(struct mr_str s, const char *lit, struct mr_str *before, struct mr_str *behind);
/* As mr_find, and lit stands nowhere else in s: one reading only. */
bool mr_find_only(struct mr_str s, const char *lit, struct mr_str *before, struct mr_str *behind);
/* "NAME [ADDR]", "NAME[ADDR]" or "[ADDR]" at the left, or as the whole of s; NAME is a host name.
 */
bool mr_cut_host(struct mr_str *s, struct mr_addr *a);
bool mr_str_host(struct mr_str s, struct mr_addr *a);
/* A word of HTTP and its blank at the left: no mail client sends one by mistake. */
bool mr_cut_http(struct mr_str *s);
/* Text of a client that stands left of the address that is read.  A line that syslog cut short
 * could end where the client wants it to; no line is so short that this much text fills it. */
#define MR_CLIENT_TEXT_MAX 255 /* bytes */
/* And what stands right of that address, where the server alone writes: a client's line that ends
 * in the server's words, drawn out until syslog cuts it, is longer. */
#define MR_SERVER_TEXT_MAX 512 /* bytes */
/* Fills *out (count 1, no session) and answers MR_PARSE_EVENT. */
enum mr_parse mr_take(struct mr_event *out, const char *format, enum mr_event_kind kind,
		      enum mr_family family, const struct mr_addr *a, struct mr_str user,
		      const char *what);
static inline bool mr_str_is(struct mr_str s, const char *lit)
{
	return strlen(lit) == s.n && (s.n == 0 || memcmp(s.p, lit, strlen(lit)) == 0);
}

#endif
