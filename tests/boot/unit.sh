#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# unit.sh - the daemon as its own user under a real systemd, by the units that are installed: start,
# sandbox, reload with a good and a faulty file, watchdog, crash, stop, reboot, detach, uninstall.
. "$(dirname "$0")/lib.sh"

seed
unit=$work/seed/usr/lib/systemd/system/mailreeve.service
# a group and a queue directory as an installed Postfix has them
mkdir -p "$work/seed/usr/lib/sysusers.d" "$work/seed/var/spool/postfix"
echo 'g postfix -' >"$work/seed/usr/lib/sysusers.d/test.conf"
boot "$work/seed"

ok "the installed file is good" inside mailreeve check
ok "the units are understood" inside systemd-analyze verify --man=no --recursive-errors=no \
	/usr/lib/systemd/system/mailreeve.service '/usr/lib/systemd/system/run-mailreeve\x2dbpf.mount'
ok "exposure is below 2.0" systemd-analyze security --offline=true --threshold=19 "$unit"

network 192.0.2.10 198.51.100.66 203.0.113.5
inside systemd-run -q --unit=server /usr/lib/mrnet serve 25 587
config <<-'C'
	interface b0;
	service smtp { deny 198.51.100.0/24; allow any; }
	service submission { allow 192.0.2.0/24; allow permitted; }
C
ok "the server answers" within 5 tries_is open 198.51.100.66 25

ok "systemctl start" inside systemctl start mailreeve
is "active when start returned" running "$(prop SubState)"
ok "STATUS= says what is guarded" prop_is StatusText "$(prop StatusText | grep b0)"
echo "# $(prop StatusText)"
ok "enabled before the network" inside systemctl enable mailreeve
pid=$(prop MainPID)
is "its own user" mailreeve "$(inside ps -o user= -p "$pid" | tr -d ' ')"
ok "three capabilities and no more" inside grep -q 'CapEff:.000000c000001000' "/proc/$pid/status"
ok "no new privileges" inside grep -q 'NoNewPrivs:.1' "/proc/$pid/status"
ok "a seccomp filter" inside grep -q 'Seccomp:.2' "/proc/$pid/status"
for g in systemd-journal adm; do
	ok "a member of $g, by sysusers.d" inside grep -Eq "^Groups:.*\\b$(inside getent group $g | cut -d: -f3)\\b" "/proc/$pid/status"
done
# the unit made the directory; Postfix is asked for, not installed
is "where Postfix asks" "2750 mailreeve postfix" "$(inside stat -c '%a %U %G' /var/spool/postfix/mailreeve)"
is "a socket there, of group postfix alone" "660 mailreeve postfix" \
	"$(inside stat -c '%a %U %G' /var/spool/postfix/mailreeve/policy)"
asks() { # as USER GROUP
	printf 'request=smtpd_access_policy\nclient_address=203.0.113.5\n\n' |
		inside timeout 5 setpriv --reuid="$1" --regid="$2" --clear-groups \
			socat -t 3 - UNIX-CONNECT:/var/spool/postfix/mailreeve/policy
}
is "Postfix is answered" action=DUNNO "$(asks nobody postfix 2>&1 | head -1)"
is "nobody else is" "Permission denied" "$(asks nobody nogroup 2>&1 | grep -o 'Permission denied')"
# bpffs sets the sticky bit whatever it is told
is "bpffs of its own, mode and owner" "1700 mailreeve" "$(inside stat -c '%a %U' /run/mailreeve-bpf)"
is "a denied source" timeout "$(tries 198.51.100.66 25)"
is "an allowed source" open "$(tries 203.0.113.5 25)"
is "unmatched" timeout "$(tries 203.0.113.5 587)"
ok "a permit" inside mailreeve permit add 203.0.113.5 --ttl 10m
is "opens" open "$(tries 203.0.113.5 587)"
ok "nobody has no say" not inside setpriv --reuid=nobody --regid=nogroup --clear-groups mailreeve ban flush
ok "the group has" inside setpriv --reuid=nobody --regid=nogroup --groups=mailreeve mailreeve status

# frames of a denied and of an allowed source, in turn, and who of them gets past the device
inside systemd-run -q --unit=sniff -p StandardOutput=file:/run/sniff /usr/lib/mrnet sniff b0 25
ok "frames are watched" within 5 inside grep -q ready /run/sniff
inside ip netns exec world /usr/lib/mrnet spray c0 "$(inside cat /sys/class/net/b0/address)" \
	10.77.0.1 25 4000 1500 198.51.100.66 203.0.113.5 >"$work/spray" &
spray=$!
# as many restarts as the frames last, and one at least that ended before they did
restarts=0
while kill -0 $spray 2>/dev/null; do
	restarted=$(inside systemctl restart mailreeve 2>&1) || break
	! kill -0 $spray 2>/dev/null || restarts=$((restarts + 1))
	# systemd refuses more than a few starts in ten seconds
	inside systemctl reset-failed mailreeve
done
is "restarts" "" "$restarted"
ok "under frames that go on: $restarts" test $restarts -ge 1
wait $spray
inside systemctl stop sniff
is "every frame of the allowed source came through, none of the denied one" "203.0.113.5 2000 lost 0" \
	"$(inside sed -n 's/^\([0-9.]* [0-9]*\) [0-9 ]*$/\1/p; /^lost/p' /run/sniff | paste -sd' ')"
is "the permit is there after it" open "$(tries 203.0.113.5 587)"

config <<-'C'
	interface b0;
	service smtp { allow any; }
	service submission { allow 192.0.2.0/24; allow permitted; }
	listen { policy 127.0.0.1 10040; }
C
ok "reload with a good file" inside systemctl reload mailreeve
is "the sandbox leaves loopback for who asks over TCP" action=DUNNO "$(
	printf 'request=smtpd_access_policy\nclient_address=203.0.113.5\n\n' |
		inside timeout 5 socat -t 3 - TCP:127.0.0.1:10040 | head -1)"
is "takes effect" open "$(tries 198.51.100.66 25)"
printf 'interface b0;\nservice smtp { deny any; }\nnonsense;\n' | config
ok "reload with a faulty file fails" not inside systemctl reload mailreeve
is "the service goes on" running "$(prop SubState)"
is "the policy too" open "$(tries 203.0.113.5 25)"
ok "the journal has the fault" within 3 sh -c "'$box' exec '$B' journalctl --no-pager -u mailreeve | grep -q mailreeve.conf:3"
printf 'interface b0;\nset x { file "x"; }\nservice smtp { deny @x; }\n' | config
inside install -m 600 /dev/null /etc/mailreeve/x
ok "root may read the list" inside mailreeve check
is "its own user may not, and that is said" "must be able to read it" \
	"$(inside mailreeve apply 2>&1 | grep -o 'must be able to read it')"
config <<-'C'
	interface b0;
	service smtp { deny 198.51.100.0/24; allow any; }
	service submission { allow 192.0.2.0/24; allow permitted; }
C
ok "reload with a good one" inside systemctl reload mailreeve

hit STOP
ok "watchdog: a daemon that hangs is replaced" within 15 prop_is NRestarts 1
is "watchdog: meanwhile the filter stands" timeout "$(tries 198.51.100.66 25)"
ok "watchdog: and it runs again" within 10 prop_is SubState running
ok "watchdog: in the journal" within 3 sh -c "'$box' exec '$B' journalctl --no-pager -u mailreeve | grep -qi watchdog"
hit KILL
is "crash: the filter stands" timeout "$(tries 198.51.100.66 25)"
is "crash: the permit holds" open "$(tries 203.0.113.5 587)"
ok "crash: it is started again" within 15 prop_is NRestarts 2
for i in 3 4 5 6 7 8; do
	within 10 prop_is SubState running
	hit KILL
	within 10 prop_is NRestarts $i
done
is "crash: and again, however often" 8 "$(prop NRestarts)"
ok "crash: and runs" within 10 prop_is SubState running
is "the permit is still known" 203.0.113.5 "$(inside mailreeve permit list --json | jq -r .address)"

ok "systemctl stop" inside systemctl stop mailreeve
is "stopped cleanly" success "$(prop Result)"
is "the filter stands" timeout "$(tries 198.51.100.66 25)"
inside mailreeve status >"$work/out" 2>&1
ok "status works without the daemon" grep -q b0 "$work/out"
ok "systemctl start again" inside systemctl start mailreeve
is "the permit is still known" 203.0.113.5 "$(inside mailreeve permit list --json | jq -r .address)"

# a reboot: what is in /run is gone, the state directory is not
ok "stop" inside systemctl stop mailreeve
ok "the bpffs goes, and with it the filter" inside systemctl stop 'run-mailreeve\x2dbpf.mount'
inside rm -rf /run/mailreeve
ok "nothing is filtered" within 3 tries_is open 198.51.100.66 25
ok "start, as after a reboot" inside systemctl start mailreeve
is "guarded" timeout "$(tries 198.51.100.66 25)"
is "the permit outlived it" open "$(tries 203.0.113.5 587)"

inside sed -i '/^adm:/d; /^systemd-journal:/d; /^postfix:/d' /etc/group
ok "starts where the groups are missing" inside systemctl restart mailreeve
is "and guards" timeout "$(tries 198.51.100.66 25)"

ok "detach" inside mailreeve detach
is "is the way out" open "$(tries 198.51.100.66 25)"
ok "attach" inside mailreeve attach
is "and in again" timeout "$(tries 198.51.100.66 25)"
ok "stop" inside systemctl stop mailreeve
ok "detach without the daemon" inside mailreeve detach
is "is the way out, too" open "$(tries 198.51.100.66 25)"
ok "the journal has fields to search by" sh -c "'$box' exec '$B' journalctl --no-pager -u mailreeve -o json | grep -q MAILREEVE_"
journal -p warning | tail -20 | sed 's/^/# journal: /'
ok "uninstall" make -s -C "$top" B="$MR_BUILD" DESTDIR="$work/seed" prefix=/usr uninstall
is "leaves no program, unit or page" "" "$(find "$work/seed/usr" -name '*mailreeve*' -not -type d)"
is "leaves the configuration" mailreeve.conf "$(ls "$work/seed/etc/mailreeve")"
done_testing
