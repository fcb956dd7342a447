#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# run-doctor.sh - `mailreeve doctor` against golden output; what it says to paste, pasted, must end
# what it said, and be understood by the real postconf and doveconf; input that is none is refused.
# Needs nothing but the build; the tests with the real programs are skipped without them.
# UPDATE=1 writes the .ok files anew: read the difference.
set -u
cd "$(dirname "$(readlink -f "$0")")/doctor" || exit 1
mailreeve=${MAILREEVE:-../../../build/mailreeve}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C.UTF-8 NO_COLOR=1
n=0

result() { # RESULT NAME [LOG]
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		[ -z "${3:-}" ] || sed 's/^/# /' "$3"
		echo "not ok $n - $2"
	fi
}
skip() { n=$((n + 1)) && echo "ok $n - $1 # SKIP $2"; }

# --- golden
for c in *.cmd; do
	name=${c%.cmd}
	read -r -a args <"$c"
	{
		"$mailreeve" "${args[@]}" 2>&1
		echo "exit $?"
	} >"$work/out"
	[ -z "${UPDATE:-}" ] || cp "$work/out" "$name.ok"
	diff -u "$name.ok" "$work/out" >"$work/diff" 2>&1
	result $? "$name" "$work/diff"
done

# --- what is pasted ends what was said
# paste FILE: the lines that the JSON in $work/json has for FILE of the configuration
paste_for() {
	jq -r --arg f "$1" '.findings[] | select(.file == $f) | .paste[]' "$work/json"
}
if command -v jq >/dev/null; then
	cp bare.postconf "$work/main" && cp bare.doveconf "$work/dove" && cp empty.conf "$work/conf"
	"$mailreeve" doctor -c "$work/conf" --postconf "$work/main" --doveconf "$work/dove" --json >"$work/json"
	paste_for main.cf >>"$work/main"
	paste_for dovecot.conf >>"$work/dove"
	paste_for mailreeve.conf | grep -v '^learn' >>"$work/conf"
	echo 'learn { journal { dovecot.service postfix@-.service } }' >>"$work/conf"
	"$mailreeve" doctor -c "$work/conf" --postconf "$work/main" --doveconf "$work/dove" >"$work/log" 2>&1
	result $? "what is pasted ends what was said" "$work/log"
	"$mailreeve" check -c "$work/conf" >"$work/log" 2>&1
	result $? "check accepts what is pasted into mailreeve.conf" "$work/log"
else
	skip "what is pasted ends what was said" "needs jq"
	skip "check accepts what is pasted into mailreeve.conf" "needs jq"
fi

# --- the real programs read and print it
if command -v jq postconf doveconf >/dev/null; then
	mkdir "$work/etc"
	cp "$work/main" "$work/etc/main.cf"
	cat danger.master >"$work/etc/master.cf"
	postconf -c "$work/etc" -n >"$work/n" 2>"$work/log" && ! grep -v 'unused parameter' "$work/log" | grep .
	result $? "postconf reads what was pasted" "$work/log"
	postconf -c "$work/etc" -M >"$work/M" 2>"$work/log"
	"$mailreeve" doctor -c "$work/conf" --postconf "$work/n" --master "$work/M" >"$work/log" 2>&1
	[ $? = 1 ] && grep -q '^master.cf, service submission: missing: mailreeve is not asked who may relay' "$work/log" &&
		! grep -q '^main.cf' "$work/log"
	result $? "doctor reads what the real postconf prints" "$work/log"
	# shellcheck disable=SC2024
	sed -i 's,^auth_policy_server_api_header = .*,auth_policy_server_api_header = word,; /^ssl_key/d' "$work/dove"
	doveconf -c "$work/dove" -n >"$work/d" 2>"$work/log" &&
		"$mailreeve" doctor -c "$work/conf" --doveconf "$work/d" >"$work/log" 2>&1
	result $? "doctor reads what the real doveconf prints" "$work/log"
else
	for t in "postconf reads what was pasted" "the real postconf" "the real doveconf"; do
		skip "$t" "needs jq, postconf and doveconf"
	done
fi

# --- input that is none
# refuse REGEX ARGUMENT...
refuse() {
	local regex=$1
	shift
	timeout 20 "$mailreeve" doctor "$@" >"$work/out" 2>"$work/err" </dev/null
	[ $? = 2 ] && grep -Eq -- "$regex" "$work/err" && [ ! -s "$work/out" ]
	result $? "refused: $regex" "$work/err"
}
printf 'a = b\nnothing\n' >"$work/x1"
printf 'a = b\0c\n' >"$work/x2"
printf 'smtp inet n - y - - smtpd\nsmtp inet n\n' >"$work/x3"
printf 'service x {\n a = b\n' >"$work/x4"
printf 'a = b\n}\n' >"$work/x5"
for _ in $(seq 20); do echo 'x {'; done >"$work/x6"
refuse 'x1:2: "name = value" was expected' -c good.conf --postconf "$work/x1"
refuse 'x2:1: no text: byte 0x00' -c good.conf --postconf "$work/x2"
refuse 'x3:2: a service of master.cf' -c good.conf --postconf good.postconf --master "$work/x3"
refuse 'x4:2: a block without end' -c good.conf --doveconf "$work/x4"
refuse 'x5:2: a setting or a block' -c good.conf --doveconf "$work/x5"
refuse 'x6:17: a setting or a block' -c good.conf --doveconf "$work/x6"
refuse 'none: No such file' -c good.conf --doveconf "$work/none"
refuse 'zero: not a file' -c good.conf --doveconf /dev/zero
refuse 'needs --postconf' -c good.conf --master good.master
refuse 'x1:1:1: error' -c "$work/x1" --postconf good.postconf

# --- mutants: any text gives an answer or an error, at once
bad=0
for seed in $(seq "${MUTANTS:-60}"); do
	for f in danger.postconf danger.master danger.doveconf; do
		awk -v seed="$seed" 'BEGIN { srand(seed); odd = "{}=$,: \t#[]-o" }
		rand() < .2 { k = int(rand() * length($0)) + 1
			$0 = substr($0, 1, k - 1) substr(odd, int(rand() * length(odd)) + 1, 1) substr($0, k + (rand() < .5)) }
		rand() < .05 { next }
		{ print }' "$f" >"$work/${f#*.}"
	done
	timeout 20 "$mailreeve" doctor -c danger.conf --postconf "$work/postconf" --master "$work/master" \
		--doveconf "$work/doveconf" >"$work/out" 2>"$work/err"
	case $? in
	1 | 2) ;;
	*) bad=$((bad + 1)) && cat "$work/err" >>"$work/bad" ;;
	esac
done
touch "$work/bad"
[ $bad = 0 ]
result $? "mutants: an answer or an error" "$work/bad"
echo "1..$n"
