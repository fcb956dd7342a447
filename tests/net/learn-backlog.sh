#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# learn-backlog.sh - 200 MB of log that arrive while the daemon is down, half of it in a file that was
# rotated meanwhile: who asks is answered while it is read, every line is read once, and each login
# counts from its own time.  MR_BACKLOG_MB is the size.
. "$(dirname "$0")/lib.sh"

MB=${MR_BACKLOG_MB:-200}
MAIL=$DIR/mail.log
RECENT=20000 # logins of the last ten minutes, each from an address of its own

# backlog: the log, on standard output.  Two hours in order; of old addresses a hundred thousand at
# most; $DENIED fails three times in the last minute: if anything is read twice, five are reached.
backlog() {
	awk -v size=$((MB * 1000000)) -v recent=$RECENT -v failing=$DENIED 'BEGIN {
		now = systime()
		step = size / 7200
		pad = "delay=0.4, delays=0.2/0/0/0.2, dsn=2.0.0, status=sent (250 2.0.0 Saved)"
		for (s = 7200; s > 0; s--) {
			stamp = strftime("%b %e %H:%M:%S", now - s) " mx "
			due += step
			if (s <= 600)
				for (want = int((600 - s + 1) * recent / 600); made < want; made++)
					n += put(login("10.99." int(made / 250) "." made % 250 + 1))
			if (s == 60 || s == 40 || s == 20)
				n += put("dovecot: imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): user=<anna>, method=PLAIN, rip=" failing ", lip=10.77.0.1, TLS, session=<>")
			while (n < due) {
				if (s > 2000 && i % 11 == 0)
					n += put(login("10.98." int(i / 250) % 250 "." i % 250 + 1))
				else
					n += put("postfix/lmtp[" i % 60000 "]: 4A0" i ": to=<user" i % 5000 "@example.com>, relay=mx1, " pad)
				i++
			}
		}
	}
	function login(address) {
		logins++
		return "dovecot: imap-login: Login: user=<u" logins % 65000 ">, method=PLAIN, rip=" address ", lip=10.77.0.1, mpid=77, TLS, session=<>"
	}
	function put(text) {
		print stamp text
		return length(stamp) + length(text) + 1
	}'
}
permits() { field '.permits.live' status; }
source_is() { [ "$(field ".learn.sources[0].$1" status)" = "$2" ]; }
# watch: asks until all is read, one question behind the other, from before the daemon is there
watch() {
	local end=$((SECONDS + 120))
	while [ $SECONDS -lt $end ] && [ -e "$DIR/answer" ] && ! grep -q '"following"' "$DIR/answer"; do
		ctl status --json >"$DIR/answer" 2>&-
		cat "$DIR/answer"
	done
}
# stages: how far the reading was in those answers; each line count once
stages() {
	jq -rs '[.[].learn.sources[0] | select(.state == "catching up").lines] | unique | length' "$1"
}
learned() { field '.learn | "\(.sources[0].lines) lines \(.events.login) logins \(.events.failure) failures"' status; }

network 587
config <<-C
	interface s0;
	service smtp { allow any; }
	service submission { allow permitted; }
	permit { ttl 30m; }
	ban { ttl 1h; on failure 5 in 10m; }
	learn { file "$MAIL"; }
C
echo "$(date '+%b %e %H:%M:%S') mx dovecot: master: Dovecot v2.3.19.1 starting up for imap, a first line by which the file is known" >"$MAIL"
ok "the daemon starts" daemon
ok "and follows" within 5 source_is state following || exit
ok "stop" stop_daemon
written=$SECONDS
backlog >"$DIR/backlog"
half=$(($(wc -l <"$DIR/backlog") / 2))
head -n $half "$DIR/backlog" >>"$MAIL"
mv "$MAIL" "$MAIL.1"
tail -n +$((half + 1)) "$DIR/backlog" >"$MAIL"
lines=$(wc -l <"$DIR/backlog")
logins=$(grep -c 'Login: user' "$DIR/backlog")
echo "# $(stat -c %s "$DIR/backlog") bytes, $lines lines, $logins logins; written in $((SECONDS - written)) s"
touch "$DIR/answer"
watch >"$DIR/answers" &
watcher=$!
ok "start, with the backlog" daemon
wait $watcher
steps=$(stages "$DIR/answers")
echo "# answered at $steps stages of the reading"
ok "who asks is answered meanwhile, and the reading goes in steps" test "$steps" -ge $((MB < 200 ? 1 : 3))
ok "the end is reached" source_is state following
is "every line was read, and once" "$lines lines $logins logins 3 failures" "$(learned)"
is "as many permits as logins of the last half hour" $RECENT "$(permits)"
ok "a login of ten minutes ago has twenty left, and no fresh half hour" sh -c \
	"'$MR_BUILD/mailreeve' --runtime-dir $RUN permit list --json | jq -se 'map(select(.address == \"10.99.0.1\").expires_in) | length == 1 and .[0] < 1230 and .[0] > 900'"
is "none lasts longer" 0 "$(ctl permit list --json | jq -s 'map(select(.expires_in > 1800)) | length')"
is "three failures of three are no ban" 0 "$(field .bans.live status)"

echo "$(date '+%b %e %H:%M:%S') mx dovecot: imap-login: Login: user=<anna>, method=PLAIN, rip=$STRANGER, lip=10.77.0.1, mpid=77, TLS, session=<>" >>"$MAIL"
ok "a login now opens submission" within 2 opens $STRANGER 587
ok "stop" stop_daemon
ok "start again" daemon
ok "and follow" within 5 source_is state following
is "nothing is read again" "0 lines 0 logins 0 failures" "$(learned)"
is "the permits are those that were" $((RECENT + 1)) "$(permits)"
ok "stop" stop_daemon

# --- a machine that booted a minute ago, by its clock: of that namespace the kernel's own filter knows
# nothing, so permits are looked at, not packets
uptime=$(cut -d. -f1 /proc/uptime)
if [ "$uptime" -gt 120 ] && unshare --time --boottime -1 --fork true 2>/dev/null; then
	rm -rf "$STATE"
	umount "$PINS"
	echo "$(date -d '-5 minutes' '+%b %e %H:%M:%S') mx dovecot: imap-login: Login: user=<anna>, method=PLAIN, rip=$OTHER, lip=10.77.0.1, mpid=77, TLS, session=<>" >"$MAIL"
	sed -i 's/learn {/learn from start; learn {/' "$CONF"
	nsenter --net="/run/netns/$SRV" -- unshare --time --boottime $((60 - uptime)) --fork --kill-child \
		"$MR_BUILD/mailreeved" -c "$CONF" --runtime-dir "$RUN" --state-dir "$STATE" --pin-dir "$PINS" >>"$LOG" 2>&1 &
	DAEMON=$!
	ok "start, a minute after the boot" within 20 daemon_answers
	ok "a login five minutes ago, before the boot, has twenty-five left" within 5 sh -c \
		"'$MR_BUILD/mailreeve' --runtime-dir $RUN permit list --json | jq -se 'map(select(.address == \"$OTHER\").expires_in) | length == 1 and .[0] <= 1501 and .[0] > 1400'"
	kill "$(field .daemon.pid status)" # unshare waits for it
	wait "$DAEMON"
	DAEMON=
else
	skip "a login before the boot" "needs a time namespace and two minutes since the boot"
fi
done_testing
