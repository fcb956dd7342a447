// SPDX-License-Identifier: BSD-2-Clause
/*
 * _mailreeve.c - mailreeve's packet side without the daemon: a policy loaded, compiled, active.
 *
 * The same library calls as the daemon's, with private maps: nothing is pinned, all goes with the
 * process.  Called by the measurements; fails with the library's own message.
 */
#include "_bench.h"

#include <mailreeve/config.h>
#include <mailreeve/kernel.h>
#include <string.h>

static int load_policy(const char *path, const struct mr_host *host, struct mr_policy **out,
		       struct mr_error *e)
{
	struct mr_findings found = { 0 };
	int r = mr_config_load(path, NULL, host, &found, out);

	if (r < 0)
		mr_error(e, r, "%s: %s", path, found.n ? found.list[0].message : "does not load");
	mr_findings_clear(&found);
	return r;
}

static int fill(struct bench_filter *f, struct mr_error *e)
{
	_free_ uint16_t *counter = calloc(MR_RULES_MAX + 1, sizeof(*counter));
	struct mr_generation_spec spec = { .policy = f->policy, .image = f->image, .number = 1 };
	uint64_t bytes[MR_SLOTS] = { 0 };
	int r;

	if (!counter)
		return mr_error(e, -ENOMEM, "out of memory");
	for (unsigned int i = 0; i <= MR_RULES_MAX; i++)
		counter[i] = (uint16_t)i;
	for (uint8_t i = 0; i < MR_SERVICES_MAX; i++)
		spec.service_id[i] = i;
	spec.rule_counter = counter;
	r = mr_generation_fill(f->kernel, &spec, e);
	if (r < 0)
		return r;
	r = mr_generation_flip(f->kernel);
	if (r < 0)
		return mr_error(e, r, "the generation cannot be made active: %s", strerror(-r));
	mr_generation_memory(f->kernel, bytes);
	f->memory = bytes[mr_kernel_state(f->kernel)->active];
	return 0;
}

int bench_filter_load(struct bench *b, const char *config, uint32_t permits_max,
		      struct bench_filter *out, struct mr_error *e)
{
	struct mr_kernel_options o = { .permits_max = permits_max };
	struct bench_filter f = { 0 };
	char path[128];
	int r;

	snprintf(path, sizeof(path), "%s/bench.conf", b->dir);
	r = mr_write_file(path, config, strlen(config), 0600);
	if (r < 0)
		return mr_error(e, r, "%s: %s", path, strerror(-r));
	r = mr_host_empty(&f.host);
	if (r == 0)
		r = load_policy(path, f.host, &f.policy, e);
	if (r == 0)
		r = mr_image_compile(f.policy, f.host, &f.image, e);
	if (r == 0)
		r = mr_kernel_open(&o, &f.kernel, e);
	if (r == 0)
		r = fill(&f, e);
	if (r < 0) {
		bench_filter_clear(&f);
		return r;
	}
	*out = f;
	return 0;
}

void bench_filter_clear(struct bench_filter *f)
{
	mr_kernel_free(f->kernel);
	mr_image_free(f->image);
	mr_policy_free(f->policy);
	mr_host_free(f->host);
	*f = (struct bench_filter){ 0 };
}

/* --- the side --------------------------------------------------------------------------------- */

static int mailreeve_setup(struct bench *b, struct bench_side *s, const struct bench_list *l,
			   struct mr_error *e)
{
	struct bench_filter *f = calloc(1, sizeof(*f));
	char path[128], config[512];
	int r;

	if (!f)
		return mr_error(e, -ENOMEM, "out of memory");
	s->state = f;
	snprintf(path, sizeof(path), "%s/list.txt", b->dir);
	r = bench_list_write(l, BENCH_PLAIN, path);
	if (r < 0)
		return mr_error(e, r, "%s: %s", path, strerror(-r));
	/* as installed: a shared list in `global`, several services, permits and bans possible */
	snprintf(config, sizeof(config),
		 "interface r0;\n"
		 "set list { file \"%s\"; }\n"
		 "global { deny @list; }\n"
		 "service smtp { allow any; }\n"
		 "service submission { allow permitted; allow any; }\n"
		 "service imap { allow any; }\n",
		 path);
	r = bench_filter_load(b, config, 0, f, e);
	if (r < 0)
		return r;
	r = bench_attach(b, s, mr_program_fd(f->kernel, false));
	return r < 0 ? mr_error(e, r, "cannot attach: %s", strerror(-r)) : 0;
}

static int mailreeve_dropped(struct bench *b, struct bench_side *s, uint64_t *n, struct mr_error *e)
{
	_free_ struct mr_count *v = calloc(MR_SERVICES_MAX * MR_COUNTED_N, sizeof(*v));
	struct bench_filter *f = s->state;
	int r;

	(void)b;
	if (!v)
		return mr_error(e, -ENOMEM, "out of memory");
	r = mr_counters_services(f->kernel, v);
	if (r < 0)
		return mr_error(e, r, "mailreeve's counters: %s", strerror(-r));
	*n = 0;
	for (size_t i = 0; i < MR_SERVICES_MAX; i++)
		*n += v[i * MR_COUNTED_N + MR_COUNTED_DENY].packets;
	return 0;
}

static void mailreeve_clear(struct bench *b, struct bench_side *s)
{
	(void)b;
	if (s->state)
		bench_filter_clear(s->state);
	free(s->state);
	s->state = NULL;
}

const struct bench_side_ops bench_side_mailreeve = { "mailreeve", mailreeve_setup,
						     mailreeve_dropped, mailreeve_clear };
