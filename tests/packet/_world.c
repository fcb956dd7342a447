// SPDX-License-Identifier: BSD-2-Clause
/*
 * _world.c - loads the program, fills its maps with the tests' policy, runs packets through it.
 *
 * Private: nothing is pinned, all goes with the process.  A failure to load prints the verifier's
 * words, which are what one needs then.
 */
#include "_world.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/utsname.h>

#include <mailreeve/abi.h>

#include "mailreeve.skel.h"

#define WORLD_CPUS_MAX 1024 /* per-CPU values are read into a buffer of this many */

struct world_prefix {
	const char *text;
	unsigned int class;
};
static const struct world_prefix prefixes[] = {
	{ "198.51.100.0/24", WORLD_ALLOW },   { "203.0.113.0/24", WORLD_DENY },
	{ "203.0.113.128/25", WORLD_REJECT }, { "192.0.2.128/25", WORLD_ASKS },
	{ "0.0.0.0/8", WORLD_REJECT },	      { "127.0.0.0/8", WORLD_REJECT },
	{ "224.0.0.0/3", WORLD_REJECT },      { "2001:db8:1::/48", WORLD_ALLOW },
	{ "2001:db8:2::/48", WORLD_DENY },    { "2001:db8:3::/48", WORLD_REJECT },
	{ "2001:db8:4::/48", WORLD_ASKS },    { "ff00::/8", WORLD_REJECT },
	{ "::/127", WORLD_REJECT },
};

static uint64_t cell(uint16_t plain, uint16_t banned, uint16_t permitted, uint16_t both)
{
	return (uint64_t)plain << MR_CELL_SHIFT(0, 0) | (uint64_t)banned << MR_CELL_SHIFT(0, 1) |
	       (uint64_t)permitted << MR_CELL_SHIFT(1, 0) | (uint64_t)both << MR_CELL_SHIFT(1, 1);
}

static uint64_t class_cell(unsigned int class)
{
	uint16_t o = MR_OUTCOME(0, MR_UNMATCHED), ban = MR_OUTCOME(0, MR_DENY);
	uint16_t permit = MR_OUTCOME(WORLD_RULE_PERMIT, MR_ALLOW);

	switch (class) {
	case WORLD_ALLOW:
		o = MR_OUTCOME(WORLD_RULE_ALLOW, MR_ALLOW);
		break;
	case WORLD_DENY:
		o = MR_OUTCOME(WORLD_RULE_DENY, MR_DENY);
		break;
	case WORLD_REJECT:
		o = MR_OUTCOME(WORLD_RULE_REJECT, MR_REJECT);
		break;
	case WORLD_ASKS:
		return cell(o, ban, permit, ban);
	}
	return cell(o, o, o, o);
}

static int set_inner(const struct bpf_map *outer, uint32_t slot, int inner)
{
	if (inner < 0)
		return -errno;
	if (bpf_map_update_elem(bpf_map__fd(outer), &slot, &inner, BPF_ANY) < 0)
		return -errno;
	return 0;
}

static int fill_cells(struct world *w, unsigned int slot)
{
	LIBBPF_OPTS(bpf_map_create_opts, o, .map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	_close_ int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "cells", 4, 8,
					WORLD_CLASSES * WORLD_COLUMNS, &o);

	for (uint32_t i = 0; fd >= 0 && i < WORLD_CLASSES * WORLD_COLUMNS; i++) {
		uint64_t c = class_cell(i / WORLD_COLUMNS);

		if (bpf_map_update_elem(fd, &i, &c, BPF_ANY) < 0)
			return -errno;
	}
	return set_inner(w->skel->maps.cells, slot, fd);
}

static int fill_trie(struct world *w, unsigned int slot, bool v6)
{
	LIBBPF_OPTS(bpf_map_create_opts, o, .map_flags = BPF_F_NO_PREALLOC);
	_close_ int fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "trie", v6 ? 20 : 8, 4, 64, &o);

	for (size_t i = 0; fd >= 0 && i < MR_ARRAY_SIZE(prefixes); i++) {
		const char *text = prefixes[i].text, *slash = strchr(text, '/');
		struct mr_trie6_key key = { .prefixlen = (uint32_t)strtoul(slash + 1, NULL, 10) };
		char addr[MR_ADDR_TEXT] = { 0 };

		if (!!strchr(text, ':') != v6)
			continue;
		memcpy(addr, text, (size_t)(slash - text));
		inet_pton(v6 ? AF_INET6 : AF_INET, addr, key.addr);
		if (bpf_map_update_elem(fd, &key, &prefixes[i].class, BPF_ANY) < 0)
			return -errno;
	}
	return set_inner(v6 ? w->skel->maps.trie6 : w->skel->maps.trie4, slot, fd);
}

static int fill_to(struct world *w, unsigned int slot)
{
	static const uint8_t ids[] = WORLD_IDS;
	struct mr_to_key key = { .slot = (uint8_t)slot, .service = ids[WORLD_TO] };
	uint8_t one = 1;

	key.addr[10] = key.addr[11] = 0xff;
	inet_pton(AF_INET, "192.0.2.25", key.addr + 12);
	if (bpf_map_update_elem(bpf_map__fd(w->skel->maps.to), &key, &one, BPF_ANY) < 0)
		return -errno;
	inet_pton(AF_INET6, "2001:db8::25", key.addr);
	if (bpf_map_update_elem(bpf_map__fd(w->skel->maps.to), &key, &one, BPF_ANY) < 0)
		return -errno;
	return 0;
}

int world_column(uint16_t port)
{
	switch (port) {
	case WORLD_PORT_PLAIN:
	case WORLD_PORT_PLAIN2:
		return WORLD_PLAIN;
	case WORLD_PORT_SHADOW:
		return WORLD_SHADOW;
	case WORLD_PORT_ANY:
		return WORLD_ANY;
	case WORLD_PORT_TO:
		return WORLD_TO;
	}
	return -1;
}

int world_fill(struct world *w, unsigned int slot)
{
	static const uint8_t ids[] = WORLD_IDS;
	struct mr_gen *g = &w->state->gen[slot];
	int r;

	memset(g, 0, sizeof(*g));
	g->number = slot + 1;
	g->flags = MR_GEN_TRIE4 | MR_GEN_TRIE6;
	g->columns = WORLD_COLUMNS;
	memset(g->permit_mask6, 0xff, 16);
	memset(g->ban_mask6, 0xff, 8);
	for (size_t i = 0; i < WORLD_COLUMNS; i++)
		g->service[i].id = ids[i];
	g->service[WORLD_SHADOW].flags = MR_SERVICE_SHADOW;
	g->service[WORLD_ANY].flags = MR_SERVICE_ESTABLISHED;
	g->service[WORLD_TO].flags = MR_SERVICE_TO;
	for (unsigned int i = 0; i <= MR_RULES_MAX; i++)
		g->rule_counter[i] = (uint16_t)(MR_COUNTERS_MAX - 1 - i);
	for (unsigned int i = 0; i < 65536; i++)
		g->column[i] = (uint8_t)(world_column((uint16_t)i) + 1);
	r = fill_cells(w, slot);
	if (r == 0)
		r = fill_trie(w, slot, false);
	if (r == 0)
		r = fill_trie(w, slot, true);
	return r == 0 ? fill_to(w, slot) : r;
}

unsigned int world_class(const struct mr_addr *a)
{
	unsigned int best = 0, class = WORLD_UNMATCHED;

	for (size_t i = 0; i < MR_ARRAY_SIZE(prefixes); i++) {
		const char *text = prefixes[i].text, *slash = strchr(text, '/');
		bool v4 = !strchr(text, ':');
		unsigned int plen = (unsigned int)strtoul(slash + 1, NULL, 10), n = 0;
		uint8_t b[16] = { [10] = v4 ? 0xff : 0, [11] = v4 ? 0xff : 0 };
		char addr[MR_ADDR_TEXT] = { 0 };

		memcpy(addr, text, (size_t)(slash - text));
		inet_pton(v4 ? AF_INET : AF_INET6, addr, v4 ? b + 12 : b);
		if (v4 != mr_addr_is4(a))
			continue;
		plen += v4 ? 96 : 0;
		while (n < plen && !((b[n / 8] ^ a->b[n / 8]) & (0x80 >> n % 8)))
			n++;
		if (n == plen && plen >= best) {
			best = plen;
			class = prefixes[i].class;
		}
	}
	return class;
}

static int print_error(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_DEBUG ? 0 : vfprintf(stderr, format, args);
}

int world_open(struct world *w, enum mr_replay_established replay)
{
	struct mailreeve_bpf *skel;
	int r;

	*w = (struct world){ .frags = true };
	for (;; w->frags = false) {
		skel = mailreeve_bpf__open();
		if (!skel)
			return -errno;
		/* the attempt with multi-buffer programs may fail quietly, the one without may not
		 */
		libbpf_set_print(w->frags ? NULL : print_error);
		skel->rodata->mr_replay = replay;
		bpf_program__set_autoload(skel->progs.mr_l2_frags, w->frags);
		bpf_program__set_autoload(skel->progs.mr_l3_frags, w->frags);
		r = mailreeve_bpf__load(skel);
		if (r == 0)
			break;
		mailreeve_bpf__destroy(skel);
		if (!w->frags) {
			printf("# cannot load the program: %s\n", strerror(-r));
			return r;
		}
	}
	w->skel = skel;
	w->state = &skel->data_state->state;
	w->state->abi = MR_ABI;
	return world_fill(w, 0);
}

void world_close(struct world *w)
{
	mailreeve_bpf__destroy(w->skel);
}

int world_program(const struct world *w, bool l3, bool frags)
{
	const struct mailreeve_bpf *s = w->skel;

	if (frags && w->frags)
		return bpf_program__fd(l3 ? s->progs.mr_l3_frags : s->progs.mr_l2_frags);
	return bpf_program__fd(l3 ? s->progs.mr_l3 : s->progs.mr_l2);
}

int world_run(struct world *w, bool l3, bool frags, const void *packet, size_t n, void *out,
	      size_t *out_len)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = packet, .data_size_in = (uint32_t)n,
		    .data_out = out, .data_size_out = out ? (uint32_t)*out_len : 0, .repeat = 1);

	memset(&w->skel->data_decision->decision, 0xee, sizeof(struct mr_decision));
	if (bpf_prog_test_run_opts(world_program(w, l3, frags), &o) < 0)
		return -errno;
	if (out_len)
		*out_len = o.data_size_out;
	return (int)o.retval;
}

const struct mr_decision *world_decision(const struct world *w)
{
	return &w->skel->data_decision->decision;
}

static struct mr_count sum(const struct bpf_map *map, uint32_t index)
{
	static struct mr_count v[WORLD_CPUS_MAX];
	struct mr_count all = { 0 };
	int cpus = libbpf_num_possible_cpus();

	if (cpus > WORLD_CPUS_MAX || bpf_map_lookup_elem(bpf_map__fd(map), &index, v) < 0)
		abort();
	for (int i = 0; i < cpus; i++) {
		all.packets += v[i].packets;
		all.bytes += v[i].bytes;
	}
	return all;
}

struct mr_count world_service(const struct world *w, unsigned int column, enum mr_counted what)
{
	static const uint8_t ids[] = WORLD_IDS;

	return sum(w->skel->maps.service_counters, ids[column] * MR_COUNTED_N + what);
}

struct mr_count world_rule(const struct world *w, unsigned int rule)
{
	return sum(w->skel->maps.rule_counters, MR_COUNTERS_MAX - 1 - rule);
}

struct mr_count world_reason(const struct world *w, enum mr_why why)
{
	return sum(w->skel->maps.reason_counters, why);
}

int world_entry(struct world *w, enum mr_entry_kind kind, const char *addr,
		const struct mr_entry *e)
{
	const struct bpf_map *map = kind == MR_PERMIT ? w->skel->maps.permits : w->skel->maps.bans;
	struct mr_entry_key key = { .addr = { [10] = 0xff, [11] = 0xff } };

	if (inet_pton(AF_INET, addr, key.addr + 12) != 1 &&
	    inet_pton(AF_INET6, addr, key.addr) != 1)
		return -EINVAL;
	if (!e)
		return bpf_map_delete_elem(bpf_map__fd(map), &key) < 0 ? -errno : 0;
	return bpf_map_update_elem(bpf_map__fd(map), &key, e, BPF_ANY) < 0 ? -errno : 0;
}

bool world_skip(void)
{
	if (geteuid() == 0)
		return false;
	printf("1..0 # SKIP needs root: it loads BPF programs\n");
	return true;
}
