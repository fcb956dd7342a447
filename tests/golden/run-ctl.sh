#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# run-ctl.sh - the command without a daemon: usage, messages, exit statuses, and that help, manual
# page and completion know every command and every option.
# Needs the build; the replay cases need root.  Leaves nothing behind.
set -u
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
mailreeve=$PWD/${MAILREEVE:-build/mailreeve}
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

# expect STATUS REGEX ARGUMENT...: one of the lines of standard output and error matches
expect() {
	local want=$1 regex=$2 got name
	shift 2
	name="mailreeve $* -> $want"
	timeout 20 "$mailreeve" "$@" >"$work/log" 2>&1 </dev/null
	got=$?
	echo "(status $got, wanted $want and /$regex/)" >>"$work/log"
	[ $got = "$want" ] && grep -Eq -- "$regex" <(sed '$d' "$work/log")
	result $? "$name" "$work/log"
}
absent="$work/none" # a runtime directory where nobody is
down="cannot reach mailreeved at $absent/control: not running\? start it with systemctl start"

cat >"$work/good.conf" <<-'END'
	service smtp { allow 192.0.2.0/24; allow permitted; }
END
cat >"$work/risk.conf" <<-'END'
	service smtp { allow any; deny 192.0.2.0/24; }
END
printf 'service smtp { alow any; }\n' >"$work/bad.conf"
for i in $(seq 30); do echo "nonsense$i;"; done >"$work/verybad.conf"

# --- usage
expect 2 '^usage: mailreeve COMMAND'
expect 0 '^usage: mailreeve COMMAND' --help
expect 0 '^usage: mailreeve COMMAND' help
expect 0 '^mailreeve [0-9.]+$' --version
expect 2 "no command 'stats0': did you mean 'stats'\?" stats0
expect 2 "no command 'frobnicate': mailreeve --help lists them" frobnicate
expect 2 "no command 'frobnicate'" help frobnicate
expect 2 "unknown option '--jsn': did you mean --json\?" status --jsn
expect 2 "unknown option '-x': see mailreeve status --help" status -x
expect 2 "unknown option '--xyzzy=1': see mailreeve --help" --xyzzy=1 status
expect 2 'too many arguments' status now
expect 2 'an argument is missing' why
expect 2 'usage: mailreeve why ADDRESS' why 192.0.2.1 smtp more
expect 2 '--json takes no value' status --json=yes
expect 2 '--runtime-dir needs a value' status --runtime-dir
expect 2 '--config: the value is empty' check -c ''
for c in $("$mailreeve" help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
	expect 0 "^usage: mailreeve $c" "$c" --help
	expect 0 "^usage: mailreeve $c" help "$c"
	"$mailreeve" "$c" --help | grep -oE -- '--[a-z-]+' | sort -u >"$work/options"
	for o in $(<"$work/options"); do
		case $o in --json | --runtime-dir | --help) ;; *)
			[[ $o = --confirm && $c != apply ]] && continue # in the text, not an option
			sed -n "/Cm $c/,\$p" docs/mailreeve.8 | grep -q -- "Fl -${o#--}\|Fl ${o:2:1} " ||
				echo "$c $o is not in docs/mailreeve.8"
			grep -q -- "$o" ctl/mailreeve.bash-completion ||
				echo "$c $o is not in the completion"
			;;
		esac
	done >"$work/missing"
	grep -q "Cm $c" docs/mailreeve.8 || echo "$c is not in docs/mailreeve.8" >>"$work/missing"
	grep -q "$c" ctl/mailreeve.bash-completion || echo "$c is not completed" >>"$work/missing"
	[ ! -s "$work/missing" ]
	result $? "manual page and completion know $c and its options" "$work/missing"
done

# completes WANTED WORD...: the completions of the last word hold what is wanted
completes() {
	local want=$1
	shift
	bash -c '. ctl/mailreeve.bash-completion
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_mailreeve
		echo "${COMPREPLY[*]}"' sh "$@" >"$work/log" 2>&1
	[ "$(<"$work/log")" = "$want" ]
	result $? "completion of: $*" "$work/log"
}
echo '{"services":[{"name":"smtp","id":0},{"name":"mx-out","id":1}],"rules":[{"name":"x"}]}' \
	>"$work/generation.json"
completes 'status stats' mailreeve sta
completes '--confirm' mailreeve apply --c
completes 'delete' mailreeve ban de
completes 'none' mailreeve replay --established n
completes 'mx-out' mailreeve --runtime-dir "$work" rules m
mkdir "$work/daemon"
printf '#!/bin/sh\n[ "$*" = "ban list --runtime-dir /x" ] && cat <<E\n%s\n%s\nno bans\nE\n' \
	'192.0.2.7      59m 4s  every service  learned' '2001:db8:5::/64    1h 0m  smtp  hand' >"$work/daemon/mailreeve"
chmod 755 "$work/daemon/mailreeve"
PATH=$work/daemon:$PATH completes '192.0.2.7 2001:db8:5::/64' mailreeve --runtime-dir /x ban delete ''
PATH=$work/daemon:$PATH completes '192.0.2.7' mailreeve --runtime-dir /x ban delete 19
completes 'smtp mx-out' mailreeve --runtime-dir "$work" permit add 192.0.2.1 --service ''

# --- options before and behind, long and short
expect 0 '^192.0.2.1 at smtp port 25: allowed' why -c "$work/good.conf" 192.0.2.1 smtp
expect 0 '^192.0.2.1 at smtp port 25: allowed' why 192.0.2.1 smtp --config="$work/good.conf"
expect 0 '^192.0.2.1 at smtp port 25: allowed' why 192.0.2.1 "-c$work/good.conf" -- smtp
expect 1 '^192.0.3.1 at smtp port 25: refused' why 192.0.3.1 smtp -c "$work/good.conf"
expect 0 'entry    permit, pretended' why 192.0.3.1 -c "$work/good.conf" --permitted

# --- check
printf 'service smtp { allow any; }\nrelay { local-domains { a.example }; kill file "%s"; }\naccounts none;\n' \
	"$work/kill.lst" >"$work/names.conf"
expect 0 "names.conf:2:1: risk: $work/kill.lst: No such file" check -c "$work/names.conf"
echo 'bad.example' >"$work/kill.lst"
expect 1 "names.conf:2:1: risk: $work/kill.lst:1: a sender is written" check --strict -c "$work/names.conf"
echo '@bad.example' >"$work/kill.lst"
expect 0 'names.conf: good' check --strict -c "$work/names.conf"
expect 1 'unacceptable mail address' why 192.0.2.1 smtp --sender '<x@bad.example>' -c "$work/names.conf"
expect 0 'recipient is local' why 192.0.2.1 smtp --sender '' --recipient '<v@a.example>' -c "$work/names.conf"
expect 0 'recipient is local' why 192.0.2.1 smtp --sender '<>' --recipient v@a.example -c "$work/names.conf"
expect 0 'good' check -c "$work/good.conf"
expect 0 '1 risk' check -c "$work/risk.conf"
expect 1 'risk: .*can never match' check --strict -c "$work/risk.conf"
expect 2 'bad.conf:1:16: error: ' check -c "$work/bad.conf"
expect 2 '^ *\^\^\^\^$' check -c "$work/bad.conf"
expect 2 '30 errors.*the first 20' check -c "$work/verybad.conf"
expect 2 'bad.conf:1:16: error: ' check --print -c "$work/bad.conf"
expect 0 '^service smtp \{' check --print -c "$work/good.conf"
expect 2 "$work/none.conf: .*No such file" check -c "$work/none.conf"
expect 2 '^\{"errors":\[\{"file":".*bad.conf","line":1,"column":16,"message":".*","hint":.*\}\],"risks":\[\],"notes":\[\]\}$' \
	check --json -c "$work/bad.conf"
expect 2 '^\{"errors":\[\{"file":".*none.conf"' check --json -c "$work/none.conf"
expect 2 'bad.conf:1:16: error: ' why 192.0.2.1 -c "$work/bad.conf"
# --- files that hold a password
printf 'service imap { allow any; }\naccounts mariadb {\n\tdatabase d; password-file "%s";\n}\ndovecot { secret-file "%s"; }\n' \
	"$work/password" "$work/secret" >"$work/accounts.conf"
expect 0 "accounts.conf:2:1: risk: password-file: $work/password: No such file" check -c "$work/accounts.conf"
echo geheim >"$work/password"
chmod 644 "$work/password"
if [ "$(id -u)" = 0 ]; then
	expect 2 "accounts.conf:2:1: error: password-file: $work/password: others may read or change it \(mode 0644\): chmod 0640 $work/password" \
		check -c "$work/accounts.conf"
	expect 2 '"errors":\[\{"file":".*accounts.conf","line":2,"column":1,"message":"password-file: ' check --json -c "$work/accounts.conf"
	chmod 660 "$work/password"
	expect 2 'others may read or change it' check -c "$work/accounts.conf"
	chmod 600 "$work/password"
	chown 12345 "$work/password"
	expect 2 "belongs to another user \(uid 12345\).*: chown root $work/password" check -c "$work/accounts.conf"
	group=$(id -g mailreeve 2>/dev/null || echo 0)
	chown "0:$group" "$work/password"
	chmod 640 "$work/password"
	expect 0 'accounts.conf: good' check -c "$work/accounts.conf"
	echo geheim >"$work/secret"
	chmod 604 "$work/secret"
	expect 2 "accounts.conf:5:1: error: secret-file: $work/secret: others may" check -c "$work/accounts.conf"
	rm "$work/secret"
	chmod 755 "$work"
	mkdir -m 700 "$work/closed"
	sed "s,$work/password,$work/closed/password," "$work/accounts.conf" >"$work/closed.conf"
	chmod 644 "$work/closed.conf"
	setpriv --reuid 65534 --regid 65534 --clear-groups "$mailreeve" check -c "$work/closed.conf" >"$work/log" 2>&1 &&
		grep -q 'note: password-file: .*/closed/password: not looked at: Permission denied' "$work/log"
	result $? "who may not look at the file is told so, and no error" "$work/log"
fi
"$mailreeve" check --print -c "$work/risk.conf" >"$work/one" 2>/dev/null
"$mailreeve" check --print -c "$work/one" 2>/dev/null | cmp - "$work/one" >"$work/log" 2>&1
result $? "the normal form parses to itself" "$work/log"
{
	echo 'set a { 192.0.2.1; }'
	for i in $(seq 100); do echo "service s$i { ports $((1000 + i)); allow @a; }"; done
} >"$work/many.conf"
expect 2 'many.conf(:[0-9:]+)?: error: .*(64|services)' check -c "$work/many.conf"
bad=$work/$'\xff\xfe'.conf
cp "$work/good.conf" "$bad"
"$mailreeve" why -c "$bad" 192.0.2.1 smtp --json >"$work/log" 2>&1
grep -q $'"file":".*\xef\xbf\xbd.*.conf","line":1' "$work/log"
result $? "a file name that is not UTF-8 does not break the JSON" "$work/log"
bad=$work/$'\e]0;x\a'.conf
cp "$work/good.conf" "$bad"
"$mailreeve" why -c "$bad" 192.0.2.1 smtp >"$work/log" 2>&1
! grep -q $'[\e\a]' "$work/log" && grep -q '?\]0;x?.conf:1' "$work/log"
result $? "control characters do not reach the terminal" "$work/log"

# --- lan
expect 0 '^service smtp' lan
expect 0 '^\{"gateways":\[' lan --json
"$mailreeve" lan >"$work/lan.conf"
expect 0 'good' check --strict -c "$work/lan.conf"
! sed -n '/^service smtp /,/^}/p' "$work/lan.conf" | grep -q 'gateways.*noauth\|deny' &&
	! sed '/^service smtp /,/^}/d' "$work/lan.conf" | grep -q 'noauth\|allow gateways'
result $? "lan: a router delivers but never relays, and is denied elsewhere" "$work/lan.conf"

# --- nobody there
for c in apply confirm undo attach monitor 'why 192.0.2.1' 'permit list' 'ban flush' rules stats \
	status 'ban add 192.0.2.1' 'permit delete 2001:db8::1'; do
	# shellcheck disable=SC2086 # words on purpose
	expect 3 "$down" --runtime-dir "$absent" $c
done
expect 3 '^UNGUARDED: ' status --runtime-dir "$absent"
expect 3 "$down" detach --runtime-dir "$absent"
expect 3 'File name too long' status --runtime-dir "/$(printf '%0150d' 0)"
expect 2 "'192.0.2' is not an address" ban add 192.0.2
expect 2 "ban: 'lst' is not list, add, delete or flush" ban lst
expect 2 'add: which address\?' permit add
expect 2 'flush takes no address' permit flush 192.0.2.1
expect 2 'belong to add' permit list --ttl 5m
expect 2 "'5x' is not a time" ban add 192.0.2.1 --ttl 5x
expect 2 "'0' is not a time" apply --confirm 0
expect 2 "'99999999999999w' is not a time" apply --confirm 99999999999999w
expect 2 "'some' is not one of none\|all" replay --established some x.pcap
expect 2 "'0' is not a number" monitor --rate 0
if [ "$(id -u)" = 0 ]; then
	mkdir -m 700 "$work/secret"
	chmod 711 "$work"
	cp "$mailreeve" "$work/mailreeve"
	setpriv --reuid=65534 --regid=65534 --clear-groups "$work/mailreeve" \
		--runtime-dir "$work/secret" apply >"$work/log" 2>&1
	[ $? = 3 ] && grep -q 'permission denied: run as root or join the group mailreeve' "$work/log"
	result $? "not permitted: 3, and the way out" "$work/log"
	setpriv --reuid=65534 --regid=65534 --clear-groups "$work/mailreeve" \
		replay -c "$work/good.conf" /dev/null >"$work/log" 2>&1
	[ $? = 2 ]
	result $? "a capture that is none: 2" "$work/log"
else
	skip "not permitted: 3, and the way out" "needs root"
fi

# --- output that cannot be written
"$mailreeve" help >/dev/full 2>"$work/log"
[ $? = 1 ] && grep -q 'cannot write the output: No space left' "$work/log"
result $? "a full disk is said, status 1" "$work/log"
"$mailreeve" why 192.0.2.1 smtp --json -c "$work/good.conf" >&- 2>"$work/log"
[ $? = 1 ]
result $? "a closed standard output is said, status 1" "$work/log"

# --- replay
# pcap LINKTYPE HEX: a capture of one packet
pcap() {
	local type=$1 hex=$2 len
	len=$(printf '%08x' $((${#hex} / 2)))
	len=${len:6:2}${len:4:2}${len:2:2}${len:0:2}
	hex=d4c3b2a1020004000000000000000000ffff0000${type}0000000000000000000000$len$len$hex
	# shellcheck disable=SC2001,SC2059 # every two digits become an escape
	printf "$(sed 's/../\\x&/g' <<<"$hex")"
}
ether=0200000000010200000000020800
tcp=9c40001900000001000000005002040000000000       # a SYN to port 25
syn=450000280000000040060000c0000207c6336401$tcp   # from 192.0.2.7
other=450000280000000040060000c0000307c6336401$tcp # from 192.0.3.7
pcap 01 "$ether$syn" >"$work/allow.pcap"
pcap 01 "$ether$other" >"$work/drop.pcap"
pcap 65 "$syn" >"$work/raw.pcap"
pcap 71 "$syn" >"$work/sll.pcap"
pcap 01 "${ether:0:20}" >"$work/short.pcap"
expect 2 'No such file' replay -c "$work/good.conf" "$work/none.pcap"
expect 2 'not a capture' replay -c "$work/good.conf" "$work/good.conf"
expect 2 'link type' replay -c "$work/good.conf" "$work/sll.pcap"
if [ "$(id -u)" = 0 ] && "$mailreeve" replay -c "$work/good.conf" "$work/allow.pcap" >/dev/null 2>&1; then
	expect 0 '^\{"packets":1,"pass":1,"drop":0,"reject":0' replay --json -c "$work/good.conf" "$work/allow.pcap"
	expect 0 '^\{"packets":1,"pass":0,"drop":1,"reject":0' replay --json -c "$work/good.conf" "$work/drop.pcap"
	expect 0 '^\{"packets":1,"pass":1,"drop":0,"reject":0' replay --json -c "$work/good.conf" "$work/raw.pcap"
	expect 0 '^\{"packet":1,"verdict":"drop","why":"unmatched","service":"smtp"' \
		replay --packets --json -c "$work/good.conf" "$work/drop.pcap"
	expect 0 '^\{"packet":1,"verdict":"pass","why":"not-ip","service":null' \
		replay --packets --json -c "$work/good.conf" "$work/short.pcap"
	expect 0 '1 packets: 0 passed, 1 dropped' replay -c "$work/good.conf" "$work/drop.pcap"
	expect 2 'bad.conf:1:16: error: ' replay -c "$work/bad.conf" "$work/drop.pcap"
else
	skip "replay" "needs root and BPF"
fi
echo "1..$n"
