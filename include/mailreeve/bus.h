/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bus.h - the control interface: sd-bus, peer to peer, on RUNTIME_DIR/control (no broker, no
 * Hello).
 *
 * Path /org/mailreeve, interface org.mailreeve.Manager1.  Whoever may connect (root, group
 * mailreeve) has full control; the daemon logs the caller's uid with every change.  Works too:
 *   dbus-send --peer=unix:path=/run/mailreeve/control --print-reply --type=method_call
 * /org/mailreeve org.mailreeve.Manager1.Status
 *
 * method          in         out     meaning
 * Apply           t          ts      confirm within so many microseconds (0: final) -> generation,
 * JSON summary Confirm         -          t       -> generation Undo            -          t ->
 * generation Status          -          s       the JSON of `status --json` Rules           s s
 * service or "" -> JSON lines' array Stats           -          s       JSON Why             a{sv}
 * s       address s, service s ("" = all), to s, user s, sender s, recipient s, permitted b, banned
 * b -> JSON array of `why` objects EntryAdd        sstass     st      kind ("permit"|"ban"),
 * address, ttl us (0: configured), services
 *                                    ([]: all that apply), user ("" none) -> key as text, expires
 * in us EntryDelete     ss         -       kind, address EntryFlush      s          u       kind ->
 * removed EntryList       ssu        a(sttasss)s   kind, after ("" = start), max (0: 4096) -> (key,
 * granted realtime us, expires in us, services, user, origin)…, cursor ("" = end) Attach          -
 * s       attach what is configured (after Detach) -> JSON Detach          -          u detach
 * every device, and stay so until Attach, Apply or a restart Subscribe       u          - events a
 * second; the connection then gets signals signal Decision s                  JSON of one sampled
 * decision (`monitor --json`)
 *
 * Errors: org.mailreeve.Error.* below; the message is the whole text for the person who asked.
 */
#ifndef MAILREEVE_BUS_H
#define MAILREEVE_BUS_H

#define MR_BUS_PATH	 "/org/mailreeve"
#define MR_BUS_INTERFACE "org.mailreeve.Manager1"
#define MR_BUS_SOCKET	 "control" /* in the runtime directory */

#define MR_BUS_ERROR	      "org.mailreeve.Error."
#define MR_BUS_ERROR_CONFIG   MR_BUS_ERROR "BadConfiguration" /* exit 2 */
#define MR_BUS_ERROR_ARGUMENT MR_BUS_ERROR "BadArgument" /* exit 2 */
#define MR_BUS_ERROR_BUSY     MR_BUS_ERROR "Busy" /* an apply is in flight */
#define MR_BUS_ERROR_NOTHING \
	MR_BUS_ERROR "NothingToDo" /* nothing to confirm, to undo, to delete: exit 1 */
#define MR_BUS_ERROR_FULL    MR_BUS_ERROR "Full" /* a map is full: exit 1 */
#define MR_BUS_ERROR_REFUSED MR_BUS_ERROR "Refused" /* too wide, a proxy, loopback: exit 1 */
#define MR_BUS_ERROR_KERNEL  MR_BUS_ERROR "Kernel" /* the kernel said no; exit 1 */

#define MR_RUNTIME_DIR "/run/mailreeve"
#define MR_STATE_DIR   "/var/lib/mailreeve"
#define MR_CONFIG_FILE "/etc/mailreeve/mailreeve.conf"
/* The default pin directory is the runtime directory with this behind it: /run/mailreeve-bpf. */
#define MR_PIN_SUFFIX "-bpf"

/*
 * Files in the runtime directory that the command reads when the daemon is down:
 *   pins             a symlink to the pin directory
 *   generation.json  written at every flip:
 * {"generation","applied","abi","services":[{"name","id","column","ports",
 *                    "mode"}],"rules":[{"number","counter","service"|null,"file","line","text"}],"interfaces":[…]}
 */
#define MR_RUNTIME_PINS	      "pins"
#define MR_RUNTIME_GENERATION "generation.json"

#endif
