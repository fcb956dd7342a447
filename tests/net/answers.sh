#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# answers.sh - policies and questions drawn at random: what Postfix is told over the policy socket and
# the socketmap, what Dovecot is told, and what `why` says, against the manual read a second time, in
# Python.  MR_SEED=N, MR_POLICIES=500 for longer.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip_all "needs python3 (scripts/deps)"

SEED=${MR_SEED:-$RANDOM}
new_ns "$SRV"
new_ns "$CLI"
wire s0 c0
server_addresses s0
# one in which permits open all that is asked about: they are made before the first policy
config <<-C
	interface s0;
	service smtp { allow permitted; }
	service submission { allow permitted; }
	service submissions { allow permitted; }
	listen { policy "$DIR/ask/policy"; socketmap "$DIR/ask/socketmap"; }
C
ok "the daemon starts" daemon
echo "# MR_SEED=$SEED"
srv python3 "$HERE/tests/net/_answers.py" "$DIR" "$SEED" "${MR_POLICIES:-25}" 120 \
	"$MR_BUILD/mailreeve" --runtime-dir "$RUN" >"$DIR/answers" 2>&1
rc=$?
sed 's/^/# /' "$DIR/answers" | head -60
is "all layers answer what the manual says" 0 $rc
done_testing
