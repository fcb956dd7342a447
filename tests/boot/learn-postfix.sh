#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# learn-postfix.sh - from a login at a real Postfix, an instance of its template unit, through the real
# journal, to a packet that passes; and what a child of that unit earns.
for c in dovecot postfix swaks logger setpriv; do
	PATH=$PATH:/usr/sbin command -v $c >/dev/null || { echo "1..0 # SKIP needs $c (scripts/deps mail test)" && exit 77; }
done
. "$(dirname "$0")/lib.sh"
NET=203.0.113

# forge UID PROGRAM ADDRESS: hands Postfix's line to the journal from within Postfix's cgroup
forge() {
	# shellcheck disable=SC2016 # for the shell inside
	inside bash -c 'echo $$ >/sys/fs/cgroup$(systemctl show -P ControlGroup postfix@-.service)/cgroup.procs || exit
		# alive until journald has looked up where it runs
		{ echo "7D2A41: client=client.example[$3], sasl_method=PLAIN, sasl_username=anna"; sleep 0.3; } |
			setpriv --reuid="$1" --regid=nogroup --clear-groups "$2" -t postfix/smtpd' forge "$@"
}
status() { inside mailreeve status --json | jq -r "$1"; }
source_is() { [ "$(status ".learn.sources[0].$1")" = "$2" ]; }
# submit ADDRESS PASSWORD: logs in at Postfix and names a recipient; its answers are printed
submit() {
	inside ip netns exec world swaks --server 10.77.0.1 --local-interface "$1" --auth LOGIN \
		--auth-user anna --auth-password "$2" --from anna@mx.example.com --to root@mx.example.com \
		--quit-after RCPT 2>&1
}

seed
mkdir -p "$work/seed/etc/dovecot" "$work/seed/etc/postfix"
echo '127.0.0.1 localhost box' >"$work/seed/etc/hosts"
echo 'nameserver 127.0.0.1' >"$work/seed/etc/resolv.conf"
cat >"$work/seed/etc/dovecot/dovecot.conf" <<-'X'
	protocols =
	ssl = no
	auth_mechanisms = plain login
	auth_failure_delay = 0
	passdb {
	  driver = static
	  args = password=secret
	}
	userdb {
	  driver = static
	  args = uid=mail gid=mail home=/tmp
	}
	service auth {
	  unix_listener /var/spool/postfix/private/auth {
	    mode = 0666
	  }
	}
X
cat >"$work/seed/etc/postfix/main.cf" <<-'X'
	compatibility_level = 3.6
	myhostname = mx.example.com
	inet_interfaces = 10.77.0.1
	inet_protocols = ipv4
	smtpd_peername_lookup = no
	smtpd_sasl_auth_enable = yes
	smtpd_sasl_type = dovecot
	smtpd_sasl_path = private/auth
	smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
	mynetworks = 127.0.0.0/8
	alias_maps =
X
boot "$work/seed"
network $NET.10 $NET.11 $NET.20
inside systemd-run -q --unit=server /usr/lib/mrnet serve 587
config <<-'C'
	interface b0;
	service smtp { allow any; }
	service submission { allow permitted; }
	ban { ttl 1h; on failure 5 in 10m; }
	learn { journal { postfix@.service } }
C
ok "Dovecot, for the passwords" inside systemctl start dovecot
ok "Postfix" inside systemctl start postfix@-.service
ok "mailreeve" inside systemctl start mailreeve
ok "follows the journal" within 5 source_is state following
is "who never logged in cannot submit" timeout "$(tries $NET.10 587)"
submit $NET.10 secret >"$work/swaks"
ok "a login at Postfix" grep -q '<-  235' "$work/swaks"
ok "opens submission" within 1 tries_is open $NET.10 587
is "a permit with its user" "$NET.10 learned anna" \
	"$(inside mailreeve permit list --json | jq -r '"\(.address) \(.origin) \(.user)"')"
for _ in 1 2 3 4 5; do submit $NET.11 guess >/dev/null; done
ok "who guesses passwords is banned" within 3 tries_is timeout $NET.11 25

inside ln /usr/bin/logger /usr/bin/smtpd # the program's name alone is nobody's proof
forge nobody smtpd $NET.20
forge "$(inside id -u postfix)" logger $NET.20
ok "what children of Postfix write is counted" within 3 source_is untrusted 2
is "and opens nothing" timeout "$(tries $NET.20 587)"
done_testing
