# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# lib.sh - what the tests of tests/boot share: a box, what is installed into it, a network in it with
# a peer, and the words of TAP.
set -u
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
top=$(readlink -f "$here/../..")
MR_BUILD=${MR_BUILD:-build}
case $MR_BUILD in /*) ;; *) MR_BUILD=$top/$MR_BUILD ;; esac
box=$here/box
tests=0 failures=0 finished=''

why=$("$box" probe) || { echo "1..0 # SKIP ${why#skip: }" && exit 77; }
for f in mailreeve mailreeved tests/net/mrnet; do
	[ -x "$MR_BUILD/$f" ] || { echo "1..0 # SKIP $MR_BUILD/$f is not built (make tests)" && exit 77; }
done

work=$(mktemp -d "${TMPDIR:-/tmp}/mr-boot-$$.XXXXXX") || exit 1
B=$work/box
cleanup() {
	trap '' INT TERM
	[ -n "$finished" ] || echo "Bail out! ended early"
	[ ! -e "$B" ] || "$box" stop "$B"
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

ok() {
	local text=$1 out
	shift
	tests=$((tests + 1))
	if out=$("$@" 2>&1); then
		echo "ok $tests - $text"
		return 0
	fi
	failures=$((failures + 1))
	echo "not ok $tests - $text"
	printf '%s\n' "command: $*" "$out" | head -20 | sed 's/^/#   /'
	return 1
}
is() { ok "$1: $2" test "$2" = "$3" || echo "#   got: $3"; }
not() { ! "$@"; }
within() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/./}" -lt $end ] || return 1
		sleep 0.05
	done
}
inside() { "$box" exec "$B" "$@"; }
prop() { inside systemctl show -P "$1" mailreeve; }
hit() { # SIGNAL: never process 0, which is everybody in our own process group
	local pid
	pid=$(prop MainPID)
	[ "${pid:-0}" -gt 1 ] && inside kill -"$1" "$pid"
}
prop_is() { [ "$(prop "$1")" = "$2" ]; }
# tries SRC PORT [MS]: what a client of the world meets
tries() { inside ip netns exec world /usr/lib/mrnet connect "$1" 10.77.0.1 "$2" "${3:-700}" | cut -d' ' -f1; }
tries_is() { [ "$(tries "$2" "$3")" = "$1" ]; }
journal() { inside journalctl --no-pager -u mailreeve -o cat "$@"; }
config() { inside sh -c 'cat >/etc/mailreeve/mailreeve.conf'; }

# seed: what the box has over this machine; the units as they are installed, but short times
seed() {
	ok "make install" make -s -C "$top" B="$MR_BUILD" DESTDIR="$work/seed" prefix=/usr install
	cp "$MR_BUILD/tests/net/mrnet" "$work/seed/usr/lib/mrnet"
	mkdir -p "$work/seed/etc/systemd/system/mailreeve.service.d"
	printf '[Service]\nWatchdogSec=5s\nTimeoutAbortSec=2s\nRestartSec=300ms\n' \
		>"$work/seed/etc/systemd/system/mailreeve.service.d/test.conf"
}
boot() { # SEED
	"$box" start "$B" "$1" || { failures=$((failures + 1)) && echo "not ok - the box boots"; }
}
# network: b0, guarded, 10.77.0.1; behind it the namespace "world" with these addresses
network() {
	inside sh -ec 'ip link add b0 type veth peer name c0
		ip netns add world
		ip link set c0 netns world
		ip addr add 10.77.0.1/24 dev b0
		ip link set b0 up
		ip route add default via 10.77.0.2
		ip -n world addr add 10.77.0.2/24 dev c0
		for a; do ip -n world addr add $a/32 dev c0; done
		ip -n world link set c0 up' network "$@"
}
done_testing() {
	echo "1..$tests"
	finished=1
	[ $failures = 0 ]
	exit
}
