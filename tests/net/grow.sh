#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# grow.sh - a larger `permit { max }` and `ban { max }`, applied while packets come, logins are learned
# and somebody watches: it counts at once, nothing is forgotten, and what fails changes nothing.
. "$(dirname "$0")/lib.sh"

command -v bpftool >/dev/null || skip_all "needs bpftool (scripts/deps)"
network
conf() { # PERMITS BANS [PERMIT OPTION]
	config <<-C
		interface s0;
		service submission { allow permitted; }
		service smtp { allow any; }
		permit { ttl 30m; max $1; ${3:-} }
		ban { ttl 1h; max $2; }
		learn { file "$DIR/mail.log"; }
	C
}
: >"$DIR/mail.log"
conf 3 2
ok "the daemon starts" daemon
full() { # KIND: the newest error of the log and of the command say the same
	not ctl "$1" add 10.9.9.9 2>"$DIR/err" && grep -q "map of ${1}s is full.*raise .$1 { max }. and apply" "$DIR/err"
}
for a in $ALLOWED $STRANGER $STRANGER6; do ok "a permit for $a" ctl permit add "$a"; done
ok "and no fourth" full permit
ok "a ban" ctl ban add $DENIED
ok "a session" session $STRANGER 587

# --- by the way of packets: a permitted and a banned source send while the maps change
sniff 587
spawn "$CLI" "$MRNET" spray c0 "$(mac_of "$SRV" s0)" $S4 587 60000 60 $ALLOWED $DENIED >"$DIR/sent"
sprayer=$spawned
conf 5000 4000
ok "more of both" ctl apply
is "the map of permits is larger" 5000 "$(field .permits.max status)"
is "the map of bans too" 4000 "$(field .bans.max status)"
# size MAP: of what is pinned
size() { bpftool map show pinned "$PINS"/abi*/"$1" -j | jq .max_entries; }
is "in the kernel too" "5000 4000" "$(size permits) $(size bans)"
is "nothing is left to warn of" 0 "$(field '[.warnings[] | select(test("max"))] | length' status)"
ok "one more permit" ctl permit add $OTHER
is "which counts" open "$(tries $OTHER 587)"
is "who was in is in" "open open" "$(tries $STRANGER 587) $(tries $STRANGER6 587)"
is "the session lives" alive "$(lives)"
is "who was banned is banned" timeout "$(tries $DENIED 25)"
ok "nobody was forgotten" ctl permit delete $STRANGER
is "and who goes is out" timeout "$(tries $STRANGER 587)"
wait "$sprayer"
sniffed
is "no packet sniffed was lost" 0 "$(awk '$1 == "lost" { print $2 }' "$DIR/sniff")"
is "every SYN of the permitted source passed" 30000 "$(passed $ALLOWED)"
is "not one of the banned source" 0 "$(passed $DENIED)"

# --- what is learned while a large map is filled
logins() { # FROM N
	awk -v from="$1" -v n="$2" -v now="$(date '+%b %e %T')" 'BEGIN { for (i = from; i < from + n; i++)
		printf "%s mx dovecot: imap-login: Login: user=<v%d>, method=PLAIN, rip=10.%d.%d.7, lip=10.77.0.1, mpid=7, TLS, session=<P%d>\n",
			now, i, 1 + i / 256, i % 256, i }' >>"$DIR/mail.log"
}
permits() { [ "$(field .permits.live status)" -eq "$1" ]; }
# holds MAP N: what the kernel has
holds() { [ "$(bpftool map dump pinned "$PINS"/abi*/"$1" -j | jq 'arrays | length')" = "$2" ]; }
spawn "$SRV" "$MR_BUILD/mailreeve" --runtime-dir "$RUN" monitor --json --rate 100 >"$DIR/events"
watcher=$spawned
seen() { tries "$1" 25 100 >/dev/null; grep -q "\"banned\",\"source\":\"$1\"" "$DIR/events"; }
ok "somebody watches" within 5 seen $DENIED
conf 30000 4000
ok "more permits" ctl apply
ok "another ban" ctl ban add $OTHER
ok "who watched goes on watching" within 5 seen $OTHER
ok "the ban goes" ctl ban delete $OTHER
end "$watcher"
logins 0 14000
ok "14,000 log in" within 20 permits 14003
conf 60000 4000 "ipv6-prefix 64;"
spawn "$SRV" "$MR_BUILD/mailreeve" --runtime-dir "$RUN" apply >"$DIR/apply"
applying=$spawned
logins 14000 6000
ok "6,000 more while the map changes, and the IPv6 keys with it" wait "$applying"
ok "all are there" within 30 permits 20003
ok "in the kernel too" within 5 holds permits 20003
is "the network of who was in is in" open "$(tries $STRANGER6 587)"

# --- what fails changes nothing
ABI=$(echo "$PINS"/abi*)
mv "$ABI/bans" "$PINS/aside" && mkdir "$ABI/bans"
conf 60000 8000
before=$(generation)
ok "a pin that cannot be replaced: the apply fails" not ctl apply
ok "and says why" grep -q "cannot pin $ABI/bans" "$LOG"
is "the generation is the one before" "$before" "$(generation)"
is "the map too" 4000 "$(field .bans.max status)"
is "it filters on" "timeout open" "$(tries $DENIED 25) $(tries $OTHER 587)"
ok "and takes more" ctl ban add $OTHER
is "which count" timeout "$(tries $OTHER 25)"
rmdir "$ABI/bans" && mv "$PINS/aside" "$ABI/bans"
ok "mended, it goes" ctl apply
is "with the size" "8000 8000" "$(field .bans.max status) $(size bans)"
is "and all that was in it" timeout "$(tries $OTHER 25)"

# --- and all of it is there after a crash
kill_daemon
ok "killed, and started again" daemon
ok "with all permits" permits 20003
is "and the sizes" "60000 8000" "$(field .permits.max status) $(field .bans.max status)"
is "it filters as before" "timeout open timeout" "$(tries $DENIED 25) $(tries $ALLOWED 587) $(tries $OTHER 25)"
done_testing
