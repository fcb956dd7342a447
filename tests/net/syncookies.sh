#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# syncookies.sh - a server that answers with SYN cookies has no socket for the handshake's last
# packet; who is allowed must get in all the same, who is not must not get in by guessing.
. "$(dirname "$0")/lib.sh"

network
srv sysctl -qw net.ipv4.tcp_syncookies=2 || skip_all "no SYN cookies here"
config <<-'C'
	interface s0;
	service smtp { deny 198.51.100.0/24; allow any; }
	service submission { allow 192.0.2.0/24; allow permitted; allow 2001:db8:a::/48; }
C
ok "the daemon starts" daemon
is "an allowed source" open "$(tries $STRANGER 25)"
is "a denied source" timeout "$(tries $DENIED 25)"
is "a source in a list" open "$(tries $ALLOWED 587)"
is "a source in a list, IPv6" open "$(tries $ALLOWED6 587)"
is "an unmatched source" timeout "$(tries $STRANGER 587)"
ok "a permit" ctl permit add $STRANGER --ttl 1m
ok "a session by permit" session $STRANGER 587
ok "the permit goes" ctl permit delete $STRANGER
is "no new connection" timeout "$(tries $STRANGER 587)"
is "the session goes on" alive "$(lives)"
hang_up
done_testing
