#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# install.sh - the commands of the README, in its order, as somebody types them on a fresh machine: the
# default prefix, the configuration that is installed, an upgrade, and out again.
. "$(dirname "$0")/lib.sh"
NET=203.0.113

install_it() { make -s -C "$top" B="$MR_BUILD" DESTDIR="$work/seed" "$@"; }
there() { inside test "-$1" "$2"; }
modes() { inside stat -c '%a %U %G' "$1"; }

ok "make install" install_it install
mkdir -p "$work/seed/usr/lib"
cp "$MR_BUILD/tests/net/mrnet" "$work/seed/usr/lib/mrnet"
is "all of it below /usr/local and /etc" "" \
	"$(cd "$work/seed" && find . -type f ! -path './usr/local/*' ! -path './etc/mailreeve/*' ! -name mrnet)"
boot "$work/seed"
network $NET.10 $NET.11
inside systemd-run -q --unit=server /usr/lib/mrnet serve 25 110 587

ok "systemd-sysusers" inside systemd-sysusers
ok "systemd-tmpfiles --create" inside systemd-tmpfiles --create
ok "systemctl daemon-reload" inside systemctl daemon-reload
ok "systemctl enable --now mailreeve" inside systemctl enable --now mailreeve
ok "mailreeve status" inside mailreeve status
is "a user of its own, in the groups that own the logs" "mailreeve adm systemd-journal" \
	"$(inside id -Gn mailreeve | tr ' ' '\n' | sort | sed '/^mailreeve$/d' | paste -sd' ' | sed 's/^/mailreeve /')"
is "nobody can log in as it" "/usr/sbin/nologin" "$(inside getent passwd mailreeve | cut -d: -f7)"
is "its state is its own" "750 mailreeve mailreeve" "$(modes /var/lib/mailreeve)"
is "so is where it listens" "750 mailreeve mailreeve" "$(modes /run/mailreeve)"
ok "the device of the default route is guarded" inside sh -c 'mailreeve status --json | jq -e ".devices[] | select(.name == \"b0\")"'
is "nothing is refused: POP3 from far away" open "$(tries $NET.10 110)"
ok "but counted" within 3 sh -c "'$box' exec '$B' mailreeve stats --json | jq -e '.services[] | select(.name == \"pop3\").packets.shadow > 0'"
ok "the manual is found" inside sh -c '! command -v man || man -w mailreeve.conf'
ok "the installed file is good" inside mailreeve check

# --- put to work
config <<-'C'
	interface default;
	service smtp { allow any; }
	service submission { allow permitted; }
	learn { journal { dovecot.service postfix@-.service } }
C
ok "mailreeve apply" inside mailreeve apply
is "a stranger is refused" timeout "$(tries $NET.10 587)"
ok "the journal is followed" within 5 sh -c \
	"'$box' exec '$B' mailreeve status --json | jq -e '.learn.sources[0].state == \"following\"'"

# --- an upgrade
root=/proc/$(cat "$B/pid")/root
pid=$(prop MainPID)
ok "make install over it" make -s -C "$top" B="$MR_BUILD" DESTDIR="$root" install
ok "the configuration is left alone" inside grep -q 'allow permitted' /etc/mailreeve/mailreeve.conf
ok "the new one lies beside it" there f /usr/local/share/doc/mailreeve/mailreeve.conf
is "nothing was restarted" "$pid" "$(prop MainPID)"
ok "daemon-reload and restart" inside sh -c 'systemctl daemon-reload && systemctl restart mailreeve'
ok "another process" test "$pid" != "$(prop MainPID)"
is "the filter stands" timeout "$(tries $NET.10 587)"

# --- a backup, and back again
ok "a ban" inside mailreeve ban add $NET.11 --ttl 1h
is "shuts out" timeout "$(tries $NET.11 25)"
ok "stop" inside systemctl stop mailreeve
ok "tar" inside tar -czf /root/mailreeve.tar.gz -C / etc/mailreeve var/lib/mailreeve
ok "start" inside systemctl start mailreeve
ok "the ban goes" inside mailreeve ban flush
ok "stop again" inside systemctl stop mailreeve
ok "umount" inside umount /run/mailreeve-bpf
ok "unpack" inside tar -xzf /root/mailreeve.tar.gz -C /
ok "start again" inside systemctl start mailreeve
is "the ban is back" $NET.11 "$(inside mailreeve ban list --json | jq -r .address)"
is "and shuts out" timeout "$(tries $NET.11 25)"
is "the policy is, too" timeout "$(tries $NET.10 587)"
is "nothing was put aside" "" "$(inside find /var/lib/mailreeve -name '*.damaged')"

# --- out again
ok "mailreeve detach" inside mailreeve detach
is "status does not miss the default route" "" "$(inside mailreeve status | grep 'no default route')"
is "nobody is refused" open "$(tries $NET.10 587)"
ok "systemctl disable --now" inside systemctl disable --now mailreeve
ok "umount /run/mailreeve-bpf" inside umount /run/mailreeve-bpf
ok "make uninstall" make -s -C "$top" B="$MR_BUILD" DESTDIR="$root" uninstall
ok "systemctl daemon-reload" inside systemctl daemon-reload
is "no program, unit or page is left" "" "$(find "$root/usr/local" -name '*mailreeve*' ! -type d)"
ok "the configuration is the administrator's" there f /etc/mailreeve/mailreeve.conf
ok "so is the state" there d /var/lib/mailreeve
done_testing
