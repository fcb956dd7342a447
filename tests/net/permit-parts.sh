#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# permit-parts.sh - a permit given by hand for one service and a learned one for another: each ends
# at its own time, over a restart, a crash and a reboot, too.
. "$(dirname "$0")/lib.sh"

MAIL=$DIR/mail.log TTL=6 N=0
stamp() { date '+%b %e %H:%M:%S'; }
login() { # ADDRESS
	N=$((N + 1)) SINCE=$SECONDS
	echo "$(stamp) mx dovecot: imap-login: Login: user=<anna>, method=PLAIN, rip=$1, lip=10.77.0.1, mpid=77, TLS, session=<s$N>" >>"$MAIL"
}
A=$STRANGER
parts() { ctl permit list --json | jq -r '"\(.address) \(.services | join(",")) \(.origin) \(.user // "-")"' | sort | paste -sd ' '; }
two="$A imap hand - $A submission learned anna"
both() { opens "$A" 587 && opens "$A" 143; }
one() { silent "$A" 587 && opens "$A" 143; }
over() { [ $((SECONDS - SINCE)) -gt $((TTL + 1)) ]; }
# imap is tried without a pause while the learned part ends
imap_all_along() {
	while ! over; do opens "$A" 143 || return 1; done
}

network 587 143
: >"$MAIL"
config <<-C
	interface s0;
	service submission { allow permitted; }
	service imap { allow permitted; }
	permit { ttl ${TTL}s; services { submission }; }
	learn { file "$MAIL"; }
C
ok "the daemon starts" daemon
ok "a permit by hand" ctl permit add "$A" --service imap --ttl 10m
login "$A"
ok "a login opens what is learned" within 1 both
is "both are listed" "$two" "$(parts)"
is "one address" 1 "$(field .permits.live status)"
is "why: the login's end" submission "$(ctl why "$A" submission --json | jq -r '.. | .expires_in? // empty' | awk -v t=$TTL '$1 > 0 && $1 <= t { print "submission"; exit }')"
is "why: the hand's" imap "$(ctl why "$A" imap --json | jq -r '.. | .expires_in? // empty' | awk '$1 > 500 { print "imap"; exit }')"
ok "imap is open all along" imap_all_along
ok "the login's part ended" one
is "one is listed" "$A imap hand -" "$(parts)"

login "$A"
ok "a login again" within 1 both
ok "stop" stop_daemon
ok "start" daemon
is "both are there" "$two" "$(parts)"
sleep 0.1
ok "and open" both
ok "until the login's end" within $((TTL + 2)) one

login "$A"
ok "before a crash" within 1 both
kill_daemon
ok "start after it" daemon
is "both are there, though the login was not saved" 2 "$(parts | grep -o "$A" | wc -l)"
ok "and open" both
ok "until the login's end" within $((TTL + 2)) one

login "$A"
ok "before another crash" within 1 both
kill_daemon
within $((TTL + 3)) over
ok "without a daemon nothing is open beyond the first end" silent "$A" 587
ok "not even by hand" silent "$A" 143
ok "start" daemon
ok "what was given by hand is there again" one

login "$A"
ok "before one more" within 1 both
ctl permit delete "$A"
login "$A"
ok "deleted, and a login again" within 1 opens "$A" 587
kill_daemon
ok "start after a crash with a file that is older" daemon
is "what was deleted stays so" "$A submission learned anna" "$(parts)"
ok "in the map, too" silent "$A" 143
ok "stop" stop_daemon

# as after a reboot
ok "start" daemon
ctl permit add "$A" --service imap --ttl 10m
login "$A"
ok "both again" within 1 both
stop_daemon
umount "$PINS"
bare() { ! ip -n "$SRV" link show s0 | grep -q xdp; }
within 5 bare
printf '%s' 00000000-0000-4000-8000-000000000000 | dd of="$STATE/entries" bs=1 seek=16 conv=notrunc 2>/dev/null
ok "after a reboot" daemon
is "both are there" "$two" "$(parts)"
ok "until the login's end" within $((TTL + 2)) one
ok "delete takes all" ctl permit delete "$A"
ok "…" silent "$A" 143
done_testing
