#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# command.sh - every subcommand against a real daemon: what it prints and what it exits with; then
# the daemon is killed, and status, rules, stats and detach work from the pins.
. "$(dirname "$0")/lib.sh"

network 25 143 587
config <<-'C'
	interface s0;
	set office { 192.0.2.0/24; }
	service smtp { deny 198.51.100.0/24; allow permitted noauth; allow @office noauth; }
	service submission { allow permitted; allow 203.0.113.0/24 users { anna }; }
	service imap { mode shadow; deny any; }
C
# exits TEXT STATUS COMMAND...: the output stays in $DIR/said
exits() {
	local text=$1 want=$2
	shift 2
	ctl "$@" >"$DIR/said" 2>&1
	is "$text" "$want" $?
}
says() { ok "… and says: $1" grep -Eq -- "$1" "$DIR/said"; }

ok "the daemon starts" daemon
exits "status" 0 status
says '^guarding s0 \((native|generic)\) — generation 1, applied '
says '^service  imap 143 \(shadow: refuses nothing\)'
says '^source   none: nothing is learned'
is "status --json has what it promises" true "$(ctl status --json | jq 'has("guarded") and
	has("summary") and has("generation") and has("devices") and has("services") and
	has("permits") and has("bans") and has("warnings") and .guarded and .generation == 1')"

# --- monitor, and the counters of what it shows
spawn "$SRV" "$MR_BUILD/mailreeve" --runtime-dir "$RUN" monitor --json --rate 1000 >"$DIR/events"
monitor=$spawned
sleep 0.3
is "a denied source" timeout "$(tries $DENIED 25)"
is "an allowed source" open "$(tries $ALLOWED 25)"
is "shadow refuses nobody" open "$(tries $STRANGER 143)"
seen() { jq -se "any(.[]; $1)" "$DIR/events"; }
ok "monitor: the deny, with its rule" within 5 seen \
	'.verdict == "drop" and .source == "'$DENIED'" and .service == "smtp" and .rule.line == 3'
ok "monitor: the allow" within 5 seen '.verdict == "pass" and .why == "allow" and .port == 25'
ok "monitor: what shadow would refuse" within 5 seen '.verdict == "pass" and .shadow'
kill -INT "$monitor"
wait "$monitor"
is "monitor ends with SIGINT" 0 $?
exits "rules" 0 rules
says '^smtp +[1-9][0-9]* +[0-9]+  deny 198.51.100.0/24 +.*:3$'
exits "rules of one service" 0 rules imap
ok "… and no other" not grep -q '^smtp' "$DIR/said"
exits "rules of none" 2 rules impa
is "rules --json: hits" true "$(ctl rules --json | jq -s 'any(.[]; .text == "deny 198.51.100.0/24" and .packets > 0)')"
exits "stats" 0 stats
says '^smtp +[1-9]'
is "stats --json: shadow" true "$(ctl stats --json | jq '[.services[] | select(.name == "imap")][0].packets.shadow > 0')"

# --- why and entries
exits "why: denied" 1 why $DENIED smtp
says '^  rule     deny 198.51.100.0/24  \(.*mailreeve.conf:3\)$'
exits "why: a set" 0 why $ALLOWED smtp
says '^  set      @office: 192.0.2.0/24  \(.*mailreeve.conf:2\)$'
exits "why: a login that is refused" 1 why $STRANGER submission --user bert
says '^  login    only anna$'
says '^  user     bert: refused by the rules$'
exits "why: all services" 1 why $DENIED --json
is "… an object a line" 3 "$(jq -s length "$DIR/said")"
exits "why: a slip" 2 why $DENIED submision
says "did you mean ['\"]submission"
exits "a permit" 0 permit add $OTHER --ttl 90s --user anna
says "^permit of $OTHER ends in 1m 30s$"
is "why sees it" true "$(ctl why $OTHER submission --json | jq '.entry.kind == "permit" and .entry.expires_in > 60 and .entry.expires_in <= 90')"
is "a permit opens" open "$(tries $OTHER 25)"
exits "a ban on one service" 0 ban add $OTHER --service smtp --ttl 1h
exits "why: banned there" 1 why $OTHER smtp
says 'entry    ban, ends in (1h 0m|59m)'
exits "why: not elsewhere" 0 why $OTHER submission
is "list" "$OTHER" "$(ctl ban list --json | jq -r 'select(.kind == "ban" and .services == ["smtp"]) | .address')"
exits "a network is no ban" 1 ban add 203.0.113.0/24
says 'set '
exits "the width of an IPv6 ban is" 1 ban add 2001:db8:5::/64
says 'say 2001:db8:5:: for all of 2001:db8:5::/64$'
exits "as it says" 0 ban add 2001:db8:5::
says '^ban of 2001:db8:5::/64 ends'
exits "a wider one is none" 1 ban add 2001:db8:4::/48
says 'set blocked'
ctl ban delete 2001:db8:5::/64 >/dev/null
exits "no ban on loopback" 1 ban add 127.0.0.1
exits "no such service" 2 ban add $OTHER --service smpt
exits "delete" 0 ban delete $OTHER
exits "delete again" 1 ban delete $OTHER
exits "flush" 0 permit flush
says '^1 permit removed$'
exits "an empty list" 0 permit list
says '^no permits$'

# --- changes
exits "nothing to confirm" 1 confirm
exits "nothing to undo" 1 undo
echo 'service pop3 { allow any; deny 192.0.2.1; }' >>"$CONF"
exits "apply" 0 apply --confirm 1m
says '^generation 2 is active: 8 rules'
says 'risk: .*can never match'
says '^rolls back in 1m 0s unless you run: mailreeve confirm$'
exits "status says so" 0 status
says '^unconfirmed: rolls back in'
exits "confirm" 0 confirm
exits "undo" 0 undo
says '^generation 1 is active'
echo 'service pop4 { alow any; }' >>"$CONF"
exits "a faulty file" 2 apply
says "^$CONF:[0-9]+:[0-9]+: error: "
says '^ +\^\^\^\^$'
sed -i '$d' "$CONF"
is "apply --json" 8 "$(field .rules apply)"
exits "the same again" 0 apply --confirm 1m
says '^nothing waits to be confirmed'
exits "so there is nothing to confirm" 1 confirm
says 'no policy waits to be confirmed'
exits "detach" 0 detach
says 'open to everybody'
is "the port is open" open "$(tries $DENIED 25)"
exits "status" 0 status
says '^UNGUARDED: '
exits "attach" 0 attach
says '^s0: (native|generic)$'
is "the port is guarded" timeout "$(tries $DENIED 25)"

# --- without the daemon
hits() { ctl rules --json | jq -s '[.[] | select(.text == "deny 198.51.100.0/24")][0].packets'; }
before=$(hits)
kill_daemon
exits "status from the pins" 0 status
says '^guarding s0 '
says 'warning: mailreeved is not running: the filter stands'
is "it still denies" timeout "$(tries $DENIED 25)"
ok "rules from the pins count on" test "$(hits)" -gt "$before"
is "stats from the pins" true "$(ctl stats --json | jq '[.services[] | select(.name == "smtp")][0].packets.deny > 0')"
exits "a wrong service" 2 rules smpt
exits "apply cannot" 3 apply
says 'cannot reach mailreeved at .*/control: not running\?'
chmod 755 "$RUN"
in_ns "$SRV" setpriv --reuid=65534 --regid=65534 --clear-groups "$MR_BUILD/mailreeve" \
	--runtime-dir "$RUN" detach >"$DIR/said" 2>&1
is "others may not detach" 3 $?
is "… and have not" timeout "$(tries $DENIED 25)"
exits "detach from the pins" 0 detach
says '^detached from 1 device'
is "the port is open" open "$(tries $DENIED 25)"
exits "status" 0 status
says '^UNGUARDED: attached to no device'
ok "the daemon starts again" daemon
is "and guards" timeout "$(tries $DENIED 25)"
done_testing
