#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# learn-file.sh - from a line in a log file to a packet that passes, and to one that does not.
. "$(dirname "$0")/lib.sh"

MAIL=$DIR/mail.log
log_stamp() { date '+%b %e %H:%M:%S'; }
log_login() { # ADDRESS [USER [FILE]]
	echo "$(log_stamp) mx dovecot: imap-login: Login: user=<${2:-anna}>, method=PLAIN, rip=$1, lip=10.77.0.1, mpid=77, TLS, session=<>" >>"${3:-$MAIL}"
}
log_failure() { # ADDRESS
	echo "$(log_stamp) mx dovecot: imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): user=<anna>, method=PLAIN, rip=$1, lip=10.77.0.1, TLS, session=<>" >>"$MAIL"
}
source_field() { field ".learn.sources[0].$1" status; }
has_permit() { ctl permit list --json | jq -e "select(.address == \"$1\")"; }

network
log_login $OTHER
config <<-C
	interface s0;
	service smtp { allow any; }
	service submission { allow permitted; }
	permit { ttl 30m; }
	ban { ttl 1h; on failure 5 in 10m; }
	learn { file "$MAIL" { format dovecot; } }
C
ok "the daemon starts" daemon
is "a stranger cannot submit" timeout "$(tries $STRANGER 587 300)"
log_login $STRANGER
ok "a login opens submission within the second" within 1 opens $STRANGER 587
is "what the log held before earns nothing" timeout "$(tries $OTHER 587 300)"
is "the permit is a learned one, with its user" "learned anna" \
	"$(ctl permit list --json | jq -r '"\(.origin) \(.user)"')"
is "status counts" "following 1 1" \
	"$(field '.learn.sources[0] | "\(.state) \(.lines) \(.events.login)"' status)"

for _ in 1 2 3 4 5; do log_failure $DENIED; done
ok "who guesses passwords is shut out" within 1 silent $DENIED 25
ok "and the log tells" grep -q "ban for $DENIED (dovecot, imap, user anna)" "$LOG"
done_testing
