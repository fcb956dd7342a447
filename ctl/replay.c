// SPDX-License-Identifier: BSD-2-Clause
/*
 * replay.c - `mailreeve replay`: what would this policy have done to the packets of a capture.
 *
 * Loads the real program privately, gives it the policy of a file, and runs it over each packet
 * (BPF_PROG_TEST_RUN).  Attaches nothing, touches no pin, knows no entries.  Needs root.  A packet
 * that was cut off when it was captured is judged by what is there.
 */
#include "policy.h"
#include "term.h"

#include <linux/bpf.h>
#include <mailreeve/capture.h>

struct options {
	const char *config, *established;
	bool packets;
};
static const struct mr_option options[] = {
	{ "config", 'c', MR_OPTION_TEXT, offsetof(struct options, config), "FILE",
	  "the policy (default " MR_CONFIG_FILE ")" },
	{ "packets", 0, MR_OPTION_FLAG, offsetof(struct options, packets), NULL,
	  "a line for each packet, not only the sums" },
	{ "established", 0, MR_OPTION_TEXT, offsetof(struct options, established), "none|all",
	  "which later packets belong to a session that stands (default none)" },
	{ NULL, 0, 0, 0, NULL, NULL },
};

struct replay {
	struct mr_kernel *kernel;
	const struct mr_policy *policy;
	const struct mr_image *image;
	bool packets, json;
	uint64_t count, pass, drop, reject, why[MR_WHY_N];
};

static const char *replay_verdict(const struct mr_decision *d)
{
	return d->verdict == XDP_PASS ? "pass" : d->verdict == XDP_TX ? "reject" : "drop";
}

static json_t *replay_rule(const struct replay *r, const struct mr_decision *d)
{
	const struct mr_rule *rule = mr_policy_rule(r->policy, d->rule, NULL);

	if (!rule)
		return json_null();
	return json_pack("{s:o,s:i,s:o}", "file",
			 mr_report_text(r->policy->files[rule->place.file]), "line",
			 (int)rule->place.line, "text", mr_report_text(rule->text));
}

static void replay_packet(const struct replay *r, const struct mr_decision *d)
{
	const struct mr_service *s =
		d->service < r->image->columns ? r->image->service[d->service] : NULL;
	const struct mr_rule *rule = mr_policy_rule(r->policy, d->rule, NULL);
	_json_ json_t *j = NULL;

	if (r->json) {
		j = json_pack("{s:I,s:s,s:s,s:o,s:o}", "packet", (json_int_t)r->count, "verdict",
			      replay_verdict(d), "why", mr_report_why_name(d->why), "service",
			      mr_report_text(s ? s->name : NULL), "rule", replay_rule(r, d));
		mr_term_json(j);
		return;
	}
	printf("%8llu  %-6s  %-18s  ", (unsigned long long)r->count, replay_verdict(d),
	       mr_report_why_name(d->why));
	mr_term_text(s ? s->name : "-", stdout);
	if (rule) {
		fputs("  ", stdout);
		mr_term_text(rule->text, stdout);
	}
	fputc('\n', stdout);
}

static void replay_sums(const struct replay *r)
{
	_json_ json_t *j = NULL;
	json_t *reasons;

	if (r->json) {
		reasons = json_object();
		for (unsigned int w = 0; w < MR_WHY_N; w++)
			if (r->why[w])
				json_object_set_new(reasons, mr_report_why_name(w),
						    json_integer((json_int_t)r->why[w]));
		j = json_pack("{s:I,s:I,s:I,s:I,s:o}", "packets", (json_int_t)r->count, "pass",
			      (json_int_t)r->pass, "drop", (json_int_t)r->drop, "reject",
			      (json_int_t)r->reject, "reasons", reasons);
		mr_term_json(j);
		return;
	}
	printf("%llu packets: %llu passed, %llu dropped, %llu rejected\n",
	       (unsigned long long)r->count, (unsigned long long)r->pass,
	       (unsigned long long)r->drop, (unsigned long long)r->reject);
	for (unsigned int w = 0; w < MR_WHY_N; w++)
		if (r->why[w])
			printf("  %-18s  %llu\n", mr_report_why_name(w),
			       (unsigned long long)r->why[w]);
}

static enum mr_exit replay_capture(struct replay *r, struct mr_capture *c)
{
	bool l3 = mr_capture_l3(c);
	struct mr_decision d;
	struct mr_error e;
	const void *data;
	size_t len;
	int rc;

	while ((rc = mr_capture_next(c, &data, &len, &e)) > 0 && !ferror(stdout)) {
		rc = mr_test_run(r->kernel, l3, data, len, &d, NULL, NULL);
		if (rc < 0)
			return mr_ctl_fail(MR_EXIT_UNREACHABLE,
					   "packet %llu: the kernel does not run the program: %s",
					   (unsigned long long)r->count + 1, strerror(-rc));
		r->count++;
		r->pass += d.verdict == XDP_PASS;
		r->reject += d.verdict == XDP_TX;
		r->drop += d.verdict != XDP_PASS && d.verdict != XDP_TX;
		if (d.why < MR_WHY_N)
			r->why[d.why]++;
		if (r->packets)
			replay_packet(r, &d);
	}
	if (!r->packets)
		replay_sums(r);
	return rc < 0 ? mr_ctl_fail(MR_EXIT_USAGE, "%s", e.text) : MR_EXIT_DONE;
}

/* A private kernel side with this policy active.  Service ids are columns, counters are rules. */
static enum mr_exit replay_load(const struct options *o, struct replay *r)
{
	struct mr_kernel_options ko = {
		.replay = o->established && strcmp(o->established, "all") == 0 ? MR_REPLAY_ALL
									       : MR_REPLAY_NONE,
	};
	struct mr_generation_spec spec = { r->policy, r->image, 1, { 0 }, NULL };
	_free_ uint16_t *counter = calloc(MR_RULES_MAX + 1, sizeof(*counter));
	struct mr_error e;
	int rc;

	if (!counter)
		return mr_ctl_fail(MR_EXIT_UNREACHABLE, "out of memory");
	for (unsigned int i = 0; i < MR_SERVICES_MAX; i++)
		spec.service_id[i] = (uint8_t)i;
	for (unsigned int i = 0; i <= MR_RULES_MAX; i++)
		counter[i] = (uint16_t)i;
	spec.rule_counter = counter;
	rc = mr_kernel_open(&ko, &r->kernel, &e);
	if (rc < 0)
		return mr_ctl_fail(MR_EXIT_UNREACHABLE, "replay runs the real program: %s", e.text);
	mr_kernel_state(r->kernel)->reject_limit = UINT32_MAX; /* captures are not in real time */
	rc = mr_generation_fill(r->kernel, &spec, &e);
	if (rc < 0)
		return mr_ctl_fail(MR_EXIT_UNREACHABLE, "%s", e.text);
	rc = mr_generation_flip(r->kernel);
	return rc < 0 ? mr_ctl_fail(MR_EXIT_UNREACHABLE, "cannot switch the policy on: %s",
				    strerror(-rc))
		      : MR_EXIT_DONE;
}

static enum mr_exit replay_run(const struct mr_ctl *ctl)
{
	const struct options *o = ctl->options;
	_cleanup_(mr_policy_freep) struct mr_policy *policy = NULL;
	_cleanup_(mr_host_freep) struct mr_host *host = NULL;
	_cleanup_(mr_image_freep) struct mr_image *image = NULL;
	_cleanup_(mr_capture_freep) struct mr_capture *capture = NULL;
	struct replay r = { .packets = o->packets, .json = ctl->json };
	enum mr_exit status;
	struct mr_error e;

	status = mr_policy_host(&host);
	if (status == MR_EXIT_DONE)
		status = mr_policy_read(o->config ?: MR_CONFIG_FILE, host, &policy);
	if (status != MR_EXIT_DONE)
		return status;
	if (mr_image_compile(policy, host, &image, &e) < 0 ||
	    mr_capture_open(ctl->args[0], &capture, &e) < 0)
		return mr_ctl_fail(MR_EXIT_USAGE, "%s", e.text);
	r.policy = policy;
	r.image = image;
	status = replay_load(o, &r);
	if (status == MR_EXIT_DONE)
		status = replay_capture(&r, capture);
	mr_kernel_free(r.kernel);
	return status;
}

const struct mr_command mr_ctl_replay = {
	.name = "replay",
	.usage = "[-c FILE] [--packets] [--established none|all] [--json] CAPTURE",
	.summary = "what a policy would have done to a capture",
	.help = "Runs the real program with the policy of FILE over every packet of a pcap or\n"
		"pcapng capture (\"-\": standard input) and counts verdicts and reasons.\n"
		"Nothing is attached, and there are neither permits nor bans.  Later packets\n"
		"of sessions that only an unmatched source has open are refused, unless\n"
		"--established all.  Needs root.",
	.options = options,
	.options_size = sizeof(struct options),
	.min_args = 1,
	.max_args = 1,
	.json = true,
	.run = replay_run,
};
