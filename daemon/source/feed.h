/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * feed.h - one source of log lines that the daemon follows: a file, the journal, a stream.
 *
 * A feed reads in turns of some milliseconds, so that a backlog of any size holds up nobody; what
 * it reads goes to its sink at once, in the same turn of the event loop.  A feed that fails says
 * so, and tries again by itself.
 */
#ifndef MAILREEVE_DAEMON_SOURCE_FEED_H
#define MAILREEVE_DAEMON_SOURCE_FEED_H

#include <jansson.h>
#include <mailreeve/format.h>
#include <systemd/sd-event.h>

enum mr_feed_state {
	MR_FEED_WAITING, /* there is nothing to read from yet */
	MR_FEED_CATCHING_UP, /* reads what came before */
	MR_FEED_FOLLOWING,
	MR_FEED_FAILED, /* tried again later */
	MR_FEED_ENDED, /* a stream that was closed */
};

struct mr_writer { /* who wrote a record of the journal: what journald itself vouches for */
	struct mr_str unit, comm;
	uint32_t uid;
};

struct mr_feed;
/* Where lines go.  Called from the event loop only. */
struct mr_feed_sink {
	void (*begin)(void *userdata); /* of a turn */
	/* `latest_us`: the line was written no later than this (realtime); 0: just now */
	void (*line)(void *userdata, const char *p, size_t n, uint64_t latest_us);
	void (*record)(void *userdata, const struct mr_line *l, const struct mr_writer *w);
	/* records of a unit that were lost before anybody could read them */
	void (*dropped)(void *userdata, const char *unit, uint64_t n);
	/* the end of a turn: what the lines led to can be wound up together */
	void (*turn)(void *userdata);
	/* the state or the error is another one than before */
	void (*changed)(void *userdata);
};

struct mr_feed_ops {
	/* 0, or -errno with the reason: tried again later */
	int (*open)(struct mr_feed *f, struct mr_error *e);
	/* Reads on until the boot time `deadline` or the end.  1: there is more; 0: no more now; or
	 * -errno with the reason: closed, and opened again later. */
	int (*step)(struct mr_feed *f, uint64_t deadline, struct mr_error *e);
	void (*close)(struct mr_feed *f);
	/* What the state directory shall remember; NULL: nothing. */
	json_t *(*position)(struct mr_feed *f);
	void (*free)(struct mr_feed *f);
};

#define MR_FEED_TURN_NS \
	2000000ull /* ns of one turn: short against what a person or packet waits \
		    */

struct mr_feed {
	const struct mr_feed_ops *ops;
	const struct mr_feed_sink *sink;
	void *userdata;
	sd_event *event;
	sd_event_source *more, *retry;
	enum mr_feed_state state;
	char *error; /* why it failed, or what it waits for; NULL: nothing */
	char *note; /* what else should be known; NULL: nothing */
	uint64_t retry_at; /* boot us; 0: none planned */
	uint64_t backoff_us;
	bool opened;
	uint64_t skipped; /* lines too long */
	uint64_t behind; /* bytes still to read, where that is known */
	json_t *saved; /* the position to begin at; NULL: the first time */
};

struct mr_feed_start { /* where to begin when no position is known */
	bool from_start;
	uint64_t since_us; /* realtime; 0: the end */
};

int mr_feed_file(const char *path, const struct mr_feed_start *start, struct mr_feed **out);
/* Takes the descriptor over. */
int mr_feed_stream(int fd, struct mr_feed **out);

/* Begins to read.  `saved` (may be NULL) is taken over. */
void mr_feed_start(struct mr_feed *f, sd_event *event, const struct mr_feed_sink *sink,
		   void *userdata, json_t *saved);
/* Something may be there to read: one turn now, and more turns as long as there is more. */
void mr_feed_wake(struct mr_feed *f);
/* One turn up to a deadline of the caller's (boot ns); false: nothing is left. */
bool mr_feed_turn(struct mr_feed *f, uint64_t deadline);
/* Has failed, but is open and hears when that may be over: a turn begins then, and by time. */
void mr_feed_stuck(struct mr_feed *f, const char *text);
/* Fails from outside a turn. */
void mr_feed_fail(struct mr_feed *f, const char *text);
void mr_feed_set_state(struct mr_feed *f, enum mr_feed_state state);
/* Waits for something that is named, without failing. */
void mr_feed_wait(struct mr_feed *f, const char *text);
void mr_feed_note(struct mr_feed *f, const char *text); /* NULL: all is well again */
json_t *mr_feed_position(struct mr_feed *f);
const char *mr_feed_state_name(enum mr_feed_state state);
void mr_feed_free(struct mr_feed *f);
MR_DEFINE_CLEANUP(struct mr_feed *, mr_feed_free)

#endif
