// SPDX-License-Identifier: BSD-2-Clause
/*
 * manager.c - start, loop, stop (manager.h).
 *
 * Start: directories and locks, the state, the host, the policy (in place: nothing else is worth
 * doing before it filters), then the control socket and READY.  Stop: the worker ends what it has
 * in hand, entries are saved, the filter stands.  A start that cannot have the kernel side fails
 * with the reason; everything less is said loudly and gone on with.  Called by main.
 */
#include "accounts.h"
#include "apply.h"
#include "authpolicy.h"
#include "control.h"
#include "entry_file.h"
#include "learn.h"
#include "lock.h"

#include <mailreeve/host.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#define REJECT_LIMIT 1000 /* resets a second and CPU: enough for people, too few for a flood */

/* --- directories and what they hold ----------------------------------------------------------- */

static int lock(struct mr_manager *m)
{
	struct mr_error e = { "" };
	int r = mr_mkdirs(m->options.runtime_dir, 0750);

	if (r < 0) {
		mr_log(&m->log, LOG_ERR, "%s: cannot make the runtime directory: %s",
		       m->options.runtime_dir, strerror(-r));
		return r;
	}
	r = m->lock_runtime = mr_lock_runtime(m->options.runtime_dir, &e);
	if (r >= 0)
		r = m->lock_pins = mr_lock_pins(m->options.pin_dir, &e);
	if (r == -ENOENT) /* not mounted yet; locked once it is */
		r = 0;
	if (r < 0)
		mr_log(&m->log, LOG_ERR, "%s", *e.text ? e.text : strerror(-r));
	return r < 0 ? r : 0;
}

static void state_says(struct mr_manager *m, const char *text, const char *consequence)
{
	mr_log_with(&m->log, LOG_ERR, MR_FIELDS({ "MESSAGE_ID", MR_MSG_STATE }), "%s; %s", text,
		    consequence);
}

static void state_unsaved(struct mr_manager *m, int r)
{
	struct mr_error e;

	mr_error(&e, r, "%s/entries: %s", m->options.state_dir, strerror(-r));
	state_says(m, e.text, "permits and bans would not survive a reboot");
}

static int read_ids(struct mr_manager *m)
{
	_free_ char *path = mr_state_path(m->options.state_dir, "ids.json");
	struct mr_error e = { "" };
	int r = path ? mr_ids_load(path, &m->ids, &e) : -ENOMEM;

	if (r == 0)
		return 0;
	state_says(m, *e.text ? e.text : strerror(-r),
		   "the file is put aside as ids.json.damaged; rule counters start anew");
	mr_state_put_aside(m->options.state_dir, "ids.json");
	return mr_ids_new(&m->ids);
}

static void read_current(struct mr_manager *m)
{
	struct mr_error e = { "" };
	if (mr_state_read_current(m->options.state_dir, &m->current, &e) == 0)
		return;
	mr_state_put_aside(m->options.state_dir, "current.json");
	state_says(m, e.text,
		   "it is put aside as current.json.damaged; what was applied last is not known");
}

static int read_state(struct mr_manager *m)
{
	struct mr_error e = { "" };
	int r;

	/* before anything in it is touched; without a directory there is nothing to share */
	if (mr_mkdirs(m->options.state_dir, 0700) == 0)
		m->lock_state = mr_lock_state(m->options.state_dir, &e);
	if (m->lock_state == -EBUSY) {
		mr_log(&m->log, LOG_ERR, "%s", e.text);
		return m->lock_state;
	}
	if (mr_state_prepare(m->options.state_dir, &e) < 0)
		state_says(m, e.text, "nothing will survive a restart");
	r = read_ids(m);
	if (r < 0)
		return r;
	read_current(m);
	m->generations = m->current.generation;
	if (!m->current.trial)
		return 0;
	m->current.trial = false;
	mr_log_with(&m->log, LOG_WARNING, MR_FIELDS({ "MESSAGE_ID", MR_MSG_ROLLED_BACK }),
		    "the last policy was never confirmed: rolled back by this start");
	if (mr_state_write_current(m->options.state_dir, &m->current, &e) < 0)
		state_says(m, e.text, "the roll-back is not on the disk");
	return 0;
}

/* --- the kernel side -------------------------------------------------------------------------- */

/* generation.json of the run before, if what filters is what it describes. */
static void adopt_generation(struct mr_manager *m, uint64_t number)
{
	_free_ char *path = mr_state_path(m->options.runtime_dir, MR_RUNTIME_GENERATION);
	json_t *j = path ? json_load_file(path, 0, NULL) : NULL;

	if (number && (uint64_t)json_integer_value(json_object_get(j, "generation")) == number)
		m->adopted = json_incref(j);
	json_decref(j);
	(void)mr_ids_adopt_services(m->ids, json_object_get(m->adopted, "services"));
}

static int link_pins(struct mr_manager *m)
{
	_free_ char *path = mr_state_path(m->options.runtime_dir, MR_RUNTIME_PINS), *tmp = NULL;

	if (!path || asprintf(&tmp, "%s.new", path) < 0)
		return -ENOMEM;
	unlink(tmp);
	if (symlink(m->options.pin_dir, tmp) < 0 || rename(tmp, path) < 0) {
		mr_log(&m->log, LOG_ERR, "%s: %m; the command will not find the pins", path);
		return -errno;
	}
	return 0;
}

static int open_kernel(struct mr_manager *m, const struct mr_policy *p)
{
	struct mr_kernel_options o = { .pin_dir = m->options.pin_dir };
	struct mr_error e = { "" };
	int r;

	if (p) {
		o.permits_max = p->permit.max;
		o.bans_max = p->ban.max;
	}
	r = mr_kernel_open(&o, &m->kernel, &e);
	if (r == -E2BIG) {
		mr_log_with(&m->log, LOG_ERR, MR_FIELDS({ "MESSAGE_ID", MR_MSG_FULL }), "%s",
			    e.text);
		o.permits_max = o.bans_max = 0;
		r = mr_kernel_open(&o, &m->kernel, &e);
	}
	if (r == 0 && m->lock_pins < 0)
		r = m->lock_pins = mr_lock_pins(m->options.pin_dir, &e);
	if (r >= 0)
		return 0;
	mr_log(&m->log, LOG_ERR, "%s", *e.text ? e.text : strerror(-r));
	return r;
}

/* Pins of another version: told, and whether all of them could be copied. */
static bool say_other_abi(struct mr_manager *m)
{
	char left[MR_KERNEL_LEFT];

	if (!mr_kernel_other_abi(m->kernel, left))
		return true;
	mr_log(&m->log, LOG_NOTICE,
	       "taking over from another version: permits, bans and counters are copied, and each "
	       "device keeps the program it has until this one's is filled");
	if (*left)
		mr_log(&m->log, LOG_WARNING,
		       "not copied, for that version has another layout of them: %s; of permits "
		       "and bans, what the state directory holds is taken",
		       left);
	return !*left;
}

int mr_manager_open_kernel(struct mr_manager *m, const struct mr_policy *p)
{
	struct mr_state *s;
	bool adopted = false;
	int r = open_kernel(m, p);

	if (r < 0)
		return r;
	s = mr_kernel_state(m->kernel);
	for (unsigned int i = 0; i < MR_SLOTS; i++) {
		adopted |= s->gen[i].number != 0;
		if (s->gen[i].number > m->generations)
			m->generations = s->gen[i].number;
	}
	if (!s->reject_limit)
		s->reject_limit = REJECT_LIMIT;
	s->sample = 0;
	adopt_generation(m, s->gen[s->active % MR_SLOTS].number);
	m->map_max[MR_PERMIT] = mr_entries_max(m->kernel, MR_PERMIT);
	m->map_max[MR_BAN] = mr_entries_max(m->kernel, MR_BAN);
	link_pins(m);
	return mr_entries_start(m, p, adopted, say_other_abi(m));
}

/* --- the loop --------------------------------------------------------------------------------- */

static int on_stop(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	struct mr_manager *m = userdata;

	mr_log(&m->log, LOG_INFO, "stopping: %s from pid %u", strsignal((int)si->ssi_signo),
	       si->ssi_pid);
	return sd_event_exit(sd_event_source_get_event(s), 0);
}

static void reload_done(struct mr_manager *m, const struct mr_job *j _unused_,
			const char *error _unused_, const char *message _unused_,
			void *userdata _unused_)
{
	mr_manager_notify(m); /* what went wrong is in the log already */
}

void mr_manager_reload(struct mr_manager *m)
{
	int r = mr_job_submit(m, MR_JOB_APPLY, 0, reload_done, NULL);

	/* that one may have read the file before it was changed */
	m->reload_again = r == -EBUSY;
	if (r < 0 && r != -EBUSY)
		mr_log(&m->log, LOG_WARNING, "SIGHUP ignored: %s", strerror(-r));
}

static int on_reload(sd_event_source *s _unused_, const struct signalfd_siginfo *si, void *userdata)
{
	struct mr_manager *m = userdata;

	mr_log(&m->log, LOG_INFO, "SIGHUP from pid %u: apply", si->ssi_pid);
	mr_manager_reload(m);
	return 0;
}

static int make_loop(struct mr_manager *m)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	r = sd_event_new(&m->event);
	if (r >= 0)
		r = sd_event_add_signal(m->event, NULL, SIGTERM, on_stop, m);
	if (r >= 0)
		r = sd_event_add_signal(m->event, NULL, SIGINT, on_stop, m);
	if (r >= 0)
		r = sd_event_add_signal(m->event, NULL, SIGHUP, on_reload, m);
	if (r >= 0)
		r = sd_event_set_watchdog(m->event, true);
	if (r >= 0)
		r = mr_worker_new(m->event, &m->worker);
	if (r < 0)
		mr_log(&m->log, LOG_ERR, "cannot make the event loop: %s", strerror(-r));
	return r;
}

/* --- start and stop --------------------------------------------------------------------------- */

static void say_started(struct mr_manager *m)
{
	if (!m->active)
		mr_log_with(&m->log, LOG_ERR, MR_FIELDS({ "MESSAGE_ID", MR_MSG_UNGUARDED }),
			    m->adopted ? "no policy could be loaded: what an earlier run loaded "
					 "filters on; mend the file, then mailreeve apply"
				       : "no policy could be loaded and none was kept: UNGUARDED; "
					 "mend the file, then mailreeve apply");
	mr_log_with(&m->log, LOG_INFO, MR_FIELDS({ "MESSAGE_ID", MR_MSG_STARTED }),
		    "mailreeved %s is ready", MR_VERSION);
	sd_notify(0, "READY=1");
	mr_manager_notify(m);
}

static int start(struct mr_manager *m)
{
	int r = lock(m);

	if (r == 0)
		r = make_loop(m);
	if (r >= 0)
		r = read_state(m);
	if (r < 0)
		return r;
	if (mr_netlink_start(m) < 0 && mr_host_empty(&m->host) < 0)
		return -ENOMEM;
	r = mr_job_start(m);
	if (r == 0)
		r = mr_control_start(m);
	if (r == 0)
		r = mr_policyd_start(m);
	if (r == 0)
		r = mr_monitor_start(m);
	if (r == 0) {
		mr_learn_apply(m);
		mr_accounts_apply(m);
		mr_authpolicy_apply(m);
		say_started(m);
	} else {
		mr_log(&m->log, LOG_ERR, "mailreeved cannot start: %s", strerror(-r));
	}
	return r;
}

static void say_stopped(struct mr_manager *m)
{
	char devices[256] = "";
	size_t n = 0;

	for (size_t i = 0; i < m->guards && n < sizeof(devices); i++)
		if (m->guard[i].attached)
			n += (size_t)snprintf(devices + n, sizeof(devices) - n, "%s%s",
					      n ? ", " : "", m->guard[i].name);
	if (n)
		mr_log_with(&m->log, LOG_NOTICE, MR_FIELDS({ "MESSAGE_ID", MR_MSG_STOPPED }),
			    "stopped; the filter STANDS on %s, and permits will run out, nobody "
			    "renews them; `mailreeve detach` takes the filter off%s",
			    devices,
			    m->trial ? "; the policy was not confirmed: the next start rolls it "
				       "back"
				     : "");
	else
		mr_log_with(&m->log, LOG_NOTICE, MR_FIELDS({ "MESSAGE_ID", MR_MSG_STOPPED }),
			    "stopped; no device is guarded");
}

static void stop(struct mr_manager *m)
{
	int r;

	m->stopping = true;
	mr_worker_free(MR_TAKE_PTR(m->worker)); /* waits for what it has in hand */
	mr_authpolicy_stop(m);
	mr_accounts_stop(m);
	mr_learn_stop(m);
	mr_jobs_clear(m);
	mr_control_stop(m);
	mr_policyd_stop(m);
	if (m->kernel)
		mr_monitor_stop(m);
	r = m->book ? mr_entry_file_save(m) : 0;
	if (r < 0)
		state_unsaved(m, r);
	mr_entries_stop(m);
	mr_netlink_stop(m);
	mr_devices_clear(m);
	m->trial_timer = sd_event_source_disable_unref(m->trial_timer);
	mr_live_free(m->active);
	mr_live_free(m->previous);
	json_decref(m->adopted);
	free(m->state_error);
	free(m->config_error);
	free(m->start_reason);
	mr_kernel_free(m->kernel);
	mr_ids_free(m->ids);
	sd_event_unref(m->event);
	if (m->lock_pins >= 0)
		close(m->lock_pins);
	mr_closep(&m->lock_state);
	if (m->lock_runtime >= 0)
		close(m->lock_runtime);
}

int mr_manager_run(const struct mr_options *o)
{
	struct mr_manager m = {
		.options = *o, .lock_runtime = -EBADF, .lock_state = -EBADF, .lock_pins = -EBADF
	};
	int r;

	mr_log_open(&m.log);
	r = start(&m);
	if (r == 0) {
		r = mr_linger_loop(&m.linger, m.event);
		sd_notify(0, "STOPPING=1\nSTATUS=Stopping; the filter stands");
		if (r < 0)
			mr_log(&m.log, LOG_ERR, "the event loop ended: %s", strerror(-r));
		say_stopped(&m);
	}
	stop(&m);
	return r;
}
