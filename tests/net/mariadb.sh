# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: BSD-2-Clause
#
# mariadb.sh - a real MariaDB for a test: below $DIR, on a socket, without a network, with the tables
# of ISPConfig, empty, and a user who may only read them.  Nothing of the host's is read or started.
SOCKET=$DIR/db.sock no_database='needs mariadb-server-core and mariadb-client-core (scripts/deps)'

mysql_run() { mariadb --no-defaults -S "$SOCKET" -u root ${2:+"$2"} -e "$1"; }
# database: starts it; its pid in $db
database() {
	mariadbd --no-defaults --user=root --datadir="$DIR/db" --socket="$SOCKET" --skip-networking \
		--innodb-buffer-pool-size=16M --pid-file="$DIR/db.pid" >"$DIR/db.log" 2>&1 &
	db=$!
	pids+=("$db")
	within 30 mysql_run 'SELECT 1'
}
# database_make: if it cannot, $no_database says why
database_make() {
	local c
	for c in mariadbd mariadb mariadb-install-db; do
		command -v $c >/dev/null || return
	done
	mariadb-install-db --no-defaults --user=root --datadir="$DIR/db" --skip-test-db \
		--auth-root-authentication-method=normal >"$DIR/db.log" 2>&1
	database || {
		no_database="it does not start here: $(tail -1 "$DIR/db.log")"
		return 1
	}
	mysql_run "CREATE DATABASE dbispconfig" && mysql_run "
		CREATE TABLE mail_user (mailuser_id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
			login varchar(255) NOT NULL, email varchar(255) NOT NULL,
			password varchar(255) NOT NULL DEFAULT '');
		CREATE TABLE mail_user_ip_restriction (
			restriction_id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
			mailuser_id int unsigned NOT NULL, ip varchar(50) DEFAULT NULL,
			mode enum('w','b') NOT NULL DEFAULT 'w', service varchar(50) DEFAULT NULL);
		CREATE USER mailreeve@localhost IDENTIFIED BY 'geheim';
		GRANT SELECT ON dbispconfig.* TO mailreeve@localhost" dbispconfig || return
	echo geheim >"$DIR/password"
	chmod 600 "$DIR/password"
}
# database_statement TTL ON-FAILURE
database_statement() {
	echo "accounts mariadb { socket \"$SOCKET\"; database dbispconfig; user mailreeve; password-file \"$DIR/password\"; ttl $1; on-failure $2; }"
}
