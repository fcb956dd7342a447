#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# descriptors.sh - no file descriptor is left when somebody connects: at each of the doors the
# daemon lets him wait and sleeps, instead of turning without end, and serves him when one is free.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip_all "needs python3 (scripts/deps)"

network 143
config <<-C
	interface s0;
	service smtp { allow any; }
	service imap { allow any; }
	dovecot { }
	listen { policy "$DIR/ask/policy"; policy 127.0.0.1 10031; socketmap "$DIR/ask/socketmap"; }
C
ok "the daemon starts" daemon
# lowest: the first number that no descriptor of the daemon has
lowest() { for ((i = 0; ; i++)); do [ -e "/proc/$DAEMON/fd/$i" ] || break; done && echo $i; }
# ran: nanoseconds that the daemon was on a CPU
ran() { awk '{ s += $1 } END { print s + 0 }' "/proc/$DAEMON"/task/*/schedstat; }
# knock KIND PLACE: says "answered" once it is
knock() {
	spawn "$SRV" python3 -c '
import socket, sys
kind, place = sys.argv[1:]
say = b"request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.1\nserver_port=25\n\n"
if kind == "socketmap":
    say = b"16:permit 192.0.2.1,"
if kind == "http":
    say = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
if kind == "control":
    say = b"\0AUTH EXTERNAL\r\nDATA\r\n"
if place.startswith("/"):
    s = socket.socket(socket.AF_UNIX)
    s.connect(place)
else:
    s = socket.create_connection(("127.0.0.1", int(place)))
s.sendall(say)
print("answered" if s.recv(100) else "closed", flush=True)
' "$1" "$2" >"$DIR/answer"
	knocker=$spawned
}
answered() { grep -q answered "$DIR/answer"; }
ask() { knock "$1" "$2" && within 5 answered && end "$knocker"; }
# full KIND PLACE
full() {
	ok "$1 at $2: asked, and answered" ask "$1" "$2"
	sleep 0.3 # what was closed is closed
	prlimit --pid "$DAEMON" --nofile="$(lowest):"
	knock "$1" "$2"
	sleep 0.5
	before=$(ran)
	sleep 2
	ok "… with no descriptor left it sleeps" test $(($(ran) - before)) -lt 200000000
	ok "… and lets him wait" not grep -q . "$DIR/answer"
	ok "… and tells" grep -q "$2.*no file descriptor is left" "$LOG"
	prlimit --pid "$DAEMON" --nofile=1024:
	ok "… and answers when there are some" within 5 answered
	end "$knocker"
}
full policy "$DIR/ask/policy"
full policy 10031
full socketmap "$DIR/ask/socketmap"
full http 4001
full control "$RUN/control"
ok "the daemon answers as ever" daemon_answers
ok "and ends as it should" stop_daemon
done_testing
