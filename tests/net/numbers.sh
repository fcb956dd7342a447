#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# numbers.sh - services and rules have numbers in the kernel, and there are only so many: policies
# that have little in common, one after another.  No number means two things at a time, counters
# start at nothing with a new owner, and where numbers really run out the way out is said.
. "$(dirname "$0")/lib.sh"

network 25
services() { # FROM TO: own services, each open, port 3000 and so on
	{
		echo "interface s0; service smtp { allow $ALLOWED; allow permitted; }"
		for i in $(seq "$1" "$2"); do echo "service own$i { ports $((3000 + i)); allow any; }"; done
	} | config
}
passes() { field ".services[] | select(.name == \"$1\") | .packets.allow" stats; }
covers() { field "select(.address == \"$1\") | .services | join(\" \")" ban list; }

services 1 30
ok "thirty services" daemon
spray 3001 7 50 $STRANGER >/dev/null
is "one has counted" 7 "$(passes own1)"
ok "a ban of another" ctl ban add $DENIED --service own2
services 31 61
ok "thirty-one others" ctl apply
for i in $(seq 31 61); do spray $((3000 + i)) 1 50 $STRANGER >/dev/null; done
services 100 130
ok "and thirty-one more: the first are neither in force nor to go back to" ctl apply
for i in $(seq 100 130); do passes "own$i"; done >"$DIR/counts"
is "who has the number of another does not have its counts" 0 "$(sort -u "$DIR/counts")"
is "the ban is still of the service that is gone" own2 "$(covers $DENIED)"
is "the ports are those of the new ones" open "$(tries $ALLOWED 25)"
ok "back" ctl undo
is "to the second thirty-one" own31 "$(field '.services[1].name' status)"
ok "and forward" ctl undo
is "to the third" own100 "$(field '.services[1].name' status)"
generation=$(generation)
services 200 262
ok "what is in force and 63 more are too many at one time" not ctl apply
ok "it says why, and what to do" grep -q 'apply it in two steps' "$LOG"
is "nothing changed" "$generation own100" "$(generation) $(field '.services[1].name' status)"
services 1 0
ok "in two steps: without those that go" ctl apply
services 200 259
ok "then with those that come" ctl apply
for i in $(seq 200 259); do passes "own$i"; done >"$DIR/counts"
is "who was given a number by the apply that failed begins at nothing, too" 0 "$(sort -u "$DIR/counts")"
services 300 301
ok "two others, on trial" ctl apply --confirm 60s
services 300 340
ok "a trial must leave room for the way back" not ctl apply --confirm 60s
ok "which is there" ctl undo
is "with all of them" 61 "$(field '.services | length' status)"

# --- three policies of as many rules as there may be
rules() { # A: 8,190 rules that no other policy has
	{
		echo "interface s0; service smtp {"
		awk -v a="$1" 'BEGIN { for (i = 0; i < 8189; i++) print "deny 10." a "." int(i / 256) "." i % 256 ";" }'
		echo "allow $ALLOWED; }"
	} | config
}
for a in 1 2 3 4; do
	rules $a
	ok "8,190 rules that no policy before had ($a)" ctl apply
done
is "they are in force" open "$(tries $ALLOWED 25)"
ok "back" ctl undo
is "to those before" "deny 10.3.0.0" "$(ctl rules smtp --json | jq -r .text | grep -m 1 '10\.')"
is "which have counted nothing" 0 "$(ctl rules smtp --json | jq -s '[.[] | select(.text | startswith("deny")).packets] | add')"
done_testing
