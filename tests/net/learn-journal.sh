#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# learn-journal.sh - learning from a journal: whose lines count, and what happens when its files come
# and go.  systemd-journal-remote writes real journal files with fields of the test's choice.
. "$(dirname "$0")/lib.sh"

REMOTE=/lib/systemd/systemd-journal-remote
[ -x $REMOTE ] || skip_all "needs systemd-journal-remote (scripts/deps)"
J=$DIR/journal
BOOT=$(tr -d - </proc/sys/kernel/random/boot_id)
mkdir "$J"

journal_open() {
	rm -f "$DIR/export"
	mkfifo "$DIR/export"
	$REMOTE -o "$J/system.journal" - <"$DIR/export" 2>/dev/null &
	REMOTE_PID=$!
	pids+=("$REMOTE_PID")
	exec 9>"$DIR/export"
}
journal_close() {
	exec 9>&-
	wait "$REMOTE_PID"
}
journal_rotate() {
	journal_close
	ROTATED=$((ROTATED + 1))
	mv "$J/system.journal" "$J/system@$(printf %032x-%016x-%016x $ROTATED $ROTATED $RANDOM).journal"
	journal_open
}
ROTATED=0
# record UNIT UID COMM IDENTIFIER MESSAGE [SECONDS AGO]
record() {
	local now=${EPOCHREALTIME/./} slice=system.slice
	case $1 in *@*) slice=system-${1%@*}.slice ;; esac
	printf '%s\n' "__REALTIME_TIMESTAMP=$((now - ${6:-0} * 1000000))" \
		"__MONOTONIC_TIMESTAMP=$((now % 1000000000000))" "_BOOT_ID=$BOOT" "_TRANSPORT=syslog" \
		"_SYSTEMD_UNIT=$1" "_UID=$2" "_COMM=$3" "SYSLOG_IDENTIFIER=$4" "SYSLOG_FACILITY=2" \
		"_SYSTEMD_SLICE=$slice" >&9
	if [[ $5 == *$'\n'* ]]; then # a field of several lines: its length, 64 bits
		# shellcheck disable=SC2059 # an escape made of hex digits
		printf "MESSAGE\n\x$(printf %02x $((${#5} % 256)))\x$(printf %02x $((${#5} / 256)))\0\0\0\0\0\0%s\n\n" "$5"
	else
		printf 'MESSAGE=%s\n\n' "$5"
	fi >&9
}
login() { echo "imap-login: Login: user=<${2:-anna}>, method=PLAIN, rip=$1, lip=10.77.0.1, mpid=77, TLS, session=<>"; }
dovecot_login() { record dovecot.service 0 log dovecot "$(login "$1")" "${2:-0}"; }
source_is() { [ "$(field ".learn.sources[0].$1" status)" = "$2" ]; }
N=0
# fresh: an address that has no permit yet, in $A; the client's end has it too
fresh() {
	A=203.0.113.$((100 + ++N))
	ip -n "$CLI" addr add "$A/32" dev c0
}

network
journal_open
dovecot_login $OTHER
config <<-C
	interface s0;
	service smtp { allow any; }
	service submission { allow permitted; }
	permit { ttl 30m; }
	learn { journal { dovecot.service postfix@.service } }
C
ok "the daemon starts" daemon --journal-dir "$J" 9>&-
ok "and follows" within 5 source_is state following
fresh
dovecot_login $A
ok "a login opens submission" within 2 opens $A 587
is "what the journal held before earns nothing" timeout "$(tries $OTHER 587 300)"
id postfix >/dev/null 2>&1 && {
	fresh
	record postfix@-.service "$(id -u postfix)" smtpd postfix/smtpd \
		"7D2A41: client=client.example[$A], sasl_method=PLAIN, sasl_username=anna"
	ok "Postfix, an instance of a template" within 2 opens $A 587
}

# --- who may not write such a line
fresh
record dovecot.service 1000 log dovecot "$(login $A)"
ok "a user's process in the server's own cgroup: counted" within 2 source_is untrusted 1
is "and earns nothing" timeout "$(tries $A 587 300)"
record dovecot.service 0 logger dovecot "$(login $A)"
ok "root's logger in the server's cgroup" within 2 source_is untrusted 2
record dovecot.service "$(id -u dovenull 2>/dev/null || echo 105)" log dovecot "$(login $A)"
ok "the account of the login processes" within 2 source_is untrusted 3
record postfix@-.service 0 log dovecot "$(login $A)"
ok "Dovecot's line from Postfix's unit" within 2 source_is untrusted 4
record session-1.scope 0 log dovecot "$(login $A)"
record user@1000.service 1000 log dovecot "$(login $A)"
record dovecot.service 0 log dovecot "$(login $A)
imap-login: $(login $A)"
fresh
dovecot_login $A
ok "behind all that a login of the server's" within 2 opens $A 587
A=203.0.113.$((100 + N - 1))
is "none of them opened anything" timeout "$(tries $A 587 300)"
is "other units were not even read" 4 "$(field .learn.sources[0].untrusted status)"
ok "the log names the writer" grep -q "was written by uid 1000 (log) in dovecot.service" "$LOG"
ok "status warns" sh -c "'$MR_BUILD/mailreeve' --runtime-dir $RUN status --json | jq -e '.warnings[] | select(contains(\"somebody else\"))'"

# --- what journald dropped: it says so itself, and nobody else can
# dropped UNIT TRANSPORT WRITER'S-UNIT
dropped() {
	local now=${EPOCHREALTIME/./}
	printf '%s\n' "__REALTIME_TIMESTAMP=$now" "__MONOTONIC_TIMESTAMP=$((now % 1000000000000))" \
		"_BOOT_ID=$BOOT" "_TRANSPORT=$2" "_UID=0" "_COMM=systemd-journal" "_SYSTEMD_UNIT=$3" \
		"MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e" "N_DROPPED=7" \
		"OBJECT_SYSTEMD_UNIT=$1" "MESSAGE=Suppressed 7 messages from $1" "" >&9
}
dropped dovecot.service journal dovecot.service
dropped dovecot.service syslog cron.service
dropped cron.service driver systemd-journald.service
fresh
dovecot_login $A
ok "behind forged and foreign drops a login" within 2 opens $A 587
is "none of them counts" 0 "$(field .learn.sources[0].dropped status)"
dropped dovecot.service driver systemd-journald.service
ok "lines of the server that journald dropped are counted" within 2 source_is dropped 7
dropped postfix@-.service driver systemd-journald.service
ok "of an instance too" within 2 source_is dropped 14
is "the log tells once" 1 "$(grep -c 'journald dropped 7 lines of dovecot.service' "$LOG")"
is "status names the last unit and the way out" 1 \
	"$(field '.warnings[]' status | grep -c 'dropped 14 lines.*postfix@-.service; LogRateLimitIntervalSec=0')"

# --- files come and go
journal_rotate
fresh
dovecot_login $A
ok "after a rotation" within 2 opens $A 587
ok "stop" stop_daemon
fresh
dovecot_login $A
OLD=203.0.113.250
ip -n "$CLI" addr add $OLD/32 dev c0
dovecot_login $OLD 3600
journal_rotate
ok "start again" daemon --journal-dir "$J" 9>&-
ok "what came meanwhile counts, over a rotation" within 2 opens $A 587
is "but from its own time: an hour old earns nothing" timeout "$(tries $OLD 587 300)"
ok "stop" stop_daemon
fresh
dovecot_login $A 1
journal_rotate
rm -f "$J"/system@*0000001-* "$J"/system@*0000002-*
ok "start with the last cursor vacuumed away" daemon --journal-dir "$J" 9>&-
ok "goes on by time" within 2 opens $A 587
fresh
dovecot_login $A
ok "and follows" within 2 opens $A 587

# --- what else a source may be limited to, and how far it is read back
record_as() { # FACILITY IDENTIFIER UNIT ADDRESS [SECONDS AGO]
	local now=${EPOCHREALTIME/./}
	printf '%s\n' "__REALTIME_TIMESTAMP=$((now - ${5:-0} * 1000000))" \
		"__MONOTONIC_TIMESTAMP=$((now % 1000000000000))" "_BOOT_ID=$BOOT" "_UID=0" "_COMM=log" \
		"_SYSTEMD_UNIT=$3" "SYSLOG_IDENTIFIER=$2" "SYSLOG_FACILITY=$1" \
		"MESSAGE=$(login "$4")" "" >&9
}
learn() { # STATEMENTS
	{
		echo 'interface s0; service smtp { allow any; } service submission { allow permitted; } permit { ttl 30m; }'
		echo "learn { $1 }"
	} | config
}
unit=dovecot-since.service
fresh
dovecot_login $A # the last record: by order of time a source would begin behind it
record_as 2 dovecot $unit 203.0.113.251 2400
record_as 2 dovecot $unit 203.0.113.252 600
has() { ctl permit list --json | jq -e "select(.address == \"$1\")"; }
left() { ctl permit list --json | jq -r "select(.address == \"$1\").expires_in"; }
ok "stop" stop_daemon
rm -f "$STATE/sources.json"
learn "journal { unit $unit; since 30m; }"
ok "start, the first time, and read 30 minutes back" daemon --journal-dir "$J" 9>&-
ok "a login ten minutes ago earns the rest" within 5 has 203.0.113.252
ok "twenty minutes" test "$(left 203.0.113.252)" -gt 1100 -a "$(left 203.0.113.252)" -le 1200
is "the one before that is not read" 1 "$(field .learn.events.login status)"
ok "stop" stop_daemon
rm -f "$STATE/sources.json"
learn "journal { unit $unit; from start; }"
ok "start, the first time, and read all" daemon --journal-dir "$J" 9>&-
counted() { [ "$(field .learn.events.login status)" = "$1" ]; }
ok "old ones are read as well" within 5 counted 2
learn "journal { unit dovecot.service; identifier { dovecot imap } facility { mail local3 } format dovecot; }"
ok "apply: two identifiers and two facilities" ctl apply
ok "follows" within 5 source_is state following
filtered() { # FACILITY IDENTIFIER
	fresh
	record_as "$1" "$2" dovecot.service $A
}
filtered 2 dovecot
ok "both fit" within 2 opens $A 587
filtered 19 dovecot
ok "the other facility" within 2 opens $A 587
filtered 4 dovecot
OTHER_FACILITY=$A
filtered 2 sieve
OTHER_IDENTIFIER=$A
filtered 2 dovecot
ok "behind two that do not fit one that does" within 2 opens $A 587
is "those were not read" "timeout timeout" "$(tries $OTHER_FACILITY 587 300) $(tries $OTHER_IDENTIFIER 587 300)"
learn "journal { dovecot.service }"
ok "apply: no filter" ctl apply

# --- damage
head -c 4096 /dev/urandom >"$J/system@broken.journal"
ok "a damaged file is named" within 5 sh -c \
	"'$MR_BUILD/mailreeve' --runtime-dir $RUN status --json | grep -q 'system@broken.journal is damaged'"
fresh
dovecot_login $A
ok "the others are read" within 2 opens $A 587
rm "$J/system@broken.journal"
truncate -s 8192 "$J/system.journal"
journal_rotate 2>/dev/null
fresh
dovecot_login $A
ok "a file that is cut off under the reader" within 5 opens $A 587
ok "the daemon lives" daemon_answers
done_testing
