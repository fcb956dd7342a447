#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# dovecot-ask.sh - Dovecot's auth policy questions over HTTP, asked by a script: answers, reports
# with and without the secret, and everything that is no request.
. "$(dirname "$0")/lib.sh"
command -v curl python3 >/dev/null || skip_all "needs curl and python3 (scripts/deps)"

URL=http://127.0.0.1:4001
ask() { # COMMAND BODY [CURL-OPTION...]
	local command=$1 body=$2
	shift 2
	srv curl -s -m 5 -H 'Content-Type: application/json' "$@" -d "$body" "$URL/?command=$command"
}
question() { # LOGIN ADDRESS [PROTOCOL [PORT]]: as Dovecot 2.3 writes it
	echo "{\"device_id\":\"\",\"login\":\"$1\",\"lport\":\"${4:-0}\",\"protocol\":\"${3:-imap}\",\"pwhash\":\"09af\",\"remote\":\"$2\",\"session_id\":\"s$RANDOM\",\"tls\":false}"
}
report() { # LOGIN ADDRESS SUCCESS [SESSION]
	echo "{\"device_id\":\"\",\"login\":\"$1\",\"protocol\":\"imap\",\"pwhash\":\"09af\",\"remote\":\"$2\",\"session_id\":\"${4:-s$RANDOM}\",\"success\":$3,\"policy_reject\":false,\"tls\":false}"
}
allows() { ask allow "$(question "$@")" | jq -e '.status == 0 and (.status | type) == "number"'; }
refuses() { ask allow "$(question "$@")" | jq -e '.status == -1'; }
counted() { field ".dovecot.$1" status; }
code() { srv curl -s -m 5 -o /dev/null -w '%{http_code}' "$@"; }
has_permit() { ctl permit list --json | jq -r .address | grep -qxF "$1"; }
has_ban() { ctl ban list --json | jq -r .address | grep -qxF "$1"; }

network
config <<-C
	interface s0;
	service imap { deny $DENIED; allow $ALLOWED users { anna }; allow any; }
	service imaps { deny $DENIED; allow $ALLOWED users { anna }; allow any; }
	service submission { allow permitted; }
	permit { ttl 30m; }
	ban { ttl 1h; on failure 5 in 10m; }
	dovecot { refuse "not from there"; }
C
ok "the daemon starts" daemon

# --- questions
ok "nobody has asked" eval 'ctl status | grep -Eq "^dovecot  has not asked yet"'
ok "who may log in, may" allows fred $STRANGER
ok "a denied address may not" refuses fred $DENIED
is "and is told so" "not from there" "$(ask allow "$(question fred $DENIED)" | jq -r .msg)"
ok "a listed login may" allows ANNA $ALLOWED
ok "another may not" refuses fred $ALLOWED
ok "an IPv4-mapped address is the same address" refuses fred ::ffff:$DENIED
ok "IPv6" allows fred $STRANGER6
ok "a service that is not filtered refuses nobody" allows fred $DENIED pop3
ok "a login from nowhere has no address to judge" allows fred ''
URL='http://[::1]:4001'
ok "the other loopback address answers, too" refuses fred $DENIED
URL=http://127.0.0.1:4001
ok "a ban refuses" ctl ban add $OTHER
ok "at once" refuses fred $OTHER
ctl ban delete $OTHER >/dev/null

ok "status tells how many did" eval 'ctl status | grep -Eq "^dovecot  asked 11 times, [5-9] refused"'

# --- reports
secret=$(cat "$STATE/dovecot.secret")
is "the secret is made at the first start, for the group to read" 640 \
	"$(stat -c %a "$STATE/dovecot.secret")"
ask report "$(report anna $STRANGER true)" >/dev/null
ask report "$(report anna $STRANGER true)" -H 'X-API-Key: 1234' >/dev/null
ok "a report without the secret is ignored" not has_permit $STRANGER
is "and counted" "2 0" "$(field '.dovecot | "\(.ignored) \(.reports)"' status)"
ask report "$(report anna $STRANGER true)" -H "X-API-Key: $secret" >/dev/null
ok "one with it earns a permit" has_permit $STRANGER
ok "which opens the port" opens $STRANGER 587
ask report "$(report anna $STRANGER6 true)" -H "Authorization:  Basic $(printf 'x:%s' "$secret" | base64 -w0)" >/dev/null
ok "as Basic authorization" has_permit $STRANGER6
for _ in 1 2 3 4; do ask report "$(report x $OTHER false)" -H "X-API-Key: $secret" >/dev/null; done
ok "four failures are none too many" not has_ban $OTHER
ask report "$(report x $OTHER false twice)" -H "X-API-Key: $secret" >/dev/null
ok "five are" has_ban $OTHER
is "a report without a success is no event" 0 "$(ask report "$(question x $DENIED)" -H "X-API-Key: $secret" | jq .status)"

# --- what is no request
is "GET is refused" 405 "$(code "$URL/?command=allow")"
is "an unknown command" 404 "$(code -d '{}' "$URL/?command=reset")"
is "no JSON" 400 "$(code -d 'x=1' "$URL/?command=allow")"
is "no address" 400 "$(code -d '{"login":"fred"}' "$URL/?command=allow")"
head -c 100000 /dev/zero | tr '\0' ' ' >"$DIR/big"
is "a body that is too long" 413 "$(code -d @"$DIR/big" "$URL/?command=allow")"
is "chunked is as good" 0 "$(ask allow "$(question fred $STRANGER)" -H 'Transfer-Encoding: chunked' | jq .status)"
is "they are counted" 5 "$(counted bad)"

# --- connections
cat >"$DIR/many.py" <<'P'
import socket, sys
body = sys.argv[1].encode()
head = b"POST /?command=allow HTTP/1.1\r\nHost: x\r\nConnection: Keep-Alive\r\nContent-Length: %d\r\n\r\n" % len(body)
def answer(s):
    data = b""
    while b"\r\n\r\n" not in data or len(data.split(b"\r\n\r\n", 1)[1]) < int(data.lower().split(b"content-length:")[1].split()[0]):
        more = s.recv(4096)
        assert more, "closed"
        data += more
    assert b" 200 " in data.split(b"\r\n")[0] and b'"status": 0' in data, data
    return data
all = [socket.create_connection(("127.0.0.1", 4001), 5) for _ in range(100)]
half = socket.create_connection(("127.0.0.1", 4001), 5)
half.sendall(head[:40])                     # never finishes
for round in range(5):
    for s in all: s.sendall(head)           # all are in flight, the bodies come later
    for s in reversed(all): s.sendall(body[:20])
    for s in all: s.sendall(body[20:])
    for s in all: answer(s)
all[0].sendall((head + body) * 3)           # pipelined
got = b""
while got.count(b'"status": 0') < 3: got += all[0].recv(4096)
print("fine")
P
is "a hundred connections, kept alive, in pieces" fine "$(srv python3 "$DIR/many.py" "$(question fred $STRANGER)" 2>&1 | tail -1)"

# --- policies come and go
config <<-C
	interface s0;
	service imap { deny $DENIED; allow any; }
	service imaps { deny $DENIED; allow any; }
	dovecot { listen 127.0.0.1 4005; }
C
ok "another port" eval 'ctl apply | grep -q "is active: 4 rules, .* classes,"'
is "the old one is closed" 000 "$(code -d '{}' "$URL/?command=allow")"
URL=http://127.0.0.1:4005
ok "the new one answers" refuses fred $DENIED
chmod 644 "$STATE/dovecot.secret"
ok "a secret that others may read" ctl apply
ask report "$(report anna 203.0.113.9 true)" -H "X-API-Key: $secret" >/dev/null
ok "is none" not has_permit 203.0.113.9
ok "and status warns" within 2 eval 'field ".warnings[]" status | grep "others may read"'
config <<-C
	interface s0;
	service imap { allow any; }
C
ok "no statement" eval 'ctl apply | grep -q "is active: 1 rule, .* 1 class,"'
is "nobody listens" 000 "$(code -d '{}' "$URL/?command=allow")"

# --- a host without IPv6
srv sysctl -qw net.ipv6.conf.lo.disable_ipv6=1
config <<-C
	interface s0;
	service imap { deny $DENIED; allow any; }
	service imaps { deny $DENIED; allow any; }
	dovecot { }
C
lines=$(wc -l <"$LOG")
ok "the statement again, where there is no ::1" ctl apply
URL=http://127.0.0.1:4001
ok "the other address answers" refuses fred $DENIED
socket() { srv ss -Htlne 'sport = 4001' | grep -o 'ino:[0-9]*'; }
before=$(socket)
ok "applied once more" ctl apply
is "that one is the same" "$before" "$(socket)"
is "nothing is said of IPv6" "" "$(tail -n +$((lines + 1)) "$LOG" | grep -F '::1')"
done_testing
