// SPDX-License-Identifier: BSD-2-Clause
/*
 * entry.c - `mailreeve permit` and `mailreeve ban`: list, add, delete, flush.
 *
 * The daemon judges what may be an entry; only what is no address at all is refused here.  The list
 * comes page by page and is printed as it comes: 262,144 bans need no memory.
 */
#include "bus.h"
#include "term.h"

#include <mailreeve/addr.h>
#include <mailreeve/report.h>

struct options {
	uint64_t ttl_us;
	struct mr_texts services;
	const char *user;
};
static const struct mr_option options[] = {
	{ "ttl", 't', MR_OPTION_TIME, offsetof(struct options, ttl_us), "TIME",
	  "add: how long (90s, 30m, 2d; default: the file's ttl)" },
	{ "service", 's', MR_OPTION_LIST, offsetof(struct options, services), "NAME",
	  "add: only for this service; may be repeated" },
	{ "user", 'u', MR_OPTION_TEXT, offsetof(struct options, user), "NAME",
	  "add: note whose entry it is" },
	{ NULL, 0, 0, 0, NULL, NULL },
};

struct entry {
	const char *key, *user, *origin;
	uint64_t granted_us, expires_in_us;
	char **services; /* a strv of sd-bus; NULL or empty: all */
};

/* Whole seconds, rounded up: what lives is never 0. */
static json_int_t entry_seconds(uint64_t us)
{
	uint64_t seconds = us / 1000000 + !!(us % 1000000);

	return (json_int_t)seconds;
}

static void entry_print_json(const char *kind, const struct entry *e)
{
	json_t *services = json_array(), *j;
	char when[MR_REPORT_TIME];

	for (char **s = e->services; s && *s; s++)
		json_array_append_new(services, mr_report_text(*s));
	j = json_pack("{s:s,s:o,s:s,s:I,s:o,s:o,s:o}", "kind", kind, "address",
		      mr_report_text(e->key), "granted", mr_report_time(e->granted_us, false, when),
		      "expires_in", entry_seconds(e->expires_in_us), "services", services, "user",
		      mr_report_text(*e->user ? e->user : NULL), "origin",
		      mr_report_text(e->origin));
	mr_term_json(j);
	json_decref(j);
}

static void entry_print(const struct entry *e)
{
	char left[MR_REPORT_LEFT];

	printf("%-39s  %10s  ", e->key, mr_report_left((double)e->expires_in_us / 1e6, left));
	for (char **s = e->services; s && *s; s++) {
		fputs(s == e->services ? "" : ",", stdout);
		mr_term_text(*s, stdout);
	}
	if (!e->services || !*e->services)
		fputs("every service", stdout);
	fputs("  ", stdout);
	mr_term_text(e->origin, stdout);
	if (*e->user) {
		fputs(" for ", stdout);
		mr_term_text(e->user, stdout);
	}
	fputc('\n', stdout);
}

static int entry_read(sd_bus_message *m, struct entry *e)
{
	int r;

	r = sd_bus_message_enter_container(m, 'r', "sttasss");
	if (r <= 0)
		return r;
	r = sd_bus_message_read(m, "stt", &e->key, &e->granted_us, &e->expires_in_us);
	if (r >= 0)
		r = sd_bus_message_read_strv(m, &e->services);
	if (r >= 0)
		r = sd_bus_message_read(m, "ss", &e->user, &e->origin);
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	return r < 0 ? r : 1;
}

static void entry_free_strv(char **v)
{
	for (char **s = v; s && *s; s++)
		free(*s);
	free(v);
}

/* Prints one page; *n counts, *cursor (malloc'ed) is where the next begins. */
static int entry_page(sd_bus_message *m, const char *kind, bool json, size_t *n, char **cursor)
{
	const char *next;
	int r;

	r = sd_bus_message_enter_container(m, 'a', "(sttasss)");
	if (r < 0)
		return r;
	for (;;) {
		struct entry e = { 0 };

		r = entry_read(m, &e);
		if (r <= 0) {
			entry_free_strv(e.services);
			break;
		}
		if (json)
			entry_print_json(kind, &e);
		else
			entry_print(&e);
		entry_free_strv(e.services);
		(*n)++;
	}
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	if (r >= 0)
		r = sd_bus_message_read(m, "s", &next);
	if (r < 0)
		return r;
	free(*cursor);
	*cursor = strdup(next);
	return *cursor ? 0 : -ENOMEM;
}

static enum mr_exit entry_list(sd_bus *bus, const char *kind, bool json)
{
	_free_ char *cursor = strdup("");
	size_t n = 0;

	do {
		_message_ sd_bus_message *m = NULL, *reply = NULL;
		enum mr_exit status;
		int r;

		status = mr_bus_message(bus, "EntryList", &m);
		if (status != MR_EXIT_DONE)
			return status;
		r = sd_bus_message_append(m, "ssu", kind, cursor ?: "", 0u);
		if (r < 0)
			return mr_bus_bad_reply(r);
		status = mr_bus_send(bus, m, MR_BUS_TIMEOUT_US, &reply);
		if (status != MR_EXIT_DONE)
			return status;
		r = entry_page(reply, kind, json, &n, &cursor);
		if (r < 0)
			return mr_bus_bad_reply(r);
	} while (*cursor && !ferror(stdout));
	if (!n && !json)
		printf("no %ss\n", kind);
	return MR_EXIT_DONE;
}

static enum mr_exit entry_add(sd_bus *bus, const char *kind, const struct mr_ctl *ctl)
{
	const struct options *o = ctl->options;
	_message_ sd_bus_message *m = NULL, *reply = NULL;
	char left[MR_REPORT_LEFT];
	enum mr_exit status;
	uint64_t expires;
	const char *key;
	int r;

	status = mr_bus_message(bus, "EntryAdd", &m);
	if (status != MR_EXIT_DONE)
		return status;
	r = sd_bus_message_append(m, "sst", kind, ctl->args[1], o->ttl_us);
	if (r >= 0)
		r = sd_bus_message_append_strv(m, (char **)o->services.v);
	if (r >= 0)
		r = sd_bus_message_append(m, "s", o->user ?: "");
	if (r < 0)
		return r == -EINVAL ? mr_ctl_fail(MR_EXIT_USAGE, "a name is not UTF-8, or too long")
				    : mr_bus_bad_reply(r);
	status = mr_bus_send(bus, m, MR_BUS_TIMEOUT_US, &reply);
	if (status != MR_EXIT_DONE)
		return status;
	r = sd_bus_message_read(reply, "st", &key, &expires);
	if (r < 0)
		return mr_bus_bad_reply(r);
	if (ctl->json)
		printf("{\"kind\":\"%s\",\"address\":\"%s\",\"expires_in\":%lld}\n", kind, key,
		       (long long)entry_seconds(expires));
	else
		printf("%s of %s ends in %s\n", kind, key,
		       mr_report_left((double)expires / 1e6, left));
	return MR_EXIT_DONE;
}

static enum mr_exit entry_delete(sd_bus *bus, const char *kind, const struct mr_ctl *ctl)
{
	_message_ sd_bus_message *m = NULL;
	enum mr_exit status;
	int r;

	status = mr_bus_message(bus, "EntryDelete", &m);
	if (status != MR_EXIT_DONE)
		return status;
	r = sd_bus_message_append(m, "ss", kind, ctl->args[1]);
	if (r < 0)
		return mr_bus_bad_reply(r);
	return mr_bus_send(bus, m, MR_BUS_TIMEOUT_US, NULL);
}

static enum mr_exit entry_flush(sd_bus *bus, const char *kind, bool json)
{
	_message_ sd_bus_message *m = NULL, *reply = NULL;
	enum mr_exit status;
	uint32_t n;
	int r;

	status = mr_bus_message(bus, "EntryFlush", &m);
	if (status != MR_EXIT_DONE)
		return status;
	r = sd_bus_message_append(m, "s", kind);
	if (r < 0)
		return mr_bus_bad_reply(r);
	status = mr_bus_send(bus, m, MR_BUS_TIMEOUT_US, &reply);
	if (status != MR_EXIT_DONE)
		return status;
	r = sd_bus_message_read(reply, "u", &n);
	if (r < 0)
		return mr_bus_bad_reply(r);
	if (json)
		printf("{\"removed\":%u}\n", n);
	else
		printf("%u %s%s removed\n", n, kind, n == 1 ? "" : "s");
	return MR_EXIT_DONE;
}

/* What can be said without the daemon. */
static enum mr_exit entry_check(const struct mr_ctl *ctl, const char *verb, bool takes_address)
{
	const struct options *o = ctl->options;
	struct mr_prefix p;
	int r;

	if (takes_address && ctl->n_args < 2)
		return mr_ctl_fail(MR_EXIT_USAGE, "%s: which address?", verb);
	if (!takes_address && ctl->n_args > 1)
		return mr_ctl_fail(MR_EXIT_USAGE, "%s takes no address", verb);
	if (strcmp(verb, "add") != 0 && (o->ttl_us || o->services.n || o->user))
		return mr_ctl_fail(MR_EXIT_USAGE, "--ttl, --service and --user belong to add");
	if (!takes_address)
		return MR_EXIT_DONE;
	r = mr_prefix_parse(ctl->args[1], strlen(ctl->args[1]), &p);
	if (r == -EINVAL || r == -ERANGE)
		return mr_ctl_fail(MR_EXIT_USAGE,
				   "'%s' is not an address: write it like 192.0.2.1 or 2001:db8::1",
				   ctl->args[1]);
	return MR_EXIT_DONE;
}

static enum mr_exit entry_run(const struct mr_ctl *ctl, const char *kind)
{
	static const struct {
		const char *name;
		bool takes_address;
	} verbs[] = { { "list", false }, { "add", true }, { "delete", true }, { "flush", false } };
	_bus_ sd_bus *bus = NULL;
	enum mr_exit status;
	size_t v;

	for (v = 0; v < MR_ARRAY_SIZE(verbs); v++)
		if (strcmp(verbs[v].name, ctl->args[0]) == 0)
			break;
	if (v == MR_ARRAY_SIZE(verbs))
		return mr_ctl_fail(MR_EXIT_USAGE, "%s: '%s' is not list, add, delete or flush",
				   kind, ctl->args[0]);
	status = entry_check(ctl, verbs[v].name, verbs[v].takes_address);
	if (status == MR_EXIT_DONE)
		status = mr_bus_open(ctl, &bus, NULL);
	if (status != MR_EXIT_DONE)
		return status;
	switch (v) {
	case 0:
		return entry_list(bus, kind, ctl->json);
	case 1:
		return entry_add(bus, kind, ctl);
	case 2:
		return entry_delete(bus, kind, ctl);
	default:
		return entry_flush(bus, kind, ctl->json);
	}
}

static enum mr_exit entry_run_permit(const struct mr_ctl *ctl)
{
	return entry_run(ctl, "permit");
}

static enum mr_exit entry_run_ban(const struct mr_ctl *ctl)
{
	return entry_run(ctl, "ban");
}

#define ENTRY_USAGE \
	"list | add ADDRESS [--ttl TIME] [--service NAME]… [--user NAME] | delete ADDRESS | flush"

const struct mr_command mr_ctl_permit = {
	.name = "permit",
	.usage = ENTRY_USAGE,
	.summary = "addresses that may for a while: list, add, delete, flush",
	.help = "A permit makes `permitted` true for one address, for a while.  `add` gives\n"
		"one by hand or extends the one there is; without --service it opens what a\n"
		"learned permit opens. Permits outlive a restart of the daemon and a reboot.\n"
		"Exit status 1: there is no such permit, the table is full, or the address\n"
		"may not have one (loopback, a proxy).",
	.options = options,
	.options_size = sizeof(struct options),
	.min_args = 1,
	.max_args = 2,
	.json = true,
	.run = entry_run_permit,
};

const struct mr_command mr_ctl_ban = {
	.name = "ban",
	.usage = ENTRY_USAGE,
	.summary = "addresses that are shut out for a while: list, add, delete, flush",
	.help = "A ban makes `banned` true for one address (IPv6: for its prefix of the\n"
		"length that `ban { ipv6-prefix }` says) and cuts its open sessions.  Without\n"
		"--service it covers all services.  A wider network is no ban: put it in a\n"
		"set, and deny the set.  Exit status 1: there is no such ban, or the address\n"
		"may not have one (loopback, a proxy, too wide).",
	.options = options,
	.options_size = sizeof(struct options),
	.min_args = 1,
	.max_args = 2,
	.json = true,
	.run = entry_run_ban,
};
