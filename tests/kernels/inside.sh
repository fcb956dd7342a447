#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# inside.sh - what scripts/check-kernels runs in the emulated machine: busybox, no network but this.
#
# The programs are verified one by one; then the daemon guards one end of a veth, and real TCP
# clients in another network namespace try the ports.
cd /t || exit 1
# the real one: busybox knows no veth, and prefers its own whatever PATH says
ip() { /t/ip "$@"; }
status=0
ok() { # TEXT COMMAND...
	text=$1
	shift
	if out=$("$@" 2>&1); then echo "ok - $text"; else
		status=1
		echo "not ok - $text: $out" | tr '\n' ' ' && echo
	fi
}
within() { # SECONDS COMMAND...
	n=$(($1 * 10))
	shift
	until "$@" >/dev/null 2>&1; do
		n=$((n - 1))
		[ $n -gt 0 ] || return 1
		sleep 0.1
	done
}
tries() { nsenter -t "$there" -n ./mrnet connect "$1" "$2" "$3" 1800 | cut -d' ' -f1; }
gets() { # WANTED SOURCE DESTINATION PORT
	got=$(tries "$2" "$3" "$4")
	[ "$got" = "$1" ] || { echo "$got" && return 1; }
}
ctl() { ./mailreeve --runtime-dir /run/mailreeve "$@"; }

./verify mailreeve.bpf.o || status=1

unshare -n sleep 1000 &
there=$!
sleep 0.3
ip link add s0 type veth peer name c0
ip link set c0 netns $there
for d in all default; do
	echo 0 >/proc/sys/net/ipv6/conf/$d/accept_dad
	echo 0 >/proc/sys/net/ipv4/conf/$d/rp_filter
done
ip link set lo up
ip link set s0 up
ip addr add 10.77.0.1/24 dev s0
ip addr add 2001:db8:77::1/64 dev s0
ip route add default via 10.77.0.2
nsenter -t $there -n sh -c 'ip() { /t/ip "$@"; }; echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad
	ip link set lo up; ip link set c0 up; ip addr add 10.77.0.2/24 dev c0
	ip addr add 2001:db8:77::2/64 dev c0
	for a in 192.0.2.10 198.51.100.66 203.0.113.5; do ip addr add $a/32 dev c0; done
	for a in 2001:db8:a::10 2001:db8:b::66; do ip addr add $a/128 dev c0; done'
ip -6 route add default via 2001:db8:77::2
./mrnet serve 25 587 143 80 >/tmp/serve &
within 5 grep -q ready /tmp/serve
sleep 2 # duplicate address detection, where the kernel insists

./mailreeved -c inside.conf --runtime-dir /run/mailreeve --state-dir /tmp/state \
	--pin-dir /run/mailreeve-bpf >/tmp/log 2>&1 &
daemon=$!
# status answers from the pins too: wait for the daemon's own answer
ok "the daemon guards the device" within 30 sh -c "./mailreeve --runtime-dir /run/mailreeve status --json | grep -q '\"pid\"'"
ok "attached natively" sh -c "./mailreeve --runtime-dir /run/mailreeve status --json | grep -q native"
S=10.77.0.1
S6=2001:db8:77::1
ok "an allowed source opens 25" gets open 203.0.113.5 $S 25
ok "a denied source does not" gets timeout 198.51.100.66 $S 25
ok "its packets to no service pass" gets open 198.51.100.66 $S 80
ok "a source in the set opens 587" gets open 192.0.2.10 $S 587
ok "a stranger does not" gets timeout 203.0.113.5 $S 587
ok "IPv6: a source in the set opens 587" gets open 2001:db8:a::10 $S6 587
ok "IPv6: another does not" gets timeout 2001:db8:b::66 $S6 587
ok "IPv6: a denied source does not open 143" gets timeout 2001:db8:b::66 $S6 143
ok "a permit" ctl permit add 203.0.113.5 --ttl 1m
ok "opens 587" gets open 203.0.113.5 $S 587
ok "a ban" ctl ban add 203.0.113.5 --ttl 1m
ok "closes 25" gets timeout 203.0.113.5 $S 25
ctl ban flush >/dev/null

ip link add link s0 name s0.7 type vlan id 7
ip addr add 10.80.0.1/24 dev s0.7
ip link set s0.7 up
nsenter -t $there -n sh -c 'ip() { /t/ip "$@"; }
	ip link add link c0 name c0.7 type vlan id 7
	ip addr add 10.80.0.2/24 dev c0.7
	ip link set c0.7 up'
ok "VLAN: an allowed source opens 25" gets open 10.80.0.2 10.80.0.1 25
ok "VLAN: a denied source does not" gets timeout 198.51.100.66 10.80.0.1 25

sed -i 's/deny 198/reject 198/' inside.conf
ok "apply: a policy that rejects" ctl apply
ctl detach >/dev/null # native to generic: not behind anybody's back
ok "attach again" ctl attach
ok "a reset gets out of a veth" gets reset 198.51.100.66 $S 25
ok "undo" ctl undo
ok "silent again" gets timeout 198.51.100.66 $S 25
kill -9 $daemon
ok "and closes it without the daemon" gets timeout 198.51.100.66 $S 25
[ $status = 0 ] || tail -20 /tmp/log
exit $status
