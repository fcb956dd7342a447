#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# learn-sources.sh - what happens to logs and to the daemon while it learns: logrotate, restarts,
# another policy, files that cannot be read, wordings that nobody knows, damaged state.
. "$(dirname "$0")/lib.sh"

MAIL=$DIR/logs/mail.log OTHERLOG=$DIR/logs/other.log
mkdir "$DIR/logs"
chmod 700 "$DIR/logs"
login() { # ADDRESS [FILE [SECONDS AGO]]
	echo "$(date -d "-${3:-0} seconds" '+%b %e %H:%M:%S') mx dovecot: imap-login: Login: user=<anna$N>, method=PLAIN, rip=$1, lip=10.77.0.1, mpid=77, TLS, session=<>" >>"${2:-$MAIL}"
}
source_is() { # NUMBER FIELD VALUE
	[ "$(field ".learn.sources[$1].$2" status)" = "$3" ]
}
warns() { ctl status --json | jq -r '.warnings[]' | grep -q "$1"; }
N=0
fresh() {
	A=203.0.113.$((100 + ++N))
	ip -n "$CLI" addr add "$A/32" dev c0
}
policy() { # STATEMENT...
	{
		echo 'interface s0; service smtp { allow any; } service submission { allow permitted; }'
		[[ $* == *'permit {'* ]] || echo 'permit { ttl 30m; }'
		printf '%s\n' "$@"
	} | config
}

network 587
policy
ok "the daemon starts" daemon
is "without a learn statement nothing is opened" "null 0" \
	"$(field .learn status) $(find "/proc/$DAEMON/fd" -lname '*inotify*' | wc -l)"
is "and nothing is remembered" "" "$(find "$STATE" -name 'sources*')"

# --- a file that is not there yet
policy "learn { file \"$MAIL\"; }"
ok "apply: a source" ctl apply
ok "it waits for the file" source_is 0 state waiting
ok "status says for which" warns "there is no such file yet"
fresh
login "$A"
ok "the first line of a new file" within 1 opens "$A" 587
ok "and nothing is warned of" not warns 'learned from'

# --- logrotate
rotate() { # OPTION
	printf '%s {\n rotate 5\n %s\n}\n' "$MAIL" "$1" >"$DIR/rotate.conf"
	/usr/sbin/logrotate -f -s "$DIR/rotate.state" "$DIR/rotate.conf"
}
if command -v logrotate >/dev/null; then
	for how in create nocreate copytruncate 'create compress' 'create compress delaycompress' 'create dateext' \
		'copytruncate compress'; do
		fresh
		login "$A"
		ok "logrotate, $how" rotate "${how// /$'\n '}"
		ok "the line before it counted" within 1 opens "$A" 587
		if [[ $how != copytruncate* && $how != *dateext && -e $MAIL.1 ]]; then
			fresh
			login "$A" "$MAIL.1"
			ok "a line to the old file, by who has not noticed" within 1 opens "$A" 587
		fi
		fresh
		login "$A"
		ok "a line to the new one" within 1 opens "$A" 587
	done
else
	skip "logrotate" "not installed"
fi

# --- restarts
ok "stop" stop_daemon
fresh
login "$A"
mv "$MAIL" "$MAIL.1"
MEANWHILE=$A
fresh
OLD=$A
login "$OLD" "$MAIL" 3600
fresh
login "$A"
ok "start" daemon
ok "what the rotated file got meanwhile" within 1 opens "$MEANWHILE" 587
ok "and the new one" within 1 opens "$A" 587
is "a login of an hour ago earns nothing" timeout "$(tries "$OLD" 587 300)"
ok "a busy place is saved" within 8 test -s "$STATE/sources.json"
kill_daemon
fresh
login "$A"
ok "start after a crash" daemon
ok "goes on" within 1 opens "$A" 587
ok "stop" stop_daemon
echo '{"version":1,"sources":{"fi' >"$STATE/sources.json"
fresh
login "$A"
ok "start with a place that was cut off" daemon
ok "which is told" grep -q "sources.json.damaged" "$LOG"
is "and read as if new, from the end" timeout "$(tries "$A" 587 300)"
ok "stop" stop_daemon
echo '{"version":99,"sources":{}}' >"$STATE/sources.json"
ok "start with a place from a newer version" daemon
ok "which is told" grep -q "not of this version" "$LOG"

# --- another policy
fresh
login "$A"
ok "learns" within 1 opens "$A" 587
lines=$(field .learn.sources[0].lines status)
fresh
printf 'half a line' >>"$OTHERLOG"
policy "learn { file \"$OTHERLOG\"; file \"$MAIL\"; }"
ok "apply: one more source" ctl apply
is "the first goes on where it was" "$lines" \
	"$(field '.learn.sources[] | select(.name | endswith("mail.log")) | .lines' status)"
login "$A" "$OTHERLOG"
is "the rest of a line that was not seen to begin is no line" timeout "$(tries "$A" 587 300)"
login "$A" "$OTHERLOG"
ok "the next one is" within 1 opens "$A" 587
policy "learn { file \"$OTHERLOG\"; }"
ok "apply: one less" ctl apply
is "one source is left" 1 "$(field '.learn.sources | length' status)"
fresh
login "$A"
is "the other is not read any more" timeout "$(tries "$A" 587 300)"
policy "learn { file \"$MAIL\"; file \"$OTHERLOG\"; }" 'permit { ttl 30m; services { smtp }; }'
ok "apply: back, with other services" ctl apply
ok "what came meanwhile is read" within 1 sh -c \
	"'$MR_BUILD/mailreeve' --runtime-dir $RUN permit list --json | jq -e 'select(.address == \"$A\")'"
is "and opens what the policy says now" smtp \
	"$(ctl permit list --json | jq -r "select(.address == \"$A\") | .services[]")"

# --- what cannot be read
policy "learn { file \"$DIR/logs\"; file \"$MAIL\"; }"
ok "apply: a directory for a log" ctl apply
ok "is named" warns "neither a file nor a FIFO"
ok "and tried again" test "$(field .learn.sources[0].retry_in status)" != null
fresh
login "$A"
ok "the other source goes on" within 1 opens "$A" 587

# --- a wording that nobody knows
echo "$(date '+%b %e %H:%M:%S') mx dovecot: imap-login: Login: user=<anna>, from=somewhere in a new wording" >>"$MAIL"
ok "is counted, with an example" within 2 sh -c \
	"'$MR_BUILD/mailreeve' --runtime-dir $RUN status --json | jq -e '.learn.sources[] | .lost[] | select(.program == \"dovecot\" and (.example | contains(\"new wording\")))'"
ok "and warned of" warns "wording that no format knows"
ok "once, in the log" test "$(grep -c 'in a wording that no format knows' "$LOG")" = 1
ok "status, for people" sh -c "'$MR_BUILD/mailreeve' --runtime-dir $RUN status | grep -q 'source   file $MAIL: following'"

# --- a state directory on a disk that is full
ok "stop" stop_daemon
mkdir "$DIR/small"
trap 'umount "$DIR/small" 2>/dev/null; cleanup' EXIT
mount -t tmpfs -o size=64k small "$DIR/small"
STATE_WAS=$STATE STATE=$DIR/small/state
ok "start on a small disk" daemon
dd if=/dev/zero of="$DIR/small/fill" bs=4k 2>/dev/null
fresh
login "$A"
ok "the disk is full: logins count all the same" within 1 opens "$A" 587
ok "and status says what is not saved" within 12 warns 'cannot be saved'
ok "of permits and bans, too" within 12 warns 'permits and bans would not survive'
sleep 5 # two more tries
is "the log says it once" 1 "$(grep -c 'permits and bans would not survive' "$LOG")"
rm "$DIR/small/fill"
fresh
login "$A"
ok "with room again it is saved" within 12 not warns 'cannot be saved'
ok "and nothing is told of permits and bans" within 12 not warns 'permits and bans would not survive'
ok "stop" stop_daemon
umount "$DIR/small"
STATE=$STATE_WAS

# --- standard input
policy "learn { stdin; }"
mkfifo "$DIR/stdin"
exec 8<>"$DIR/stdin"
ok "start with a pipe" daemon <"$DIR/stdin" 8>&-
fresh
login "$A" "$DIR/stdin"
ok "a line from standard input" within 1 opens "$A" 587
exec 8>&-
ok "its end is told" within 2 source_is 0 state ended
ok "and the daemon goes on" daemon_answers
ok "stop" stop_daemon

# --- how far a log is read back that was never read before
rm -f "$STATE/sources.json"
fresh
MIDDLE=$A
login "$A" "$DIR/logs/new.log.1" 600
fresh
login "$A" "$DIR/logs/new.log" 300
fresh
OLD=$A
login "$OLD" "$DIR/logs/new.log.2" 2400
touch -d '-40 minutes' "$DIR/logs/new.log.2"
policy "learn { file \"$DIR/logs/new.log\"; }" "learn since 30m;"
ok "start" daemon
expires() { ctl permit list --json | jq -r "select(.address == \"$1\").expires_in"; }
between() { [ -n "$2" ] && [ "$2" -ge "$1" ] && [ "$2" -le "$3" ]; }
ok "a login five minutes ago earns what is left" within 2 between 1400 "$(expires "203.0.113.$((99 + N))")" 1500
ok "one in the file before, too" between 1100 "$(expires "$MIDDLE")" 1200
is "older files are not read" 2 "$(field .learn.sources[0].lines status)"
is "and an old login earns nothing" "" "$(expires "$OLD")"
done_testing
