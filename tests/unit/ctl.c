// SPDX-License-Identifier: BSD-2-Clause
/*
 * ctl.c - the command against a daemon that is played here: each answer, each named error, and a
 * peer that hangs up, says nothing or sends what it should not.
 *
 * Needs build/mailreeve beside the tests.  A child plays the daemon on a socket of its own
 * directory; it goes with the test.
 */
#include <mailreeve/bus.h>
#include <mailreeve/util.h>

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#include <cmocka.h>

static char command[PATH_MAX]; /* set once by main() */

struct stage {
	char dir[64], path[96];
	pid_t server;
	char output[65536];
	int status;
};

/* What the played daemon answers to a call; 0 or -errno as sd-bus has it. */
typedef int (*answer_fn)(sd_bus_message *m);

static int server_message(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error)
{
	answer_fn answer = *(answer_fn *)userdata;

	return sd_bus_message_is_method_call(m, MR_BUS_INTERFACE, NULL) ? answer(m) : 0;
}

static void server_connection(int fd, answer_fn answer)
{
	sd_bus *bus = NULL;
	sd_id128_t id;
	int r;

	sd_id128_randomize(&id);
	if (sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, fd, fd) < 0 ||
	    sd_bus_set_server(bus, 1, id) < 0 || sd_bus_start(bus) < 0 ||
	    sd_bus_add_filter(bus, NULL, server_message, &answer) < 0)
		_exit(1);
	do {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, UINT64_MAX);
	} while (r >= 0);
	sd_bus_unref(bus);
}

static void serve(struct stage *s, answer_fn answer, const char *raw)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", s->path);
	unlink(s->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 4), 0);
	s->server = fork();
	if (s->server == 0) {
		signal(SIGPIPE, SIG_IGN);
		while ((peer = accept(fd, NULL, NULL)) >= 0) {
			if (answer) {
				server_connection(peer, answer);
				continue;
			}
			if (write(peer, raw, strlen(raw)) < 0)
				_exit(1);
			close(peer);
		}
		_exit(0);
	}
	close(fd);
}

static void stop(struct stage *s)
{
	if (s->server > 0) {
		kill(s->server, SIGKILL);
		waitpid(s->server, NULL, 0);
	}
	s->server = 0;
}

/* Runs the command with these arguments, words split by the shell. */
static void run(struct stage *s, const char *args)
{
	char line[PATH_MAX + 512];
	size_t n;
	FILE *f;

	snprintf(line, sizeof(line), "exec 2>&1; NO_COLOR=1 timeout 20 %s --runtime-dir %s %s",
		 command, s->dir, args);
	f = popen(line, "r"); /* NOLINT(cert-env33-c): words for the shell are the point */
	assert_non_null(f);
	n = fread(s->output, 1, sizeof(s->output) - 1, f);
	s->output[n] = '\0';
	s->status = WEXITSTATUS(pclose(f));
}

static void expect(struct stage *s, answer_fn answer, const char *args, int status,
		   const char *output)
{
	serve(s, answer, NULL);
	run(s, args);
	stop(s);
	if (s->status != status || !strstr(s->output, output))
		fail_msg("%s: status %d, wanted %d and \"%s\" in:\n%s", args, s->status, status,
			 output, s->output);
}

static int setup(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	snprintf(s->dir, sizeof(s->dir), "/tmp/mr-ctl-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->path, sizeof(s->path), "%s/" MR_BUS_SOCKET, s->dir);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct stage *s = *state;

	stop(s);
	unlink(s->path);
	rmdir(s->dir);
	free(s);
	return 0;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* What needs no argument: the method and the JSON that comes back. */
static const struct {
	const char *method, *json;
} plain[] = {
	{ "Status", "{\"guarded\":true,\"summary\":\"guarding eth0 (native)\",\"generation\":7,"
		    "\"devices\":[{\"name\":\"eth0\",\"mode\":\"native\"}],"
		    "\"warnings\":[\"look \\u001b[31mhere\"]}" },
	{ "Stats", "{\"services\":[{\"name\":\"smtp\",\"packets\":{\"allow\":41}}],"
		   "\"reasons\":{\"malformed\":7,\"deny\":0}}" },
	{ "Attach", "[{\"name\":\"eth0\",\"mode\":\"none\",\"error\":\"taken\"}]" },
};

static int answer_apply(sd_bus_message *m)
{
	uint64_t us;

	sd_bus_message_read(m, "t", &us);
	return sd_bus_reply_method_return(
		m, "ts", (uint64_t)8,
		us == 90000000 ? "{\"generation\":8,\"confirm\":90,\"seconds\":0.25,\"rules\":3,"
				 "\"prefixes4\":2,"
				 "\"prefixes6\":1,\"classes\":4,\"changed\":true,\"risks\":[{"
				 "\"file\":\"a.conf\",\"line\":3,\"message\":\"it is risky\","
				 "\"hint\":\"do not\"}]}"
			       : "{}");
}

static int answer_rules(sd_bus_message *m)
{
	const char *service;

	sd_bus_message_read(m, "s", &service);
	return sd_bus_reply_method_return(
		m, "s",
		*service ? "[]"
			 : "[{\"service\":null,\"packets\":12,\"bytes\":480,\"text\":\"deny @x\","
			   "\"file\":\"a.conf\",\"line\":3}]");
}

static int answer_why(sd_bus_message *m)
{
	bool users = false;
	const char *key, *value;

	sd_bus_message_enter_container(m, 'a', "{sv}");
	while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
		sd_bus_message_read(m, "s", &key);
		if (strcmp(key, "user") == 0) {
			sd_bus_message_read(m, "v", "s", &value);
			users = strcmp(value, "anna") == 0;
		} else {
			sd_bus_message_skip(m, "v");
		}
		sd_bus_message_exit_container(m);
	}
	return sd_bus_reply_method_return(
		m, "s",
		users ? "[{\"address\":\"192.0.2.1\",\"service\":\"smtp\",\"port\":25,"
			"\"verdict\":\"allow\"}]"
		      : "[{\"verdict\":\"allow\"},{\"address\":\"192.0.2.1\",\"service\":"
			"\"imap\",\"port\":143,\"verdict\":\"deny\",\"enforced\":true,"
			"\"entry\":{"
			"\"kind\":\"ban\",\"expires_in\":125}}]");
}

static int answer_entry_add(sd_bus_message *m)
{
	_free_ char **services = NULL;
	const char *a, *b, *user;
	uint64_t us;

	sd_bus_message_read(m, "sst", &a, &b, &us);
	sd_bus_message_read_strv(m, &services);
	sd_bus_message_read(m, "s", &user);
	if (strcmp(a, "ban") != 0 || us != 5000000 || !services || !services[0] ||
	    strcmp(services[0], "smtp") != 0 || !services[1] || strcmp(services[1], "imap") != 0 ||
	    services[2] || strcmp(user, "anna") != 0)
		return sd_bus_reply_method_errorf(m, MR_BUS_ERROR_ARGUMENT, "wrong call");
	return sd_bus_reply_method_return(m, "st", "192.0.2.1", (uint64_t)4999999);
}

static int answer_all(sd_bus_message *m)
{
	const char *method = sd_bus_message_get_member(m);

	for (size_t i = 0; i < MR_ARRAY_SIZE(plain); i++)
		if (strcmp(method, plain[i].method) == 0)
			return sd_bus_reply_method_return(m, "s", plain[i].json);
	if (strcmp(method, "Apply") == 0)
		return answer_apply(m);
	if (strcmp(method, "Confirm") == 0 || strcmp(method, "Undo") == 0)
		return sd_bus_reply_method_return(m, "t", (uint64_t)9);
	if (strcmp(method, "Rules") == 0)
		return answer_rules(m);
	if (strcmp(method, "Why") == 0)
		return answer_why(m);
	if (strcmp(method, "EntryAdd") == 0)
		return answer_entry_add(m);
	if (strcmp(method, "EntryDelete") == 0)
		return sd_bus_reply_method_return(m, "");
	if (strcmp(method, "EntryFlush") == 0)
		return sd_bus_reply_method_return(m, "u", 3u);
	if (strcmp(method, "Detach") == 0)
		return sd_bus_reply_method_return(m, "u", 2u);
	return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_UNKNOWN_METHOD, "no %s", method);
}

static void test_answers(void **state)
{
	struct stage *s = *state;

	expect(s, answer_all, "apply --confirm 1m30s", 0,
	       "generation 8 is active: 3 rules, 2 IPv4 and 1 IPv6 prefixes, 4 classes, 0.25 s\n"
	       "a.conf:3: risk: it is risky\n    hint: do not\n"
	       "rolls back in 1m 30s unless you run: mailreeve confirm\n");
	expect(s, answer_all, "apply", 0, "generation 8 is active\n");
	expect(s, answer_all, "confirm", 0, "generation 9 stays");
	expect(s, answer_all, "undo --json", 0, "{\"generation\":9}");
	expect(s, answer_all, "status", 0, "guarding eth0 (native) — generation 7\n");
	expect(s, answer_all, "status", 0, "warning: look ?[31mhere\n");
	expect(s, answer_all, "rules", 0,
	       "SERVICE  PACKETS  BYTES  RULE     AT\n"
	       "global        12    480  deny @x  a.conf:3\n");
	expect(s, answer_all, "stats", 0, "REASON     PACKETS\nmalformed        7\n");
	expect(s, answer_all, "why 192.0.2.1", 1, "  entry    ban, ends in 2m 5s\n");
	expect(s, answer_all, "why 192.0.2.1 smtp --user anna --json", 0,
	       "{\"address\":\"192.0.2.1\",\"service\":\"smtp\",\"port\":25,\"verdict\":\"allow\"}"
	       "\n");
	expect(s, answer_all, "ban add 192.0.2.1 --ttl 5s --service smtp,imap --user anna --json",
	       0, "{\"kind\":\"ban\",\"address\":\"192.0.2.1\",\"expires_in\":5}");
	expect(s, answer_all, "ban delete 192.0.2.1", 0, "");
	expect(s, answer_all, "permit flush", 0, "3 permits removed\n");
	expect(s, answer_all, "attach", 1, "eth0: taken\n");
	expect(s, answer_all, "detach", 0, "detached from 2 devices");
	expect(s, answer_all, "permit list", 3, "mailreeved is of another version");
}

/* --- errors ----------------------------------------------------------------------------------- */

static int answer_error(sd_bus_message *m)
{
	static const char *const names[] = { MR_BUS_ERROR_CONFIG, MR_BUS_ERROR_NOTHING,
					     MR_BUS_ERROR_NOTHING, MR_BUS_ERROR_BUSY };
	const char *method = sd_bus_message_get_member(m);
	static const char *const methods[] = { "Apply", "Undo", "Confirm", "Attach" };

	for (size_t i = 0; i < MR_ARRAY_SIZE(methods); i++)
		if (strcmp(method, methods[i]) == 0)
			return sd_bus_reply_method_errorf(
				m, names[i], "a.conf:1:2: error: x\n    said %s", method);
	if (strcmp(method, "EntryAdd") == 0)
		return sd_bus_reply_method_errorf(m, MR_BUS_ERROR_FULL, "the table is full");
	if (strcmp(method, "EntryDelete") == 0)
		return sd_bus_reply_method_errorf(m, MR_BUS_ERROR_ARGUMENT, "no address");
	if (strcmp(method, "EntryFlush") == 0)
		return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_ACCESS_DENIED, "no");
	if (strcmp(method, "Detach") == 0)
		return sd_bus_reply_method_errorf(m, MR_BUS_ERROR_KERNEL, "EBUSY");
	if (strcmp(method, "Status") == 0)
		return sd_bus_reply_method_return(m, "s", "{\"guarded\":");
	if (strcmp(method, "Rules") == 0)
		return sd_bus_reply_method_return(m, "u", 7u);
	if (strcmp(method, "Stats") == 0)
		_exit(0); /* dies with the question in its hand */
	return sd_bus_reply_method_errorf(m, MR_BUS_ERROR_REFUSED, "too wide");
}

static void test_errors(void **state)
{
	struct stage *s = *state;

	expect(s, answer_error, "apply", 2, "a.conf:1:2: error: x\n    said Apply\n");
	assert_string_equal(s->output, "a.conf:1:2: error: x\n    said Apply\n");
	expect(s, answer_error, "undo", 1, "said Undo");
	expect(s, answer_error, "confirm", 1, "said Confirm");
	expect(s, answer_error, "attach", 1, "said Attach");
	expect(s, answer_error, "ban add 192.0.2.1", 1, "mailreeve: the table is full\n");
	expect(s, answer_error, "ban delete 192.0.2.1", 2, "no address");
	expect(s, answer_error, "ban flush", 3, "run as root or join the group mailreeve");
	expect(s, answer_error, "ban list", 1, "too wide");
	expect(s, answer_error, "detach", 1, "EBUSY");
	expect(s, answer_error, "status", 3, "is it of another version");
	expect(s, answer_error, "rules", 3, "is it of another version");
	expect(s, answer_error, "stats", 3, "closed the connection without an answer");
}

static void test_strangers(void **state)
{
	static const char *const raw[] = { "", "REJECTED\r\n", "HTTP/1.0 400 no\r\n\r\n" };
	struct stage *s = *state;

	for (size_t i = 0; i < MR_ARRAY_SIZE(raw); i++) {
		serve(s, NULL, raw[i]);
		run(s, "status");
		stop(s);
		if (s->status != 3 || !strstr(s->output, "mailreeve"))
			fail_msg("status %d: %s", s->status, s->output);
	}
	/* a socket that nobody serves any more: the daemon is down, and nothing is pinned here */
	run(s, "apply");
	assert_int_equal(s->status, 3);
	assert_non_null(strstr(s->output, "not running?"));
}

/* --- lists and streams ------------------------------------------------------------------------ */

#define PAGES 3
#define PAGE  4096

static int answer_list(sd_bus_message *m)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *r = NULL;
	const char *kind, *after;
	unsigned int page;
	char text[64];
	uint32_t max;

	if (sd_bus_message_read(m, "ssu", &kind, &after, &max) < 0)
		return -EINVAL;
	page = *after ? (unsigned int)strtoul(after, NULL, 10) : 0;
	sd_bus_message_new_method_return(m, &r);
	sd_bus_message_open_container(r, 'a', "(sttasss)");
	for (unsigned int i = 0; page < PAGES && i < PAGE; i++) {
		snprintf(text, sizeof(text), "2001:db8:%x::%x", page, i);
		sd_bus_message_append(r, "(sttasss)", text, (uint64_t)1700000000000000,
				      (uint64_t)1500000, 1, "smtp", "", "hand");
	}
	sd_bus_message_close_container(r);
	snprintf(text, sizeof(text), "%u", page + 1);
	sd_bus_message_append(r, "s", page + 1 < PAGES ? text : "");
	return sd_bus_send(NULL, r, NULL);
}

static void test_list(void **state)
{
	struct stage *s = *state;

	expect(s, answer_list, "ban list --json | sed -n '$='", 0, "12288\n");
	expect(s, answer_list, "ban list --json | tail -n 1", 0,
	       "{\"kind\":\"ban\",\"address\":\"2001:db8:2::fff\",\"granted\":"
	       "\"2023-11-14T22:13:20Z\",\"expires_in\":2,\"services\":[\"smtp\"],\"user\":null,"
	       "\"origin\":\"hand\"}\n");
	expect(s, answer_list, "ban list | sed -n 2p", 0, "2001:db8:0::1 ");
	expect(s, answer_list, "ban list >/dev/full", 1, "cannot write the output");
}

static int answer_stream(sd_bus_message *m)
{
	static const char decision[] =
		"{\"time\":\"2026-11-21T22:17:57.123Z\",\"verdict\":\"drop\",\"why\":\"deny\","
		"\"source\":\"192.0.2.7\",\"source_port\":4711,\"destination\":\"198.51.100.1\","
		"\"port\":25,\"service\":\"smtp\",\"rule\":{\"file\":\"a.conf\",\"line\":3,"
		"\"text\":\"deny @x\"}}";
	sd_bus *bus = sd_bus_message_get_bus(m);
	uint32_t rate;
	int r;

	sd_bus_message_read(m, "u", &rate);
	r = sd_bus_reply_method_return(m, "");
	for (uint32_t i = 0; r >= 0 && i < 3; i++) {
		r = sd_bus_emit_signal(bus, MR_BUS_PATH, MR_BUS_INTERFACE, "Decision", "s",
				       i == 1 ? "garbage" : decision);
	}
	if (rate == 7) { /* then it dies */
		sd_bus_flush(bus);
		_exit(0);
	}
	return r < 0 ? r : 1;
}

static void test_monitor(void **state)
{
	static const char line[] = "22:17:57.123  drop    192.0.2.7 4711 -> 198.51.100.1 25  smtp: "
				   "deny, deny @x at a.conf:3\n";
	struct stage *s = *state;
	char twice[512];

	snprintf(twice, sizeof(twice), "%s%s", line, line);
	expect(s, answer_stream, "monitor --rate 7", 3, twice);
	assert_non_null(strstr(s->output, "mailreeved closed the connection"));
	/* SIGINT ends it, and that is no failure; what came before is out */
	serve(s, answer_stream, NULL);
	run(s, "monitor --json & p=$!; sleep 1; kill -INT $p; wait $p; echo status $?");
	stop(s);
	assert_non_null(strstr(s->output, "\"verdict\":\"drop\""));
	assert_non_null(strstr(s->output, "status 0"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_strangers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_monitor, setup, teardown),
	};
	char self[PATH_MAX];

	(void)argc;
	if (!realpath(argv[0], self))
		return 1;
	snprintf(command, sizeof(command), "%.4000s/../../mailreeve", dirname(self));
	return cmocka_run_group_tests_name("ctl", tests, NULL, NULL);
}
