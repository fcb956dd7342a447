#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# expiry.sh - a permit and a ban end when they end: in the program, to the millisecond, also while no
# daemon runs.
. "$(dirname "$0")/lib.sh"

PAUSE_US=300   # between two SYNs
SLACK_NS=3000000 # between the verdict and the receive stamp, on a machine that is shared
network
config <<-'C'
	interface s0;
	service submission { allow permitted; }
	service smtp { allow any; }
C
ok "the daemon starts" daemon

# edge: one permit of a second under a steady stream of SYNs; the last that passed, and its expiry
edge() {
	ctl permit add $STRANGER --ttl 1s >/dev/null || return 1
	local expires
	expires=$(srv "$MRNET" expires "$PINS"/abi*/permits $STRANGER)
	sniff 587
	in_ns "$CLI" "$MRNET" spray c0 "$(mac_of "$SRV" s0)" $S4 587 4000 $PAUSE_US $STRANGER >/dev/null
	sniffed
	last=$(awk -v s=$STRANGER '$1 == s { print $4 }' "$DIR/sniff")
	[ -n "$last" ] && [ -n "$expires" ] || return 1
	late=$((last - expires))
	echo "# the last SYN that passed came $((late / 1000)) us after the expiry"
}
# a machine that stalls between verdict and stamp gets two more chances; a wrong comparison has none
for _ in 1 2 3; do
	edge
	[ $? = 0 ] && [ $late -lt $SLACK_NS ] && [ $late -gt -200000000 ] && break
done
ok "nothing passes after the expiry" test "$late" -lt $SLACK_NS
ok "and all passes up to it" test "$late" -gt -200000000
is "a new connection" timeout "$(tries $STRANGER 587)"

ok "a ban of two seconds" ctl ban add $STRANGER --ttl 2s
ok "a permit of two seconds" ctl permit add $OTHER --ttl 2s
is "the ban holds" timeout "$(tries $STRANGER 25 300)"
is "the permit holds" open "$(tries $OTHER 587)"
kill_daemon
ok "the ban ends without a daemon" within 4 opens $STRANGER 25
is "the permit too" timeout "$(tries $OTHER 587)"
ok "the daemon comes back" daemon
is "no entry is left" "" "$(field .address permit list)$(field .address ban list)"
done_testing
