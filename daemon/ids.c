// SPDX-License-Identifier: BSD-2-Clause
/*
 * ids.c - the persistent tables of services, users and rule counters (ids.h).
 *
 * Kept as one JSON file.  Called by the main thread; a snapshot is written by the worker, while
 * more numbers are given.  Never logs.  Fails with -errno; a failed call may leave a number taken,
 * never one given twice.
 */
#include "ids.h"
#include "ids_users.h"
#include "state.h"

#include <jansson.h>
#include <string.h>

#define IDS_VERSION  1
#define IDS_FILE_MAX (64u << 20) /* bytes; a million users and their addresses fit */
#define HASH_EMPTY   UINT32_MAX

struct ids_counter {
	char *service; /* "" for rules of `global` */
	char *text;
	uint64_t used; /* the generation that had it last */
};
struct mr_ids {
	char *service[MR_SERVICES_MAX];
	struct ids_counter counter[MR_COUNTERS_MAX];
	struct mr_ids_users users;
	uint64_t changes;
};
/* Services and counters are copied, for they may change hands; a user's number never does. */
struct mr_ids_snapshot {
	const struct mr_ids_users *users;
	uint32_t n_users;
	uint64_t changes;
	json_t *services, *counters;
};

static uint64_t hash_text(const char *s, uint64_t h)
{
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3ull;
	return h ^ (h >> 29);
}
#define HASH_START 0xcbf29ce484222325ull

/* --- users ------------------------------------------------------------------------------------ */

int mr_ids_user(struct mr_ids *ids, const char *name, uint32_t *out)
{
	uint32_t number = ids->users.n ? ids->users.n : 1;
	int r;

	if (!*name) {
		*out = 0;
		return 0;
	}
	if (mr_ids_users_find(&ids->users, name, out) == 0)
		return 0;
	r = mr_ids_users_set(&ids->users, number, name);
	if (r < 0)
		return r;
	ids->changes++;
	*out = number;
	return 0;
}

const char *mr_ids_user_name(const struct mr_ids *ids, uint32_t user)
{
	return user ? mr_ids_users_name(&ids->users, user) : NULL;
}

void mr_ids_reserve_users(struct mr_ids *ids, uint32_t user)
{
	(void)mr_ids_users_reserve(&ids->users, user);
}

/* --- services --------------------------------------------------------------------------------- */

int mr_ids_find_service(const struct mr_ids *ids, const char *name)
{
	for (int i = 0; i < MR_SERVICES_MAX; i++)
		if (ids->service[i] && strcmp(ids->service[i], name) == 0)
			return i;
	return -1;
}

int mr_ids_service(struct mr_ids *ids, const char *name, uint64_t held, uint8_t *out)
{
	int id = mr_ids_find_service(ids, name);
	char *copy;

	if (id >= 0) {
		*out = (uint8_t)id;
		return 0;
	}
	for (id = 0; id < MR_SERVICES_MAX && ids->service[id]; id++)
		;
	if (id == MR_SERVICES_MAX) /* every number was given once: one that nothing holds */
		for (id = 0; id < MR_SERVICES_MAX && (held >> id & 1); id++)
			;
	if (id == MR_SERVICES_MAX)
		return -ENOSPC;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	free(ids->service[id]);
	ids->service[id] = copy;
	ids->changes++;
	*out = (uint8_t)id;
	return 0;
}

const char *mr_ids_service_name(const struct mr_ids *ids, uint8_t id)
{
	return id < MR_SERVICES_MAX ? ids->service[id] : NULL;
}

int mr_ids_adopt_services(struct mr_ids *ids, const json_t *services)
{
	json_t *v;
	size_t i;

	json_array_foreach (services, i, v) {
		const char *name = json_string_value(json_object_get(v, "name"));
		json_int_t id = json_integer_value(json_object_get(v, "id"));
		int before = name ? mr_ids_find_service(ids, name) : -1;
		char *copy;

		if (!name || id < 0 || id >= MR_SERVICES_MAX || before == id)
			continue;
		copy = strdup(name);
		if (!copy)
			return -ENOMEM;
		if (before >= 0)
			free(MR_TAKE_PTR(ids->service[before]));
		free(ids->service[id]);
		ids->service[id] = copy;
		ids->changes++;
	}
	return 0;
}

uint64_t mr_ids_services(const struct mr_ids *ids)
{
	uint64_t bits = 0;

	for (int i = 0; i < MR_SERVICES_MAX; i++)
		bits |= ids->service[i] ? 1ull << i : 0;
	return bits;
}

/* --- counters --------------------------------------------------------------------------------- */

#define COUNTER_SLOTS (4ul * MR_COUNTERS_MAX)

static size_t counter_slot(const struct mr_ids *ids, const uint32_t *slot, const char *service,
			   const char *text)
{
	size_t s = hash_text(text, hash_text(service, HASH_START) * 31) % COUNTER_SLOTS;

	for (; slot[s] != HASH_EMPTY; s = (s + 1) % COUNTER_SLOTS) {
		const struct ids_counter *c = &ids->counter[slot[s]];

		if (strcmp(c->text, text) == 0 && strcmp(c->service, service) == 0)
			break;
	}
	return s;
}

/* The slot that has gone unused for longest: the free ones first, none of this generation's. */
static int counter_oldest(const struct mr_ids *ids, uint64_t generation, int *first_free)
{
	int best = -1;

	for (; *first_free < MR_COUNTERS_MAX; ++*first_free)
		if (!ids->counter[*first_free].text)
			return *first_free;
	for (int i = 0; i < MR_COUNTERS_MAX; i++) {
		const struct ids_counter *c = &ids->counter[i];

		if (c->used < generation && (best < 0 || c->used < ids->counter[best].used))
			best = i;
	}
	return best;
}

static int counter_take(struct mr_ids *ids, int n, const char *service, const char *text)
{
	struct ids_counter *c = &ids->counter[n];
	_free_ char *s = strdup(service), *t = strdup(text);

	if (!s || !t)
		return -ENOMEM;
	free(c->service);
	free(c->text);
	c->service = MR_TAKE_PTR(s);
	c->text = MR_TAKE_PTR(t);
	ids->changes++;
	return 0;
}

static const char *rule_of(const struct mr_policy *p, unsigned int number, const char **service)
{
	const struct mr_service *s = NULL;
	const struct mr_rule *r = mr_policy_rule(p, number, &s);

	*service = s ? s->name : "";
	return r ? r->text : NULL;
}

/* New owners for the rules that have no counter yet. */
static int counters_new(struct mr_ids *ids, const struct mr_policy *p, uint64_t generation,
			uint32_t *slot, uint16_t *counter, uint8_t *fresh)
{
	int first_free = 0;

	for (unsigned int n = 1; n <= p->n_numbered; n++) {
		const char *service, *text = rule_of(p, n, &service);
		size_t s;
		int c;

		if (!text || counter[n] != UINT16_MAX)
			continue;
		s = counter_slot(ids, slot, service, text);
		if (slot[s] == HASH_EMPTY) {
			c = counter_oldest(ids, generation, &first_free);
			if (c < 0)
				return -ENOSPC;
			if (counter_take(ids, c, service, text) < 0)
				return -ENOMEM;
			slot[s] = (uint32_t)c;
			fresh[c] = 1;
		}
		ids->counter[slot[s]].used = generation;
		counter[n] = (uint16_t)slot[s];
	}
	return 0;
}

int mr_ids_counters(struct mr_ids *ids, const struct mr_policy *p, uint64_t generation,
		    const uint16_t *const keep[], const size_t n_keep[], size_t keeps,
		    uint16_t counter[static MR_RULES_MAX + 1], uint8_t *fresh)
{
	_free_ uint32_t *slot = malloc(COUNTER_SLOTS * sizeof(*slot));

	if (!slot)
		return -ENOMEM;
	memset(slot, 0xff, COUNTER_SLOTS * sizeof(*slot));
	counter[0] = 0;
	for (uint32_t i = 0; i < MR_COUNTERS_MAX; i++)
		if (ids->counter[i].text)
			slot[counter_slot(ids, slot, ids->counter[i].service,
					  ids->counter[i].text)] = i;
	for (size_t k = 0; k < keeps; k++)
		for (size_t n = 1; n <= n_keep[k]; n++)
			if (keep[k][n] < MR_COUNTERS_MAX)
				ids->counter[keep[k][n]].used = generation;
	/* first the rules that have theirs, so that no newcomer takes one from them */
	for (unsigned int n = 1; n <= p->n_numbered; n++) {
		const char *service, *text = rule_of(p, n, &service);
		size_t s = text ? counter_slot(ids, slot, service, text) : 0;

		counter[n] = UINT16_MAX;
		if (!text || slot[s] == HASH_EMPTY)
			continue;
		counter[n] = (uint16_t)slot[s];
		ids->counter[slot[s]].used = generation;
	}
	return counters_new(ids, p, generation, slot, counter, fresh);
}

/* --- the file --------------------------------------------------------------------------------- */

static int load_services(struct mr_ids *ids, const json_t *list)
{
	json_t *v;
	size_t i;

	json_array_foreach (list, i, v) {
		if (i >= MR_SERVICES_MAX || !json_is_string(v))
			continue;
		ids->service[i] = strdup(json_string_value(v));
		if (!ids->service[i])
			return -ENOMEM;
	}
	return 0;
}

static int load_users(struct mr_ids *ids, const json_t *list)
{
	json_t *v;
	size_t i;
	int r = 0;

	json_array_foreach (list, i, v) {
		const char *name = json_string_value(v);

		uint32_t twin;

		if (i == 0 || i > MR_IDS_USERS_MAX)
			continue;
		if (name && *name && mr_ids_users_find(&ids->users, name, &twin) < 0)
			r = mr_ids_users_set(&ids->users, (uint32_t)i, name);
		else
			mr_ids_reserve_users(ids, (uint32_t)i);
		if (r < 0)
			return r;
	}
	return 0;
}

static int load_counters(struct mr_ids *ids, const json_t *list)
{
	json_t *v;
	size_t i;
	int r;

	json_array_foreach (list, i, v) {
		const char *service = json_string_value(json_array_get(v, 0));
		const char *text = json_string_value(json_array_get(v, 1));

		if (i >= MR_COUNTERS_MAX || !service || !text)
			continue;
		r = counter_take(ids, (int)i, service, text);
		if (r < 0)
			return r;
		ids->counter[i].used = (uint64_t)json_integer_value(json_array_get(v, 2));
	}
	return 0;
}

int mr_ids_new(struct mr_ids **out)
{
	struct mr_ids *ids = calloc(1, sizeof(*ids));

	if (!ids)
		return -ENOMEM;
	*out = ids;
	return 0;
}

int mr_ids_load(const char *path, struct mr_ids **out, struct mr_error *e)
{
	_cleanup_(mr_ids_freep) struct mr_ids *ids = NULL;
	json_t *top;
	int r = mr_ids_new(&ids);

	if (r < 0)
		return mr_error(e, r, "%s: %s", path, strerror(-r));
	r = mr_state_read_json(path, IDS_FILE_MAX, IDS_VERSION, &top, e);
	if (r == -ENOENT) {
		*out = MR_TAKE_PTR(ids);
		return 0;
	}
	if (r < 0)
		return r;
	r = load_services(ids, json_object_get(top, "services"));
	if (r == 0)
		r = load_users(ids, json_object_get(top, "users"));
	if (r == 0)
		r = load_counters(ids, json_object_get(top, "counters"));
	json_decref(top);
	if (r < 0)
		return mr_error(e, r, "%s: %s", path, strerror(-r));
	ids->changes = 0;
	*out = MR_TAKE_PTR(ids);
	return 0;
}

struct mr_ids_snapshot *mr_ids_snapshot(const struct mr_ids *ids)
{
	struct mr_ids_snapshot *s = calloc(1, sizeof(*s));
	size_t last = MR_COUNTERS_MAX;

	if (!s)
		return NULL;
	s->users = &ids->users;
	s->n_users = ids->users.n;
	s->changes = ids->changes;
	s->services = json_array();
	s->counters = json_array();
	for (int i = 0; i < MR_SERVICES_MAX; i++)
		json_array_append_new(s->services, ids->service[i]
							   ? json_string_nocheck(ids->service[i])
							   : json_null());
	while (last && !ids->counter[last - 1].text)
		last--;
	for (size_t i = 0; i < last; i++) {
		const struct ids_counter *c = &ids->counter[i];

		json_t *v = c->text ? json_pack("[s,s,I]", c->service, c->text, (json_int_t)c->used)
				    : NULL;

		json_array_append_new(s->counters, v ? v : json_null());
	}
	return s;
}

void mr_ids_snapshot_free(struct mr_ids_snapshot *s)
{
	if (!s)
		return;
	json_decref(s->services);
	json_decref(s->counters);
	free(s);
}

uint64_t mr_ids_snapshot_changes(const struct mr_ids_snapshot *s)
{
	return s->changes;
}

/* One by one: a tree of a million strings would take ten times their memory. */
static void print_users(const struct mr_ids_snapshot *s, FILE *f)
{
	for (uint32_t i = 0; i < s->n_users; i++) {
		const char *name = i ? mr_ids_users_name(s->users, i) : NULL;
		json_t *v = name ? json_string(name) : NULL;

		if (i)
			fputc(',', f);
		if (v)
			json_dumpf(v, f, JSON_ENCODE_ANY);
		else
			fputs("null", f);
		json_decref(v);
	}
}

int mr_ids_snapshot_write(const struct mr_ids_snapshot *s, const char *path)
{
	_free_ char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return -ENOMEM;
	fprintf(f, "{\"version\":%d,\"services\":", IDS_VERSION);
	json_dumpf(s->services, f, JSON_COMPACT);
	fputs(",\"users\":[", f);
	print_users(s, f);
	fputs("],\"counters\":", f);
	json_dumpf(s->counters, f, JSON_COMPACT);
	fputc('}', f);
	if (ferror(f)) {
		fclose(f);
		return -ENOMEM;
	}
	return fclose(f) == 0 ? mr_write_file(path, text, len, 0600) : -ENOMEM;
}

uint64_t mr_ids_changes(const struct mr_ids *ids)
{
	return ids->changes;
}

void mr_ids_free(struct mr_ids *ids)
{
	if (!ids)
		return;
	for (int i = 0; i < MR_SERVICES_MAX; i++)
		free(ids->service[i]);
	for (int i = 0; i < MR_COUNTERS_MAX; i++) {
		free(ids->counter[i].service);
		free(ids->counter[i].text);
	}
	mr_ids_users_clear(&ids->users);
	free(ids);
}
