// SPDX-License-Identifier: BSD-2-Clause
/*
 * print.c - the normal form: one file, every value that holds, in the order of the policy.
 *
 * It parses to a policy with the same normal form, from the directory of the configuration:
 * includes are gone, lists stay files.  Called by `check --print`, the daemon's snapshot and the
 * tests. Fails with -EIO or -ENOMEM.
 */
#include "parser.h"

#include <limits.h>
#include <string.h>

struct printer {
	FILE *out;
	struct mr_arena *arena;
	const struct mr_policy *policy;
	const char *directory; /* of the configuration, absolute, ends with a slash */
};

static const char *word(struct printer *q, const char *text)
{
	const char *w = mr_word_print(&q->arena, text);

	return w ? w : "\"\"";
}

static const char *string(struct printer *q, const char *text)
{
	const char *w = word(q, text);

	return *w == '"' ? w : mr_arena_printf(&q->arena, "\"%s\"", w);
}

static const char *path(struct printer *q, const char *absolute)
{
	size_t n = strlen(q->directory);

	return string(q, n && strncmp(absolute, q->directory, n) == 0 ? absolute + n : absolute);
}

static void duration(struct printer *q, const char *name, uint64_t us)
{
	fprintf(q->out, "\t%s %s;\n", name, mr_word_duration_text(&q->arena, us));
}

static void words(struct printer *q, const char *indent, const char *name, const char *const *list,
		  size_t n)
{
	if (!n)
		return;
	fprintf(q->out, "%s%s {", indent, name);
	for (size_t i = 0; i < n; i++)
		fprintf(q->out, " %s", word(q, list[i]));
	fputs(" }\n", q->out);
}

static void set(struct printer *q, const struct mr_named_set *s)
{
	for (size_t i = 0; i < s->n_parts; i++) {
		const struct mr_set_part *part = &s->parts[i];

		if (part->file)
			fprintf(q->out, "\tfile %s%s%s;\n", string(q, part->text),
				part->lenient ? " lenient" : "", part->optional ? " optional" : "");
		else
			fprintf(q->out, "\t%s;\n", part->text);
	}
	fputs("}\n", q->out);
}

static void rules(struct printer *q, const struct mr_rule *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!r[i].implied)
			fprintf(q->out, "\t%s;\n", r[i].text);
}

static void global(struct printer *q)
{
	fputs("global {\n", q->out);
	rules(q, q->policy->global, q->policy->n_global);
	fputs("}\n", q->out);
}

static void service(struct printer *q, const struct mr_service *s)
{
	static const char *const mode[] = { "enforce", "shadow", "off" };
	char buf[MR_ADDR_TEXT];

	fprintf(q->out, "service %s {\n\tports", s->name);
	for (size_t i = 0; i < s->n_ports; i++)
		fprintf(q->out, " %u", s->ports[i]);
	fprintf(q->out, ";\n\tmode %s;\n\tdefault %s;\n", mode[s->mode],
		s->default_allow ? "allow" : "deny");
	if (s->noglobal)
		fputs("\tnoglobal;\n", q->out);
	if (s->nobans)
		fputs("\tnobans;\n", q->out);
	if (s->established_any)
		fputs("\testablished any;\n", q->out);
	if (s->n_to) {
		fputs("\tto", q->out);
		for (size_t i = 0; i < s->n_to; i++)
			fprintf(q->out, " %s", mr_addr_text(&s->to[i], buf));
		fputs(";\n", q->out);
	}
	rules(q, s->rules, s->n_rules);
	fputs("}\n", q->out);
}

/* Rules keep their numbers: global stands where its first rule stood among the services. */
static void services(struct printer *q)
{
	const struct mr_policy *y = q->policy;
	bool pending = y->n_global > 0;

	for (size_t i = 0; i < y->n_services; i++) {
		const struct mr_service *s = &y->services[i];

		if (pending && s->n_rules &&
		    s->rules[s->n_rules - 1].number > y->global[0].number) {
			global(q);
			pending = false;
		}
		service(q, s);
	}
	if (pending)
		global(q);
}

static void permit(struct printer *q, const struct mr_permit_options *o)
{
	fputs("permit {\n", q->out);
	duration(q, "ttl", o->ttl_us);
	if (o->max_age_us)
		duration(q, "max-age", o->max_age_us);
	else
		fputs("\tmax-age none;\n", q->out);
	fprintf(q->out,
		"\tmax %u;\n\tipv6-prefix %u;\n\taddresses-per-user %u;\n\tusers-per-address %u;\n"
		"\tper-prefix %u;\n",
		o->max, o->ipv6_prefix, o->addresses_per_user, o->users_per_address, o->per_prefix);
	words(q, "\t", "users", o->users, o->n_users);
	words(q, "\t", "services", o->services, o->n_services);
	fputs("}\n", q->out);
}

static void threshold(struct printer *q, const char *kind, const struct mr_threshold *t)
{
	if (t->count == 0)
		fprintf(q->out, "\ton %s never;\n", kind);
	else if (t->window_us)
		fprintf(q->out, "\ton %s %u in %s;\n", kind, t->count,
			mr_word_duration_text(&q->arena, t->window_us));
	else
		fprintf(q->out, "\ton %s %u;\n", kind, t->count);
}

static const char *source(struct printer *q, const struct mr_source *s)
{
	switch (s->kind) {
	case MR_SOURCE_ANY:
		return "any";
	case MR_SOURCE_LOCAL:
		return "local";
	case MR_SOURCE_LOCAL_PUBLIC:
		return "local public";
	case MR_SOURCE_GATEWAYS:
		return "gateways";
	case MR_SOURCE_LOOPBACK:
		return "loopback";
	case MR_SOURCE_PERMITTED:
		return "permitted";
	case MR_SOURCE_BANNED:
		return "banned";
	case MR_SOURCE_NAME:
		return mr_arena_printf(&q->arena, "name %s", s->domain);
	case MR_SOURCE_SET:
		break;
	}
	if (q->policy->sets[s->set].name)
		return mr_arena_printf(&q->arena, "@%s", q->policy->sets[s->set].name);
	return q->policy->sets[s->set].text;
}

static void ban(struct printer *q, const struct mr_ban_options *o)
{
	fputs("ban {\n", q->out);
	duration(q, "ttl", o->ttl_us);
	fprintf(q->out, "\tmax %u;\n\tipv6-prefix %u;\n", o->max, o->ipv6_prefix);
	threshold(q, "failure", &o->on_failure);
	threshold(q, "abuse", &o->on_abuse);
	if (o->escalate)
		fprintf(q->out, "\tescalate %u max %s;\n", o->escalate,
			mr_word_duration_text(&q->arena, o->escalate_max_us));
	words(q, "\t", "services", o->services, o->n_services);
	if (o->n_except) {
		fputs("\texcept {", q->out);
		for (size_t i = 0; i < o->n_except; i++)
			fprintf(q->out, " %s;", source(q, &o->except[i]));
		fputs(" }\n", q->out);
	}
	fputs("}\n", q->out);
}

static void learn_options(struct printer *q, const struct mr_learn_source *s)
{
	words(q, "\t\t", "identifier", s->identifiers, s->n_identifiers);
	words(q, "\t\t", "facility", s->facilities, s->n_facilities);
	words(q, "\t\t", "format", s->formats, s->n_formats);
	if (s->from_start)
		fputs("\t\tfrom start;\n", q->out);
	if (s->since_us)
		fprintf(q->out, "\t\tsince %s;\n", mr_word_duration_text(&q->arena, s->since_us));
	fputs("\t}\n", q->out);
}

static void learn(struct printer *q)
{
	const struct mr_policy *y = q->policy;

	if (!y->n_learn)
		return;
	fputs("learn {\n", q->out);
	for (size_t i = 0; i < y->n_learn; i++) {
		const struct mr_learn_source *s = &y->learn[i];

		if (s->kind == MR_LEARN_JOURNAL) {
			fputs("\tjournal {\n\t\tunit", q->out);
			for (size_t j = 0; j < s->n_units; j++)
				fprintf(q->out, " %s", word(q, s->units[j]));
			fputs(";\n", q->out);
		} else if (s->kind == MR_LEARN_FILE) {
			fprintf(q->out, "\tfile %s {\n", path(q, s->path));
		} else {
			fputs("\tstdin {\n", q->out);
		}
		learn_options(q, s);
	}
	fputs("}\n", q->out);
}

static void templates(struct printer *q, const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(q->out, "\t%s %s;\n", name, string(q, list[i]));
}

static void formats(struct printer *q)
{
	for (size_t i = 0; i < q->policy->n_formats; i++) {
		const struct mr_format_option *f = &q->policy->formats[i];

		fprintf(q->out, "format %s {\n\tprogram %s;\n", word(q, f->name),
			string(q, f->program));
		templates(q, "login", f->login, f->n_login);
		templates(q, "failure", f->failure, f->n_failure);
		templates(q, "logout", f->logout, f->n_logout);
		fputs("}\n", q->out);
	}
}

static void relay(struct printer *q, const struct mr_relay_options *o)
{
	static const char *const mode[] = { "addresses", "anyone", "none", "local-hosts",
					    "local-users" };

	if (!o->given)
		return;
	fprintf(q->out, "relay {\n\tmode %s;\n", mode[o->mode]);
	words(q, "\t", "local-domains", o->local_domains, o->n_local_domains);
	words(q, "\t", "to", o->to, o->n_to);
	if (o->kill_file)
		fprintf(q->out, "\tkill file %s;\n", path(q, o->kill_file));
	if (o->accept_file)
		fprintf(q->out, "\taccept file %s;\n", path(q, o->accept_file));
	if (o->groups_file)
		fprintf(q->out, "\tgroups file %s;\n", path(q, o->groups_file));
	fprintf(q->out, "\tcheck-sender %s;\n", o->check_sender ? "yes" : "no");
	if (o->refuse_relay_text)
		fprintf(q->out, "\trefuse-relay %s;\n", string(q, o->refuse_relay_text));
	if (o->refuse_sender_text)
		fprintf(q->out, "\trefuse-sender %s;\n", string(q, o->refuse_sender_text));
	if (o->refuse_access_text)
		fprintf(q->out, "\trefuse-access %s;\n", string(q, o->refuse_access_text));
	if (o->refuse_group_text)
		fprintf(q->out, "\trefuse-group %s;\n", string(q, o->refuse_group_text));
	if (o->header)
		fprintf(q->out, "\theader %s;\n", string(q, o->header));
	fputs("}\n", q->out);
}

static void listeners(struct printer *q, const struct mr_policy *y)
{
	static const char *const kind[] = { "policy", "socketmap" };
	bool given = false;

	for (int k = 0; k < MR_LISTEN_KINDS; k++)
		given |= y->listen_given[k];
	if (!given)
		return;
	fputs("listen {\n", q->out);
	for (int k = 0; k < MR_LISTEN_KINDS; k++) {
		bool off = y->listen_given[k];

		for (size_t i = 0; i < y->n_listen; i++) {
			const struct mr_listen *l = &y->listen[i];
			char text[MR_ADDR_TEXT];

			if (l->kind != (enum mr_listen_kind)k)
				continue;
			off = false;
			if (l->path)
				fprintf(q->out, "\t%s %s;\n", kind[k], path(q, l->path));
			else
				fprintf(q->out, "\t%s %s %u;\n", kind[k],
					mr_addr_text(&l->address, text), l->port);
		}
		if (off)
			fprintf(q->out, "\t%s off;\n", kind[k]);
	}
	fputs("}\n", q->out);
}

static void account(struct printer *q, const struct mr_account *a)
{
	static const char *const family[] = { "any", "smtp", "pop3", "imap", "sieve" };

	fprintf(q->out, "account %s {\n", string(q, a->name));
	for (size_t i = 0; i < a->n_rules; i++) {
		const struct mr_account_rule *r = &a->rules[i];

		fprintf(q->out, "\t%s %s %s;\n", family[r->family],
			r->action == MR_ALLOW ? "allow" : "deny",
			r->none ? "none" : source(q, &r->source));
	}
	fputs("}\n", q->out);
}

static void accounts(struct printer *q, const struct mr_accounts_options *o)
{
	static const char *const kind[] = { "none", "sqlite", "mariadb" };
	static const char *const failure[] = { "last", "allow", "deny" };

	if (!o->place.line)
		return;
	fprintf(q->out, "accounts %s", kind[o->kind]);
	if (o->kind == MR_ACCOUNTS_NONE) {
		fputs(";\n", q->out);
		return;
	}
	fputs(" {\n", q->out);
	if (o->path)
		fprintf(q->out, "\tpath %s;\n", path(q, o->path));
	if (o->host)
		fprintf(q->out, "\thost %s;\n", word(q, o->host));
	if (o->port)
		fprintf(q->out, "\tport %u;\n", o->port);
	if (o->socket)
		fprintf(q->out, "\tsocket %s;\n", path(q, o->socket));
	if (o->database)
		fprintf(q->out, "\tdatabase %s;\n", word(q, o->database));
	if (o->user)
		fprintf(q->out, "\tuser %s;\n", word(q, o->user));
	if (o->password_file)
		fprintf(q->out, "\tpassword-file %s;\n", path(q, o->password_file));
	duration(q, "ttl", o->ttl_us);
	fprintf(q->out, "\ton-failure %s;\n}\n", failure[o->on_failure]);
}

static void dovecot(struct printer *q, const struct mr_dovecot_options *o)
{
	char text[MR_ADDR_TEXT];

	if (!o->given)
		return;
	fputs("dovecot {\n", q->out);
	for (size_t i = 0; i < o->n_listen; i++)
		fprintf(q->out, "\tlisten %s %u;\n", mr_addr_text(&o->listen[i].address, text),
			o->listen[i].port);
	if (o->secret_file)
		fprintf(q->out, "\tsecret-file %s;\n", path(q, o->secret_file));
	if (o->refuse_text)
		fprintf(q->out, "\trefuse %s;\n", string(q, o->refuse_text));
	fputs("}\n", q->out);
}

static void head(struct printer *q)
{
	static const char *const index[] = { "auto", "on", "off" };
	const struct mr_policy *y = q->policy;

	fputs("interface", q->out);
	if (y->interface_default)
		fputs(" default", q->out);
	for (size_t i = 0; i < y->n_interfaces; i++)
		fprintf(q->out, " %s", word(q, y->interfaces[i]));
	fprintf(q->out, ";\nindex %s;\n", index[y->index]);
	for (size_t i = 0; i < y->n_sets; i++)
		if (y->sets[i].name) {
			fprintf(q->out, "set %s {\n", y->sets[i].name);
			set(q, &y->sets[i]);
		}
	if (y->proxies) {
		fputs("proxies {\n", q->out);
		set(q, &y->sets[y->proxies - 1]);
	}
}

/* The configuration's directory as paths were made absolute with it. */
static const char *directory(struct printer *q)
{
	const char *base = q->policy->files[0], *slash = strrchr(base, '/');
	size_t n = slash ? (size_t)(slash - base) + 1 : 0;
	char cwd[PATH_MAX];

	if (*base == '/')
		return mr_arena_copy(&q->arena, base, n);
	if (!getcwd(cwd, sizeof(cwd)))
		return "";
	return mr_arena_printf(&q->arena, "%s/%.*s", cwd, (int)n, base);
}

int mr_config_print(const struct mr_policy *p, FILE *out)
{
	struct printer q = { .out = out, .policy = p };

	q.directory = directory(&q);
	if (!q.directory) {
		mr_arena_free(q.arena);
		return -ENOMEM;
	}
	head(&q);
	services(&q);
	permit(&q, &p->permit);
	ban(&q, &p->ban);
	formats(&q);
	learn(&q);
	relay(&q, &p->relay);
	listeners(&q, p);
	for (size_t i = 0; i < p->n_account; i++)
		account(&q, &p->account[i]);
	accounts(&q, &p->accounts);
	dovecot(&q, &p->dovecot);
	mr_arena_free(q.arena);
	return ferror(out) ? -EIO : 0;
}
