#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# dovecot.sh - how fast Dovecot is answered: a million accounts in SQLite, two thousand questions a
# second over a hundred connections, and one connection as fast as it goes.  Figures, no verdicts.
. "$(dirname "$0")/../net/lib.sh"
LOAD=$MR_BUILD/tests/bench/dovecot ACCOUNTS=${1:-1000000} SECONDS_EACH=${2:-5}
[ -x "$LOAD" ] || skip_all "$LOAD is not built (make tests)"

network
config <<-C
	interface s0;
	service imap { deny $DENIED; allow any; }
	service imaps { deny $DENIED; allow any; }
	dovecot { }
C
ok "the daemon starts" daemon
seq 0 $((ACCOUNTS - 1)) | awk '{ printf "user%d@example.com imap allow 10.%d.%d.%d\n",
	$1, int($1 / 65536) % 256, int($1 / 256) % 256, $1 % 256 }' >"$DIR/accounts"
ok "$ACCOUNTS accounts" ctl account import "$DIR/accounts"
echo "# 2,000 a second, 100 connections: $(srv "$LOAD" 4001 2000 100 "$SECONDS_EACH" "$ACCOUNTS")"
echo "# the same, one name:             $(srv "$LOAD" 4001 2000 100 "$SECONDS_EACH" 1)"
echo "# one connection:                  $(srv "$LOAD" 4001 0 1 "$SECONDS_EACH" "$ACCOUNTS")"
echo "# the same name again and again:   $(srv "$LOAD" 4001 0 1 "$SECONDS_EACH" 1)"
done_testing
