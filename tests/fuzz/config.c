// SPDX-License-Identifier: BSD-2-Clause
/*
 * config.c - libFuzzer harness of the configuration and the list reader.
 *
 * The input is one file; at a byte 0x01 it is cut in two, and the second part is the list (and the
 * include) that the first may name.  What loads must print, parse again, and print the same.
 */
#include <mailreeve/config.h>
#include <mailreeve/report.h>

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add(struct mr_files *files, const char *path, const void *data, size_t len)
{
	struct mr_file *f = &files->file[files->n++];

	*f = (struct mr_file){ .path = strdup(path), .data = malloc(len + 1), .len = len };
	if (!f->path || !f->data)
		abort();
	if (len)
		memcpy(f->data, data, len);
	f->data[len] = '\0';
}

static struct mr_policy *load(const void *conf, size_t len, const void *list, size_t list_len)
{
	struct mr_file room[3];
	struct mr_files files = { .file = room, .allocated = 3, .frozen = true };
	struct mr_findings findings = { 0 };
	struct mr_policy *p = NULL;
	FILE *null = fopen("/dev/null", "w");
	int r;

	add(&files, "c", conf, len);
	add(&files, "l", list, list_len);
	add(&files, "i", list, list_len);
	r = mr_config_load("c", &files, NULL, &findings, &p);
	if ((r == 0) != (findings.errors == 0) || (r == 0) != (p != NULL) || !null)
		abort();
	for (size_t i = 0; i < findings.n; i++)
		mr_finding_print(&findings.list[i], null);
	json_decref(mr_report_findings(&findings));
	fclose(null);
	mr_findings_clear(&findings);
	for (size_t i = 0; i < files.n; i++) {
		free(room[i].path);
		free(room[i].data);
	}
	return p;
}

static char *print(const struct mr_policy *p, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	if (!f || mr_config_print(p, f) < 0 || fclose(f) != 0)
		abort();
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = memchr(data, 1, size), *list = cut ? cut + 1 : data + size;
	size_t len = cut ? (size_t)(cut - data) : size;
	size_t list_len = size - (size_t)(list - data), n1, n2;
	struct mr_policy *p = load(data, len, list, list_len), *q;
	char *one, *two;

	if (!p)
		return 0;
	one = print(p, &n1);
	q = load(one, n1, list, list_len);
	if (!q) {
		fputs(one, stderr);
		abort();
	}
	two = print(q, &n2);
	if (n1 != n2 || memcmp(one, two, n1) != 0) {
		fprintf(stderr, "%s\n---\n%s", one, two);
		abort();
	}
	free(one);
	free(two);
	mr_policy_free(p);
	mr_policy_free(q);
	return 0;
}
