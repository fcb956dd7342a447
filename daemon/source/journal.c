// SPDX-License-Identifier: BSD-2-Clause
/*
 * journal.c - follows the systemd journal (feed.h).
 *
 * Reads records of the units that are named, and hands on what journald itself says of their
 * writer; who is believed is trust.c's.  Goes on behind the cursor of the last record; if that
 * record was vacuumed away, behind its time.  Files of the journal that are damaged are named;
 * libsystemd reads on in the others.  Called by the event loop through feed.c.  A journal that
 * cannot be read is tried again later.
 */
#include "journal.h"
#include "journal_match.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>
#include <systemd/sd-messages.h>
#include <time.h>

#define LOOK_US	     10000 /* us between two looks while records come … */
#define LOOK_IDLE_US 50000 /* … and after some seconds of quiet: 20 wake-ups a second at most */
#define LOOK_SHARE   64 /* between the two: this part of the quiet so far */
#define FIELD_MAX    (MR_LINE_MAX + 64) /* bytes of a field; a longer message is no mail server's */
#define JOURNAL_DIRS 2 /* on the disk and in memory */
#define DIRS_US	     1000000 /* us between two looks at them */
#define HEADER_MIN   208 /* bytes: the header of the first journal files */
#define HEADER_SIZE  88 /* offsets of two numbers in the header */
#define ARENA_SIZE   96

struct journal_feed {
	struct mr_feed feed;
	char *dir; /* NULL: the system's */
	struct mr_journal_match match;
	struct mr_feed_start start;
	sd_journal *j;
	sd_event_source *io, *timer;
	bool ahead; /* stands on a record that is still to be handed on */
	uint64_t last_us; /* the last record's time, or when reading began */
	uint64_t heard_us; /* monotonic: when something was read last */
	struct { /* the directories, as they were last seen */
		dev_t dev;
		ino_t ino;
		struct timespec changed;
	} dir_seen[JOURNAL_DIRS];
	uint64_t looked_us; /* monotonic: at the directories */
	bool closed; /* a file in them may not be read */
	bool reopen; /* one of them is another than before */
	uint64_t began_us; /* realtime: what is older was there before */
};

static struct journal_feed *journal_feed(struct mr_feed *f)
{
	return (struct journal_feed *)f;
}

/* --- a page that went away --------------------------------------------------------------------
 *
 * The files are mapped by libsystemd; one that is cut off under it turns reads into SIGBUS.  Zeroes
 * in place of the page let libsystemd see that the object is none. */
static void on_bus_error(int sig, siginfo_t *info, void *context _unused_)
{
	uintptr_t page = (uintptr_t)info->si_addr & ~(uintptr_t)4095;

	if (info->si_code == BUS_ADRERR &&
	    mmap((void *)page, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
		    MAP_FAILED)
		return;
	signal(sig, SIG_DFL);
}

static void survive_bus_errors(void)
{
	struct sigaction sa = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigaction(SIGBUS, &sa, NULL);
}

/* --- where it begins -------------------------------------------------------------------------- */

/* Behind the newest record that there is now. */
static int seek_end(struct journal_feed *f)
{
	int r = sd_journal_seek_tail(f->j);

	if (r >= 0)
		r = sd_journal_previous(f->j);
	/* none of ours yet: everything that comes is new */
	return r == 0 ? sd_journal_seek_head(f->j) : r;
}

static int seek_saved(struct journal_feed *f)
{
	const char *cursor = json_string_value(json_object_get(f->feed.saved, "cursor"));
	json_int_t time = json_integer_value(json_object_get(f->feed.saved, "time"));

	if (cursor && sd_journal_seek_cursor(f->j, cursor) >= 0 && sd_journal_next(f->j) > 0 &&
	    sd_journal_test_cursor(f->j, cursor) > 0) {
		f->last_us = (uint64_t)time;
		return 0;
	}
	if (time <= 0)
		return seek_end(f);
	f->last_us = (uint64_t)time; /* vacuumed away, or another machine's: by time */
	return sd_journal_seek_realtime_usec(f->j, (uint64_t)time + 1);
}

static int seek(struct journal_feed *f)
{
	if (f->feed.saved)
		return seek_saved(f);
	if (f->start.from_start)
		return sd_journal_seek_head(f->j);
	if (f->start.since_us)
		return sd_journal_seek_realtime_usec(f->j, f->start.since_us);
	return seek_end(f);
}

/* --- damage ----------------------------------------------------------------------------------- */

enum file_state { FILE_FINE, FILE_EMPTY, FILE_DAMAGED, FILE_CLOSED };

static enum file_state look_at_file(int dir, const char *name)
{
	_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	unsigned char head[HEADER_MIN];
	uint64_t header, arena;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		/* journals of users (user-1000.journal) are none of ours */
		return fd < 0 && errno == EACCES && strncmp(name, "system", 6) == 0 ? FILE_CLOSED
										    : FILE_FINE;
	if (st.st_size == 0)
		return FILE_EMPTY; /* being made */
	if (pread(fd, head, sizeof(head), 0) != sizeof(head) || memcmp(head, "LPKSHHRH", 8) != 0)
		return FILE_DAMAGED;
	memcpy(&header, head + HEADER_SIZE, 8);
	memcpy(&arena, head + ARENA_SIZE, 8);
	header = le64toh(header);
	arena = le64toh(arena);
	return header < HEADER_MIN || header > (uint64_t)st.st_size ||
			       arena > (uint64_t)st.st_size - header
		       ? FILE_DAMAGED
		       : FILE_FINE;
}

static bool note_damage(struct journal_feed *f, const char *path, bool *again)
{
	DIR *d = opendir(path);
	char text[MR_ERROR_BYTES];
	const struct dirent *e;
	bool found = false;

	while (d && !found && (e = readdir(d))) {
		const char *dot = strrchr(e->d_name, '.');
		enum file_state state;

		if (!dot || strcmp(dot, ".journal") != 0)
			continue;
		state = look_at_file(dirfd(d), e->d_name);
		found = state == FILE_DAMAGED || state == FILE_CLOSED;
		/* neither what is being made nor who may read it shows in the directory's time */
		*again |= state == FILE_EMPTY || state == FILE_CLOSED;
		if (found)
			snprintf(
				text, sizeof(text),
				state == FILE_DAMAGED
					? "%s/%s is damaged (header); its records are not read, "
					  "those of the other files are; journalctl --verify "
					  "tells more"
					: "%s/%s: the daemon's user may not read it; "
					  "systemd-tmpfiles "
					  "--create --prefix /var/log/journal gives the journal to "
					  "its group, systemd-journal",
				path, e->d_name);
		if (found)
			mr_feed_note(&f->feed, text);
	}
	if (d)
		closedir(d);
	return found;
}

/* The directories that libsystemd reads. */
static size_t journal_dirs(const struct journal_feed *f, char path[static JOURNAL_DIRS][128])
{
	static const char *const roots[] = { "/var/log/journal", "/run/log/journal" };
	char id[SD_ID128_STRING_MAX];
	sd_id128_t machine;

	if (f->dir)
		return (size_t)snprintf(path[0], sizeof(path[0]), "%s", f->dir) < sizeof(path[0]);
	if (sd_id128_get_machine(&machine) < 0)
		return 0;
	sd_id128_to_string(machine, id);
	for (size_t i = 0; i < MR_ARRAY_SIZE(roots); i++)
		snprintf(path[i], sizeof(path[i]), "%s/%s", roots[i], id);
	return MR_ARRAY_SIZE(roots);
}

/* Notes what is new about the directories: files that came, went or were renamed, for libsystemd
 * keeps silent on those that it cannot read; and directories that came, which it does not see. */
static bool dirs_changed(struct journal_feed *f, size_t n, char path[static JOURNAL_DIRS][128])
{
	bool changed = false;

	for (size_t i = 0; i < n; i++) {
		struct stat st = { 0 };

		if (stat(path[i], &st) == 0 &&
		    (st.st_dev != f->dir_seen[i].dev || st.st_ino != f->dir_seen[i].ino))
			f->reopen = true;
		changed |= st.st_mtim.tv_sec != f->dir_seen[i].changed.tv_sec ||
			   st.st_mtim.tv_nsec != f->dir_seen[i].changed.tv_nsec;
		f->dir_seen[i].dev = st.st_dev;
		f->dir_seen[i].ino = st.st_ino;
		f->dir_seen[i].changed = st.st_mtim;
	}
	return changed;
}

static void look_at_dirs(struct journal_feed *f)
{
	char path[JOURNAL_DIRS][128];
	size_t n = journal_dirs(f, path);
	bool found = false, again = false;

	sd_event_now(f->feed.event, CLOCK_MONOTONIC, &f->looked_us);
	if (!dirs_changed(f, n, path))
		return;
	for (size_t i = 0; i < n && !found; i++)
		found = note_damage(f, path[i], &again);
	/* who may read them now was not among those that libsystemd opened */
	f->reopen |= f->closed && !found;
	f->closed = found && again;
	if (!found)
		mr_feed_note(&f->feed, NULL);
	for (size_t i = 0; i < JOURNAL_DIRS && again; i++)
		f->dir_seen[i].changed = (struct timespec){ 0 };
}

/* --- records ---------------------------------------------------------------------------------- */

/* The value of a field; false: the record has none. */
static bool field(sd_journal *j, const char *name, struct mr_str *out)
{
	const void *data;
	size_t n, head = strlen(name) + 1;

	if (sd_journal_get_data(j, name, &data, &n) < 0 || n < head)
		return false;
	*out = (struct mr_str){ (const char *)data + head, n - head };
	return true;
}

/* Data is only good until the next field is asked for: what is kept is copied. */
static struct mr_str copy_field(sd_journal *j, const char *name, char *buf, size_t size)
{
	struct mr_str v;

	if (!field(j, name, &v) || v.n >= size)
		return (struct mr_str){ buf, 0 };
	memcpy(buf, v.p, v.n);
	buf[v.n] = '\0';
	return (struct mr_str){ buf, v.n };
}

static uint32_t number_field(sd_journal *j, const char *name, uint32_t otherwise)
{
	char buf[16], *end;
	unsigned long v;

	if (!copy_field(j, name, buf, sizeof(buf)).n)
		return otherwise;
	v = strtoul(buf, &end, 10);
	return *end || v > UINT32_MAX ? otherwise : (uint32_t)v;
}

/* journald itself says how many records of a unit it dropped, by its rate limit. */
static void hear_of_drops(struct journal_feed *f)
{
	char transport[16], id[SD_ID128_STRING_MAX], unit[256];
	uint32_t n = number_field(f->j, "N_DROPPED", 0);

	if (n &&
	    mr_str_is(copy_field(f->j, "_TRANSPORT", transport, sizeof(transport)), "driver") &&
	    mr_str_is(copy_field(f->j, "MESSAGE_ID", id, sizeof(id)),
		      SD_MESSAGE_JOURNAL_DROPPED_STR) &&
	    copy_field(f->j, "OBJECT_SYSTEMD_UNIT", unit, sizeof(unit)).n &&
	    mr_journal_match_unit(&f->match, unit))
		f->feed.sink->dropped(f->feed.userdata, unit, n);
}

static void hand_on(struct journal_feed *f, uint64_t time_us)
{
	char unit[256], comm[64], program[128];
	struct mr_line l = { .time_us = time_us };
	struct mr_writer w = {
		.unit = copy_field(f->j, "_SYSTEMD_UNIT", unit, sizeof(unit)),
		.comm = copy_field(f->j, "_COMM", comm, sizeof(comm)),
		.uid = number_field(f->j, "_UID", UINT32_MAX),
	};

	if (!w.unit.n)
		return;
	if (!mr_journal_match_unit(&f->match, unit)) {
		hear_of_drops(f);
		return;
	}
	l.program = copy_field(f->j, "SYSLOG_IDENTIFIER", program, sizeof(program));
	l.pid = number_field(f->j, "SYSLOG_PID", 0);
	if (!l.pid)
		l.pid = number_field(f->j, "_PID", 0);
	if (!field(f->j, "MESSAGE", &l.message))
		return;
	/* one record is one line; a message of several is no mail server's login */
	if (l.message.n > MR_LINE_MAX || memchr(l.message.p, '\n', l.message.n)) {
		f->feed.skipped++;
		return;
	}
	l.body = l.text = l.message;
	f->feed.sink->record(f->feed.userdata, &l, &w);
}

/* --- what feed.c calls ------------------------------------------------------------------------ */

static int on_io(sd_event_source *s _unused_, int fd _unused_, uint32_t events _unused_,
		 void *userdata)
{
	mr_feed_wake(userdata);
	return 0;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata);

/* journald writes into mapped memory, which wakes nobody, and wakes readers by a timer of its own,
 * up to 250 ms later: long enough for a client to be refused that has just logged in.  So it is
 * looked at in between: often while records come, rarely on a machine where nothing happens. */
static uint64_t look_at(const struct journal_feed *f, uint64_t now)
{
	uint64_t after = (now - f->heard_us) / LOOK_SHARE;

	return now + (after < LOOK_US ? LOOK_US : after < LOOK_IDLE_US ? after : LOOK_IDLE_US);
}

static void arm_timer(struct journal_feed *f)
{
	uint64_t now, at, asked;

	if (sd_event_now(f->feed.event, CLOCK_MONOTONIC, &now) < 0)
		return;
	at = look_at(f, now);
	/* where inotify cannot be relied on, libsystemd wants to be called by time */
	if (sd_journal_get_timeout(f->j, &asked) > 0 && asked < at)
		at = asked;
	if (f->timer) {
		sd_event_source_set_time(f->timer, at);
		sd_event_source_set_enabled(f->timer, SD_EVENT_ONESHOT);
	} else {
		sd_event_add_time(f->feed.event, &f->timer, CLOCK_MONOTONIC, at, LOOK_US / 10,
				  on_timer, &f->feed);
	}
}

/* Most looks find nothing: no turn begins then. */
static int on_timer(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata)
{
	struct journal_feed *f = journal_feed(userdata);
	int r = sd_journal_next(f->j);
	uint64_t now;

	if (sd_event_now(f->feed.event, CLOCK_MONOTONIC, &now) >= 0 &&
	    now - f->looked_us >= DIRS_US)
		look_at_dirs(f);
	if (r == 0 && !f->reopen) {
		arm_timer(f);
		return 0;
	}
	f->ahead = r > 0;
	mr_feed_wake(&f->feed);
	return 0;
}

static void journal_close(struct mr_feed *feed)
{
	struct journal_feed *f = journal_feed(feed);

	f->io = sd_event_source_disable_unref(f->io);
	f->timer = sd_event_source_disable_unref(f->timer);
	sd_journal_close(f->j);
	f->j = NULL;
}

static json_t *journal_position(struct mr_feed *feed)
{
	struct journal_feed *f = journal_feed(feed);
	_free_ char *cursor = NULL;

	/* a record that is still to be handed on was not read */
	if (f->ahead || sd_journal_get_cursor(f->j, &cursor) < 0)
		cursor = NULL;
	return json_pack("{s:s*,s:I}", "cursor", cursor, "time", (json_int_t)f->last_us);
}

static int open_files(struct journal_feed *f, struct mr_error *e)
{
	int r = f->dir ? sd_journal_open_directory(&f->j, f->dir, 0)
		       : sd_journal_open(&f->j, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);

	if (r < 0)
		return mr_error(e, r, "the journal%s%s cannot be opened: %s", f->dir ? " " : "",
				f->dir ? f->dir : "", strerror(-r));
	if (!f->dir && sd_journal_has_persistent_files(f->j) <= 0 &&
	    sd_journal_has_runtime_files(f->j) <= 0)
		return mr_error(
			e, -ENOENT,
			"the journal has no file that can be read: the daemon's user must "
			"be in the group systemd-journal, and journald must store something");
	return 0;
}

static int journal_open(struct mr_feed *feed, struct mr_error *e)
{
	struct journal_feed *f = journal_feed(feed);
	int r = open_files(f, e), fd;

	if (r < 0)
		return r;
	f->ahead = f->closed = false;
	look_at_dirs(f);
	f->reopen = false;
	survive_bus_errors();
	sd_journal_set_data_threshold(f->j, FIELD_MAX);
	r = mr_journal_match_add(&f->match, f->j, e);
	if (r < 0)
		return r;
	fd = sd_journal_get_fd(f->j);
	if (fd < 0)
		return mr_error(e, fd, "the journal cannot be watched: %s", strerror(-fd));
	r = sd_event_add_io(feed->event, &f->io, fd, (uint32_t)sd_journal_get_events(f->j), on_io,
			    feed);
	f->began_us = f->last_us = mr_realtime_us();
	if (r >= 0)
		r = seek(f);
	if (r < 0)
		return mr_error(e, r, "the journal cannot be read: %s", strerror(-r));
	return 0;
}

/* As if the daemon began anew, behind what was read. */
static int reopen(struct journal_feed *f, struct mr_error *e)
{
	json_t *place = journal_position(&f->feed);

	if (place) {
		json_decref(f->feed.saved);
		f->feed.saved = place;
	}
	journal_close(&f->feed);
	return journal_open(&f->feed, e);
}

static int journal_step(struct mr_feed *feed, uint64_t deadline, struct mr_error *e)
{
	struct journal_feed *f = journal_feed(feed);
	bool late = false, heard = false;
	int r = f->reopen ? reopen(f, e) : 0;

	if (r < 0)
		return r;
	r = sd_journal_process(f->j);
	if (r == SD_JOURNAL_APPEND || r == SD_JOURNAL_INVALIDATE)
		look_at_dirs(f);
	while (r >= 0 && !late) {
		uint64_t time_us = 0;

		r = f->ahead ? 1 : sd_journal_next(f->j);
		f->ahead = false;
		if (r <= 0)
			break;
		if (sd_journal_get_realtime_usec(f->j, &time_us) < 0)
			continue; /* a damaged record */
		f->last_us = time_us;
		hand_on(f, time_us);
		heard = true;
		late = mr_boottime_ns() >= deadline;
	}
	if (r < 0)
		return mr_error(e, r, "the journal cannot be read: %s", strerror(-r));
	if (heard)
		sd_event_now(feed->event, CLOCK_MONOTONIC, &f->heard_us);
	arm_timer(f);
	mr_feed_set_state(feed, late && f->last_us < f->began_us ? MR_FEED_CATCHING_UP
								 : MR_FEED_FOLLOWING);
	return late;
}

static void journal_free(struct mr_feed *feed)
{
	struct journal_feed *f = journal_feed(feed);

	mr_journal_match_clear(&f->match);
	free(f->dir);
	free(f);
}

static const struct mr_feed_ops journal_ops = { journal_open, journal_step, journal_close,
						journal_position, journal_free };

int mr_feed_journal(const struct mr_journal_options *o, const struct mr_feed_start *start,
		    struct mr_feed **out)
{
	struct journal_feed *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->feed.ops = &journal_ops;
	f->start = *start;
	f->dir = o->dir ? strdup(o->dir) : NULL;
	if ((o->dir && !f->dir) || mr_journal_match_init(&f->match, o) < 0) {
		journal_free(&f->feed);
		return -ENOMEM;
	}
	*out = &f->feed;
	return 0;
}
