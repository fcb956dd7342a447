#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# dovecot.sh - a real Dovecot asks who may log in, and reports who did: the web shop's mailbox, rules
# with users, bans that cut the packets, an attempt that is both reported and logged, a daemon that
# is gone.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../net/mariadb.sh"

policy() { # LEARN
	config <<-C
		interface s0;
		service smtp { allow any; }
		service submission { allow any; }
		service pop3 { allow any; }
		service imap { allow $OTHER users { fred }; allow any; }
		permit { ttl 30m; services { submission }; }
		ban { ttl 1h; on failure 3 in 10m; }
		account fred { imap deny $DENIED; }
		$1
		listen { policy "$SPOOL/mailreeve/policy"; socketmap off; }
		dovecot { refuse "Not from there"; }
	C
}
# authenticates USER SRC: as a mail client does at 587
authenticates() { [ "$(code "$2" a@example.test b@example.test 587 "$1")" = 250 ]; }
says() { cli curl -sv --max-time 20 --interface "$3" "$1://$(host_of "$3")/" --user "$2:${2}pw" 2>&1; }
has_permit() { ctl permit list --json | jq -r .address | grep -qxF "$1"; }
has_ban() { ctl ban list --json | jq -r .address | grep -qxF "$1"; }
reports() { [ "$(field .dovecot.reports status)" -ge "$1" ]; }

new_ns "$SRV"
new_ns "$CLI"
wire s0 c0
server_addresses s0
client_addresses c0
mkdir -p "$SPOOL"
: >"$DOVELOG"
: >"$MAILLOG"
policy ''
mail_host
dovecot_conf
postfix_conf
ok "mailreeved starts" daemon
cat >>"$DIR/dovecot/dovecot.conf" <<-X
	auth_policy_server_url = http://127.0.0.1:4001/
	auth_policy_hash_nonce = 8bdc1a
	auth_policy_server_api_header = <$STATE/dovecot.secret
	auth_policy_request_attributes = login=%{requested_username} pwhash=%{hashed_password} remote=%{rip} device_id=%{client_id} protocol=%s session_id=%{session} lport=%{lport}
X
ok "Dovecot starts" start_dovecot
ok "Postfix starts" start_postfix

# --- the web shop: sends from one address, is not read by POP, by IMAP from everywhere
ok "nobody is limited yet" login pop3 $STRANGER alice
ctl account allow alice smtp $ALLOWED
ctl account allow alice pop3 none
ok "it sends from its own address" authenticates alice $ALLOWED
ok "and from no other" not authenticates alice $STRANGER
ok "nor over IPv6" not authenticates alice $STRANGER6
ok "nobody reads it by POP" not login pop3 $STRANGER alice
ok "not from its own address either" not login pop3 $ALLOWED alice
ok "everybody by IMAP" login imap $STRANGER alice
ok "over IPv6, too" login imap $STRANGER6 alice
ok "others are not limited" authenticates fred $STRANGER
ok "the client is told" eval 'says pop3 alice $STRANGER | grep -q "Not from there"'
ok "an account of the file" not login imap $DENIED fred

# --- rules with users
ok "a login that the rule lists" login imap $OTHER fred
ok "one that it does not" not login imap $OTHER alice
ok "another service does not care" login pop3 $OTHER fred

# --- reports
is "nothing was reported without the secret" 0 "$(field .dovecot.ignored status)"
ok "a login was reported" has_permit $STRANGER
ok "over IPv6, too" has_permit $STRANGER6
ok "a refused one earned nothing" not has_permit $DENIED

# --- an attempt that is reported and logged counts once
policy "learn { file \"$DOVELOG\"; }"
ok "the log is read as well" ctl apply
before=$(field .dovecot.reports status)
login imap $DENIED alice wrong
login imap $DENIED alice wrong
within 5 reports $((before + 2))
sleep 0.3
ok "two wrong passwords are two" not has_ban $DENIED
login imap $DENIED alice wrong
ok "the third one bans" within 3 has_ban $DENIED
ok "which cuts the packets" silent $DENIED 143
for _ in 1 2 3; do login pop3 $DENIED6 alice wrong; done
ok "the same over IPv6" within 3 has_ban 2001:db8:b::/64
ok "which cuts the packets, too" silent $DENIED6 110
ctl permit delete $ALLOWED >/dev/null # who has one may fail more often
for _ in 1 2 3; do PASSWORD=wrong mail $ALLOWED a@example.test b@example.test 587 fred >/dev/null; done
ok "and for SMTP" within 3 has_ban $ALLOWED
ok "which cuts the packets of every service" silent $ALLOWED 110
ctl ban delete $ALLOWED >/dev/null

# --- the same shop in a database
if database_make; then
	mysql_run "INSERT INTO mail_user (login, email) VALUES ('alice', 'alice@example.test');
		INSERT INTO mail_user_ip_restriction (mailuser_id, ip, mode, service) VALUES
			(1, '$OTHER', 'w', 'smtp'), (1, 'none', 'w', 'pop3')" dbispconfig
	policy "$(database_statement 1s last)"
	ok "MariaDB instead of SQLite" ctl apply
	ok "it sends from another address now" authenticates alice $OTHER
	ok "and from no other" not authenticates alice $ALLOWED
	ok "nobody reads it by POP" not login pop3 $OTHER alice
	ok "everybody by IMAP" login imap $STRANGER alice
	ok "others are not limited" authenticates fred $STRANGER
	policy ''
	ok "back to SQLite" ctl apply
else
	skip "MariaDB" "$no_database"
fi

# --- without mailreeved
ok "mailreeved stops" stop_daemon
ok "Dovecot lets in who has the password" login imap $STRANGER alice
ok "mailreeved comes back" daemon
ok "and refuses again" within 10 not login pop3 $STRANGER alice
ok "stopped" stop_daemon
ok "… and started, while Dovecot keeps its connection" daemon
ok "… nobody slips in" not login pop3 $STRANGER alice
kill -STOP "$DAEMON"
ok "mailreeved hangs: Dovecot lets in, later" login imap $STRANGER6 alice
kill -CONT "$DAEMON"
ok "and when it wakes up it refuses again" within 10 not login pop3 $STRANGER alice
done_testing
