// SPDX-License-Identifier: BSD-2-Clause
/*
 * doctor.c - libFuzzer harness of the doctor: the output of postconf -n, postconf -M and doveconf
 * -n, separated by bytes 0x01.
 *
 * What is found must have an id, a place and a message; the second time the same is found.  Asked
 * with a policy and without.
 */
#include <mailreeve/config.h>
#include <mailreeve/doctor.h>

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mr_policy *read_policy(void)
{
	static char text[] = "proxies { 192.0.2.10; }"
			     "service smtp { allow permitted noauth; allow any; }"
			     "service submission { ports 587 2525; allow 192.0.2.0/24; }"
			     "learn { file \"/var/log/dovecot.log\"; }"
			     "listen { policy \"/var/spool/postfix/mailreeve/policy\";"
			     " socketmap 127.0.0.1 10026; } dovecot { }";
	struct mr_file file = { .path = (char[]){ "c" }, .data = text, .len = sizeof(text) - 1 };
	struct mr_files files = { .file = &file, .n = 1, .allocated = 1, .frozen = true };
	_cleanup_(mr_findings_clear) struct mr_findings findings = { 0 };
	struct mr_policy *p = NULL;

	if (mr_config_load("c", &files, NULL, &findings, &p) < 0) {
		fprintf(stderr, "doctor.c: %s\n", findings.n ? findings.list[0].message : "?");
		abort();
	}
	return p;
}

static size_t look(const struct mr_doctor_input *in)
{
	struct mr_advices a = { 0 };
	struct mr_error e = { "" };
	size_t n;
	int r = mr_doctor(in, &a, &e);

	if (r < 0 && (r != -EINVAL || !*e.text || a.n))
		abort();
	for (size_t k = 0; k < a.n; k++)
		if (!*a.list[k].id || !*a.list[k].file || !*a.list[k].message)
			abort();
	n = a.n;
	mr_advices_clear(&a);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_doctor_input in = { 0 };
	struct mr_doctor_text *const texts[] = { &in.postconf, &in.master, &in.doveconf };
	_cleanup_(mr_policy_freep) struct mr_policy *policy = NULL;
	char *copy[3] = { NULL };

	if (size > 65536)
		return 0;
	for (size_t k = 0; k < 3; k++) {
		const uint8_t *end = k < 2 && size ? memchr(data, 1, size) : NULL;
		size_t n = end ? (size_t)(end - data) : size;

		copy[k] = malloc(n + 1);
		if (!copy[k])
			abort();
		if (n)
			memcpy(copy[k], data, n);
		copy[k][n] = '\0';
		*texts[k] = (struct mr_doctor_text){ "text", copy[k], n };
		data += n + (end ? 1 : 0);
		size -= n + (end ? 1 : 0);
	}
	if (look(&in) != look(&in))
		abort();
	policy = read_policy();
	in.policy = policy;
	look(&in);
	for (size_t k = 0; k < 3; k++)
		free(copy[k]);
	return 0;
}
