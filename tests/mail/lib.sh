# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# lib.sh - real mail servers for the tests of tests/mail: Postfix and Dovecot in the guarded
# namespace of tests/net, with everything they write below $DIR.
#
# They run in a pid and a mount namespace of their own: the end of its first process is the end of
# all of them, however they made themselves daemons, and it ends with the test, even by SIGKILL.
# Nothing of the host's Postfix or Dovecot is read, written or started; no mail can leave.
. "$(dirname "${BASH_SOURCE[0]}")/../net/lib.sh"

for c in postfix dovecot smtp-sink curl setpriv socat; do
	command -v $c >/dev/null || skip_all "needs $c (scripts/deps mail)"
done
SPOOL=$DIR/spool MAILLOG=$DIR/maillog DOVELOG=$DIR/dovecot.log SINK=$DIR/sink
GUEST=203.0.113.78 # host.isp.example, by the hosts file of the mail servers

# mail_host: the namespaces for the servers; inside runs a command there
mail_host() {
	mkdir -p "$DIR/etc"
	printf '127.0.0.1 localhost\n::1 localhost\n%s mail.example.test\n%s host.isp.example\n' $S4 $GUEST >"$DIR/etc/hosts"
	# nobody answers there, at once
	printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' >"$DIR/etc/resolv.conf"
	setpriv --pdeathsig KILL nsenter --net="/run/netns/$SRV" -- \
		unshare --mount --pid --fork --kill-child=KILL --mount-proc bash -c '
			mount --make-rprivate /
			for f in hosts resolv.conf; do mount --bind "$1/etc/$f" /etc/$f; done
			touch "$1/etc/ready"
			while :; do sleep 1000 & wait $!; done' mail-host "$DIR" >/dev/null &
	pids+=($!)
	within 5 test -e "$DIR/etc/ready" || { echo "# no namespaces"; exit 1; }
	INSIDE=$(pgrep -P $!)
}
inside() { nsenter -t "$INSIDE" -n -m -p -- "$@"; }
listens() { srv ss -Hltn "sport = :$1" | grep -q .; }

# dovecot_conf: users alice and fred, passwords alicepw and fredpw
dovecot_conf() {
	mkdir -p "$DIR/dovecot" "$SPOOL/private"
	mkdir "$DIR/mail"
	chmod 1777 "$DIR/mail"
	chown postfix "$SPOOL/private"
	chmod 700 "$SPOOL/private"
	printf 'alice:{PLAIN}alicepw::::::\nfred:{PLAIN}fredpw::::::\n' >"$DIR/dovecot/users"
	cat - >"$DIR/dovecot/dovecot.conf" <<-X
		base_dir = $DIR/dovecot/run
		state_dir = $DIR/dovecot/state
		log_path = $DOVELOG
		log_timestamp = "%b %d %H:%M:%S "
		listen = *, ::
		protocols = imap pop3
		ssl = no
		disable_plaintext_auth = no
		auth_mechanisms = plain
		mail_location = maildir:$DIR/mail/%u
		first_valid_uid = 1
		auth_failure_delay = 0
		passdb {
		  driver = passwd-file
		  args = scheme=PLAIN username_format=%u $DIR/dovecot/users
		}
		userdb {
		  driver = static
		  args = uid=nobody gid=nogroup home=$DIR/mail/%u
		}
		service anvil {
		  unix_listener anvil-auth-penalty {
		    mode = 0
		  }
		}
		service auth {
		  unix_listener $SPOOL/private/auth {
		    mode = 0660
		    user = postfix
		    group = postfix
		  }
		}
	X
}
start_dovecot() {
	inside dovecot -c "$DIR/dovecot/dovecot.conf" && within 10 listens 143 && within 10 listens 110
}

# postfix_conf: port 25 in a chroot as Debian has it, 587, and 2526 and 2527 for socketmap tables
postfix_conf() {
	local f
	mkdir -p "$DIR/postfix" "$DIR/postfix-data" "$SPOOL/etc" "$SINK"
	chown postfix "$DIR/postfix-data"
	chown nobody "$SINK"
	for f in services nsswitch.conf localtime; do [ ! -e /etc/$f ] || cp -L /etc/$f "$SPOOL/etc/"; done
	cp "$DIR/etc/hosts" "$DIR/etc/resolv.conf" "$SPOOL/etc/"
	cat >"$DIR/postfix/main.cf" <<-X
		compatibility_level = 3.6
		queue_directory = $SPOOL
		data_directory = $DIR/postfix-data
		command_directory = /usr/sbin
		daemon_directory = $(postconf -dh daemon_directory 2>/dev/null)
		mail_owner = postfix
		setgid_group = postdrop
		maillog_file = $MAILLOG
		maillog_file_prefixes = $DIR
		myhostname = mail.example.test
		mydestination = example.test
		mynetworks = 127.0.0.0/8
		relay_domains = backup.example.net
		inet_interfaces = all
		inet_protocols = all
		alias_maps =
		alias_database =
		local_recipient_maps =
		local_transport = smtp:[127.0.0.1]:2525
		default_transport = smtp:[127.0.0.1]:2525
		relay_transport = smtp:[127.0.0.1]:2525
		disable_dns_lookups = yes
		smtp_host_lookup = native
		smtpd_tls_security_level = none
		smtpd_sasl_type = dovecot
		smtpd_sasl_path = private/auth
		smtpd_sasl_auth_enable = yes
		smtpd_error_sleep_time = 0
		smtpd_client_connection_count_limit = 0
		smtpd_relay_restrictions = permit_mynetworks,
		  check_policy_service { unix:mailreeve/policy, policy_context=relay, timeout=2s, default_action=DUNNO },
		  permit_sasl_authenticated, reject_unauth_destination
		smtpd_recipient_restrictions = check_policy_service
		  { unix:mailreeve/policy, timeout=2s, default_action=DUNNO }
		table_relay = permit_mynetworks, reject_unauth_destination
		table_networks = 127.0.0.0/8, socketmap:unix:mailreeve/socketmap:permit
		table_access = check_client_access socketmap:unix:mailreeve/socketmap:access
	X
	cat >"$DIR/postfix/master.cf" <<-'X'
		smtp       inet  n - y - - smtpd
		submission inet  n - n - - smtpd
		  -o syslog_name=postfix/submission
		2526       inet  n - y - - smtpd
		  -o smtpd_relay_restrictions=$table_relay
		  -o smtpd_recipient_restrictions=
		  -o mynetworks=$table_networks
		2527       inet  n - n - - smtpd
		  -o smtpd_relay_restrictions=$table_relay
		  -o smtpd_recipient_restrictions=$table_access
		cleanup    unix  n - n - 0 cleanup
		qmgr       unix  n - n 300 1 qmgr
		rewrite    unix  - - n - - trivial-rewrite
		bounce     unix  - - n - 0 bounce
		defer      unix  - - n - 0 bounce
		trace      unix  - - n - 0 bounce
		verify     unix  - - n - 1 verify
		proxymap   unix  - - n - - proxymap
		smtp       unix  - - n - - smtp
		relay      unix  - - n - - smtp
		error      unix  - - n - - error
		retry      unix  - - n - - error
		anvil      unix  - - n - 1 anvil
		scache     unix  - - n - 1 scache
		postlog    unix-dgram n - n - 1 postlogd
	X
	# a .cf that is younger than two seconds makes every Postfix program wait
	touch -d '1 minute ago' "$DIR/postfix/main.cf" "$DIR/postfix/master.cf"
}
start_postfix() {
	inside bash -c 'cd / && exec smtp-sink -u nobody -c -D "$1/%s." 127.0.0.1:2525 100' sink "$SINK" >/dev/null 2>&1 &
	pids+=($!)
	within 10 listens 2525 && inside postfix -c "$DIR/postfix" start >"$DIR/postfix.out" 2>&1 &&
		within 10 listens 25 && within 10 listens 587
}

# --- clients, in the world's namespace: every one from the address it is given ----------------

host_of() { case $1 in *:*) echo "[$S6]" ;; *) echo $S4 ;; esac; }
# mail SRC FROM TO [PORT [USER]]: what the server says last, without its greeting: 250, or a refusal
mail() {
	local login=()
	[ -z "${5:-}" ] || login=(--user "$5:${PASSWORD:-${5}pw}" --login-options AUTH=PLAIN)
	printf 'Subject: test\n\n%s\n' "${TEXT:-hello}" |
		cli curl -sv --max-time 20 --interface "$1" "smtp://$(host_of "$1"):${4:-25}/client.test" \
			"${login[@]}" --mail-from "$2" --mail-rcpt "$3" -T - 2>&1 | tr -d '\r' | reply
}
reply() { awk '/^< [45][0-9][0-9][ -]/ && !no { no = substr($0, 3) } /^< 250 2.0.0 Ok: queued/ { ok = 1 }
	END { print no ? no : ok ? 250 : "nothing" }'; }
code() { local r; r=$(mail "$@"); echo "${r%% *}"; }
# relays SRC [FROM [TO]]: may this address send to elsewhere?
relays() { [ "$(code "$1" "${2-a@b.example}" "${3:-v@elsewhere.example}")" = 250 ]; }
# smtp_session SRC [PORT]: a session that stands; say LINE: the code that the server answers.  One at a time.
smtp_session() {
	coproc SMTP { exec nsenter --net="/run/netns/$CLI" -- socat - "TCP:$S4:${2:-25},bind=$1"; }
	pids+=("$SMTP_PID")
	hear
}
hear() {
	local l
	while read -r -t 20 l <&"${SMTP[0]}" && [[ $l != [0-9][0-9][0-9]\ * ]]; do :; done
	echo "${l:0:3}"
}
say() {
	printf '%s\r\n' "$*" >&"${SMTP[1]}"
	hear
}
# login SERVICE SRC USER [PASSWORD]
login() {
	cli curl -s --max-time 20 --interface "$2" "$1://$(host_of "$2")/" --user "$3:${4:-${3}pw}" -o /dev/null
}
