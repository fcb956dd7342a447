#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# policy.sh - Postfix's side of the daemon, played by scripts: what a real Postfix sends and what no
# Postfix would, on both protocols; sockets and who may use them; lists that change.
# tests/mail has the real one.
. "$(dirname "$0")/lib.sh"
command -v socat >/dev/null || skip_all "needs socat (scripts/deps)"
getent group postfix >/dev/null || skip_all "needs Postfix's group (scripts/deps)"

P=$DIR/ask/policy M=$DIR/ask/socketmap
# ask PORT ADDRESS SENDER RECIPIENT [USER [CONTEXT [STATE]]]: the action
ask() {
	request "$@" | socat -t 5 - "UNIX-CONNECT:$P" | sed -n 's/^action=//p'
}
request() {
	printf 'request=smtpd_access_policy\nprotocol_state=%s\nprotocol_name=ESMTP\nclient_address=%s\n' "${7:-RCPT}" "$2"
	printf 'client_name=%s\nserver_port=%s\nsender=%s\nrecipient=%s\nsasl_username=%s\n' "${CLIENT:-unknown}" "$1" "$3" "$4" "${5:-}"
	printf 'instance=%s\npolicy_context=%s\n\n' "${INSTANCE:-1.2.3}" "${6:-}"
}
relay() { ask 25 "$1" "${3:-a@b.example}" "${2:-v@elsewhere.example}" "${4:-}" relay; }
look() { printf '%s' "$1" | socat -t 5 - "UNIX-CONNECT:$M"; }
netstring() { printf '%s:%s,' ${#1} "$1"; }
broken() { field .answers.broken status; }
GATEWAY='550 5.7.1 unknown local host elsewhere.example, not a gateway'
BAD_SENDER='501 5.7.1 unacceptable mail address'

network
config <<-C
	interface s0;
	set office { 192.0.2.0/24; 2001:db8:a::/48; }
	service smtp {
		deny 198.51.100.66;
		allow name isp.example noauth;
		allow @office noauth;
		allow permitted noauth;
		allow any;
	}
	service submission { allow 203.0.113.0/24 users { support }; allow permitted; }
	service pop3 { to 10.77.0.99; deny any; }
	service imap { mode shadow; allow 192.0.2.0/24; }
	relay {
		local-domains { example.test };
		to { backup.example.net };
		kill file "kill.lst";
		groups file "groups.txt";
		header "X-Own-Network: 8bdc1a";
	}
	learn { file "$DIR/dovecot.log" { format dovecot; } }
	listen { policy "$P"; policy 127.0.0.1 10040; policy ::1 10040; socketmap "$M"; }
C
echo 'spam@bad.example' >"$DIR/kill.lst"
echo 'all' >"$DIR/groups.txt"
: >"$DIR/dovecot.log"
ok "the daemon starts" daemon

# --- the sockets
is "the socket is for the group postfix alone" "postfix 660" "$(stat -c '%G %a' "$P")"
is "… the other one too" "postfix 660" "$(stat -c '%G %a' "$M")"
is "… and their directory" "postfix 2750" "$(stat -c '%G %a' "$DIR/ask")"
is "loopback TCP, because it was asked for" DUNNO \
	"$(request 25 203.0.113.5 '' v@example.test '' relay | srv socat -t 5 - TCP:127.0.0.1:10040 | sed -n 's/^action=//p')"
is "… IPv6" DUNNO \
	"$(request 25 203.0.113.5 '' v@example.test '' relay | srv socat -t 5 - 'TCP6:[::1]:10040' | sed -n 's/^action=//p')"
is "no other TCP port is open" 2 "$(srv ss -Hltnp | grep -c "pid=$DAEMON,")"

# --- policy
ok "status: Postfix asks" eval 'ctl status | grep -Eq "^postfix  asked 2 times, 0 refused$"'
is "a network that may relay" OK "$(relay 192.0.2.10)"
is "… IPv6" OK "$(relay 2001:db8:a::10)"
is "a stranger" "$GATEWAY" "$(relay 203.0.113.5)"
is "… IPv6" "$GATEWAY" "$(relay 2001:db8:c::5)"
is "… to a local domain" DUNNO "$(relay 203.0.113.5 v@example.test)"
is "… to a host that we back up" OK "$(relay 203.0.113.5 v@backup.example.net)"
is "… who logged in" OK "$(relay 203.0.113.5 '' '' fred)"
is "denied: in the relay context" "550 5.7.1 access denied" "$(relay 198.51.100.66)"
is "denied: at any other question" "550 5.7.1 access denied" "$(ask 25 198.51.100.66 '' '')"
is "… already at the connection" "550 5.7.1 access denied" "$(ask 25 198.51.100.66 '' '' '' '' CONNECT)"
is "never OK outside the relay context" "PREPEND X-Own-Network: 8bdc1a" \
	"$(ask 25 192.0.2.10 a@b.example v@elsewhere.example)"
is "… nor at another stage" DUNNO "$(ask 25 192.0.2.10 a@b.example v@elsewhere.example '' relay DATA)"
is "… nor in a context of another name" "PREPEND X-Own-Network: 8bdc1a" \
	"$(ask 25 192.0.2.10 a@b.example v@elsewhere.example '' Relay)"
is "users: listed" DUNNO "$(ask 587 203.0.113.5 '' '' support)"
is "users: not listed" "550 5.7.1 access denied" "$(ask 587 203.0.113.5 '' '' fred)"
is "a verified name" OK "$(CLIENT=host.isp.example relay 203.0.113.5)"
is "a name that only ends alike" "$GATEWAY" "$(CLIENT=hostisp.example relay 203.0.113.5)"
is "unmatched" "550 5.7.1 access denied" "$(ask 587 192.0.2.10 '' '')"
is "a port of no service" DUNNO "$(ask 2525 198.51.100.66 '' '')"
is "no port" DUNNO "$(ask '' 198.51.100.66 '' '')"
is "no address" DUNNO "$(relay unknown)"
is "shadow refuses nothing" DUNNO "$(ask 143 203.0.113.5 '' '' '' relay)"
ok "… but says what it would" grep -q 'would refuse 203.0.113.5 at imap' "$LOG"
is "killed sender" "$BAD_SENDER" "$(ask 25 192.0.2.10 spam@bad.example v@example.test)"
is "… before a relay" "$BAD_SENDER" "$(relay 192.0.2.10 '' spam@bad.example)"
is "a closed group" "550 5.7.1 this group takes mail from its own users only" \
	"$(ask 25 203.0.113.5 a@b.example all@example.test)"
is "… takes mail from who may relay" "PREPEND X-Own-Network: 8bdc1a" "$(ask 25 192.0.2.10 a@b.example all@example.test)"
is "… and from who logged in" DUNNO "$(ask 25 203.0.113.5 a@b.example all@example.test fred)"
ok "the reason is in the log" grep -q 'refused 203.0.113.5 at smtp to relay: from <a@b.example> to <v@elsewhere.example>: not logged in' "$LOG"
ok "a permit" ctl permit add 203.0.113.77 --ttl 1m
is "… relays" OK "$(relay 203.0.113.77)"
is "… at submission it lets in only" "$GATEWAY" "$(ask 587 203.0.113.77 '' v@elsewhere.example '' relay)"
ok "… and why says by which rule" eval 'ctl why 203.0.113.77 submission --sender a@b.example --recipient v@elsewhere.example | grep -q "users { support }\" does not say noauth"'
ctl permit delete 203.0.113.77
is "… and no more without it" "$GATEWAY" "$(relay 203.0.113.77)"
ctl ban add 192.0.2.10 --ttl 1m >/dev/null
is "a ban" "550 5.7.1 access denied" "$(relay 192.0.2.10)"
ctl ban delete 192.0.2.10

# --- the conversation
three() { request 25 192.0.2.10 '' v@elsewhere.example '' relay; request 25 203.0.113.5 '' v@example.test '' relay; request 25 198.51.100.66 '' ''; }
want=$'action=OK\n\naction=DUNNO\n\naction=550 5.7.1 access denied'
is "pipelined, answered in order" "$want" "$(three | socat -t 5 - "UNIX-CONNECT:$P")"
is "cut at every byte" "$want" "$(three | dd bs=1 status=none | socat -b 1 -t 5 - "UNIX-CONNECT:$P")"
is "CRLF, and the answer without" 'action=OK' "$(request 25 192.0.2.10 '' v@elsewhere.example '' relay | sed 's/$/\r/' | socat -t 5 - "UNIX-CONNECT:$P")"
is "any order, unknown and double names" 'action=OK' \
	"$( (request 25 192.0.2.10 '' v@elsewhere.example '' relay | tac | sed 1d; printf 'new_thing=1\nclient_address=203.0.113.5\n\n') | socat -t 5 - "UNIX-CONNECT:$P")"
is "one header a message" $'action=PREPEND X-Own-Network: 8bdc1a\n\naction=DUNNO\n\naction=PREPEND X-Own-Network: 8bdc1a' \
	"$( (request 25 192.0.2.10 '' a@example.test; request 25 192.0.2.10 '' b@example.test; INSTANCE=4 request 25 192.0.2.10 '' b@example.test) | socat -t 5 - "UNIX-CONNECT:$P")"
cat >"$DIR/ask-first.py" <<-'PY'
	import re, socket, sys
	s = socket.socket(socket.AF_UNIX)
	s.settimeout(30)
	s.connect(sys.argv[1])
	ask = "request=smtpd_access_policy\nprotocol_state=RCPT\nserver_port=25\nclient_address=%s\nrecipient=%s\npolicy_context=relay\n\n"
	n = 50000
	s.sendall((ask % ("192.0.2.10", "v@elsewhere.example") + ask % ("203.0.113.5", "v@example.test")).encode() * n)
	s.shutdown(socket.SHUT_WR)
	got = b""
	while chunk := s.recv(1 << 20):
	    got += chunk
	print(got == b"action=OK\n\naction=DUNNO\n\n" * n)
PY
is "a hundred thousand, asked before the first answer is read" True "$(python3 "$DIR/ask-first.py" "$P")"
cat >"$DIR/ask-ahead.py" <<-'PY'
	# asks on and on, and always leaves answers for the next turn
	import socket, sys
	s = socket.socket(socket.AF_UNIX)
	s.settimeout(30)
	s.connect(sys.argv[1])
	ask = "request=smtpd_access_policy\nprotocol_state=RCPT\nserver_port=25\nclient_address=203.0.113.5\nrecipient=v@elsewhere.example\npolicy_context=relay\n\n"
	chunk, got, asked, length = ask.encode() * 200, 0, 0, 0
	while asked < 200000:
	    s.sendall(chunk)
	    asked += 200
	    while asked - got > 12000 if length else asked > 12000:
	        data = s.recv(1 << 14)
	        got += data.count(b"\n\n")
	        length = 1
	print(asked - got > 8000)
PY
peak() { awk '/VmHWM/ { print $2 }' "/proc/$DAEMON/status"; }
echo 5 >"/proc/$DAEMON/clear_refs"
memory=$(peak)
is "two hundred thousand, with some always on their way" True "$(python3 "$DIR/ask-ahead.py" "$P")"
ok "answers that are taken take no memory ($memory, $(peak))" [ $(($(peak) - memory)) -lt 6000 ]
before=$(broken) sent=0
# refuses WHAT: no answer, and the connection ends
refuses() {
	local got
	# it fails where the daemon closed before all was sent
	got=$(timeout 4 socat -t 5 - "UNIX-CONNECT:$P" 2>/dev/null)
	[ $? != 124 ] && [ -z "$got" ]
}
bad() { sent=$((sent + 1)); ok "no answer: $1" refuses; }
# a flood of refusals leaves no line out that tells of trouble
for _ in $(seq 200); do request 25 198.51.100.66 '' ''; done | socat -t 5 - "UNIX-CONNECT:$P" >/dev/null
bad "an empty request" < <(printf '\n')
bad "another protocol" < <(printf 'sender=a@b\n\n')
bad "a line that is no attribute" < <(printf 'request=smtpd_access_policy\nnonsense\n\n')
bad "a NUL" < <(printf 'request=smtpd_access_policy\nsender=a\0b\n\n')
bad "HTTP" < <(printf 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
bad "a line without end" < <(head -c 20000 /dev/zero | tr '\0' x)
bad "a request without end" < <(yes a=b | head -c 300000)
bad "noise" < <(head -c 100000 /dev/urandom)
bad "a client that leaves within its request" < <(printf 'request=smtpd_access_policy\nsender=a')
is "… each was counted" $((before + sent)) "$(broken)"
ok "… and logged" grep -q 'policy: a line that is no name=value; closed without an answer' "$LOG"
is "good requests before the bad one are answered" 'action=OK' \
	"$( (request 25 192.0.2.10 '' v@elsewhere.example '' relay; printf 'nonsense\n\n') | socat -t 5 - "UNIX-CONNECT:$P")"

# --- a login that stands in the log, and that nobody has read when the question comes
logged_in() {
	printf '%s pop3-login: Info: Login: user=<anna>, method=PLAIN, rip=%s, lip=10.77.0.1, mpid=7, session=<WaH9gM9gdrfAAAIK>\n' \
		"$(date '+%b %d %T')" "$1" >>"$DIR/dovecot.log"
}
caught_up() { field .answers.caught_up status; }
before=$(caught_up)
mkfifo "$DIR/smtpd"
exec 9<>"$DIR/smtpd"
spawn "$SRV" socat "$DIR/smtpd!!CREATE:$DIR/answers" "UNIX-CONNECT:$P"
# answered N: that many answers have come
answered() { [ "$(grep -c '^action=' "$DIR/answers")" -ge "$1" ]; }
for host in 101 102 103 104 105 106 107 108; do
	# a connection that stands; the question is there before the line
	kill -STOP "$DAEMON"
	request 25 203.0.113.$host '' v@elsewhere.example '' relay >&9
	sleep 0.1
	logged_in 203.0.113.$host
	kill -CONT "$DAEMON"
	within 5 answered $((host - 100))
done
is "the mail right behind the login, eight times" 8 "$(grep -c '^action=OK' "$DIR/answers")"
ok "… looked for in the log" test "$(caught_up)" -gt "$before"

# --- many, slow, deaf
mkfifo "$DIR/slow"
exec 8<>"$DIR/slow"
printf 'request=smtpd_access_policy\nsender=slow' >&8
spawn "$SRV" socat -u "OPEN:$DIR/slow" "UNIX-CONNECT:$P"
# asks and asks, and never reads
yes $'request=smtpd_access_policy\nserver_port=25\nclient_address=198.51.100.66\n' | head -c 30000000 >"$DIR/flood"
spawn "$SRV" socat -u "OPEN:$DIR/flood" "UNIX-CONNECT:$P" 2>/dev/null
for _ in $(seq 150); do
	spawn "$SRV" socat -u "UNIX-CONNECT:$P" - >/dev/null 2>&1
done
connections() { [ "$(field .answers.connections status)" -ge "$1" ]; }
ok "150 connections stand" within 10 connections 150
is "… and the next is answered" OK "$(relay 192.0.2.10)"
ok "who does not finish is let go" within 20 grep -q 'a request that was not finished within' "$LOG"
ok "… and who does not read" within 5 grep -q 'answers that nobody takes' "$LOG"

# --- socketmap
is "the name that Postfix asks first" '9:NOTFOUND ,' "$(look "$(netstring 'permit unknown')")"
is "a name that looks like an address" '9:NOTFOUND ,' "$(look "$(netstring 'permit 192.0.2.10.isp.example')")"
is "a network" '9:NOTFOUND ,' "$(look "$(netstring 'permit 192.0.2')")"
is "an address that may relay" '5:OK OK,' "$(look "$(netstring 'permit 192.0.2.10')")"
is "… IPv6" '5:OK OK,' "$(look "$(netstring 'permit 2001:db8:a::10')")"
is "a stranger" '9:NOTFOUND ,' "$(look "$(netstring 'permit 203.0.113.5')")"
ok "a permit" ctl permit add 203.0.113.5 --ttl 1m
is "… is found" '5:OK OK,' "$(look "$(netstring 'permit 203.0.113.5')")"
ctl permit delete 203.0.113.5
is "access: who is refused everywhere" '26:OK 550 5.7.1 access denied,' "$(look "$(netstring 'access 198.51.100.66')")"
is "access: who is not" '9:NOTFOUND ,' "$(look "$(netstring 'access 203.0.113.5')")"
is "access: a name" '9:NOTFOUND ,' "$(look "$(netstring 'access unknown')")"
is "a map that is none" '9:NOTFOUND ,' "$(look "$(netstring 'permits 192.0.2.10')")"
is "two in one go" '9:NOTFOUND ,5:OK OK,' "$(look "$(netstring 'permit unknown')$(netstring 'permit 192.0.2.10')")"
is "no netstring, no answer" '' "$(look $'get permit 192.0.2.10\n')"
is "too long, no answer" '' "$(look '99999:permit')"

# --- lists that change
killed() { [ "$(ask 25 192.0.2.10 "$1" v@example.test)" = "$BAD_SENDER" ]; }
warned() { ctl status --json | jq -e --arg t "$1" '.warnings[] | select(contains($t))'; }
named() { ctl status --json | jq -e --arg t "$1" '.answers.files[] | select((.error // "") | contains($t))'; }
echo '@new.example' >"$DIR/kill.lst"
ok "a change takes effect" within 3 killed x@new.example
echo 'no such line' >"$DIR/kill.lst"
ok "a faulty file is named in status" within 3 named kill.lst:1
ok "… and among the warnings" warned kill.lst:1
is "… and what was read before stays" "$BAD_SENDER" "$(ask 25 192.0.2.10 x@new.example v@example.test)"
printf '@third.example\n' >"$DIR/kill.new"
mv "$DIR/kill.new" "$DIR/kill.lst"
ok "mended, by another file in its place" within 3 killed x@third.example
is "… what is gone is gone" DUNNO "$(ask 25 203.0.113.5 x@new.example v@example.test)"
rm "$DIR/kill.lst"
ok "a file that is gone is named" within 3 named "No such file"
is "… and stays in force" "$BAD_SENDER" "$(ask 25 192.0.2.10 x@third.example v@example.test)"

# --- apply, restart
sed -i 's/allow @office noauth/allow @office/; s/policy ::1 10040;//' "$CONF"
ok "apply" ctl apply
is "the answers follow" "$GATEWAY" "$(relay 192.0.2.10)"
is "… and the sockets" 1 "$(srv ss -Hltnp | grep -c "pid=$DAEMON,")"
ok "undo" ctl undo
is "… and back" OK "$(relay 192.0.2.10)"
kill_daemon
ok "killed: the socket is left" test -S "$P"
ok "a new daemon takes it over" daemon
is "… and answers" "$GATEWAY" "$(relay 203.0.113.5)"
# a second one leaves a socket that is in use alone
# shellcheck disable=SC2030,SC2034
(
	RUN=$DIR/run2 STATE=$DIR/state2 PINS=$DIR/bpf2 LOG=$DIR/log2
	daemon >/dev/null && stop_daemon
	umount "$PINS"
)
ok "a second daemon says so" grep -q 'another process answers there' "$DIR/log2"
is "… and the first still answers" "$GATEWAY" "$(relay 203.0.113.5)"
ok "stopped" stop_daemon
ok "… the socket is gone" not test -e "$P"
done_testing
