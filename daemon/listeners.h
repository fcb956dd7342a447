/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * listeners.h - which TCP ports of this network namespace have a listener (sock_diag).
 */
#ifndef MAILREEVE_DAEMON_LISTENERS_H
#define MAILREEVE_DAEMON_LISTENERS_H

#include <mailreeve/util.h>

/* port[n] is set to 1 for each port n with a listener, either family. */
int mr_listeners(uint8_t port[static 65536]);

#endif
