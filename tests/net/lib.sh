# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# lib.sh - what every test in tests/net starts with: two network namespaces, a veth between them,
# TAP lines, and the promise that nothing stays behind.
#
#   $SRV  the guarded host: device s0, 10.77.0.1 and 2001:db8:77::1, a server on every mail port
#   $CLI  the world: device c0, with an address for each role
#
# Names are made of the test's name and its process id, so tests may run side by side.  Everything
# is removed on EXIT, INT and TERM; only processes that this test started are ended, by their pid.
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
MR_BUILD=${MR_BUILD:-build}
case $MR_BUILD in /*) ;; *) MR_BUILD=$HERE/$MR_BUILD ;; esac
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C.UTF-8
NAME=$(basename "$0" .sh)
ID=$NAME-$$
SRV=mr-$ID-srv CLI=mr-$ID-cli
MRNET=$MR_BUILD/tests/net/mrnet
pids=() netns=() DAEMON='' tests=0 failures=0 finished=''

# Addresses by role: documentation networks, routed to the client's end of the wire.
S4=10.77.0.1 S6=2001:db8:77::1
ALLOWED=192.0.2.10 DENIED=198.51.100.66 STRANGER=203.0.113.5 OTHER=203.0.113.77
ALLOWED6=2001:db8:a::10 DENIED6=2001:db8:b::66 STRANGER6=2001:db8:c::5

skip_all() {
	echo "1..0 # SKIP $*"
	finished=1
	exit 77
}
[ "$(id -u)" = 0 ] || skip_all "needs root"
command -v ip nsenter jq >/dev/null || skip_all "needs iproute2, util-linux and jq (scripts/deps)"
for f in "$MR_BUILD/mailreeve" "$MR_BUILD/mailreeved" "$MRNET"; do
	[ -x "$f" ] || skip_all "$f is not built (make tests)"
done

DIR=$(mktemp -d "${TMPDIR:-/tmp}/mr-$ID.XXXXXX") || exit 1
chmod 755 "$DIR"
RUN=$DIR/run STATE=$DIR/state PINS=$DIR/bpf CONF=$DIR/mailreeve.conf LOG=$DIR/daemon.log

cleanup() {
	local p n
	trap '' INT TERM
	[ -n "$finished" ] || echo "Bail out! $NAME ended early"
	for p in "${pids[@]}" $DAEMON; do kill -KILL "$p" 2>/dev/null; done
	for p in "${pids[@]}" $DAEMON; do wait "$p" 2>/dev/null; done
	for n in "${netns[@]}"; do ip netns del "$n" 2>/dev/null; done
	for p in "$PINS" "$DIR/small"; do mountpoint -q "$p" && umount "$p"; done
	if [ -n "${MR_KEEP:-}" ]; then echo "# kept: $DIR"; else rm -rf "$DIR"; fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- TAP --------------------------------------------------------------------------------------

# ok TEXT COMMAND...: holds if the command succeeds.  What it prints is shown if it does not.
ok() {
	local text=$1
	shift
	tests=$((tests + 1))
	# not in a subshell: what the command sets is meant to stay
	if "$@" >"$DIR/ok.out" 2>&1; then
		echo "ok $tests - $text"
		return 0
	fi
	failures=$((failures + 1))
	echo "not ok $tests - $text"
	{ echo "command: $*" && cat "$DIR/ok.out"; } | head -20 | sed 's/^/#   /'
	return 1
}
# is TEXT EXPECTED ACTUAL
is() {
	tests=$((tests + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $tests - $1"
		return 0
	fi
	failures=$((failures + 1))
	echo "not ok $tests - $1"
	printf '%s\n' "expected: $2" "got: $3" | sed 's/^/#   /'
	return 1
}
skip() {
	tests=$((tests + 1))
	echo "ok $tests - $1 # SKIP $2"
}
not() { ! "$@"; }
# within SECONDS COMMAND...: succeeds as soon as the command does
within() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/./}" -lt $end ] || return 1
		sleep 0.05
	done
}
# done_testing: the plan, and the exit status
done_testing() {
	[ $failures = 0 ] || [ ! -s "$LOG" ] || tail -40 "$LOG" | sed 's/^/# daemon: /'
	echo "1..$tests"
	finished=1
	[ $failures = 0 ]
	exit
}

# --- the network ------------------------------------------------------------------------------

in_ns() {
	local n=$1
	shift
	nsenter --net="/run/netns/$n" -- "$@"
}
srv() { in_ns "$SRV" "$@"; }
cli() { in_ns "$CLI" "$@"; }
new_ns() {
	ip netns add "$1" || exit 1
	netns+=("$1")
	ip -n "$1" link set lo up
	in_ns "$1" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
		net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
}
# spawn NS COMMAND...: in the background; its pid in $spawned, its end is the test's
spawn() {
	local n=$1
	shift
	# not a shell function in the background: that would be one more process, and the wrong pid
	nsenter --net="/run/netns/$n" -- "$@" &
	spawned=$!
	pids+=("$spawned")
}
# end PID: ends a process that this test started
end() {
	local p kept=()
	kill "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	for p in "${pids[@]}"; do [ "$p" = "$1" ] || kept+=("$p"); done
	pids=("${kept[@]}")
}
# wire DEV PEER: a veth from $SRV to $CLI
wire() {
	ip -n "$SRV" link add "$1" type veth peer name "$2" netns "$CLI"
	ip -n "$SRV" link set "$1" up
	ip -n "$CLI" link set "$2" up
}
server_addresses() {
	ip -n "$SRV" addr add $S4/24 dev "$1"
	ip -n "$SRV" addr add $S6/64 dev "$1" nodad
	ip -n "$SRV" route add default via 10.77.0.2
	ip -n "$SRV" route add default via 2001:db8:77::2
}
client_addresses() {
	local a
	ip -n "$CLI" addr add 10.77.0.2/24 dev "$1"
	ip -n "$CLI" addr add 2001:db8:77::2/64 dev "$1" nodad
	for a in $ALLOWED $DENIED $STRANGER $OTHER; do ip -n "$CLI" addr add "$a/32" dev "$1"; done
	for a in $ALLOWED6 $DENIED6 $STRANGER6; do ip -n "$CLI" addr add "$a/128" dev "$1" nodad; done
}
# network [PORT...]: the two namespaces, joined, and a server on the mail ports (or these)
network() {
	[ $# -gt 0 ] || set -- 25 110 143 465 587 993 995 4190 80
	new_ns "$SRV"
	new_ns "$CLI"
	wire s0 c0
	server_addresses s0
	client_addresses c0
	server "$@"
	# neighbours are known before anything is measured
	cli "$MRNET" connect 10.77.0.2 $S4 "$1" 2000 >/dev/null
	cli "$MRNET" connect 2001:db8:77::2 $S6 "$1" 2000 >/dev/null
}
server() {
	spawn "$SRV" "$MRNET" serve "$@" >"$DIR/server.log"
	within 5 grep -q ready "$DIR/server.log" || { echo "# no server"; exit 1; }
}
# tries SRC PORT [MS]: open, reset, timeout, …
tries() {
	local dst=$S4 out
	case $1 in *:*) dst=$S6 ;; esac
	out=$(cli "$MRNET" connect "$1" "$dst" "$2" "${3:-700}" 2>&1)
	echo "${out%% *}"
}
opens() { [ "$(tries "$@")" = open ]; }
silent() { [ "$(tries "$@")" = timeout ]; }
resets() { [ "$(tries "$@")" = reset ]; }

# session SRC PORT: opens one and keeps it; lives says how it is.  One at a time.
session() {
	local dst=$S4 word
	case $1 in *:*) dst=$S6 ;; esac
	coproc SESSION { exec nsenter --net="/run/netns/$CLI" -- "$MRNET" hold "$1" "$dst" "$2" 2>&1; }
	pids+=("$SESSION_PID")
	read -r -t 5 word <&"${SESSION[0]}"
	[ "$word" = open ]
}
lives() {
	local word=none
	[ -n "${SESSION_PID:-}" ] || { echo none && return; }
	echo ask >&"${SESSION[1]}"
	read -r -t 5 word <&"${SESSION[0]}"
	echo "$word"
}
hang_up() { [ -z "${SESSION_PID:-}" ] || end "$SESSION_PID"; }

# spray PORT N PAUSE_US SRC...: SYN frames by hand; sniffing counts those that passed the filter
mac_of() { ip -j -n "$1" link show dev "$2" | jq -r '.[0].address'; }
spray() {
	local dst=$S4
	case $4 in *:*) dst=$S6 ;; esac
	cli "$MRNET" spray "${WIRE_C:-c0}" "$(mac_of "$SRV" "${WIRE_S:-s0}")" $dst "$@"
}
sniff() {
	spawn "$SRV" "$MRNET" sniff "${WIRE_S:-s0}" "$1" >"$DIR/sniff"
	SNIFFER=$spawned
	within 5 grep -q ready "$DIR/sniff"
}
sniffed() { end "$SNIFFER"; }
# passed SRC: how many of its SYNs came through
passed() { awk -v s="$1" '$1 == s { n = $2 } END { print n + 0 }' "$DIR/sniff"; }

# --- the daemon -------------------------------------------------------------------------------

# config: the configuration from standard input.  Unless it says itself where it listens, nothing is
# asked: the default sockets lie in the spool directory of the machine's own Postfix.
config() {
	cat >"$CONF"
	# on the last line, so that line numbers are those of the test
	grep -q listen "$CONF" || sed -i '$ s/$/ listen { policy off; socketmap off; }/' "$CONF"
}
# daemon [OPTION...]: starts it in $SRV and waits until it answers
start_daemon() {
	nsenter --net="/run/netns/$SRV" -- "$MR_BUILD/mailreeved" -c "$CONF" --runtime-dir "$RUN" \
		--state-dir "$STATE" --pin-dir "$PINS" "$@" <&0 >>"$LOG" 2>&1 &
	DAEMON=$!
}
daemon() {
	start_daemon "$@"
	within 20 daemon_answers && return
	echo "# the daemon does not answer:"
	tail -20 "$LOG" | sed 's/^/# daemon: /'
	return 1
}
# status works from the pins too: what is asked for is the daemon's own answer
daemon_answers() { kill -0 "$DAEMON" && ctl status --json | jq -e '.daemon != null'; }
stop_daemon() {
	kill "$DAEMON" 2>/dev/null
	wait "$DAEMON"
	local rc=$?
	DAEMON=''
	return $rc
}
kill_daemon() {
	kill -KILL "$DAEMON"
	wait "$DAEMON" 2>/dev/null
	DAEMON=''
}
ctl() { srv "$MR_BUILD/mailreeve" --runtime-dir "$RUN" "$@"; }
# field FILTER COMMAND...: one value of a command's JSON
field() {
	local filter=$1
	shift
	ctl "$@" --json | jq -r "$filter"
}
# generation: the number of the active one
generation() { field .generation status; }
