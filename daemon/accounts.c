// SPDX-License-Identifier: BSD-2-Clause
/*
 * accounts.c - limits of mailboxes: the file's at once, the store's from a cache or a thread
 * (accounts.h).
 *
 * The store is asked in a thread of its own, so that it waits for no compile and no compile for it;
 * the loop never does.  Questions about one name share a lookup.  What takes longer than a mail
 * server waits is answered as `on-failure` says, and so is everything for a few seconds after a
 * failure.  A change of the SQLite file is seen at the next question.  Called by authpolicy.c,
 * answer.c and asker.c, the manager, apply.c and status.c on the main thread.
 */
#include "accounts.h"

#include <inttypes.h>
#include <mailreeve/account.h>
#include <mailreeve/secret.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define LOOKUPS_MAX 1024 /* at one time; a mail server has some hundred connections */
#define PATIENCE_NS 1500000000ull /* Dovecot waits for 2 s */
#define TICK_US	    250000ull
#define PAUSE_NS    5000000000ull /* after a failure; then the store is tried again */

struct lookup_waiter {
	struct lookup_waiter *next;
	mr_accounts_done done;
	void *userdata;
	enum mr_family family;
	struct mr_addr address;
	bool has_address;
	uint64_t since; /* boot ns */
};
struct account_lookup { /* one question to the store */
	struct account_lookup *next; /* in flight */
	struct mr_accounts *accounts;
	struct lookup_waiter *waiter;
	struct mr_account_store *store; /* the thread's, while it is in flight */
	uint64_t era; /* of the store */
	bool over; /* answered; those who wait are being told */
	/* the thread writes: */
	struct mr_limits limits;
	struct mr_error error;
	int r;
	char name[];
};
struct mr_accounts {
	struct mr_manager *m;
	struct mr_account_index *index; /* of the active policy */
	struct mr_worker *worker;
	struct mr_account_store *store; /* used by the thread */
	char *what; /* the store, as text: another text is another store */
	char *path, *log; /* SQLite: the file, and its write-ahead log */
	uint64_t era; /* stores so far */
	struct mr_account_cache *cache;
	struct account_lookup *lookup;
	size_t lookups;
	sd_event_source *tick;
	struct stat seen[2]; /* the SQLite file and its log, at the last question */
	uint64_t ttl_ns;
	int on_failure;
	char *error; /* the last lookup failed; NULL: it did not */
	uint64_t error_at; /* boot ns */
	uint64_t asked, cached, failed, faulty;
};

/* --- answers ---------------------------------------------------------------------------------- */

static bool verdict(const struct mr_accounts *s, const char *name, enum mr_family family,
		    const struct mr_addr *a, const struct mr_limits *l)
{
	struct mr_account_tally t = { .limited = false };

	if (s->index)
		mr_account_index_count(s->index, name, family, a, &t);
	if (l)
		mr_account_count(l, family, a, &t);
	return mr_account_refuses(&t);
}

/* The store cannot be asked: what the policy says for that. */
static bool without_store(struct mr_accounts *s, const char *name, enum mr_family family,
			  const struct mr_addr *a)
{
	const struct mr_limits *last = NULL;
	bool fresh;

	if (s->on_failure == MR_ON_FAILURE_DENY)
		return true;
	if (s->on_failure == MR_ON_FAILURE_LAST)
		last = mr_account_cache_get(s->cache, name, 0, &fresh);
	return verdict(s, name, family, a, last);
}

static struct mr_addr *address_of(struct lookup_waiter *w)
{
	return w->has_address ? &w->address : NULL;
}

/* --- lookups ---------------------------------------------------------------------------------- */

static void lookup_work(void *arg)
{
	struct account_lookup *l = arg;

	l->r = mr_account_lookup(l->store, l->name, &l->limits, &l->error);
}

static void tell_failure(struct mr_accounts *s, const struct account_lookup *l)
{
	const char *text = *l->error.text ? l->error.text : strerror(-l->r);

	s->failed++;
	s->error_at = mr_boottime_ns();
	if (!s->error)
		mr_log(&s->m->log, LOG_WARNING, "accounts: %s; answering without it", text);
	free(s->error);
	s->error = strdup(text);
}

static void take_answer(struct mr_accounts *s, struct account_lookup *l)
{
	if (l->r < 0) {
		tell_failure(s, l);
		return;
	}
	if (s->error)
		mr_log(&s->m->log, LOG_NOTICE, "accounts: the store answers again");
	free(MR_TAKE_PTR(s->error));
	if (l->limits.faulty && s->faulty++ == 0)
		mr_log(&s->m->log, LOG_WARNING,
		       "accounts: %s: %zu rows are no limits; an allow among them counts as none, "
		       "a deny is passed over; more are only counted",
		       l->name, l->limits.faulty);
}

static void tell_waiters(struct mr_accounts *s, struct account_lookup *l,
			 const struct mr_limits *known)
{
	while (l->waiter) { /* what is done() may ask, or give up what others wait for */
		struct lookup_waiter *w = l->waiter;
		struct mr_addr *a = address_of(w);

		l->waiter = w->next;
		w->done(w->userdata, known ? verdict(s, l->name, w->family, a, known)
					   : without_store(s, l->name, w->family, a));
		free(w);
	}
}

/* Remembered before it is told: who asks again at once shall find it. */
static void lookup_done(void *arg)
{
	struct account_lookup *l = arg, **p;
	struct mr_accounts *s = l->accounts;
	const struct mr_limits *known = l->r < 0 ? NULL : &l->limits;
	bool current = l->era == s->era, fresh;

	l->over = true;
	if (current)
		take_answer(s, l);
	if (current && l->r == 0) {
		(void)mr_account_cache_put(s->cache, l->name, &l->limits,
					   mr_boottime_ns() + s->ttl_ns);
		known = mr_account_cache_get(s->cache, l->name, 0, &fresh);
	}
	tell_waiters(s, l, known);
	for (p = &s->lookup; *p != l; p = &(*p)->next)
		;
	*p = l->next;
	s->lookups--;
	mr_limits_clear(&l->limits);
	free(l);
}

static bool give_up(struct mr_accounts *s, struct account_lookup *l, uint64_t now)
{
	struct lookup_waiter **p = &l->waiter;

	while (*p) {
		struct lookup_waiter *w = *p;

		if (now < w->since + PATIENCE_NS) {
			p = &w->next;
			continue;
		}
		*p = w->next;
		w->done(w->userdata, without_store(s, l->name, w->family, address_of(w)));
		free(w);
		return true; /* what is done() may change the lists: begin anew */
	}
	return false;
}

static int on_tick(sd_event_source *source, uint64_t usec _unused_, void *userdata)
{
	struct mr_accounts *s = userdata;
	uint64_t now = mr_boottime_ns();
	struct account_lookup *l = s->lookup;

	while (l)
		l = give_up(s, l, now) ? s->lookup : l->next;
	if (!s->lookups)
		return sd_event_source_set_enabled(source, SD_EVENT_OFF);
	sd_event_source_set_time_relative(source, TICK_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static struct account_lookup *lookup_start(struct mr_accounts *s, const char *name)
{
	size_t n = strlen(name) + 1;
	struct account_lookup *l;

	if (s->lookups >= LOOKUPS_MAX)
		return NULL;
	l = malloc(sizeof(*l) + n);
	if (!l)
		return NULL;
	*l = (struct account_lookup){ .accounts = s, .store = s->store, .era = s->era };
	memcpy(l->name, name, n);
	if (mr_worker_run(s->worker, lookup_work, lookup_done, l) < 0) {
		free(l);
		return NULL;
	}
	mr_linger_expect(&s->m->linger);
	l->next = s->lookup;
	s->lookup = l;
	if (s->lookups++ == 0) {
		sd_event_source_set_time_relative(s->tick, TICK_US);
		sd_event_source_set_enabled(s->tick, SD_EVENT_ONESHOT);
	}
	return l;
}

/* --- questions -------------------------------------------------------------------------------- */

/* Somebody changed the SQLite file: nothing that is remembered is fresh. */
static void look_at_file(struct mr_accounts *s)
{
	struct stat now[2] = { 0 };

	if (!s->path)
		return;
	if (!s->log) { /* no memory for its name: never trust what is remembered */
		mr_account_cache_expire(s->cache);
		return;
	}
	(void)stat(s->path, &now[0]);
	(void)stat(s->log, &now[1]);
	for (int i = 0; i < 2; i++)
		if (now[i].st_ino != s->seen[i].st_ino || now[i].st_size != s->seen[i].st_size ||
		    now[i].st_mtim.tv_sec != s->seen[i].st_mtim.tv_sec ||
		    now[i].st_mtim.tv_nsec != s->seen[i].st_mtim.tv_nsec) {
			mr_account_cache_expire(s->cache);
			break;
		}
	memcpy(s->seen, now, sizeof(now));
}

static struct account_lookup *find_lookup(struct mr_accounts *s, const char *name)
{
	struct account_lookup *l = s->lookup;

	while (l && (l->over || l->era != s->era || strcasecmp(l->name, name) != 0))
		l = l->next;
	return l;
}

int mr_accounts_ask(struct mr_manager *m, const char *name, enum mr_family family,
		    const struct mr_addr *a, mr_accounts_done done, void *userdata)
{
	struct mr_accounts *s = m->accounts;
	const struct mr_limits *known;
	struct account_lookup *l;
	struct lookup_waiter *w;
	bool fresh = false;

	if (!s || !*name)
		return 0;
	s->asked++;
	if (strlen(name) > MR_ACCOUNT_NAME) /* in no store */
		return verdict(s, name, family, a, NULL);
	if (!s->store)
		return s->what ? without_store(s, name, family, a)
			       : verdict(s, name, family, a, NULL);
	look_at_file(s);
	known = mr_account_cache_get(s->cache, name, mr_boottime_ns(), &fresh);
	if (known && fresh) {
		s->cached++;
		return verdict(s, name, family, a, known);
	}
	if (s->error && mr_boottime_ns() < s->error_at + PAUSE_NS)
		return without_store(s, name, family, a);
	w = malloc(sizeof(*w));
	l = w ? find_lookup(s, name) : NULL;
	if (w && !l)
		l = lookup_start(s, name);
	if (!l) {
		free(w);
		return without_store(s, name, family, a);
	}
	*w = (struct lookup_waiter){ .next = l->waiter,
				     .done = done,
				     .userdata = userdata,
				     .family = family,
				     .has_address = a != NULL,
				     .since = mr_boottime_ns() };
	if (a)
		w->address = *a;
	l->waiter = w;
	return -EINPROGRESS;
}

void mr_accounts_why(struct mr_manager *m, const char *name, struct mr_why_account *out)
{
	struct mr_accounts *s = m->accounts;
	bool fresh = false;

	*out = (struct mr_why_account){ .state = MR_WHY_STORE_NONE };
	if (!s)
		return;
	out->index = s->index;
	out->store = s->what;
	if (!s->what)
		return;
	out->limits = mr_account_cache_get(s->cache, name, mr_boottime_ns(), &fresh);
	out->state = MR_WHY_STORE_ANSWERED;
	if (fresh || (!s->error && !find_lookup(s, name)))
		return;
	out->state = MR_WHY_STORE_FAILED;
	out->error = s->error ?: "the store has not answered in time";
}

void mr_accounts_cancel(struct mr_manager *m, const void *userdata)
{
	struct mr_accounts *s = m->accounts;

	for (struct account_lookup *l = s ? s->lookup : NULL; l; l = l->next)
		for (struct lookup_waiter **p = &l->waiter; *p;) {
			struct lookup_waiter *w = *p;

			if (w->userdata != userdata) {
				p = &w->next;
				continue;
			}
			*p = w->next;
			free(w);
		}
}

/* --- policies come and go --------------------------------------------------------------------- */

static void store_free(void *arg)
{
	mr_account_store_free(arg); /* by the thread: a connection belongs to it */
}

static void nothing(void *arg _unused_)
{
}

static void close_store(struct mr_accounts *s)
{
	struct mr_account_store *store = MR_TAKE_PTR(s->store);

	if (store && mr_worker_run(s->worker, store_free, nothing, store) < 0)
		mr_log(&s->m->log, LOG_ERR, "accounts: out of memory");
	s->era++;
	free(MR_TAKE_PTR(s->what));
	free(MR_TAKE_PTR(s->path));
	free(MR_TAKE_PTR(s->log));
	free(MR_TAKE_PTR(s->error));
	memset(s->seen, 0, sizeof(s->seen));
}

static char *describe(const struct mr_accounts_options *o, const char *path)
{
	char *text = NULL;

	if (o->kind == MR_ACCOUNTS_SQLITE)
		return path && asprintf(&text, "sqlite %s", path) >= 0 ? text : NULL;
	if (asprintf(&text, "mariadb %s at %s port %u socket %s as %s with %s", o->database,
		     o->host ?: "localhost", o->port, o->socket ?: "-", o->user ?: "-",
		     o->password_file ?: "-") < 0)
		return NULL;
	return text;
}

/* `mailreeve account` finds the file through the runtime directory, as it does the pins. */
static void link_file(struct mr_accounts *s)
{
	_free_ char *path = mr_state_path(s->m->options.runtime_dir, MR_ACCOUNT_FILE), *tmp = NULL;

	if (!path || asprintf(&tmp, "%s.new", path) < 0)
		return;
	unlink(tmp);
	if (!s->path)
		unlink(path);
	else if (symlink(s->path, tmp) < 0 || rename(tmp, path) < 0)
		mr_log(&s->m->log, LOG_WARNING, "%s: %m", path);
}

/* A password that others may read is an error, whether a connection stands or not. */
static bool password_fine(struct mr_accounts *s, const struct mr_accounts_options *o)
{
	struct mr_error e = { "" };
	char *password = NULL;

	if (o->kind != MR_ACCOUNTS_MARIADB || !o->password_file)
		return true;
	if (mr_secret_read(o->password_file, &password, &e) == 0) {
		explicit_bzero(password, strlen(password));
		free(password);
		return true;
	}
	close_store(s);
	s->what = describe(o, NULL);
	s->error = strdup(*e.text ? e.text : "no password");
	mr_log(&s->m->log, LOG_ERR, "accounts: %s; the database is not asked", e.text);
	return false;
}

static void open_store(struct mr_accounts *s, const struct mr_accounts_options *o)
{
	char *path = NULL, *what;
	struct mr_error e = { "" };
	int r;

	if (!password_fine(s, o))
		return;
	if (o->kind == MR_ACCOUNTS_SQLITE)
		path = o->path ? strdup(o->path)
			       : mr_state_path(s->m->options.state_dir, MR_ACCOUNT_FILE);
	what = o->kind == MR_ACCOUNTS_NONE ? NULL : describe(o, path);
	if (what && s->what && s->store && strcmp(what, s->what) == 0) {
		free(what);
		free(path);
		return;
	}
	close_store(s);
	mr_account_cache_expire(s->cache);
	s->what = what;
	s->path = path;
	if (path && asprintf(&s->log, "%s-wal", path) < 0)
		s->log = NULL;
	link_file(s);
	if (!what)
		return;
	r = path ? mr_account_sqlite_open(path, &s->store, &e)
		 : mr_account_mariadb_open(o, &s->store, &e);
	if (r < 0)
		mr_log(&s->m->log, LOG_ERR, "accounts: %s", e.text);
}

static struct mr_accounts *accounts_new(struct mr_manager *m)
{
	struct mr_accounts *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->m = m;
	if (mr_account_cache_new(MR_ACCOUNT_CACHE_LIMITED, MR_ACCOUNT_CACHE_UNLIMITED, &s->cache) <
		    0 ||
	    mr_worker_new(m->event, &s->worker) < 0 ||
	    sd_event_add_time_relative(m->event, &s->tick, CLOCK_MONOTONIC, TICK_US, TICK_US / 4,
				       on_tick, s) < 0) {
		mr_log(&m->log, LOG_ERR, "accounts: out of memory; nobody is limited");
		mr_worker_free(s->worker);
		mr_account_cache_free(s->cache);
		free(s);
		return NULL;
	}
	sd_event_source_set_enabled(s->tick, SD_EVENT_OFF);
	return s;
}

void mr_accounts_stop(struct mr_manager *m)
{
	struct mr_accounts *s = m->accounts;

	if (!s)
		return;
	close_store(s);
	mr_worker_free(s->worker); /* waits for what it has in hand */
	for (struct account_lookup *l = s->lookup; l; l = l->next)
		tell_waiters(s, l, NULL);
	while (s->lookup) {
		struct account_lookup *l = s->lookup;

		s->lookup = l->next;
		mr_limits_clear(&l->limits);
		free(l);
	}
	sd_event_source_disable_unref(s->tick);
	mr_account_cache_free(s->cache);
	mr_account_index_free(s->index);
	m->accounts = NULL;
	free(s);
}

void mr_accounts_apply(struct mr_manager *m)
{
	const struct mr_policy *p = m->active ? m->active->policy : NULL;
	struct mr_accounts *s = m->accounts;

	if (m->starting || m->stopping)
		return;
	if (!p) {
		mr_accounts_stop(m);
		return;
	}
	if (!s)
		s = m->accounts = accounts_new(m);
	if (!s)
		return;
	mr_account_index_free(MR_TAKE_PTR(s->index));
	if (mr_account_index_new(p, &s->index) < 0)
		mr_log(&m->log, LOG_ERR, "accounts: out of memory; those of the file do not hold");
	s->ttl_ns = p->accounts.ttl_us * 1000;
	s->on_failure = p->accounts.on_failure;
	open_store(s, &p->accounts);
}

/* --- status ----------------------------------------------------------------------------------- */

json_t *mr_accounts_json(const struct mr_manager *m)
{
	const struct mr_accounts *s = m->accounts;

	if (!s)
		return NULL;
	return json_pack("{s:s?,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "store", s->what, "file",
			 (json_int_t)m->active->policy->n_account, "remembered",
			 (json_int_t)mr_account_cache_count(s->cache), "asked",
			 (json_int_t)s->asked, "cached", (json_int_t)s->cached, "failed",
			 (json_int_t)s->failed, "faulty", (json_int_t)s->faulty, "error",
			 s->error ? mr_report_text(s->error) : json_null());
}

void mr_accounts_warnings(const struct mr_manager *m,
			  void (*warn)(json_t *list, const char *fmt, ...), json_t *list)
{
	static const char *const meanwhile[] = { "the last answers known hold",
						 "nobody is limited by it",
						 "everybody is refused" };
	const struct mr_accounts *s = m->accounts;

	if (s && s->error)
		warn(list, "accounts: %s; meanwhile %s", s->error, meanwhile[s->on_failure]);
	if (s && s->faulty)
		warn(list, "accounts: %" PRIu64 " mailboxes have rows that are no limits",
		     s->faulty);
}
