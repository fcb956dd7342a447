// SPDX-License-Identifier: BSD-2-Clause
/*
 * entry_methods.c - permits and bans by hand: EntryAdd, EntryDelete, EntryFlush, EntryList
 * (bus.h).
 *
 * Checks what a person may ask for: one literal address (a prefix belongs in a set, and the error
 * says in which), no proxy, no loopback, a time within bounds, services that exist.  Called by
 * sd-bus on the main thread.  A flush goes in steps between other events and answers at the end.
 */
#include "control.h"

#include <inttypes.h>
#include <string.h>

#define TTL_MIN_US     1000ull /* a millisecond */
#define TTL_MAX_US     (3650ull * 86400 * 1000000) /* ten years; longer is a rule of the file */
#define PERMIT_TTL_US  (1800ull * 1000000) /* without a policy */
#define BAN_TTL_US     (3600ull * 1000000)
#define LIST_MAX       4096 /* entries of one answer, if there is time for so many */
#define LIST_CHUNK     64 /* … between two looks at the clock */
#define USER_BYTES_MAX 320 /* of a user's name: local part and domain of an address */

static const char *kind_name(enum mr_entry_kind kind)
{
	return kind == MR_PERMIT ? "permit" : "ban";
}

static int parse_kind(const char *text, enum mr_entry_kind *out, sd_bus_error *error)
{
	if (strcmp(text, "permit") != 0 && strcmp(text, "ban") != 0)
		return sd_bus_error_setf(error, MR_BUS_ERROR_ARGUMENT,
					 "an entry is a \"permit\" or a \"ban\", not \"%s\"", text);
	*out = strcmp(text, "ban") == 0 ? MR_BAN : MR_PERMIT;
	return 0;
}

/* The named set that a rule of this kind asks already, or NULL.  None that may relay: who is told
 * to add to it thinks of a port. */
static const char *fitting_set(const struct mr_policy *p, enum mr_entry_kind kind)
{
	for (unsigned int n = 1; p && n <= p->n_numbered; n++) {
		const struct mr_service *s;
		const struct mr_rule *r = mr_policy_rule(p, n, &s);

		if (r && r->source.kind == MR_SOURCE_SET && p->sets[r->source.set].name &&
		    !r->noauth && (r->action == MR_ALLOW) == (kind == MR_PERMIT))
			return p->sets[r->source.set].name;
	}
	return NULL;
}

static int too_wide(const struct mr_client *c, enum mr_entry_kind kind, const char *text,
		    sd_bus_error *error)
{
	const char *set = fitting_set(c->m->active ? c->m->active->policy : NULL, kind);

	if (set)
		return sd_bus_error_setf(error, MR_BUS_ERROR_REFUSED,
					 "a %s is for one address, %s is a network: add it to the "
					 "set %s in the configuration, and apply",
					 kind_name(kind), text, set);
	return sd_bus_error_setf(
		error, MR_BUS_ERROR_REFUSED,
		"a %s is for one address, %s is a network: write it into the configuration, "
		"set %s { %s; } with the rule `%s`, and apply",
		kind_name(kind), text, kind == MR_PERMIT ? "friends" : "blocked", text,
		kind == MR_PERMIT ? "allow @friends" : "deny @blocked");
}

static unsigned int entry_width(const struct mr_manager *m, enum mr_entry_kind kind)
{
	return kind == MR_PERMIT ? m->limits.permit_plen6 : m->limits.ban_plen6;
}

static int parse_address(const struct mr_client *c, enum mr_entry_kind kind, const char *text,
			 struct mr_addr *out, sd_bus_error *error)
{
	char first[MR_ADDR_TEXT];
	struct mr_prefix p;
	int r;

	if (mr_addr_parse(text, strlen(text), out) == 0)
		return 0;
	r = mr_prefix_parse(text, strlen(text), &p);
	if (r == 0 && p.plen == 128) {
		*out = p.addr;
		return 0;
	}
	if (r == 0 && p.plen == entry_width(c->m, kind) && !mr_addr_is4(&p.addr))
		return sd_bus_error_setf(error, MR_BUS_ERROR_REFUSED,
					 "a %s is given to an address, and covers its /%u: say %s "
					 "for all of %s",
					 kind_name(kind), p.plen, mr_addr_text(&p.addr, first),
					 text);
	if (r == 0 || r == -EDOM)
		return too_wide(c, kind, text, error);
	return sd_bus_error_setf(error, MR_BUS_ERROR_ARGUMENT,
				 "\"%s\" is not an address; write 192.0.2.1 or 2001:db8::1", text);
}

/* --- services --------------------------------------------------------------------------------- */

static uint64_t service_bit(const struct mr_live *l, const struct mr_service *s)
{
	uint8_t id = l->service_id[s - l->policy->services];

	return id < MR_SERVICES_MAX ? 1ull << id : 0;
}

static bool rules_name(const struct mr_rule *rules, size_t n, enum mr_source_kind kind)
{
	for (size_t i = 0; i < n; i++)
		if (rules[i].source.kind == kind)
			return true;
	return false;
}

/* What a permit opens that names no service: those of `permit { services }`, else those whose
 * rules, or `global` behind them, name `permitted`. */
uint64_t mr_permit_services(const struct mr_live *l)
{
	const struct mr_policy *p = l->policy;
	bool global = rules_name(p->global, p->n_global, MR_SOURCE_PERMITTED);
	uint64_t bits = 0;

	for (size_t i = 0; i < p->permit.n_services; i++) {
		const struct mr_service *s = mr_policy_service(p, p->permit.services[i]);

		bits |= s ? service_bit(l, s) : 0;
	}
	for (size_t i = 0; i < p->n_services && !p->permit.n_services; i++) {
		const struct mr_service *s = &p->services[i];

		if (rules_name(s->rules, s->n_rules, MR_SOURCE_PERMITTED) ||
		    (global && !s->noglobal))
			bits |= service_bit(l, s);
	}
	return bits;
}

uint64_t mr_ban_services(const struct mr_live *l)
{
	uint64_t bits = 0;

	for (size_t i = 0; l && i < l->policy->ban.n_services; i++) {
		const struct mr_service *s =
			mr_policy_service(l->policy, l->policy->ban.services[i]);

		bits |= s ? service_bit(l, s) : 0;
	}
	return bits ? bits : UINT64_MAX;
}

static int named_services(const struct mr_manager *m, char **names, uint64_t *out,
			  sd_bus_error *error)
{
	uint64_t bits = 0;

	for (; *names; names++) {
		const struct mr_service *s =
			m->active ? mr_policy_service(m->active->policy, *names) : NULL;
		uint64_t bit = s ? service_bit(m->active, s) : 0;

		if (!bit)
			return sd_bus_error_setf(error, MR_BUS_ERROR_ARGUMENT,
						 "no service in force is called \"%s\"", *names);
		bits |= bit;
	}
	*out = bits;
	return 0;
}

static int entry_services(const struct mr_manager *m, enum mr_entry_kind kind, char **names,
			  uint64_t *out, sd_bus_error *error)
{
	if (names && *names)
		return named_services(m, names, out, error);
	*out = kind == MR_BAN ? mr_ban_services(m->active)
	       : m->active    ? mr_permit_services(m->active)
			      : 0;
	if (!*out)
		return sd_bus_error_setf(
			error, MR_BUS_ERROR_REFUSED,
			"no service in force has a rule that names `permitted`, so "
			"a permit would open nothing; write `allow permitted` "
			"where it should, or name a service");
	return 0;
}

/* --- add -------------------------------------------------------------------------------------- */

struct addition {
	const char *kind_text, *address, *user;
	uint64_t ttl_us;
	char **services;
	enum mr_entry_kind kind;
	struct mr_addr a;
	struct mr_entry v;
};

static void strv_free(char **v)
{
	for (char **s = v; s && *s; s++)
		free(*s);
	free(v);
}

static int read_addition(const struct mr_client *c, sd_bus_message *msg, struct addition *x,
			 sd_bus_error *error)
{
	const struct mr_policy *p = c->m->active ? c->m->active->policy : NULL;
	int r = sd_bus_message_read(msg, "sst", &x->kind_text, &x->address, &x->ttl_us);

	if (r >= 0)
		r = sd_bus_message_read_strv(msg, &x->services);
	if (r >= 0)
		r = sd_bus_message_read(msg, "s", &x->user);
	if (r >= 0)
		r = parse_kind(x->kind_text, &x->kind, error);
	if (r >= 0)
		r = parse_address(c, x->kind, x->address, &x->a, error);
	if (r < 0)
		return r;
	if (!x->ttl_us && x->kind == MR_PERMIT)
		x->ttl_us = p ? p->permit.ttl_us : PERMIT_TTL_US;
	if (!x->ttl_us)
		x->ttl_us = p ? p->ban.ttl_us : BAN_TTL_US;
	if (x->ttl_us < TTL_MIN_US || x->ttl_us > TTL_MAX_US)
		return sd_bus_error_setf(error, MR_BUS_ERROR_ARGUMENT,
					 "the time must be between a millisecond and ten years; "
					 "what shall last longer is a rule of the configuration");
	if (strlen(x->user) > USER_BYTES_MAX)
		return sd_bus_error_setf(error, MR_BUS_ERROR_ARGUMENT,
					 "a user's name has at most %u bytes", USER_BYTES_MAX);
	return 0;
}

/* A ban on a prefix that holds one of our proxies is a ban on the address alone. */
static bool prefix_holds_proxy(const struct mr_manager *m, const struct mr_addr *a)
{
	const struct mr_policy *p = m->active ? m->active->policy : NULL;
	const struct mr_set *s = p && p->proxies ? &p->sets[p->proxies - 1].set : NULL;
	struct mr_prefix cut = { *a, m->limits.ban_plen6 };

	if (!s || mr_addr_is4(a))
		return false;
	mr_addr_mask(&cut.addr, cut.plen);
	return mr_set_meets(s, &cut);
}

static int add_refused(struct mr_manager *m, const struct addition *x, int r, sd_bus_error *error)
{
	if (r != -E2BIG)
		return sd_bus_error_setf(error, MR_BUS_ERROR_KERNEL,
					 "the kernel did not take the %s: %s", kind_name(x->kind),
					 strerror(-r));
	return sd_bus_error_setf(
		error, MR_BUS_ERROR_FULL,
		"the map of %ss is full (%u): wait until some end, delete some, or "
		"raise `%s { max }` and apply",
		kind_name(x->kind),
		x->kind == MR_PERMIT ? m->limits.permits_max : m->limits.bans_max,
		kind_name(x->kind));
}

static void log_entry(const struct mr_client *c, const struct addition *x, const char *key)
{
	struct mr_manager *m = c->m;
	char uid[16];

	snprintf(uid, sizeof(uid), "%u", c->uid);
	mr_log_with(&m->log, LOG_INFO,
		    MR_FIELDS({ "MESSAGE_ID", MR_MSG_ENTRY }, { "MAILREEVE_ADDRESS", key },
			      { "MAILREEVE_ENTRY", kind_name(x->kind) }, { "MAILREEVE_UID", uid }),
		    "%s for %s, %.1f s, by uid %s", kind_name(x->kind), key,
		    (double)x->ttl_us / 1e6, uid);
	if (x->kind == MR_BAN && m->active && m->active->host &&
	    mr_set_find(&m->active->host->local, &x->a, NULL, NULL, NULL))
		mr_log(&m->log, LOG_WARNING,
		       "the ban on %s hits the local network (learning never would)", key);
}

static int add(struct mr_client *c, sd_bus_message *msg, struct addition *x, sd_bus_error *error)
{
	struct mr_manager *m = c->m;
	uint64_t now = mr_boottime_ns(), services = 0;
	char key[MR_PREFIX_TEXT];
	struct mr_prefix keyed;
	struct mr_error e;
	int r;

	if (mr_entries_allowed(m, x->kind, &x->a, &e) < 0)
		return sd_bus_error_setf(error, MR_BUS_ERROR_REFUSED, "%s", e.text);
	r = entry_services(m, x->kind, x->services, &services, error);
	if (r < 0)
		return r;
	r = mr_ids_user(m->ids, x->user, &x->v.user);
	if (r < 0 && r != -ENOSPC)
		return r;
	x->v.services = services;
	x->v.expires = now + x->ttl_us * 1000;
	x->v.granted = now;
	x->v.origin = MR_ORIGIN_HAND;
	if (x->kind == MR_BAN && prefix_holds_proxy(m, &x->a))
		x->v.plen = 128;
	r = mr_book_add(m->book, x->kind, &x->a, &x->v, now, &keyed);
	mr_entries_tell_full(m);
	if (r < 0)
		return add_refused(m, x, r, error);
	mr_entries_changed(m);
	mr_prefix_text(&keyed, key);
	log_entry(c, x, key);
	return sd_bus_reply_method_return(msg, "st", key, x->ttl_us);
}

int mr_method_entry_add(sd_bus_message *msg, void *userdata, sd_bus_error *error)
{
	struct mr_client *c = userdata;
	struct addition x = { 0 };
	int r = read_addition(c, msg, &x, error);

	if (r >= 0)
		r = add(c, msg, &x, error);
	strv_free(x.services);
	return r;
}

/* --- delete and flush ------------------------------------------------------------------------- */

int mr_method_entry_delete(sd_bus_message *msg, void *userdata, sd_bus_error *error)
{
	struct mr_client *c = userdata;
	const char *kind_text = NULL, *address = NULL;
	enum mr_entry_kind kind = MR_PERMIT;
	struct mr_prefix p;
	struct mr_addr a;
	int r = sd_bus_message_read(msg, "ss", &kind_text, &address);

	if (r >= 0)
		r = parse_kind(kind_text, &kind, error);
	if (r < 0)
		return r;
	/* the key as `list` prints it is taken too */
	if (mr_addr_parse(address, strlen(address), &a) < 0) {
		if (mr_prefix_parse(address, strlen(address), &p) < 0)
			return sd_bus_error_setf(error, MR_BUS_ERROR_ARGUMENT,
						 "\"%s\" is not an address", address);
		a = p.addr;
	}
	r = mr_book_delete(c->m->book, kind, &a);
	if (r == -ENOENT)
		return sd_bus_error_setf(error, MR_BUS_ERROR_NOTHING, "no %s covers %s", kind_text,
					 address);
	if (r < 0)
		return sd_bus_error_setf(error, MR_BUS_ERROR_KERNEL, "%s: %s", address,
					 strerror(-r));
	mr_entries_changed(c->m);
	mr_log_with(&c->m->log, LOG_INFO,
		    MR_FIELDS({ "MESSAGE_ID", MR_MSG_ENTRY }, { "MAILREEVE_ADDRESS", address },
			      { "MAILREEVE_ENTRY", kind_text }),
		    "%s for %s deleted by uid %u", kind_text, address, c->uid);
	return sd_bus_reply_method_return(msg, NULL);
}

struct flush {
	struct mr_manager *m;
	sd_bus_message *msg;
	enum mr_entry_kind kind;
	uint32_t removed;
	size_t left; /* those that stood when it began; newcomers stay out of it */
	uid_t uid;
};

static void flush_free(void *userdata)
{
	struct flush *f = userdata;

	sd_bus_message_unref(f->msg);
	free(f);
}

static int on_flush(sd_event_source *s, uint64_t usec _unused_, void *userdata)
{
	struct flush *f = userdata;
	size_t step = f->left < MR_DELETE_STEP ? f->left : MR_DELETE_STEP, n = 0;
	int r = 0;

	if (f->m->book && step)
		r = mr_book_flush(f->m->book, f->kind, step, &n);
	f->removed += (uint32_t)n;
	f->left -= step;
	if (r == 0 && n == step && f->left) {
		sd_event_source_set_time_relative(s, MR_DELETE_PAUSE_US);
		return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	}
	if (f->m->book)
		mr_entries_changed(f->m);
	mr_log_with(&f->m->log, LOG_NOTICE, MR_FIELDS({ "MESSAGE_ID", MR_MSG_ENTRY }),
		    "%u %s%s flushed by uid %u", f->removed, kind_name(f->kind),
		    f->removed == 1 ? "" : "s", f->uid);
	if (r < 0)
		sd_bus_reply_method_errorf(f->msg, MR_BUS_ERROR_KERNEL,
					   "%u went, then the kernel said: %s", f->removed,
					   strerror(-r));
	else
		sd_bus_reply_method_return(f->msg, "u", f->removed);
	sd_event_source_set_floating(s, 0); /* drops the loop's reference, which is the last */
	return 0;
}

int mr_method_entry_flush(sd_bus_message *msg, void *userdata, sd_bus_error *error)
{
	struct mr_client *c = userdata;
	struct mr_book_stats stats;
	sd_event_source *s = NULL;
	const char *kind_text;
	struct flush *f;
	int r = sd_bus_message_read(msg, "s", &kind_text);

	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	if (r >= 0)
		r = parse_kind(kind_text, &f->kind, error);
	if (r >= 0)
		r = sd_event_add_time(c->m->event, &s, CLOCK_MONOTONIC, 0, 1, on_flush, f);
	if (r < 0) {
		free(f);
		return r;
	}
	sd_event_source_set_destroy_callback(s, flush_free);
	sd_event_source_set_floating(s, 1);
	sd_event_source_unref(s);
	mr_book_stats(c->m->book, &stats);
	f->m = c->m;
	f->msg = sd_bus_message_ref(msg);
	f->left = f->kind == MR_PERMIT ? stats.permits : stats.bans;
	f->uid = c->uid;
	return 1;
}

/* --- list ------------------------------------------------------------------------------------- */

static int append_services(const struct mr_manager *m, sd_bus_message *reply, uint64_t bits)
{
	int r = sd_bus_message_open_container(reply, 'a', "s");

	for (uint8_t i = 0; i < MR_SERVICES_MAX && r >= 0 && bits != UINT64_MAX; i++) {
		const char *name = bits >> i & 1 ? mr_ids_service_name(m->ids, i) : NULL;

		if (name)
			r = sd_bus_message_append(reply, "s", name);
	}
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_entry(const struct mr_manager *m, sd_bus_message *reply,
			const struct mr_entry_key *k, const struct mr_entry *v, uint64_t boot)
{
	static const char *const origins[] = { "", "hand", "learned", "report" };
	const char *user = mr_ids_user_name(m->ids, v->user);
	uint64_t granted = mr_realtime_us() - (boot - v->granted) / 1000;
	char key[MR_PREFIX_TEXT];
	struct mr_prefix p;
	int r;

	memcpy(p.addr.b, k->addr, sizeof(k->addr));
	p.plen = mr_addr_is4(&p.addr) ? 128 : v->plen;
	mr_prefix_text(&p, key);
	r = sd_bus_message_open_container(reply, 'r', "sttasss");
	if (r >= 0)
		r = sd_bus_message_append(reply, "stt", key, granted, (v->expires - boot) / 1000);
	if (r >= 0)
		r = append_services(m, reply, v->services);
	if (r >= 0)
		r = sd_bus_message_append(reply, "ss", user ? user : "",
					  v->origin < MR_ARRAY_SIZE(origins) ? origins[v->origin]
									     : "");
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_list(const struct mr_manager *m, sd_bus_message *reply, enum mr_entry_kind kind,
		       size_t *cursor, uint32_t max, bool *more)
{
	uint64_t boot = mr_boottime_ns();
	struct mr_entry v[MR_BOOK_PARTS];
	struct mr_entry_key k;
	size_t parts;
	int r = sd_bus_message_open_container(reply, 'a', "(sttasss)");

	*more = false;
	for (uint32_t n = 0; r >= 0; n++) {
		if (n == max ||
		    (n % LIST_CHUNK == LIST_CHUNK - 1 && mr_boottime_ns() >= boot + MR_STEP_NS)) {
			*more = true;
			break;
		}
		if (!mr_book_next(m->book, kind, cursor, &k, v, NULL))
			break;
		parts = v->part & MR_ENTRY_MORE ? mr_book_parts(m->book, kind, &k, v) : 1;
		for (size_t i = 0; i < parts && r >= 0; i++)
			if (v[i].expires > boot)
				r = append_entry(m, reply, &k, &v[i], boot);
	}
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

int mr_method_entry_list(sd_bus_message *msg, void *userdata, sd_bus_error *error)
{
	struct mr_client *c = userdata;
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	const char *kind_text = NULL, *after = NULL;
	enum mr_entry_kind kind = MR_PERMIT;
	char next[24] = "", *end;
	uint32_t max;
	size_t cursor;
	bool more;
	int r = sd_bus_message_read(msg, "ssu", &kind_text, &after, &max);

	if (r >= 0)
		r = parse_kind(kind_text, &kind, error);
	if (r < 0)
		return r;
	cursor = strtoull(after, &end, 10);
	if (*end)
		return sd_bus_error_setf(error, MR_BUS_ERROR_ARGUMENT,
					 "\"%s\" is no cursor of an earlier answer", after);
	if (!max || max > LIST_MAX)
		max = LIST_MAX;
	r = sd_bus_message_new_method_return(msg, &reply);
	if (r >= 0)
		r = append_list(c->m, reply, kind, &cursor, max, &more);
	if (r < 0)
		return r;
	if (more)
		snprintf(next, sizeof(next), "%zu", cursor);
	r = sd_bus_message_append(reply, "s", next);
	return r < 0 ? r : sd_bus_message_send(reply);
}
