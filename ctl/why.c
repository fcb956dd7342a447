// SPDX-License-Identifier: BSD-2-Clause
/*
 * why.c - `mailreeve why`: may this address talk to this service, and which line says so.
 *
 * Asks the daemon, who knows the live entries; with -c a file is asked instead, without daemon and
 * without privilege.  Exit status 0: every service that was asked allows it; 1: one does not.
 */
#include "bus.h"
#include "policy.h"
#include "term.h"

#include <mailreeve/why.h>

struct options {
	const char *config, *to, *user, *sender, *recipient;
	bool permitted, banned;
};
static const struct mr_option options[] = {
	{ "config", 'c', MR_OPTION_TEXT, offsetof(struct options, config), "FILE",
	  "ask this file, not the daemon" },
	{ "to", 0, MR_OPTION_TEXT, offsetof(struct options, to), "ADDRESS",
	  "the destination, where a service has a `to`" },
	{ "user", 'u', MR_OPTION_TEXT, offsetof(struct options, user), "NAME",
	  "what the rules and the limits of the mailbox say of this login" },
	{ "sender", 0, MR_OPTION_MAIL, offsetof(struct options, sender), "ADDRESS",
	  "the envelope sender, for the relay question; '' or <> is a bounce's" },
	{ "recipient", 0, MR_OPTION_MAIL, offsetof(struct options, recipient), "ADDRESS",
	  "the envelope recipient, for the relay question" },
	{ "permitted", 0, MR_OPTION_FLAG, offsetof(struct options, permitted), NULL,
	  "as if the address had a permit" },
	{ "banned", 0, MR_OPTION_FLAG, offsetof(struct options, banned), NULL,
	  "as if the address were banned" },
	{ NULL, 0, 0, 0, NULL, NULL },
};

static enum mr_exit why_address(const char *text, struct mr_addr *out)
{
	struct mr_prefix p;

	if (mr_addr_parse(text, strlen(text), out) == 0)
		return MR_EXIT_DONE;
	if (strchr(text, '/') && mr_prefix_parse(text, strlen(text), &p) != -EINVAL)
		return mr_ctl_fail(MR_EXIT_USAGE, "'%s' is a network: ask for one address of it",
				   text);
	return mr_ctl_fail(MR_EXIT_USAGE,
			   "'%s' is not an address: write it like 192.0.2.1 or 2001:db8::1", text);
}

static void why_print(const json_t *why)
{
	bool allowed = strcmp(mr_term_string(why, "verdict"), "allow") == 0;
	_free_ char *text = NULL;
	size_t len = 0;
	char *rest;
	FILE *m = open_memstream(&text, &len);

	if (!m)
		return;
	mr_why_print(why, m);
	if (fclose(m) != 0)
		return;
	rest = text + strcspn(text, "\n");
	if (*rest)
		*rest++ = '\0';
	fputs(mr_term_on(stdout, allowed ? MR_GREEN : MR_RED), stdout);
	mr_term_text(text, stdout);
	printf("%s\n", mr_term_off(stdout));
	mr_term_text(rest, stdout);
}

static enum mr_exit why_answer(const json_t *list, bool json)
{
	enum mr_exit status = MR_EXIT_DONE;
	const json_t *why;
	size_t i;

	json_array_foreach (list, i, why) {
		if (json)
			mr_term_json(why);
		else
			why_print(why);
		if (!mr_why_allows(why))
			status = MR_EXIT_NO;
	}
	if (!json && json_array_size(list) == 0)
		puts("the file names no service: nothing is filtered");
	return status;
}

/* As the daemon does: a list that cannot be read is empty, and that is said. */
static enum mr_exit why_lists(const struct mr_policy *p, struct mr_relay_lists **out)
{
	_cleanup_(mr_relay_lists_freep) struct mr_relay_lists *lists = NULL;
	struct mr_error e;

	if (mr_relay_lists_new(p, &lists) < 0)
		return mr_ctl_fail(MR_EXIT_USAGE, "out of memory");
	for (int k = 0; k < (int)MR_ARRAY_SIZE(lists->file); k++) {
		const char *path = mr_relay_path(p, (enum mr_names_kind)k);

		if (path && mr_names_read(path, (enum mr_names_kind)k, &lists->file[k], &e) < 0)
			(void)mr_ctl_fail(MR_EXIT_DONE, "%s; taken as empty", e.text);
	}
	*out = MR_TAKE_PTR(lists);
	return MR_EXIT_DONE;
}

/*
 * What can be known of a mailbox without the daemon: the file's accounts, and the SQLite store if
 * it can be read.  *limits and *e are what *out points into.
 */
static enum mr_exit why_account(const struct mr_policy *p, const char *user,
				struct mr_account_index **index, struct mr_limits *limits,
				struct mr_error *e, struct mr_why_account *out)
{
	_cleanup_(mr_account_store_freep) struct mr_account_store *store = NULL;
	const char *path = p->accounts.path ?: MR_STATE_DIR "/" MR_ACCOUNT_FILE;
	int r = mr_account_index_new(p, index);

	if (r < 0)
		return mr_ctl_fail(MR_EXIT_USAGE, "out of memory");
	*out = (struct mr_why_account){ .index = *index, .state = MR_WHY_STORE_NONE };
	if (p->accounts.kind == MR_ACCOUNTS_NONE)
		return MR_EXIT_DONE;
	out->store = p->accounts.kind == MR_ACCOUNTS_SQLITE ? path : p->accounts.database;
	if (p->accounts.kind == MR_ACCOUNTS_MARIADB)
		r = mr_error(e, -ENOTCONN, "MariaDB is asked by the daemon only");
	else
		r = mr_account_sqlite_open(path, &store, e);
	if (r == 0)
		r = mr_account_lookup(store, user, limits, e);
	out->state = r < 0 ? MR_WHY_STORE_UNREAD : MR_WHY_STORE_ANSWERED;
	out->limits = r < 0 ? NULL : limits;
	out->error = e->text;
	return MR_EXIT_DONE;
}

static enum mr_exit why_file(const struct mr_ctl *ctl, const struct mr_addr *address,
			     const struct mr_addr *to)
{
	const struct options *o = ctl->options;
	_cleanup_(mr_policy_freep) struct mr_policy *policy = NULL;
	_cleanup_(mr_host_freep) struct mr_host *host = NULL;
	_cleanup_(mr_relay_lists_freep) struct mr_relay_lists *lists = NULL;
	_cleanup_(mr_account_index_freep) struct mr_account_index *index = NULL;
	_cleanup_(mr_limits_clear) struct mr_limits limits = { 0 };
	struct mr_why_account account;
	struct mr_why_query q = { .address = *address,
				  .to = to,
				  .user = o->user,
				  .sender = o->sender,
				  .recipient = o->recipient,
				  .permitted = o->permitted,
				  .banned = o->banned };
	_json_ json_t *list = NULL;
	enum mr_exit status;
	struct mr_error e = { "" }, store = { "" };

	status = mr_policy_host(&host);
	if (status == MR_EXIT_DONE)
		status = mr_policy_read(o->config, host, &policy);
	if (status == MR_EXIT_DONE && (o->sender || o->recipient))
		status = why_lists(policy, &lists);
	if (status == MR_EXIT_DONE && o->user)
		status = why_account(policy, o->user, &index, &limits, &store, &account);
	if (status != MR_EXIT_DONE)
		return status;
	q.account = o->user ? &account : NULL;
	q.policy = policy;
	q.lists = lists;
	q.host = host;
	if (mr_why_ask(&q, ctl->args[1], &list, &e) < 0)
		return mr_ctl_fail(MR_EXIT_USAGE, "%s", e.text);
	return why_answer(list, ctl->json);
}

static int why_append(sd_bus_message *m, const struct mr_ctl *ctl)
{
	const struct options *o = ctl->options;
	const struct {
		const char *key, *value;
	} texts[] = {
		{ "address", ctl->args[0] },
		{ "service", ctl->args[1] },
		{ "to", o->to },
		{ "user", o->user },
		{ "sender", o->sender },
		{ "recipient", o->recipient },
	};
	int r;

	r = sd_bus_message_open_container(m, 'a', "{sv}");
	for (size_t i = 0; r >= 0 && i < MR_ARRAY_SIZE(texts); i++)
		if (texts[i].value)
			r = sd_bus_message_append(m, "{sv}", texts[i].key, "s", texts[i].value);
	if (r >= 0 && o->permitted)
		r = sd_bus_message_append(m, "{sv}", "permitted", "b", 1);
	if (r >= 0 && o->banned)
		r = sd_bus_message_append(m, "{sv}", "banned", "b", 1);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static enum mr_exit why_daemon(const struct mr_ctl *ctl)
{
	_message_ sd_bus_message *m = NULL, *reply = NULL;
	_bus_ sd_bus *bus = NULL;
	_json_ json_t *list = NULL;
	enum mr_exit status;
	const char *text;
	int r;

	status = mr_bus_open(ctl, &bus, NULL);
	if (status == MR_EXIT_DONE)
		status = mr_bus_message(bus, "Why", &m);
	if (status != MR_EXIT_DONE)
		return status;
	r = why_append(m, ctl);
	if (r < 0)
		return r == -EINVAL ? mr_ctl_fail(MR_EXIT_USAGE, "an argument is not UTF-8")
				    : mr_bus_bad_reply(r);
	status = mr_bus_send(bus, m, MR_BUS_TIMEOUT_US, &reply);
	if (status != MR_EXIT_DONE)
		return status;
	r = sd_bus_message_read(reply, "s", &text);
	if (r < 0)
		return mr_bus_bad_reply(r);
	status = mr_bus_decode(text, &list);
	return status == MR_EXIT_DONE ? why_answer(list, ctl->json) : status;
}

static enum mr_exit why_run(const struct mr_ctl *ctl)
{
	const struct options *o = ctl->options;
	struct mr_addr address, to;
	enum mr_exit status;

	status = why_address(ctl->args[0], &address);
	if (status == MR_EXIT_DONE && o->to)
		status = why_address(o->to, &to);
	if (status != MR_EXIT_DONE)
		return status;
	return o->config ? why_file(ctl, &address, o->to ? &to : NULL) : why_daemon(ctl);
}

const struct mr_command mr_ctl_why = {
	.name = "why",
	.usage =
		"ADDRESS [SERVICE|PORT] [--to ADDRESS] [--user NAME] [--sender S] [--recipient R]\n"
		"                     [--permitted] [--banned] [-c FILE] [--json]",
	.summary = "may this address talk to this service, and which line says so",
	.help = "Says what a new connection from ADDRESS meets now: the verdict, the rule\n"
		"that gave it with its file and line, the set and the list entry that\n"
		"matched, the permit or ban and what is left of it, and what only a login\n"
		"would still be asked.  Without a service every service of the file is\n"
		"asked.  In shadow mode the verdict is the policy's and is not enforced.\n"
		"With a user, what the rules say of that login, and the limits of the mailbox:\n"
		"which one allows or refuses, and where it stands; with a sender or a\n"
		"recipient, what Postfix is answered when it asks for such a mail.\n"
		"Exit status 0: allowed, 1: somebody who was asked says no.",
	.options = options,
	.options_size = sizeof(struct options),
	.min_args = 1,
	.max_args = 2,
	.json = true,
	.run = why_run,
};
