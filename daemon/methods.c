// SPDX-License-Identifier: BSD-2-Clause
/*
 * methods.c - the methods of the control interface that are about policies, devices and questions
 * (bus.h has the page; entry_methods.c has those about permits and bans).
 *
 * Each reads its arguments, asks the part of the daemon that knows, and answers with JSON or with
 * a named error whose text is for the person who asked.  Who changed something, and what, is
 * logged with the caller's uid.  Called by sd-bus on the main thread.
 */
#include "accounts.h"
#include "apply.h"
#include "control.h"

#include <inttypes.h>
#include <mailreeve/why.h>
#include <string.h>

#define CONFIRM_MIN_US 100000ull /* below, nobody could confirm */
#define CONFIRM_MAX_US 86400000000ull /* a day; who needs longer does not watch */
#define RATE_MAX       100000u /* sampled events a second and CPU */

static int reply_json(sd_bus_message *msg, json_t *j)
{
	_free_ char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

	json_decref(j);
	return text ? sd_bus_reply_method_return(msg, "s", text) : -ENOMEM;
}

static void log_change(const struct mr_client *c, const char *what)
{
	char uid[16], pid[16];

	snprintf(uid, sizeof(uid), "%u", c->uid);
	snprintf(pid, sizeof(pid), "%i", c->pid);
	mr_log_with(&c->m->log, LOG_INFO,
		    MR_FIELDS({ "MAILREEVE_UID", uid }, { "MAILREEVE_PID", pid }),
		    "%s, asked for by uid %s (pid %s)", what, uid, pid);
}

/* --- apply, confirm, undo --------------------------------------------------------------------- */

static void answer_error(sd_bus_message *msg, const char *error, const char *message)
{
	sd_bus_reply_method_errorf(msg, error, "%s", message ? message : "it failed");
}

static void answer_apply(struct mr_manager *m _unused_, const struct mr_job *j, const char *error,
			 const char *message, void *userdata)
{
	sd_bus_message *msg = userdata;
	json_t *summary = error ? NULL : mr_job_summary(j);
	_free_ char *text = summary ? json_dumps(summary, JSON_COMPACT) : NULL;

	if (error)
		answer_error(msg, error, message);
	else
		sd_bus_reply_method_return(msg, "ts", j->generation, text ? text : "{}");
	json_decref(summary);
	sd_bus_message_unref(msg);
}

static void answer_number(struct mr_manager *m _unused_, const struct mr_job *j, const char *error,
			  const char *message, void *userdata)
{
	sd_bus_message *msg = userdata;

	if (error)
		answer_error(msg, error, message);
	else
		sd_bus_reply_method_return(msg, "t", j->generation);
	sd_bus_message_unref(msg);
}

static int submit(struct mr_client *c, sd_bus_message *msg, enum mr_job_kind kind,
		  uint64_t confirm_us, mr_job_reply reply, sd_bus_error *error)
{
	int r = mr_job_submit(c->m, kind, confirm_us, reply, sd_bus_message_ref(msg));

	if (r == 0)
		return 1;
	sd_bus_message_unref(msg);
	return sd_bus_error_setf(error, r == -EBUSY ? MR_BUS_ERROR_BUSY : MR_BUS_ERROR_KERNEL, "%s",
				 r == -EBUSY ? "another apply or undo is in flight; try again when "
					       "it is done"
					     : strerror(-r));
}

static int method_apply(sd_bus_message *msg, void *userdata, sd_bus_error *error)
{
	struct mr_client *c = userdata;
	uint64_t confirm_us;
	int r = sd_bus_message_read(msg, "t", &confirm_us);

	if (r < 0)
		return r;
	if (confirm_us && (confirm_us < CONFIRM_MIN_US || confirm_us > CONFIRM_MAX_US))
		return sd_bus_error_setf(error, MR_BUS_ERROR_ARGUMENT,
					 "the time to confirm is between 100 ms and a day");
	log_change(c, confirm_us ? "apply, to be confirmed" : "apply");
	return submit(c, msg, MR_JOB_APPLY, confirm_us, answer_apply, error);
}

static int method_confirm(sd_bus_message *msg, void *userdata, sd_bus_error *error)
{
	log_change(userdata, "confirm");
	return submit(userdata, msg, MR_JOB_CONFIRM, 0, answer_number, error);
}

static int method_undo(sd_bus_message *msg, void *userdata, sd_bus_error *error)
{
	log_change(userdata, "undo");
	return submit(userdata, msg, MR_JOB_UNDO, 0, answer_number, error);
}

/* --- reading ---------------------------------------------------------------------------------- */

static int method_status(sd_bus_message *msg, void *userdata, sd_bus_error *error _unused_)
{
	struct mr_client *c = userdata;

	mr_devices_reconcile(c->m, false); /* a pin that was taken away makes no noise */
	return reply_json(msg, mr_status(c->m));
}

static int no_policy(sd_bus_error *error)
{
	return sd_bus_error_setf(error, MR_BUS_ERROR_NOTHING,
				 "no policy is in force: mend the file, then mailreeve apply");
}

static int method_rules(sd_bus_message *msg, void *userdata, sd_bus_error *error)
{
	struct mr_client *c = userdata;
	const json_t *generation = mr_status_generation(c->m);
	const char *service;
	json_t *out = NULL;
	int r = sd_bus_message_read(msg, "s", &service);

	if (r < 0)
		return r;
	if (!generation)
		return no_policy(error);
	r = mr_report_rules(generation, c->m->kernel, service, &out);
	if (r == -ENOENT)
		return sd_bus_error_setf(error, MR_BUS_ERROR_ARGUMENT,
					 "no service in force is called \"%s\"", service);
	if (r < 0)
		return sd_bus_error_setf(error, MR_BUS_ERROR_KERNEL,
					 "the counters cannot be read: %s", strerror(-r));
	return reply_json(msg, out);
}

static int method_stats(sd_bus_message *msg, void *userdata, sd_bus_error *error)
{
	struct mr_client *c = userdata;
	const json_t *generation = mr_status_generation(c->m);
	json_t *out = NULL;
	int r;

	if (!generation)
		return no_policy(error);
	r = mr_report_stats(generation, c->m->kernel, &out);
	if (r < 0)
		return sd_bus_error_setf(error, MR_BUS_ERROR_KERNEL,
					 "the counters cannot be read: %s", strerror(-r));
	return reply_json(msg, out);
}

/* --- why -------------------------------------------------------------------------------------- */

struct why_question {
	const char *address, *service, *to, *user, *sender, *recipient;
	int permitted, banned;
};

static int read_question(sd_bus_message *msg, struct why_question *q, sd_bus_error *error)
{
	const struct {
		const char *key;
		const char **text;
		int *flag;
	} known[] = {
		{ "address", &q->address, NULL },
		{ "service", &q->service, NULL },
		{ "to", &q->to, NULL },
		{ "user", &q->user, NULL },
		{ "sender", &q->sender, NULL },
		{ "recipient", &q->recipient, NULL },
		{ "permitted", NULL, &q->permitted },
		{ "banned", NULL, &q->banned },
	};
	const char *key;
	int r = sd_bus_message_enter_container(msg, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(msg, 'e', "sv")) > 0) {
		size_t i = 0;

		r = sd_bus_message_read(msg, "s", &key);
		if (r < 0)
			return r;
		while (i < MR_ARRAY_SIZE(known) && strcmp(known[i].key, key) != 0)
			i++;
		if (i == MR_ARRAY_SIZE(known))
			return sd_bus_error_setf(error, MR_BUS_ERROR_ARGUMENT,
						 "why does not know \"%s\"", key);
		r = known[i].text ? sd_bus_message_read(msg, "v", "s", known[i].text)
				  : sd_bus_message_read(msg, "v", "b", known[i].flag);
		if (r >= 0)
			r = sd_bus_message_exit_container(msg);
	}
	return r < 0 ? r : sd_bus_message_exit_container(msg);
}

static int bad_address(sd_bus_error *error, const char *text)
{
	return sd_bus_error_setf(error, MR_BUS_ERROR_ARGUMENT,
				 "\"%s\" is not an address; write 192.0.2.1 or 2001:db8::1", text);
}

/* What the book says of the address. */
static void why_entries(const struct mr_manager *m, enum mr_entry_kind kind,
			const struct mr_addr *a, struct mr_why_entry out[static MR_BOOK_COVERING])
{
	const struct mr_entry *v[MR_BOOK_COVERING];
	uint64_t now = mr_boottime_ns();
	size_t n = mr_book_covering(m->book, kind, a, now, v);

	for (size_t i = 0; i < n; i++)
		out[i] = (struct mr_why_entry){ .services = v[i]->services,
						.expires_in_us = (v[i]->expires - now) / 1000 };
}

/* `q`: the addresses that were asked for. */
static int why_reply(struct mr_manager *m, sd_bus_message *msg, const struct why_question *ask,
		     struct mr_why_query q, sd_bus_error *error)
{
	struct mr_why_account account;
	struct mr_error e = { "" };
	json_t *out = NULL;
	int r;

	if (!m->active)
		return no_policy(error);
	q.policy = m->active->policy;
	q.host = m->active->host;
	q.service_id = m->active->service_id;
	q.user = ask->user && *ask->user ? ask->user : NULL;
	q.sender = ask->sender;
	q.recipient = ask->recipient;
	q.lists = mr_policyd_lists(m);
	q.permitted = ask->permitted;
	q.banned = ask->banned;
	why_entries(m, MR_PERMIT, &q.address, q.permit);
	why_entries(m, MR_BAN, &q.address, q.ban);
	if (q.user) {
		mr_accounts_why(m, q.user, &account);
		q.account = &account;
	}
	r = mr_why_ask(&q, ask->service, &out, &e);
	if (r < 0)
		return sd_bus_error_setf(error, MR_BUS_ERROR_ARGUMENT, "%s",
					 *e.text ? e.text : strerror(-r));
	return reply_json(msg, out);
}

/* A question that waits for the store of accounts; its texts are the message's. */
struct why_waiting {
	struct mr_manager *m;
	sd_bus_message *msg;
	struct why_question ask;
	struct mr_why_query q;
	struct mr_addr to;
};

static void on_why_account(void *userdata, bool refuses _unused_)
{
	struct why_waiting *w = userdata;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = why_reply(w->m, w->msg, &w->ask, w->q, &error);

	if (sd_bus_error_is_set(&error))
		sd_bus_reply_method_error(w->msg, &error);
	else if (r < 0)
		sd_bus_reply_method_errno(w->msg, r, NULL);
	sd_bus_error_free(&error);
	sd_bus_message_unref(w->msg);
	free(w);
}

/* 1: the answer comes later. */
static int why_account(struct why_waiting *w)
{
	if (!w->ask.user || !*w->ask.user)
		return 0;
	return mr_accounts_ask(w->m, w->ask.user, MR_FAMILY_NONE, &w->q.address, on_why_account,
			       w) == -EINPROGRESS;
}

static int method_why(sd_bus_message *msg, void *userdata, sd_bus_error *error)
{
	struct mr_client *c = userdata;
	_free_ struct why_waiting *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	*w = (struct why_waiting){ .m = c->m, .ask = { .address = "", .service = "" } };
	r = read_question(msg, &w->ask, error);
	if (r < 0)
		return r;
	if (mr_addr_parse(w->ask.address, strlen(w->ask.address), &w->q.address) < 0)
		return bad_address(error, w->ask.address);
	if (w->ask.to && *w->ask.to) {
		if (mr_addr_parse(w->ask.to, strlen(w->ask.to), &w->to) < 0)
			return bad_address(error, w->ask.to);
		w->q.to = &w->to;
	}
	w->msg = sd_bus_message_ref(msg);
	if (why_account(w)) {
		MR_TAKE_PTR(w);
		return 1;
	}
	sd_bus_message_unref(msg);
	return why_reply(c->m, msg, &w->ask, w->q, error);
}

/* --- devices ---------------------------------------------------------------------------------- */

static int method_attach(sd_bus_message *msg, void *userdata, sd_bus_error *error)
{
	struct mr_client *c = userdata;

	if (!c->m->active)
		return no_policy(error);
	log_change(c, "attach");
	c->m->detached = false;
	mr_devices_reconcile(c->m, true);
	mr_manager_notify(c->m);
	return reply_json(msg, mr_devices_json(c->m));
}

static int method_detach(sd_bus_message *msg, void *userdata, sd_bus_error *error _unused_)
{
	struct mr_client *c = userdata;
	unsigned int n;

	log_change(c, "detach");
	c->m->detached = true;
	n = mr_devices_detach(c->m);
	mr_log_with(&c->m->log, LOG_WARNING, MR_FIELDS({ "MESSAGE_ID", MR_MSG_UNGUARDED }),
		    "detached from %u device%s, UNGUARDED until attach, apply or a restart", n,
		    n == 1 ? "" : "s");
	mr_manager_notify(c->m);
	return sd_bus_reply_method_return(msg, "u", n);
}

/* --- events ----------------------------------------------------------------------------------- */

static int method_subscribe(sd_bus_message *msg, void *userdata, sd_bus_error *error)
{
	struct mr_client *c = userdata;
	uint32_t rate;
	int r = sd_bus_message_read(msg, "u", &rate);

	if (r < 0)
		return r;
	if (rate > RATE_MAX)
		return sd_bus_error_setf(error, MR_BUS_ERROR_ARGUMENT, "at most %u events a second",
					 RATE_MAX);
	c->rate = rate;
	r = sd_bus_reply_method_return(msg, NULL);
	mr_monitor_rate(c->m, mr_control_rate(c->m));
	return r;
}

const sd_bus_vtable mr_methods[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Apply", "t", "ts", method_apply, 0),
	SD_BUS_METHOD("Confirm", "", "t", method_confirm, 0),
	SD_BUS_METHOD("Undo", "", "t", method_undo, 0),
	SD_BUS_METHOD("Status", "", "s", method_status, 0),
	SD_BUS_METHOD("Rules", "s", "s", method_rules, 0),
	SD_BUS_METHOD("Stats", "", "s", method_stats, 0),
	SD_BUS_METHOD("Why", "a{sv}", "s", method_why, 0),
	SD_BUS_METHOD("EntryAdd", "sstass", "st", mr_method_entry_add, 0),
	SD_BUS_METHOD("EntryDelete", "ss", "", mr_method_entry_delete, 0),
	SD_BUS_METHOD("EntryFlush", "s", "u", mr_method_entry_flush, 0),
	SD_BUS_METHOD("EntryList", "ssu", "a(sttasss)s", mr_method_entry_list, 0),
	SD_BUS_METHOD("Attach", "", "s", method_attach, 0),
	SD_BUS_METHOD("Detach", "", "u", method_detach, 0),
	SD_BUS_METHOD("Subscribe", "u", "", method_subscribe, 0),
	SD_BUS_SIGNAL("Decision", "s", 0),
	SD_BUS_VTABLE_END,
};
