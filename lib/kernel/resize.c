// SPDX-License-Identifier: BSD-2-Clause
/*
 * resize.c - larger maps of permits and bans under a program that filters (kernel.h).
 *
 * The maps are part of the program, so another program is loaded that has the larger ones and
 * shares all others.  It is filled beside the one in use; every change goes to both.  Then the new
 * maps take the old ones' pins, then each link changes its program in one step: whoever dies in
 * between leaves pins with every entry, and a filter that stands.
 *
 * Never makes a map smaller: entries might not fit, and a lower limit holds without it.  Called by
 * the daemon: mr_resize_prepare() from the worker, the rest from the main thread.  Fails with a
 * message that says what stays.
 */
#include "internal.h"

#include <string.h>

static enum mr_map entry_map(enum mr_entry_kind kind)
{
	return kind == MR_BAN ? MR_MAP_BANS : MR_MAP_PERMITS;
}

int mr_resize_prepare(const struct mr_kernel *k, uint32_t permits_max, uint32_t bans_max,
		      struct mr_kernel **next, struct mr_error *e)
{
	uint32_t max[2] = { [MR_PERMIT] = permits_max, [MR_BAN] = bans_max };
	struct mr_error why = { "" };
	bool wanted = false;
	int r;

	for (enum mr_entry_kind kind = MR_PERMIT; kind <= MR_BAN; kind++) {
		if (max[kind] <= mr_entries_max(k, kind))
			max[kind] = 0;
		wanted |= max[kind] != 0;
	}
	if (!wanted) {
		*next = NULL;
		return 0;
	}
	r = mr_kernel_open_beside(k, max, next, &why);
	if (r < 0)
		return mr_error(e, r, "no room could be made for more permits or bans (%s)",
				*why.text ? why.text : strerror(-r));
	return 0;
}

void mr_resize_begin(struct mr_kernel *k, struct mr_kernel *next)
{
	mr_resize_give_up(k);
	k->next = next;
}

void mr_resize_give_up(struct mr_kernel *k)
{
	mr_kernel_free(MR_TAKE_PTR(k->next));
	k->next_error = 0;
}

/* --- entries ---------------------------------------------------------------------------------- */

bool mr_resize_wants(const struct mr_kernel *k, enum mr_entry_kind kind)
{
	return k->next && k->next->resized[kind];
}

int mr_resize_copy(struct mr_kernel *k, enum mr_entry_kind kind, const struct mr_entry_key *key,
		   const struct mr_entry *value)
{
	mr_resize_put(k, kind, key, value);
	return k->next_error;
}

void mr_resize_put(struct mr_kernel *k, enum mr_entry_kind kind, const struct mr_entry_key *key,
		   const struct mr_entry *value)
{
	if (mr_resize_wants(k, kind) &&
	    bpf_map_update_elem(k->next->map[entry_map(kind)], key, value, BPF_ANY) < 0)
		k->next_error = -errno;
}

void mr_resize_delete(struct mr_kernel *k, enum mr_entry_kind kind, const struct mr_entry_key *keys,
		      size_t n)
{
	for (size_t i = 0; mr_resize_wants(k, kind) && i < n; i++)
		if (bpf_map_delete_elem(k->next->map[entry_map(kind)], &keys[i]) < 0 &&
		    errno != ENOENT)
			k->next_error = -errno;
}

/* --- the change over -------------------------------------------------------------------------- */

static int pin_entries(const struct mr_kernel *k, const struct mr_kernel *of, struct mr_error *e)
{
	char path[PATH_MAX];
	int r = 0;

	for (enum mr_entry_kind kind = MR_PERMIT; k->pin_dir && kind <= MR_BAN && r == 0; kind++) {
		if (!mr_resize_wants(k, kind))
			continue;
		r = mr_pin_path(k->pin_dir, MR_ABI, mr_map_names[entry_map(kind)], path);
		if (r == 0)
			r = mr_pin_map(of->map[entry_map(kind)], path, e);
	}
	return r;
}

struct change {
	const struct mr_kernel *from, *to;
};

static int change_program(int link, uint32_t prog_id, const struct change *c)
{
	for (size_t p = 0; p < MR_PROGRAMS; p++)
		if (prog_id && prog_id == c->from->prog_id[p])
			return bpf_link_update(link, c->to->prog[p], NULL) < 0 ? -errno : 0;
	return 0; /* not ours, or an earlier run's that has other maps anyway */
}

static int change_link(struct mr_link *l, void *userdata)
{
	return l->fd < 0 || l->ifindex == 0 ? 0 : change_program(l->fd, l->prog_id, userdata);
}

static int change_links(const struct mr_kernel *k, const struct mr_kernel *from,
			const struct mr_kernel *to)
{
	struct change c = { from, to };
	int r = mr_link_each(k, change_link, &c);

	for (size_t i = 0; i < k->n_private_links && r == 0; i++) {
		struct bpf_link_info info = { 0 };
		uint32_t len = sizeof(info);

		if (bpf_obj_get_info_by_fd(k->private_links[i], &info, &len) == 0)
			r = change_program(k->private_links[i], info.prog_id, &c);
	}
	return r;
}

/* What was loaded with the object changes places; what was opened since (inner maps, private links,
 * the ring's reader) belongs to maps that both share, and stays. */
static void change_places(struct mr_kernel *a, struct mr_kernel *b)
{
	struct mr_kernel old = *a;

	a->skel = b->skel;
	a->state = b->state;
	a->decision = b->decision;
	memcpy(a->map, b->map, sizeof(a->map));
	memcpy(a->prog, b->prog, sizeof(a->prog));
	memcpy(a->prog_id, b->prog_id, sizeof(a->prog_id));
	b->skel = old.skel;
}

int mr_resize_commit(struct mr_kernel *k, struct mr_error *e)
{
	struct mr_kernel *next = k->next;
	int r = k->next_error;

	if (!next)
		return 0;
	if (r < 0)
		mr_error(e, r, "the larger map did not take every entry: %s", strerror(-r));
	if (r == 0 && k->pin_dir)
		r = mr_pin_prepare(k->pin_dir, e);
	if (r == 0) {
		r = pin_entries(k, next, e);
		if (r == 0) {
			r = change_links(k, k, next);
			if (r < 0)
				mr_error(e, r, "a device's program could not be exchanged: %s",
					 strerror(-r));
		}
		if (r < 0) {
			struct mr_error ignored;

			change_links(k, next, k);
			pin_entries(k, k, &ignored);
		}
	}
	if (r == 0)
		change_places(k, next);
	mr_resize_give_up(k); /* what is in next now goes, the new or the old */
	return r;
}
