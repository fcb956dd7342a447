#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# learn-latency.sh - from a login's line to a packet that passes, idle and among 20,000 lines a
# second.  Figures are printed; what is asserted is that each login opens the port.
. "$(dirname "$0")/lib.sh"

MAIL=$DIR/mail.log
: >"$MAIL"
network 587
config <<-C
	interface s0;
	service submission { allow permitted; }
	permit { ttl 30m; }
	ban { ttl 1h; on failure 5 in 10m; }
	learn { file "$MAIL"; }
C
ok "the daemon starts" daemon
# latency WHAT RATE N
latency() {
	cli "$MRNET" learn c0 "$(mac_of "$SRV" s0)" $S4 587 "$MAIL" "$2" "$3" >"$DIR/latency"
	local rc=$?
	echo "$1: $(cat "$DIR/latency")" >>"$DIR/figures"
	return $rc
}
ok "idle: every login opens the port" latency idle 0 200
ctl permit flush >/dev/null
ok "busy: every login opens the port" latency "20,000 lines a second" 20000 700
sed 's/^/# /' "$DIR/figures"
is "nothing is left unread" "following" "$(field .learn.sources[0].state status)"
done_testing
