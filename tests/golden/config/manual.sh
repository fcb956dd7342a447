#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# manual.sh - the examples of mailreeve.conf(5), and the file that is installed, are golden cases; the
# manual names every log format.
#
# In the manual a comment `.\" example: NN-name` stands before each; it must be tests/golden/config/
# NN-name.conf to the letter; another program's has `.\" not ours`.  MR_GOLDEN=write copies them there.  Needs nothing but awk; a second.
set -u
cd "$(dirname "$(readlink -f "$0")")/../../.." || exit 1
cases=tests/golden/config manual=docs/mailreeve.conf.5 n=0

same() { # NAME TEXT: compares, or writes
	local file=$cases/$1.conf
	n=$((n + 1))
	[ "${MR_GOLDEN:-}" != write ] || printf '%s\n' "$2" >"$file"
	if [ -e "$file" ] && [ "$2" = "$(cat "$file")" ]; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		diff <(printf '%s\n' "$2") "$file" 2>&1 | sed 's/^/# /'
	fi
}

names=$(sed -n 's/^\.\\" example: //p' $manual)
for name in $names; do
	same "$name" "$(awk -v name="$name" '
		$0 == ".\\\" example: " name { found = 1 }
		found && /^\.Bd/ { inside = 1; next }
		inside && /^\.Ed/ { exit }
		inside { gsub(/\\e/, "\\"); print }' $manual)"
done
blocks=$(($(grep -c '^\.Bd' $manual) - $(grep -c '^\.\\" not ours' $manual)))
n=$((n + 1))
if [ "$blocks" = "$(echo "$names" | wc -l)" ]; then
	echo "ok $n - every example of the manual is a case"
else
	echo "not ok $n - $blocks examples, but these cases: $names"
fi
n=$((n + 1))
missing=$(sed -n 's/^static const char NAME\[\] = "\(.*\)";/\1/p' lib/format/*.c | sort -u | while read -r f; do
	grep -qE "^\.Cm (.* )?$f( |\$)" $manual || echo "$f"
done)
if [ -z "$missing" ]; then
	echo "ok $n - the manual names every log format"
else
	echo "not ok $n - the manual does not name the log format $missing"
fi
same 44-installed "$(cat daemon/mailreeve.conf)"
echo "1..$n"
