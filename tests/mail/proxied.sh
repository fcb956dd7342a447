#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# proxied.sh - the mail servers behind a real haproxy on a machine of its own: who logs in, who is
# banned and who may relay is the client behind it, never the proxy; what a proxy that says nothing,
# and a client that plays the proxy, can do; XCLIENT, and Dovecot's own ways to be told an address.
. "$(dirname "$0")/lib.sh"
for c in haproxy python3; do
	command -v $c >/dev/null || skip_all "needs $c (scripts/deps)"
done

PRX=mr-$ID-prx
# the proxy: where clients find it, and where it comes from; the guarded host on the wire to it
P4=192.0.2.200 P6=2001:db8:e::200 B4=10.77.1.1 B6=2001:db8:78::1
NEIGHBOUR6=2001:db8:e::5
AWAY=v@elsewhere.example

# proxy_network: world -- proxy -- guarded host, beside world -- guarded host
proxy_network() {
	new_ns "$PRX"
	ip -n "$SRV" link add s1 type veth peer name p1 netns "$PRX"
	ip -n "$CLI" link add c1 type veth peer name p0 netns "$PRX"
	ip -n "$SRV" addr add $B4/24 dev s1
	ip -n "$SRV" addr add $B6/64 dev s1 nodad
	ip -n "$PRX" addr add 10.77.1.2/24 dev p1
	ip -n "$PRX" addr add 2001:db8:78::2/64 dev p1 nodad
	ip -n "$PRX" addr add 10.77.2.1/24 dev p0
	ip -n "$PRX" addr add 2001:db8:79::1/64 dev p0 nodad
	ip -n "$PRX" addr add $P4/32 dev lo
	ip -n "$PRX" addr add $P6/128 dev lo nodad
	ip -n "$CLI" addr add 10.77.2.2/24 dev c1
	ip -n "$CLI" addr add 2001:db8:79::2/64 dev c1 nodad
	ip -n "$SRV" link set s1 up
	ip -n "$CLI" link set c1 up
	ip -n "$PRX" link set p0 up
	ip -n "$PRX" link set p1 up
	ip -n "$SRV" route add $P4 via 10.77.1.2
	ip -n "$SRV" route add $P6 via 2001:db8:78::2
	ip -n "$CLI" route add $P4 via 10.77.2.1
	ip -n "$CLI" route add $P6 via 2001:db8:79::1
	ip -n "$PRX" route add default via 10.77.2.2
	ip -n "$PRX" route add default via 2001:db8:79::2
}

# frontend PORT BACKEND [OPTION]: on both families
frontend() {
	printf 'listen four%s\n\tbind %s:%s\n\tsource %s:0\n\tserver s %s:%s %s\n' \
		"$1" $P4 "$1" $P4 $B4 "$2" "${3:-}"
	printf 'listen six%s\n\tbind [%s]:%s\n\tsource [%s]:0\n\tserver s [%s]:%s %s\n' \
		"$1" $P6 "$1" $P6 $B6 "$2" "${3:-}"
}
haproxy_conf() {
	printf 'global\n\tmaxconn 100\ndefaults\n\tmode tcp\n\ttimeout connect 5s\n\ttimeout client 30s\n\ttimeout server 30s\n'
	frontend 25 10025 send-proxy # both versions of the header
	frontend 587 10587 send-proxy-v2
	frontend 110 10110 send-proxy
	frontend 143 10143 send-proxy-v2
	frontend 2110 110 # says nothing
}

policy() { # [MODE of the ports that expect a PROXY header]
	config <<-C
		interface s0 s1;
		proxies { $P4; $P6; }
		set front { $P4; $P6; }
		service smtp { deny $DENIED; allow permitted noauth; allow any; }
		service submission { allow $OTHER users { alice }; allow @front; }
		service pop3 { allow any; }
		service imap { allow any; }
		service behind { ports 10025 10587 10110 10143; ${1:-} allow @front; }
		permit { ttl 30m; }
		ban { ttl 1h; on failure 3 in 10m; }
		learn { file "$DOVELOG"; file "$MAILLOG"; }
		relay { local-domains { example.test }; }
		listen { policy "$SPOOL/mailreeve/policy"; socketmap off; }
		dovecot { refuse "Not from there"; }
	C
}
# by PROXY'S COMMAND: the clients of lib.sh come through the proxy
by_proxy() { local S4=$P4 S6=$P6; "$@"; }
# chat NS SRC DST PORT LINE...: each line after the answer to the one before; prints the answers
chat() {
	local ns=$1
	shift
	in_ns "$ns" python3 "$DIR/chat.py" "$@"
}
cat >"$DIR/chat.py" <<'P'
import socket, sys
src, dst, port, lines = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
s = socket.create_connection((dst, port), 5, (src, 0))
s.settimeout(5)
f = s.makefile("rb")
def done(line, sent):
    if port in (143, 10143): # tagged
        return sent in ("", "PROXY") or line.startswith(sent.encode() + b" ")
    return line[:1] in b"+-" or line[3:4] == b" " # POP3, SMTP
def answer(sent):
    while True:
        line = f.readline()
        if not line:
            raise EOFError
        print(line.decode("latin-1").rstrip("\r\n"), flush=True)
        if done(line, sent): return
try:
    if not lines or not lines[0].startswith("PROXY"): answer("")
    for l in lines:
        s.sendall(l.encode() + b"\r\n")
        answer(l.split(" ")[0])
except (EOFError, OSError) as e:
    print("closed")
P
refused() { mail "$1" "${2-a@b.example}" "${3:-$AWAY}" | grep -q 'not a gateway'; }
permits() { ctl permit list --json | jq -r .address | sort | xargs; }
bans() { ctl ban list --json | jq -r .address | sort | xargs; }
has_permit() { permits | tr ' ' '\n' | grep -qxF "$1"; }
has_ban() { bans | tr ' ' '\n' | grep -qxF "$1"; }
# wrong SERVICE SRC: a failed login; submission too
wrong() {
	case $1 in
	submission) mail "$2" a@b.example v@example.test 587 nobody >/dev/null ;;
	*) login "$1" "$2" alice wrong ;;
	esac
	return 0
}
greets() { chat "$CLI" "$1" $P4 25 | grep -q ^220; }

new_ns "$SRV"
new_ns "$CLI"
wire s0 c0
server_addresses s0
client_addresses c0
proxy_network
mkdir -p "$SPOOL"
: >"$DOVELOG"
: >"$MAILLOG"
policy
mail_host
dovecot_conf
cat >>"$DIR/dovecot/dovecot.conf" <<-X
	haproxy_trusted_networks = $P4 $P6
	login_trusted_networks = $P4 $P6
	service imap-login {
	  inet_listener imap-haproxy {
	    port = 10143
	    haproxy = yes
	  }
	}
	service pop3-login {
	  inet_listener pop3-haproxy {
	    port = 10110
	    haproxy = yes
	  }
	}
	auth_policy_server_url = http://127.0.0.1:4001/
	auth_policy_hash_nonce = 8bdc1a
	auth_policy_request_attributes = login=%{requested_username} pwhash=%{hashed_password} remote=%{rip} device_id=%{client_id} protocol=%s session_id=%{session} lport=%{lport}
X
postfix_conf
cat >>"$DIR/postfix/master.cf" <<-X
	10025      inet  n - y - - smtpd
	  -o smtpd_upstream_proxy_protocol=haproxy
	10587      inet  n - n - - smtpd
	  -o smtpd_upstream_proxy_protocol=haproxy
	  -o syslog_name=postfix/submission
X
echo "smtpd_authorized_xclient_hosts = $P4 [$P6]" >>"$DIR/postfix/main.cf"
touch -d '1 minute ago' "$DIR/postfix/main.cf" "$DIR/postfix/master.cf"
ok "mailreeved starts" daemon
sed -i "/^auth_policy_server_url/a auth_policy_server_api_header = <$STATE/dovecot.secret" "$DIR/dovecot/dovecot.conf"
ok "Dovecot starts" start_dovecot
ok "Postfix starts" start_postfix
haproxy_conf >"$DIR/haproxy.cfg"
spawn "$PRX" haproxy -db -f "$DIR/haproxy.cfg" >"$DIR/haproxy.log" 2>&1
ok "haproxy starts" within 10 greets $STRANGER

# --- the client behind the proxy
for src in "pop3 $STRANGER $P4" "imap $STRANGER6 $P6"; do
	# shellcheck disable=SC2086
	set -- $src
	ok "$2 through the proxy: relay refused" by_proxy refused "$2"
	ok "… in Postfix's log by its own address" within 3 grep -q "reject: RCPT from unknown\[$2\]" "$MAILLOG"
	ok "… in ours, too" grep -q "refused $2 at smtp to relay" "$LOG"
	is "… mail to a local domain is taken" 250 "$(by_proxy code "$2" a@b.example v@example.test)"
	ok "… a login by $1" by_proxy login "$1" "$2" alice
	ok "… in Dovecot's log by its own address" within 3 grep -q "rip=$2, lip=$3" "$DOVELOG"
	ok "… earns it a permit" within 3 has_permit "$2"
	ok "… so that it relays through the proxy" by_proxy relays "$2"
	ok "… and directly" relays "$2"
	ok "… and nobody else who comes through it" by_proxy refused "$OTHER"
done
is "the proxy has no permit" "$STRANGER6 $STRANGER" "$(permits)"
ctl permit flush >/dev/null

# --- SASL
is "SASL through the proxy relays" 250 "$(by_proxy code $OTHER a@b.example $AWAY 587 alice)"
ok "… and earns the client a permit" within 3 has_permit $OTHER
is "… only" "$OTHER" "$(permits)"
is "a rule with users means the client" "550 5.7.1 <$AWAY>: Recipient address rejected: access denied" \
	"$(by_proxy mail $OTHER a@b.example $AWAY 587 fred)"
is "… and an address that no rule holds" "550 5.7.1 <$AWAY>: Recipient address rejected: access denied" \
	"$(by_proxy mail $STRANGER a@b.example $AWAY 587 fred)"
ctl permit flush >/dev/null

# --- refused addresses: the packets are the proxy's, the questions are not
ok "a denied address meets silence" silent $DENIED 25 500
ok "… through the proxy it is greeted" greets $DENIED
is "… and refused" "550 5.7.1 <v@example.test>: Recipient address rejected: access denied" \
	"$(by_proxy mail $DENIED a@b.example v@example.test)"

# --- bans
for src in "pop3 $STRANGER" "imap $STRANGER6" "submission $ALLOWED"; do
	# shellcheck disable=SC2086
	set -- $src
	for _ in 1 2 3; do by_proxy wrong "$1" "$2"; done
	case $2 in *:*) ban=2001:db8:c::/64 ;; *) ban=$2 ;; esac
	ok "failures at $1 through the proxy ban the client" within 3 has_ban "$ban"
	is "… nobody else" 1 "$(bans | wc -w)"
	ok "… its own packets are cut" silent "$2" 110 500
	ok "… through the proxy it may not log in" by_proxy not login pop3 "$2" alice
	is "… nor send" 550 "$(by_proxy code "$2" a@b.example v@example.test)"
	ok "… others behind the proxy may" by_proxy login pop3 $OTHER alice
	is "… and send" 250 "$(by_proxy code $OTHER a@b.example v@example.test)"
	ctl ban flush >/dev/null
	ctl permit flush >/dev/null
done

# one in the network of the proxy itself: a ban of the whole /64 would be one of everybody
ip -n "$CLI" addr add $NEIGHBOUR6/128 dev c0 nodad
for _ in 1 2 3; do wrong imap $NEIGHBOUR6; done
ok "failures beside the proxy ban one address" within 3 has_ban $NEIGHBOUR6
ok "… its packets are cut" silent $NEIGHBOUR6 110 500
is "… the proxy's are not" 250 "$(by_proxy code $STRANGER6 a@b.example v@example.test)"
ctl ban flush >/dev/null

# --- a proxy that says nothing
silent_login() { cli curl -s --max-time 20 --interface $STRANGER "pop3://$P4:2110/" --user "alice:$1" -o /dev/null; }
before=$(grep -c "rip=$P4, " "$DOVELOG")
ok "a proxy that says nothing: a login is its own" silent_login alicepw
for _ in 1 2 3 4 5; do silent_login wrong; done
logged() { [ "$(grep -c "rip=$P4, " "$DOVELOG")" -ge $((before + 2)) ]; }
ok "… in Dovecot's log, too" within 5 logged
listed() { [ "$(field .learn.protected status)" -ge 1 ]; }
ok "… learned from it was that it is listed" within 5 listed
is "… it earned no permit" "" "$(permits)"
is "… and no ban" "" "$(bans)"
is "… nor gets one by hand" 1 "$(ctl ban add $P4 >/dev/null 2>&1; echo $?)"
is "… IPv6" 1 "$(ctl ban add $P6 >/dev/null 2>&1; echo $?)"
is "… or a permit" 1 "$(ctl permit add $P4 >/dev/null 2>&1; echo $?)"

# --- who plays the proxy
header="PROXY TCP4 $ALLOWED $B4 4242 25"
ok "the proxy's ports are the proxy's" silent $STRANGER 10025 500
ok "… Dovecot's, too" silent $STRANGER6 10143 500
ctl permit add $ALLOWED >/dev/null
# rcpt NS SRC [LINE...]: what a client that may not relay is told last, at port 25
rcpt() {
	local ns=$1 src=$2
	shift 2
	case $ns:$src in
	$PRX:*::*) set -- $B6 25 "$@" ;;
	$PRX:*) set -- $B4 25 "$@" ;;
	*::*) set -- $S6 25 "$@" ;;
	*) set -- $S4 25 "$@" ;;
	esac
	chat "$ns" "$src" "$@" "MAIL FROM:<a@b.example>" "RCPT TO:<$AWAY>" | tail -1 | cut -c1-3
}
is "a PROXY header where none is expected" 550 "$(rcpt "$CLI" $STRANGER "EHLO x" "$header")"
is "XCLIENT from elsewhere" "550 5.7.0" \
	"$(chat "$CLI" $STRANGER $S4 25 "EHLO x" "XCLIENT ADDR=$ALLOWED NAME=[UNAVAILABLE]" | tail -1 | cut -c1-9)"
is "… changes nothing" 550 "$(rcpt "$CLI" $STRANGER "EHLO x" "XCLIENT ADDR=$ALLOWED LOGIN=alice")"
is "… IPv6" 550 "$(rcpt "$CLI" $STRANGER6 "EHLO x" "XCLIENT ADDR=$ALLOWED LOGIN=alice")"
policy "mode shadow;"
ok "without the filter" ctl apply
is "… Dovecot takes no header of a stranger" "closed" \
	"$(chat "$CLI" $STRANGER $S4 10143 "PROXY TCP4 $ALLOWED $B4 4242 143" "a LOGIN alice alicepw" | tail -1)"
ok "… and says so" within 3 grep -q "haproxy: Client not trusted (rip=$STRANGER)" "$DOVELOG"
is "… and no address in an ID" "a OK" \
	"$(chat "$CLI" $OTHER $S4 143 "i ID (\"x-originating-ip\" \"198.51.100.7\" \"x-session-id\" \"AAAAAAAAAAAAAAAA\")" "a LOGIN alice alicepw" | tail -1 | cut -c1-4)"
ok "… the login is who it is" within 3 has_permit $OTHER
ok "… not who he said" not has_permit 198.51.100.7
# the reason for a service of its own: Postfix has no list of whom to believe
is "Postfix believes every one who reaches that port" "250" \
	"$(chat "$CLI" $STRANGER $S4 10025 "$header" "EHLO x" "MAIL FROM:<a@b.example>" "RCPT TO:<$AWAY>" | tail -1 | cut -c1-3)"
policy
ok "the filter is back" ctl apply
ok "… and cuts them off" silent $STRANGER 10025 500
ctl permit flush >/dev/null

# --- XCLIENT, Dovecot's ID and POP3's XCLIENT, from the proxy
# relay_as SRC ATTRIBUTE...: at the proxy, as this client
relay_as() {
	local src=$1
	shift
	rcpt "$PRX" "$src" "EHLO proxy" "XCLIENT $*" "EHLO client"
}
is "the proxy by itself relays nothing" 550 "$(rcpt "$PRX" $P4 "EHLO proxy")"
is "… nor as a stranger" 550 "$(relay_as $P4 ADDR=$STRANGER PORT=4242)"
ok "… the log has the client" grep -q "reject: RCPT from unknown\[$STRANGER\].*helo=<client>" "$MAILLOG"
is "… IPv6" 550 "$(relay_as $P6 ADDR=IPV6:$STRANGER6)"
ctl permit add $STRANGER >/dev/null
ctl permit add $STRANGER6 >/dev/null
is "… as one that has a permit it does" 250 "$(relay_as $P4 ADDR=$STRANGER)"
is "… IPv6" 250 "$(relay_as $P6 ADDR=IPV6:$STRANGER6)"
is "a client that is denied" 550 "$(relay_as $P4 ADDR=$DENIED LOGIN=alice)"
is "a login that the proxy vouches for relays" 250 "$(relay_as $P4 ADDR=$ALLOWED LOGIN=alice)"
is "no address at all" 554 "$(relay_as $P4 "ADDR=[UNAVAILABLE]")"
ctl permit flush >/dev/null
is "IMAP's ID from the proxy" "a OK" \
	"$(chat "$PRX" $P4 $B4 143 "i ID (\"x-originating-ip\" \"$STRANGER\")" "a LOGIN alice alicepw" | tail -1 | cut -c1-4)"
is "POP3's XCLIENT from the proxy" "+OK Logged in." \
	"$(chat "$PRX" $P6 $B6 110 "XCLIENT ADDR=$OTHER" "USER alice" "PASS alicepw" | tail -1)"
ok "… the login is the client's" within 3 has_permit $STRANGER
ok "… both are" within 3 has_permit $OTHER
is "… nobody else's: no login of XCLIENT's, no proxy" "$STRANGER $OTHER" "$(permits)"

# --- what doctor says of these very servers
inside postconf -c "$DIR/postfix" -n >"$DIR/postconf"
inside postconf -c "$DIR/postfix" -M >"$DIR/master"
inside doveconf -c "$DIR/dovecot/dovecot.conf" -n >"$DIR/doveconf"
doctor() { ctl doctor -c "$1" --postconf "$DIR/postconf" --master "$DIR/master" --doveconf "$DIR/doveconf"; }
doctor "$CONF" >"$DIR/good"
is "doctor has nothing to say of the proxies" 0 "$(grep -Ec "\[prox(ies|y-port)\]" "$DIR/good")"
grep -Ev '^(proxies|service behind)' "$CONF" >"$DIR/without.conf"
doctor "$DIR/without.conf" >"$DIR/bad"
for text in "smtpd_upstream_proxy_protocol: clients come through a proxy" "smtpd_authorized_xclient_hosts: [$P6]" \
	"login_trusted_networks: $P4" "haproxy_trusted_networks: $P4" \
	"service 10025: whoever reaches port 10025" "service 10587: whoever reaches port 10587"; do
	ok "without the list and the service it warns: ${text%%:*}" grep -qF "$text" "$DIR/bad"
done
[ $failures = 0 ] || { tail -40 "$MAILLOG" | sed 's/^/# postfix: /'; tail -20 "$DOVELOG" | sed 's/^/# dovecot: /'; cat "$DIR/haproxy.log"; }
done_testing
