// SPDX-License-Identifier: BSD-2-Clause
/*
 * why_print.c - the object of why.c for people: the verdict first, then what gave it.
 *
 * Called by the command, for what the daemon sent and for what `why -c` made.  Reads any object,
 * also one with fields missing; text goes out as it is (the command keeps control characters from
 * the terminal).
 */
#include <mailreeve/report.h>
#include <mailreeve/why.h>

static const char *print_string(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static void print_place(const json_t *o, FILE *out)
{
	if (*print_string(o, "file"))
		fprintf(out, "  (%s:%lld)", print_string(o, "file"),
			(long long)json_integer_value(json_object_get(o, "line")));
	fputc('\n', out);
}

static void print_verdict(const json_t *why, FILE *out)
{
	static const struct {
		const char *verdict, *text;
	} texts[] = {
		{ "allow", "allowed" },
		{ "deny", "denied (dropped in silence)" },
		{ "reject", "rejected (with a reset)" },
		{ "unmatched", "refused: no rule matches (a session that stands goes on)" },
	};
	const char *verdict = print_string(why, "verdict"), *text = verdict;
	const char *service = print_string(why, "service");
	bool would = *service && !json_is_true(json_object_get(why, "enforced")) &&
		     strcmp(verdict, "allow") != 0;

	for (size_t i = 0; i < MR_ARRAY_SIZE(texts); i++)
		if (strcmp(texts[i].verdict, verdict) == 0)
			text = texts[i].text;
	fprintf(out, "%s at %s port %lld: %s%s\n", print_string(why, "address"),
		*service ? service : "no service,",
		(long long)json_integer_value(json_object_get(why, "port")),
		would ? "would be " : "", text);
	if (*print_string(why, "other_destination"))
		fprintf(out, "  to       not a destination of %s: not filtered\n",
			print_string(why, "other_destination"));
	else if (!*service)
		fputs("  port     of no service in the file: not filtered\n", out);
}

static void print_rule(const json_t *why, const char *key, const char *label, FILE *out)
{
	const json_t *r = json_object_get(why, key);

	if (!json_is_object(r))
		return;
	fprintf(out, "  %-7s  %s%s", label, print_string(r, "text"),
		json_is_true(json_object_get(r, "implied")) ? "  (implied; `nobans` says no)" : "");
	print_place(r, out);
}

static void print_set(const json_t *why, FILE *out)
{
	const json_t *s = json_object_get(why, "set");

	if (!json_is_object(s) || !*print_string(s, "name"))
		return;
	fprintf(out, "  set      @%s: %s", print_string(s, "name"), print_string(s, "prefix"));
	print_place(s, out);
}

static void print_entry(const json_t *why, FILE *out)
{
	const json_t *e = json_object_get(why, "entry"), *left = json_object_get(e, "expires_in");
	char text[MR_REPORT_LEFT];

	if (!json_is_object(e))
		return;
	if (json_is_number(left))
		fprintf(out, "  entry    %s, ends in %s\n", print_string(e, "kind"),
			mr_report_left(json_number_value(left), text));
	else
		fprintf(out, "  entry    %s, pretended\n", print_string(e, "kind"));
}

static void print_list(const json_t *list, const char *tail, FILE *out)
{
	const json_t *s;
	size_t i;

	json_array_foreach (list, i, s)
		fprintf(out, "%s%s", i ? ", " : " ", json_string_value(s) ?: "");
	fprintf(out, "%s\n", tail);
}

static void print_login(const json_t *why, FILE *out)
{
	const json_t *l = json_object_get(why, "login"), *user = json_object_get(l, "user"), *r;
	size_t i;

	if (json_is_array(json_object_get(l, "users"))) {
		fputs("  login    only", out);
		print_list(json_object_get(l, "users"), "", out);
	}
	if (json_is_array(json_object_get(l, "names"))) {
		fputs("  login    clients named", out);
		print_list(json_object_get(l, "names"),
			   strcmp(print_string(l, "otherwise"), "allow") == 0
				   ? "; others by the rules behind it"
				   : "; others are refused",
			   out);
	}
	json_array_foreach (json_object_get(l, "passed_over"), i, r) {
		fprintf(out, "  login    asks %s", print_string(r, "text"));
		print_place(r, out);
	}
	if (json_is_true(json_object_get(l, "noauth")))
		fputs("  relay    without logging in\n", out);
	if (!json_is_object(user))
		return;
	fprintf(out, "  user     %s: %s by the rules\n", print_string(user, "name"),
		strcmp(print_string(user, "verdict"), "allow") == 0 ? "allowed" : "refused");
	print_rule(user, "rule", "by", out);
}

/* "access" and "relay": Postfix's two questions. */
static void print_answer(const json_t *why, const char *key, const char *label, const char *ok,
			 FILE *out)
{
	const json_t *a = json_object_get(why, key);
	const char *verdict = print_string(a, "verdict"), *text = print_string(a, "text");

	if (!json_is_object(a))
		return;
	fprintf(out, "  %-7s  ", label);
	if (strcmp(verdict, "refuse") == 0)
		fprintf(out, "refused: %s", text);
	else if (json_is_true(json_object_get(a, "shadow")))
		fputs("would be refused, in shadow mode", out);
	else if (strcmp(verdict, "ok") == 0)
		fputs("allowed", out);
	else if (strcmp(verdict, "prepend") == 0)
		fprintf(out, "%s, with the header %s", ok, text);
	else
		fputs(ok, out);
	if (*print_string(a, "reason"))
		fprintf(out, "; %s", print_string(a, "reason"));
	fputc('\n', out);
}

int mr_why_print(const json_t *why, FILE *out)
{
	const char *mode = print_string(why, "mode");

	print_verdict(why, out);
	print_rule(why, "rule", "rule", out);
	if (*print_string(why, "service") && json_is_null(json_object_get(why, "rule")))
		fputs("  rule     none holds the address: the service's default\n", out);
	print_rule(why, "global_rule", "global", out);
	print_set(why, out);
	print_entry(why, out);
	print_login(why, out);
	mr_why_account_print(why, out);
	print_answer(why, "access", "mail", "may be sent here", out);
	print_answer(why, "relay", "relay", "left to the mail server", out);
	if (strcmp(mode, "shadow") == 0)
		fputs("  shadow   not enforced: everybody passes, refusals are counted\n", out);
	else if (strcmp(mode, "off") == 0)
		fputs("  off      not enforced: the service is not filtered at all\n", out);
	return ferror(out) ? -EIO : 0;
}
