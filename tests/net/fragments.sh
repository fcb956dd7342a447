#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# fragments.sh - a SYN in pieces, judged by the filter and put together by the kernel: what the
# kernel answers without a filter it answers an allowed source with one, and a denied source never.
. "$(dirname "$0")/lib.sh"

network
mac=$(mac_of "$SRV" s0)
pieces() { # SRC PORT CUT...
	local dst=$S4 src=$1 port=$2
	shift 2
	case $src in *:*) dst=$S6 ;; esac
	cli "$MRNET" pieces c0 "$mac" "$src" $dst "$port" "$@"
}
# takes SRC PORT CUT...: the same, but silence is asked twice again: on a busy machine a client's wait
# may be over before the answer is there
takes() {
	local said
	for _ in 1 2 3; do
		said=$(pieces "$@")
		[ "$said" = silent ] || break
	done
	echo "$said"
}
cuts=("" "8" "8 16" "8 last-first" "8 16 last-first" "16 options" "24 options" "8 24 options" "24 options last-first")
declare -A kernel
for c in "${cuts[@]}"; do
	for s in $STRANGER $STRANGER6 $DENIED $DENIED6; do
		# shellcheck disable=SC2086
		kernel[$s:$c]=$(takes $s 25 $c)
	done
done
config <<-'C'
	interface s0;
	service smtp { deny 198.51.100.0/24; deny 2001:db8:b::/48; allow any; }
	service submission { allow 192.0.2.0/24; allow 2001:db8:a::/48; }
C
ok "the daemon starts" daemon
for c in "${cuts[@]}"; do
	for s in $STRANGER $STRANGER6; do
		# shellcheck disable=SC2086
		is "allowed, cut at '${c:-nothing}', $s: as the kernel has it" "${kernel[$s:$c]}" "$(takes $s 25 $c)"
	done
	for s in $DENIED $DENIED6; do
		# shellcheck disable=SC2086
		is "denied, cut at '${c:-nothing}', $s: ${kernel[$s:$c]} without the filter" silent "$(pieces $s 25 $c)"
	done
done
for c in "8" "8 16" "8 last-first" "24 options"; do
	# shellcheck disable=SC2086
	is "unmatched, cut at '$c'" silent "$(pieces $STRANGER 587 $c)"
	# shellcheck disable=SC2086
	is "to no service, cut at '$c'" open "$(takes $DENIED 80 $c)"
done
ok "the kernel put most of them together" test "$(printf '%s\n' "${kernel[@]}" | grep -c open)" -ge 20
done_testing
