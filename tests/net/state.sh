#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# state.sh - the state directory's files cut off, damaged or of a newer version; maps that are full;
# more entries than one step of a sweep takes, which end at one time.
. "$(dirname "$0")/lib.sh"

network
conf() {
	config <<-C
		interface s0;
		service submission { allow permitted; }
		service smtp { allow any; }
		permit { ttl 30m; max ${1:-4096}; ${3:-} }
		ban { ttl 1h; on failure 1 in 10m; max ${2:-4096}; ${4:-} }
		learn { file "$DIR/mail.log"; }
	C
}
: >"$DIR/mail.log"
conf
ok "the daemon starts" daemon

# --- the file of permits and bans counts after a reboot: here the pins are taken away
bare() { ! ip -n "$SRV" link show s0 | grep -q xdp; }
reboot() {
	stop_daemon
	umount "$PINS"
	within 5 bare # the kernel lets go of the links a moment later
}
# other_boot: as if the file had been written before this boot
other_boot() { printf '%s' 00000000-0000-4000-8000-000000000000 | dd of="$STATE/entries" bs=1 seek=16 conv=notrunc 2>/dev/null; }
ok "a permit" ctl permit add $STRANGER --ttl 60s
ok "a ban" ctl ban add $DENIED
reboot
other_boot
cp "$STATE/entries" "$DIR/good"
ok "after a reboot" daemon
is "both are there" "$STRANGER $DENIED" "$(field .address permit list) $(field .address ban list)"

# faulty TEXT EXPECTED [ENTRY]: with the file as it is now, the daemon starts, says so, keeps the file, and
# of what was in it that entry
faulty() {
	cp "$STATE/entries" "$DIR/bad"
	: >"$LOG"
	ok "$1: the daemon starts" daemon
	ok "$1: it says so" grep -q "$STATE/entries: $2; it is put aside as entries.damaged" "$LOG"
	is "$1: what was whole is there" "${3:-}" "$(field .address permit list)$(field .address ban list)"
	ok "$1: and new ones can be made" ctl permit add $OTHER --ttl 60s
	is "$1: which count" open "$(tries $OTHER 587)"
	reboot
	ok "$1: the old file is kept" cmp "$DIR/bad" "$STATE/entries.damaged"
	ok "$1: beside a new one" test -s "$STATE/entries"
}
reboot
head -c $(($(stat -c %s "$DIR/good") - 20)) "$DIR/good" >"$STATE/entries"
faulty "cut off within a record" "cut off" $STRANGER
head -c 30 "$DIR/good" >"$STATE/entries"
faulty "cut off within the head" "cut off"
sed '1s/^MRENTRY2/MRENTRY3/' "$DIR/good" >"$STATE/entries"
faulty "of a newer version" "written by a newer mailreeve"
head -c 4096 /dev/urandom >"$STATE/entries"
faulty "garbage" "not a file of permits and bans"
cp "$DIR/good" "$STATE/entries"
printf '\377' | dd of="$STATE/entries" bs=1 seek=100 conv=notrunc 2>/dev/null
faulty "one byte of the permit is another" "damaged" $DENIED

echo '{"version": 1, "services": ["smt' >"$STATE/ids.json"
echo '{"version": 99}' >"$STATE/current.json"
: >"$LOG"
ok "other files of the directory: the daemon starts" daemon
ok "cut off: it says so" grep -q 'ids.json.*put aside as ids.json.damaged' "$LOG"
ok "of a newer version: too" grep -q 'written by a newer mailreeve; it is put aside as current.json.damaged' "$LOG"
ok "both are kept" test -s "$STATE/ids.json.damaged" -a -s "$STATE/current.json.damaged"
is "and it guards" guarding "$(field .state status)"

# --- the table of services is lost: no entry moves to another service
ok "a ban of one service" ctl ban add $OTHER --service smtp
ok "and one of all" ctl ban add $DENIED
kill_daemon
echo '{"version": 1, "services": ["smt' >"$STATE/ids.json"
sed -i '2{h;d};3G' "$CONF"
ok "another order in the file: the daemon starts" daemon
is "what is in force says which number is whose" "smtp" "$(field "select(.address == \"$OTHER\") | .services[]" ban list)"
reboot
other_boot
rm "$STATE/ids.json"
: >"$LOG"
ok "lost in a reboot: the daemon starts" daemon
is "the ban of all is there, the other is not" $DENIED "$(field .address ban list)"
ok "it says so" grep -q '1 permits and bans of single services ended' "$LOG"

# --- one daemon for a state directory
ok "a second daemon, with the same state directory, does not start" sh -c \
	"! timeout 10 nsenter --net=/run/netns/$CLI -- '$MR_BUILD/mailreeved' -c '$CONF' --runtime-dir '$DIR/run2' \
	--state-dir '$STATE' --pin-dir '$DIR/bpf2' 2>'$DIR/second.log'"
ok "it says who has it" grep -q "another mailreeved (pid $DAEMON) runs with the state directory $STATE" "$DIR/second.log"
ok "and the first one runs on" daemon_answers

# --- a storm that fills the map of bans
storm() { # storm FROM N: failures of as many addresses
	awk -v from="$1" -v n="$2" -v now="$(date '+%b %e %T')" 'BEGIN { for (i = from; i < from + n; i++)
		print now " mx dovecot: imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): user=<u" i \
			">, method=PLAIN, rip=10." int(i / 65536) + 1 "." int(i / 256) % 256 "." i % 256 ", lip=10.77.0.1, TLS, session=<S" i ">" }' \
		>>"$DIR/mail.log"
}
bans_made() { [ "$(field .learn.bans status)" -ge "$1" ]; }
reboot
rm -rf "$STATE"
conf 4096 2000
: >"$LOG"
ok "room for 2,000 bans" daemon
ok "a ban that ends late" ctl ban add $DENIED --ttl 30d
ok "and a permit" ctl permit add $STRANGER
storm 0 10000
ok "10,000 strangers fail" within 30 bans_made 10000
is "the map is full, and no fuller" 2000 "$(field .bans.live status)"
is "what was given up is counted" 8001 "$(field .bans.evicted status)"
is "the log says it, once" 1 "$(grep -c 'the map of bans is full (2000).*raise .ban { max }' "$LOG")"
is "status warns" 1 "$(field '[.warnings[] | select(test("bans were given up early"))] | length' status)"
is "the ban that ends late stands" timeout "$(tries $DENIED 25)"
is "the permit too" open "$(tries $STRANGER 587)"
is "the newest is in" 1 "$(ctl ban list --json | jq -r .address | grep -c '^10\.1\.39\.15$')"

# --- more than one step of a sweep takes
reboot
rm -rf "$STATE"
conf 50000 40000
sed -i 's/ttl 30m/ttl 4s/; s/ttl 1h/ttl 4s/' "$CONF"
: >"$LOG"
ok "entries that last four seconds" daemon
ok "but for one" ctl ban add $DENIED --ttl 30d
storm 0 30000
live() { [ "$(field .bans.live status)" -eq "$1" ]; }
ok "30,000 come" within 30 live 30001
ok "and are gone together" within 20 live 1
is "the one stands" timeout "$(tries $DENIED 25)"
is "all have run out" 30000 "$(field .bans.expired status)"
# holds MAP N: what the kernel has; a failure of bpftool is an object of JSON, and none of it
holds() { [ "$(bpftool map dump pinned "$PINS"/abi*/"$1" -j | jq 'arrays | length')" = "$2" ]; }
ok "the kernel's map is empty but for it" holds bans 1

# --- what a new policy calls its proxies loses its entries
ok "a permit" ctl permit add $STRANGER --ttl 60s
ok "and one beside it" ctl permit add $OTHER --ttl 60s
sed -i "1i proxies { $STRANGER; $DENIED; }" "$CONF"
ok "both strangers are our own proxies now" ctl apply
only() { [ "$(field .address permit list) $(field .address ban list)" = "$OTHER " ]; }
ok "one has no permit, the other no ban any more" within 5 only
is "the one beside them keeps his" open "$(tries $OTHER 587)"
is "the log tells" 1 "$(grep -c '2 permits and bans ended: .proxies' "$LOG")"

# --- another ipv6-prefix: every entry gets another key, in more steps than one
conf 50000 40000
ok "permits last longer again" ctl apply
awk -v n=20000 -v now="$(date '+%b %e %T')" 'BEGIN { for (i = 0; i < n; i++)
	printf "%s mx dovecot: imap-login: Login: user=<v%d>, method=PLAIN, rip=2001:db8:6:%x::7, lip=10.77.0.1, mpid=7, TLS, session=<P%d>\n", now, i, i, i }' \
	>>"$DIR/mail.log"
permits() { [ "$(field .permits.live status)" -eq "$1" ]; }
ok "20,000 log in from as many networks, beside one" within 30 permits 20001
ok "one more by hand" ctl permit add $STRANGER6
stands() { # KEY N: the stranger's key as listed, and N keys in the kernel's map
	ctl permit list --json | grep -q "\"$1\"" &&
		holds permits "$2"
}
conf 50000 40000 "ipv6-prefix 64;"
ok "permits of whole networks" ctl apply
is "who was in is in" open "$(tries $STRANGER6 587)"
ok "all have their new keys and no other" within 20 stands "2001:db8:c::/64" 20002
conf 60000 40000
ok "and back, with a higher limit" ctl apply
is "who was in is in" open "$(tries $STRANGER6 587)"
ok "all have their new keys and no other" within 20 stands "$STRANGER6" 20002
is "the higher limit is in force" 60000 "$(field .permits.max status)"

# --- a wider ban { ipv6-prefix } hits nobody whom a ban may not hit
ok "a ban beside a permit" ctl ban add 2001:db8:c:9::1
ok "and one beside nobody" ctl ban add 2001:db8:b:9::1
ok "and beside our own network" ctl ban add 2001:db8:77:1::9
is "they are of networks" "2001:db8:77:1::/64 2001:db8:b:9::/64 2001:db8:c:9::/64" \
	"$(field .address ban list | grep : | sort | tr '\n' ' ' | sed 's/ $//')"
conf 60000 40000 "" "ipv6-prefix 48; except { 2001:db8:77::/64; }"
ok "wider" ctl apply
is "two are of their address alone" "2001:db8:77:1::9 2001:db8:b::/48 2001:db8:c:9::1" \
	"$(field .address ban list | grep : | sort | tr '\n' ' ' | sed 's/ $//')"
is "it is told" 1 "$(grep -c '2 bans of IPv6 prefixes hold for a single address from now on' "$LOG")"
is "who has a permit is in, who is under the wider ban is not" "open timeout" "$(tries $STRANGER6 587) $(tries $DENIED6 25)"

# --- another ipv6-prefix while the map is full: there is room for both keys of each entry
reboot
rm -rf "$STATE"
conf 64 64
ok "room for 64 bans" daemon
for i in $(seq 64); do ctl ban add "2001:db8:$i:1::7" --ttl 30d >/dev/null; done
is "which are there" 64 "$(field .bans.live status)"
conf 64 64 "" "ipv6-prefix 48;"
ok "bans of wider networks" ctl apply
is "none was lost" 64 "$(field .bans.live status)"
ok "all have their new keys and no other" within 20 holds bans 64
ctl ban add 2001:db8:7000::1 >/dev/null
is "no more fit than before" 64 "$(field .bans.live status)"

reboot
rm -rf "$STATE"
conf 64 64
ok "the same, with other keys while there are no bans yet" daemon
conf 64 64 "" "ipv6-prefix 48;"
ok "room is not made for nothing" ctl apply
for i in $(seq 64); do ctl ban add "2001:db8:$i:1::7" --ttl 30d >/dev/null; done
ok "then the way back, which waits in the kernel" ctl undo
is "none was lost" 64 "$(field .bans.live status)"
ok "all have their old keys" within 20 holds bans 64
reboot
rm -rf "$STATE"
conf 64 64
ok "and once more" daemon
for i in $(seq 64); do ctl ban add "2001:db8:$i:1::7" --ttl 30d >/dev/null; done
conf 64 16
ok "with a lower limit, which ends no ban" ctl apply
conf 64 16 "" "ipv6-prefix 48;"
ok "and other keys below it" ctl apply
is "none was lost either" 64 "$(field .bans.live status)"
ok "all have their new keys" within 20 holds bans 64
done_testing
