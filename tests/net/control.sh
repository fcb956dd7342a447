#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# control.sh - clients of the control socket that send garbage, nothing, too much, or never read:
# the daemon stays, answers everybody else, and does not grow.
. "$(dirname "$0")/lib.sh"

GROWTH_KB=65536 # a daemon that keeps what it is sent would be far above this
network
config <<-'C'
	interface s0;
	service smtp { deny 198.51.100.0/24; allow any; }
C
ok "the daemon starts" daemon
rss() { awk '/^VmRSS/ { print $2 }' "/proc/$DAEMON/status"; }
before=$(rss)
for kind in random auth huge; do
	ok "$kind: sent" timeout 60 "$MRNET" garbage "$RUN/control" $kind
	ok "$kind: the daemon answers others" timeout 5 "$MR_BUILD/mailreeve" --runtime-dir "$RUN" status
done
# more than there is room for: those who never say anything make it
for _ in {1..80}; do
	spawn "$SRV" "$MRNET" garbage "$RUN/control" silent >/dev/null
done
sleep 0.5
ok "silent ones: the daemon answers others" timeout 5 "$MR_BUILD/mailreeve" --runtime-dir "$RUN" status
# a subscriber that never reads, under traffic that makes events
mkfifo "$DIR/stuck"
exec 7<>"$DIR/stuck"
spawn "$SRV" "$MR_BUILD/mailreeve" --runtime-dir "$RUN" monitor --json >&7
sleep 0.2
spray 25 20000 50 $DENIED $STRANGER >/dev/null
ok "a monitor that never reads: the daemon answers others" timeout 5 "$MR_BUILD/mailreeve" --runtime-dir "$RUN" status
echo "# resident: $before KiB before, $(rss) KiB after"
ok "it did not grow" test "$(rss)" -lt $((before + GROWTH_KB))
ok "changes still work" ctl apply
is "it still guards" timeout "$(tries $DENIED 25)"
if command -v dbus-send >/dev/null; then
	ok "dbus-send, a client we did not write" dbus-send --peer="unix:path=$RUN/control" --print-reply \
		--type=method_call /org/mailreeve org.mailreeve.Manager1.Status
	ok "an unknown method is an error, not an end" not dbus-send --peer="unix:path=$RUN/control" \
		--print-reply --type=method_call /org/mailreeve org.mailreeve.Manager1.Nonsense
fi
ok "and the daemon answers" daemon_answers
# a script gone wild
if command -v python3 >/dev/null; then
	nonsense() { # N: as many connections that do not speak D-Bus
		python3 - "$RUN/control" "$1" <<-P
			import socket, sys
			for i in range(int(sys.argv[2])):
			    s = socket.socket(socket.AF_UNIX)
			    s.connect(sys.argv[1])
			    s.sendall(b"GET / HTTP/1.0\r\n\r\n" * 4)
			    s.settimeout(5)
			    try:
			        while s.recv(4096): pass
			    except OSError: pass
		P
	}
	: >"$LOG"
	nonsense 400
	sleep 1
	nonsense 20
	ok "400 who talk nonsense do not fill the log" test "$(grep -c 'control client' "$LOG")" -lt 100
	ok "but it says how many there were" within 3 grep -q 'more lines about control clients left out' "$LOG"
fi
done_testing
