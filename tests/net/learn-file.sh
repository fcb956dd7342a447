#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# learn-file.sh - from a line in a log file to a packet that passes, and to one that does not.
. "$(dirname "$0")/lib.sh"

MAIL=$DIR/mail.log EXIM=$DIR/exim
log_stamp() { date '+%b %e %H:%M:%S'; }
log_login() { # ADDRESS [USER [FILE]]
	echo "$(log_stamp) mx dovecot: imap-login: Login: user=<${2:-anna}>, method=PLAIN, rip=$1, lip=10.77.0.1, mpid=77, TLS, session=<>" >>"${3:-$MAIL}"
}
log_failure() { # ADDRESS
	echo "$(log_stamp) mx dovecot: imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): user=<anna>, method=PLAIN, rip=$1, lip=10.77.0.1, TLS, session=<>" >>"$MAIL"
}
exim_failure() { # ADDRESS: to both of its logs
	local line
	line="$(date '+%F %T') plain authenticator failed for (x) [$1]: 535 Incorrect authentication data (set_id=anna)"
	echo "$line" >>"$EXIM/mainlog" && echo "$line" >>"$EXIM/rejectlog"
}
exim_lines() { ctl status --json | jq '[.learn.sources[1, 2].events.failure] | add'; }
source_field() { field ".learn.sources[0].$1" status; }
has_permit() { ctl permit list --json | jq -e "select(.address == \"$1\")"; }

network
mkdir "$EXIM"
: >"$EXIM/mainlog"
: >"$EXIM/rejectlog"
log_login $OTHER
config <<-C
	interface s0;
	service smtp { allow any; }
	service submission { allow permitted; }
	permit { ttl 30m; }
	ban { ttl 1h; on failure 5 in 10m; }
	learn { file "$MAIL" { format dovecot; } file "$EXIM/mainlog"; file "$EXIM/rejectlog"; }
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
for _ in 1 2 3 4; do exim_failure $OTHER; done
failures_are() { [ "$(exim_lines)" = "$1" ]; }
ok "Exim's main and reject log are read" within 2 failures_are 8
is "and each failure counts once" 4 "$(field .learn.doubles status)"
is "which is not often enough" open "$(tries $OTHER 25)"
exim_failure $OTHER
ok "the fifth is" within 1 silent $OTHER 25

# a server in a container, in a time zone of its own
log_stamp() { date -d "$ago" '+%b %e %H:%M:%S'; }
ago='2 hours ago' lines=$(wc -l <"$LOG")
for _ in 1 2; do log_login $ALLOWED; done
ok "logins that are stamped two hours ago" within 2 eval '[ "$(source_field events.login)" = 3 ]'
is "two of them are no reason to warn" "" "$(field '.warnings[]' status | grep stamped)"
log_login $ALLOWED
ok "three are" within 2 eval "field '.warnings[]' status | grep -q 'mail.log: its last 3 logins were stamped 2h 0m before'"
is "they earn nothing" timeout "$(tries $ALLOWED 587 300)"
log_login $ALLOWED
is "the log tells once" 1 "$(tail -n +$((lines + 1)) "$LOG" | grep -c 'time zone of who writes it')"
ago=now
log_login $ALLOWED
ok "a right one opens" within 1 opens $ALLOWED 587
is "and ends the warning" "" "$(field '.warnings[]' status | grep stamped)"
done_testing
