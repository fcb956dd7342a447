// SPDX-License-Identifier: BSD-2-Clause
/*
 * load.c - opens and closes a struct mr_kernel.
 *
 * mr_kernel_open() prepares the pin directory, opens the embedded object, gives it the maps that
 * are pinned already, loads the programs this kernel can take, carries entries over from maps of
 * another size or ABI, and pins what is new.  What filters at the moment goes on with the program
 * it has: the links are updated by mr_attach(), after the caller has filled a generation if
 * there was none.
 *
 * mr_kernel_open_beside() loads the programs once more, over the maps of a kernel that filters, but
 * with larger maps of entries, which stay empty; resize.c fills them and changes over.
 *
 * mr_kernel_open_pins() opens the pinned maps for reading and loads nothing.
 *
 * Never attaches, never changes a generation.  A pin that is not what it should be is an error
 * that names it, and nothing is overwritten.  The verifier's last words go into the error.
 */
#include "internal.h"

#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>

#include "mailreeve.skel.h"

/* Room for the verifier's log, bytes; touched only if a load fails. */
#define LOG_BYTES (16 << 20)
/* Of it, so many bytes of last lines go into the error. */
#define LOG_TAIL 600

static struct bpf_map *object_map(const struct mr_kernel *k, enum mr_map m)
{
	const char *name = m == MR_MAP_STATE ? ".data.state" : mr_map_names[m];

	return bpf_object__find_map_by_name(k->skel->obj, name);
}

static struct bpf_program *object_program(const struct mr_kernel *k, enum mr_program p)
{
	struct bpf_program *const all[MR_PROGRAMS] = {
		[MR_PROGRAM_L2] = k->skel->progs.mr_l2,
		[MR_PROGRAM_L3] = k->skel->progs.mr_l3,
		[MR_PROGRAM_L2_FRAGS] = k->skel->progs.mr_l2_frags,
		[MR_PROGRAM_L3_FRAGS] = k->skel->progs.mr_l3_frags,
	};

	return all[p];
}

/* The two smallest instructions there are, loaded with the flag in question (Linux 5.18). */
static bool kernel_has_frags(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_XDP,
		    .prog_flags = BPF_F_XDP_HAS_FRAGS);
	_close_ int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "mr_probe", "Dual BSD/GPL", insns,
				       MR_ARRAY_SIZE(insns), &opts);

	return fd >= 0;
}

/* The last lines of the verifier's log without its statistics. */
static const char *log_tail(char *log)
{
	char *stats = strstr(log, "\nprocessed ");
	size_t len;

	if (stats)
		*stats = '\0';
	len = strlen(log);
	while (len > 0 && log[len - 1] == '\n')
		log[--len] = '\0';
	if (len > LOG_TAIL) {
		log += len - LOG_TAIL;
		log = strchr(log, '\n') ? strchr(log, '\n') + 1 : log;
	}
	return log;
}

static int load_error(int r, char *log, struct mr_error *e)
{
	if (r == -EPERM)
		return mr_error(e, r,
				"the kernel does not let us load BPF programs: root, or the "
				"capabilities CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, are needed "
				"(before Linux 5.11 an unlimited RLIMIT_MEMLOCK too)");
	if (*log)
		return mr_error(e, r, "the kernel refuses the program: %s.  Its last words:\n%s",
				strerror(-r), log_tail(log));
	return mr_error(e, r, "cannot load the program: %s", strerror(-r));
}

/* --- adopting what is pinned ------------------------------------------------------------------ */

struct adopted {
	int fd[MR_MAP_N]; /* as pinned, -EBADF: no such pin */
	struct bpf_map_info info[MR_MAP_N];
	bool fresh[MR_MAP_N]; /* not adopted: made by this load */
	bool resized[MR_MAP_N]; /* fresh because its size changes: entries are carried over */
};

static void adopted_close(struct adopted *a)
{
	for (size_t m = 0; m < MR_MAP_N; m++)
		if (a->fd[m] >= 0)
			close(a->fd[m]);
}

static int check_shape(const struct bpf_map_info *i, const struct bpf_map *want, bool sized,
		       const char *path, struct mr_error *e)
{
	if (i->type == bpf_map__type(want) && i->key_size == bpf_map__key_size(want) &&
	    i->value_size == bpf_map__value_size(want) &&
	    (!sized || i->max_entries == bpf_map__max_entries(want)))
		return 0;
	return mr_error(e, -EPROTO,
			"%s: the pinned map is not ours or is damaged (type %u, key %u, value %u, "
			"%u entries; expected type %u, key %u, value %u, %u entries).\n"
			"`mailreeve detach` lets go of the devices; then remove it: rm %s",
			path, i->type, i->key_size, i->value_size, i->max_entries,
			bpf_map__type(want), bpf_map__key_size(want), bpf_map__value_size(want),
			bpf_map__max_entries(want), path);
}

static int adopt_read(struct mr_kernel *k, struct adopted *a, struct mr_error *e)
{
	bool coupled = true;
	char path[PATH_MAX];
	int r;

	for (enum mr_map m = 0; m < MR_MAP_N; m++) {
		bool sized = m != MR_MAP_PERMITS && m != MR_MAP_BANS;

		r = mr_pin_path(k->pin_dir, MR_ABI, mr_map_names[m], path);
		if (r < 0)
			return mr_error(e, r, "the pin directory's name is too long");
		r = mr_pin_open(path, false, &a->info[m], e);
		if (r == -ENOENT) {
			if (MR_MAP_COUPLED(m))
				coupled = false;
			continue;
		}
		if (r < 0)
			return r;
		a->fd[m] = r;
		a->fresh[m] = false;
		r = check_shape(&a->info[m], object_map(k, m), sized, path, e);
		if (r < 0)
			return r;
	}
	for (enum mr_map m = 0; m < MR_MAP_N && !coupled; m++)
		if (MR_MAP_COUPLED(m))
			a->fresh[m] = true;
	return 0;
}

static int adopt_size(struct mr_kernel *k, struct adopted *a, enum mr_map m, uint32_t max,
		      uint32_t fallback)
{
	if (a->fd[m] < 0)
		return bpf_map__set_max_entries(object_map(k, m), max ? max : fallback);
	if (max == 0 || max == a->info[m].max_entries)
		return 0;
	a->fresh[m] = a->resized[m] = true;
	return bpf_map__set_max_entries(object_map(k, m), max);
}

static int adopt(struct mr_kernel *k, const struct mr_kernel_options *o, struct adopted *a,
		 struct mr_error *e)
{
	int r = 0;

	if (k->pin_dir)
		r = adopt_read(k, a, e);
	if (r < 0)
		return r;
	r = adopt_size(k, a, MR_MAP_PERMITS, o->permits_max, MR_PERMITS_MAX);
	if (r == 0)
		r = adopt_size(k, a, MR_MAP_BANS, o->bans_max, MR_BANS_MAX);
	for (enum mr_map m = 0; m < MR_MAP_N && r == 0; m++)
		if (!a->fresh[m])
			r = bpf_map__reuse_fd(object_map(k, m), a->fd[m]);
	return r < 0 ? mr_error(e, r, "cannot take over the pinned maps: %s", strerror(-r)) : 0;
}

/* --- open ------------------------------------------------------------------------------------- */

static void read_shapes(struct mr_kernel *k)
{
	for (size_t i = 0; i < MR_INNER_N; i++) {
		const struct bpf_map *in =
			bpf_map__inner_map(object_map(k, MR_MAP_CELLS + (enum mr_map)i));

		k->shape[i] = (struct mr_inner_shape){
			.type = bpf_map__type(in),
			.key_size = bpf_map__key_size(in),
			.value_size = bpf_map__value_size(in),
			.flags = bpf_map__map_flags(in),
			.max_entries = bpf_map__max_entries(in),
		};
	}
}

static int open_object(struct mr_kernel *k, const struct mr_kernel_options *o, char *log,
		       struct mr_error *e)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .kernel_log_buf = log,
		    .kernel_log_size = LOG_BYTES);

	k->skel = mailreeve_bpf__open_opts(&opts);
	if (!k->skel)
		return mr_error(e, -errno, "cannot open the embedded BPF object: %m");
	read_shapes(k);
	k->skel->rodata->mr_replay = o->replay;
	k->skel->data_state->state.abi = MR_ABI;
	k->replay = o->replay != MR_REPLAY_OFF;
	/* a replay hands in one buffer, and need not wait for two more programs to be verified */
	k->frags = !k->replay && kernel_has_frags();
	if (!k->frags) {
		bpf_program__set_autoload(object_program(k, MR_PROGRAM_L2_FRAGS), false);
		bpf_program__set_autoload(object_program(k, MR_PROGRAM_L3_FRAGS), false);
	}
	return 0;
}

/* An array of maps with one place: the update of a place waits for a grace period of RCU, which is
 * what a generation needs between the flip and the reuse of a slot. */
static int make_fence(struct mr_kernel *k)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	_close_ int inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "mr_fence_in", 4, 4, 1, NULL);

	if (inner < 0)
		return -errno;
	opts.inner_map_fd = (uint32_t)inner;
	k->fence = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "mr_fence", 4, 4, 1, &opts);
	return k->fence < 0 ? -errno : 0;
}

static int take_descriptors(struct mr_kernel *k)
{
	k->state = &k->skel->data_state->state;
	k->decision = &k->skel->data_decision->decision;
	for (enum mr_map m = 0; m < MR_MAP_N; m++)
		k->map[m] = bpf_map__fd(object_map(k, m));
	for (enum mr_program p = 0; p < MR_PROGRAMS; p++) {
		struct bpf_prog_info info = { 0 };
		uint32_t len = sizeof(info);

		if (!bpf_program__autoload(object_program(k, p)))
			continue;
		k->prog[p] = bpf_program__fd(object_program(k, p));
		if (bpf_obj_get_info_by_fd(k->prog[p], &info, &len) < 0)
			return -errno;
		k->prog_id[p] = info.id;
	}
	return make_fence(k);
}

static int carry_over(struct mr_kernel *k, struct adopted *a, struct mr_error *e)
{
	for (enum mr_map m = MR_MAP_PERMITS; m <= MR_MAP_BANS; m++) {
		size_t copied;
		int r;

		if (!a->resized[m])
			continue;
		r = mr_copy_entries(a->fd[m], &a->info[m], k->map[m], mr_boottime_ns(), &copied);
		if (r == -E2BIG)
			return mr_error(e, r,
					"more %s are live than `max %u` holds; raise it, or flush "
					"them first: mailreeve %s flush",
					mr_map_names[m], bpf_map__max_entries(object_map(k, m)),
					m == MR_MAP_BANS ? "ban" : "permit");
		if (r < 0)
			return mr_error(e, r, "cannot copy %s to a map of another size: %s",
					mr_map_names[m], strerror(-r));
		/* the old map is adopted no more, its entries are not those of another ABI */
		a->fresh[m] = false;
	}
	return mr_copy_other_abis(k, a->fresh, e);
}

static int pin_new(struct mr_kernel *k, const struct adopted *a, struct mr_error *e)
{
	char path[PATH_MAX];
	int r;

	for (enum mr_map m = 0; m < MR_MAP_N; m++) {
		if (!a->fresh[m] && !a->resized[m])
			continue;
		r = mr_pin_path(k->pin_dir, MR_ABI, mr_map_names[m], path);
		if (r == 0)
			r = mr_pin_map(k->map[m], path, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int open_with(struct mr_kernel *k, const struct mr_kernel_options *o, struct adopted *a,
		     char *log, struct mr_error *e)
{
	int r;

	r = open_object(k, o, log, e);
	if (r == 0)
		r = adopt(k, o, a, e);
	if (r < 0)
		return r;
	r = mailreeve_bpf__load(k->skel);
	if (r < 0)
		return load_error(r, log, e);
	r = take_descriptors(k);
	if (r < 0)
		return mr_error(e, r, "cannot use what was loaded: %s", strerror(-r));
	if (k->state->abi != MR_ABI)
		return mr_error(e, -EPROTO,
				"%s/abi%u/state is damaged: it says ABI %u.\n"
				"`mailreeve detach` lets go of the devices; then remove it: rm "
				"%s/abi%u/state",
				o->pin_dir, MR_ABI, k->state->abi, o->pin_dir, MR_ABI);
	if (!k->pin_dir)
		return 0;
	r = carry_over(k, a, e);
	return r < 0 ? r : pin_new(k, a, e);
}

static struct mr_kernel *kernel_new(const char *pin_dir)
{
	_cleanup_(mr_kernel_freep) struct mr_kernel *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->fence = -EBADF;
	for (size_t i = 0; i < MR_MAP_N; i++)
		k->map[i] = -EBADF;
	for (size_t i = 0; i < MR_PROGRAMS; i++)
		k->prog[i] = -EBADF;
	for (size_t s = 0; s < MR_SLOTS; s++)
		for (size_t i = 0; i < MR_INNER_N; i++)
			k->inner[s][i] = -EBADF;
	k->pin_dir = pin_dir ? strdup(pin_dir) : NULL;
	return pin_dir && !k->pin_dir ? NULL : MR_TAKE_PTR(k);
}

int mr_kernel_open(const struct mr_kernel_options *o, struct mr_kernel **out, struct mr_error *e)
{
	_cleanup_(mr_kernel_freep) struct mr_kernel *k = kernel_new(o->pin_dir);
	_free_ char *log = calloc(1, LOG_BYTES);
	struct adopted a;
	int r;

	if (!k || !log)
		return mr_error(e, -ENOMEM, "no memory to load the program");
	for (size_t m = 0; m < MR_MAP_N; m++) {
		a.fd[m] = -EBADF;
		a.fresh[m] = true;
		a.resized[m] = false;
	}
	if (o->pin_dir) {
		r = mr_pin_prepare(o->pin_dir, e);
		if (r < 0)
			return r;
	}
	r = open_with(k, o, &a, log, e);
	adopted_close(&a);
	if (r == 0)
		*out = MR_TAKE_PTR(k);
	return r;
}

/* --- beside one that filters ------------------------------------------------------------------ */

static int share_maps(struct mr_kernel *n, const struct mr_kernel *k, const uint32_t max[static 2])
{
	int r = 0;

	for (enum mr_map m = 0; m < MR_MAP_N && r == 0; m++) {
		if (m == MR_MAP_PERMITS || m == MR_MAP_BANS) {
			enum mr_entry_kind kind = m == MR_MAP_BANS ? MR_BAN : MR_PERMIT;

			n->resized[kind] = max[kind] != 0;
			if (max[kind]) {
				r = bpf_map__set_max_entries(object_map(n, m), max[kind]);
				continue;
			}
		}
		r = bpf_map__reuse_fd(object_map(n, m), k->map[m]);
	}
	return r;
}

int mr_kernel_open_beside(const struct mr_kernel *k, const uint32_t max[static 2],
			  struct mr_kernel **out, struct mr_error *e)
{
	const struct mr_kernel_options o = { .replay = MR_REPLAY_OFF };
	_cleanup_(mr_kernel_freep) struct mr_kernel *n = kernel_new(NULL);
	_free_ char *log = calloc(1, LOG_BYTES);
	int r;

	if (!n || !log)
		return mr_error(e, -ENOMEM, "no memory to load the program");
	if (k->replay || !k->skel)
		return -EOPNOTSUPP;
	r = open_object(n, &o, log, e);
	if (r < 0)
		return r;
	r = share_maps(n, k, max);
	if (r < 0)
		return mr_error(e, r, "cannot share the maps in use: %s", strerror(-r));
	r = mailreeve_bpf__load(n->skel);
	if (r < 0)
		return load_error(r, log, e);
	r = take_descriptors(n);
	if (r < 0)
		return mr_error(e, r, "cannot use what was loaded: %s", strerror(-r));
	*out = MR_TAKE_PTR(n);
	return 0;
}

/* --- the pins alone --------------------------------------------------------------------------- */

static int open_pinned_maps(struct mr_kernel *k, size_t *opened, struct mr_error *e)
{
	struct bpf_map_info info = { 0 };
	char path[PATH_MAX];

	for (enum mr_map m = 0; m < MR_MAP_N; m++) {
		int r = mr_pin_path(k->pin_dir, MR_ABI, mr_map_names[m], path);

		/* a shared mapping wants a descriptor that could write; the mapping itself cannot
		 */
		if (r == 0)
			r = mr_pin_open(path, m != MR_MAP_STATE, &info, e);
		if (r < 0 && r != -ENOENT)
			return r;
		if (r < 0)
			continue;
		k->map[m] = r;
		(*opened)++;
		if (m == MR_MAP_STATE && info.value_size != sizeof(struct mr_state))
			return mr_error(e, -EPROTO, "%s is damaged: %u bytes instead of %zu", path,
					info.value_size, sizeof(struct mr_state));
	}
	return 0;
}

int mr_kernel_open_pins(const char *pin_dir, struct mr_kernel **out, struct mr_error *e)
{
	_cleanup_(mr_kernel_freep) struct mr_kernel *k = kernel_new(pin_dir);
	struct mr_attachment *list = NULL;
	size_t opened = 0, n = 0;
	void *p;
	int r;

	if (!k)
		return mr_error(e, -ENOMEM, "no memory to open the pins");
	r = open_pinned_maps(k, &opened, e);
	if (r < 0)
		return r;
	if (k->map[MR_MAP_STATE] >= 0) {
		p = mmap(NULL, sizeof(struct mr_state), PROT_READ, MAP_SHARED, k->map[MR_MAP_STATE],
			 0);
		if (p == MAP_FAILED)
			return mr_error(e, -errno, "%s: cannot map the pinned state: %m", pin_dir);
		k->state = p;
		k->state_mapped = true;
	}
	r = mr_attach_list(k, &list, &n);
	free(list);
	if (opened == 0 && (r < 0 || n == 0))
		return mr_error(e, r < 0 ? r : -ENOENT,
				r == -EACCES ? "%s: not permitted; only root and the daemon's user "
					       "may look at the pins"
					     : "%s: nothing is pinned there; no mailreeved has "
					       "loaded a filter",
				pin_dir);
	*out = MR_TAKE_PTR(k);
	return 0;
}

/* --- close ------------------------------------------------------------------------------------ */

void mr_kernel_free(struct mr_kernel *k)
{
	if (!k)
		return;
	mr_kernel_free(k->next);
	ring_buffer__free(k->ring);
	for (size_t s = 0; s < MR_SLOTS; s++)
		for (size_t i = 0; i < MR_INNER_N; i++)
			if (k->inner[s][i] >= 0)
				close(k->inner[s][i]);
	if (k->fence >= 0)
		close(k->fence);
	for (size_t i = 0; i < k->n_private_links; i++)
		close(k->private_links[i]);
	free(k->private_links);
	if (k->state_mapped)
		munmap(k->state, sizeof(struct mr_state));
	for (size_t i = 0; i < MR_MAP_N && !k->skel; i++)
		if (k->map[i] >= 0)
			close(k->map[i]);
	mailreeve_bpf__destroy(k->skel);
	free(k->pin_dir);
	free(k);
}

int mr_kernel_unpin(struct mr_kernel *k, struct mr_error *e)
{
	int r = k->pin_dir ? mr_pin_remove_abi(k->pin_dir, MR_ABI) : 0;

	return r < 0 ? mr_error(e, r, "cannot remove the pins in %s/abi%u: %s", k->pin_dir, MR_ABI,
				strerror(-r))
		     : 0;
}

bool mr_kernel_other_abi(const struct mr_kernel *k, char left[static MR_KERNEL_LEFT])
{
	size_t n = 0;

	left[0] = '\0';
	for (enum mr_map m = 0; m < MR_MAP_N; m++)
		if (k->left_behind & 1u << m && n < MR_KERNEL_LEFT)
			n += (size_t)snprintf(left + n, MR_KERNEL_LEFT - n, "%s%s", n ? ", " : "",
					      mr_map_names[m]);
	return k->other_abi;
}

bool mr_kernel_has_frags(const struct mr_kernel *k)
{
	return k->frags;
}

struct mr_state *mr_kernel_state(struct mr_kernel *k)
{
	return k->state;
}

bool mr_kernel_owns_program(const struct mr_kernel *k, uint32_t prog_id)
{
	for (size_t i = 0; i < MR_PROGRAMS; i++)
		if (prog_id != 0 && k->prog_id[i] == prog_id)
			return true;
	return false;
}

int mr_program_fd(struct mr_kernel *k, bool l3)
{
	return k->prog[l3 ? MR_PROGRAM_L3 : MR_PROGRAM_L2];
}
