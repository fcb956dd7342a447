/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * capture.h - packets out of a pcap or pcapng file, one after the other, for `replay`.
 */
#ifndef MAILREEVE_CAPTURE_H
#define MAILREEVE_CAPTURE_H

#include <mailreeve/util.h>

struct mr_capture;

/* Ethernet and raw IP only; -EPROTONOSUPPORT names any other link type.  "-" is standard input. */
int mr_capture_open(const char *path, struct mr_capture **out, struct mr_error *e);
void mr_capture_free(struct mr_capture *c);
MR_DEFINE_CLEANUP(struct mr_capture *, mr_capture_free)
/* True: packets begin with the IP header (raw IP), not with an Ethernet header. */
bool mr_capture_l3(const struct mr_capture *c);
/* The next packet, as far as it was captured: 1, or 0 at the end of the file.  *data stays good
 * until the next call. */
int mr_capture_next(struct mr_capture *c, const void **data, size_t *len, struct mr_error *e);

#endif
