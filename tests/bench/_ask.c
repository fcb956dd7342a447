// SPDX-License-Identifier: BSD-2-Clause
/*
 * _ask.c - what a question of Postfix or Dovecot costs, beside postfwd and the machine's own floor.
 *
 * The real daemon with a million-prefix policy, 100,000 accounts in its file and a million in its
 * store answers policy requests as Postfix sends them, over one and over 50 connections, as fast as
 * they go, for mailboxes that send again and again, and at 10,000 a second, for any of 100,000; and
 * Dovecot's auth policy questions, for any of the million.  postfwd (Debian's postfwd2) answers the
 * same requests by six rules that ask the same, and so does a server that answers without thinking
 * (_echo.c): what lies between its figures and mailreeve's is mailreeve's own.  Over one connection
 * the client looks for the answer a while before it sleeps, for all three alike, or its own waking
 * would be most of what is measured; what a client gets that does sleep is told too.
 * They take turns; figures are medians, ratios are of the same turn.  First the answers are looked
 * at: who is denied, who may relay, whose account says no.  Called by bench.c.
 */
#include "_daemon.h"
#include "_load.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define PREFIXES	1000000
#define ACCOUNTS	100000 /* in the file */
#define STORE		1000000 /* in SQLite */
#define ACTIVE		1000 /* mailboxes that send again and again: what is known of them is fresh */
#define ACCOUNTS_A_FILE 20000
#define MANY		50 /* connections */
#define POLICY_RATE	10000 /* a second */
#define DOVECOT_RATE	2000
#define DOVECOT_LINES	100
#define DOVECOT_PORT	4001
#define POSTFWD_PORT	10045
#define POSTFWD_CACHE	10046
#define POSTFWD_MS	20000 /* it must answer by then */
#define TURNS		5
#define TURNS_QUICK	3
#define RUN_MS		1500 /* one turn of one of them */
#define RUN_QUICK_MS	500

struct ask {
	struct bench *b;
	struct bench_daemon daemon;
	struct bench_list list;
	char policy[128], echo_path[128];
	pid_t postfwd, echo; /* 0: does not run */
	uint64_t rng;
	int kind; /* of every question; -1: all in turn */
	unsigned int names; /* logins are drawn of so many */
};
enum { OFFICE, DENIED, STRANGER, LOGIN, KINDS, BARRED };

/* Who is asked, how, and what came of it, turn by turn. */
struct asked {
	const char *name;
	struct bench_load load;
	struct bench_load_result turn[TURNS];
	double a_second, p50, p99, worst; /* medians */
};

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
	} else if (kind == BARRED) {
		snprintf(address, sizeof(address), "198.51.100.%u", (unsigned int)(dice % 254 + 1));
	} else if (kind != OFFICE) {
		snprintf(address, sizeof(address), "203.0.113.%u", (unsigned int)(dice % 254 + 1));
	}
	if (kind == LOGIN || kind == BARRED)
		snprintf(user, sizeof(user), "user%u@example.com",
			 (unsigned int)(dice >> 8) % a->names);
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
		     (unsigned int)(dice % a->names), (unsigned int)(dice >> 32) % 254 + 1,
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

/* As an administrator would: the command, while the daemon runs. */
static int fill_store(struct ask *a, struct mr_error *e)
{
	_fclose_ FILE *f = NULL;
	char path[128], run[128];

	snprintf(run, sizeof(run), "%s/run", a->daemon.dir);
	snprintf(path, sizeof(path), "%s/store.txt", a->daemon.dir);
	f = fopen(path, "we");
	if (!f)
		return -errno;
	for (unsigned int i = 0; i < STORE; i++)
		fprintf(f,
			"user%u@example.com imap allow 203.0.113.0/24\n"
			"user%u@example.com smtp allow 203.0.113.0/24\n",
			i, i);
	if (fflush(f) != 0)
		return -EIO;
	return BENCH_RUN(a->daemon.wire.ns, NULL, 0, e, a->daemon.command, "--runtime-dir", run,
			 "account", "import", path);
}

static int start(struct ask *a, struct mr_error *e)
{
	char config[1024], path[128], log[128];
	int r = bench_daemon_new(a->b, "ask", 6, &a->daemon, e);

	if (r < 0)
		return r;
	snprintf(a->policy, sizeof(a->policy), "%s/sockets/policy", a->daemon.dir);
	snprintf(a->echo_path, sizeof(a->echo_path), "%s/echo", a->daemon.dir);
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
	r = bench_echo_start(a->echo_path, &a->echo);
	if (r < 0)
		return mr_error(e, r, "%s: %s", a->echo_path, strerror(-r));
	r = bench_daemon_start(&a->daemon);
	return r < 0 ? r : fill_store(a, e);
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

/* `path` NULL: postfwd. */
static void load(struct ask *a, const char *path, unsigned int connections, double rate, double ms,
		 struct bench_load *l)
{
	*l = (struct bench_load){ .path = path,
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
	load(a, NULL, 1, 0, 1, &l);
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

	load(a, a->policy, 1, 0, 1, &l);
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

static double middle(const struct asked *v, size_t offset, unsigned int turns)
{
	double of[TURNS];

	for (unsigned int i = 0; i < turns; i++)
		memcpy(&of[i], (const char *)&v->turn[i] + offset, sizeof(of[i]));
	return bench_median(of, turns);
}

static void tell(struct ask *a, struct asked *v, unsigned int turns)
{
	const struct bench_load *l = &v->load;
	char rate[32] = "as they go";

	v->a_second = middle(v, offsetof(struct bench_load_result, a_second), turns);
	v->p50 = middle(v, offsetof(struct bench_load_result, p50), turns);
	v->p99 = middle(v, offsetof(struct bench_load_result, p99), turns);
	v->worst = middle(v, offsetof(struct bench_load_result, worst), turns);
	if (l->rate > 0)
		snprintf(rate, sizeof(rate), "%.0f/s", l->rate);
	printf("  %-26s %4u %12s %12.0f %9.3f %9.3f %9.2f\n", v->name, l->connections, rate,
	       v->a_second, v->p50, v->p99, v->worst);
	json_array_append_new(json_object_get(a->b->json, "ask"),
			      json_pack("{s:s, s:i, s:f, s:f, s:f, s:f, s:f}", "name", v->name,
					"connections", (int)l->connections, "rate", l->rate,
					"a_second", v->a_second, "p50_ms", v->p50, "p99_ms", v->p99,
					"worst_ms", v->worst));
}

/* All of them take turns, so that what else the machine does meets them all. */
static int take_turns(struct ask *a, struct asked *v, size_t n, struct mr_error *e)
{
	unsigned int turns = a->b->quick ? TURNS_QUICK : TURNS;

	for (unsigned int t = 0; t < turns; t++)
		for (size_t i = 0; i < n; i++) {
			int r = bench_load_run(&v[i].load, &v[i].turn[t], e);

			if (r < 0)
				return r;
		}
	for (size_t i = 0; i < n; i++)
		tell(a, &v[i], turns);
	return 0;
}

/* How many times more the first answered than the second. */
static double ratio(const struct ask *a, const struct asked *v, const struct asked *w)
{
	unsigned int turns = a->b->quick ? TURNS_QUICK : TURNS;
	double of[TURNS];

	for (unsigned int t = 0; t < turns; t++)
		of[t] = v->turn[t].a_second / w->turn[t].a_second;
	return bench_median(of, turns);
}

static const char own_name[] = "mailreeve", echo_name[] = "floor: no thought at all",
		  postfwd_name[] = "postfwd2, 6 rules";

/* Nobody sleeps but those who take long: what is counted is the answering. */
static int measure_one(struct ask *a, double ms, struct mr_error *e)
{
	static const char what[] = "policy over one connection, of postfwd's";
	struct asked v[] = { { .name = echo_name },
			     { .name = own_name },
			     { .name = postfwd_name } };
	const char *why = "left out";
	int r;

	if (!a->b->no_others && start_postfwd(a, e) < 0)
		why = e->text;
	load(a, a->echo_path, 1, 0, ms, &v[0].load);
	load(a, a->policy, 1, 0, ms, &v[1].load);
	load(a, NULL, 1, 0, ms, &v[2].load);
	for (size_t i = 0; i < MR_ARRAY_SIZE(v); i++)
		v[i].load.awake = true;
	r = take_turns(a, v, a->postfwd > 0 ? 3 : 2, e);
	if (r < 0)
		return r;
	if (a->postfwd > 0)
		bench_bar(a->b, what, ratio(a, &v[1], &v[2]), 50, true, "x");
	else
		bench_bar_missing(a->b, what, why);
	return 0;
}

/* A client that sleeps between question and answer must be woken, and the server with it. */
static int measure_sleeper(struct ask *a, double ms, struct mr_error *e)
{
	struct asked v[] = { { .name = "floor, for who sleeps" },
			     { .name = "mailreeve, for who sleeps" },
			     { .name = "postfwd2, for who sleeps" } };
	int r;

	load(a, a->echo_path, 1, 0, ms, &v[0].load);
	load(a, a->policy, 1, 0, ms, &v[1].load);
	load(a, NULL, 1, 0, ms, &v[2].load);
	r = take_turns(a, v, a->postfwd > 0 ? 3 : 2, e);
	if (r < 0)
		return r;
	if (a->postfwd > 0)
		bench_bar(a->b, "the same for a client that sleeps", ratio(a, &v[1], &v[2]), 50,
			  true, "x");
	printf("  for a client that sleeps mailreeve answers %.2f times as many as the floor\n",
	       ratio(a, &v[1], &v[0]));
	return 0;
}

static int measure_many(struct ask *a, double ms, struct mr_error *e)
{
	struct asked v[] = { { .name = echo_name }, { .name = own_name } };
	struct asked postfwd = { .name = postfwd_name };
	struct mr_error trouble = { "" };
	int r;

	load(a, a->echo_path, MANY, 0, ms, &v[0].load);
	load(a, a->policy, MANY, 0, ms, &v[1].load);
	load(a, NULL, MANY, 0, ms, &postfwd.load);
	r = take_turns(a, v, MR_ARRAY_SIZE(v), e);
	if (r == 0 && a->postfwd > 0 && take_turns(a, &postfwd, 1, &trouble) < 0)
		printf("  %-26s %4d  %s\n", postfwd_name, MANY, trouble.text);
	return r;
}

static int measure_rate(struct ask *a, double ms, struct mr_error *e)
{
	struct asked v[] = { { .name = echo_name }, { .name = own_name } };
	int r;

	a->names = ACCOUNTS;
	load(a, a->echo_path, MANY, POLICY_RATE, ms, &v[0].load);
	load(a, a->policy, MANY, POLICY_RATE, ms, &v[1].load);
	r = take_turns(a, v, MR_ARRAY_SIZE(v), e);
	if (r < 0)
		return r;
	bench_bar(a->b, "policy at 10,000 requests a second, p99", v[1].p99, 1, false, "ms");
	bench_bar(a->b, "policy, of 10,000 requests a second answered", v[1].a_second,
		  POLICY_RATE * 0.99, true, "/s");
	return 0;
}

static int measure_dovecot(struct ask *a, double ms, struct mr_error *e)
{
	struct asked v[] = { { .name = "mailreeve, Dovecot" }, { .name = "mailreeve, Dovecot" } };
	int r;

	a->names = STORE;
	load(a, NULL, DOVECOT_LINES, DOVECOT_RATE, ms, &v[0].load);
	load(a, NULL, 1, 0, ms, &v[1].load);
	for (size_t i = 0; i < MR_ARRAY_SIZE(v); i++) {
		v[i].load.port = DOVECOT_PORT;
		v[i].load.ask = dovecot_ask;
		v[i].load.answer = dovecot_answer;
	}
	r = take_turns(a, v, MR_ARRAY_SIZE(v), e);
	if (r < 0)
		return r;
	bench_bar(a->b, "Dovecot at 2,000 requests a second, p99", v[0].p99, 5, false, "ms");
	bench_bar(a->b, "1,000,000 accounts in SQLite, any of them, p99", v[1].p99, 1, false, "ms");
	return 0;
}

static int look(struct ask *a, struct mr_error *e)
{
	int r = expect(a, OFFICE, "action=OK", e);

	if (r == 0)
		r = expect(a, DENIED, "action=550", e);
	if (r == 0)
		r = expect(a, LOGIN, "action=OK", e);
	return r < 0 ? r : expect(a, BARRED, "action=5", e);
}

static int measure(struct ask *a, struct mr_error *e)
{
	double ms = a->b->quick ? RUN_QUICK_MS : RUN_MS;
	int r;

	printf("  %-26s %4s %12s %12s %9s %9s %9s\n", "", "over", "rate", "answers/s", "p50 ms",
	       "p99 ms", "worst ms");
	r = measure_one(a, ms, e);
	if (r == 0)
		r = measure_sleeper(a, ms, e);
	if (r == 0)
		r = measure_many(a, ms, e);
	stop_postfwd(a);
	if (r == 0)
		r = measure_rate(a, ms, e);
	return r < 0 ? r : measure_dovecot(a, ms, e);
}

int bench_ask(struct bench *b)
{
	struct ask a = {
		.b = b, .daemon.wire.ns = -EBADF, .rng = b->seed, .kind = -1, .names = ACTIVE
	};
	struct mr_error e = { "" };
	cpu_set_t pinned;
	int r;

	if (bench_unpin(b, &pinned) < 0)
		return -errno;
	printf("\nQuestions of mail servers: %d prefixes, %d accounts in the file, %d in SQLite\n",
	       PREFIXES, ACCOUNTS, STORE);
	json_object_set_new(b->json, "ask", json_array());
	r = start(&a, &e);
	if (r == 0)
		r = look(&a, &e);
	if (r == 0)
		r = measure(&a, &e);
	if (r < 0) {
		bench_bar_missing(b, "questions of mail servers", *e.text ? e.text : strerror(-r));
		bench_daemon_log(&a.daemon);
	}
	stop_postfwd(&a);
	bench_echo_stop(&a.echo);
	bench_daemon_clear(&a.daemon);
	bench_list_clear(&a.list);
	sched_setaffinity(0, sizeof(pinned), &pinned);
	return r;
}
