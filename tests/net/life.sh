#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# life.sh - the life of the daemon: killed, restarted, a second one, faulty files at start and at
# reload, undo, an unconfirmed policy that goes back by itself, also over a restart.
. "$(dirname "$0")/lib.sh"

network
# warns TEXT: one of the warnings of status has it
warns() { field '.warnings[]' status | grep -qF "$1"; }
good() {
	config <<-'C'
		interface s0;
		service smtp { deny 198.51.100.0/24; allow any; }
		service submission { allow 192.0.2.0/24; allow permitted; }
	C
}
good
ok "the daemon starts" daemon
ok "a permit" ctl permit add $STRANGER --ttl 5m
ok "a ban" ctl ban add $OTHER --ttl 5m

kill_daemon
is "killed: a denied source stays out" timeout "$(tries $DENIED 25)"
is "killed: an allowed one gets in" open "$(tries $ALLOWED 587)"
is "killed: the permit holds" open "$(tries $STRANGER 587)"
is "killed: the ban holds" timeout "$(tries $OTHER 25)"
ctl status >"$DIR/out" 2>&1
ok "killed: status says so" grep -qi 'daemon' "$DIR/out"

before=$(field '.services[] | select(.name == "smtp") | .packets.deny' stats)
ok "it starts again" daemon
is "the permit is still there" $STRANGER "$(field .address permit list)"
is "the ban is still there" $OTHER "$(field .address ban list)"
is "the permit holds" open "$(tries $STRANGER 587)"
is "the ban holds" timeout "$(tries $OTHER 25)"
ok "counters went on" test "$(field '.services[] | select(.name == "smtp") | .packets.deny' stats)" -ge "$before"

in_ns "$SRV" timeout 10 "$MR_BUILD/mailreeved" -c "$CONF" --runtime-dir "$RUN" --state-dir "$STATE" \
	--pin-dir "$PINS" >"$DIR/second" 2>&1
rc=$?
ok "a second daemon refuses" test $rc != 0 -a $rc != 124
echo "# $(tail -1 "$DIR/second")"
ok "and the first goes on" daemon_answers
is "guarding" timeout "$(tries $DENIED 25)"

echo 'service imap { alow any; }' >>"$CONF"
ctl apply >"$DIR/out" 2>&1
is "a faulty file: exit status 2" 2 $?
ok "the message has file and line" grep -q "mailreeve.conf:4:" "$DIR/out"
is "nothing of it takes effect" timeout "$(tries $DENIED 25)"
stop_daemon
ok "with the faulty file it starts" daemon
is "with the last policy that was good" timeout "$(tries $DENIED 25)"
ok "and says so" test "$(field '.config_error != null' status)" = true
stop_daemon
chmod 0 "$CONF"
rm -f "$CONF"
ok "without a file it starts" daemon
is "with the last policy that was good" timeout "$(tries $DENIED 25)"

good
sed -i 's/deny 198.51.100.0\/24; //' "$CONF"
ok "a policy that lets the denied in" ctl apply
is "in effect" open "$(tries $DENIED 25)"
ok "undo" ctl undo
is "takes it back" timeout "$(tries $DENIED 25)"
ok "nothing to confirm" not ctl confirm

ok "the same, to be confirmed within 2 s" ctl apply --confirm 2s
is "in effect" open "$(tries $DENIED 25)"
ok "not confirmed: it goes back by itself" within 6 silent $DENIED 25
ok "status tells of it" warns "was not confirmed in time"
ok "again, confirmed" ctl apply --confirm 2s
ok "confirm" ctl confirm
ok "nothing more is told" not warns "was not confirmed in time"
sleep 2.5
is "stays" open "$(tries $DENIED 25)"
ok "undo" ctl undo
is "the old policy" timeout "$(tries $DENIED 25)"

ok "to be confirmed within a minute" ctl apply --confirm 60s
is "in effect" open "$(tries $DENIED 25)"
kill_daemon
is "the daemon is killed: it stands" open "$(tries $DENIED 25)"
ok "a restart" daemon
is "rolls it back" timeout "$(tries $DENIED 25)"

# a link that somebody took away is seen and made good; status does not tell what is not so
rm "$PINS"/links/*
is "a pin is removed: unguarded" open "$(tries $DENIED 25)"
ok "status sees it" ctl status
is "and the device is guarded again" timeout "$(tries $DENIED 25)"
good
rm -r "$PINS"/links
ok "the links' directory as well" ctl apply
is "guarded again" timeout "$(tries $DENIED 25)"

# a state directory that cannot be written is no reason to refuse, and none to be silent
stop_daemon
mkdir "$DIR/small"
mount -t tmpfs -o size=64k none "$DIR/small"
ok "a state directory of its own" daemon --state-dir "$DIR/small/state"
is "nothing to warn of" 0 "$(field '[.warnings[] | select(test("could not be kept"))] | length' status)"
mount -o remount,ro "$DIR/small"
ok "read-only now: apply" ctl apply
warned() { [ "$(field '[.warnings[] | select(test("Read-only"))] | length' status)" = "$1" ]; }
ok "status warns" within 5 warned 1
mount -o remount,rw "$DIR/small"
ok "writable again: apply" ctl apply
ok "status is content" within 5 warned 0
stop_daemon
umount "$DIR/small"
ok "as before" daemon

# what a killed daemon left half written goes; what a newer one wrote is not guessed at
stop_daemon
: >"$STATE/entries.AbCdEf"
: >"$STATE/ids.json.damaged"
sed -i 's/"version": *1/"version": 2/' "$STATE/current.json"
ok "a newer state" daemon
ok "is told" grep -q 'written by a newer mailreeve' "$LOG"
ok "a half-written file is gone" test ! -e "$STATE/entries.AbCdEf"
ok "others are not" test -e "$STATE/ids.json.damaged"

# many SIGHUPs: what the file says last is what holds
for i in 1 2 3 4 5 6 7 8 9; do
	echo "interface s0; service smtp { deny 198.51.100.0/24; deny 203.0.113.$i; allow any; }" >"$CONF"
	kill -HUP "$DAEMON"
done
last() { ctl rules smtp | grep -q '203\.0\.113\.9'; }
ok "nine SIGHUPs: the last file holds" within 10 last
good
ok "the good file" ctl apply

# nothing kept, a faulty file: nothing is attached, and that is said
stop_daemon
ok "detach" ctl detach
rm -rf "$STATE" "$RUN"
echo 'nonsense' >"$CONF"
start_daemon
ok "a first start with a faulty file" within 10 daemon_answers
is "is unguarded, and says so" false "$(field .guarded status)"
is "and filters nothing" open "$(tries $DENIED 25)"
good
ok "a good file later" ctl apply
is "guards" timeout "$(tries $DENIED 25)"
done_testing
