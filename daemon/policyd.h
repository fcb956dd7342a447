/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policyd.h - what the files that answer Postfix share: sockets, those who ask, the lists.
 *
 * policyd.c has the sockets, asker.c the connections, answer.c the answers, relay_files.c the lists
 * of the relay block.  All of it on the main thread.
 */
#ifndef MAILREEVE_DAEMON_POLICYD_H
#define MAILREEVE_DAEMON_POLICYD_H

#include "accounts.h"
#include "rest.h"

#include <mailreeve/policy_protocol.h>
#include <mailreeve/relay.h>
#include <mailreeve/socketmap.h>
#include <sys/stat.h>

#define MR_ASKERS_MAX 1024 /* connections: Postfix has 100 smtpd by default, each with a few */
/* Bytes of answers that nobody has taken yet, of all connections together: one that asks a hundred
 * thousand times before it reads gets its answers, one that never reads fills no memory. */
#define MR_ASKERS_OUT (8u << 20)
#define MR_DRAIN_NS   20000000 /* what a refusal for want of a permit may wait for the sources */
#define MR_ASK_LOGS   50 /* lines a second about answers, and about trouble: a flood logs itself */

struct mr_listener {
	struct mr_policyd *d;
	enum mr_listen_kind kind;
	char *path; /* NULL: TCP */
	struct mr_addr address;
	uint16_t port;
	int fd; /* -EBADF: not yet */
	sd_event_source *io;
	struct mr_rest rest;
	struct stat st; /* of the socket's file, to know it again */
	char *error; /* why not, told once */
	bool made; /* the directory is ours */
	bool quiet; /* … and nobody misses it */
	bool keep; /* named by the policy that takes effect */
};

struct mr_asker;

struct mr_relay_file {
	struct stat st; /* as read last; st_ino 0: never */
	char *path; /* NULL: not in the policy */
	char *error; /* the file as it is now; NULL: fine */
};

struct mr_policyd_counts {
	uint64_t questions, ok, dunno, refused, shadow, prepended; /* policy */
	uint64_t lookups, found; /* socketmap */
	uint64_t broken; /* conversations ended for trouble */
	uint64_t drained; /* answers that waited for the sources */
};

struct mr_policyd {
	struct mr_manager *m;
	struct mr_listener **listener;
	size_t listeners, allocated;
	sd_event_source *retry, *sweep, *ready;
	int epoll; /* where those who ask stand; -EBADF: nobody asked yet */
	struct mr_asker *asker; /* all of them, a list */
	size_t askers;
	size_t out; /* bytes of answers that wait, of all of them */
	bool full_told; /* that there are too many */
	struct mr_relay_lists *lists; /* of the policy in force; NULL: none */
	const struct mr_policy *lists_of; /* compared, never read */
	struct mr_relay_file file[3]; /* by enum mr_names_kind */
	uint64_t checked; /* boot ns of the last look at the files */
	struct mr_policyd_counts counts;
	uint64_t log_second; /* boot second of the allowance */
	unsigned int log_lines[2], log_lost; /* answers, trouble: neither drowns the other */
};

/* asker.c */
void mr_asker_new(struct mr_policyd *d, const struct mr_listener *l, int fd);
/* Makes room: the connection that was quiet for longest goes.  False: all wait for an answer. */
bool mr_askers_let_go(struct mr_policyd *d);
void mr_askers_close(struct mr_policyd *d);

/* answer.c */
struct mr_answer {
	char text[MR_SOCKETMAP_NETSTRING + 32]; /* the whole reply, as it goes out */
	size_t len;
};
/* `seen` keeps the instance of the last message that got a header: one is enough. */
#define MR_INSTANCE 64 /* bytes kept of it */
/*
 * 0: answered.  -EINPROGRESS: the store of accounts is asked first; `done` says later what it said,
 * and mr_answer_policy_known() answers then (accounts.h; the request must live until then).
 */
int mr_answer_policy(struct mr_policyd *d, const struct mr_policy_request *r,
		     char seen[static MR_INSTANCE], struct mr_answer *out, mr_accounts_done done,
		     void *userdata);
void mr_answer_policy_known(struct mr_policyd *d, const struct mr_policy_request *r,
			    bool account_refuses, char seen[static MR_INSTANCE],
			    struct mr_answer *out);
void mr_answer_socketmap(struct mr_policyd *d, const struct mr_socketmap_request *r,
			 struct mr_answer *out);
/* A line about an answer, or about trouble with who asks, may be written now. */
bool mr_answer_may_log(struct mr_policyd *d, bool trouble);

/* relay_files.c */
/* The lists of the policy in force, files looked at anew if they changed; NULL: no memory. */
const struct mr_relay_lists *mr_relay_files(struct mr_policyd *d);
void mr_relay_files_clear(struct mr_policyd *d);

#endif
