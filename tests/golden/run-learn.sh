#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# run-learn.sh - `mailreeve learn`: files, clocks, own formats, explanations, exit statuses.
# What lines of mail servers mean is in run-logs.sh.  Needs the build, no root; leaves nothing.
set -u
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
mailreeve=$PWD/${MAILREEVE:-build/mailreeve}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C.UTF-8 TZ=UTC NO_COLOR=1
cd "$work" || exit 1
n=0

result() { # RESULT NAME
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		cat out err | sed 's/^/# /' | head -30
		echo "not ok $n - $2"
	fi
}
# learn NAME STATUS ARGUMENT...: out, err; actions has "user action" a line
learn() {
	name=$1 want=$2
	shift 2
	timeout 60 "$mailreeve" learn "$@" >out 2>err
	got=$?
	sed -n 's/.*"address":"\([^"]*\)".*"action":"\([^"]*\)".*/\1 \2/p' out >actions
	[ $got = "$want" ] || { result 1 "$name: status $got, not $want" && return 1; }
}
actions() { diff -u <([ $# = 0 ] || printf '%s\n' "$@") actions >>err; result $? "$name"; }
says() { grep -Eq -- "$1" out err; result $? "$name: /$1/"; }
login() { # STAMP ADDRESS [USER]
	echo "$1 mx dovecot: imap-login: Login: user=<${3:-anna}>, method=PLAIN, rip=$2, lip=192.0.2.1, mpid=7, session=<${4:-}>"
}
failed() { # STAMP ADDRESS
	echo "$1 mx dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<x>, method=PLAIN, rip=$2, lip=192.0.2.1"
}

# --- files
login 2026-01-01T10:00:00Z 198.51.100.1 >a
login 2026-01-01T11:00:00Z 198.51.100.2 >b
learn "two files in order" 0 --dry-run --json a b && actions "198.51.100.1 permit" "198.51.100.2 permit"
grep -q '"line":1,"file":"b"' out
result $? "lines are counted in each file"
learn "a file that begins before the last one ended" 0 --dry-run --json b a &&
	actions "198.51.100.2 permit" "198.51.100.1 permit"
learn "standard input" 0 --dry-run --json <a && actions "198.51.100.1 permit"
learn "standard input by name" 0 --dry-run --json b - <a && actions "198.51.100.2 permit" "198.51.100.1 permit"
learn "a file that is not there stops no other" 2 --dry-run --json none a && actions "198.51.100.1 permit"
says 'none: No such file'
learn "a directory" 2 --dry-run . && says '\.: Is a directory'
gzip -k a
learn "a compressed log" 2 --dry-run a.gz b --json && says 'zcat a.gz \| mailreeve learn --dry-run'
actions "198.51.100.2 permit"
# more than one batch of lines, with sessions whose end names no address, and lines without an event
for i in {1..4000}; do
	login "2026-01-01T10:00:00Z" "198.51.$((i / 250)).$((i % 250 + 1))" "user$((i % 300))" "session$i"
	echo "2026-01-01T10:00:00Z mx postfix/qmgr[7]: 4D8A98328: removed"
	[ $((i % 3)) != 0 ] || echo "2026-01-01T10:00:01Z mx dovecot: imap(user$((i % 300)))<7><session$i>: Disconnected: Logged out in=1 out=2"
done >big
learn "a large log" 0 --dry-run --json - <big
cp out whole
{ [ "$(wc -l <whole)" = 5333 ] && [ "$(sed "s/.*\"line\":\([0-9]*\).*/\1/" whole | sort -nc 2>&1)" = "" ]; } 2>>err
result $? "$name: all events, in the order of the lines"
while IFS= read -r -d '' -n 77777 piece || [ -n "$piece" ]; do printf '%s' "$piece"; done <big |
	timeout 60 "$mailreeve" learn --dry-run --json - >out 2>err
cmp whole out 2>>err
result $? "a large log in odd pieces gives the same"
# what has come is shown at once, whether or not more comes
mkfifo live shown
timeout 60 "$mailreeve" learn --dry-run --json <live >shown 2>err &
exec 4>live 5<shown
for i in a b; do
	cat $i >&4
	read -r -t 20 line <&5
	[[ $line == *198.51.100.[12]*permit* ]]
	result $? "a live log: line $i is shown before the next comes"
done
exec 4>&-
wait $!
result $? "a live log ends"
exec 5<&-
head -c 300000 /dev/urandom >binary
learn "a binary file" 0 --dry-run --json binary && actions
{ head -c 3000000 /dev/zero | tr '\0' x && echo && cat a; } >long
learn "a line of megabytes" 0 --dry-run --json long && actions "198.51.100.1 permit"
{ cat a && head -c 3000000 /dev/zero && cat b; } >hole
learn "the hole in a log that was truncated under its writer" 0 --dry-run --json hole &&
	actions "198.51.100.1 permit" "198.51.100.2 permit"
learn "an empty log" 0 --dry-run --json /dev/null && actions
learn "without a mode" 2 a && says 'needs --dry-run or --explain'
learn "a summary for people" 0 --dry-run a && says '^dovecot +1 +0 +0 +0$'
says '^1 permit, 0 bans'

# --- the log's own clock
for t in 00 02 04 06; do failed 2026-01-01T10:$t:00Z 198.51.100.5; done >c
failed 2026-01-01T10:11:00Z 198.51.100.5 >>c
failed 2026-01-01T10:11:30Z 198.51.100.5 >>c
learn "windows slide with the log" 0 --dry-run --json c &&
	actions "198.51.100.5 "{count,count,count,count,count,ban}
{ for t in 00 01 02 03 04; do failed "2026-01-01T10:$t:00Z" 198.51.100.5; done
	failed 2026-01-01T10:30:00Z 198.51.100.5
	failed 2026-01-01T11:05:00Z 198.51.100.5; } >c
learn "bans run out with the log" 0 --dry-run --json c &&
	actions "198.51.100.5 "{count,count,count,count,ban,none,count}
{ login 2026-01-01T10:00:00Z 198.51.100.1
	login 2020-01-01T10:00:00Z 198.51.100.2
	login 2038-01-01T10:00:00Z 198.51.100.3
	login 2026-01-01T10:01:00Z 198.51.100.4; } >c
learn "a stamp of 2020 earns nothing; one of 2038 moves no clock" 0 --dry-run --json c &&
	actions "198.51.100.1 permit" "198.51.100.2 none" "198.51.100.3 permit" "198.51.100.4 permit"
{ login 2026-01-01T10:00:00Z 198.51.100.1
	for i in 2 3 4 5; do login 2020-01-01T10:00:0${i}Z 198.51.100.$i; done; } >c
learn "a clock that was set back is followed" 0 --dry-run --json c &&
	actions "198.51.100.1 permit" "198.51.100.2 none" "198.51.100.3 none" "198.51.100.4 permit" \
		"198.51.100.5 permit"
for i in 1 2; do login 2038-01-01T10:00:0${i}Z 198.51.100.$i; done >c
learn "a log from the future has its clock" 0 --dry-run --json c &&
	actions "198.51.100.1 permit" "198.51.100.2 permit"
{ login 2026-01-01T10:00:00Z 198.51.100.9 bea bbbbbbbbbbbb
	echo "2026-01-01T10:00:01Z mx dovecot: imap(bea)<7><bbbbbbbbbbbb>: Disconnected: Logged out in=1 out=2"
	login 2026-01-01T10:00:02Z 198.51.100.1 anna aaaaaaaaaaaa
	echo "2026-01-01T13:00:00Z mx dovecot: imap(anna)<8><aaaaaaaaaaaa>: Disconnected: Logged out in=1 out=2"; } >c
learn "a session of three hours keeps its permit, its end extends it" 0 --dry-run --json c &&
	actions "198.51.100.9 permit" "198.51.100.9 permit" "198.51.100.1 permit" "198.51.100.1 permit"

for a in 0.0.0.0 :: 224.0.0.1 255.255.255.255 ff02::1 ::ffff:0.0.0.0; do
	login 2026-01-01T10:00:00Z $a
	for i in 1 2 3 4 5; do failed 2026-01-01T10:00:0${i}Z $a; done
done >c
learn "what is no client's address is neither permitted nor banned" 0 --dry-run --json c
! grep -vq '"action":"none"' out && [ "$(wc -l <out)" = 36 ]
result $? "$name"

# --- a policy
cat >own.conf <<-'END'
	service smtp { allow permitted; }
	format myd { program "myd"; login "in <user> <addr>"; failure "bad <any> from <addr>"; }
	ban { on failure 2 in 1m; }
END
printf '%s\n' 'myd: in anna 198.51.100.1' 'myd: bad x from 9.9.9.9 from 198.51.100.2' \
	'myd[7]: bad from from 198.51.100.2' 'popa3d: Session from 198.51.100.3' >c
learn "own formats and the file's own options" 0 --dry-run --json -c own.conf c &&
	actions "198.51.100.1 permit" "198.51.100.2 count" "198.51.100.2 ban"
printf 'format x { program "y"; login "<user><addr>"; }\n' >bad.conf
learn "an error in a template" 2 --dry-run -c bad.conf c && says 'bad.conf:1:38: error: two variables'

# --- a server that writes a failure twice
exim() { # SECOND [PROGRAM]
	[ -z "${2:-}" ] || printf '<22>Jan  1 10:00:%s mx %s: ' "$1" "$2"
	echo "2026-01-01 10:00:$1 plain authenticator failed for (x) [198.51.100.1]: 535 Incorrect authentication data (set_id=anna)"
}
{ exim 00 && exim 00 && exim 07; } >main
cp main reject
c="198.51.100.1 count"
learn "Exim's main and reject log" 0 --dry-run --json main reject &&
	actions "$c" "$c" "$c" "198.51.100.1 none" "198.51.100.1 none" "198.51.100.1 none"
says 'counted already'
{ exim 00 exim && exim 00 exim && exim 00 exim && exim 00 exim && exim 07 exim && exim 07 exim; } >c
learn "Exim's two lines in syslog" 0 --dry-run --json c &&
	actions "$c" "198.51.100.1 none" "$c" "198.51.100.1 none" "$c" "198.51.100.1 none"
{ exim 00 exim && exim 03 exim && exim 06 exim && exim 09 exim && exim 09 exim; } >c
learn "Exim without syslog_duplication" 0 --dry-run --json c &&
	actions "$c" "$c" "$c" "$c" "198.51.100.1 ban"

# --- explain
learn "explain: taken" 0 --explain "$(cat a)" && says '^dovecot takes the line'
says '^  address   198.51.100.1$'
# libpam within Dovecot tells of one passdb; in a log of another source it is all there is
record() { # COMM IDENTIFIER MESSAGE
	printf '__CURSOR=x\n__REALTIME_TIMESTAMP=1767261600000000\n_COMM=%s\nSYSLOG_IDENTIFIER=%s\nMESSAGE=%s\n\n' "$@"
}
pam='pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 tty=dovecot ruser=x rhost=198.51.100.9'
{
	record auth auth "$pam"
	record log dovecot 'imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<x>, method=PLAIN, rip=198.51.100.9, lip=192.0.2.1'
} >c
learn "the journal: libpam within Dovecot is left aside" 0 --dry-run --json c && actions "198.51.100.9 count"
says '"line": ?2,'
learn "explain: an own format gives up" 1 --explain -c own.conf 'myd: in anna at home' &&
	says 'gave up at column 14: expected an address, found "at"'
cat >two.conf <<'C'
format one { program "myd"; login "user <user> in from <addr>"; failure "bad user <user> from <addr>"; }
format two { program "myd"; login "welcome <user> at <addr>"; logout "bye <user> at <addr>"; }
C
learn "explain: several own formats, the last one takes it" 0 --explain -c two.conf 'myd: bye fred at 192.0.2.1' &&
	says '^two takes the line' && { ! grep 'gave up' out >>err; result $? "explain: … and nobody else is told of"; }
learn "explain: several own formats, and none takes it" 1 --explain -c two.conf 'myd: user fred in from home' &&
	says '^one: gave up at column 24' && says '^two: gave up at column 6: expected "bye"'
learn "explain: nobody knows it" 1 --explain 'cron: x' && says 'no format knows this program'
learn "explain: two lines in one" 1 --explain "Nov 21 20:44:30 mx dovecot: imap-login: Login: \
user=<aNov 21 20:44:31 mx dovecot: imap-login: Login: user=<b>, rip=192.0.2.1, lip=192.0.2.2" &&
	says 'two lines have run together' && says 'counted as lost'
learn "explain: parts" 0 --explain "$(cat a)" && says '^ +84-95 +address +198.51.100.1$'
sed 's/rip=/rhost=/' a >c
learn "explain: a built-in format gives up" 1 --explain "$(cat c)" &&
	says '^dovecot: gave up at column 80: expected "rip=", found "rhost=198.51.100.1"$'
says '^ {91}\^$'
learn "explain: the same as JSON" 1 --explain --json "$(cat c)" &&
	says '"column": ?80, ?"expected": ?"rip=", ?"found": ?"rhost=198.51.100.1"'
learn "explain: refused for a reason" 1 --explain "$(login 2026-01-01T10:00:00Z 198.51.100.1 | sed s/PLAIN/ANONYMOUS/)" &&
	says '^dovecot: no event: an anonymous login'
learn "explain: a second line alone" 1 --explain 'popa3d[7]: Authentication passed for anna' &&
	says 'no line before it told the address'
learn "explain: both lines" 1 --explain 'popa3d[7]: Session from 198.51.100.3' 'popa3d[7]: Authentication passed for anna' &&
	says '^  address   198.51.100.3$'
learn "explain: a format that is off" 1 --explain -c own.conf 'popa3d[7]: Session from 198.51.100.3' &&
	says 'popa3d \(not in use here'
learn "explain: an unknown stamp" 1 --explain '1.1.2026 10:00:00 mx dovecot: x' && says '"dovecot" at column 22'
learn "explain: from standard input" 1 --explain --json < <(cat a && echo 'cron: x') &&
	says '"taken": ?true'
printf 'myd: in \033[31manna\n' >c
learn "explain: no escape gets out" 1 --explain -c own.conf <c
! grep -q $'\033' out
result $? "$name"
echo "1..$n"
