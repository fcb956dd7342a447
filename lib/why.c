// SPDX-License-Identifier: BSD-2-Clause
/*
 * why.c - explains one verdict (why.h): asks the reference matcher, then says what it found where.
 *
 * Called by the daemon's Why and by `why -c`.  Reads only; fails only for want of memory, or for a
 * service that is not there.
 *
 * The verdict is the policy's, global folded in.  In a service that is in shadow mode or off it is
 * not applied, and `enforced` says so.  A destination that the service's `to` does not name makes
 * the packet no service's: "service" is null then, as for a port that is none, and
 * "other_destination" names the service that was asked.
 */
#include <mailreeve/login.h>
#include <mailreeve/nearest.h>
#include <mailreeve/report.h>
#include <mailreeve/why.h>

#include <ctype.h>

static const char *const verdicts[] = {
	[MR_ALLOW] = "allow",
	[MR_DENY] = "deny",
	[MR_REJECT] = "reject",
	[MR_UNMATCHED] = "unmatched",
};

/* Rounded up: a live entry never shows 0. */
static json_t *why_seconds(uint64_t us)
{
	return us ? json_integer((json_int_t)((us + 999999) / 1000000)) : json_null();
}

/* The `deny banned` that nobody wrote stands where its service does. */
static json_t *why_rule(const struct mr_policy *p, const struct mr_rule *r,
			const struct mr_service *s)
{
	const struct mr_place *place;
	json_t *o;

	if (!r)
		return json_null();
	place = r->implied && s ? &s->place : &r->place;
	o = json_pack("{s:o,s:i,s:o}", "file",
		      mr_report_text(place->file < p->n_files ? p->files[place->file] : NULL),
		      "line", (int)place->line, "text", mr_report_text(r->text ?: "deny banned"));
	if (r->implied)
		json_object_set_new(o, "implied", json_true());
	return o;
}

static json_t *why_set(const struct mr_why_query *q, const struct mr_rule *r)
{
	const struct mr_policy *p = q->policy;
	const struct mr_named_set *set;
	char text[MR_PREFIX_TEXT];
	struct mr_prefix prefix;
	uint16_t file;
	uint32_t line;

	if (!r || r->source.kind != MR_SOURCE_SET)
		return json_null();
	set = &p->sets[r->source.set];
	if (!set->name) /* a literal: the rule's own text says it all */
		return json_null();
	if (!mr_set_find(&set->set, &q->address, &prefix, &file, &line))
		return json_null();
	return json_pack("{s:o,s:o,s:i,s:s}", "name", mr_report_text(set->name), "file",
			 mr_report_text(file < p->n_files ? p->files[file] : NULL), "line",
			 (int)line, "prefix", mr_prefix_text(&prefix, text));
}

/* Does an entry cover the service?  *us: for how long, 0 if it is pretended. */
static bool why_covers(const struct mr_why_query *q, const struct mr_service *s, bool pretended,
		       const struct mr_why_entry e[static MR_BOOK_COVERING], uint64_t *us)
{
	bool covers = pretended;

	*us = 0;
	for (size_t i = 0; i < MR_BOOK_COVERING && q->service_id && !pretended; i++) {
		uint8_t id = q->service_id[s - q->policy->services];

		if (id >= MR_SERVICES_MAX || !(e[i].services >> id & 1))
			continue;
		covers = true;
		if (e[i].expires_in_us > *us)
			*us = e[i].expires_in_us;
	}
	return covers;
}

static json_t *why_entry(const struct mr_rule *r, uint64_t permit_us, uint64_t ban_us)
{
	bool permit = r && r->source.kind == MR_SOURCE_PERMITTED;

	if (!permit && !(r && r->source.kind == MR_SOURCE_BANNED))
		return json_null();
	return json_pack("{s:s,s:o}", "kind", permit ? "permit" : "ban", "expires_in",
			 why_seconds(permit ? permit_us : ban_us));
}

/* --- the login layer, as far as rules go ------------------------------------------------------ */

static json_t *why_strings(const char *const *list, size_t n)
{
	json_t *a;

	if (!list)
		return json_null();
	a = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(a, mr_report_text(list[i]));
	return a;
}

struct login {
	const struct mr_why_query *q;
	bool permitted, banned;
	json_t *names; /* domains of the `allow name` rules that stand before the decision */
	json_t *passed_over; /* rules that only the login layer asks */
};

/*
 * Reads one list for whoever is let in first.  Client names are not known here: a `name` rule is
 * noted and read past; `allow … users` ends the reading.  *allow is the answer of the rule that
 * decides.
 */
static void why_login_rules(struct login *l, const struct mr_rule *rules, size_t n,
			    const struct mr_service *s, bool *allow)
{
	for (size_t i = 0; i < n; i++) {
		const struct mr_rule *r = &rules[i];
		bool named = r->source.kind == MR_SOURCE_NAME;

		if (!named && !mr_source_holds(l->q->policy, l->q->host, &r->source, &l->q->address,
					       l->permitted, l->banned))
			continue;
		if (named && r->action == MR_ALLOW) {
			json_array_append_new(l->names, mr_report_text(r->source.domain));
			continue;
		}
		if (r->action != MR_ALLOW && (named || r->users)) {
			json_array_append_new(l->passed_over, why_rule(l->q->policy, r, s));
			continue;
		}
		*allow = r->action == MR_ALLOW;
		return;
	}
}

/* What an address meets that no rule held: as the packet layer has it. */
static bool why_default(const struct mr_service *s)
{
	bool written = false;

	for (size_t i = 0; i < s->n_rules; i++)
		written |= !s->rules[i].implied;
	return s->has_default ? s->default_allow : !written;
}

/* The service's list and then `global`. */
static bool why_login_read(struct login *l, const struct mr_service *s)
{
	const struct mr_policy *p = l->q->policy;
	bool allow = why_default(s);

	why_login_rules(l, s->rules, s->n_rules, s, &allow);
	if (allow && !s->noglobal)
		why_login_rules(l, p->global, p->n_global, NULL, &allow);
	return allow;
}

static json_t *why_login_user(const struct mr_why_query *q, const struct mr_service *s,
			      bool permitted, bool banned)
{
	struct mr_login_query l = { .policy = q->policy,
				    .host = q->host,
				    .service = s,
				    .address = q->address,
				    .user = q->user,
				    .permitted = permitted,
				    .banned = banned };
	struct mr_login_answer a;
	bool global;

	mr_login(&l, &a);
	global = a.global_rule && mr_login_by(&a) == a.global_rule;
	return json_pack("{s:o,s:s,s:o}", "name", mr_report_text(q->user), "verdict",
			 a.action == MR_ALLOW ? "allow" : "deny", "rule",
			 why_rule(q->policy, mr_login_by(&a), global ? NULL : s));
}

/* {"users","names","noauth",…}: what a login would still be asked where the packet passes. */
static json_t *why_login(const struct mr_why_query *q, const struct mr_service *s,
			 const struct mr_match *m, bool permitted, bool banned)
{
	struct login l = { q, permitted, banned, json_array(), json_array() };
	bool named = m->rule && m->rule->source.kind == MR_SOURCE_NAME, allow;
	const struct mr_rule *limits = m->rule && m->rule->users ? m->rule : m->global_rule;
	json_t *o;

	allow = why_login_read(&l, s);
	o = json_pack("{s:o,s:o,s:b}", "users",
		      limits ? why_strings(limits->users, limits->n_users) : json_null(), "names",
		      named ? json_incref(l.names) : json_null(), "noauth",
		      m->rule && m->rule->noauth && q->policy->relay.mode != MR_RELAY_NONE);
	if (named) /* where no name fits, the rest of the list decides */
		json_object_set_new(o, "otherwise", json_string(allow ? "allow" : "deny"));
	if (json_array_size(l.passed_over))
		json_object_set(o, "passed_over", l.passed_over);
	if (q->user)
		json_object_set_new(o, "user", why_login_user(q, s, permitted, banned));
	json_decref(l.names);
	json_decref(l.passed_over);
	return o;
}

static json_t *why_no_login(void)
{
	return json_pack("{s:n,s:n,s:b}", "users", "names", "noauth", 0);
}

/* --- what Postfix would be answered ----------------------------------------------------------- */

static json_t *why_answer(const struct mr_relay_answer *a)
{
	static const char *const words[] = {
		[MR_RELAY_DUNNO] = "dunno",
		[MR_RELAY_OK] = "ok",
		[MR_RELAY_REFUSE] = "refuse",
		[MR_RELAY_PREPEND] = "prepend",
	};

	return json_pack("{s:s,s:o,s:o,s:b}", "verdict", words[a->kind], "text",
			 *a->text ? mr_report_text(a->text) : json_null(), "reason",
			 *a->reason ? mr_report_text(a->reason) : json_null(), "shadow", a->shadow);
}

/* Who asks about a mail asks about a mail server, at a port of the administrator's own, too. */
static enum mr_family why_mail_family(const struct mr_why_query *q, enum mr_family f)
{
	return f == MR_FAMILY_NONE && (q->sender || q->recipient) ? MR_FAMILY_SMTP : f;
}

/* Both questions of one recipient: may the client talk, may it relay. */
static void why_relay(const struct mr_why_query *q, const struct mr_service *s, bool permitted,
		      bool banned, bool account_refuses, json_t *out)
{
	struct mr_relay_query r = { .lists = q->lists,
				    .account_refuses = account_refuses,
				    .sender = q->sender ?: "",
				    .recipient = q->recipient ?: "",
				    .message = true };
	struct mr_relay_answer a;

	if (!q->lists || (!q->sender && !q->recipient) ||
	    why_mail_family(q, s->family) != MR_FAMILY_SMTP)
		return;
	r.login = (struct mr_login_query){ .policy = q->policy,
					   .host = q->host,
					   .service = s,
					   .address = q->address,
					   .user = q->user,
					   .permitted = permitted,
					   .banned = banned };
	mr_relay(&r, &a);
	json_object_set_new(out, "access", why_answer(&a));
	r.relay = true;
	mr_relay(&r, &a);
	json_object_set_new(out, "relay", why_answer(&a));
	json_object_set_new(json_object_get(out, "relay"), "may_relay", json_boolean(a.may_relay));
}

bool mr_why_allows(const json_t *why)
{
	static const char *const answers[] = { "access", "relay" };
	const json_t *login[] = { json_object_get(json_object_get(why, "login"), "user"),
				  json_object_get(why, "account") };
	const char *verdict = json_string_value(json_object_get(why, "verdict"));

	if (!verdict || strcmp(verdict, "allow") != 0)
		return false;
	for (size_t i = 0; i < MR_ARRAY_SIZE(login); i++) {
		verdict = json_string_value(json_object_get(login[i], "verdict"));
		if (verdict && strcmp(verdict, "allow") != 0)
			return false;
	}
	for (size_t i = 0; i < MR_ARRAY_SIZE(answers); i++) {
		const json_t *a = json_object_get(why, answers[i]);

		verdict = json_string_value(json_object_get(a, "verdict"));
		if (json_is_true(json_object_get(a, "shadow")) ||
		    (verdict && strcmp(verdict, "refuse") == 0))
			return false;
	}
	return true;
}

/* --- one service ------------------------------------------------------------------------------ */

static bool why_for_us(const struct mr_service *s, const struct mr_addr *to)
{
	if (!to || !s->n_to)
		return true;
	for (size_t i = 0; i < s->n_to; i++)
		if (memcmp(&s->to[i], to, sizeof(*to)) == 0)
			return true;
	return false;
}

/* A mailbox keeps its limits at a port that is not filtered. */
static void why_account(const struct mr_why_query *q, enum mr_family family, json_t *out,
			bool *refuses)
{
	json_t *account = mr_why_account(q, family, refuses);

	if (account)
		json_object_set_new(out, "account", account);
}

static enum mr_family why_family(uint16_t port)
{
	for (const struct mr_builtin_service *b = mr_builtin_services; b->name; b++)
		if (b->port == port)
			return b->family;
	return MR_FAMILY_NONE;
}

static json_t *why_nothing(const struct mr_why_query *q, uint16_t port,
			   const struct mr_service *other)
{
	char text[MR_ADDR_TEXT];
	json_t *o = json_pack("{s:s,s:n,s:i,s:s,s:s,s:b,s:n,s:n,s:n,s:n,s:o}", "address",
			      mr_addr_text(&q->address, text), "service", "port", (int)port,
			      "layer", "packet", "verdict", "allow", "enforced", 0, "rule",
			      "global_rule", "set", "entry", "login", why_no_login());
	bool refuses;

	why_account(q, why_mail_family(q, other ? other->family : why_family(port)), o, &refuses);
	if (other)
		json_object_set_new(o, "other_destination", mr_report_text(other->name));
	return o;
}

json_t *mr_why(const struct mr_why_query *q, const struct mr_service *s, uint16_t port,
	       bool *allowed)
{
	bool permitted, banned, account_refuses;
	const struct mr_rule *decided;
	uint64_t permit_us, ban_us;
	char text[MR_ADDR_TEXT];
	enum mr_action action;
	json_t *o;
	struct mr_match m;

	*allowed = true;
	if (!s || !why_for_us(s, q->to))
		return why_nothing(q, port, s);
	permitted = why_covers(q, s, q->permitted, q->permit, &permit_us);
	banned = why_covers(q, s, q->banned, q->ban, &ban_us);
	mr_match(q->policy, q->host, s, &q->address, permitted, banned, &m);
	action = MR_OUTCOME_ACTION(m.outcome);
	decided = m.global_rule && m.global_rule->action != MR_ALLOW ? m.global_rule : m.rule;
	*allowed = action == MR_ALLOW;
	o = json_pack("{s:s,s:o,s:i,s:s,s:s,s:b,s:o,s:o,s:o,s:o,s:o,s:s}", "address",
		      mr_addr_text(&q->address, text), "service", mr_report_text(s->name), "port",
		      (int)port, "layer", "packet", "verdict", verdicts[action], "enforced",
		      s->mode == MR_MODE_ENFORCE, "rule", why_rule(q->policy, m.rule, s),
		      "global_rule", why_rule(q->policy, m.global_rule, NULL), "set",
		      why_set(q, decided), "entry", why_entry(decided, permit_us, ban_us), "login",
		      *allowed ? why_login(q, s, &m, permitted, banned) : why_no_login(), "mode",
		      mr_report_mode_name(s->mode));
	why_account(q, why_mail_family(q, s->family), o, &account_refuses);
	why_relay(q, s, permitted, banned, account_refuses, o);
	return o;
}

/* --- the question ----------------------------------------------------------------------------- */

static const char *why_candidate(size_t i, const void *userdata)
{
	const struct mr_policy *p = userdata;

	return i < p->n_services ? p->services[i].name
				 : mr_builtin_services[i - p->n_services].name;
}

/* A name of the file, a built-in name that the file does not use (its port is unfiltered then), or
 * a port. */
static int why_find(const struct mr_policy *p, const char *text, const struct mr_service **s,
		    uint16_t *port, struct mr_error *e)
{
	const char *near;
	unsigned long n;
	char *end;

	if (isdigit((unsigned char)*text)) {
		n = strtoul(text, &end, 10);
		if (*end || n == 0 || n > UINT16_MAX)
			return mr_error(e, -EINVAL, "'%s' is no port: 1 to 65535", text);
		*port = (uint16_t)n;
		*s = mr_policy_port(p, *port);
		return 0;
	}
	*s = mr_policy_service(p, text);
	if (*s) {
		*port = (*s)->n_ports ? (*s)->ports[0] : 0;
		return 0;
	}
	for (const struct mr_builtin_service *b = mr_builtin_services; b->name; b++)
		if (strcmp(b->name, text) == 0) {
			*port = b->port;
			return 0;
		}
	near = mr_nearest(text, why_candidate, p);
	return near ? mr_error(e, -ENOENT, "no service '%s': did you mean '%s'?", text, near)
		    : mr_error(e, -ENOENT, "no service '%s': name one of the file, or a port",
			       text);
}

int mr_why_ask(const struct mr_why_query *q, const char *service, json_t **out, struct mr_error *e)
{
	const struct mr_policy *p = q->policy;
	const struct mr_service *s = NULL;
	json_t *list, *o;
	uint16_t port = 0;
	bool allowed;
	int r;

	if (service && *service) {
		r = why_find(p, service, &s, &port, e);
		if (r < 0)
			return r;
	}
	list = json_array();
	for (size_t i = 0; i < (service && *service ? 1 : p->n_services); i++) {
		if (!service || !*service) {
			s = &p->services[i];
			port = s->n_ports ? s->ports[0] : 0;
		}
		o = mr_why(q, s, port, &allowed);
		if (!list || json_array_append_new(list, o) < 0) {
			json_decref(list);
			return mr_error(e, -ENOMEM, "out of memory");
		}
	}
	*out = list;
	return 0;
}
