/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - struct mr_kernel and what the files of lib/kernel share; nobody else includes it.
 */
#ifndef MR_KERNEL_INTERNAL_H
#define MR_KERNEL_INTERNAL_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <limits.h>
#include <mailreeve/kernel.h>

struct mailreeve_bpf; /* the generated skeleton; load.c alone includes it */

/* Every map that is pinned.  The file name is the map's, but for the state: names in a bpffs must
 * not hold dots. */
enum mr_map {
	MR_MAP_STATE,
	MR_MAP_CELLS, /* the outer maps; MR_MAP_CELLS + MR_INNER_x */
	MR_MAP_INDEX4,
	MR_MAP_HOSTS,
	MR_MAP_TRIE4,
	MR_MAP_TRIE6,
	MR_MAP_TREE6,
	MR_MAP_TREE6_VALUES,
	MR_MAP_HOSTS6,
	MR_MAP_TO,
	MR_MAP_PERMITS,
	MR_MAP_BANS,
	MR_MAP_SERVICES,
	MR_MAP_RULES,
	MR_MAP_REASONS,
	MR_MAP_EVENTS,
	MR_MAP_N,
};
/* The maps of one generation, in the order of their outer maps. */
enum mr_inner {
	MR_INNER_CELLS,
	MR_INNER_INDEX4,
	MR_INNER_HOSTS,
	MR_INNER_TRIE4,
	MR_INNER_TRIE6,
	MR_INNER_TREE6,
	MR_INNER_TREE6_VALUES,
	MR_INNER_HOSTS6,
	MR_INNER_N,
};
/* State, outer maps and `to` describe each other: adopted together or not at all. */
#define MR_MAP_COUPLED(m) ((m) <= MR_MAP_TO)

/* How an inner map is made; read from the object, so that it cannot differ from the outer map's
 * template. */
struct mr_inner_shape {
	enum bpf_map_type type;
	uint32_t key_size, value_size, flags, max_entries;
};

enum mr_program { MR_PROGRAM_L2, MR_PROGRAM_L3, MR_PROGRAM_L2_FRAGS, MR_PROGRAM_L3_FRAGS };
#define MR_PROGRAMS 4

struct mr_kernel {
	char *pin_dir; /* NULL: private */
	struct mailreeve_bpf *skel; /* NULL: opened from the pins */
	struct mr_state *state;
	bool state_mapped; /* by us, not by the skeleton */
	bool frags, replay;
	bool other_abi; /* maps of another ABI wait for their links to be updated */
	uint32_t left_behind; /* bits by enum mr_map: another ABI's, of a layout not known here */
	struct mr_decision *decision;
	int map[MR_MAP_N];
	struct mr_inner_shape shape[MR_INNER_N];
	int inner[MR_SLOTS][MR_INNER_N]; /* -EBADF: empty, or filled by an earlier process */
	int fence; /* an outer map whose update waits for a grace period, and nothing else */
	int prog[MR_PROGRAMS];
	uint32_t prog_id[MR_PROGRAMS];
	int *private_links; /* attached without a pin directory: they go with the process */
	size_t n_private_links, alloc_private_links;
	struct mr_kernel *next; /* resize.c: with larger maps of entries, not in use yet; or NULL */
	bool resized[2]; /* of a `next`: this kind's map is its own */
	int next_error; /* -errno: `next` lacks an entry */
	struct ring_buffer *ring;
	mr_event_fn event_fn;
	void *event_userdata;
	size_t events_seen; /* in this call of mr_events_consume() */
};

/* --- pin.c ------------------------------------------------------------------------------------ */

extern const char *const mr_map_names[MR_MAP_N];

/* PIN_DIR ready for use: on a bpffs (mounted if need be), with abi<N>/ and links/. */
int mr_pin_prepare(const char *pin_dir, struct mr_error *e);
/* "PIN_DIR/abi<N>" and "PIN_DIR/abi<N>/NAME" (name NULL: the directory). */
int mr_pin_path(const char *pin_dir, unsigned int abi, const char *name, char buf[static PATH_MAX]);
/* Opens a pinned map and tells its shape; -ENOENT: no such pin.  Anything but a map is an error. */
int mr_pin_open(const char *path, bool rdonly, struct bpf_map_info *info, struct mr_error *e);
/* Pins under its name, replacing what stands there in one step. */
int mr_pin_map(int fd, const char *path, struct mr_error *e);
/* The ABI numbers under the pin directory but our own; *n of them, at most max. */
int mr_pin_other_abis(const char *pin_dir, unsigned int *abis, size_t max, size_t *n);
/* Removes abi<N> with everything in it. */
int mr_pin_remove_abi(const char *pin_dir, unsigned int abi);
#define MR_PIN_ABIS_MAX 16 /* other ABIs looked at; more than two means years of crashes */

/* --- copy.c ----------------------------------------------------------------------------------- */

/* Live entries (not run out) from one hash to another; values may differ in length, they only ever
 * grow at the end.  -E2BIG: they do not fit. */
int mr_copy_entries(int from, const struct bpf_map_info *from_info, int to, uint64_t now,
		    size_t *copied);
int mr_copy_other_abis(struct mr_kernel *k, const bool fresh[static MR_MAP_N], struct mr_error *e);

/* --- link.c ----------------------------------------------------------------------------------- */

#define MR_LINK_NAME 64 /* bytes of a pin's file name: 15 letters, each escaped, and a mark */

/* One pinned link.  ifindex 0: its device is gone. */
struct mr_link {
	char path[PATH_MAX];
	char device[16]; /* as the pin says; the device may have been renamed since */
	int fd; /* of the open link; -EBADF where it cannot be opened */
	int ifindex;
	uint32_t link_id, prog_id;
};

/* Calls fn for every pin under links/ until it returns other than 0, which becomes the result.
 * The link's fd is closed after each call unless fn took it. */
typedef int (*mr_link_fn)(struct mr_link *l, void *userdata);
int mr_link_each(const struct mr_kernel *k, mr_link_fn fn, void *userdata);
/* The pin of this device name; dots and what marks a temporary pin are escaped. */
int mr_link_path(const struct mr_kernel *k, const char *device, char buf[static PATH_MAX]);
/* What the kernel runs on the device: 0 and *prog_id 0 for nothing. */
int mr_link_query(int ifindex, enum mr_attach_mode *mode, uint32_t *prog_id);
/* "NAME" of a program, as far as we may look; else "". */
void mr_link_program_name(uint32_t prog_id, char name[static BPF_OBJ_NAME_LEN]);
/* A GRE device that talks to many (no remote address, or a multicast one): XDP sees the outer
 * header on it, and the packets inside would pass unseen.  False if that cannot be found out. */
bool mr_link_is_multipoint(int ifindex);
/* The driver ethtool names, "" where it has none. */
void mr_link_driver(const char *device, char driver[static 16]);

/* --- load.c ----------------------------------------------------------------------------------- */

bool mr_kernel_owns_program(const struct mr_kernel *k, uint32_t prog_id);
/* The programs once more, over the maps of `k`, but for empty maps of entries of the sizes that
 * `max` names by kind (0: shared too).  Nothing is pinned, nothing attached. */
int mr_kernel_open_beside(const struct mr_kernel *k, const uint32_t max[static 2],
			  struct mr_kernel **out, struct mr_error *e);

/* --- resize.c --------------------------------------------------------------------------------- */

/* A change of k's maps of entries happens in k->next's, too. */
void mr_resize_put(struct mr_kernel *k, enum mr_entry_kind kind, const struct mr_entry_key *key,
		   const struct mr_entry *value);
void mr_resize_delete(struct mr_kernel *k, enum mr_entry_kind kind, const struct mr_entry_key *keys,
		      size_t n);

#endif
