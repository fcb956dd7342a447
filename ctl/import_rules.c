// SPDX-License-Identifier: BSD-2-Clause
/*
 * import_rules.c - prints the rules that an importer gathered; long runs become a set.
 *
 * Called by import_postfix.c.  Writes to the streams it is given and to nothing else.
 */
#include "import_postfix.h"

#define RUN_MIN 4 /* as many rules in a row become a set */

static void put_source(const struct mr_import_rule *r, FILE *out)
{
	char buf[MR_PREFIX_TEXT];

	if (r->domain)
		fprintf(out, "name %s", r->domain);
	else /* 0.0.0.0/0 is every IPv4 address, to Postfix too */
		fputs(mr_prefix_text(&r->prefix, buf), out);
}

static bool same_rule(const struct mr_import_rule *a, const struct mr_import_rule *b)
{
	return a->action == b->action && a->noauth == b->noauth && !a->domain && !b->domain;
}

/* Rules in a row that differ in nothing but the network become a set; their order is free. */
void mr_import_rules_put(const struct mr_import_rules *rules, const char *set, FILE *sets,
			 FILE *out)
{
	static const char *const actions[] = { "allow", "deny", "reject" };
	unsigned int n_sets = 0;
	char buf[MR_PREFIX_TEXT];

	for (size_t k = 0; k < rules->n;) {
		const struct mr_import_rule *r = &rules->v[k];
		size_t n = 1;

		while (k + n < rules->n && same_rule(r, r + n))
			n++;
		fprintf(out, "\t%s ", actions[r->action]);
		if (n >= RUN_MIN) {
			fprintf(out, "@%s-%u", set, ++n_sets);
			fprintf(sets, "set %s-%u {\n", set, n_sets);
			for (size_t j = 0; j < n; j++)
				fprintf(sets, "\t%s;\n", mr_prefix_text(&r[j].prefix, buf));
			fputs("}\n", sets);
		} else {
			put_source(r, out);
			n = 1;
		}
		fputs(r->noauth ? " noauth;\n" : ";\n", out);
		k += n;
	}
}
