#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# bigtcp.sh - packets of more than 64 KiB, as the kernel merges them where a device allows it ("BIG
# TCP"), through generic XDP: from a source that is allowed, and in a session that stands though its
# source is allowed no more.  Their IP headers say a length of 0.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip_all "needs python3"
MIB=64 # through each session, before and after its source is unmatched

network 25
# widen NS DEVICE: packets of 200,000 bytes, IPv4 too, for which Debian 12's ip has no words
widen() {
	in_ns "$1" python3 - "$2" <<-'P'
		import socket, struct, sys
		s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
		# IFLA_GSO_MAX_SIZE, IFLA_GRO_MAX_SIZE, and the same for IPv4
		for what in 41, 58, 63, 64:
		    body = struct.pack("=BxHiII", 0, 0, socket.if_nametoindex(sys.argv[1]), 0, 0)
		    body += struct.pack("=HHI", 8, what, 200000)
		    s.send(struct.pack("=IHHII", 16 + len(body), 19, 5, what, 0) + body)
		    answer = s.recv(4096)
		    if struct.unpack_from("=i", answer, 16)[0]:
		        sys.exit("this kernel does not know attribute %d" % what)
	P
}
widen "$SRV" s0 2>"$DIR/widen" && widen "$CLI" c0 2>>"$DIR/widen" || skip_all "$(cat "$DIR/widen")"

conf() {
	config <<-C
		interface s0;
		service smtp { ports 25 2525; reject $DENIED; allow $1; allow $2; }
	C
}
# with a rule that rejects, a veth is attached in generic mode
conf 10.77.0.2 2001:db8:77::2
ok "the daemon starts" daemon
is "in generic mode" generic "$(field '.devices[0].mode' status)"

cat >"$DIR/big.py" <<'P'
import ctypes, os, socket, struct, subprocess, sys, threading

srv, cli, mib = "/run/netns/" + sys.argv[1], "/run/netns/" + sys.argv[2], int(sys.argv[3])
libc = ctypes.CDLL(None)

def enter(path):
    fd = os.open(path, os.O_RDONLY)
    assert libc.setns(fd, 0x40000000) == 0
    os.close(fd)

def sink(c):
    try:
        while c.recv(1 << 20):
            pass
    except OSError:
        pass

enter(srv)
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
sniffer.bind(("s0", 3))
sniffer.settimeout(0.2)
ends = []
listeners = []
for family, to in ((socket.AF_INET, "10.77.0.1"), (socket.AF_INET6, "2001:db8:77::1")):
    l = socket.socket(family)
    l.bind((to, 2525))
    l.listen()
    listeners.append(l)
largest = {0x0800: 0, 0x86DD: 0}
running = True

def sniff():
    while running:
        try:
            frame, where = sniffer.recvfrom(1 << 20)
        except OSError:
            continue
        if where[2] != 4 and where[1] in largest: # not our own
            largest[where[1]] = max(largest[where[1]], len(frame))

enter(cli)
for l in listeners:
    c = socket.socket(l.family)
    c.settimeout(20)
    c.connect(l.getsockname()[:2])
    s, _ = l.accept()
    threading.Thread(target=sink, args=(s,), daemon=True).start()
    ends.append(c)
watcher = threading.Thread(target=sniff)
watcher.start()

def send():
    block = bytes(1 << 20)
    for c in ends:
        for _ in range(mib):
            c.sendall(block)
    return " ".join(str(n > 65600) for n in largest.values())

print(send(), flush=True)
sys.stdin.readline()
largest = dict.fromkeys(largest, 0)
print(send(), flush=True)
running = False
watcher.join()
P
coproc BIG { exec python3 "$DIR/big.py" "$SRV" "$CLI" $MIB 2>&1; }
pids+=("$BIG_PID")
read -r -t 60 word <&"${BIG[0]}"
is "from a source that is allowed, IPv4 and IPv6" "True True" "$word"
conf $ALLOWED $ALLOWED6
ok "it is allowed no more" ctl apply
is "a new connection is not" timeout "$(tries 10.77.0.2 25)"
echo >&"${BIG[1]}"
read -r -t 60 word <&"${BIG[0]}"
is "what stands goes on" "True True" "$word"
is "nothing was malformed" 0 "$(field '.reasons.malformed' stats)"
done_testing
