#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# devices.sh - devices that come, go, come again and change their name; several at once; tun, VLAN,
# jumbo frames; another XDP program in place.
. "$(dirname "$0")/lib.sh"

mode() { field ".devices[] | select(.name == \"$1\") | .mode" status; }
guarded() { case $(mode "$1") in native | generic) return 0 ;; *) return 1 ;; esac }
network
config <<-'C'
	interface s0 s1 t0 late;
	service smtp { deny 198.51.100.0/24; deny 2001:db8:b::/48; allow any; }
C
wire s1 c1
ip -n "$SRV" tuntap add t0 mode tun 2>/dev/null && tun=1 || tun=
[ -z "$tun" ] || { ip -n "$SRV" addr add 10.78.0.1/24 dev t0 && ip -n "$SRV" link set t0 up; }
ok "the daemon starts, one device is not there" daemon
ok "s0 is guarded" guarded s0
ok "s1 is guarded" guarded s1
ok "status knows that 'late' is not" test "$(mode late)" != native

if [ -n "$tun" ]; then
	ok "the tun device is guarded" guarded t0
	is "and known to have no Ethernet header" true "$(field '.devices[] | select(.name == "t0") | .l3' status)"
	ip -n "$SRV" route add 203.0.113.200/32 dev t0
	ip -n "$SRV" route add 198.51.100.200/32 dev t0
	is "tun: an allowed source" open "$(srv "$MRNET" tun t0 203.0.113.200 10.78.0.1 25)"
	is "tun: a denied source" silent "$(srv "$MRNET" tun t0 198.51.100.200 10.78.0.1 25)"
	is "tun: a port of no service" open "$(srv "$MRNET" tun t0 198.51.100.200 10.78.0.1 80)"
else
	skip "tun" "no tun devices here"
fi

# s1 carries the server's second network
ip -n "$SRV" addr add 10.79.0.1/24 dev s1
ip -n "$CLI" addr add 10.79.0.2/24 dev c1
ip -n "$CLI" route add 10.79.0.0/24 dev c1 2>/dev/null
via_s1() { cli "$MRNET" connect "$1" 10.79.0.1 25 | cut -d' ' -f1; }
is "s1: an allowed source" open "$(via_s1 10.79.0.2)"
is "s1: a denied source" timeout "$(via_s1 $DENIED)"

wire late c9
ok "a device that appears is guarded" within 5 guarded late
ip -n "$SRV" link del late
ok "one that goes is not" within 5 not guarded late

ip -n "$SRV" link del s0
sleep 0.3
wire s0 c0
server_addresses s0
client_addresses c0
ok "a device made anew is guarded again" within 5 guarded s0
ok "neighbours" within 5 opens $STRANGER 25
is "a denied source stays out" timeout "$(tries $DENIED 25)"

ip -n "$SRV" link set s1 down
ip -n "$SRV" link set s1 name was1
ok "a renamed device is no longer s1" within 5 not guarded s1
ip -n "$SRV" link set was1 name s1
ip -n "$SRV" link set s1 up
ok "and is again when it has its name back" within 5 guarded s1

# VLAN: on s0 itself, the tag in the frame and the tag in the metadata
if ip -n "$SRV" link add link s0 name s0.7 type vlan id 7 2>/dev/null &&
	ip -n "$CLI" link add link c0 name c0.7 type vlan id 7; then
	ip -n "$SRV" addr add 10.80.0.1/24 dev s0.7
	ip -n "$SRV" link set s0.7 up
	ip -n "$CLI" addr add 10.80.0.2/24 dev c0.7
	ip -n "$CLI" link set c0.7 up
	via_vlan() { cli "$MRNET" connect "$1" 10.80.0.1 25 | cut -d' ' -f1; }
	for offload in on off; do
		cli ethtool -K c0 txvlan $offload >/dev/null 2>&1
		is "VLAN, offload $offload: an allowed source" open "$(via_vlan 10.80.0.2)"
		is "VLAN, offload $offload: a denied source" timeout "$(via_vlan $DENIED)"
	done
else
	skip "VLAN" "this kernel has no VLAN devices; scripts/check-kernels tries them on others"
fi

ok "stop" stop_daemon
ok "detach" ctl detach
ip -n "$SRV" link set s0 mtu 9000
ip -n "$CLI" link set c0 mtu 9000
ok "the daemon starts over jumbo frames" daemon
ok "guarded" guarded s0
echo "# MTU 9000: $(field '.devices[] | select(.name == "s0") | "\(.mode) frags \(.frags)"' status)"
is "jumbo: an allowed source" open "$(tries $STRANGER 25)"
is "jumbo: a denied source" timeout "$(tries $DENIED 25)"
stop_daemon
ctl detach >/dev/null

ip -n "$SRV" link set s0 mtu 1500
ip -n "$CLI" link set c0 mtu 1500
ok "another XDP program" srv "$MRNET" pass s0
start_daemon
ok "with it in place the daemon starts" within 10 daemon_answers
ctl status >"$DIR/out" 2>&1
ok "it does not claim the device" not guarded s0
ok "and names the program" grep -q mrnet_pass "$DIR/out" "$LOG"
is "the other device is guarded" timeout "$(via_s1 $DENIED)"
done_testing
