/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bus.h - the command's end of the control socket.
 */
#ifndef MAILREEVE_CTL_BUS_H
#define MAILREEVE_CTL_BUS_H

#include "term.h"

#include <systemd/sd-bus.h>

/* The daemon answers from memory; only a compile takes long. */
#define MR_BUS_TIMEOUT_US (25ull * 1000000)
#define MR_BUS_TIMEOUT_LONG_US \
	(600ull * 1000000) /* apply, undo: a list of millions on a slow disk */

/* Connects.  Failure is said on standard error and is MR_EXIT_UNREACHABLE; with *down not NULL a
 * daemon that does not run is not said, but noted there (the pins can answer then). */
enum mr_exit mr_bus_open(const struct mr_ctl *ctl, sd_bus **out, bool *down);
/* "mailreeved is not running…", with the way out. */
enum mr_exit mr_bus_down(const struct mr_ctl *ctl);

enum mr_exit mr_bus_message(sd_bus *bus, const char *method, sd_bus_message **out);
/* Sends a message made above; errors are said, their name decides the status. */
enum mr_exit mr_bus_send(sd_bus *bus, sd_bus_message *m, uint64_t timeout_us,
			 sd_bus_message **reply);
/* A reply that cannot be read: versions that do not fit. */
enum mr_exit mr_bus_bad_reply(int r);

/* One call, one string of JSON back.  `argument` NULL: none. */
enum mr_exit mr_bus_json(sd_bus *bus, const char *method, const char *argument, json_t **out);
/* One call without arguments, the number of a generation back. */
enum mr_exit mr_bus_generation(const struct mr_ctl *ctl, const char *method, uint64_t timeout_us,
			       uint64_t *out);
/* JSON text of the daemon. */
enum mr_exit mr_bus_decode(const char *text, json_t **out);

#define _bus_	  _cleanup_(sd_bus_flush_close_unrefp)
#define _message_ _cleanup_(sd_bus_message_unrefp)

#endif
