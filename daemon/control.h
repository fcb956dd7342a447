/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control.h - the control socket: who is connected, and what they may cost us.
 */
#ifndef MAILREEVE_DAEMON_CONTROL_H
#define MAILREEVE_DAEMON_CONTROL_H

#include "manager.h"

#include <systemd/sd-bus.h>

struct mr_client {
	struct mr_client *next;
	struct mr_control *control;
	struct mr_manager *m;
	sd_bus *bus;
	uid_t uid;
	pid_t pid;
	uint32_t rate; /* events a second it asked for; 0: no subscriber */
	uint64_t lost; /* events it was too slow for */
	uint64_t active_ns; /* last message, boot ns */
	size_t received; /* bytes since the last whole message */
	sd_event_source *handshake, *input, *kick;
	int input_fd;
	bool spoke; /* its first message came */
	bool dead;
};

int mr_control_start(struct mr_manager *m);
void mr_control_stop(struct mr_manager *m);
/* To every subscriber that keeps up. */
void mr_control_decision(struct mr_manager *m, const char *json);
bool mr_control_listeners(const struct mr_manager *m);
/* The highest rate that a subscriber asked for. */
uint32_t mr_control_rate(const struct mr_manager *m);

extern const sd_bus_vtable mr_methods[]; /* methods.c; userdata is the client */

/* entry_methods.c */
int mr_method_entry_add(sd_bus_message *msg, void *userdata, sd_bus_error *error);
int mr_method_entry_delete(sd_bus_message *msg, void *userdata, sd_bus_error *error);
int mr_method_entry_flush(sd_bus_message *msg, void *userdata, sd_bus_error *error);
int mr_method_entry_list(sd_bus_message *msg, void *userdata, sd_bus_error *error);

#endif
