// SPDX-License-Identifier: BSD-2-Clause
/*
 * load.c - one load: defaults, the statements of the top level, what can only be checked at the
 * end.
 *
 * mr_config_load() is the only way to a policy.  It reads through struct mr_files or the disk,
 * never writes, never resolves a name.  A faulty file gives no policy at all.  Called by the
 * command, the daemon and the tests.
 */
#include "parser.h"

#include <search.h>
#include <string.h>

#define IFNAME_MAX 15 /* bytes of a device name in Linux */

static int parse_interface(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_policy *y = p->policy;
	int r;

	(void)context;
	if (p->token.kind == MR_TOKEN_SEMICOLON)
		return mr_parse_fail(p, &p->token, "interface default; or: interface eth0;",
				     "a device was expected");
	while (p->token.kind == MR_TOKEN_WORD || p->token.kind == MR_TOKEN_STRING) {
		struct mr_token t = p->token;
		const char *name;

		if (t.line > keyword->line && y->n_interfaces + y->interface_default > 0)
			break; /* a forgotten semicolon */
		if (t.len == 0 || t.len > IFNAME_MAX || memchr(t.text, '/', t.len) ||
		    memchr(t.text, ' ', t.len))
			return mr_parse_fail(p, &t, NULL, "%s is no device name",
					     mr_parse_quote(p, &t));
		if (mr_word_is(&t, "default")) {
			y->interface_default = true;
		} else {
			r = mr_arena_grow(p->arena, &y->interfaces, y->n_interfaces,
					  sizeof(*y->interfaces));
			name = mr_parse_keep(p, &t);
			if (r < 0 || !name)
				return -ENOMEM;
			y->interfaces[y->n_interfaces++] = name;
		}
		if (y->interface_default && y->n_interfaces)
			return mr_parse_fail(p, &t, "name every device instead of \"default\"",
					     "\"default\" and device names do not go together");
		mr_lexer_next(p);
	}
	return mr_parse_end(p);
}

static int parse_index(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const char *const modes[] = { "auto", "on", "off", NULL };
	int v, r = mr_parse_choice(p, "an index mode", modes, &v);

	(void)keyword, (void)context;
	if (r < 0)
		return r;
	p->policy->index = (enum mr_index_mode)v;
	return mr_parse_end(p);
}

static const struct mr_statement top[] = {
	{ "interface", parse_interface, false }, { "index", parse_index, true },
	{ "set", mr_parse_set, false },		 { "proxies", mr_parse_proxies, false },
	{ "global", mr_parse_global, false },	 { "service", mr_parse_service, false },
	{ "permit", mr_parse_permit, true },	 { "ban", mr_parse_ban, true },
	{ "learn", mr_parse_learn, false },	 { "format", mr_parse_format, false },
	{ "relay", mr_parse_relay, true },	 { "account", mr_parse_account, false },
	{ "accounts", mr_parse_accounts, true }, { "listen", mr_parse_listen, true },
	{ "dovecot", mr_parse_dovecot, true },	 { 0 },
};

#define MINUTE 60000000ull /* microseconds */

static void defaults(struct mr_policy *y)
{
	y->permit = (struct mr_permit_options){
		.ttl_us = 30 * MINUTE,
		.max_age_us = 24ull * 60 * MINUTE,
		.max = MR_PERMITS_MAX,
		.ipv6_prefix = 128,
		.addresses_per_user = 16, /* one person's devices, not a sold password */
		.users_per_address = 64, /* an office behind one address */
		.per_prefix = 1024, /* a /24 or a /64 of a large provider */
	};
	y->ban = (struct mr_ban_options){
		.ttl_us = 60 * MINUTE,
		.max = MR_BANS_MAX,
		.ipv6_prefix = 64,
		.on_failure = { .count = 5, .window_us = 10 * MINUTE },
		.on_abuse = { .count = 1 },
	};
	y->accounts = (struct mr_accounts_options){
		.kind = MR_ACCOUNTS_SQLITE,
		.ttl_us = MINUTE,
		.on_failure = MR_ON_FAILURE_LAST,
	};
}

static int finish(struct mr_parser *p)
{
	struct mr_policy *y = p->policy;
	int r;

	if (!y->interface_default && !y->n_interfaces)
		y->interface_default = true;
	r = mr_parse_sets_check(p);
	if (r == 0)
		r = mr_parse_services_check(p);
	if (r == 0)
		r = mr_parse_learn_check(p);
	if (r < 0)
		return r;
	if (p->findings->errors > p->errors_before)
		return -EINVAL;
	mr_check_policy(p);
	return 0;
}

static void keep(void *name _unused_)
{
}

static void parser_free(struct mr_parser *p)
{
	if (!p)
		return;
	tdestroy(p->account_names, keep); /* the names are the policy's */
	for (size_t i = 0; i < p->n_text; i++)
		free(p->text[i].owned);
	free(p->text);
	mr_policy_free(p->policy);
	free(p);
}
MR_DEFINE_CLEANUP(struct mr_parser *, parser_free)

static int parser_new(const char *path, struct mr_parser **out)
{
	struct mr_parser *p = calloc(1, sizeof(*p));
	struct mr_policy *y = calloc(1, sizeof(*y));
	struct mr_arena *arena = NULL;
	const char *kept = mr_arena_copy(&arena, path, strlen(path));

	if (!p || !y || !kept) {
		mr_arena_free(arena);
		free(y);
		free(p);
		return -ENOMEM;
	}
	y->arena = arena;
	defaults(y);
	p->policy = y;
	p->arena = (struct mr_arena **)&y->arena;
	p->path = kept;
	*out = p;
	return 0;
}

int mr_config_load(const char *path, struct mr_files *files, const struct mr_host *host,
		   struct mr_findings *findings, struct mr_policy **out)
{
	_cleanup_(parser_freep) struct mr_parser *p = NULL;
	struct mr_block block = { .table = top };
	size_t from = findings->n;
	int r = parser_new(path, &p);

	if (r < 0)
		return r;
	p->files = files;
	p->host = host;
	p->findings = findings;
	p->errors_before = findings->errors;
	r = mr_parse_file(p, p->path, NULL, &block);
	if (r == 0)
		r = finish(p);
	mr_findings_sort(findings, from, p->policy);
	if (r < 0)
		return r == -E2BIG ? -EINVAL : r;
	*out = p->policy;
	p->policy = NULL;
	return 0;
}
