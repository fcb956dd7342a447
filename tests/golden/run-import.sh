#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# run-import.sh - `mailreeve import` against golden output, which `mailreeve check` must accept;
# input that is none must be refused with its file and line; and whatever is done to a good file,
# what is printed must stay a configuration.
# Needs nothing but the build.  UPDATE=1 writes the .ok files anew: read the difference.
set -u
cd "$(dirname "$(readlink -f "$0")")/import" || exit 1
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

# --- golden
for c in *.cmd; do
	name=${c%.cmd}
	read -r -a args <"$c"
	"$mailreeve" "${args[@]}" >"$work/out" 2>"$work/err"
	rc=$?
	[ -z "${UPDATE:-}" ] || cp "$work/out" "$name.ok"
	{ [ $rc = 0 ] && diff -u "$name.ok" "$work/out"; } >"$work/diff" 2>&1
	result $? "$name" "$work/diff"
	[[ ${args[*]} != *--lines* ]] || continue # no configuration
	cp kill.lst accept.txt "$work"
	"$mailreeve" check -c "$work/out" >"$work/log" 2>&1
	result $? "$name: check accepts it" "$work/log"
done

# refuse REGEX WHAT FILE: exit status 2, the message, nothing on standard output
refuse() {
	timeout 20 "$mailreeve" import "$2" "$3" >"$work/out" 2>"$work/err" </dev/null
	[ $? = 2 ] && grep -Eq -- "$1" "$work/err" && [ ! -s "$work/out" ] &&
		! LC_ALL=C grep -q $'[\001-\010\013-\037]' "$work/err"
	result $? "import $2 $(basename -- "$3") is refused: $1" "$work/err"
}
# text NAME FORMAT: a file
text() {
	# shellcheck disable=SC2059 # escapes on purpose
	printf "$2" >"$work/$1"
}
text nul 'ALLOW 192.0.2.1\nALLOW 192\0.0.2.2\n'
text escape '192.0.2.1\n\033]0;x\a\n'
text utf16 '\377\376A\0L\0'
text latin1 '192.0.2.0 255.255.255.0 fr\344nz\n'
text address '# x\n!300.1.2.3\n'
text empty '\n!\n'
text bar '1|2|192.0.2.1|33|0||\n'
text header '[Fax]\nALLOW 192.0.2.1\n'
text mask '192.0.2.1 255.0.0\n'
text kill.lst '@ok.example\n@*\n'
text accept.txt '\n\n*.example\n'
text main 'a = b\nnothing here\n'
text cidr '192.0.2.0/24 OK\n192.0.2.0/33 OK\n'
text endif '192.0.2.0/24 OK\nendif\n'
text if 'if 10.0.0.0/33\n192.0.2.0/24 OK\nendif\n'
text ifbits 'if 10.0.0.1/8\n192.0.2.0/24 OK\nendif\n'
text iftext 'if 10.0.0.0/8 OK\n192.0.2.0/24 OK\nendif\n'
text noendif 'if 10.0.0.0/8\n10.0.2.0/24 OK\n'
(yes 'if 10.0.0.0/8' | head -40; yes endif | head -40) >"$work/deep"
text noaction 'example.com\n'
text bomb 'a=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\nb=$a$a$a$a$a$a$a$a\nc=$b$b$b$b$b$b$b$b\nd=$c$c$c$c$c$c$c$c$c\nmynetworks=$d$d$d$d$d$d\n'
text nothing "$(for c in a:b b:c c:d d:e e:f f:g g:h h:i i:j; do
	printf '%s=' "${c%:*}" && printf "\$${c#*:}%.0s" {1..20} && printf '\\n'
done)j=\nmynetworks=\$a\n"
text loop 'mynetworks = $mynetworks $a\na = $a $mynetworks\n'
text nosql 'hello\n'
text string "INSERT INTO mail_user_ip_restriction VALUES (1,2,'x\n"
text columns "INSERT INTO mail_user_ip_restriction VALUES\n (1,2,'192.0.2.1','w');\n"
text user "INSERT INTO mail_user VALUES (1,'a@example.com');\n"
text mode "INSERT INTO mail_user_ip_restriction VALUES (1,2,'192.0.2.1','x','');\n"
text tabs 'login\tip\tmode\nfred\t192.0.2.1\n'
text comment '/* never ends\n'
refuse 'nul:2: error: no text: byte 0x00' vpop3 "$work/nul"
refuse 'escape:2: error: no text: byte 0x1b' imail "$work/escape"
refuse 'utf16:1: error: this is UTF-16.*iconv' vpop3 "$work/utf16"
refuse 'latin1:1: error: this is not UTF-8.*iconv' vpop3 "$work/latin1"
refuse 'address:2: error: an address was expected, not "300' vpop3 "$work/address"
refuse 'empty:2: error: no address' vpop3 "$work/empty"
refuse 'bar:1: error: an address was expected' vpop3 "$work/bar"
refuse 'header:1: error: no service of VPOP3' vpop3 "$work/header"
refuse 'mask:1: error: an address' imail "$work/mask"
refuse 'kill.lst:2: error: a \* stands only' imail "$work/kill.lst"
refuse 'accept.txt:3: error: a \* is for the kill file' imail "$work/accept.txt"
refuse 'main:2: error: "name = value" was expected' postfix "$work/main"
refuse 'cidr:2: error: a network was expected' postfix "cidr:$work/cidr"
refuse 'endif:2: error: endif without if' postfix "$work/endif"
refuse 'if:1: error: this `if` cannot be read' postfix "cidr:$work/if"
refuse 'ifbits:1: error: this `if`' postfix "cidr:$work/ifbits"
refuse 'iftext:1: error: this `if`' postfix "cidr:$work/iftext"
refuse 'noendif:2: error: if without endif' postfix "cidr:$work/noendif"
refuse 'deep:33: error: more than 32 times' postfix "cidr:$work/deep"
refuse 'noaction:1: error: no action behind' postfix "hash:$work/noaction"
refuse 'bomb:5: error: mynetworks: more than' postfix "$work/bomb"
refuse 'nothing:11: error: mynetworks: more than' postfix "$work/nothing"
refuse 'nosql:1: error: neither a dump' ispconfig "$work/nosql"
refuse 'string:[12]: error: a string without end' ispconfig "$work/string"
refuse 'columns:2: error: as many values' ispconfig "$work/columns"
refuse 'user:1: error: the columns of this table' ispconfig "$work/user"
refuse 'mode:1: error: mode is w' ispconfig "$work/mode"
refuse 'tabs:2: error: 3 columns were expected, not 2' ispconfig "$work/tabs"
refuse 'comment:[12]: error: a comment without end' ispconfig "$work/comment"
refuse 'none: error: No such file' postfix "$work/none"
refuse ': error: .*directory' vpop3 "$work"
refuse 'zero: error: not a file' vpop3 /dev/zero
refuse "import: 'exchange' is not vpop3" exchange "$work/nul"
timeout 20 "$mailreeve" import postfix "$work/loop" >"$work/out" 2>"$work/err"
rc=$?
[ $rc = 0 ] || [ $rc = 2 ]
result $? "variables that name each other end" "$work/err"
"$mailreeve" import vpop3 - <01-vpop3-old.txt 2>&1 | cmp - 01-vpop3-old.ok >"$work/log" 2>&1
result $? "standard input" "$work/log"

# --- the rows of ISPConfig in the SQLite store
"$mailreeve" import ispconfig --lines shop.sql >"$work/lines" 2>"$work/log" &&
	"$mailreeve" account import --db "$work/accounts.db" "$work/lines" >>"$work/log" 2>&1 &&
	"$mailreeve" account list --db "$work/accounts.db" >"$work/list" 2>>"$work/log" &&
	[ "$(sort "$work/list")" = "$(grep '^[^#]' "$work/lines" | sort)" ] &&
	grep -qx 'shop@example.com pop3 allow none' "$work/list"
result $? "account import takes --lines" "$work/log"
printf '\xef\xbb\xbf# from Windows\r\njim imap ALLOW 192.0.2.0/255.255.255.0 # home\r\na#b any deny None\r\n' >"$work/windows"
"$mailreeve" account import --db "$work/windows.db" "$work/windows" >"$work/log" 2>&1 &&
	[ "$("$mailreeve" account list --db "$work/windows.db" | tr '\n' /)" = "a#b any deny none/jim imap allow 192.0.2.0/24/" ]
result $? "account import takes a file from Windows, and remarks" "$work/log"
seq -f '%.0f.example REJECT' 300000 | sed 's/^/x/' >"$work/names"
awk 'BEGIN { for (i = 0; i < 300000; i++) printf "%d.%d.%d.0/24 REJECT\n", 1 + i / 65536, i / 256 % 256, i % 256 }' \
	>"$work/large"
refuse 'at most 4 MiB.*a set names' postfix "cidr:$work/large"
"$mailreeve" import postfix "hash:$work/names" >"$work/out" 2>"$work/err" &&
	"$mailreeve" check -c "$work/out" >"$work/log" 2>&1
result $? "more names than a policy has rules: check accepts what is printed" "$work/log"

# --- what another server meant, asked of the policy
# answer STATUS CONFIG ARGUMENT...: of why
answer() {
	local want=$1 conf=$2
	shift 2
	"$mailreeve" why -c "$conf" "$@" >"$work/log" 2>&1
	[ $? = "$want" ]
	result $? "$conf: why $* -> $want" "$work/log"
}
answer 1 01-vpop3-old.ok 192.168.0.1 smtp
answer 0 01-vpop3-old.ok 192.168.9.1 pop3s
answer 0 01-vpop3-old.ok 203.0.113.9 imap --user fred
answer 1 02-vpop3-new.ok 203.0.113.9 imap
answer 0 05-postfix.ok 203.0.113.7 smtp
answer 0 05-postfix.ok 10.8.3.4 smtp

# --- cidr tables with if and !, what Postfix's own postmap answers and what the policy does
cidr_table() { # SEED: a table, and behind an empty line addresses
	awk -v seed="$1" '
	function v4(   p, ip) {
		p = 6 + int(rand() * 14)
		ip = int((167772160 + int(rand() * 262144)) / 2 ^ (32 - p)) * 2 ^ (32 - p)
		return address4(ip) "/" p
	}
	function address4(ip) {
		return int(ip / 16777216) "." int(ip / 65536) % 256 "." int(ip / 256) % 256 "." ip % 256
	}
	function v6(   k) {
		k = int(rand() * 5)
		return sprintf("2001:db8:%x::/%d", int(rand() * 2 ^ k) * 2 ^ (16 - k), 32 + k)
	}
	function pattern(   s) {
		s = rand() < .3 ? rand() < .2 ? "! " : "!" : ""
		return s (rand() < .2 ? v6() : v4())
	}
	BEGIN {
		srand(seed)
		for (n = 0; n < 12; n++) {
			x = rand()
			if (x < .35) { print "if " pattern(); depth++ }
			else if (x < .5 && depth) { print "endif"; depth-- }
			else print pattern(), rand() < .5 ? "OK" : "REJECT"
		}
		while (depth-- > 0) print "endif"
		print ""
		for (n = 0; n < 20; n++)
			print n % 5 ? address4(167772160 - 65536 + int(rand() * 400000)) : \
				sprintf("2001:db8:%x::1", int(rand() * 65536))
	}'
}
command -v postmap >/dev/null || PATH=$PATH:/usr/sbin
if command -v postmap >/dev/null; then
	mkdir "$work/postfix"
	: >"$work/postfix/main.cf"
	: >"$work/odd"
	asked=0 found=0
	for seed in $(seq "${TABLES:-10}"); do
		cidr_table "$seed" >"$work/both"
		sed '/^$/,$d' "$work/both" >"$work/table"
		sed '1,/^$/d' "$work/both" >"$work/keys"
		"$mailreeve" import postfix "cidr:$work/table" >"$work/out" 2>/dev/null ||
			echo "table $seed is refused" >>"$work/odd"
		postmap -c "$work/postfix" -q - "cidr:$work/table" <"$work/keys" >"$work/answers" 2>>"$work/odd"
		while read -r key; do
			asked=$((asked + 1))
			want=$(awk -v k="$key" '$1 == k { print $2 }' "$work/answers")
			[ -z "$want" ] || found=$((found + 1))
			got=$("$mailreeve" why -c "$work/out" "$key" smtp | sed -n 's/^  rule     //p')
			case $got in "allow any "*) got= ;; allow*) got=OK ;; reject*) got=REJECT ;; esac
			[ "$got" = "$want" ] ||
				echo "table $seed: $key: Postfix says \"$want\", the policy \"$got\"" >>"$work/odd"
		done <"$work/keys"
	done
	[ ! -s "$work/odd" ] && [ "$found" -gt 50 ]
	result $? "cidr tables with if and !, as postmap reads them: $asked addresses, $found found" "$work/odd"
else
	result 0 "cidr tables with if and ! # SKIP needs postmap"
fi

# --- mutants: lines cut, doubled, mixed up, and odd bytes; never a crash, never half a configuration
mutate() { # FILE SEED
	awk -v seed="$2" 'BEGIN { srand(seed); odd = "{}\";#\\|/!:,$()'"'"'*@ \t." }
	{
		if (rand() > .12) {
			print
			next
		}
		x = rand()
		if (x < .05) next
		if (x < .10) print
		k = int(rand() * length($0)) + 1
		if (x < .20) $0 = substr($0, 1, k)
		else if (x < .40) $0 = substr($0, 1, k) substr(odd, int(rand() * length(odd)) + 1, 1) \
			substr($0, k + 1)
		else if (x < .50) $0 = substr($0, k)
		else if (x < .55) $0 = $0 sprintf("%c", 128 + int(rand() * 128))
		print
	}' "$1"
}
good=0 bad=0 broken=0
mkdir "$work/m"
cp -- *.txt *.cf *.cidr *.lst *.DAT *.sql *.tsv "$work/m"
for seed in $(seq "${MUTANTS:-15}"); do
	for c in *.cmd; do
		read -r -a args <"$c"
		[[ ${args[*]} != *--lines* ]] || continue
		for f in "${args[@]:2}"; do mutate "${f#*:}" "$seed" >"$work/m/${f#*:}"; done
		(cd "$work/m" && timeout 20 "$OLDPWD/$mailreeve" "${args[@]}" >"$work/out" 2>"$work/err")
		case $? in
		0)
			if "$mailreeve" check -c "$work/out" >"$work/log" 2>&1; then
				good=$((good + 1))
			else
				broken=$((broken + 1))
				cat "$work/log" >>"$work/broken"
			fi
			;;
		2) bad=$((bad + 1)) && [ ! -s "$work/out" ] || broken=$((broken + 1)) ;;
		*)
			broken=$((broken + 1))
			cat "$work/err" >>"$work/broken"
			;;
		esac
	done
done
touch "$work/broken"
[ $broken = 0 ] && [ $good -gt 0 ] && [ $bad -gt 0 ]
result $? "mutants: $good printed and accepted, $bad refused, $broken neither" "$work/broken"
echo "1..$n"
