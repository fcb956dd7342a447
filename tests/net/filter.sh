#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# filter.sh - who gets through: allow, deny, default deny, global, several ports, shadow, IPv6, and
# what is no service at all.
. "$(dirname "$0")/lib.sh"

network
config <<-'C'
	interface s0;
	set friends { 192.0.2.0/24; 2001:db8:a::/48; }
	global { deny 203.0.113.77; }
	service smtp { deny 198.51.100.0/24; deny 2001:db8:b::/48; allow any; }
	service submission { allow @friends; }
	service submissions { default allow; deny 198.51.100.0/24; }
	service imap { mode shadow; allow @friends; }
	service imaps { noglobal; allow any; }
	service pop3 { deny 192.0.2.10; allow 192.0.2.0/24; }
	service web { ports 80 8080; to 10.77.0.99; deny any; }
C
is "before the daemon: all is open" open "$(tries $DENIED 25)"
ok "the daemon starts" daemon
while read -r source port expected text; do
	is "$text" "$expected" "$(tries "$source" "$port")"
done <<-T
	$STRANGER 25 open smtp: allow any
	$DENIED 25 timeout smtp: deny
	$STRANGER6 25 open smtp: allow any, IPv6
	$DENIED6 25 timeout smtp: deny, IPv6
	$OTHER 25 timeout smtp: allowed by the service, denied by global
	$ALLOWED 587 open submission: in the set
	$ALLOWED6 587 open submission: in the set, IPv6
	$STRANGER 587 timeout submission: unmatched
	$STRANGER6 587 timeout submission: unmatched, IPv6
	$DENIED 465 timeout submissions: deny
	$STRANGER 465 open submissions: default allow
	$STRANGER 143 open imap: shadow refuses nothing
	$OTHER 993 open imaps: noglobal
	$ALLOWED 110 timeout pop3: the first rule wins, not the widest
	$DENIED 80 open web: a destination that "to" does not name
	$DENIED 4190 open sieve: a port of no service
T
ok "shadow is counted" test "$(field '.services[] | select(.name == "imap") | .packets.shadow' stats)" -gt 0
ok "refusals are counted" test "$(field '.services[] | select(.name == "smtp") | .packets.deny' stats)" -gt 0
ok "hits of a rule are counted" test "$(field 'select(.text | startswith("deny 198.51.100.0/24")) | .packets' rules smtp | head -1)" -gt 0
# replies to our own outgoing mail have the mail port as their source
spawn "$CLI" "$MRNET" serve 25 >"$DIR/out.log"
within 5 grep -q ready "$DIR/out.log"
is "our own connections get their answers" open "$(srv "$MRNET" connect $S4 $DENIED 25 | cut -d' ' -f1)"
done_testing
