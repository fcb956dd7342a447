#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# run.sh - `mailreeve why -c` against golden answers.  Each NN-name.cases holds one question a line,
# asked of NN-name.conf; question, answer and exit status of all of them are NN-name.ok.
# Needs nothing but the build.  UPDATE=1 writes the .ok files anew: read the difference.
set -u
cd "$(dirname "$(readlink -f "$0")")" || exit 1
mailreeve=${MAILREEVE:-../../../build/mailreeve}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C.UTF-8 NO_COLOR=1

cases=(*.cases)
echo "1..${#cases[@]}"
n=0
for c in "${cases[@]}"; do
	name=${c%.cases}
	n=$((n + 1))
	while read -r -a args; do
		echo "\$ why ${args[*]}"
		"$mailreeve" why -c "$name.conf" "${args[@]}" 2>&1 | sed "s,$PWD/,,"
		echo "exit ${PIPESTATUS[0]}"
	done <"$c" >"$work/$name"
	[ -z "${UPDATE:-}" ] || cp "$work/$name" "$name.ok"
	if diff -u "$name.ok" "$work/$name" >"$work/diff" 2>&1; then
		echo "ok $n - why $name"
	else
		sed 's/^/# /' "$work/diff"
		echo "not ok $n - why $name"
	fi
done
