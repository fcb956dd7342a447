/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * learn_pipe.h - from the thread that reads a log to the thread that learns from it, in order.
 *
 * What is read is found in batches: a piece of the log and the events of its lines.  One batch is
 * filled while another is learned from; their number is fixed, so memory is, too.  There is one
 * order of events and one thread that learns: the result is that of a single thread.
 */
#ifndef MAILREEVE_CTL_LEARN_PIPE_H
#define MAILREEVE_CTL_LEARN_PIPE_H

#include <mailreeve/event.h>

#define MR_LEARN_CHUNK (1u << 20) /* bytes of a batch; a line longer than this is skipped */

/* Of what one thread writes and the other does not: no cache line in common.  Two lines, because
 * processors fetch pairs. */
#define MR_LEARN_APART __attribute__((aligned(128)))

struct mr_learn_found {
	uint64_t number; /* of the line, or of the record */
	struct mr_event event;
	char *user, *session; /* what of it does not lie in the batch's text; freed with it */
};
struct mr_learn_batch {
	char *text; /* MR_LEARN_CHUNK bytes; strings of events lie in it */
	size_t have;
	struct mr_learn_found *found;
	size_t n, allocated;
} MR_LEARN_APART;
struct mr_learn_pipe;

/* `learn` is called for each event in order, `idle` when there is none for the moment; both from
 * one thread: the pipe's own, or, if it got none, from that which fills. */
struct mr_learn_pipe_ops {
	void (*learn)(const struct mr_learn_found *f, void *userdata);
	void (*idle)(void *userdata);
};
int mr_learn_pipe_new(const struct mr_learn_pipe_ops *ops, void *userdata,
		      struct mr_learn_pipe **out);
/* Waits until all is learned, and ends the thread. */
void mr_learn_pipe_free(struct mr_learn_pipe *p);
MR_DEFINE_CLEANUP(struct mr_learn_pipe *, mr_learn_pipe_free)

/* The batch that is being filled. */
struct mr_learn_batch *mr_learn_pipe_batch(struct mr_learn_pipe *p);
/* Where the next event of the batch is put; NULL: no memory.  The same until it is added. */
struct mr_event *mr_learn_pipe_event(struct mr_learn_pipe *p);
/* Adds it.  Its strings lie in the batch's text, or are copied. */
int mr_learn_pipe_add(struct mr_learn_pipe *p, uint64_t number);
/* The first `eaten` bytes of the batch are done with; the rest opens the next.  If events were
 * found the batch is handed over, which may wait until one is free. */
void mr_learn_pipe_pass(struct mr_learn_pipe *p, size_t eaten);

#endif
