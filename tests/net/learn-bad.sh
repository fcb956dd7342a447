#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# learn-bad.sh - logs as nobody wants them: binary, without an end, from the future, out of order, on a
# full disk, swapped for something else, and 100,000 addresses that fail: the message is clear, the
# rest goes on, and what was valid is kept.
. "$(dirname "$0")/lib.sh"

MAIL=$DIR/logs/mail.log SWAPPED=$DIR/logs/swapped PIPE=$DIR/logs/pipe
MIB=1048576
mkdir "$DIR/logs" "$DIR/small"
trap 'umount "$DIR/small" 2>/dev/null; cleanup' EXIT

stamp() { date -d "$*" '+%b %e %H:%M:%S'; }
line() { # STAMP ADDRESS
	echo "$1 mx dovecot: imap-login: Login: user=<anna$N>, method=PLAIN, rip=$2, lip=10.77.0.1, mpid=77, TLS, session=<>"
}
login() { line "$(stamp now)" "$1" >>"${2:-$MAIL}"; }
N=0
fresh() {
	A=203.0.113.$((100 + ++N))
	ip -n "$CLI" addr add "$A/32" dev c0
}
left() { ctl permit list --json | jq -r "select(.address == \"$1\").expires_in"; }
between() { [ -n "$2" ] && [ "$2" -ge "$1" ] && [ "$2" -le "$3" ]; }
warns() { ctl status --json | jq -r '.warnings[]' | grep -q "$1"; }
source_is() { [ "$(source_field "$1" "$2")" = "$3" ]; }
source_field() { field ".learn.sources[$1].$2" status; }
rss() { awk '/^VmRSS/ { print $2 * 1024 }' "/proc/$DAEMON/status"; }
learns() { # TEXT [FILE]: a login after all that opens the port
	fresh
	login "$A" "${2:-$MAIL}"
	ok "$1" within 3 opens "$A" 587
}

network 25 587
: >"$MAIL"
ln -s nowhere "$SWAPPED"
mkfifo "$PIPE"
config <<-C
	interface s0;
	service smtp { allow any; }
	service submission { allow permitted; }
	permit { ttl 30m; }
	ban { ttl 1h; max 2000; on failure 2 in 10m; }
	learn { file "$MAIL"; file "$SWAPPED"; file "$PIPE"; }
C
ok "the daemon starts" daemon

# --- what a line may be
head -c $((4 * MIB)) /dev/urandom >>"$MAIL"
echo >>"$MAIL"
learns "behind 4 MiB of noise"
printf '\0\0\0\0' >>"$MAIL"
learns "behind NUL bytes"
before=$(rss)
skipped=$(source_field 0 skipped)
head -c $((64 * MIB)) /dev/zero | tr '\0' x >>"$MAIL"
ok "the daemon answers within a line of 64 MiB" daemon_answers
line "$(stamp now)" $OTHER >>"$MAIL"
learns "behind that line"
is "its end is no line of its own" timeout "$(tries $OTHER 587 300)"
is "it is counted" $((skipped + 1)) "$(source_field 0 skipped)"
ok "and was not kept in memory" test $(($(rss) - before)) -lt $((8 * MIB))

# --- when a line was written
fresh
line "$(stamp '+2 hours')" "$A" >>"$MAIL"
ok "from the future: no more than a permit from now" within 2 between 1750 "$(left "$A")" 1800
fresh
line 2099-01-01T00:00:00Z "$A" >>"$MAIL"
ok "from another century" within 2 between 1750 "$(left "$A")" 1800
fresh
login "$A"
line "$(stamp '-20 minutes')" "$A" >>"$MAIL"
fresh
line "$(stamp '-20 minutes')" "$A" >>"$MAIL"
ok "out of order: each counts from its own time" within 2 between 550 "$(left "$A")" 600
ok "and takes nothing from a later one" between 1750 "$(left "203.0.113.$((99 + N))")" 1800

# --- something else under the log's name
ok "a link that leads nowhere is waited for" warns "swapped: there is no such file yet"
ln -sfn /dev/zero "$SWAPPED"
ok "a device is refused" within 3 warns "swapped is neither a file nor a FIFO"
: >"$DIR/logs/real"
ln -sfn real "$SWAPPED"
ok "a file is read at once" within 1 source_is 1 state following
learns "from there" "$DIR/logs/real"
: >"$DIR/logs/real2"
ln -s real2 "$SWAPPED.new"
mv -T "$SWAPPED.new" "$SWAPPED"
learns "another one, by a link that is swapped" "$DIR/logs/real2"

# --- a disk that is full
mount -t tmpfs -o size=64k small "$DIR/small"
: >"$DIR/small/log"
ln -sfn "$DIR/small/log" "$SWAPPED"
fresh
head -c $((64 * 1024 - 4096 - 60)) /dev/zero | tr '\0' '\n' >"$DIR/small/log"
dd if=/dev/zero of="$DIR/small/fill" bs=4k 2>/dev/null
line "$(stamp now)" "$A" >"$DIR/line"
room=$((4096 - $(stat -c %s "$DIR/small/log") % 4096))
cat "$DIR/line" >>"$DIR/small/log" 2>/dev/null
is "a full disk takes half of a line" 1 "$(($(stat -c %s "$DIR/small/log") < 64 * 1024 && room < $(stat -c %s "$DIR/line")))"
is "half a line is none" timeout "$(tries "$A" 587 300)"
rm "$DIR/small/fill"
tail -c +$((room + 1)) "$DIR/line" >>"$DIR/small/log"
ok "the rest of it makes one" within 3 opens "$A" 587

# --- no end
yes "$(stamp now) mx postfix/qmgr[1]: 4A0: removed" >"$PIPE" &
pids+=($!)
ok "a pipe that never ends is read" within 3 sh -c "'$MR_BUILD/mailreeve' --runtime-dir $RUN status --json | jq -e '.learn.sources[2].lines > 1000'"
learns "and others have their turn"
ok "the daemon answers" daemon_answers
end "${pids[-1]}"

# --- a storm
awk -v now="$(stamp now)" 'BEGIN {
	for (round = 0; round < 2; round++)
		for (i = 0; i < 100000; i++)
			print now " mx dovecot: imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): user=<u" i ">, method=PLAIN, rip=10." int(i / 62500) + 1 "." int(i / 250) % 250 "." i % 250 + 1 ", lip=10.77.0.1, TLS, session=<" i "." round ">"
}' >"$DIR/storm"
failures() { [ "$(field .learn.events.failure status)" -ge $((FAILURES + 200000)) ]; }
FAILURES=$(field .learn.events.failure status)
cat "$DIR/storm" >>"$MAIL"
ok "100,000 addresses fail twice: the daemon answers" daemon_answers
learns "and learns a login behind them"
ok "all failures are counted" within 10 failures
is "the map of bans is full, and no fuller" 2000 "$(field .bans.live status)"
ok "every address was banned once" test "$(field .learn.bans status)" -ge 99000
ok "the log tells in sums" test "$(grep -c ': ban for' "$LOG")" -le 200
ok "who was let in before the storm still is" opens "203.0.113.$((99 + N))" 587
ok "nobody was forgotten" between 1000 "$(left 203.0.113.101)" 1800
done_testing
