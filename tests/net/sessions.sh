#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# sessions.sh - what happens to a connection that stands: who is merely unmatched keeps it, who is
# denied or banned loses it.
. "$(dirname "$0")/lib.sh"

network
config <<-'C'
	interface s0;
	service submission { allow 192.0.2.0/24; allow permitted; }
	service smtp { allow any; }
C
ok "the daemon starts" daemon
ok "a permit" ctl permit add $STRANGER --ttl 1m
ok "a session" session $STRANGER 587
ok "the permit goes" ctl permit delete $STRANGER
is "no new connection" timeout "$(tries $STRANGER 587)"
is "the session goes on" alive "$(lives)"
ok "a ban" ctl ban add $STRANGER --ttl 1m
is "cuts it" silent "$(lives)"
ok "the ban goes" ctl ban delete $STRANGER
is "what is left of the session can go on" alive "$(lives)"
hang_up

ok "a session of an allowed source" session $ALLOWED 587
sed -i 's/allow 192.0.2.0\/24; //' "$CONF"
ok "its rule goes" ctl apply
is "unmatched now: no new connection" timeout "$(tries $ALLOWED 587)"
is "the session goes on" alive "$(lives)"
sed -i 's/service submission {/& deny 192.0.2.0\/24;/' "$CONF"
ok "a rule denies it" ctl apply
is "an explicit deny cuts it" silent "$(lives)"
hang_up

ok "a permit, IPv6" ctl permit add $STRANGER6 --ttl 1m
ok "a session, IPv6" session $STRANGER6 587
ok "the permit goes" ctl permit flush
is "no new connection" timeout "$(tries $STRANGER6 587)"
is "the session goes on" alive "$(lives)"
hang_up
# a blind ACK belongs to no session
is "sessions are told apart by socket, not by flag" timeout "$(tries $STRANGER6 587)"
done_testing
