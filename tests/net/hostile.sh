#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# hostile.sh - clients that no mail server would be, at all three doors: what Postfix asks, what its
# tables ask, what Dovecot asks.  Never an OK outside the relay question, never one for what is no
# address, never an answer to what is no request; nothing is left behind, and the daemon lives.
# MR_SEED=N repeats a run; MR_BUILD=build/san runs it under ASan and UBSan.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip_all "needs python3 (scripts/deps)"
getent group postfix >/dev/null || skip_all "needs Postfix's group (scripts/deps)"
SEED=${MR_SEED:-$RANDOM}
echo "# MR_SEED=$SEED"

P=$DIR/ask/policy M=$DIR/ask/socketmap
hostile() { srv python3 "$HERE/tests/net/_hostile.py" "$@" 2>&1; }
open_files() { find "/proc/$DAEMON/fd" -type l | wc -l; }
few_files() { [ "$(open_files)" -le $((files + 4)) ]; } # a store has three, those who ask one

network 143
config <<-C
	interface s0;
	set office { 192.0.2.0/24; 2001:db8:a::/48; }
	service smtp {
		deny $DENIED;
		allow name isp.example noauth;
		allow @office noauth;
		allow permitted noauth;
		allow any;
	}
	service submission { allow 203.0.113.0/24 users { support }; allow permitted; allow any; }
	service imap { deny $DENIED; allow any; }
	service imaps { deny $DENIED; allow any; }
	permit { ttl 30m; }
	relay {
		local-domains { example.test };
		to { backup.example.net };
		kill file "kill.lst";
		groups file "groups.txt";
		header "X-Own-Network: 8bdc1a";
		check-sender yes;
	}
	learn { file "$DIR/dovecot.log" { format dovecot; } }
	dovecot { }
	listen { policy "$P"; socketmap "$M"; }
C
echo 'spam@bad.example' >"$DIR/kill.lst"
echo 'all' >"$DIR/groups.txt"
: >"$DIR/dovecot.log"
ok "the daemon starts" daemon
ctl account allow limited smtp 192.0.2.99
ctl apply >/dev/null # both generations have their maps
files=$(open_files)

is "policy requests of all sorts" fine "$(hostile policy "$P" 1200 "$SEED" | tail -6)"
is "socketmap requests of all sorts" fine "$(hostile socketmap "$M" 600 "$SEED" | tail -6)"
hostile crowd "$P" 4 "$SEED" >"$DIR/crowd" &
crowd=$!
for _ in 1 2 3; do
	sleep 1
	ctl apply >/dev/null
done
wait $crowd
is "a crowd that asks for accounts and leaves, while policies change" fine "$(tail -6 "$DIR/crowd")"
is "more than may connect" fine "$(hostile hold "$P" 1200 "$SEED" | tail -6)"
ok "… the quietest were let go" grep -q 'who was quiet for longest is let go' "$LOG"
prlimit --pid "$DAEMON" --nofile=$((files + 40)):
is "more than can connect" fine "$(hostile hold "$P" 200 "$SEED" | tail -6)"
prlimit --pid "$DAEMON" --nofile=4096:
is "HTTP of all sorts" fine "$(hostile http 4001 "$(cat "$STATE/dovecot.secret")" | tail -6)"
is "no report was believed" "0" "$(field .dovecot.reports status)"
is "nobody earned a permit" "0" "$(ctl permit list --json | wc -l)"
ok "somebody held too many connections, and status warns" eval 'field ".warnings[]" status | grep -q "to make room"'
ok "nothing is left open" within 20 few_files
is "… no connection of Postfix" 0 "$(field .answers.connections status)"
ok "the daemon ends as it should" stop_daemon
ok "without a complaint of a sanitizer" not grep -E "ERROR: (Address|Leak)Sanitizer|runtime error:" "$LOG"
done_testing
