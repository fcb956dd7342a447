#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# learn.sh - from a login at a real Dovecot, through the real journal, to a packet that passes: the
# unit as it is installed, forgers inside and outside of Dovecot's unit, guessed passwords, a journal
# that is rotated, vacuumed and restarted, a cursor that is gone, restart and reboot.
for c in dovecot curl logger setpriv; do
	command -v $c >/dev/null || { echo "1..0 # SKIP needs $c (scripts/deps mail test)" && exit 77; }
done
. "$(dirname "$0")/lib.sh"
NET=203.0.113

dovecot_conf() {
	mkdir -p "$work/seed/etc/dovecot" "$work/seed/srv/mail"
	chmod 1777 "$work/seed/srv/mail"
	# Dovecot asks for its host's name, and nobody would answer
	echo '127.0.0.1 localhost box' >"$work/seed/etc/hosts"
	echo 'nameserver 127.0.0.1' >"$work/seed/etc/resolv.conf"
	cat >"$work/seed/etc/dovecot/dovecot.conf" <<-'X'
		listen = *
		protocols = imap pop3
		ssl = no
		disable_plaintext_auth = no
		auth_mechanisms = plain
		auth_failure_delay = 0
		mail_location = maildir:/srv/mail/%u
		first_valid_uid = 1
		# as Debian has it, in front of another: libpam logs for itself what it did not find
		passdb {
		  driver = pam
		}
		passdb {
		  driver = static
		  args = password=secret
		}
		userdb {
		  driver = static
		  args = uid=mail gid=mail home=/srv/mail/%u
		}
		service anvil {
		  unix_listener anvil-auth-penalty {
		    mode = 0
		  }
		}
	X
	mkdir -p "$work/seed/etc/pam.d"
	printf 'auth required pam_unix.so nodelay\naccount required pam_unix.so\n' >"$work/seed/etc/pam.d/dovecot"
}
# login ADDRESS [PROTOCOL [PASSWORD]]: a client of the world logs in
login() {
	inside ip netns exec world curl -s --max-time 5 --interface "$1" -u "anna:${3:-secret}" \
		"${2:-imap}://10.77.0.1/" >/dev/null
}
line() { echo "imap-login: Login: user=<anna>, method=PLAIN, rip=$1, lip=10.77.0.1, mpid=77, session=<f0rgedSession>"; }
# forge UNIT UID ADDRESS: hands Dovecot's line to the journal, as that user, in that unit's cgroup
forge() {
	line "$3" | inside bash -c '
		echo $$ >/sys/fs/cgroup/system.slice/$1/cgroup.procs || exit
		# alive until journald has looked up where it runs
		{ cat; sleep 0.3; } | setpriv --reuid="$2" --regid="$2" --clear-groups logger -t dovecot -p mail.info' forge "$1" "$2"
}
status() { inside mailreeve status --json | jq -r "$1"; }
source_is() { [ "$(status ".learn.sources[0].$1")" = "$2" ]; }
opens() { within 3 tries_is open "$1" 587; }
active() { [ "$(inside systemctl is-active "$1")" = active ]; }
dovecot_listens() { inside bash -c 'exec 3<>/dev/tcp/127.0.0.1/143'; }
in_journal() { inside journalctl -q --no-pager -t dovecot | grep -q "rip=$1,"; }

# latency ADDRESS: from the time at which journald got Dovecot's line to the first SYN that passed
latency() {
	local line first boot monotonic
	inside systemd-run -q --unit=sniff -p StandardOutput=file:/run/sniff /usr/lib/mrnet sniff b0 587
	within 5 inside grep -q ready /run/sniff
	inside ip netns exec world /usr/lib/mrnet spray c0 "$(inside cat /sys/class/net/b0/address)" \
		10.77.0.1 587 2500 100 "$1" >/dev/null &
	sleep 0.1
	login "$1"
	wait $!
	inside systemctl stop sniff
	first=$(inside sed -n "s/^$1 [0-9]* \([0-9]*\) .*/\1/p" /run/sniff)
	line=$(inside journalctl -q --no-pager -t dovecot -o json | jq -r "select((.MESSAGE | type) == \"string\" and
		(.MESSAGE | contains(\"rip=$1,\"))) | \"\(.__MONOTONIC_TIMESTAMP) \(.__REALTIME_TIMESTAMP) \(._SOURCE_REALTIME_TIMESTAMP)\"" | head -1)
	# the journal counts from the monotonic clock, the packet from the one that goes on in suspend
	read -r monotonic boot < <(python3 -c 'import time
print(time.clock_gettime_ns(time.CLOCK_MONOTONIC), time.clock_gettime_ns(time.CLOCK_BOOTTIME))' 2>/dev/null || echo 0 0)
	[ -n "$first" ] && [ -n "$line" ] || { echo "# latency: nothing to measure" && return; }
	# shellcheck disable=SC2086 # three numbers
	set -- $line
	awk -v first="$first" -v m="$1" -v wall="$2" -v written="$3" -v offset=$((boot - monotonic)) 'BEGIN {
		at = first - offset
		printf "# latency: %.2f ms from the line in the journal to a SYN that passes, %.2f ms from when journald got it\n",
			at / 1e6 - m / 1e3, at / 1e6 - m / 1e3 + (wall - written) / 1e3 }'
}

# many RATE N: so many logins, written to the journal as Dovecot's log process does, among so many lines
# a second; each is followed by SYNs until one is answered
many() {
	inside systemd-run -q --wait --unit=dovecot-many -p SyslogIdentifier=dovecot -p LogRateLimitIntervalSec=0 \
		-p StandardError=truncate:/run/many sh -c 'sleep 1.2 # until journald looks up anew who writes
		exec ip netns exec world /usr/lib/mr-test/log learn c0 "$1" 10.77.0.1 587 - "$2" "$3"' \
		many "$(inside cat /sys/class/net/b0/address)" "$1" "$2"
	local rc=$?
	echo "# $1 lines a second: $(inside cat /run/many)"
	return $rc
}

seed
mkdir -p "$work/seed/usr/lib/mr-test"
cp "$work/seed/usr/lib/mrnet" "$work/seed/usr/lib/mr-test/log"
dovecot_conf
boot "$work/seed"
addresses=()
for i in {10..59}; do addresses+=("$NET.$i"); done
network "${addresses[@]}"
inside systemd-run -q --unit=server /usr/lib/mrnet serve 25 587
ok "Dovecot is up" inside systemctl start dovecot
ok "and answers" within 5 dovecot_listens
login $NET.10
config <<-'C'
	interface b0;
	service smtp { allow any; }
	service submission { allow permitted; }
	service imap { allow any; }
	service pop3 { allow any; }
	permit { ttl 30m; }
	ban { ttl 1h; on failure 5 in 10m; }
	learn {
		journal { unit { dovecot.service dovecot-many.service flood.service }; format dovecot; }
		file "/var/log/mail.log" { format postfix; }
	}
C
# as rsyslog makes it
inside install -m 640 -o root -g adm /dev/null /var/log/mail.log
ok "start" inside systemctl start mailreeve
ok "the journal is followed, as a user of its own" within 5 source_is state following
is "who never logged in cannot submit" timeout "$(tries $NET.11 587)"

# --- what opens
login $NET.11
ok "an IMAP login opens submission" opens $NET.11
login $NET.12 pop3
ok "a POP3 login too" opens $NET.12
is "a login from before the first start earns nothing" timeout "$(tries $NET.10 587)"
is "learned, with its user" "$NET.11 learned anna" \
	"$(inside mailreeve permit list --json | jq -r 'select(.address == "'$NET.11'") | "\(.address) \(.origin) \(.user)"')"
echo "$(LC_ALL=C date '+%b %e %H:%M:%S') mx postfix/submission/smtpd[77]: 7D2A41: client=unknown[$NET.25], sasl_method=PLAIN, sasl_username=anna" |
	inside tee -a /var/log/mail.log >/dev/null
ok "a login in a file of group adm too" opens $NET.25
for i in 50 51 52; do latency $NET.$i; done

many 0 100 >"$work/many"
ok "every login in the journal opens the port" test $? = 0
inside mailreeve permit flush >/dev/null
many 5000 300 >>"$work/many"
ok "among 5,000 lines a second too" test $? = 0
cat "$work/many"
inside mailreeve permit flush >/dev/null
login $NET.11
ok "the first one again" opens $NET.11

# --- what does not
nobody=$(id -u nobody)
mail=$(id -u mail)
line $NET.20 | inside setpriv --reuid="$nobody" --regid="$nobody" --clear-groups logger -t dovecot -p mail.info
inside systemd-run -q --wait --uid=mail sh -c "logger -t dovecot -p mail.info '$(line $NET.21)'; sleep 0.3"
forge dovecot.service "$mail" $NET.22
ok "a script of a user inside Dovecot's unit is counted" within 3 source_is untrusted 1
forge dovecot.service "$nobody" $NET.23
forge dovecot.service 0 $NET.24
ok "root's logger there, too" within 3 source_is untrusted 3
ok "all five lines are in the journal" within 3 sh -c "
	[ \"\$('$box' exec '$B' journalctl -q --no-pager -t dovecot -g f0rgedSession | wc -l)\" = 5 ]"
login $NET.13
ok "behind them, a login opens" opens $NET.13
is "the forgers opened nothing" "" "$(for i in 20 21 22 23 24; do tries $NET.$i 587 300; done | grep -v timeout)"
ok "status warns" sh -c "'$box' exec '$B' mailreeve status --json | jq -e '.warnings[] | select(contains(\"somebody else\"))'"

is "a good neighbour is served" open "$(tries $NET.30 143)"
for _ in 1 2 3 4; do login $NET.30 imap guess; done
ok "libpam tells of each guess, too" within 3 sh -c "
	[ \"\$('$box' exec '$B' journalctl -q --no-pager -t auth -g 'rhost=$NET.30' | wc -l)\" = 4 ]"
is "four guesses are no ban" open "$(tries $NET.30 25)"
login $NET.30 imap guess
ok "who guesses passwords is banned" within 3 tries_is timeout $NET.30 25
is "from every service" timeout "$(tries $NET.30 143)"
is "a ban that says why" "$NET.30 learned" "$(inside mailreeve ban list --json | jq -r '"\(.address) \(.origin)"')"

# --- lines that journald drops
# flood: 2,000 lines at once, where 20 a second are kept, and some when the second is over
flood() {
	inside systemd-run -q --wait --unit=flood -p LogRateLimitIntervalSec=1s -p LogRateLimitBurst=20 \
		sh -c 'seq 2000; for i in 1 2 3; do sleep 1.2; echo end; done'
}
printf '%s\n' MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e N_DROPPED=7 _TRANSPORT=driver \
	OBJECT_SYSTEMD_UNIT=dovecot.service MESSAGE=forged |
	inside setpriv --reuid="$nobody" --regid="$nobody" --clear-groups logger --journald
ok "who says it in journald's place is in the journal" within 3 inside sh -c 'journalctl -q -g forged | grep -q .'
is "and not believed" 0 "$(status .learn.sources[0].dropped)"
ok "a flood that journald cuts" flood
counted() { [ "$(status .learn.sources[0].dropped)" -gt 1000 ]; }
ok "is counted" within 3 counted
ok "status names the unit, and the way out" sh -c "'$box' exec '$B' mailreeve status --json |
	jq -e '.warnings[] | select(contains(\"flood.service\") and contains(\"LogRateLimitIntervalSec=0\"))'"
ok "so does the journal" within 3 sh -c "'$box' exec '$B' journalctl -q -u mailreeve -p warning |
	grep -q 'dropped .* lines of flood.service'"
dropped=$(status .learn.sources[0].dropped)
inside systemd-run -q --wait --unit=flood -p LogRateLimitIntervalSec=0 sh -c 'seq 2000; sleep 0.3; echo end'
login $NET.53
ok "that way out: nothing more is dropped" opens $NET.53
is "of as many lines" "$dropped 2001" "$(status .learn.sources[0].dropped) $(
	inside journalctl -q -o cat -u flood _TRANSPORT=stdout | tail -2001 | sed -n '1p; $p' | paste -sd' ' |
		sed 's/^1 end$/2001/')"

# --- the journal's own life
inside journalctl -q --rotate
login $NET.14
ok "after a rotation" opens $NET.14
sleep 1.1
inside journalctl -q --rotate --vacuum-time=1s
ok "what was read is vacuumed away" not in_journal $NET.11
login $NET.15
ok "and it goes on" opens $NET.15
inside systemctl restart systemd-journald
login $NET.16
ok "after a restart of journald" opens $NET.16

ok "stop" inside systemctl stop mailreeve
login $NET.17
ok "start" inside systemctl start mailreeve
ok "who logged in meanwhile is let in" opens $NET.17
ok "stop" inside systemctl stop mailreeve
sleep 1.1
inside journalctl -q --rotate --vacuum-time=1s
ok "the record that was read last is gone" not in_journal $NET.17
login $NET.18
ok "start" inside systemctl start mailreeve
ok "goes on by time" opens $NET.18
ok "a crash" hit KILL
login $NET.19
ok "loses nothing" opens $NET.19
is "started again, once" 1 "$(prop NRestarts)"
ok "restart" inside systemctl restart mailreeve
is "permits outlive it" open "$(tries $NET.11 587)"
is "bans too" timeout "$(tries $NET.30 25)"

# --- a reboot: of all that was written, the disk is left
ok "enabled" inside systemctl enable mailreeve dovecot
inside journalctl -q --sync
inside tar -cf - -C / var/lib/mailreeve var/log/journal etc/machine-id etc/mailreeve \
	etc/systemd/system/multi-user.target.wants | tar -xf - -C "$work/seed"
ok "stop of the machine" "$box" stop "$B"
# a box goes no further than this target by itself
mkdir -p "$work/seed/etc/systemd/system/basic.target.wants"
mv "$work"/seed/etc/systemd/system/multi-user.target.wants/* "$work/seed/etc/systemd/system/basic.target.wants/"
boot "$work/seed"
ok "booted: running, before there is a device" within 10 active mailreeve
network "${addresses[@]}"
inside systemd-run -q --unit=server /usr/lib/mrnet serve 25 587
ok "the device is guarded as it appears" within 5 tries_is open $NET.41 25
ok "learned permits outlived it" opens $NET.11
is "learned bans too" timeout "$(tries $NET.30 25)"
is "strangers are strangers" timeout "$(tries $NET.41 587)"
is "forgers are, too" timeout "$(tries $NET.22 587)"
ok "Dovecot is up" within 5 dovecot_listens
login $NET.42
ok "and a login opens, as before" opens $NET.42
journal -p warning | tail -20 | sed 's/^/# journal: /'
done_testing
