// SPDX-License-Identifier: BSD-2-Clause
/*
 * job.c - makes and frees policies in force and jobs, and tells what a job did (apply.h).
 *
 * Called by apply.c and by the control methods, on the main thread.
 */
#include "apply.h"

struct mr_live *mr_live_new(void)
{
	return calloc(1, sizeof(struct mr_live));
}

void mr_live_free(struct mr_live *l)
{
	if (!l)
		return;
	mr_policy_free(l->policy);
	mr_host_free(l->host);
	free(l->service_id);
	free(l->rule_counter);
	json_decref(l->json);
	free(l);
}

void mr_job_free(struct mr_job *j)
{
	if (!j)
		return;
	if (!j->borrowed)
		mr_live_free(j->live);
	mr_host_free(j->host);
	mr_files_clear(&j->files);
	mr_findings_clear(&j->findings);
	mr_image_free(j->image);
	mr_kernel_free(j->larger);
	json_decref(j->json);
	free(j->json_text);
	free(j->policy_config);
	free(j->why);
	free(j->rule_counter);
	free(j->service_id);
	free(j->fresh);
	mr_ids_snapshot_free(j->ids);
	free(j->size_error);
	free(j->state_error);
	free(j->text);
	free(j);
}

json_t *mr_job_summary(const struct mr_job *j)
{
	json_t *risks = json_array(), *notes = json_array();

	for (size_t i = 0; i < j->findings.n; i++) {
		const struct mr_finding *f = &j->findings.list[i];

		if (f->grade != MR_ERROR)
			json_array_append_new(f->grade == MR_RISK ? risks : notes,
					      mr_report_finding(f));
	}
	return json_pack("{s:I,s:f,s:I,s:I,s:I,s:I,s:I,s:b,s:o,s:o,s:o}", "generation",
			 (json_int_t)j->generation, "seconds", j->seconds, "prefixes4",
			 (json_int_t)j->prefixes4, "prefixes6", (json_int_t)j->prefixes6, "classes",
			 (json_int_t)j->classes, "rules", (json_int_t)j->live->policy->n_numbered,
			 "services",
			 (json_int_t)json_array_size(json_object_get(j->live->json, "services")),
			 "changed", j->changed, "confirm",
			 j->confirm_us ? json_real((double)j->confirm_us / 1e6) : json_null(),
			 "risks", risks, "notes", notes);
}

const char *mr_job_name(const struct mr_job *j)
{
	static const char *const names[] = {
		[MR_JOB_START] = "start",     [MR_JOB_APPLY] = "apply",
		[MR_JOB_UNDO] = "undo",	      [MR_JOB_ROLLBACK] = "roll-back",
		[MR_JOB_FACTS] = "recompile", [MR_JOB_CONFIRM] = "confirm",
	};

	return names[j->kind];
}
