// SPDX-License-Identifier: BSD-2-Clause
/*
 * verify.c - loads each program of the BPF object on the running kernel, alone, and prints what the
 * verifier had to walk for it.
 *
 * usage: verify OBJECT.  Called by scripts/check-kernels inside an emulated machine, as root; loads
 * and forgets, pins nothing.  TAP lines; a multi-buffer program is skipped where the kernel has
 * none (before Linux 5.18), anything else that does not load is a failure with the verifier's last
 * words.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#define PROGRAMS_MAX 16
#define LOG_BYTES    (16 << 20) /* the log of a program that fails is long */
#define LOG_STEPS    1 /* log level: every instruction, up to the one that was refused */
#define LOG_STATS    4 /* log level: only the summary */
#define LAST_WORDS   3000 /* bytes of a failed program's log that are shown */

static bool has_frags(void)
{
	struct utsname u;
	unsigned int major = 0, minor = 0;

	uname(&u);
	sscanf(u.release, "%u.%u", &major, &minor);
	return major > 5 || (major == 5 && minor >= 18);
}

/* Loads program `wanted` and no other; the verifier's count in *insns. */
static int load_one(const char *path, const char *wanted, int level, char *log,
		    unsigned long *insns)
{
	struct bpf_object *o = bpf_object__open_file(path, NULL);
	struct bpf_program *p;
	const char *processed;
	int r;

	if (!o)
		return -errno;
	bpf_object__for_each_program(p, o)
	{
		bool this = !strcmp(bpf_program__name(p), wanted);

		bpf_program__set_autoload(p, this);
		if (this) {
			bpf_program__set_log_level(p, (__u32)level);
			bpf_program__set_log_buf(p, log, LOG_BYTES);
		}
	}
	log[0] = '\0';
	r = bpf_object__load(o);
	processed = strstr(log, "processed ");
	*insns = processed ? strtoul(processed + strlen("processed "), NULL, 10) : 0;
	bpf_object__close(o);
	return r;
}

int main(int argc, char **argv)
{
	char names[PROGRAMS_MAX][64], *log = malloc(LOG_BYTES);
	bool frags[PROGRAMS_MAX];
	struct bpf_object *o = argc == 2 ? bpf_object__open_file(argv[1], NULL) : NULL;
	struct bpf_program *p;
	int n = 0, i, failed = 0;
	struct utsname u;

	if (!o || !log) {
		fprintf(stderr, "usage: verify OBJECT\n");
		return 2;
	}
	bpf_object__for_each_program(p, o)
	{
		if (n == PROGRAMS_MAX)
			break;
		frags[n] = strstr(bpf_program__section_name(p), ".frags") != NULL;
		snprintf(names[n++], sizeof(names[0]), "%s", bpf_program__name(p));
	}
	bpf_object__close(o);
	uname(&u);
	for (i = 0; i < n; i++) {
		unsigned long insns = 0;
		size_t len;
		int r;

		if (frags[i] && !has_frags()) {
			printf("ok - %s # SKIP multi-buffer XDP comes with Linux 5.18\n", names[i]);
			continue;
		}
		r = load_one(argv[1], names[i], LOG_STATS, log, &insns);
		/* without a count the verifier was not heard: not a proof */
		if (r == 0 && insns > 0) {
			printf("ok - %s loads on %s, verifier walked %lu instructions\n", names[i],
			       u.release, insns);
			continue;
		}
		failed = 1;
		load_one(argv[1], names[i], LOG_STEPS, log, &insns);
		len = strlen(log);
		printf("not ok - %s on %s: %s\n%s\n", names[i], u.release, strerror(-r),
		       log + (len > LAST_WORDS ? len - LAST_WORDS : 0));
	}
	free(log);
	return failed || n == 0;
}
