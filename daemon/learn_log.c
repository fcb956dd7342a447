// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn_log.c - what learning tells the log and `status` (learn.h).
 *
 * Each new permit and each ban is told once, with fields; a storm is told in sums, so that neither
 * the loop nor the journal is held up by it.  Verdicts in a wording that no format knows are told
 * once for each program.  Text that clients chose is printed with everything but plain ASCII
 * replaced.  Called by learn.c and status.c.
 */
#include "learn.h"

#include <inttypes.h>
#include <string.h>

#define TOLD_AT_ONCE  100 /* messages of a kind in … */
#define TOLD_NS	      10000000000ull /* … this long; the rest is summed up */
#define ADRIFT_US     300000000u /* a mail log that is this late is not just slow */
#define ADRIFT_LOGINS 3 /* in a row */
#define ADRIFT_TEXT   256 /* bytes */
#define FORGED_NS     600000000000ull /* one message about forged, or dropped, lines in so long */
#define TEXT_MAX      160 /* bytes of a name in a message */
#define NS_PER_US     1000u

static const char *plain(struct mr_str s, char buf[static TEXT_MAX])
{
	size_t n = s.n < TEXT_MAX - 1 ? s.n : TEXT_MAX - 1;

	for (size_t i = 0; i < n; i++)
		buf[i] = s.p[i] >= ' ' && s.p[i] <= '~' ? s.p[i] : '?';
	buf[n] = '\0';
	return buf;
}

static const char *family_name(enum mr_family f)
{
	static const char *const names[] = { NULL, "smtp", "pop3", "imap", "sieve" };

	return names[f];
}

static const char *event_name(enum mr_event_kind k)
{
	static const char *const names[] = { "login", "logout", "failure", "abuse" };

	return names[k];
}

/* --- permits and bans ------------------------------------------------------------------------- */

static int on_summary(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
	struct mr_learn *l = userdata;
	uint64_t permits = l->budget[MR_PERMIT].held, bans = l->budget[MR_BAN].held;

	l->summary = sd_event_source_disable_unref(l->summary);
	l->budget[MR_PERMIT].held = l->budget[MR_BAN].held = 0;
	if (permits || bans)
		mr_log_with(&l->m->log, LOG_INFO, MR_FIELDS({ "MESSAGE_ID", MR_MSG_ENTRY }),
			    "%" PRIu64 " more permits and %" PRIu64
			    " more bans in %llu s, not told one by one",
			    permits, bans, TOLD_NS / 1000000000ull);
	return 0;
}

void mr_learn_log_stop(struct mr_learn *l)
{
	on_summary(NULL, 0, l);
}

static bool may_tell(struct mr_learn *l, enum mr_entry_kind kind)
{
	struct mr_learn_budget *b = &l->budget[kind];
	uint64_t now = mr_boottime_ns();

	if (!b->since || now - b->since >= TOLD_NS)
		*b = (struct mr_learn_budget){ TOLD_AT_ONCE, now, b->held };
	if (b->left) {
		b->left--;
		return true;
	}
	b->held++;
	if (!l->summary)
		sd_event_add_time_relative(l->m->event, &l->summary, CLOCK_BOOTTIME,
					   TOLD_NS / NS_PER_US, TOLD_NS / NS_PER_US / 10,
					   on_summary, l);
	return false;
}

void mr_learn_log(struct mr_learn *l, const char *source, const struct mr_event *e,
		  const struct mr_learn_result *r, bool renewed)
{
	enum mr_entry_kind kind = r->action == MR_LEARN_BAN ? MR_BAN : MR_PERMIT;
	const char *family = family_name(e->family), *name = kind == MR_BAN ? "ban" : "permit";
	char key[MR_PREFIX_TEXT], buf[TEXT_MAX];
	const char *user = e->user.n ? plain(e->user, buf) : NULL;

	if ((r->action != MR_LEARN_BAN && r->action != MR_LEARN_PERMIT) ||
	    (renewed && kind == MR_PERMIT) || !may_tell(l, kind))
		return;
	mr_prefix_text(&r->keyed, key);
	mr_log_with(&l->m->log, kind == MR_BAN ? LOG_NOTICE : LOG_INFO,
		    MR_FIELDS({ "MESSAGE_ID", MR_MSG_ENTRY }, { "MAILREEVE_ENTRY", name },
			      { "MAILREEVE_ADDRESS", key }, { "MAILREEVE_USER", user },
			      { "MAILREEVE_SERVICE", family }, { "MAILREEVE_FORMAT", e->format },
			      { "MAILREEVE_SOURCE", source }, { "MAILREEVE_WHY", r->why }),
		    "%s for %s (%s%s%s%s%s): %s", name, key, e->format, family ? ", " : "",
		    family ? family : "", user ? ", user " : "", user ? user : "", r->why);
}

/* --- sources ---------------------------------------------------------------------------------- */

void mr_learn_log_lost(struct mr_learn_feed *s)
{
	const struct mr_reader_stats *stats = mr_reader_stats(s->reader);

	for (size_t i = 0; i < stats->programs; i++) {
		const struct mr_reader_lost *lost = &stats->program[i];

		if (!lost->lost || s->lost[i])
			continue;
		s->lost[i] = true;
		mr_log_with(&s->learn->m->log, LOG_WARNING,
			    MR_FIELDS({ "MESSAGE_ID", MR_MSG_LOST }, { "MAILREEVE_SOURCE", s->key },
				      { "MAILREEVE_PROGRAM", lost->program }),
			    "%s: %s writes logins in a wording that no format knows, nothing is "
			    "learned from such lines: %s",
			    s->key, lost->program, lost->example);
	}
}

void mr_learn_log_forged(struct mr_learn_feed *s, const struct mr_event *e,
			 const struct mr_line *line, const struct mr_writer *w)
{
	uint64_t now = mr_boottime_ns();
	char uid[16], text[TEXT_MAX], comm[TEXT_MAX], unit[TEXT_MAX];

	s->forged++;
	if (s->forged_told_at && now < s->forged_told_at + FORGED_NS)
		return;
	s->forged_told_at = now;
	snprintf(uid, sizeof(uid), "%u", w->uid);
	mr_log_with(&s->learn->m->log, LOG_WARNING,
		    MR_FIELDS({ "MESSAGE_ID", MR_MSG_FORGED }, { "MAILREEVE_SOURCE", s->key },
			      { "MAILREEVE_FORMAT", e->format }, { "MAILREEVE_UID", uid }),
		    "a line that looks like a %s of %s was written by uid %s (%s) in %s, who does "
		    "not log for that server; it earns nothing: %s",
		    event_name(e->kind), e->format, uid, plain(w->comm, comm), plain(w->unit, unit),
		    plain(line->message, text));
}

static const char *adrift_text(const struct mr_learn_feed *s, char buf[static ADRIFT_TEXT])
{
	char left[MR_REPORT_LEFT];

	snprintf(buf, ADRIFT_TEXT,
		 "its last %u logins were stamped %s before they were written here, and count from "
		 "then: do clock and time zone of who writes it agree with this host's?",
		 s->adrift, mr_report_left((double)s->adrift_us / 1e6, left));
	return buf;
}

/* A writer in another time zone, as in a container, would otherwise earn nothing, in silence. */
void mr_learn_log_adrift(struct mr_learn_feed *s, uint64_t by_us)
{
	char text[ADRIFT_TEXT];

	if (by_us < ADRIFT_US) {
		s->adrift = 0;
		return;
	}
	s->adrift_us = by_us;
	if (++s->adrift == ADRIFT_LOGINS)
		mr_log_with(&s->learn->m->log, LOG_WARNING,
			    MR_FIELDS({ "MAILREEVE_SOURCE", s->key }), "%s: %s", s->key,
			    adrift_text(s, text));
}

void mr_learn_log_dropped(struct mr_learn_feed *s, const char *unit, uint64_t n)
{
	uint64_t now = mr_boottime_ns();
	char *copy = strdup(unit);

	if (copy) {
		free(s->dropped.unit);
		s->dropped.unit = copy;
	}
	s->dropped.lines += n;
	if (s->dropped.told_at && now < s->dropped.told_at + FORGED_NS)
		return;
	s->dropped.told_at = now;
	mr_log_with(&s->learn->m->log, LOG_WARNING,
		    MR_FIELDS({ "MESSAGE_ID", MR_MSG_DROPPED }, { "MAILREEVE_SOURCE", s->key }),
		    "%s: journald dropped %" PRIu64 " lines of %s by its rate limit; logins and "
		    "failures among them are lost. `systemctl edit %s`, LogRateLimitIntervalSec=0 "
		    "under [Service], and a restart of it end that",
		    s->key, s->dropped.lines - s->dropped.told, unit, unit);
	s->dropped.told = s->dropped.lines;
}

void mr_learn_log_state(struct mr_learn_feed *s)
{
	const struct mr_feed *f = s->feed;
	bool failed = f->state == MR_FEED_FAILED;

	if (!failed && s->told_failed && f->state != MR_FEED_WAITING)
		mr_log_with(
			&s->learn->m->log, LOG_NOTICE,
			MR_FIELDS({ "MESSAGE_ID", MR_MSG_SOURCE }, { "MAILREEVE_SOURCE", s->key }),
			"%s is read again", s->key);
	else if (failed || (f->state == MR_FEED_WAITING && f->error))
		mr_log_with(
			&s->learn->m->log, failed ? LOG_ERR : LOG_WARNING,
			MR_FIELDS({ "MESSAGE_ID", MR_MSG_SOURCE }, { "MAILREEVE_SOURCE", s->key }),
			"%s%s", f->error, failed ? "; tried again" : "; waiting for it");
	if (f->note && (!s->told_note || strcmp(s->told_note, f->note) != 0))
		mr_log_with(
			&s->learn->m->log, LOG_WARNING,
			MR_FIELDS({ "MESSAGE_ID", MR_MSG_SOURCE }, { "MAILREEVE_SOURCE", s->key }),
			"%s", f->note);
	free(s->told_note);
	s->told_note = f->note ? strdup(f->note) : NULL;
	s->told_failed = failed || f->state == MR_FEED_WAITING;
}

/* --- status ----------------------------------------------------------------------------------- */

static json_t *lost_json(const struct mr_reader_stats *stats)
{
	json_t *list = json_array();

	for (size_t i = 0; i < stats->programs; i++)
		if (stats->program[i].lost)
			json_array_append_new(
				list, json_pack("{s:o,s:I,s:o}", "program",
						mr_report_text(stats->program[i].program), "lines",
						(json_int_t)stats->program[i].lost, "example",
						mr_report_text(stats->program[i].example)));
	return list;
}

static json_t *events_json(const uint64_t events[static 4])
{
	return json_pack("{s:I,s:I,s:I,s:I}", "login", (json_int_t)events[MR_EV_LOGIN], "logout",
			 (json_int_t)events[MR_EV_LOGOUT], "failure",
			 (json_int_t)events[MR_EV_FAILURE], "abuse",
			 (json_int_t)events[MR_EV_ABUSE]);
}

/* Seconds that the reading is behind the writing. */
static json_t *lag_json(const struct mr_learn_feed *s)
{
	uint64_t now = mr_realtime_us();

	if (s->feed->state == MR_FEED_FOLLOWING)
		return json_real(0);
	if (s->feed->state != MR_FEED_CATCHING_UP || !s->line_us || s->line_us > now)
		return json_null();
	return json_real((double)(now - s->line_us) / 1e6);
}

static json_t *source_json(const struct mr_learn_feed *s)
{
	const struct mr_reader_stats *stats = mr_reader_stats(s->reader);
	const struct mr_feed *f = s->feed;
	uint64_t now = mr_boottime_ns() / NS_PER_US;
	json_int_t skipped = (json_int_t)stats->skipped + (json_int_t)f->skipped;
	json_t *o = json_pack(
		"{s:o,s:s,s:s,s:I,s:o,s:I,s:o,s:o,s:o}", "name", mr_report_text(s->key), "kind",
		s->kind, "state", mr_feed_state_name(f->state), "lines", (json_int_t)stats->lines,
		"events", events_json(stats->events), "skipped", skipped, "lost", lost_json(stats),
		"lag", lag_json(s), "error", f->error ? mr_report_text(f->error) : json_null());

	if (s->suspect) {
		json_object_set_new(o, "untrusted", json_integer((json_int_t)s->forged));
		json_object_set_new(o, "dropped", json_integer((json_int_t)s->dropped.lines));
	}
	json_object_set_new(o, "note", mr_report_text(f->note));
	json_object_set_new(o, "retry_in",
			    f->retry_at > now ? json_real((double)(f->retry_at - now) / 1e6)
					      : json_null());
	return o;
}

json_t *mr_learn_json(const struct mr_manager *m)
{
	json_t *sources = json_array();
	struct mr_learn_stats s;

	for (size_t i = 0; m->learn && i < m->learn->feeds; i++)
		json_array_append_new(sources, source_json(m->learn->feed[i]));
	if (!m->learn) {
		json_decref(sources);
		return NULL;
	}
	mr_learner_stats(m->learn->learner, &s);
	return json_pack("{s:o,s:o,s:I,s:I,s:{s:I,s:I,s:I},s:I,s:I,s:I,s:I,s:I}", "sources",
			 sources, "events", events_json(s.events), "permits", (json_int_t)s.permits,
			 "bans", (json_int_t)s.bans, "capped", "user", (json_int_t)s.capped_user,
			 "address", (json_int_t)s.capped_address, "prefix",
			 (json_int_t)s.capped_prefix, "protected", (json_int_t)s.protected,
			 "doubles", (json_int_t)s.doubles, "forgotten", (json_int_t)s.forgotten,
			 "addresses", (json_int_t)s.addresses, "sessions", (json_int_t)s.sessions);
}

void mr_learn_warnings(const struct mr_manager *m, void (*warn)(json_t *list, const char *fmt, ...),
		       json_t *list)
{
	char adrift[ADRIFT_TEXT];

	if (m->learn && m->learn->save_failed)
		warn(list, "how far the logs were read cannot be saved in the state directory (see "
			   "the log): after a restart they would be read from an older place");
	for (size_t i = 0; m->learn && i < m->learn->feeds; i++) {
		const struct mr_learn_feed *s = m->learn->feed[i];
		const struct mr_reader_stats *stats = mr_reader_stats(s->reader);

		if (s->feed->error)
			warn(list, "nothing is learned from %s: %s", s->key, s->feed->error);
		if (s->feed->note)
			warn(list, "%s", s->feed->note);
		if (s->adrift >= ADRIFT_LOGINS)
			warn(list, "%s: %s", s->key, adrift_text(s, adrift));
		if (s->forged)
			warn(list,
			     "%s: %" PRIu64 " lines look like a mail server's and were written by "
			     "somebody else (the log tells by whom); they earned nothing",
			     s->key, s->forged);
		if (s->dropped.lines)
			warn(list,
			     "%s: journald dropped %" PRIu64
			     " lines by its rate limit, the last of "
			     "%s; LogRateLimitIntervalSec=0 in that unit (systemctl edit) ends it",
			     s->key, s->dropped.lines,
			     s->dropped.unit ? s->dropped.unit : "a unit");
		for (size_t k = 0; k < stats->programs; k++)
			if (stats->program[k].lost)
				warn(list,
				     "%s: %" PRIu64
				     " lines of %s look like logins or failures in a "
				     "wording that no format knows, such as: %s",
				     s->key, stats->program[k].lost, stats->program[k].program,
				     stats->program[k].example);
	}
}
