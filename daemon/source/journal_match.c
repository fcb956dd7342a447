// SPDX-License-Identifier: BSD-2-Clause
/*
 * journal_match.c - what is asked of the journal (journal_match.h).
 *
 * libsystemd's matches are a disjunction of conjunctions over whole values, so the instances of a
 * template are asked for by the slice that systemd puts them in, and compared again when they come.
 * Never reads, never logs.  Called by journal.c.  Fails for a name that no journal can be asked
 * for.
 */
#include "journal_match.h"

#include <fnmatch.h>
#include <string.h>
#include <systemd/sd-messages.h>

static void strv_free(char **v)
{
	for (char **s = v; s && *s; s++)
		free(*s);
	free(v);
}

static char **strv_copy(const char *const *from, size_t n)
{
	char **v = calloc(n + 1, sizeof(*v));

	for (size_t i = 0; v && i < n; i++) {
		v[i] = strdup(from[i]);
		if (!v[i]) {
			strv_free(v);
			return NULL;
		}
	}
	return v;
}

void mr_journal_match_clear(struct mr_journal_match *m)
{
	strv_free(m->units);
	strv_free(m->identifiers);
	strv_free(m->facilities);
	*m = (struct mr_journal_match){ 0 };
}

int mr_journal_match_init(struct mr_journal_match *m, const struct mr_journal_options *o)
{
	struct mr_journal_match new = {
		.units = strv_copy(o->units, o->n_units),
		.identifiers = strv_copy(o->identifiers, o->n_identifiers),
		.facilities = strv_copy(o->facilities, o->n_facilities),
	};

	if (!new.units || !new.identifiers || !new.facilities) {
		mr_journal_match_clear(&new);
		return -ENOMEM;
	}
	*m = new;
	return 0;
}

/* "postfix@.service", "postfix@*.service": every instance, by the slice that systemd gives them */
static bool is_pattern(const char *unit)
{
	return strchr(unit, '*') || strstr(unit, "@.");
}

bool mr_journal_match_unit(const struct mr_journal_match *m, const char *unit)
{
	char pattern[256];

	for (char **u = m->units; *u; u++) {
		const char *at = strstr(*u, "@.");

		if (strcmp(*u, unit) == 0)
			return true;
		if (!is_pattern(*u))
			continue;
		if (at)
			snprintf(pattern, sizeof(pattern), "%.*s@*%s", (int)(at - *u), *u, at + 1);
		else
			snprintf(pattern, sizeof(pattern), "%s", *u);
		if (fnmatch(pattern, unit, 0) == 0)
			return true;
	}
	return false;
}

static int match(sd_journal *j, const char *field, const char *value)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "%s=%s", field, value);

	if (n < 0 || (size_t)n >= sizeof(text))
		return -ENAMETOOLONG;
	return sd_journal_add_match(j, text, (size_t)n);
}

/* The slice of a template's instances: "system-NAME.slice", a "-" within the name escaped. */
static int match_slice(sd_journal *j, const char *unit)
{
	char slice[256] = "system-";
	size_t n = strlen(slice);

	for (; *unit && *unit != '@' && n < sizeof(slice) - 16; unit++)
		if (*unit == '-')
			n += (size_t)sprintf(slice + n, "\\x2d");
		else
			slice[n++] = *unit;
	if (*unit != '@')
		return -EINVAL;
	strcpy(slice + n, ".slice");
	return match(j, "_SYSTEMD_SLICE", slice);
}

static const char *facility_number(const char *name)
{
	static const struct {
		const char *name, *number;
	} known[] = {
		{ "kern", "0" },    { "user", "1" },	{ "mail", "2" },      { "daemon", "3" },
		{ "auth", "4" },    { "syslog", "5" },	{ "lpr", "6" },	      { "news", "7" },
		{ "uucp", "8" },    { "cron", "9" },	{ "authpriv", "10" }, { "ftp", "11" },
		{ "local0", "16" }, { "local1", "17" }, { "local2", "18" },   { "local3", "19" },
		{ "local4", "20" }, { "local5", "21" }, { "local6", "22" },   { "local7", "23" },
	};

	for (size_t i = 0; i < MR_ARRAY_SIZE(known); i++)
		if (strcmp(known[i].name, name) == 0)
			return known[i].number;
	return NULL;
}

static int match_filters(const struct mr_journal_match *m, sd_journal *j, struct mr_error *e)
{
	int r = 0;

	for (char **s = m->identifiers; *s && r >= 0; s++)
		r = match(j, "SYSLOG_IDENTIFIER", *s);
	for (char **s = m->facilities; *s && r >= 0; s++) {
		const char *number = facility_number(*s);

		if (!number)
			return mr_error(e, -EINVAL,
					"journal: there is no syslog facility \"%s\"; write mail, "
					"daemon, auth, authpriv or local0 to local7",
					*s);
		r = match(j, "SYSLOG_FACILITY", number);
	}
	return r;
}

/* (units and filters) or (slices and filters) */
static int match_records(const struct mr_journal_match *m, sd_journal *j, struct mr_error *e)
{
	bool slices = false, units = false;
	int r = 0;

	for (char **u = m->units; *u && r >= 0; u++)
		if (!is_pattern(*u)) {
			r = match(j, "_SYSTEMD_UNIT", *u);
			units = true;
		} else {
			slices = true;
		}
	if (r >= 0 && units)
		r = match_filters(m, j, e);
	if (r < 0 || !slices)
		return r;
	r = units ? sd_journal_add_disjunction(j) : 0;
	for (char **u = m->units; *u && r >= 0; u++)
		if (is_pattern(*u)) {
			r = match_slice(j, *u);
			if (r == -EINVAL)
				return mr_error(e, r,
						"journal: \"%s\": only the instance of a unit can "
						"be left open, as in postfix@.service",
						*u);
		}
	return r < 0 ? r : match_filters(m, j, e);
}

int mr_journal_match_add(const struct mr_journal_match *m, sd_journal *j, struct mr_error *e)
{
	int r = match_records(m, j, e);

	/* or: journald dropped records.  No client can claim the transport: the names of fields
	 * that journald vouches for begin with "_", and those of clients never do. */
	if (r >= 0)
		r = sd_journal_add_disjunction(j);
	if (r >= 0)
		r = match(j, "_TRANSPORT", "driver");
	return r < 0 ? r : match(j, "MESSAGE_ID", SD_MESSAGE_JOURNAL_DROPPED_STR);
}
