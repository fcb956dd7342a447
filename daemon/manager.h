/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * manager.h - what the daemon holds: one struct, one event loop, one owner of the truth.
 *
 * Every file of the daemon works on this struct from the main thread.  The worker sees only the
 * job it was given (apply.h) and what that points to, which the main thread leaves alone until the
 * job is back.
 */
#ifndef MAILREEVE_DAEMON_MANAGER_H
#define MAILREEVE_DAEMON_MANAGER_H

#include "ids.h"
#include "linger.h"
#include "log.h"
#include "state.h"
#include "worker.h"

#include <jansson.h>
#include <mailreeve/bus.h>
#include <mailreeve/entry.h>
#include <mailreeve/report.h>

struct mr_job;
struct mr_control;
struct mr_monitor;
struct mr_learn;
struct mr_policyd;
struct mr_relay_lists;
struct mr_authpolicy_server;
struct mr_accounts;

struct mr_options {
	const char *config, *runtime_dir, *state_dir, *pin_dir;
	const char *journal_dir; /* NULL: the system's journal */
};

/* A policy that is in force, was, or may be soon. */
struct mr_live {
	struct mr_policy *policy;
	struct mr_host *host; /* the facts it was compiled with */
	uint64_t generation; /* the image of it that was loaded last */
	uint64_t fingerprint;
	uint64_t applied_us; /* wall clock */
	char snapshot[MR_SNAPSHOT_NAME]; /* its name in the state directory; "": not kept */
	uint8_t *service_id; /* by position in policy->services; UINT8_MAX: off */
	uint16_t *rule_counter; /* by rule number, MR_RULES_MAX + 1 */
	bool facts; /* a rule uses local or gateways */
	bool rejects; /* a rule sends resets */
	json_t *json; /* generation.json */
};
struct mr_live *mr_live_new(void);
void mr_live_free(struct mr_live *l);
MR_DEFINE_CLEANUP(struct mr_live *, mr_live_free)

/* One device of this host that should be guarded, or is. */
struct mr_guard {
	char name[16];
	int ifindex; /* 0: not there */
	bool wanted, attached;
	bool found; /* its link is of an earlier run: the program is not ours yet */
	struct mr_attachment at;
	char *error; /* why not; NULL: fine */
};

/* What goes in steps lets others have their turn after so long (ns).  Status, a packet's permit and
 * a mail server's question wait for one step of each that is under way. */
#define MR_STEP_NS 2000000ull
/* So many entries leave the kernel's maps at a time, then a pause.  What is freed within one of the
 * kernel's grace periods, 0.3 s, it puts on another list in one go, with interrupts off, 130 ns an
 * entry: at 170,000 a second that is 6 ms for packets and for us, without pauses it was 30. */
#define MR_DELETE_STEP	   512
#define MR_DELETE_PAUSE_US 3000ull

typedef void (*mr_entries_switched)(void *userdata, int r);

struct mr_manager {
	struct mr_options options;
	struct mr_log log;
	sd_event *event;
	struct mr_linger linger;
	struct mr_worker *worker;
	struct mr_ids *ids;
	uint64_t ids_saved; /* mr_ids_changes at the last save */
	struct mr_kernel *kernel;
	struct mr_current current; /* as on the disk */
	int lock_runtime, lock_state, lock_pins;

	/* apply.c: policies and jobs */
	struct mr_live *active; /* NULL: none; the daemon runs and waits */
	struct mr_live
		*previous; /* what undo goes back to, or NULL: current.previous has the name */
	bool trial; /* active waits to be confirmed; previous is what it goes back to */
	uint64_t trial_deadline; /* boot ns */
	sd_event_source *trial_timer;
	uint64_t generations; /* the last number given */
	uint64_t slot_bytes[MR_SLOTS]; /* kernel memory, as read last */
	struct mr_job *job; /* in flight */
	struct mr_job *queue; /* waiting, in order */
	bool starting; /* before the loop: jobs run in place */
	bool stopping;
	bool reload_again; /* a SIGHUP came while an apply was in flight */
	int fatal; /* start: the kernel will not have us */
	char *state_error; /* the policy in force could not be kept; NULL: it is */
	char *config_error; /* the file as it is now will not load; NULL: it does */
	bool rolled_back; /* what was applied last was not confirmed; the policy before it holds */
	char *start_reason; /* why something else than the file is in force; NULL: it is the file */
	json_t *adopted; /* generation.json of an earlier run that still filters; or NULL */

	/* devices.c, netlink.c */
	struct mr_host *host; /* the last snapshot */
	struct mr_host_watch *watch;
	sd_event_source *watch_io, *watch_links, *watch_facts;
	struct mr_guard *guard;
	size_t guards, allocated_guards;
	sd_event_source *retry_timer;
	bool detached; /* by hand: stay so until attach, apply or restart */

	/* entries.c */
	struct mr_book *book;
	struct mr_book_limits limits; /* in force */
	uint32_t map_max[2]; /* what the kernel's maps were made for */
	size_t unknown; /* entries found at start of services that nobody knows any more */
	sd_event_source *sweep_timer, *save_timer, *save_step;
	uint64_t sweep_pause; /* boot ns: not before */
	struct { /* on the way to another policy's keys */
		sd_event_source *step; /* NULL: none is under way */
		struct mr_kernel *next; /* with larger maps; NULL: they are large enough, or begun
					 */
		bool must_grow; /* without them there is no switch */
		enum mr_entry_kind kind; /* of what is copied to them, and how far that is */
		size_t cursor;
		struct mr_error error; /* why there was no switch; "": see the errno */
		struct mr_book_limits limits;
		const struct mr_policy *policy;
		mr_entries_switched done;
		void *userdata;
	} rekey;
	struct { /* a walk over the book for entries of what is a proxy now */
		sd_event_source *step; /* NULL: none */
		enum mr_entry_kind kind;
		size_t cursor, n;
	} drop;
	struct mr_entry_save *save; /* a walk over the book in progress */
	uint64_t entries_saved; /* mr_book_changes at the last save */
	int entries_error; /* -errno why the last save failed, or 0 */
	struct {
		uint64_t count; /* of entries that found no room, as told last */
		uint64_t told; /* boot ns of that message; 0: never */
	} full[2];

	struct mr_control *control;
	struct mr_monitor *monitor;
	struct mr_learn *learn; /* learn.c; NULL: nothing is learned */
	struct mr_policyd *policyd; /* policyd.c */
	struct mr_authpolicy_server *authpolicy; /* authpolicy.c; NULL: Dovecot does not ask */
	struct mr_accounts *accounts; /* accounts.c */
};

/* Starts everything, READY included; runs the loop; stops cleanly.  0 or -errno, already logged. */
int mr_manager_run(const struct mr_options *o);
/* Opens the kernel side with the sizes of this policy (NULL: as pinned), adopts what stands. */
int mr_manager_open_kernel(struct mr_manager *m, const struct mr_policy *p);
/* The text of `systemctl status`. */
void mr_manager_notify(struct mr_manager *m);
/* Reads the file anew, at the latest when the apply in flight is done. */
void mr_manager_reload(struct mr_manager *m);

/* --- netlink.c ---------------------------------------------------------------------------------
 */
int mr_netlink_start(struct mr_manager *m);
void mr_netlink_stop(struct mr_manager *m);

/* --- devices.c ---------------------------------------------------------------------------------
 */
/* Attaches what should be guarded and is there; with `drop`, lets go of what should not be. */
void mr_devices_reconcile(struct mr_manager *m, bool drop);
unsigned int mr_devices_detach(struct mr_manager *m); /* all; how many went */
json_t *mr_devices_json(const struct mr_manager *m);
json_t *mr_devices_unguarded(const struct mr_manager *m); /* names of devices that are up */
void mr_devices_clear(struct mr_manager *m);

/* --- entries.c ---------------------------------------------------------------------------------
 */
/* Makes the book: from the pins of an earlier run, else (or if they are not `whole`) from the state
 * directory. */
int mr_entries_start(struct mr_manager *m, const struct mr_policy *p, bool pins_adopted,
		     bool whole);
void mr_entries_changed(struct mr_manager *m); /* arms the timers, keeps the flags of mr_state */
/* Takes the services away that no table knows; false: nothing is left of the entry. */
bool mr_entries_known(struct mr_manager *m, struct mr_entry *v);
void mr_entries_tell_full(struct mr_manager *m); /* to the log, if there is something new */
/* May this address have such an entry?  0, or -EPERM with the reason. */
int mr_entries_allowed(const struct mr_manager *m, enum mr_entry_kind kind, const struct mr_addr *a,
		       struct mr_error *e);
void mr_entries_stop(struct mr_manager *m);

/* --- entries_switch.c --------------------------------------------------------------------------
 */
/* The flip to another policy, once entries stand under its keys; `done` is called at once or after
 * some turns of the loop, with 0 or why the generation could not be made active.  `next`, what
 * mr_resize_prepare() made or NULL, is taken. */
void mr_entries_switch(struct mr_manager *m, const struct mr_live *to, struct mr_kernel *next,
		       bool must_grow, mr_entries_switched done, void *userdata);
void mr_entries_switch_stop(struct mr_manager *m);
/* The book's limits under a policy: never more than the kernel's maps were made for (`max`). */
struct mr_book_limits mr_entries_limits(const struct mr_policy *p, const uint32_t max[static 2]);

/* --- entry_methods.c ---------------------------------------------------------------------------
 */
/* The services that an entry covers which names none. */
uint64_t mr_permit_services(const struct mr_live *l);
uint64_t mr_ban_services(const struct mr_live *l);

/* --- status.c ----------------------------------------------------------------------------------
 */
json_t *mr_status(struct mr_manager *m);
/* generation.json of what filters now, or NULL. */
const json_t *mr_status_generation(const struct mr_manager *m);

/* --- monitor.c ---------------------------------------------------------------------------------
 */
int mr_monitor_start(struct mr_manager *m);
/* Events a second and CPU, the most that any subscriber asked for; 0: nobody listens. */
void mr_monitor_rate(struct mr_manager *m, uint32_t rate);
void mr_monitor_stop(struct mr_manager *m);

/* --- policyd.c ---------------------------------------------------------------------------------
 */
int mr_policyd_start(struct mr_manager *m);
/* Another policy is in force: other sockets, other lists.  Open connections go on. */
void mr_policyd_changed(struct mr_manager *m);
json_t *mr_policyd_json(struct mr_manager *m);
void mr_policyd_warn(struct mr_manager *m, json_t *list); /* strings, for status */
/* The lists of the relay block as they are now, or NULL. */
const struct mr_relay_lists *mr_policyd_lists(struct mr_manager *m);
void mr_policyd_stop(struct mr_manager *m);

#endif
