#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# learn-restart.sh - sessions that stand when the daemon starts again: their permits live on with
# them, and run out behind their end, whether it comes later, or came while there was no daemon.
. "$(dirname "$0")/lib.sh"

MAIL=$DIR/mail.log TTL=8
stamp() { date '+%b %e %H:%M:%S'; }
login() { # ADDRESS SESSION
	echo "$(stamp) mx dovecot: imap-login: Login: user=<anna>, method=PLAIN, rip=$1, lip=10.77.0.1, mpid=77, TLS, session=<$2>" >>"$MAIL"
	SINCE=$SECONDS
}
logout() { # SESSION
	echo "$(stamp) mx dovecot: imap(anna)<77><$1>: Disconnected: Logged out in=9 out=470" >>"$MAIL"
	SINCE=$SECONDS
}
N=0
fresh() {
	A=203.0.113.$((100 + ++N))
	ip -n "$CLI" addr add "$A/32" dev c0
}
longer_than_ttl() { [ $((SECONDS - SINCE)) -gt $((TTL + 2)) ]; }
outlives() { within $((TTL + 5)) longer_than_ttl && opens "$A" 587; }
saved() { [ "$STATE/sessions" -nt "$DIR/mark" ]; }
told() { [ "$(grep -c "sessions: $1" "$LOG")" = 1 ] && [ -e "$STATE/sessions.damaged" ]; }
put() { printf '%b' "$2" | dd of="$STATE/sessions" bs=1 seek="$1" conv=notrunc status=none; } # OFFSET BYTES

network 587
: >"$MAIL"
config <<-C
	interface s0;
	service submission { allow permitted; }
	permit { ttl ${TTL}s; }
	learn { file "$MAIL"; }
C
ok "the daemon starts" daemon
fresh
login "$A" known
ok "a login" within 1 opens "$A" 587
logout known
is "is known by its session" 1 "$(sleep 0.1 && field .learn.sources[0].events.logout status)"

fresh
login "$A" first
ok "another" within 1 opens "$A" 587
ok "stop" stop_daemon
ok "start" daemon
ok "a session that stands keeps its permit" outlives
logout first
ok "until it ends" within $((TTL + 3)) silent "$A" 587

fresh
touch "$DIR/mark"
login "$A" second
ok "before a crash" within 1 opens "$A" 587
ok "sessions are saved" within 8 saved
kill_daemon
ok "start after it" daemon
ok "a session keeps its permit then, too" outlives
ok "stop" stop_daemon
logout second
ok "a session that ended without a daemon: start" daemon
is "its end is read" 1 "$(sleep 0.1 && field .learn.sources[0].events.logout status)"
ok "its permit runs out" within $((TTL + 3)) silent "$A" 587

fresh
login "$A" third
ok "of another boot: a login" within 1 opens "$A" 587
ok "stop" stop_daemon
put 8 0000
ok "start" daemon
ok "no session stands" within $((TTL + 3)) silent "$A" 587
fresh
login "$A" fourth
ok "but that sessions end is known" outlives

ok "stop" stop_daemon
truncate -s -5 "$STATE/sessions"
ok "start with a file that was cut off" daemon
ok "which is told" told "cut off"
ok "stop" stop_daemon
put 7 9
rm "$STATE/sessions.damaged"
ok "start with one from a newer version" daemon
ok "which is told" told "written by a newer mailreeve"
ok "stop" stop_daemon
put 130 '\0377\0377'
rm "$STATE/sessions.damaged"
ok "start with a damaged one" daemon
ok "which is told" told "damaged"
done_testing
