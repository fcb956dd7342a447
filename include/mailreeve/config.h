/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.h - from text to policy, from policy to text.
 *
 * A load reads through `struct mr_files`, so that the same parser reads the disk, a snapshot that
 * the daemon kept, or a buffer of a test; what was read can be handed on to be kept.
 */
#ifndef MAILREEVE_CONFIG_H
#define MAILREEVE_CONFIG_H

#include <mailreeve/host.h>
#include <mailreeve/policy.h>

enum mr_grade { MR_ERROR, MR_RISK, MR_NOTE };
struct mr_finding {
	enum mr_grade grade;
	const char *file; /* path */
	unsigned int line, column, length; /* length of the underline, columns; 0 = none */
	const char *message;
	const char *hint; /* the way out, or NULL */
	const char *source; /* the line of text, for the underline, or NULL */
};
#define MR_ERRORS_SHOWN 20 /* errors shown in one go; the rest is counted */
struct mr_findings {
	struct mr_finding *list;
	size_t n, allocated;
	size_t errors, risks, notes; /* counts, also of what is not in the list */
	void *arena;
};
void mr_findings_clear(struct mr_findings *f);
/* The whole message: "FILE:LINE:COLUMN: error: …", the line, the underline, the hint. */
void mr_finding_print(const struct mr_finding *f, FILE *out);

struct mr_file {
	char *path;
	char *data; /* NUL-terminated */
	size_t len;
	bool missing; /* asked for, was not there */
};
/* Everything one load has read, in the order it was asked for; globs as the list of their matches.
 */
struct mr_glob {
	char *pattern;
	char **paths;
	size_t n;
};
struct mr_files {
	struct mr_file *file;
	size_t n, allocated;
	struct mr_glob *glob;
	size_t n_globs, allocated_globs;
	bool frozen; /* nothing is read from disk: what is not here is missing */
};
void mr_files_clear(struct mr_files *f);

#define MR_CONFIG_MAX	 (4u << 20) /* bytes of one configuration file */
#define MR_LIST_MAX	 (1u << 30) /* bytes of one list file */
#define MR_INCLUDE_DEPTH 16 /* includes within includes: more is a loop */

/*
 * Loads and checks `path`.  `files` may be NULL (read the disk, keep nothing).  `host` may be NULL
 * (findings that need it are left out).  0: *out is a policy, findings hold risks and notes.
 * -EINVAL: findings hold the errors, *out untouched.  Other: -errno of reading `path` itself, also
 * a finding.
 */
int mr_config_load(const char *path, struct mr_files *files, const struct mr_host *host,
		   struct mr_findings *findings, struct mr_policy **out);

/*
 * Adds the risks that only a compiled policy shows: rules that earlier ones cover together.  Call
 * it behind mr_config_load() with the same findings; what stands there already is not repeated.
 */
struct mr_image;
void mr_config_check_image(const struct mr_policy *p, const struct mr_image *image,
			   struct mr_findings *findings);

/*
 * Adds what is wrong with the files of secrets that the policy names, as the daemon, which runs as
 * `user`, will see them: one that others may read is an error.  `group`: his group.  Changes and
 * reads nothing of them; what the caller may not look at is a note.
 */
void mr_config_check_secrets(const struct mr_policy *p, uid_t user, gid_t group,
			     struct mr_findings *findings);
/* Whether the kill, accept and groups files can be read, and hold nothing else. */
void mr_config_check_names(const struct mr_policy *p, struct mr_findings *findings);

/* The normal form: parses to a policy with the same normal form. */
int mr_config_print(const struct mr_policy *p, FILE *out);

#endif
