/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * maps.h - every map of the program and its few globals: key, value, writer, reader, lifetime.
 *
 * Writer and reader: "daemon" is the one process that owns the pins, "program" is XDP, "tools" read
 * from the pins when the daemon is down.  The program writes counters, buckets and events, nothing
 * else.  Per-generation maps are inner maps: an outer array has one place for each slot, and a
 * place may be empty.  Inner maps are declared by sizes: clang 14 leaves a struct that only an
 * inner map names as a forward declaration, and libbpf then finds no size.
 */
#ifndef MR_BPF_MAPS_H
#define MR_BPF_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include <mailreeve/abi.h>

#ifndef __always_inline /* libbpf has it; editors that read this file alone may not */
#define __always_inline inline __attribute__((always_inline))
#endif

/* --- globals ---------------------------------------------------------------------------------- */

/*
 * The heads of both generations and the number of the active one.  Writer: daemon, through mmap;
 * reader: program, daemon, tools.  Pinned; lives until `detach`.
 */
struct mr_state state SEC(".data.state");

/*
 * Knobs, fixed between open and load.  mr_replay: an enum mr_replay_established of kernel.h: 0 off;
 * 1, 2: judge captures, ask no sockets but hold that no (1) or every (2) session stands, and record
 * each decision.  Off, the code of the other two is dead and the verifier drops it.
 */
const volatile __u32 mr_replay = 0;

/* The last decision of a replay.  Writer: program if mr_replay; reader: mr_test_run().  Private. */
struct mr_decision decision SEC(".data.decision");

/* --- generations: outer key = slot (__u32), written by the daemon while the slot is spare --------
 */

#define MR_INNER_ARRAY (BPF_F_MMAPABLE | BPF_F_INNER_MAP) /* sizes differ between generations */

/* Class table: class * columns + column -> cell (__u64).  There unless MR_GEN_CELLS_NEAR. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MR_SLOTS);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(map_flags, MR_INNER_ARRAY);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(__u64));
		});
} cells SEC(".maps");

/* IPv4 trie: struct mr_trie4_key -> class (__u32).  There if MR_GEN_TRIE4.  The program never
 * writes a trie: its locks were made for user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MR_SLOTS);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_LPM_TRIE);
			__uint(map_flags, BPF_F_NO_PREALLOC);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(struct mr_trie4_key));
			__uint(value_size, sizeof(__u32));
		});
} trie4 SEC(".maps");

/* IPv6 trie: struct mr_trie6_key -> class (__u32).  There if MR_GEN_TRIE6. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MR_SLOTS);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_LPM_TRIE);
			__uint(map_flags, BPF_F_NO_PREALLOC);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(struct mr_trie6_key));
			__uint(value_size, sizeof(__u32));
		});
} trie6 SEC(".maps");

/* IPv4 index: a block of /24s -> struct mr_index_block; which, and how many, by gen.index_pack.
 * There if MR_GEN_INDEX4. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MR_SLOTS);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(map_flags, MR_INNER_ARRAY);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct mr_index_block));
		});
} index4 SEC(".maps");

/* IPv4 host table: bucket -> struct mr_host_bucket.  There if MR_GEN_HOSTS. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MR_SLOTS);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(map_flags, MR_INNER_ARRAY);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct mr_host_bucket));
		});
} hosts SEC(".maps");

/* IPv6 tree: node -> struct mr_tree6_node.  There if MR_GEN_TREE6. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MR_SLOTS);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(map_flags, MR_INNER_ARRAY);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct mr_tree6_node));
		});
} tree6 SEC(".maps");

/* Values of the IPv6 tree's ranges: range / 16 -> struct mr_tree6_values.  There if MR_GEN_TREE6.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MR_SLOTS);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(map_flags, MR_INNER_ARRAY);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct mr_tree6_values));
		});
} tree6_values SEC(".maps");

/* IPv6 host table: bucket -> struct mr_host6_bucket.  There if MR_GEN_HOSTS6. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MR_SLOTS);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(map_flags, MR_INNER_ARRAY);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct mr_host6_bucket));
		});
} hosts6 SEC(".maps");

/* Destinations that `to` names, both slots together.  Value 1.  Writer: daemon, for the spare slot.
 * Pinned. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MR_TO_MAX);
	__type(key, struct mr_to_key);
	__type(value, __u8);
} to SEC(".maps");

/* --- timed entries: writer daemon, reader program and tools; pinned, outlive every generation ----
 */

/* Never LRU, it loses live entries; a full map refuses, loudly. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MR_PERMITS_MAX);
	__type(key, struct mr_entry_key);
	__type(value, struct mr_entry);
} permits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MR_BANS_MAX);
	__type(key, struct mr_entry_key);
	__type(value, struct mr_entry);
} bans SEC(".maps");

/* --- counters: writer program, reader daemon and tools; pinned, outlive every generation ---------
 */

/* service id * MR_COUNTED_N + enum mr_counted */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MR_SERVICES_MAX *MR_COUNTED_N);
	__type(key, __u32);
	__type(value, struct mr_count);
} service_counters SEC(".maps");

/* The index that gen.rule_counter gives a rule; the daemon hands them out by the rule's text. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MR_COUNTERS_MAX);
	__type(key, __u32);
	__type(value, struct mr_count);
} rule_counters SEC(".maps");

/* enum mr_why; only of packets that no service counter counts */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MR_WHY_N);
	__type(key, __u32);
	__type(value, struct mr_count);
} reason_counters SEC(".maps");

/* --- events ----------------------------------------------------------------------------------- */

/* struct mr_event_packet, sampled.  Writer: program; reader: daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, MR_EVENTS_BYTES);
} events SEC(".maps");

/* Token buckets.  Writer and reader: program alone. */
enum { MR_BUCKET_SAMPLE, MR_BUCKET_RESET, MR_BUCKET_N };
struct mr_bucket {
	__u64 last; /* when it was last filled, boot ns */
	__u64 credit; /* ns saved up, at most one second */
	__u64 skip; /* sample: attempts to let go by before the clock is read again */
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MR_BUCKET_N);
	__type(key, __u32);
	__type(value, struct mr_bucket);
} buckets SEC(".maps");

#endif
