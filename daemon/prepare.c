// SPDX-License-Identifier: BSD-2-Clause
/*
 * prepare.c - the steps of a job that take long: read and compile, load, keep (apply.h).
 *
 * Run by the worker (at start: by the main thread, before the loop).  They touch the job and what
 * it points to, the spare slot of the kernel's generations, files in the runtime and the state
 * directory; never the manager.  They do not log: what is to be said comes back in the job.  A
 * step that fails leaves the running policy as it is.
 */
#include "apply.h"

#include <stdarg.h>
#include <string.h>

static int job_fails(struct mr_job *j, int r, const char *name, const char *fmt, ...)
	_printf_(4, 5);
static int job_fails(struct mr_job *j, int r, const char *name, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(j->error.text, sizeof(j->error.text), fmt, ap);
	va_end(ap);
	j->error_name = name;
	return r;
}

/* --- prepare ---------------------------------------------------------------------------------- */

/* The findings as `check` prints them; malloc'ed. */
static char *findings_text(const struct mr_findings *f)
{
	char *text = NULL;
	size_t len = 0, shown = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	for (size_t i = 0; i < f->n; i++) {
		if (f->list[i].grade != MR_ERROR)
			continue;
		mr_finding_print(&f->list[i], out);
		shown++;
	}
	if (f->errors > shown)
		fprintf(out, "and %zu more errors\n", f->errors - shown);
	fclose(out);
	return text;
}

static int load_file(struct mr_job *j)
{
	int r = mr_config_load(j->config, &j->files, j->host, &j->findings, &j->live->policy);

	if (r < 0) {
		free(j->text);
		j->text = findings_text(&j->findings);
		return job_fails(j, r, MR_BUS_ERROR_CONFIG, "%s cannot be loaded: %s", j->config,
				 strerror(-r));
	}
	j->live->fingerprint = mr_state_fingerprint(j->config, &j->files);
	return 0;
}

static int load_snapshot(struct mr_job *j, const char *name)
{
	_free_ char *config = NULL;
	struct mr_error e = { "" };
	int r;

	mr_findings_clear(&j->findings);
	mr_files_clear(&j->files);
	j->files = (struct mr_files){ 0 };
	r = mr_state_load_policy(j->state_dir, name, &config, &j->files, &e);
	if (r < 0)
		return job_fails(j, r, MR_BUS_ERROR_NOTHING,
				 "the kept policy %s cannot be read: %s", name,
				 *e.text ? e.text : strerror(-r));
	j->live->fingerprint = mr_state_fingerprint(config, &j->files);
	r = mr_config_load(config, &j->files, j->host, &j->findings, &j->live->policy);
	mr_files_clear(&j->files); /* it is kept already */
	j->files = (struct mr_files){ 0 };
	if (r < 0) {
		free(j->text);
		j->text = findings_text(&j->findings);
		return job_fails(j, r, MR_BUS_ERROR_CONFIG, "the kept policy %s will not load: %s",
				 name, strerror(-r));
	}
	snprintf(j->live->snapshot, sizeof(j->live->snapshot), "%s", name);
	j->policy_config = MR_TAKE_PTR(config);
	return 0;
}

/* At start the file counts, unless it is faulty or was taken back; then what was applied last. */
static int load_start(struct mr_job *j)
{
	int r = load_file(j);

	if (r == 0 && j->live->fingerprint != j->avoid)
		return 0;
	if (r == 0) {
		mr_policy_free(MR_TAKE_PTR(j->live->policy));
		j->fallen_from = j->live->fingerprint;
		if (asprintf(&j->why,
			     "%s still holds the policy that was taken back (undone, or not "
			     "confirmed in time); mailreeve apply takes it all the same",
			     j->config) < 0)
			j->why = NULL;
	} else {
		j->why = MR_TAKE_PTR(j->text);
		if (!j->why || !*j->why) {
			free(j->why);
			j->why = strdup(j->error.text);
		}
	}
	j->fell_back = true;
	if (!*j->snapshot)
		return job_fails(j, -ENOENT, MR_BUS_ERROR_NOTHING,
				 "no policy was applied here before");
	return load_snapshot(j, j->snapshot);
}

static int prepare_policy(struct mr_job *j)
{
	if (j->borrowed)
		return 0;
	j->live = mr_live_new();
	if (!j->live)
		return job_fails(j, -ENOMEM, NULL, "no memory for a policy");
	if (j->kind == MR_JOB_START)
		return load_start(j);
	return *j->snapshot ? load_snapshot(j, j->snapshot) : load_file(j);
}

static void prepare_traits(struct mr_live *l)
{
	static const enum mr_source_kind kinds[] = { MR_SOURCE_LOCAL, MR_SOURCE_LOCAL_PUBLIC,
						     MR_SOURCE_GATEWAYS };

	l->facts = l->rejects = false;
	for (size_t i = 0; i < MR_ARRAY_SIZE(kinds); i++)
		l->facts |= mr_policy_uses(l->policy, kinds[i]);
	for (unsigned int n = 1; n <= l->policy->n_numbered; n++) {
		const struct mr_service *s = NULL;
		const struct mr_rule *r = mr_policy_rule(l->policy, n, &s);

		if (r && r->action == MR_REJECT && (!s || s->mode == MR_MODE_ENFORCE))
			l->rejects = true;
	}
}

void mr_job_prepare(void *arg)
{
	struct mr_job *j = arg;
	struct mr_error e = { "" };

	if (j->kind == MR_JOB_CONFIRM) {
		j->r = mr_state_write_current(j->state_dir, &j->after, &e);
		if (j->r < 0)
			job_fails(j, j->r, MR_BUS_ERROR_KERNEL,
				  "the confirmation could not be kept: %s", e.text);
		return;
	}
	j->r = mr_host_read(&j->host, &e);
	if (j->r < 0)
		j->r = j->kind == MR_JOB_FACTS
			       ? job_fails(j, j->r, MR_BUS_ERROR_KERNEL, "%s", e.text)
			       : mr_host_empty(&j->host);
	if (j->r == 0)
		j->r = prepare_policy(j);
	if (j->r < 0)
		return;
	if (!j->borrowed)
		prepare_traits(j->live);
	j->r = mr_image_compile(j->live->policy, j->host, &j->image, &e);
	if (j->r < 0) {
		job_fails(j, j->r, MR_BUS_ERROR_CONFIG, "%s: %s", j->config,
			  *e.text ? e.text : strerror(-j->r));
		return;
	}
	j->prefixes4 = j->image->n4;
	j->prefixes6 = j->image->n6;
	j->classes = j->image->classes;
}

/* --- load ------------------------------------------------------------------------------------- */

static void state_trouble(struct mr_job *j, const char *text)
{
	if (!j->state_error)
		j->state_error = strdup(text);
}

static void write_ids(struct mr_job *j)
{
	_free_ char *path = mr_state_path(j->state_dir, "ids.json");
	struct mr_error e;
	int r;

	if (!j->ids)
		return;
	r = path ? mr_ids_snapshot_write(j->ids, path) : -ENOMEM;
	j->ids_written = r == 0;
	if (r == 0)
		return;
	mr_error(&e, r, "%s: %s", path ? path : "ids.json", strerror(-r));
	state_trouble(j, e.text);
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* Room for what the policy's `max` names, and for other keys.  An apply asks for it and fails
 * without; who goes back to a policy goes back with the maps that there are. */
static int make_room(struct mr_job *j)
{
	const struct mr_policy *p = j->live->policy;
	struct mr_error e = { "" };
	int r;

	if (j->kind == MR_JOB_FACTS)
		return 0;
	r = mr_resize_prepare(j->kernel, larger(p->permit.max, j->room[MR_PERMIT]),
			      larger(p->ban.max, j->room[MR_BAN]), &j->larger, &e);
	if (r == 0)
		return 0;
	if (j->kind == MR_JOB_APPLY)
		return job_fails(j, r, MR_BUS_ERROR_KERNEL, "%s", e.text);
	j->size_error = strdup(e.text);
	return 0;
}

void mr_job_zero(struct mr_job *j)
{
	for (unsigned int i = 0; j->fresh && i < MR_COUNTERS_MAX; i++)
		if (j->fresh[i])
			(void)mr_counters_reset_rule(j->kernel, i);
	free(MR_TAKE_PTR(j->fresh));
	for (unsigned int i = 0; i < MR_SERVICES_MAX; i++)
		if (j->fresh_services >> i & 1)
			(void)mr_counters_reset_service(j->kernel, i);
	j->fresh_services = 0;
}

void mr_job_load(void *arg)
{
	struct mr_job *j = arg;
	struct mr_error e = { "" };

	write_ids(j);
	mr_job_zero(j);
	j->r = make_room(j);
	if (j->r < 0)
		return;
	j->r = mr_generation_fill(j->kernel, &j->spec, &e);
	if (j->r < 0) {
		job_fails(j, j->r, j->r == -E2BIG ? MR_BUS_ERROR_FULL : MR_BUS_ERROR_KERNEL,
			  "the policy could not be loaded: %s", *e.text ? e.text : strerror(-j->r));
		return;
	}
	j->json = mr_report_generation(&j->spec, mr_realtime_us());
	j->json_text = j->json ? json_dumps(j->json, JSON_COMPACT) : NULL;
	mr_image_free(MR_TAKE_PTR(j->image));
	j->spec.image = NULL;
	/* last, so that little can still go wrong between the mark and the flip */
	if (!j->marked)
		return;
	j->r = mr_state_write_current(j->state_dir, &j->mark, &e);
	if (j->r < 0)
		job_fails(j, j->r, MR_BUS_ERROR_KERNEL,
			  "the mark of an unconfirmed policy could not be kept (%s), so a restart "
			  "would not take it back; nothing was changed",
			  e.text);
}

/* --- keep ------------------------------------------------------------------------------------- */

static void write_generation(struct mr_job *j)
{
	const char *text = j->json_text;
	_free_ char *path = mr_state_path(j->m->options.runtime_dir, MR_RUNTIME_GENERATION);
	struct mr_error e;
	int r = path ? mr_write_file(path, text, strlen(text), 0640) : -ENOMEM;

	if (r == 0)
		return;
	mr_error(&e, r, "%s/" MR_RUNTIME_GENERATION ": %s", j->m->options.runtime_dir,
		 strerror(-r));
	state_trouble(j, e.text);
}

void mr_job_keep(void *arg)
{
	struct mr_job *j = arg;
	const char *config = j->policy_config ? j->policy_config : j->config;
	struct mr_error e = { "" };
	int r = 0;

	if (j->json_text)
		write_generation(j);
	if (j->files.n)
		r = mr_state_save_policy(j->state_dir, j->live->snapshot, config, &j->files, &e);
	if (r == 0)
		r = mr_state_write_current(j->state_dir, &j->after, &e);
	if (r == 0)
		mr_state_collect(j->state_dir, &j->after, j->live ? j->live->snapshot : NULL);
	if (r < 0)
		state_trouble(j, *e.text ? e.text : strerror(-r));
	j->r = r;
	mr_files_clear(&j->files);
	j->files = (struct mr_files){ 0 };
}
