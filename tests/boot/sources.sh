#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# sources.sh - what happens to a real journal and to log files while the daemon learns from them as its
# own user: rotation, vacuum, damage, files that are gone, a full disk, no right to read.
for c in logger jq; do
	command -v $c >/dev/null || { echo "1..0 # SKIP needs $c (scripts/deps test)" && exit 77; }
done
. "$(dirname "$0")/lib.sh"
NET=203.0.113

N=9
fresh() { A=$NET.$((++N)); }
line() { echo "imap-login: Login: user=<anna$N>, method=PLAIN, rip=$1, lip=10.77.0.1, mpid=77, session=<aSession>"; }
# journal_login: as Dovecot's log process writes it, from a fresh address
journal_login() {
	fresh
	line "$A" | inside bash -c '
		echo $$ >/sys/fs/cgroup/system.slice/dovecot-test.service/cgroup.procs || exit
		# alive until journald has looked up where it runs
		{ cat; sleep 0.2; } | /usr/lib/mr-test/log -t dovecot -p mail.info'
}
file_login() { # FILE
	fresh
	echo "$(LC_ALL=C date '+%b %e %H:%M:%S') mx dovecot: $(line "$A")" | inside tee -a "$1" >/dev/null
}
status() { inside mailreeve status --json | jq -r "$1"; }
state_is() { [ "$(status ".learn.sources[$1].state")" = "$2" ]; }
warns() { status '.warnings[]' | grep -q "$1"; }
opens() { within 5 tries_is open "$A" 587; }
learns() { # TEXT
	journal_login
	ok "$1" opens
}
journal_dir() { inside sh -c 'echo /var/log/journal/$(cat /etc/machine-id)'; }
noise() { # MIB of journal
	inside systemd-run -q --wait --unit=noise -p LogRateLimitIntervalSec=0 sh -c \
		"head -c ${1}000000 /dev/urandom | base64 -w 900"
}
daemon_is() { [ "$(prop MainPID)" = "$PID" ]; }

seed
mkdir -p "$work/seed/usr/lib/mr-test"
cp "$(command -v logger)" "$work/seed/usr/lib/mr-test/log"
boot "$work/seed"
addresses=()
for i in {10..60}; do addresses+=("$NET.$i"); done
network "${addresses[@]}"
inside systemd-run -q --unit=server /usr/lib/mrnet serve 587
inside systemd-run -q --unit=dovecot-test sleep 1000
config <<-'C'
	interface b0;
	service smtp { allow any; }
	service submission { allow permitted; }
	learn {
		journal { unit dovecot-test.service; }
		file "/var/log/private.log" { format { courier dovecot0 } }
		file "/var/log/mail.log" { format sendmail; }
	}
C
inside install -m 600 -o root -g root /dev/null /var/log/private.log
ok "start" inside systemctl start mailreeve
PID=$(prop MainPID)
ok "the journal is followed" within 5 state_is 0 following
learns "a login opens submission"

# say TEXT: what Dovecot's log process might write
say() {
	echo "$1" | inside bash -c '
		echo $$ >/sys/fs/cgroup/system.slice/dovecot-test.service/cgroup.procs || exit
		{ cat; sleep 0.2; } | /usr/lib/mr-test/log -t dovecot -p mail.info'
}
say "imap-login: Login: user=<anna>, from=somewhere in a new wording"
say "imap-login: Login: user=<ben>, from=elsewhere in a new wording"
told() { [ "$(status '.learn.sources[0].lost[] | select(.program == "dovecot") | "\(.lines) \(.example)"')" = "2 imap-login: Login: user=<anna>, from=somewhere in a new wording" ]; }
ok "a wording that nobody knows is counted, with the first example" within 3 told
ok "status warns" warns 'wording that no format knows'
is "and the journal, once" 1 "$(inside journalctl -q -o cat -u mailreeve -p warning -g 'wording that no format knows' | wc -l)"
is "findable by its id" 1 "$(inside journalctl -q -o cat MESSAGE_ID=4e1c2f0d8a6b4c1f9d3e5a7b2c4d6e8f | wc -l)"

# --- the journal's files
noise 4
learns "behind megabytes of others' records"
inside journalctl -q --rotate
inside journalctl -q --vacuum-size=1M
learns "after rotation and vacuum by size"
dir=$(journal_dir)
inside sh -c "head -c 20000 /dev/urandom >$dir/system@0.journal"
ok "a file of noise is named" within 5 warns 'system@0.journal is damaged'
learns "the others are read"
inside rm "$dir/system@0.journal"
inside sh -c "truncate -s 300000 $dir/system.journal"
learns "the file that is written to is cut off"
inside dd if=/dev/urandom of="$dir/system.journal" bs=4096 seek=1 count=20 conv=notrunc status=none
# what journald writes before it notices lies in the noise
again() {
	local i
	for i in 1 2 3 4; do
		journal_login
		opens && return
	done
	return 1
}
ok "noise within it: journald begins another" again
READ=$(status .learn.sources[0].events.login) WRITTEN=$N
inside sh -c "rm -f $dir/*"
inside systemctl restart systemd-journald
learns "all files are gone"
inside rm -rf /var/log/journal
inside systemctl restart systemd-journald
learns "the directory too: the journal is in memory"
ok "there and nowhere else" not inside test -e /var/log/journal
inside sh -c "mkdir /var/log/journal && systemctl restart systemd-journald && journalctl --flush"
journal_login
ok "a directory of the wrong group is named, with the way out" within 5 warns 'system.journal: the daemon.s user may not read it; systemd-tmpfiles'
inside systemd-tmpfiles --create --prefix /var/log/journal
ok "that way, what came meanwhile is read" opens
learns "and on the disk again"
ok "there" inside test -e "$dir/system.journal"
is "each of these logins was counted once" $((READ + N - WRITTEN)) "$(status .learn.sources[0].events.login)"
ok "stop" inside systemctl stop mailreeve
inside rm -f "$dir"/*
inside mount -t tmpfs -o size=12m small "$dir"
inside systemd-tmpfiles --create --prefix /var/log/journal
inside systemctl restart systemd-journald
journal_login
ok "start, and the cursor is of no file there is" inside systemctl start mailreeve
PID=$(prop MainPID)
ok "the login meanwhile counts" opens
learns "now on a small disk"
inside dd if=/dev/zero of="$dir/fill" bs=64k status=none 2>/dev/null
noise 16
ok "which is full: the daemon goes on" daemon_is
inside rm "$dir/fill"
inside journalctl -q --rotate --vacuum-size=1M 2>/dev/null
learns "and with room again it learns"

# --- no right to read
ok "a file of root's alone is named, with the way out" warns 'private.log: Permission denied.*group adm'
ok "one that is not there, too" warns 'mail.log: there is no such file yet'
inside sh -c 'chgrp adm /var/log/private.log && chmod 640 /var/log/private.log'
ok "given to group adm it is read at once" within 1 state_is 1 following
fresh
echo "$(LC_ALL=C date '+%b %e %H:%M:%S') mx imapd: LOGIN, user=anna$N, ip=[::ffff:$A], port=[4711], protocol=IMAP" |
	inside tee -a /var/log/private.log >/dev/null
ok "and learned from" opens
inside install -m 640 -o root -g adm /dev/null /var/log/mail.log
ok "so is the one that comes late" within 1 state_is 2 following
ok "no warning is left" within 2 sh -c "! '$box' exec '$B' mailreeve status --json | jq -e '.warnings[] | select(test(\"learned from\"))'"
ok "it is the same process as before" daemon_is
journal -p warning | tail -20 | sed 's/^/# journal: /'
done_testing
