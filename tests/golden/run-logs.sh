#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# run-logs.sh - logs of mail servers, real and hostile, against the events they must give:
# tests/golden/logs/NAME.in is a log, NAME.ok the output of `learn --dry-run --json` without -c.
# In these logs 9.9.9.9 is always forged text: an event on it is a failure whatever NAME.ok says.
#
#   tests/golden/run-logs.sh [NAME]...            compare
#   MR_GOLDEN=write tests/golden/run-logs.sh …    write NAME.ok anew; read the difference before
#                                                 you commit it
#
# Needs the build, no root.  Leaves nothing behind.
set -u
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
mailreeve=$PWD/${MAILREEVE:-build/mailreeve}
cd tests/golden/logs || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C.UTF-8 TZ=UTC NO_COLOR=1
[ $# -gt 0 ] || set -- *.in
n=0

result() { # RESULT NAME LOG
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		sed 's/^/# /' "$3" | head -40
		echo "not ok $n - $2"
	fi
}

for f; do
	f=${f%.in}
	[ -e "$f.in" ] || continue
	timeout 60 "$mailreeve" learn --dry-run --json "$f.in" >"$work/out" 2>"$work/err"
	status=$?
	if [ "${MR_GOLDEN:-}" = write ]; then
		cp "$work/out" "$f.ok"
	fi
	{ [ $status = 0 ] && [ ! -s "$work/err" ] && diff -u "$f.ok" "$work/out"; } >"$work/diff" 2>&1
	held=$?
	{ cat "$work/err" && echo "(status $status)"; } >>"$work/diff"
	result $held "$f: the events" "$work/diff"
	! grep '"address":"9\.9\.9\.9"' "$work/out" >"$work/forged"
	result $? "$f: no forged address" "$work/forged"
	# what a parser takes stands in lib/wording_table.c, too, for `learn --explain`
	timeout 60 "$mailreeve" learn --explain --json <"$f.in" 2>/dev/null |
		grep '"result":"event","asked":true,"parts"' >"$work/unread"
	[ ! -s "$work/unread" ] || sed -i '1i no wording of lib/wording_table.c reads these lines whole:' "$work/unread"
	[ ! -s "$work/unread" ]
	result $? "$f: explained part by part" "$work/unread"
done
echo "1..$n"
