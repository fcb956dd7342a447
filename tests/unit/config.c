// SPDX-License-Identifier: BSD-2-Clause
/*
 * config.c - what the golden cases cannot show: hostile bytes, limits, snapshots, what a policy
 * holds beside its text, the list reader at the edges of its pieces.
 */
#include <mailreeve/config.h>
#include <mailreeve/format.h>
#include <mailreeve/image.h>
#include <mailreeve/report.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
// clang-format off
#include <cmocka.h>
// clang-format on

struct load {
	struct mr_files files;
	struct mr_findings findings;
	struct mr_policy *policy;
	int r;
};

static void add_file(struct load *l, const char *path, const char *data, size_t len)
{
	struct mr_file *f;

	assert_int_equal(mr_grow(&l->files.file, &l->files.allocated, l->files.n, sizeof(*f)), 0);
	f = &l->files.file[l->files.n++];
	*f = (struct mr_file){ .path = strdup(path), .data = malloc(len + 1), .len = len };
	assert_non_null(f->data);
	memcpy(f->data, data, len);
	f->data[len] = '\0';
	l->files.frozen = true;
}

static void run(struct load *l)
{
	l->r = mr_config_load("t.conf", &l->files, NULL, &l->findings, &l->policy);
	assert_int_equal(l->r == 0, l->policy != NULL);
	assert_int_equal(l->r == 0, l->findings.errors == 0);
}

static void load(struct load *l, const char *text)
{
	*l = (struct load){ 0 };
	add_file(l, "t.conf", text, strlen(text));
	run(l);
}

static void unload(struct load *l)
{
	mr_policy_free(l->policy);
	mr_findings_clear(&l->findings);
	mr_files_clear(&l->files);
}

static void expect_error(const char *text, size_t len, const char *message)
{
	struct load l = { 0 };

	add_file(&l, "t.conf", text, len);
	run(&l);
	assert_int_equal(l.r, -EINVAL);
	assert_true(l.findings.n > 0);
	if (!strstr(l.findings.list[0].message, message))
		fail_msg("\"%s\" instead of \"%s\"", l.findings.list[0].message, message);
	unload(&l);
}

static void test_hostile(void **state)
{
	enum { BIG = 1 << 20 };
	char *big = malloc(BIG + 64);

	(void)state;
	assert_non_null(big);
	expect_error("service smtp { allow any; }\0", 28, "NUL byte");
	expect_error("\0", 1, "NUL byte");
	expect_error("set \xff\xfe { }", 9, "not UTF-8");
	expect_error("\xed\xa0\x80;", 4, "not UTF-8");
	expect_error("service \x1b[31m { }", 17, "control character");
	memset(big, 'a', BIG);
	expect_error(big, BIG, "more than 1024 bytes");
	memset(big, '"', BIG);
	big[0] = '"';
	memset(big + 1, 'b', BIG - 1);
	expect_error(big, BIG, "string without end");
	memset(big, '{', BIG);
	expect_error(big, BIG, "block without a name");
	memset(big, '}', BIG);
	expect_error(big, BIG, "closes nothing");
	memset(big, '\\', BIG);
	big[0] = '"';
	expect_error(big, BIG, "string without end");
	for (int i = 0; i + 10 < BIG; i += 10)
		memcpy(big + i, "service a{", 10);
	expect_error(big, BIG / 10 * 10, "never closed");
	memset(big, ';', BIG);
	{
		struct load l = { 0 };

		add_file(&l, "t.conf", big, BIG);
		run(&l);
		assert_int_equal(l.r, 0); /* empty statements say nothing */
		unload(&l);
	}
	free(big);
}

static char *many(size_t n, const char *head, const char *line, const char *tail)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	fputs(head, f);
	for (size_t i = 0; i < n; i++)
		for (const char *c = line; *c; c++)
			if (*c == '#')
				fprintf(f, "%zu", i);
			else
				fputc(*c, f);
	fputs(tail, f);
	fclose(f);
	return text;
}

static void test_limits(void **state)
{
	struct load l;
	char *text;

	(void)state;
	text = many(64, "", "service s# { ports 1# 2#; }\n", "");
	load(&l, text);
	assert_int_equal(l.r, 0);
	assert_int_equal(l.policy->n_services, 64);
	unload(&l);
	free(text);
	text = many(65, "", "service s# { ports 1#; }\n", "");
	expect_error(text, strlen(text), "more than 64 services");
	free(text);
	text = many(MR_RULES_MAX, "service smtp {\n", "deny 192.0.2.1;\n", "}\n");
	load(&l, text);
	assert_int_equal(l.r, 0);
	assert_int_equal(l.policy->n_numbered, MR_RULES_MAX);
	unload(&l);
	free(text);
	text = many(MR_RULES_MAX + 10, "service smtp {\n", "deny 192.0.2.1;\n", "}\n");
	load(&l, text);
	assert_int_equal(l.findings.errors, 1);
	assert_non_null(strstr(l.findings.list[0].message, "more than 8191 rules"));
	assert_int_equal(l.findings.list[0].line, MR_RULES_MAX + 2);
	unload(&l);
	free(text);
	text = many(MR_TO_MAX / 2, "service smtp { to", " 2001:db8::#", "; allow any; }");
	load(&l, text);
	assert_int_equal(l.r, 0);
	unload(&l);
	free(text);
	text = many(MR_TO_MAX / 2, "service smtp { to", " 2001:db8::#",
		    "; allow any; }\nservice imap { to 192.0.2.1; allow any; }");
	expect_error(text, strlen(text), "more than 2048 destinations");
	free(text);
	text = many(MR_SERVICE_PORTS_MAX + 1, "service web { ports", " 1#", "; }");
	expect_error(text, strlen(text), "more than 64 ports");
	free(text);
	text = many(5000, "", "bad;\n", "");
	load(&l, text);
	assert_int_equal(l.findings.errors, 1000); /* and no further */
	assert_int_equal(l.findings.n, MR_ERRORS_SHOWN);
	unload(&l);
	free(text);
}

static void test_policy(void **state)
{
	static const char text[] = "service smtp { deny 192.0.2.1; allow any noauth; }\n"
				   "global { deny @s; }\n"
				   "service imap { deny banned; allow local; }\n"
				   "service pop3 { nobans; }\n"
				   "service sieve { mode off; allow gateways; }\n"
				   "set s { 198.51.100.0/24; 198.51.100.7; }\n";
	const struct mr_service *s = NULL;
	const struct mr_policy *p;
	const struct mr_rule *r;
	struct load l;

	(void)state;
	load(&l, text);
	p = l.policy;
	assert_non_null(p);
	assert_true(p->interface_default);
	s = mr_policy_service(p, "smtp");
	assert_int_equal(s->n_rules, 3);
	assert_true(s->rules[0].implied);
	assert_int_equal(s->rules[0].number, 0);
	assert_int_equal(s->rules[0].source.kind, MR_SOURCE_BANNED);
	assert_string_equal(s->rules[2].text, "allow any noauth");
	assert_int_equal(s->rules[2].place.line, 1);
	assert_int_equal(s->rules[2].place.column, 32);
	assert_false(s->default_allow);
	r = mr_policy_rule(p, 3, &s);
	assert_ptr_equal(r, &p->global[0]);
	assert_null(s);
	r = mr_policy_rule(p, 4, &s);
	assert_string_equal(r->text, "deny banned");
	assert_false(r->implied);
	assert_string_equal(s->name, "imap");
	assert_null(mr_policy_rule(p, 0, NULL));
	assert_null(mr_policy_rule(p, 7, NULL));
	s = mr_policy_port(p, 110);
	assert_string_equal(s->name, "pop3");
	assert_int_equal(s->n_rules, 0);
	assert_true(s->default_allow);
	assert_null(mr_policy_port(p, 26));
	assert_true(mr_policy_uses(p, MR_SOURCE_LOCAL));
	assert_false(mr_policy_uses(p, MR_SOURCE_GATEWAYS)); /* its service is off */
	assert_int_equal(p->sets[p->global[0].source.set].set.n4, 1);
	assert_int_equal(p->sets[p->global[0].source.set].set.given, 2);
	unload(&l);
}

/* Every format can be named, old servers' too; no own one may take such a name. */
static void test_formats(void **state)
{
	char text[200];
	struct load l;

	(void)state;
	for (size_t i = 0; mr_formats[i]; i++) {
		snprintf(text, sizeof(text), "learn { file \"/x\" { format %s; } }",
			 mr_formats[i]->name);
		load(&l, text);
		assert_int_equal(l.r, 0);
		unload(&l);
		snprintf(text, sizeof(text),
			 "format %s { program \"x\"; login \"<user> <addr>\"; }",
			 mr_formats[i]->name);
		load(&l, text);
		assert_int_not_equal(l.r, 0);
		unload(&l);
	}
	load(&l, "learn { file \"/x\" { format nosuch; } }");
	assert_int_not_equal(l.r, 0);
	unload(&l);
}

static void test_snapshot(void **state)
{
	static const char conf[] = "set s { file \"list\"; file none optional; }\n"
				   "service smtp { include \"d/*.inc\"; allow any; }";
	char dir[] = "/tmp/mr-unit-config-XXXXXX", path[64];
	struct mr_findings f = { 0 };
	struct mr_files kept = { 0 };
	struct mr_policy *p = NULL, *q = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/d", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/d/a.inc", dir);
	assert_int_equal(mr_write_file(path, "deny @s;", 8, 0600), 0);
	snprintf(path, sizeof(path), "%s/list", dir);
	assert_int_equal(mr_write_file(path, "192.0.2.7\n", 10, 0600), 0);
	snprintf(path, sizeof(path), "%s/m.conf", dir);
	assert_int_equal(mr_write_file(path, conf, strlen(conf), 0600), 0);
	assert_int_equal(mr_config_load(path, &kept, NULL, &f, &p), 0);
	assert_int_equal(kept.n, 4); /* m.conf, list, none, a.inc */
	assert_int_equal(kept.n_globs, 1);
	assert_true(kept.file[2].missing);
	/* the disk changes, the snapshot does not */
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/list", dir);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/none", dir);
	assert_int_equal(mr_write_file(path, "192.0.2.8\n", 10, 0600), 0);
	snprintf(path, sizeof(path), "%s/d/b.inc", dir);
	assert_int_equal(mr_write_file(path, "bad", 3, 0600), 0);
	kept.frozen = true;
	snprintf(path, sizeof(path), "%s/m.conf", dir);
	assert_int_equal(mr_config_load(path, &kept, NULL, &f, &q), 0);
	assert_int_equal(q->n_services, 1);
	assert_int_equal(q->services[0].n_rules, 3);
	assert_true(mr_set_equal(&p->sets[0].set, &q->sets[0].set));
	assert_int_equal(q->sets[0].set.n4, 1);
	assert_int_equal(mr_config_load("/nowhere/m.conf", &kept, NULL, &f, &q), -ENOENT);
	mr_policy_free(p);
	mr_policy_free(q);
	mr_files_clear(&kept);
	mr_findings_clear(&f);
	snprintf(path, sizeof(path), "rm -r %s", dir);
	assert_int_equal(system(path), 0);
}

/* Matches come in the order of their names, whatever the directory's is; frozen, from memory alone.
 */
static void test_glob(void **state)
{
	static const char conf[] = "service smtp { include \"*.inc\"; }";
	static const char order[] = "qawsedrftgzhujikolp";
	char dir[] = "/tmp/mr-unit-glob-XXXXXX", path[64], text[32];
	struct mr_findings f = { 0 };
	struct mr_policy *p = NULL;
	struct load l = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; order[i]; i++) {
		snprintf(path, sizeof(path), "%s/%c.inc", dir, order[i]);
		snprintf(text, sizeof(text), "deny name %c.example;", order[i]);
		assert_int_equal(mr_write_file(path, text, strlen(text), 0600), 0);
	}
	snprintf(path, sizeof(path), "%s/t.conf", dir);
	assert_int_equal(mr_write_file(path, conf, strlen(conf), 0600), 0);
	assert_int_equal(mr_config_load(path, NULL, NULL, &f, &p), 0);
	assert_int_equal(p->services[0].n_rules, strlen(order) + 1);
	for (size_t i = 2; i < p->services[0].n_rules; i++)
		assert_true(strcmp(p->services[0].rules[i - 1].text, p->services[0].rules[i].text) <
			    0);
	mr_policy_free(p);
	p = NULL;
	l.files.frozen = true;
	assert_int_equal(mr_config_load(path, &l.files, NULL, &f, &p), -ENOENT);
	add_file(&l, path, conf, strlen(conf));
	assert_int_equal(mr_config_load(path, &l.files, NULL, &f, &p), 0);
	assert_int_equal(p->services[0].n_rules, 1);
	mr_policy_free(p);
	mr_findings_clear(&f);
	mr_files_clear(&l.files);
	snprintf(path, sizeof(path), "rm -r %s", dir);
	assert_int_equal(system(path), 0);
}

static void test_unreadable(void **state)
{
	struct mr_findings f = { 0 };
	struct mr_policy *p = NULL;

	(void)state;
	assert_int_equal(mr_config_load("/nowhere/m.conf", NULL, NULL, &f, &p), -ENOENT);
	assert_int_equal(f.errors, 1);
	assert_int_equal(mr_config_load("/", NULL, NULL, &f, &p), -EISDIR);
	assert_int_equal(mr_config_load("/dev/zero", NULL, NULL, &f, &p), -EINVAL);
	assert_null(p);
	mr_findings_clear(&f);
	assert_int_equal(mr_config_load("/dev/null", NULL, NULL, &f, &p), 0);
	mr_policy_free(p);
	mr_findings_clear(&f);
}

/* A pipe that nobody writes must not keep the reader; one that was opened for us is read. */
static void test_pipes(void **state)
{
	static const char text[] = "service smtp { allow any; }\n";
	char path[64], fifo[64], dir[] = "/tmp/mr-config-XXXXXX";
	struct mr_findings f = { 0 };
	struct mr_policy *p = NULL;
	struct load l;
	int ends[2];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	alarm(10);
	assert_int_equal(mr_config_load(fifo, NULL, NULL, &f, &p), -EINVAL);
	assert_int_equal(f.errors, 1);
	mr_findings_clear(&f);
	snprintf(path, sizeof(path), "%s/m.conf", dir);
	l = (struct load){ 0 };
	add_file(&l, path, "include \"fifo\";", 15);
	l.files.frozen = false;
	assert_int_equal(mr_config_load(path, &l.files, NULL, &f, &p), -EINVAL);
	assert_non_null(strstr(f.list[0].message, "it is no regular file"));
	mr_findings_clear(&f);
	mr_files_clear(&l.files);

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], text, sizeof(text) - 1), sizeof(text) - 1);
	close(ends[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
	assert_int_equal(mr_config_load(path, NULL, NULL, &f, &p), 0);
	assert_int_equal(p->n_services, 1);
	alarm(0);
	close(ends[0]);
	mr_policy_free(p);
	mr_findings_clear(&f);
	unlink(fifo);
	assert_int_equal(rmdir(dir), 0);
}

static void test_json(void **state)
{
	json_t *o, *list, *first;
	struct load l;

	(void)state;
	load(&l, "service smtp {\n\talow any;\n}\n");
	o = mr_report_findings(&l.findings);
	list = json_object_get(o, "errors");
	assert_int_equal(json_array_size(list), 1);
	first = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(first, "file")), "t.conf");
	assert_int_equal(json_integer_value(json_object_get(first, "line")), 2);
	assert_int_equal(json_integer_value(json_object_get(first, "column")), 2);
	assert_string_equal(json_string_value(json_object_get(first, "hint")),
			    "did you mean \"allow\"?");
	assert_int_equal(json_array_size(json_object_get(o, "risks")), 0);
	assert_true(json_is_array(json_object_get(o, "notes")));
	json_decref(o);
	unload(&l);
}

/* Two halves cover the third rule together: only the compiler knows. */
static void test_check_image(void **state)
{
	uint8_t reachable[] = { 1, 1, 1, 0, 1, 0, 1 };
	struct mr_image image = { .reachable = reachable };
	size_t risks;
	struct load l;

	(void)state;
	load(&l, "service smtp { deny 0.0.0.0/1; deny 128.0.0.0/1; deny 192.0.2.0-192.0.3.255;\n"
		 "allow 198.51.100.0/24; deny 198.51.100.7; allow any; }");
	assert_int_equal(l.r, 0);
	risks = l.findings.risks;
	assert_int_equal(risks, 3); /* each of the three lies within one half */
	mr_config_check_image(l.policy, &image, &l.findings);
	assert_int_equal(l.findings.risks, risks);
	reachable[1] = 0;
	mr_config_check_image(l.policy, &image, &l.findings);
	assert_int_equal(l.findings.risks, risks + 1);
	assert_non_null(strstr(l.findings.list[l.findings.n - 1].message, "deny 0.0.0.0/1"));
	unload(&l);
}

/* --- the list reader: from disk in pieces, and from memory in one go */

static void compare_readers(const char *data, size_t len, bool lenient)
{
	char path[] = "/tmp/mr-unit-list-XXXXXX", text[128];
	struct mr_findings f = { 0 };
	struct mr_policy *p = NULL;
	struct load l = { 0 };
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(mr_write_file(path, data, len, 0600), 0);
	snprintf(text, sizeof(text), "set s { file \"%s\"%s; }", path, lenient ? " lenient" : "");
	add_file(&l, "t.conf", text, strlen(text));
	add_file(&l, path, data, len);
	run(&l);
	snprintf(text, sizeof(text), "%s.conf", path);
	assert_int_equal(mr_write_file(text, l.files.file[0].data, l.files.file[0].len, 0600), 0);
	r = mr_config_load(text, NULL, NULL, &f, &p);
	assert_int_equal(r, l.r);
	assert_int_equal(f.errors, l.findings.errors);
	assert_int_equal(f.n, l.findings.n);
	for (size_t i = 0; i < f.n; i++) {
		assert_int_equal(f.list[i].line, l.findings.list[i].line);
		assert_string_equal(f.list[i].message, l.findings.list[i].message);
	}
	if (p) {
		assert_true(mr_set_equal(&p->sets[0].set, &l.policy->sets[0].set));
		assert_int_equal(p->sets[0].set.given, l.policy->sets[0].set.given);
	}
	unlink(text);
	unlink(path);
	mr_policy_free(p);
	mr_findings_clear(&f);
	unload(&l);
}

static void test_list_pieces(void **state)
{
	static const char *const lines[] = {
		"192.0.2.1\n",		 "198.51.100.0/24\r\n",
		"2001:db8::/32 # six\n", "; nothing\n",
		"192.0.2.64/26 ; SBL\n", "203.0.113.7-203.0.113.99\n",
		"\t203.0.113.8 \n",	 "\n",
		"::ffff:192.0.2.9\n",
	};
	enum { BYTES = 800000 }; /* three pieces and a bit */
	char *data = malloc(BYTES + 64);
	size_t len = 0;

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; len < BYTES; i++) {
		const char *line = lines[(i * 7 + i / 13) % MR_ARRAY_SIZE(lines)];

		memcpy(data + len, line, strlen(line));
		len += strlen(line);
	}
	for (size_t cut = 0; cut < 5; cut++)
		compare_readers(data, len - cut, cut & 1);
	memcpy(data + BYTES / 2, "x", 1); /* one fault, far from the start */
	compare_readers(data, len, false);
	memset(data + 100, 'x', 300000); /* a line longer than a piece */
	data[300100] = '\0';
	compare_readers(data, 300100, false);
	compare_readers(data, 0, false);
	compare_readers("192.0.2.1", 9, false);
	compare_readers("192.0.2.1\0", 10, false);
	free(data);
}

static void test_list_lines(void **state)
{
	static const struct {
		const char *line;
		int prefixes; /* -1: an error */
	} t[] = {
		{ "192.0.2.1", 1 },
		{ "192.0.2.0/24", 1 },
		{ "0.0.0.0/0", 1 },
		{ "192.0.2.1/24", -1 },
		{ "192.0.2.1/32", 1 },
		{ "192.0.2.01", -1 },
		{ "192.0.2.256", -1 },
		{ "192.0.2.1000", -1 },
		{ "192.0.2.1/33", -1 },
		{ "192.0.2", -1 },
		{ "192.0.2.1.1", -1 },
		{ "192.0.2.1/", -1 },
		{ "192.0.2.1x", -1 },
		{ "192.0.2.1 x", -1 },
		{ "192.0.2.1#x", 1 },
		{ "192.0.2.1;x", 1 },
		{ "192.0.2.1/32#", 1 },
		{ "#", 0 },
		{ ";", 0 },
		{ " \t\r", 0 },
		{ "2001:db8::1", 1 },
		{ "2001:db8::/129", -1 },
		{ "192.0.2.1-192.0.2.2", 2 },
		{ "-", -1 },
		{ "192.0.2.1-", -1 },
		{ "192.0.2.2-192.0.2.1", -1 },
		{ "999999999999.1.1.1", -1 },
		{ "1.2.3.4/032", -1 },
		{ "192.0.2.0/024", -1 },
		{ "+1.2.3.4", -1 },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(t); i++)
		for (int newline = 0; newline < 2; newline++) {
			struct load l = { 0 };
			char data[64];

			snprintf(data, sizeof(data), "%s%s", t[i].line, newline ? "\n" : "");
			add_file(&l, "t.conf", "set s { file l; }", 17);
			add_file(&l, "l", data, strlen(data));
			run(&l);
			if ((l.r == 0) != (t[i].prefixes >= 0))
				fail_msg("\"%s\": %d", t[i].line, l.r);
			if (l.r == 0)
				assert_int_equal(l.policy->sets[0].set.given, t[i].prefixes);
			unload(&l);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile),	    cmocka_unit_test(test_limits),
		cmocka_unit_test(test_policy),	    cmocka_unit_test(test_snapshot),
		cmocka_unit_test(test_unreadable),  cmocka_unit_test(test_pipes),
		cmocka_unit_test(test_glob),	    cmocka_unit_test(test_json),
		cmocka_unit_test(test_check_image), cmocka_unit_test(test_list_pieces),
		cmocka_unit_test(test_list_lines),  cmocka_unit_test(test_formats),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
