#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# expiry-answers.sh - a permit and a ban end in the very nanosecond that the kernel's map says, for
# Postfix's questions, its tables and Dovecot's: no answer on the wrong side of it.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip_all "needs python3 (scripts/deps)"

P=$DIR/ask/policy M=$DIR/ask/socketmap
new_ns "$SRV"
new_ns "$CLI"
wire s0 c0
server_addresses s0
config <<-C
	interface s0;
	service smtp { allow permitted noauth; allow any; }
	service imap { allow 192.0.2.0/24; allow 2001:db8:a::/48; allow permitted; }
	service imaps { allow 192.0.2.0/24; allow 2001:db8:a::/48; allow permitted; }
	ban { ipv6-prefix 64; }
	relay { local-domains { example.test }; }
	listen { policy "$P"; socketmap "$M"; }
	dovecot { listen 127.0.0.1; }
C
ok "the daemon starts" daemon

# edge KIND ADDRESS [KEY]: an entry of a second and a half, and everybody asks about it
edge() {
	local expires
	ctl "$1" add "$2" --ttl 1500ms >/dev/null || return 1
	expires=$(srv "$MRNET" expires "$PINS"/abi*/"$1"s "${3:-$2}") || return 1
	srv python3 "$HERE/tests/net/_edge.py" "$1" "$expires" "$2" "$P" "$M" 4001 >"$DIR/edge"
	local rc=$?
	sed 's/^/# /' "$DIR/edge"
	return $rc
}
ok "a permit" edge permit "$STRANGER"
ok "… IPv6" edge permit "$STRANGER6"
ok "a ban" edge ban "$ALLOWED"
ok "… of an IPv6 network" edge ban 2001:db8:a:1::10 2001:db8:a:1::
done_testing
