// SPDX-License-Identifier: BSD-2-Clause
/*
 * _ask.c - what a question of Postfix or Dovecot costs, beside postfwd.
 *
 * The real daemon with a million-prefix policy and 100,000 accounts in its file answers policy
 * requests as Postfix sends them, over one and over 50 connections, as fast as they go, and at
 * 10,000 a second; and Dovecot's auth policy questions over 100 connections at 2,000 a second.
 * postfwd (Debian's postfwd2) answers the same requests by six rules that ask the same.  First the
 * answers are looked at: who is denied, who may relay.  Called by bench.c.
 */
#include "_daemon.h"
#include "_load.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define PREFIXES	1000000
#define ACCOUNTS	100000
#define ACCOUNTS_A_FILE 20000
#define MANY		50 /* connections */
#define POLICY_RATE	10000 /* a second */
#define DOVECOT_RATE	2000
#define DOVECOT_LINES	100
#define DOVECOT_PORT	4001
#define POSTFWD_PORT	10045
#define POSTFWD_CACHE	10046
#define POSTFWD_MS	20000 /* it must answer by then */
#define RUN_MS		5000
#define RUN_QUICK_MS	1000

struct ask {
	struct bench *b;
	struct bench_daemon daemon;
	struct bench_list list;
	char policy[128];
	pid_t postfwd; /* 0: does not run */
	uint64_t rng;
	int kind; /* of every question; -1: all in turn */
};
enum { OFFICE, DENIED, STRANGER, LOGIN, KINDS };

/* --- questions -------------------------------------------------------------------------------- */

static size_t policy_ask(uint64_t number, char out[static BENCH_LOAD_BYTES], void *userdata)
{
	struct ask *a = userdata;
	unsigned int kind = a->kind >= 0 ? (unsigned int)a->kind : (unsigned int)(number % KINDS);
	uint64_t dice = bench_random(&a->rng);
	char address[32], user[48] = "";
	struct bench_prefix p;

	snprintf(address, sizeof(address), "192.0.2.%u", (unsigned int)(dice % 254 + 1));
	if (kind == DENIED) {
		bench_list_draw(&a->list, &a->rng, &p);
		snprintf(address, sizeof(address), "%u.%u.%u.%u", (unsigned int)(p.lo >> 24 & 255),
			 (unsigned int)(p.lo >> 16 & 255), (unsigned int)(p.lo >> 8 & 255),
			 (unsigned int)(p.lo & 255));
	} else if (kind != OFFICE) {
		snprintf(address, sizeof(address), "203.0.113.%u", (unsigned int)(dice % 254 + 1));
	}
	if (kind == LOGIN)
		snprintf(user, sizeof(user), "user%u@example.com",
			 (unsigned int)(dice >> 8) % ACCOUNTS);
	return (size_t)snprintf(
		out, BENCH_LOAD_BYTES,
		"request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n"
		"client_address=%s\nclient_name=host%u.example.net\nclient_port=%u\n"
		"reverse_client_name=host%u.example.net\nserver_address=192.0.2.1\n"
		"server_port=25\nhelo_name=mail.example.net\nsender=someone%u@example.net\n"
		"recipient=user%u@example.%s\nrecipient_count=0\nqueue_id=\n"
		"instance=1a2b.%llx.0\nsize=%u\netrn_domain=\nstress=\nsasl_method=%s\n"
		"sasl_username=%s\nsasl_sender=\nccert_subject=\nccert_issuer=\n"
		"ccert_fingerprint=\nccert_pubkey_fingerprint=\nencryption_protocol=TLSv1.3\n"
		"encryption_cipher=TLS_AES_256_GCM_SHA384\nencryption_keysize=256\n"
		"policy_context=%s\n\n",
		address, (unsigned int)(dice % 1000), 1024 + (unsigned int)(dice % 60000),
		(unsigned int)(dice % 1000), (unsigned int)(dice % 5000),
		(unsigned int)(dice >> 16 & 4095), number & 4 ? "com" : "org",
		(unsigned long long)number, (unsigned int)(dice % 90000), *user ? "PLAIN" : "",
		user, a->kind >= 0 || number & 8 ? "relay" : "");
}

static ssize_t policy_answer(const char *p, size_t n)
{
	static const char head[] = "action=";
	const char *end;
	size_t skip = 0;

	while (skip < n && p[skip] == '\n') /* of the last one: postfwd sends it apart */
		skip++;
	if (n - skip < sizeof(head) - 1)
		return 0;
	if (memcmp(p + skip, head, sizeof(head) - 1) != 0)
		return -EPROTO;
	end = memmem(p + skip, n - skip, "\n\n", 2);
	return end ? end + 2 - p : 0;
}

static size_t dovecot_ask(uint64_t number, char out[static BENCH_LOAD_BYTES], void *userdata)
{
	struct ask *a = userdata;
	uint64_t dice = bench_random(&a->rng);
	char body[512];
	int n;

	n = snprintf(body, sizeof(body),
		     "{\"device_id\":\"\",\"login\":\"user%u@example.com\",\"protocol\":\"imap\","
		     "\"pwhash\":\"09af\",\"remote\":\"203.0.113.%u\",\"session_id\":\"s%llu\","
		     "\"tls\":false}",
		     (unsigned int)(dice % ACCOUNTS), (unsigned int)(dice >> 32) % 254 + 1,
		     (unsigned long long)number);
	return (size_t)snprintf(out, BENCH_LOAD_BYTES,
				"POST /?command=allow HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
				"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
				DOVECOT_PORT, n, body);
}

static ssize_t dovecot_answer(const char *p, size_t n)
{
	static const char length[] = "Content-Length: ";
	const char *end = memmem(p, n, "\r\n\r\n", 4), *field;
	size_t want;

	if (!end)
		return 0;
	field = memmem(p, (size_t)(end - p), length, sizeof(length) - 1);
	if (memcmp(p, "HTTP/1.1 200", 12) != 0 || !field)
		return -EPROTO;
	want = (size_t)(end + 4 - p) + strtoul(field + sizeof(length) - 1, NULL, 10);
	return n >= want ? (ssize_t)want : 0;
}

/* --- those who answer ------------------------------------------------------------------------- */

/* One file of the configuration may have 4 MiB. */
static int write_accounts(struct ask *a)
{
	char path[128];

	for (unsigned int i = 0; i < ACCOUNTS; i += ACCOUNTS_A_FILE) {
		_fclose_ FILE *f = NULL;

		snprintf(path, sizeof(path), "%s/accounts%u.conf", a->daemon.dir, i);
		f = fopen(path, "we");
		if (!f)
			return -errno;
		for (unsigned int k = i; k < i + ACCOUNTS_A_FILE; k++)
			fprintf(f,
				"account \"user%u@example.com\" { smtp allow 203.0.113.0/24; "
				"imap allow 203.0.113.0/24; sieve allow 192.0.2.0/24; }\n",
				k);
		if (fflush(f) != 0)
			return -EIO;
	}
	return 0;
}

static int start(struct ask *a, struct mr_error *e)
{
	char config[1024], path[128], log[128];
	int r = bench_daemon_new(a->b, "ask", 6, &a->daemon, e);

	if (r < 0)
		return r;
	snprintf(a->policy, sizeof(a->policy), "%s/sockets/policy", a->daemon.dir);
	snprintf(path, sizeof(path), "%s/list.txt", a->daemon.dir);
	snprintf(log, sizeof(log), "%s/mail.log", a->daemon.dir);
	r = bench_list_make(BENCH_MIXED, PREFIXES, a->b->seed, &a->list);
	if (r == 0)
		r = bench_list_write(&a->list, BENCH_PLAIN, path);
	if (r == 0)
		r = write_accounts(a);
	if (r == 0)
		r = mr_write_file(log, "", 0, 0644);
	snprintf(config, sizeof(config),
		 "interface r0;\nset list { file \"list.txt\"; }\nset office { 192.0.2.0/24; }\n"
		 "global { deny @list; }\n"
		 "service smtp { allow @office noauth; allow permitted noauth; allow any; }\n"
		 "service submission { allow permitted; }\n"
		 "service imap { allow any; }\nservice imaps { allow any; }\n"
		 "relay { local-domains { example.com }; }\n"
		 "listen { policy \"%s\"; }\ndovecot { }\nlearn { file \"%s\"; }\n"
		 "include \"accounts*.conf\";\n",
		 a->policy, log);
	if (r == 0)
		r = bench_daemon_config(&a->daemon, config);
	if (r < 0)
		return mr_error(e, r, "%s: %s", a->daemon.dir, strerror(-r));
	return bench_daemon_start(&a->daemon);
}

static const char postfwd_rules[] =
	"id=KILL; sender==spam@bad.example; action=501 5.7.1 unacceptable mail address\n"
	"id=BLOCK; client_address=198.51.100.0/24; action=550 5.7.1 access denied\n"
	"id=OFFICE; client_address=192.0.2.0/24; action=OK\n"
	"id=LOGIN; sasl_username=~^.+$; action=DUNNO\n"
	"id=LOCAL; recipient_domain==example.com; action=DUNNO\n"
	"id=REST; action=550 5.7.1 unknown local host, not a gateway\n";

static _Noreturn void exec_postfwd(struct ask *a, const char *rules)
{
	char log[128], server[64], cache[64], pid[128];
	int fd;

	snprintf(log, sizeof(log), "%s/postfwd.log", a->daemon.dir);
	snprintf(pid, sizeof(pid), "%s/postfwd.pid", a->daemon.dir);
	snprintf(server, sizeof(server), "tcp:127.0.0.1:%d", POSTFWD_PORT);
	snprintf(cache, sizeof(cache), "tcp:127.0.0.1:%d", POSTFWD_CACHE);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd >= 0 && bench_ns_enter(a->daemon.wire.ns) == 0 && dup2(fd, 1) == 1 &&
	    dup2(fd, 2) == 2)
		execlp("postfwd2", "postfwd2", "--file", rules, "--server_socket", server,
		       "--cache_socket", cache, "--user", "root", "--group", "root", "--nodns",
		       "--pidfile", pid, (char *)NULL);
	_exit(127);
}

static void load(struct ask *a, bool own, unsigned int connections, double rate, double ms,
		 struct bench_load *l)
{
	*l = (struct bench_load){ .path = own ? a->policy : NULL,
				  .port = POSTFWD_PORT,
				  .ns = a->daemon.wire.ns,
				  .connections = connections,
				  .rate = rate,
				  .ms = ms,
				  .ask = policy_ask,
				  .answer = policy_answer,
				  .userdata = a };
}

/* It goes into the background whatever it is told, as the head of a process group. */
static pid_t postfwd_pid(struct ask *a)
{
	_free_ char *text = NULL;
	char path[128];
	size_t n;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/postfwd.pid", a->daemon.dir);
	if (mr_read_file(path, 64, &text, &n) < 0)
		return 0;
	pid = (pid_t)strtol(text, NULL, 10);
	return pid > 1 && getpgid(pid) == pid ? pid : 0;
}

static int start_postfwd(struct ask *a, struct mr_error *e)
{
	double from = bench_now_ms();
	struct bench_load_result result;
	struct bench_load l;
	char rules[128];
	pid_t starter;
	int r, status;

	snprintf(rules, sizeof(rules), "%s/postfwd.cf", a->daemon.dir);
	r = mr_write_file(rules, postfwd_rules, sizeof(postfwd_rules) - 1, 0644);
	if (r < 0)
		return mr_error(e, r, "%s: %s", rules, strerror(-r));
	starter = fork();
	if (starter == 0)
		exec_postfwd(a, rules);
	if (starter < 0 || waitpid(starter, &status, 0) != starter || status != 0)
		return mr_error(e, -ENOENT, "postfwd2 is not installed, or does not start");
	load(a, false, 1, 0, 1, &l);
	do {
		usleep(100000);
		r = bench_load_run(&l, &result, e);
		if (a->postfwd == 0)
			a->postfwd = postfwd_pid(a);
	} while (r < 0 && bench_now_ms() - from < POSTFWD_MS);
	return r;
}

static void stop_postfwd(struct ask *a)
{
	if (a->postfwd <= 0)
		return;
	kill(-a->postfwd, SIGTERM);
	usleep(500000);
	kill(-a->postfwd, SIGKILL); /* children that hang */
	a->postfwd = 0;
}

/* --- measurements ----------------------------------------------------------------------------- */

static int expect(struct ask *a, int kind, const char *want, struct mr_error *e)
{
	struct bench_load_result result;
	struct bench_load l;
	int r;

	load(a, true, 1, 0, 1, &l);
	a->kind = kind;
	r = bench_load_run(&l, &result, e);
	for (int i = 0; r < 0 && i < 100; i++) { /* the sockets come after the filter */
		usleep(100000);
		r = bench_load_run(&l, &result, e);
	}
	a->kind = -1;
	if (r == 0 && strncmp(result.first, want, strlen(want)) != 0)
		r = mr_error(e, -EPROTO, "the answer is %.40s, not %s", result.first, want);
	return r;
}

static int measure(struct ask *a, const char *name, const struct bench_load *l,
		   struct bench_load_result *out, struct mr_error *e)
{
	char rate[32] = "as they go";
	int r = bench_load_run(l, out, e);

	if (r < 0)
		return r;
	if (l->rate > 0)
		snprintf(rate, sizeof(rate), "%.0f/s", l->rate);
	printf("  %-22s %4u %12s %12.0f %9.3f %9.3f %9.2f\n", name, l->connections, rate,
	       out->a_second, out->p50, out->p99, out->worst);
	json_array_append_new(json_object_get(a->b->json, "ask"),
			      json_pack("{s:s, s:i, s:f, s:f, s:f, s:f, s:f}", "name", name,
					"connections", (int)l->connections, "rate", l->rate,
					"a_second", out->a_second, "p50_ms", out->p50, "p99_ms",
					out->p99, "worst_ms", out->worst));
	return 0;
}

static int measure_own(struct ask *a, double ms, struct bench_load_result *one, struct mr_error *e)
{
	struct bench_load_result many, steady, dovecot;
	struct bench_load l;
	int r;

	load(a, true, 1, 0, ms, &l);
	r = measure(a, "mailreeve", &l, one, e);
	load(a, true, MANY, 0, ms, &l);
	if (r == 0)
		r = measure(a, "mailreeve", &l, &many, e);
	load(a, true, MANY, POLICY_RATE, ms, &l);
	if (r == 0)
		r = measure(a, "mailreeve", &l, &steady, e);
	load(a, true, DOVECOT_LINES, DOVECOT_RATE, ms, &l);
	l.path = NULL;
	l.port = DOVECOT_PORT;
	l.ask = dovecot_ask;
	l.answer = dovecot_answer;
	if (r == 0)
		r = measure(a, "mailreeve, Dovecot", &l, &dovecot, e);
	if (r < 0)
		return r;
	bench_bar(a->b, "policy at 10,000 requests a second, p99", steady.p99, 1, false, "ms");
	bench_bar(a->b, "policy, of 10,000 requests a second answered", steady.a_second,
		  POLICY_RATE * 0.99, true, "/s");
	bench_bar(a->b, "Dovecot at 2,000 requests a second, p99", dovecot.p99, 5, false, "ms");
	return 0;
}

static int measure_postfwd(struct ask *a, double ms, const struct bench_load_result *own,
			   struct mr_error *e)
{
	static const char what[] = "policy over one connection, of postfwd's";
	struct bench_load_result one, many;
	struct bench_load l;
	int r;

	if (a->b->no_others) {
		bench_bar_missing(a->b, what, "left out");
		return 0;
	}
	r = start_postfwd(a, e);
	load(a, false, 1, 0, ms, &l);
	if (r == 0)
		r = measure(a, "postfwd2, 6 rules", &l, &one, e);
	load(a, false, MANY, 0, ms, &l);
	if (r == 0 && measure(a, "postfwd2, 6 rules", &l, &many, e) < 0)
		printf("  %-22s %4u  %s\n", "postfwd2, 6 rules", MANY, e->text);
	stop_postfwd(a);
	if (r < 0)
		bench_bar_missing(a->b, what, e->text);
	else
		bench_bar(a->b, what, own->a_second / one.a_second, 50, true, "x");
	return 0;
}

int bench_ask(struct bench *b)
{
	struct ask a = { .b = b, .daemon.wire.ns = -EBADF, .rng = b->seed, .kind = -1 };
	double ms = b->quick ? RUN_QUICK_MS : RUN_MS;
	struct mr_error e = { "" };
	struct bench_load_result one;
	cpu_set_t pinned;
	int r;

	if (sched_getaffinity(0, sizeof(pinned), &pinned) < 0 ||
	    sched_setaffinity(0, sizeof(b->cpus), &b->cpus) < 0)
		return -errno;
	printf("\nQuestions of mail servers: %d prefixes, %d accounts\n", PREFIXES, ACCOUNTS);
	json_object_set_new(b->json, "ask", json_array());
	r = start(&a, &e);
	if (r == 0)
		r = expect(&a, OFFICE, "action=OK", &e);
	if (r == 0)
		r = expect(&a, DENIED, "action=550", &e);
	if (r == 0)
		printf("  %-22s %4s %12s %12s %9s %9s %9s\n", "", "over", "rate", "answers/s",
		       "p50 ms", "p99 ms", "worst ms");
	if (r == 0)
		r = measure_own(&a, ms, &one, &e);
	if (r == 0)
		r = measure_postfwd(&a, ms, &one, &e);
	bench_bar_missing(b, "1,000,000 accounts in SQLite, an answer",
			  "tests/bench/dovecot.sh measures it");
	if (r < 0) {
		bench_bar_missing(b, "questions of mail servers", *e.text ? e.text : strerror(-r));
		bench_daemon_log(&a.daemon);
	}
	bench_daemon_clear(&a.daemon);
	bench_list_clear(&a.list);
	sched_setaffinity(0, sizeof(pinned), &pinned);
	return r;
}
