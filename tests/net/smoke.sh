#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# smoke.sh - the whole thing once: start, guard, change, explain, stop.  Also run with the sanitized
# build (MR_BUILD), where a leak or a bad access of either program is a failure.
. "$(dirname "$0")/lib.sh"

network
config <<-'C'
	interface s0;
	set friends { 192.0.2.0/24; 2001:db8:a::/48; }
	service smtp { deny 198.51.100.0/24; allow any; }
	service submission { allow @friends; allow permitted; }
C
ok "a file without errors" ctl check -c "$CONF"
ok "the daemon starts" daemon
is "the device is guarded" native "$(field '.devices[] | select(.name == "s0") | .mode' status)"
is "an allowed source" open "$(tries $STRANGER 25)"
is "a denied source" timeout "$(tries $DENIED 25)"
is "a friend" open "$(tries $ALLOWED 587)"
is "a friend, IPv6" open "$(tries $ALLOWED6 587)"
is "a stranger" timeout "$(tries $STRANGER 587)"
ok "why says no" not ctl why $STRANGER submission
ok "a permit" ctl permit add $STRANGER --ttl 1m
is "opens" open "$(tries $STRANGER 587)"
is "and is listed" $STRANGER "$(field .address permit list)"
ok "a ban" ctl ban add $STRANGER --ttl 1m
is "closes" timeout "$(tries $STRANGER 25)"
ok "and goes" ctl ban delete $STRANGER
is "and then opens" open "$(tries $STRANGER 25)"
for c in status rules stats; do
	ok "$c" ctl $c
	ok "$c --json" sh -c "$MR_BUILD/mailreeve --runtime-dir $RUN $c --json | jq -e ."
done
echo 'service submission { allow any; }' >>"$CONF.new"
ok "lan" ctl lan
echo 'nonsense' >>"$CONF"
ok "a faulty file is refused" not ctl apply
is "and changes nothing" open "$(tries $ALLOWED 587)"
sed -i '$d' "$CONF"
sed -i 's/allow permitted;/allow any;/' "$CONF"
ok "a good one is taken" ctl apply
is "and in effect" open "$(tries $OTHER 587)"
ok "undo" ctl undo
is "takes it back" timeout "$(tries $OTHER 587)"
ok "the daemon stops with status 0" stop_daemon
is "the filter stands" timeout "$(tries $DENIED 25)"
ok "status from the pins" sh -c "$MR_BUILD/mailreeve --runtime-dir $RUN status --json | jq -e '.daemon == null'"
ok "detach without a daemon" ctl detach
is "is the way out" open "$(tries $DENIED 25)"
ok "no sanitizer spoke" not grep -E 'Sanitizer|runtime error' "$LOG"
done_testing
