/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * report.h - the JSON that `status`, `rules`, `stats` and `monitor` print, made in one place: by
 * the daemon from what it holds, and by the command from the pins when the daemon is down.
 *
 * Names are stable; more fields may be added.  Objects keep the order in which they are built.
 *
 * generation.json {"generation","applied","abi","services":[{"name","id","column","ports","mode"}],
 *                   "rules":[{"number","counter","service"|null,"file","line","text"}],
 *                   "interfaces":[…]}
 * rule             {"number","service"|null,"file","line","text","packets","bytes"}
 * stats            {"generation","services":[{"name","id","mode","packets":{…},"bytes":{…}}],
 *                   "reasons":{NAME:packets}}
 * device           {"name","ifindex","mode":"native"|"generic"|"none","l3","frags",
 *                   "reject_is_deny"}
 * decision         {"time","verdict","why","source","source_port","destination","port","service",
 *                   "rule"|null,"interface","generation","new","permitted","banned","shadow"}
 * status           {"guarded":bool,"summary","generation"|null,"applied"|null,"abi",
 *                   "daemon":{"pid","version","uid"}|null,"config","config_error"|null,
 *                   "confirm":{"expires_in"}|null,"undo":bool,"devices":[device…, "error"?],
 *                   "services":[{"name","ports","mode"}],"permits":{"live","max"},
 *                   "bans":{"live","max"},"learn":learn|null,
 *                   "dovecot":dovecot|null,"accounts":accounts|null,"memory":{"active","spare"},
 *                   "loop":{"turns","longest","recent"} (seconds that one callback kept the others
 *                   waiting; recent: since status was asked last),"warnings":[text…]}
 * learn            {"sources":[{"name","kind":"file"|"journal"|"stdin","state":"waiting"|
 *                   "catching up"|"following"|"failed"|"ended","lines","events":{"login","logout",
 *                   "failure","abuse"},"skipped","lost":[{"program","lines","example"}],
 *                   "lag":seconds|null,"error"|null,"untrusted"?,"dropped"?,"note"|null,"retry_in"|null}],
 *                   "events","permits","bans","capped":{"user","address","prefix"},"protected",
 *                   "doubles","forgotten","addresses","sessions"}
 * dovecot {"listen":["ADDRESS:PORT"…],"secret":bool,"allowed","refused","shadow","reports",
 *                   "ignored","bad"}: questions answered, reports believed and not
 * accounts         {"store"|null,"file","remembered","asked","cached","failed","faulty",
 *                   "error"|null}: "file" counts those of the configuration
 * apply            {"generation","seconds","prefixes4","prefixes6","classes","rules","services",
 *                   "changed":bool,"confirm":seconds|null,"risks":[finding],"notes":[finding]}
 */
#ifndef MAILREEVE_REPORT_H
#define MAILREEVE_REPORT_H

#include <jansson.h>
#include <mailreeve/config.h>
#include <mailreeve/kernel.h>

/* Length of the valid UTF-8 sequence at the head of n bytes (RFC 3629: no surrogates, no overlong
 * forms), or 0. */
size_t mr_report_utf8(const unsigned char *s, size_t n);
/* A JSON string of any bytes: what is not UTF-8 becomes U+FFFD.  NULL text gives null. */
json_t *mr_report_text(const char *text);
/* "2026-11-21T22:17:57.123Z"; milliseconds only if `ms`. */
#define MR_REPORT_TIME 32 /* bytes, NUL included */
const char *mr_report_time(uint64_t realtime_us, bool ms, char buf[static MR_REPORT_TIME]);
/* "29m 58s", "3d 4h", "0.8s". */
#define MR_REPORT_LEFT 32
const char *mr_report_left(double seconds, char buf[static MR_REPORT_LEFT]);

/* Stable names: "deny", "short-fragment", …; "native", …; "enforce", …; "allow", …; */
const char *mr_report_why_name(unsigned int why);
const char *mr_report_attach_name(enum mr_attach_mode mode);
const char *mr_report_mode_name(enum mr_mode mode);
const char *mr_report_counted_name(unsigned int counted);

/* All return a new reference; NULL only for want of memory. */
json_t *mr_report_generation(const struct mr_generation_spec *spec, uint64_t applied_us);
json_t *mr_report_device(const struct mr_attachment *a);
/* "guarding eth0 (native), wg0 (generic)" or "UNGUARDED: …" from an array of device objects. */
json_t *mr_report_summary(const json_t *devices, const json_t *generation, bool *guarded);
/* {"file","line","column","message","hint"}; what is unknown is null */
json_t *mr_report_finding(const struct mr_finding *f);
/* {"errors":[…],"risks":[…],"notes":[…]} */
json_t *mr_report_findings(const struct mr_findings *f);

/* `generation` is the object of generation.json.  0 or -errno of reading the counters. */
int mr_report_rules(const json_t *generation, struct mr_kernel *k, const char *service,
		    json_t **out); /* service "" or NULL: all; -ENOENT: no such service */
int mr_report_stats(const json_t *generation, struct mr_kernel *k, json_t **out);
/* boot_to_real_us: add to a boot time in us to get the wall clock. */
json_t *mr_report_decision(const json_t *generation, const struct mr_event_packet *ev,
			   int64_t boot_to_real_us);

#endif
