#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# abi.sh - what a version with another ABI number left pinned is taken over while packets come: at no
# moment is there no filter, permits, bans and counters go on, and it is told.  The other version is
# this one, its pins renamed; what it may have had in other layouts is made by bpftool.
. "$(dirname "$0")/lib.sh"

command -v bpftool >/dev/null || skip_all "needs bpftool (scripts/deps)"
network
config <<-C
	interface s0;
	service submission { allow $ALLOWED; allow permitted; }
	service smtp { deny $DENIED; allow any; }
C
ok "the daemon starts" daemon
ABI=$(basename "$PINS"/abi*)
ok "a permit" ctl permit add $STRANGER
ok "a ban" ctl ban add $OTHER
is "who is denied by a rule" timeout "$(tries $DENIED 25)"
ok "a session" session $STRANGER 587
denied() { field '[.services[] | select(.name == "smtp")][0].packets.deny' stats; }
# other N: the daemon dies, and what it has pinned is another version's
other() {
	kill_daemon
	mv "$PINS/$ABI" "$PINS/$1"
}
program() { ip -n "$SRV" -j link show s0 | jq -r '.[0].xdp.prog.id'; }

for other in abi1 abi99; do
	before=$(program) counted=$(denied)
	other $other
	ok "$other: the command sees the device" sh -c "'$MR_BUILD/mailreeve' --runtime-dir '$RUN' status | grep s0"
	sniff 25
	spawn "$CLI" "$MRNET" spray c0 "$(mac_of "$SRV" s0)" $S4 25 30000 60 $ALLOWED $DENIED $OTHER >"$DIR/sent"
	sprayer=$spawned
	: >"$LOG"
	ok "$other: the daemon starts" daemon
	wait "$sprayer"
	sniffed
	is "$other: no packet sniffed was lost" 0 "$(awk '$1 == "lost" { print $2 }' "$DIR/sniff")"
	is "$other: every SYN of the allowed source passed" 10000 "$(passed $ALLOWED)"
	is "$other: not one of the denied, nor of the banned" "0 0" "$(passed $DENIED) $(passed $OTHER)"
	ok "$other: another program runs" test "$(program)" != "$before"
	is "$other: the permit stands" open "$(tries $STRANGER 587)"
	is "$other: the session too" alive "$(lives)"
	is "$other: the pins of the other version are gone" "$PINS/$ABI" "$(echo "$PINS"/abi*)"
	ok "$other: what was counted goes on" test "$(denied)" -ge $((counted + 5000)) # but for a moment between copy and change
	ok "$other: it is told" grep -q "taking over from another version" "$LOG"
done

# --- a layout that cannot be known: what the state directory holds of permits and bans counts
kill_daemon
ok "the daemon starts" daemon
stop_daemon
mv "$PINS/$ABI" "$PINS/abi1"
rm "$PINS/abi1/bans" "$PINS/abi1/service_counters"
bpftool map create "$PINS/abi1/bans" type hash key 8 value 8 entries 10 name bans
bpftool map create "$PINS/abi1/service_counters" type hash key 4 value 4 entries 10 name service_counters
: >"$LOG"
ok "bans of another layout: the daemon starts" daemon
ok "and tells" grep -q "another layout of them: bans, service_counters; of permits" "$LOG"
is "the ban stands" timeout "$(tries $OTHER 25)"
is "the permit too" open "$(tries $STRANGER 587)"
is "and the rule" "timeout open" "$(tries $DENIED 25) $(tries $ALLOWED 25)"

# --- pins of our own number, but damaged: not believed, not touched, and what filters goes on
kill_daemon
size=$(bpftool map show pinned "$PINS/$ABI/state" -j | jq .bytes_value)
rm "$PINS/$ABI/state"
bpftool map create "$PINS/$ABI/state" type array key 4 value "$size" entries 1 name state flags 1024
: >"$LOG"
start_daemon
wait "$DAEMON"
is "a damaged state: the daemon does not start" 1 $?
DAEMON=''
ok "and says where, and the way out" grep -q "rm $PINS/$ABI/state" "$LOG"
is "it filters on" "timeout timeout open" "$(tries $DENIED 25) $(tries $OTHER 25) $(tries $STRANGER 587)"
ok "the way out: let go" ctl detach
ok "remove it" rm "$PINS/$ABI/state"
ok "and start" daemon
is "it filters" "timeout open" "$(tries $DENIED 25) $(tries $ALLOWED 25)"
is "with the permit and the ban" "open timeout" "$(tries $STRANGER 587) $(tries $OTHER 25)"
done_testing
