#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# reject.sh - the client sees a reset at once: through a peer that runs native XDP, and through one
# that does not, where the reset needs generic mode to get out.
. "$(dirname "$0")/lib.sh"

network
config <<-'C'
	interface s0;
	service smtp { reject 198.51.100.0/24; reject 2001:db8:b::/48; allow any; }
	service submission { allow 192.0.2.0/24; }
C
ok "the daemon starts" daemon
mode=$(field '.devices[] | select(.name == "s0") | .mode' status)
deny=$(field '.devices[] | select(.name == "s0") | .reject_is_deny' status)
echo "# no program on the client's side: $mode, reject is deny: $deny"
if [ "$deny" = true ]; then expected=timeout; else expected=reset; fi
is "IPv4, no program on the peer" $expected "$(tries $DENIED 25)"
is "IPv6, no program on the peer" $expected "$(tries $DENIED6 25)"
cli "$MRNET" pass c0 >/dev/null || echo "# no native XDP on the peer"
ok "apply again" ctl apply
is "IPv4, a pass program on the peer" reset "$(tries $DENIED 25)"
is "IPv6, a pass program on the peer" reset "$(tries $DENIED6 25)"
out=$(cli "$MRNET" connect $DENIED $S4 25)
echo "# $out ms"
ok "at once, long before any retransmission" test "${out#* }" -lt 500
is "who is allowed still is" open "$(tries $STRANGER 25)"
is "unmatched is silent" timeout "$(tries $STRANGER 587)"
ok "rejects are counted" test "$(field '.services[] | select(.name == "smtp") | .packets.reject' stats)" -ge 2

# a device that was attached natively, because nothing rejected
stop_daemon
ctl detach >/dev/null
in_ns "$CLI" ip link set dev c0 xdp off
sed -i 's/reject/deny/g' "$CONF"
ok "a policy without rejects" daemon
is "silent" timeout "$(tries $DENIED 25)"
sed -i 's/deny 198/reject 198/' "$CONF"
ok "apply one that rejects" ctl apply
# from native to generic there is a gap, so that is not done behind anybody's back
if [ "$(field '.devices[] | select(.name == "s0") | .reject_is_deny' status)" = true ]; then
	is "said to be a deny, it is one" timeout "$(tries $DENIED 25)"
	ok "and status says so" sh -c "'$MR_BUILD/mailreeve' --runtime-dir '$RUN' status | grep -i reject"
	ok "detach" ctl detach
	ok "attach" ctl attach
fi
is "a reset gets out" reset "$(tries $DENIED 25)"
ok "undo" ctl undo
is "silent again" timeout "$(tries $DENIED 25)"
done_testing
