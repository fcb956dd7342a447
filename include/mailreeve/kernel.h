/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel.h - everything that touches BPF: load, pin, attach, generations, entries, counters.
 *
 * One struct mr_kernel for each pin directory.  Under it: abi<N>/ with the maps, links/<ifname>
 * with the pinned bpf_links, both in a bpffs.  A kernel opened without a pin directory is private
 * (`replay`, tests, benchmarks) and goes with the process.
 * Functions may be called from any one thread at a time; filling a spare slot from a worker while
 * the main thread works on entries and counters is fine, the two touch different maps.
 */
#ifndef MAILREEVE_KERNEL_H
#define MAILREEVE_KERNEL_H

#include <mailreeve/image.h>

struct mr_kernel;

enum mr_replay_established { MR_REPLAY_OFF, MR_REPLAY_NONE, MR_REPLAY_ALL };
struct mr_kernel_options {
	const char *pin_dir; /* NULL: private */
	/* 0: as pinned, else the defaults of abi.h.  Another size than the pinned map's: a new map
	 * with the old one's entries; -E2BIG if they do not fit. */
	uint32_t permits_max, bans_max;
	enum mr_replay_established
		replay; /* not OFF: no socket lookups, the decision of each packet is recorded */
};

/* Opens the object, adopts what the pin directory holds of this ABI, loads the programs the kernel
 * can take (xdp.frags where it has it), pins.  Entries and counters of another ABI are copied over.
 */
int mr_kernel_open(const struct mr_kernel_options *o, struct mr_kernel **out, struct mr_error *e);
/* Adopts the maps of a pin directory for reading (status, stats, rules, detach); loads nothing.
 * With maps of another ABI only, links can be listed and detached, and nothing else: the state is
 * NULL then, and counters and entries fail. */
int mr_kernel_open_pins(const char *pin_dir, struct mr_kernel **out, struct mr_error *e);
/* Are there pins of another ABI?  They go when the last device has changed its program.  `left`:
 * the maps that could not be copied, by name, "" for none. */
#define MR_KERNEL_LEFT 128
bool mr_kernel_other_abi(const struct mr_kernel *k, char left[static MR_KERNEL_LEFT]);
void mr_kernel_free(struct mr_kernel *k); /* pins and links stay */
/* Removes the pinned maps; entries and counters are gone with the last program that uses them. */
int mr_kernel_unpin(struct mr_kernel *k, struct mr_error *e);
MR_DEFINE_CLEANUP(struct mr_kernel *, mr_kernel_free)
bool mr_kernel_has_frags(const struct mr_kernel *k);
struct mr_state *mr_kernel_state(struct mr_kernel *k); /* mapped; read-only from open_pins */

/* --- generations ------------------------------------------------------------------------------ */

/* What a generation needs beside the image. */
struct mr_generation_spec {
	const struct mr_policy *policy;
	const struct mr_image *image;
	uint64_t number;
	uint8_t service_id[MR_SERVICES_MAX]; /* by column */
	const uint16_t *rule_counter; /* by rule number, MR_RULES_MAX + 1 of them */
};
/* Fills the spare slot; waits for the grace period of the last flip first; on failure the slot is
 * emptied and the active generation is untouched.  Retries ENOMEM of trie updates with backoff. */
int mr_generation_fill(struct mr_kernel *k, const struct mr_generation_spec *spec,
		       struct mr_error *e);
int mr_generation_flip(struct mr_kernel *k); /* the spare slot becomes the active one */
bool mr_generation_spare(struct mr_kernel *k,
			 uint64_t *number); /* what the spare slot holds, complete */
/* Kernel memory of both slots' maps, bytes, from fdinfo memlock; 0 where unknown. */
int mr_generation_memory(struct mr_kernel *k, uint64_t bytes[MR_SLOTS]);

/* --- devices ---------------------------------------------------------------------------------- */

enum mr_attach_mode { MR_ATTACH_NONE, MR_ATTACH_NATIVE, MR_ATTACH_GENERIC };
struct mr_attachment {
	char name[16];
	int ifindex;
	enum mr_attach_mode mode;
	bool l3, frags;
	bool reject_is_deny; /* resets cannot get out of this device in this mode */
	uint32_t prog_id, link_id;
};
/* Attaches, or updates the link that stands, without a gap.  `want_reject`: the policy sends
 * resets, so a veth is attached in generic mode.  -EBUSY: another XDP program is there; *e names
 * it. */
int mr_attach(struct mr_kernel *k, const struct mr_device *d, bool want_reject,
	      struct mr_attachment *out, struct mr_error *e);
int mr_detach(struct mr_kernel *k,
	      const char *name); /* removes the link's pin; -ENOENT if there is none */
/* The links under the pin directory, dead ones (ifindex 0) included.  *list is malloc'ed. */
int mr_attach_list(struct mr_kernel *k, struct mr_attachment **list, size_t *n);

/* --- entries ---------------------------------------------------------------------------------- */

enum mr_entry_kind { MR_PERMIT, MR_BAN };
int mr_entries_put(struct mr_kernel *k, enum mr_entry_kind kind, const struct mr_entry_key *key,
		   const struct mr_entry *value); /* -E2BIG: full */
int mr_entries_delete(struct mr_kernel *k, enum mr_entry_kind kind, const struct mr_entry_key *key);
/* Many in one call; what is not there is passed over. */
int mr_entries_delete_many(struct mr_kernel *k, enum mr_entry_kind kind,
			   const struct mr_entry_key *keys, size_t n);
/* The map's size. */
uint32_t mr_entries_max(const struct mr_kernel *k, enum mr_entry_kind kind);
/* Every entry, `max` at a time; the cursor starts zeroed, *n = 0 at the end.  A hash bucket is read
 * as a whole: `max` below MR_ENTRIES_CHUNK may fail with -ENOSPC. */
#define MR_ENTRIES_CHUNK 64
struct mr_entries_cursor {
	bool started, ended;
	struct mr_entry_key next;
};
int mr_entries_read(struct mr_kernel *k, enum mr_entry_kind kind, struct mr_entries_cursor *c,
		    struct mr_entry_key *keys, struct mr_entry *values, size_t max, size_t *n);

/*
 * Larger maps of entries while the program filters: a map is part of the program, so the programs
 * are loaded once more, and the links updated; no packet sees a gap or misses an entry.
 *   prepare  loads, from any thread; *next is NULL if the maps are large enough
 *   begin    takes *next: from now on what is put and deleted goes to both maps
 *   copy     for each entry that stands already
 *   commit   pins the new maps, updates the links, frees the old; on failure all is as it was and
 *            what `prepare` made is gone
 *   give_up  instead of commit
 */
int mr_resize_prepare(const struct mr_kernel *k, uint32_t permits_max, uint32_t bans_max,
		      struct mr_kernel **next, struct mr_error *e);
void mr_resize_begin(struct mr_kernel *k, struct mr_kernel *next);
bool mr_resize_wants(const struct mr_kernel *k, enum mr_entry_kind kind); /* to be copied? */
int mr_resize_copy(struct mr_kernel *k, enum mr_entry_kind kind, const struct mr_entry_key *key,
		   const struct mr_entry *value);
int mr_resize_commit(struct mr_kernel *k, struct mr_error *e);
void mr_resize_give_up(struct mr_kernel *k);

/* --- counters and events ---------------------------------------------------------------------- */

/* Sums over CPUs.  out: MR_SERVICES_MAX * MR_COUNTED_N, MR_COUNTERS_MAX, MR_WHY_N. */
int mr_counters_services(struct mr_kernel *k, struct mr_count *out);
int mr_counters_rules(struct mr_kernel *k, struct mr_count *out);
int mr_counters_reasons(struct mr_kernel *k, struct mr_count *out);
int mr_counters_reset_rule(struct mr_kernel *k,
			   unsigned int index); /* a slot that gets a new rule */
int mr_counters_reset_service(struct mr_kernel *k, unsigned int id);
int mr_events_fd(struct mr_kernel *k); /* for epoll */
typedef void (*mr_event_fn)(const struct mr_event_packet *ev, void *userdata);
int mr_events_consume(struct mr_kernel *k, mr_event_fn fn, void *userdata);

/* --- test runs -------------------------------------------------------------------------------- */

/* One packet through the program.  Frames below 14 bytes are judged here.  *out_len and out may be
 * NULL. */
int mr_test_run(struct mr_kernel *k, bool l3, const void *packet, size_t len, struct mr_decision *d,
		void *out, size_t *out_len);
int mr_program_fd(struct mr_kernel *k, bool l3);

#endif
