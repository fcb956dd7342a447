#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# relay.sh - a real Postfix asks, a real Dovecot logs: who may relay, and for how long; senders,
# groups, each relay mode, socketmap tables, and a daemon that is gone or hangs.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../net/mariadb.sh"

# policy MODE [STATEMENT]: the policy with this relay mode; permits last three seconds
policy() {
	config <<-C
		interface s0;
		global { deny $DENIED; }
		service smtp {
			allow name isp.example noauth;
			allow $ALLOWED noauth;
			allow $ALLOWED6 noauth;
			allow permitted noauth;
			allow any;
		}
		service submission { allow $OTHER users { alice }; allow any; }
		service pop3 { allow any; }
		service imap { allow any; }
		permit { ttl 3s; }
		learn { file "$DOVELOG"; file "$MAILLOG"; }
		${2:-}
		relay {
			mode $1;
			local-domains { example.test };
			to { backup.example.net };
			kill file "kill.lst";
			accept file "accept.txt";
			groups file "groups.txt";
			check-sender yes;
			header "X-Own-Network: 8bdc1a";
		}
		listen { policy "$SPOOL/mailreeve/policy"; socketmap "$SPOOL/mailreeve/socketmap"; }
	C
}
AWAY=v@elsewhere.example
refused() { mail "$1" "${2-a@b.example}" "${3:-$AWAY}" | grep -q 'not a gateway'; }
# with_text TEXT COMMAND…: a mail that says so
# shellcheck disable=SC2034
with_text() { local TEXT=$1; shift; "$@"; }
# message TEXT: the delivered message that holds it; the sink puts those of one second together
message() { cat "$SINK"/* 2>/dev/null | awk -v t="$1" 'BEGIN { RS = "X-Client-Addr:" } index($0, t)'; }
delivered() { message "$1" | grep -q .; }
headers() { message "$1" | grep -c '^X-Own-Network: 8bdc1a' || :; }

new_ns "$SRV"
new_ns "$CLI"
wire s0 c0
server_addresses s0
client_addresses c0
GUEST6=2001:db8:d::7
ip -n "$CLI" addr add $GUEST/32 dev c0
ip -n "$CLI" addr add $GUEST6/128 dev c0 nodad
mkdir -p "$SPOOL"
: >"$DOVELOG"
: >"$MAILLOG"
echo '@*widget.com' >"$DIR/kill.lst"
echo 'boss@partner.example' >"$DIR/accept.txt"
echo 'all@example.test' >"$DIR/groups.txt"
policy addresses
mail_host
dovecot_conf
postfix_conf
ok "Dovecot starts" start_dovecot
ok "Postfix starts" start_postfix
ok "mailreeved starts" daemon
is "its socket stands in Postfix's chroot" "postfix 660" "$(stat -c '%G %a' "$SPOOL/mailreeve/policy")"

# --- POP before SMTP
for src in "pop3 $STRANGER" "imap $STRANGER6"; do
	# shellcheck disable=SC2086
	set -- $src
	is "$2: relay refused" "550 5.7.1 <$AWAY>: Recipient address rejected: unknown local host elsewhere.example, not a gateway" \
		"$(mail "$2" a@b.example $AWAY)"
	ok "… mail to a local domain is taken" relays "$2" a@b.example v@example.test
	login "$1" "$2" alice wrong
	ok "… a wrong password changes nothing" refused "$2"
	ok "… a login by $1" login "$1" "$2" alice
	ok "… and the next mail goes out, at once" relays "$2"
	ok "… nobody else's" refused $OTHER
	ok "… until the permit ends" within 8 refused "$2"
done

# --- SASL
for src in $STRANGER $STRANGER6; do
	is "SASL from $src relays" 250 "$(code "$src" a@b.example $AWAY 587 alice)"
	ok "… and earns a permit" within 3 relays "$src"
	ok "… nobody else" refused $OTHER
	ok "… that ends too" within 8 refused "$src"
	is "… a wrong password does not" "535 5.7.8" "$(PASSWORD=wrong mail "$src" a@b.example $AWAY 587 alice | cut -c1-9)"
	ok "… nor earn one" refused "$src"
done
is "a user that the rule lists" 250 "$(code $OTHER a@b.example $AWAY 587 alice)"
is "… and one that it does not" "550 5.7.1 <$AWAY>: Recipient address rejected: access denied" \
	"$(mail $OTHER a@b.example $AWAY 587 fred)"
is "… who may elsewhere" 250 "$(code $STRANGER a@b.example $AWAY 587 fred)"
# (Dovecot, which checks the passwords, does not ask here)
ok "an account is limited" ctl account allow fred smtp $STRANGER
is "… sends from its address" 250 "$(code $STRANGER a@b.example $AWAY 587 fred)"
is "… and from no other" "550 5.7.1 <$AWAY>: Recipient address rejected: access denied" \
	"$(mail $GUEST a@b.example $AWAY 587 fred)"
is "… nor to a local domain" 550 "$(code $GUEST a@b.example v@example.test 587 fred)"
ok "… nobody" ctl account remove fred
ok "… may send" ctl account allow fred smtp none
is "… as the same mailbox" 550 "$(code $STRANGER a@b.example $AWAY 587 fred)"
is "… others may" 250 "$(code $GUEST a@b.example $AWAY 587 alice)"
ctl account remove fred >/dev/null
# shop STORE: fred sends from one address of each family
shop() {
	local src
	for src in $STRANGER $STRANGER6; do
		is "$1: from its address" 250 "$(code $src a@b.example $AWAY 587 fred)"
	done
	for src in $GUEST $GUEST6; do
		is "… and from no other" 550 "$(code $src a@b.example $AWAY 587 fred)"
	done
}
ctl account allow fred smtp $STRANGER $STRANGER6
shop SQLite
ctl account remove fred >/dev/null
if database_make; then
	mysql_run "INSERT INTO mail_user (login, email) VALUES ('fred', 'fred@example.test');
		INSERT INTO mail_user_ip_restriction (mailuser_id, ip, mode, service) VALUES
			(1, '$STRANGER', 'w', 'smtp'), (1, '2001:db8:c::/64', 'w', 'smtp')" dbispconfig
	policy addresses "$(database_statement 1s last)"
	ok "MariaDB" ctl apply
	shop MariaDB
	policy addresses
	ok "no database" ctl apply
else
	skip "MariaDB" "$no_database"
fi
ok "… and all permits end" within 8 refused $STRANGER

# --- rules
ok "a network with noauth" relays $ALLOWED
ok "… IPv6" with_text from-office relays $ALLOWED6
ok "… delivered" within 5 delivered from-office
is "… with the header for filters, once" 1 "$(headers from-office)"
ok "a stranger's mail" with_text from-stranger relays $STRANGER a@b.example v@example.test
ok "… delivered" within 5 delivered from-stranger
is "… has no such header" 0 "$(headers from-stranger)"
ok "a verified name with noauth" relays $GUEST
ok "denied: the packets are dropped" silent $DENIED 25 500
is "relaying to a host that we back up" 250 "$(code $STRANGER a@b.example v@backup.example.net)"
is "… not by a detour through it" 550 "$(code $STRANGER a@b.example v%evil.example@backup.example.net)"
ok "a ban" ctl ban add $ALLOWED --ttl 2s
ok "… cuts its packets" silent $ALLOWED 25 500
ctl ban delete $ALLOWED

# --- senders and groups
is "kill list" "501 5.7.1 <v@example.test>: Recipient address rejected: unacceptable mail address" \
	"$(mail $STRANGER x@nifty.widget.com v@example.test)"
is "… from a network that may relay, too" 501 "$(code $ALLOWED x@bluewidget.com $AWAY)"
is "a sender that is no address" 501 "$(code $STRANGER x@nodots v@example.test)"
is "the null sender" 250 "$(code $STRANGER '' v@example.test)"
is "a closed group" 550 "$(code $STRANGER a@b.example all@example.test)"
is "… with a detail" 550 "$(code $STRANGER a@b.example all+x@example.test)"
is "… from who may relay" 250 "$(code $ALLOWED a@b.example all@example.test)"

# --- tables
is "socketmap as mynetworks: a stranger" 554 "$(code $STRANGER a@b.example $AWAY 2526)"
is "… who may relay" 250 "$(code $ALLOWED a@b.example $AWAY 2526)"
is "… IPv6" 250 "$(code $ALLOWED6 a@b.example $AWAY 2526)"
is "… a name opens nothing" 554 "$(code $GUEST a@b.example $AWAY 2526)"
ok "… a login" login pop3 $STRANGER alice
is "… and it relays" 250 "$(code $STRANGER a@b.example $AWAY 2526)"
is "socketmap as client table: who is refused" 550 "$(code $DENIED a@b.example v@example.test 2527)"
is "… and who is not" 250 "$(code $STRANGER a@b.example v@example.test 2527)"

# --- modes
ok "no permit is left" within 8 refused $STRANGER
# mode NAME, then 1 or 0: noauth network, stranger, as local sender, as accepted sender, logged in
mode() {
	policy "$1"
	ok "mode $1" ctl apply
	is "… a noauth network" "$2" "$(code $ALLOWED a@b.example $AWAY)"
	is "… a stranger" "$3" "$(code $GUEST6 a@b.example $AWAY)"
	is "… who says that he is ours" "$4" "$(code $GUEST6 a@example.test $AWAY)"
	is "… or on the accept list" "$5" "$(code $GUEST6 boss@partner.example $AWAY)"
	is "… who logged in" 250 "$(code $OTHER a@b.example $AWAY 587 alice)"
}
mode none 550 550 550 550
mode local-hosts 250 550 250 250
mode local-users 250 550 550 250
mode anyone 250 250 250 250
mode addresses 250 550 550 550

# --- a session that stands while the daemon is replaced
smtp_session $ALLOWED >"$DIR/greeting"
is "a session" "220 250 250" "$(cat "$DIR/greeting") $(say EHLO client.test) $(say "MAIL FROM:<a@b.example>")"
is "… relays" 250 "$(say "RCPT TO:<$AWAY>")"
kill_daemon
ok "the daemon is killed, and another one started" daemon
is "… the session goes on relaying" 250 "$(say "RCPT TO:<$AWAY>")"
ok "stopped, and started" stop_daemon
ok "… again" daemon
ctl ban add $ALLOWED --ttl 1m >/dev/null
ctl detach >/dev/null # not the packets: the answer
is "… a ban is heard of" 550 "$(say "RCPT TO:<v@example.test>")"
ctl ban delete $ALLOWED >/dev/null
ctl attach >/dev/null
end "$SMTP_PID"
smtp_session $ALLOWED 2526 >"$DIR/greeting"
say EHLO client.test >"$DIR/greeting"
say "MAIL FROM:<a@b.example>" >"$DIR/greeting"
is "a session where a table is asked" 250 "$(say "RCPT TO:<$AWAY>")"
ok "stopped" stop_daemon
ok "… and started" daemon
is "… goes on relaying" 250 "$(say "RCPT TO:<x$AWAY>")"
end "$SMTP_PID"

# --- the daemon is gone, or hangs
kill_daemon
is "daemon killed: a stranger is still refused, by Postfix" 554 "$(code $STRANGER a@b.example $AWAY)"
is "… who may relay without login must wait" 554 "$(code $ALLOWED a@b.example $AWAY)"
is "… where a table is asked, all must wait" 451 "$(code $ALLOWED a@b.example $AWAY 2526)"
is "… local mail goes on" 250 "$(code $STRANGER a@b.example v@example.test)"
is "… IPv6" 250 "$(code $STRANGER6 a@b.example v@example.test)"
is "… who logs in goes on" 250 "$(code $STRANGER a@b.example $AWAY 587 alice)"
ok "a new daemon" daemon
ok "… and all is as before" within 5 relays $ALLOWED
ok "… for strangers too" within 8 refused $STRANGER
is "… and for tables" 250 "$(code $ALLOWED a@b.example $AWAY 2526)"
kill -STOP "$DAEMON"
is "daemon hangs: local mail goes on" 250 "$(code $STRANGER a@b.example v@example.test)"
is "… and who logs in" 250 "$(code $STRANGER a@b.example $AWAY 587 alice)"
kill -CONT "$DAEMON"
ok "… and when it wakes up, all is as before" within 5 relays $ALLOWED
ok "Postfix met nothing it did not understand" not grep -Eq 'warning: .*(malformed|unexpected|bad action|mailreeve.*(format|protocol))' "$MAILLOG"
[ $failures = 0 ] || tail -30 "$MAILLOG" | sed 's/^/# postfix: /'
done_testing
