// SPDX-License-Identifier: BSD-2-Clause
/*
 * why_account.c - explains the limits of a mailbox (why.h): which one decides, and where it stands.
 *
 * The same reading as the answers to the mail servers have (account.h): a deny that holds refuses;
 * where there are allows, one must hold.  What on-failure says is told where the store could not be
 * asked.  Called by why.c and why_print.c; reads only, fails only for want of memory.
 */
#include <mailreeve/report.h>
#include <mailreeve/why.h>

#define ALLOWS_SHOWN 16 /* of a mailbox that is refused because none of them holds */

struct account_reading {
	const struct mr_why_query *q;
	json_t *deny, *match; /* the first that holds */
	json_t *allows; /* all, up to ALLOWS_SHOWN */
	size_t n_allows;
};

static const char *account_source(const struct mr_policy *p, const struct mr_account_rule *r,
				  char *buf, size_t size)
{
	const struct mr_named_set *set;

	if (r->none || r->source.kind != MR_SOURCE_SET)
		return r->none ? "none" : "any";
	set = &p->sets[r->source.set];
	snprintf(buf, size, "%s%.200s", set->name ? "@" : "", set->name ?: set->text ?: "");
	return buf;
}

static json_t *account_limit(const struct mr_policy *p, const struct mr_account_rule *r,
			     const struct mr_limit *l)
{
	static const char *const stores[] = {
		[MR_ACCOUNTS_NONE] = "store",
		[MR_ACCOUNTS_SQLITE] = "sqlite",
		[MR_ACCOUNTS_MARIADB] = "mariadb",
	};
	char buf[256], text[sizeof(buf) + 32], prefix[MR_LIMIT_TEXT];
	json_t *o;

	snprintf(text, sizeof(text), "%s %s %s", mr_limit_family_name(r ? r->family : l->family),
		 (r ? r->action : l->action) == MR_ALLOW ? "allow" : "deny",
		 r ? account_source(p, r, buf, sizeof(buf)) : mr_limit_source_text(l, prefix));
	if (r)
		return json_pack(
			"{s:s,s:o,s:o,s:i}", "from", "file", "text", mr_report_text(text), "file",
			mr_report_text(r->place.file < p->n_files ? p->files[r->place.file] : NULL),
			"line", (int)r->place.line);
	o = json_pack("{s:s,s:o}", "from", stores[p->accounts.kind], "text", mr_report_text(text));
	if (l->row)
		json_object_set_new(o, "row", json_integer((json_int_t)l->row));
	return o;
}

static void account_each(const struct mr_account_rule *r, const struct mr_limit *l, bool holds,
			 void *userdata)
{
	struct account_reading *a = userdata;
	bool allow = (r ? r->action : l->action) == MR_ALLOW;
	json_t **first = allow ? &a->match : &a->deny;

	if (holds && !*first)
		*first = account_limit(a->q->policy, r, l);
	if (allow && a->n_allows++ < ALLOWS_SHOWN)
		json_array_append_new(a->allows, account_limit(a->q->policy, r, l));
}

static json_t *account_store(const struct mr_why_query *q)
{
	static const char *const states[] = {
		[MR_WHY_STORE_NONE] = "none",
		[MR_WHY_STORE_ANSWERED] = "answered",
		[MR_WHY_STORE_FAILED] = "failed",
		[MR_WHY_STORE_UNREAD] = "unread",
	};
	static const char *const instead[] = { "last", "allow", "deny" };
	const struct mr_why_account *a = q->account;
	json_t *o;

	if (a->state == MR_WHY_STORE_NONE)
		return json_null();
	o = json_pack("{s:o,s:s}", "name", mr_report_text(a->store), "state", states[a->state]);
	if (a->state == MR_WHY_STORE_FAILED || a->state == MR_WHY_STORE_UNREAD)
		json_object_set_new(o, "error", mr_report_text(a->error));
	if (a->state == MR_WHY_STORE_FAILED) {
		json_object_set_new(o, "on_failure",
				    json_string(instead[q->policy->accounts.on_failure]));
		json_object_set_new(o, "last_known", json_boolean(a->limits));
	}
	return o;
}

json_t *mr_why_account(const struct mr_why_query *q, enum mr_family family, bool *refuses)
{
	const struct mr_why_account *a = q->account;
	struct account_reading r = { .q = q };
	int on_failure = q->policy->accounts.on_failure;
	const struct mr_limits *limits;
	bool barred, none_holds;
	json_t *o;

	*refuses = false;
	if (!a || !q->user || !*q->user)
		return NULL;
	barred = a->state == MR_WHY_STORE_FAILED && on_failure == MR_ON_FAILURE_DENY;
	limits = a->state == MR_WHY_STORE_FAILED && on_failure != MR_ON_FAILURE_LAST ? NULL
										     : a->limits;
	r.allows = json_array();
	mr_account_walk(a->index, limits, q->user, family, &q->address, account_each, &r);
	none_holds = r.n_allows && !r.match;
	*refuses = barred || r.deny || none_holds;
	o = json_pack("{s:o,s:s,s:s,s:b,s:O?,s:o}", "name", mr_report_text(q->user), "family",
		      mr_limit_family_name(family), "verdict", *refuses ? "deny" : "allow",
		      "limited", r.n_allows || r.deny, "limit", r.deny ?: r.match, "store",
		      account_store(q));
	if (!r.deny && none_holds)
		json_object_set(o, "allows", r.allows);
	json_decref(r.allows);
	json_decref(r.deny);
	json_decref(r.match);
	return o;
}

/* --- for people ------------------------------------------------------------------------------- */

static const char *account_string(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static void print_limit(const json_t *l, FILE *out)
{
	const json_t *row = json_object_get(l, "row");

	fputs(account_string(l, "text"), out);
	if (*account_string(l, "file"))
		fprintf(out, "  (%s:%lld)\n", account_string(l, "file"),
			(long long)json_integer_value(json_object_get(l, "line")));
	else if (row)
		fprintf(out, "  (%s, row %lld)\n", account_string(l, "from"),
			(long long)json_integer_value(row));
	else
		fprintf(out, "  (%s)\n", account_string(l, "from"));
}

static void print_store(const json_t *s, FILE *out)
{
	const char *instead = account_string(s, "on_failure");

	if (!*account_string(s, "error"))
		return;
	fprintf(out, "  store    %s: ", account_string(s, "error"));
	if (!*instead)
		fputs("left out here\n", out);
	else if (strcmp(instead, "last") == 0)
		fputs(json_is_true(json_object_get(s, "last_known"))
			      ? "the last answer known holds\n"
			      : "no answer is known, so it limits nobody\n",
		      out);
	else
		fprintf(out, "on-failure says %s\n", instead);
}

void mr_why_account_print(const json_t *why, FILE *out)
{
	const json_t *a = json_object_get(why, "account"), *limit = json_object_get(a, "limit"), *l;
	bool refused = strcmp(account_string(a, "verdict"), "deny") == 0;
	size_t i;

	if (!json_is_object(a))
		return;
	fprintf(out, "  account  %s: ", account_string(a, "name"));
	if (!refused && !json_is_object(limit))
		fprintf(out, "no limit for %s\n", account_string(a, "family"));
	else
		fprintf(out, "%s at %s\n", refused ? "refused" : "allowed",
			account_string(a, "family"));
	if (json_is_object(limit)) {
		fputs("  by       ", out);
		print_limit(limit, out);
	}
	json_array_foreach (json_object_get(a, "allows"), i, l) {
		fputs("  only     ", out);
		print_limit(l, out);
	}
	print_store(json_object_get(a, "store"), out);
}
