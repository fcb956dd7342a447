// SPDX-License-Identifier: BSD-2-Clause
/*
 * _maillog.c - a mail log of the usual mix (_maillog.h).
 *
 * Of a hundred lines five are Dovecot logins, two Dovecot failures, two Postfix SASL logins, three
 * Postfix SASL failures; the rest is what Postfix and a spam filter say about mail, which means
 * nothing to us.  Written from the wording of Dovecot 2.3 and Postfix 3.7.  Addresses are drawn
 * from 10.0.0.0/8.  Fails with -errno where a file cannot be written.
 */
#include "_maillog.h"

#include <time.h>

#define LINES_A_SECOND 50 /* of the log's own clock */
#define USERS	       5000
#define BUFFER	       (1 << 20)

struct words { /* what a line is made of */
	char ip[16], user[32], id[16], host[48];
	unsigned int pid;
};

static unsigned int below(struct bench_maillog *m, unsigned int n)
{
	return (unsigned int)(bench_random(&m->rng) % n);
}

static void draw(struct bench_maillog *m, struct words *w)
{
	uint64_t a = bench_random(&m->rng), b = bench_random(&m->rng);

	snprintf(w->ip, sizeof(w->ip), "10.%u.%u.%u", (unsigned int)(a & 255),
		 (unsigned int)(a >> 8 & 255), 1 + (unsigned int)((a >> 16 & 255) % 254));
	snprintf(w->user, sizeof(w->user), "user%u@example.com", (unsigned int)((a >> 32) % USERS));
	snprintf(w->id, sizeof(w->id), "%010llX",
		 (unsigned long long)(b & 0xffffffffffull)); /* 40 bits */
	snprintf(w->host, sizeof(w->host), "host%u.example.net[%s]",
		 (unsigned int)((b >> 40) % 1000), w->ip);
	w->pid = 1000 + below(m, 59000);
}

static size_t stamp(time_t at, char *out)
{
	struct tm tm;

	localtime_r(&at, &tm);
	return strftime(out, BENCH_LOG_LINE, "%b %e %H:%M:%S mx1 ", &tm);
}

static int event_line(char *p, size_t n, unsigned int dice, const struct words *w)
{
	if (dice < 50)
		return snprintf(p, n,
				"dovecot: %s-login: Login: user=<%s>, method=PLAIN, rip=%s, "
				"lip=192.0.2.1, mpid=%u, TLS, session=<%s>\n",
				w->pid & 1 ? "imap" : "pop3", w->user, w->ip, w->pid, w->id);
	if (dice < 70)
		return snprintf(p, n,
				"dovecot: imap-login: Disconnected: Connection closed (auth "
				"failed, 1 attempts in 2 secs): user=<%s>, method=PLAIN, rip=%s, "
				"lip=192.0.2.1, TLS, session=<%s>\n",
				w->user, w->ip, w->id);
	if (dice < 90)
		return snprintf(p, n,
				"postfix/submission/smtpd[%u]: %s: client=%s, sasl_method=PLAIN, "
				"sasl_username=%s\n",
				w->pid, w->id, w->host, w->user);
	return snprintf(p, n,
			"postfix/smtpd[%u]: warning: unknown[%s]: SASL LOGIN authentication "
			"failed: UGFzc3dvcmQ6\n",
			w->pid, w->ip);
}

static int other_line(char *p, size_t n, unsigned int dice, const struct words *w, uint64_t line)
{
	unsigned long long number = line;

	if (dice < 300)
		return snprintf(p, n, "postfix/smtpd[%u]: connect from %s\n", w->pid, w->host);
	if (dice < 450)
		return snprintf(p, n,
				"postfix/smtpd[%u]: disconnect from %s ehlo=2 starttls=1 mail=1 "
				"rcpt=1 data=1 quit=1 commands=7\n",
				w->pid, w->host);
	if (dice < 550)
		return snprintf(p, n, "postfix/cleanup[%u]: %s: message-id=<%s.%llu@example.org>\n",
				w->pid, w->id, w->id, number);
	if (dice < 700)
		return snprintf(p, n,
				"postfix/qmgr[812]: %s: from=<%s>, size=%u, nrcpt=1 (queue "
				"active)\n",
				w->id, w->user, w->pid);
	if (dice < 850)
		return snprintf(p, n,
				"postfix/lmtp[%u]: %s: to=<%s>, relay=mx1[private/dovecot-lmtp], "
				"delay=0.4, delays=0.2/0/0/0.2, dsn=2.0.0, status=sent (250 2.0.0 "
				"<%s> %s Saved)\n",
				w->pid, w->id, w->user, w->user, w->id);
	if (dice < 950)
		return snprintf(p, n, "postfix/qmgr[812]: %s: removed\n", w->id);
	return snprintf(p, n,
			"rspamd[77]: <%s>; task; rspamd_task_write_log: id: <%llu@example.org>, "
			"qid: <%s>, ip: %s, from: <a@example.org>, (default: F (no action): "
			"[1.20/15.00] [A(1.0){}]), len: 2000, time: 30ms\n",
			w->id, number, w->id, w->ip);
}

size_t bench_maillog_line(struct bench_maillog *m, time_t at, char out[static BENCH_LOG_LINE])
{
	size_t n = stamp(at, out);
	unsigned int dice = below(m, 1000);
	struct words w;

	draw(m, &w);
	m->events += dice < 120;
	n += (size_t)(dice < 120 ? event_line(out + n, BENCH_LOG_LINE - n, dice, &w)
				 : other_line(out + n, BENCH_LOG_LINE - n, dice, &w, m->line));
	m->line++;
	return n;
}

size_t bench_maillog_login(time_t at, const char *user, const char *address,
			   char out[static BENCH_LOG_LINE])
{
	size_t n = stamp(at, out);

	return n + (size_t)snprintf(out + n, BENCH_LOG_LINE - n,
				    "dovecot: imap-login: Login: user=<%s>, method=PLAIN, rip=%s, "
				    "lip=192.0.2.1, mpid=77, TLS, session=<Zk3Hc2Vv>\n",
				    user, address);
}

int bench_maillog_write(const char *path, uint64_t seed, uint64_t n, uint64_t *events)
{
	struct bench_maillog m = { .rng = seed };
	time_t first = time(NULL) - (time_t)(n / LINES_A_SECOND);
	_fclose_ FILE *f = fopen(path, "we");
	char line[BENCH_LOG_LINE];

	if (!f)
		return -errno;
	setvbuf(f, NULL, _IOFBF, BUFFER);
	while (m.line < n) {
		size_t len =
			bench_maillog_line(&m, first + (time_t)(m.line / LINES_A_SECOND), line);

		if (fwrite(line, 1, len, f) != len)
			return -EIO;
	}
	*events = m.events;
	return fflush(f) == 0 ? 0 : -EIO;
}
