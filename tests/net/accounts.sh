#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# accounts.sh - mailboxes limited to addresses, asked as Dovecot and Postfix ask: in the file, in SQLite as the
# command changes it, in a real MariaDB with the tables of ISPConfig, started here on a socket and in
# a directory of its own.  The web shop: sends from its own address only, is not read by POP, and is
# by IMAP from everywhere.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/mariadb.sh"
command -v curl >/dev/null || skip_all "needs curl (scripts/deps)"

command -v socat >/dev/null || skip_all "needs socat (scripts/deps)"

URL=http://127.0.0.1:4001 SHOP=10.0.0.101
status_of() { # LOGIN ADDRESS PROTOCOL
	srv curl -s -m 5 -d "{\"login\":\"$1\",\"protocol\":\"$3\",\"remote\":\"$2\",\"session_id\":\"\"}" \
		"$URL/?command=allow" | jq -c .status
}
allows() { [ "$(status_of "$@")" = 0 ]; }
refuses() { [ "$(status_of "$@")" = -1 ]; }
account() { ctl account "$@"; }
# request LOGIN ADDRESS [PORT]: what Postfix sends
request() {
	printf 'request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=%s\nserver_port=%s\n' "$2" "${3:-587}"
	printf 'sender=a@example.com\nrecipient=v@elsewhere.example\nsasl_username=%s\npolicy_context=%s\n\n' "$1" "${4:-}"
}
# sends LOGIN ADDRESS [PORT [CONTEXT]]: what Postfix is told when he sends mail
sends() { request "$@" | socat -t 5 - "UNIX-CONNECT:$DIR/ask/policy" | sed -n 's/^action=//p'; }
# why TEXT ARGUMENT…: `why` says so
why() { local text=$1; shift; ctl why "$@" | grep -qF -- "$text"; }
no_mail="550 5.7.1 access denied"

# the_shop NAME: what must hold for it, whatever store it stands in
the_shop() {
	ok "$2: sends from its own address" allows "$1" $SHOP smtp
	ok "$2: and from no other" refuses "$1" 10.0.0.102 smtp
	ok "$2: nor over IPv6" refuses "$1" "$STRANGER6" smtp
	ok "$2: nobody reads it by POP" refuses "$1" $SHOP pop3
	ok "$2: everybody by IMAP" allows "$1" "$STRANGER" imap
	ok "$2: its name in capitals is its name" refuses "${1^^}" 10.0.0.102 smtp
	ok "$2: a client without an address" refuses "$1" '' smtp
	is "$2: Postfix takes its mail from there" DUNNO "$(sends "$1" $SHOP)"
	is "$2: … to be relayed" OK "$(sends "$1" $SHOP 587 relay)"
	is "$2: from elsewhere it does not" "$no_mail" "$(sends "$1" 10.0.0.102)"
	is "$2: … nor relays it" "$no_mail" "$(sends "$1" 10.0.0.102 587 relay)"
	is "$2: … nor over IPv6" "$no_mail" "$(sends "${1^^}" "$STRANGER6")"
	is "$2: … nor at a port of no service" "$no_mail" "$(sends "$1" 10.0.0.102 2525)"
	is "$2: … nor with blanks behind its name" "$no_mail" "$(sends "$1  " 10.0.0.102)"
	is "$2: … nor without an address" "$no_mail" "$(sends "$1" unknown)"
}
policy() { # ACCOUNTS
	config <<-C
		interface s0;
		service imap { deny $DENIED; allow any; }
		service imaps { deny $DENIED; allow any; }
		service submission { allow any; }
		relay { local-domains { example.com }; }
		listen { policy "$DIR/ask/policy"; socketmap off; }
		account shop@example.com { smtp allow $SHOP; pop3 allow none; }
		$1
		dovecot { listen 127.0.0.1; }
	C
}

network
policy ''
ok "the daemon starts" daemon
the_shop shop@example.com "the file"
ok "others are not limited" allows fred@example.com $STRANGER smtp
is "… nor does Postfix ask more of them" DUNNO "$(sends fred@example.com $STRANGER)"
line=$(grep -n '^account' "$CONF" | cut -d: -f1)
ok "why: the limit of the file" why "by       smtp allow $SHOP  ($CONF:$line)" $SHOP submission --user shop@example.com
ok "why: … that refuses" why "only     smtp allow $SHOP  ($CONF:$line)" 10.0.0.102 submission --user shop@example.com
ok "why: none" why "account  fred@example.com: no limit for smtp" $SHOP submission --user fred@example.com
ok "the reason is in the log" grep -q "refused 10.0.0.102 at submission, user shop@example.com: .*the account's limits" "$LOG"
ok "… where no service is, too" grep -q "refused unknown at submission\|refused 10.0.0.102 at a port of no service, user shop@" "$LOG"

# --- SQLite, found through the runtime directory
ok "no store is none" allows shop2@example.com 10.0.0.102 smtp
ok "allow" account allow shop2@example.com smtp $SHOP
ok "allow none" account allow shop2@example.com pop3 none
the_shop shop2@example.com SQLite
is "the store is in the state directory" "2" "$(account show shop2@example.com --db "$STATE/accounts.db" | wc -l)"
ok "why: the limit in SQLite" why "by       smtp allow $SHOP  (sqlite)" $SHOP submission --user shop2@example.com
ok "why: … that refuses, at a port of no service, too" why "only     pop3 allow none  (sqlite)" $SHOP pop3 --user shop2@example.com
is "why: … in JSON, and the answer is no" '1 {"from":"sqlite","text":"smtp allow 10.0.0.101"}' \
	"$(ctl why 10.0.0.102 submission --user shop2@example.com --json >"$DIR/why"; echo "$? $(jq -c '.account.allows[0]' "$DIR/why")")"
ok "a network and IPv6" account allow shop2@example.com smtp 10.0.1.0/24 2001:db8:c::/48
ok "are seen at once" allows shop2@example.com 10.0.1.7 smtp
ok "both" allows shop2@example.com "$STRANGER6" smtp
ok "deny" account deny shop2@example.com 10.0.1.66
ok "refuses, within what is allowed" refuses shop2@example.com 10.0.1.66 smtp
ok "for every family" refuses shop2@example.com 10.0.1.66 imap
is "the list" "shop2@example.com any deny 10.0.1.66
shop2@example.com pop3 allow none
shop2@example.com smtp allow 10.0.0.101
shop2@example.com smtp allow 10.0.1.0/24
shop2@example.com smtp allow 2001:db8:c::/48" "$(account list)"
account list >"$DIR/list"
ok "remove" account remove shop2@example.com
ok "lifts the limits" allows shop2@example.com 10.0.1.66 smtp
is "what is not there cannot be removed" 1 "$(account remove shop2@example.com >/dev/null; echo $?)"
echo "fred@example.com imap allow 192.0.2.1/240" >>"$DIR/list"
is "a faulty line imports nothing" "2 no mailbox is limited" \
	"$(account import "$DIR/list" 2>/dev/null; echo "$? $(account list)")"
sed -i '$d' "$DIR/list"
ok "a list comes back" account import "$DIR/list"
ok "and holds" refuses shop2@example.com 10.0.1.66 imap
ok "the address is asked first" refuses fred@example.com "$DENIED" imap
printf 'no database\n' >"$DIR/broken.db"
policy "accounts sqlite { path \"$DIR/broken.db\"; on-failure deny; }"
ok "another store, broken" ctl apply
ok "on-failure deny refuses" refuses fred@example.com "$STRANGER" imap
is "… mail too" "$no_mail" "$(sends fred@example.com $STRANGER)"
is "… but not who has not logged in" DUNNO "$(sends '' $STRANGER)"
ok "status says why" within 2 eval 'field ".warnings[]" status | grep "not a database"'
ok "why says so" why "not a database: on-failure says deny" $STRANGER imap --user fred@example.com
ok "why, of the file alone, too" why "not a database: left out here" $STRANGER imap --user fred@example.com -c "$CONF"
policy "accounts sqlite { path \"$STATE/accounts.db\"; }"
ok "… which reads a store that can be read" why "by       any deny 10.0.1.66  (sqlite)" 10.0.1.66 imap --user shop2@example.com -c "$CONF"
policy "accounts sqlite { path \"$DIR/broken.db\"; on-failure allow; }"
ok "on-failure allow" ctl apply
ok "allows" allows shop2@example.com "$STRANGER" smtp
is "… mail too" DUNNO "$(sends shop2@example.com $STRANGER)"
ok "but what the file says holds" refuses shop@example.com 10.0.0.102 smtp

# --- whom the file lets read and not write: what SQLite left beside it makes reading a way of writing
mkdir -m 755 "$DIR/shared"
account allow fred@example.com imap $SHOP --db "$DIR/shared/accounts.db"
chmod 644 "$DIR/shared/accounts.db"
printf '%4096s' '' >"$DIR/shared/accounts.db-wal"
stranger() { setpriv --reuid=65534 --regid=65534 --clear-groups "$MR_BUILD/mailreeve" --runtime-dir "$RUN" account "$@" --db "$DIR/shared/accounts.db" 2>&1; }
for what in list "show fred@example.com" "allow fred@example.com any"; do
	# shellcheck disable=SC2086
	is "who may not: $what: the way out" "3 run as root" "$(said=$(stranger $what); echo "$? ${said##*: }")"
done
rm "$DIR/shared/accounts.db-wal"
chmod 600 "$DIR/shared/accounts.db"
is "who may not even read" "3 run as root" "$(said=$(stranger list); echo "$? ${said##*: }")"

# --- MariaDB
if ! database_make; then
	skip "MariaDB" "$no_database"
	done_testing
fi
mysql_run "
	INSERT INTO mail_user (login, email) VALUES ('shop3', 'shop3@example.com'), ('anna', 'anna@example.com'),
		('all@example.com', 'all@example.com'), ('odd', 'odd@example.com'),
		('mask', 'mask@example.com');
	INSERT INTO mail_user_ip_restriction (mailuser_id, ip, mode, service) VALUES
		(1, '$SHOP', 'w', 'smtp'), (1, 'none', 'w', 'pop3'),
		(2, '192.0.2.0/24', 'w', 'imap'), (2, '2001:db8::/32', 'w', 'imap'), (2, '192.0.2.66', 'b', 'imap'),
		(3, '192.0.2.1', 'w', ''), (3, '192.0.2.2', 'w', NULL),
		(4, 'somewhere', 'w', 'imap'), (4, 'somewhere', 'b', 'pop3'),
		(5, ' 192.0.2.0/255.255.255.128 ', 'w', 'imap')" dbispconfig
maria() { policy "$(database_statement "$1" "$2")"; }
maria 300ms last
ok "MariaDB" ctl apply
the_shop shop3@example.com "MariaDB, by email"
the_shop shop3 "MariaDB, by login"
ok "a network" allows anna 192.0.2.9 imap
ok "IPv6" allows anna "$STRANGER6" imap
ok "a black list within it" refuses anna 192.0.2.66 imap
ok "another network" refuses anna 198.51.100.1 imap
ok "an empty service is every one" refuses all@example.com 192.0.2.3 sieve
ok "NULL, too" allows all@example.com 192.0.2.2 smtp
ok "what is no address in a white list lets nobody in" refuses odd 192.0.2.1 imap
ok "in a black list it does nothing" allows odd 192.0.2.1 pop3
ok "a quote is a character" allows "x' OR '1'='1" 192.0.2.1 imap
mysql_run "ALTER TABLE mail_user CONVERT TO CHARACTER SET utf8mb3 COLLATE utf8mb3_bin" dbispconfig
ok "a name that the columns have no letters for is nobody's" allows $'fr\U1F600d' 192.0.2.1 imap
is "… and no trouble of the database" null "$(field .accounts.error status)"
ok "… capitals, in columns that tell them apart" refuses MASK 192.0.2.200 imap
ok "… a netmask" allows mask 192.0.2.100 imap
ok "why: the row that allows" why "by       imap allow 192.0.2.0/24  (mariadb, row 3)" 192.0.2.9 imap --user anna
ok "why: … that refuses" why "by       imap deny 192.0.2.66  (mariadb, row 5)" 192.0.2.66 imap --user anna
is "why: … in JSON" 1 "$(ctl why 10.0.0.102 submission --user shop3 --json | jq -c '.account.allows[0].row')"
mysql_run "DELETE FROM mail_user_ip_restriction WHERE mailuser_id = 2" dbispconfig
ok "a change is seen when the answer is old" within 3 allows anna 198.51.100.1 imap
is "the daemon only reads" 7 "$(mysql_run 'SELECT count(*) FROM mail_user_ip_restriction' dbispconfig | tail -1)"

ok "remembered" refuses shop3 10.0.0.102 smtp
end "$db"
sleep 0.4
ok "the database is down: the last known answer holds" refuses shop3 10.0.0.102 smtp
ok "why says so" why "the last answer known holds" 10.0.0.102 submission --user shop3
ok "for those that are allowed, too" allows shop3 $SHOP smtp
is "… mail is refused by it, too" "$no_mail" "$(sends shop3 10.0.0.102)"
ok "who is not known is not limited" allows nobody "$STRANGER" smtp
ok "status warns" within 2 eval 'field ".warnings[]" status | grep "MariaDB"'
ok "the database comes back" database
ok "and is asked again" within 10 eval 'allows nobody $STRANGER smtp && [ "$(field .accounts.error status)" = null ]'

# a database that hangs delays nobody longer than his server waits; on one connection the answers
# keep their order, and those before the one that waits are not held up
connections() { [ "$(field .answers.connections status)" = "$1" ]; }
answers() { [ "$(grep -c action= "$DIR/answers")" = "$1" ]; }
kill -STOP "$db"
sleep 0.4
(for i in $(seq 40); do request "lost$i" $STRANGER; done) >"$DIR/lost"
spawn "$SRV" socat -u "OPEN:$DIR/lost,ignoreeof" "UNIX-CONNECT:$DIR/ask/policy" && lost=$spawned
mkfifo "$DIR/asks"
exec 9<>"$DIR/asks"
spawn "$SRV" socat "$DIR/asks!!CREATE:$DIR/answers" "UNIX-CONNECT:$DIR/ask/policy"
(request '' $STRANGER; request shop3 10.0.0.102; request '' $STRANGER; request shop3 $SHOP 587 relay) >&9
ok "what stands before it is answered" within 1 answers 1
ok "two wait" connections 2
end "$lost" # … while the store is asked for it
ok "who leaves is forgotten at once" within 1 connections 1
before=${EPOCHREALTIME/./}
ok "a database that hangs: the last known answer" refuses shop3 10.0.0.102 smtp
ok "before Dovecot gives up" test $((${EPOCHREALTIME/./} - before)) -lt 2000000
ok "why does not wait for ever" why "no answer is known, so it limits nobody" $STRANGER imap --user hanging
ok "then the others, in their order" within 3 answers 4
is "… all of them" "DUNNO/$no_mail/DUNNO/OK/" "$(sed -n 's/^action=//p' "$DIR/answers" | tr '\n' /)"
exec 9>&-
ok "and meanwhile the daemon answers" timeout 1 "$MR_BUILD/mailreeve" --runtime-dir "$RUN" status
kill -CONT "$db"

chmod 644 "$DIR/password"
maria 300ms deny
ok "a password file that others may read" ctl apply
ok "is an error: on-failure" refuses nobody "$STRANGER" smtp
ok "status says so" within 2 eval 'field ".warnings[]" status | grep "others may read"'
done_testing
