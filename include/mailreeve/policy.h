/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy.h - the domain model: what a configuration file says, checked and complete.
 *
 * Made by mr_config_load() (config.h), read by the compiler (image.h), the reference matcher
 * (match.h), the checker and the printer; nobody changes it afterwards.  Everything hangs off the
 * policy and goes with mr_policy_free().
 */
#ifndef MAILREEVE_POLICY_H
#define MAILREEVE_POLICY_H

#include <mailreeve/abi.h>
#include <mailreeve/set.h>

struct mr_place {
	uint16_t file; /* index in policy->files */
	uint16_t column; /* from 1; 0 = unknown */
	uint32_t line; /* from 1; 0 = not from a file */
};

enum mr_source_kind {
	MR_SOURCE_ANY,
	MR_SOURCE_SET, /* @name, and every literal address, CIDR, range: an anonymous set */
	MR_SOURCE_LOCAL, /* the host's addresses and private connected networks */
	MR_SOURCE_LOCAL_PUBLIC, /* … and public connected networks too */
	MR_SOURCE_GATEWAYS,
	MR_SOURCE_LOOPBACK, /* 127.0.0.0/8, ::1 */
	MR_SOURCE_PERMITTED,
	MR_SOURCE_BANNED,
	MR_SOURCE_NAME, /* verified host name; asked at the login layer only */
};
struct mr_source {
	enum mr_source_kind kind;
	size_t set; /* MR_SOURCE_SET: index in policy->sets */
	const char *domain; /* MR_SOURCE_NAME */
};

struct mr_rule {
	enum mr_action action; /* ALLOW, DENY or REJECT */
	struct mr_source source;
	const char *const *users; /* NULL: no limit */
	size_t n_users;
	bool noauth;
	bool implied; /* the `deny banned` that nobody wrote; rule number 0 in outcomes */
	uint16_t number; /* 1..MR_RULES_MAX, in file order over the whole policy; 0 if implied */
	struct mr_place place;
	const char *text; /* normal form without the semicolon: "deny @spamhaus" */
};

enum mr_family { MR_FAMILY_NONE, MR_FAMILY_SMTP, MR_FAMILY_POP3, MR_FAMILY_IMAP, MR_FAMILY_SIEVE };
enum mr_mode { MR_MODE_ENFORCE, MR_MODE_SHADOW, MR_MODE_OFF };

#define MR_SERVICE_PORTS_MAX \
	64 /* ports of one service; a port is a byte in the port table, this is taste */
struct mr_service {
	const char *name;
	enum mr_family family;
	uint16_t ports[MR_SERVICE_PORTS_MAX];
	size_t n_ports;
	enum mr_mode mode;
	bool has_default; /* `default` was written */
	bool default_allow; /* for unmatched; without rules and without `default`: allow */
	bool noglobal;
	bool nobans;
	bool established_any;
	struct mr_addr *to;
	size_t n_to;
	struct mr_rule *rules; /* the implied `deny banned` first, if it applies */
	size_t n_rules;
	struct mr_place place;
};

struct mr_named_set {
	const char *name; /* NULL: anonymous, one literal of a rule */
	const char *text; /* normal form of the literal, or NULL */
	struct mr_set set;
	struct mr_place place;
	/* what was written, for the normal form: prefixes and file statements in order */
	struct mr_set_part *parts;
	size_t n_parts;
};
struct mr_set_part {
	const char *text; /* prefix or range in normal form; or path as written if file */
	bool file, lenient, optional;
};

struct mr_threshold { /* N in WINDOW; 0 = never */
	uint32_t count;
	uint64_t window_us; /* 0: at once */
};
struct mr_permit_options {
	uint64_t ttl_us; /* default 30 min */
	uint64_t max_age_us; /* 0 = no cap */
	uint32_t max; /* map size */
	uint8_t ipv6_prefix; /* default 128 */
	uint32_t addresses_per_user, users_per_address, per_prefix;
	const char *const *users; /* who earns permits; NULL = everybody */
	size_t n_users;
	const char *const
		*services; /* what a learned permit opens; NULL = what names `permitted` */
	size_t n_services;
};
struct mr_ban_options {
	uint64_t ttl_us; /* default 1 h */
	uint32_t max;
	uint8_t ipv6_prefix; /* default 64 */
	struct mr_threshold on_failure; /* default 5 in 10m */
	struct mr_threshold on_abuse; /* default 1 */
	uint32_t escalate; /* factor, 0 = off */
	uint64_t escalate_max_us;
	const char *const *services; /* NULL = all */
	size_t n_services;
	struct mr_source *except; /* sets, local, … */
	size_t n_except;
};

enum mr_learn_kind { MR_LEARN_JOURNAL, MR_LEARN_FILE, MR_LEARN_STDIN };
struct mr_learn_source {
	enum mr_learn_kind kind;
	const char *path; /* file; absolute */
	const char *const *units; /* journal */
	size_t n_units;
	const char *const *identifiers;
	size_t n_identifiers;
	const char *const *facilities;
	size_t n_facilities;
	const char *const *formats; /* NULL = all that are on by default */
	size_t n_formats;
	bool from_start;
	uint64_t since_us;
	struct mr_place place;
};

enum mr_relay_mode {
	MR_RELAY_ADDRESSES,
	MR_RELAY_ANYONE,
	MR_RELAY_NONE,
	MR_RELAY_LOCAL_HOSTS,
	MR_RELAY_LOCAL_USERS
};
struct mr_relay_options {
	bool given;
	enum mr_relay_mode mode;
	const char *const *local_domains;
	size_t n_local_domains;
	const char *const *to;
	size_t n_to;
	const char *kill_file, *accept_file, *groups_file; /* absolute, or NULL */
	bool check_sender;
	/* NULL: the default wording (relay.c); with or without a reply code in front */
	const char *refuse_relay_text, *refuse_sender_text, *refuse_access_text, *refuse_group_text;
	const char *header; /* "NAME: VALUE" for mail from `noauth` networks; NULL: none */
	struct mr_place place;
};

/* Where the mail servers ask. */
enum mr_listen_kind { MR_LISTEN_POLICY, MR_LISTEN_SOCKETMAP, MR_LISTEN_KINDS };
#define MR_LISTEN_DIR "/var/spool/postfix/mailreeve" /* inside Debian's chroot of Postfix */
struct mr_listen {
	enum mr_listen_kind kind;
	const char *path; /* a unix socket; NULL: TCP */
	struct mr_addr address; /* loopback */
	uint16_t port;
	struct mr_place place;
};

struct mr_account_rule {
	enum mr_action action;
	enum mr_family family; /* MR_FAMILY_NONE: every family */
	struct mr_source source; /* any, a set, or NONE below */
	bool none;
	struct mr_place place;
};
struct mr_account {
	const char *name;
	struct mr_account_rule *rules;
	size_t n_rules;
	struct mr_place place;
};
enum mr_accounts_kind { MR_ACCOUNTS_NONE, MR_ACCOUNTS_SQLITE, MR_ACCOUNTS_MARIADB };
struct mr_accounts_options {
	enum mr_accounts_kind kind;
	const char *path; /* sqlite; NULL: accounts.db in the state directory */
	const char *host, *socket, *database, *user, *password_file;
	uint16_t port;
	uint64_t ttl_us;
	enum { MR_ON_FAILURE_LAST, MR_ON_FAILURE_ALLOW, MR_ON_FAILURE_DENY } on_failure;
	struct mr_place place;
};

struct mr_format_option {
	const char *name;
	const char *program;
	const char *const *login;
	size_t n_login;
	const char *const *failure;
	size_t n_failure;
	const char *const *logout;
	size_t n_logout;
	struct mr_place place;
};

/* Where Dovecot asks (auth policy), and what it needs to prove that it is Dovecot. */
#define MR_DOVECOT_PORT	      4001
#define MR_DOVECOT_SECRET     "dovecot.secret" /* in the state directory */
#define MR_DOVECOT_LISTEN_MAX 8 /* addresses: two are usual */
#define MR_DOVECOT_TEXT_MAX   200 /* bytes: it becomes part of one reply line */
struct mr_dovecot_listen {
	struct mr_addr address; /* loopback */
	uint16_t port;
};
struct mr_dovecot_options {
	bool given; /* else nothing listens */
	struct mr_dovecot_listen listen[MR_DOVECOT_LISTEN_MAX];
	size_t n_listen; /* 0: 127.0.0.1 and ::1, MR_DOVECOT_PORT */
	const char *secret_file; /* NULL: MR_DOVECOT_SECRET in the state directory */
	const char *refuse_text; /* what a refused client is told; NULL: Dovecot's own words */
	struct mr_place place;
};

enum mr_index_mode { MR_INDEX_AUTO, MR_INDEX_ON, MR_INDEX_OFF };

struct mr_policy {
	const char **files; /* paths as opened; files[0] is the configuration itself */
	size_t n_files;
	const char **interfaces; /* device names; none and interface_default for `default` */
	size_t n_interfaces;
	bool interface_default;
	enum mr_index_mode index;
	struct mr_named_set *sets;
	size_t n_sets;
	size_t proxies; /* index of the anonymous set + 1, 0 = none */
	struct mr_rule *global;
	size_t n_global;
	struct mr_service *services; /* in file order; mode off ones too */
	size_t n_services;
	size_t n_numbered; /* rules with a number */
	struct mr_permit_options permit;
	struct mr_ban_options ban;
	struct mr_learn_source *learn;
	size_t n_learn;
	struct mr_relay_options relay;
	struct mr_listen *listen; /* as written */
	size_t n_listen;
	bool listen_given[MR_LISTEN_KINDS]; /* else MR_LISTEN_DIR; given and none: off */
	struct mr_account *account;
	size_t n_account;
	struct mr_accounts_options accounts;
	struct mr_dovecot_options dovecot;
	struct mr_format_option *formats;
	size_t n_formats;
	void *arena; /* owns every string and array above but the sets' own arrays */
};

void mr_policy_free(struct mr_policy *p);
MR_DEFINE_CLEANUP(struct mr_policy *, mr_policy_free)

/* The rule with this number (1..), or NULL; *service is NULL for a rule of `global`. */
const struct mr_rule *mr_policy_rule(const struct mr_policy *p, unsigned int number,
				     const struct mr_service **service);
const struct mr_service *mr_policy_service(const struct mr_policy *p, const char *name);
const struct mr_service *mr_policy_port(const struct mr_policy *p, uint16_t port);
bool mr_policy_uses(const struct mr_policy *p,
		    enum mr_source_kind kind); /* in any rule that is live */

struct mr_host;
/* The prefixes of a source; NULL where it is none of prefixes, or of the host and there is no h.
 * For the compiler and the learner: the reference matcher (match.h) reads for itself. */
const struct mr_set *mr_policy_source_set(const struct mr_policy *p, const struct mr_host *h,
					  const struct mr_source *s);

/* The built-in services: name, family, ports. */
struct mr_builtin_service {
	const char *name;
	enum mr_family family;
	uint16_t port;
};
extern const struct mr_builtin_service mr_builtin_services[]; /* ends with name NULL */

#endif
