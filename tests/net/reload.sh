#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# reload.sh - policies change under load, and no packet meets anything but one of them: two files
# that agree about two sources and about nothing else, in turn, while both sources send.
. "$(dirname "$0")/lib.sh"

ROUNDS=12
network
policy() { # A or B: other sets, other order, other classes, other structures
	echo "interface s0;"
	if [ "$1" = A ]; then
		echo "index off; set many {"
		for i in $(seq 0 255); do echo "198.51.$((i % 100)).$i/32; 198.18.$i.0/24;"; done
		echo "} service smtp { deny @many; deny $DENIED; allow $ALLOWED; deny 192.0.2.0/24; allow any; }"
	else
		echo "index on; set few { 198.51.100.0/24; 2001:db8:b::/48; }"
		echo "service imap { allow any; } service smtp { allow 192.0.2.0/24; deny @few; deny any; }"
	fi
}
policy A | config
ok "the daemon starts" daemon
sniff 25
spawn "$CLI" "$MRNET" spray c0 "$(mac_of "$SRV" s0)" $S4 25 60000 60 $ALLOWED $DENIED >"$DIR/sent"
sprayer=$spawned
first=$(generation)
changes=0
for _ in $(seq $ROUNDS); do
	for p in B A; do
		policy $p | config
		ctl apply >/dev/null 2>"$DIR/apply.err" && changes=$((changes + 1))
	done
	kill -0 "$sprayer" 2>/dev/null || break
done
running=no
kill -0 "$sprayer" 2>/dev/null && running=yes
wait "$sprayer"
sniffed
echo "# $changes changes while sending: $running"
ok "the policy changed many times" test $changes -ge 4
ok "the generation counts them" test "$(generation)" -ge $((first + changes))
is "no packet sniffed was lost" 0 "$(awk '$1 == "lost" { print $2 }' "$DIR/sniff")"
is "every SYN of the allowed source passed" 30000 "$(passed $ALLOWED)"
is "not one of the denied source" 0 "$(passed $DENIED)"
done_testing
