// SPDX-License-Identifier: BSD-2-Clause
/*
 * _daemon.c - starts, asks and stops a mailreeved for a measurement (_daemon.h).
 *
 * Everything it makes lies in the benchmark's own directory and namespaces.  Only the process that
 * it started is ended.  Fails with -errno after a message, or with *e where there is one.
 */
#include "_daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define START_MS \
	60000 /* the daemon must answer by then: it may have a million prefixes to read \
	       */
#define STATUS_BYTES 65536
#define LOG_SHOWN    2000 /* bytes of the log's end, after a failure */

int bench_daemon_new(struct bench *b, const char *name, unsigned int number,
		     struct bench_daemon *out, struct mr_error *e)
{
	int r;

	*out = (struct bench_daemon){ .b = b, .number = number, .wire.ns = -EBADF };
	snprintf(out->dir, sizeof(out->dir), "%s/%s", b->dir, name);
	snprintf(out->command, sizeof(out->command), "%s/mailreeve", b->build);
	snprintf(out->path, sizeof(out->path), "%s/mailreeved", b->build);
	r = mr_mkdirs(out->dir, 0755);
	if (r < 0)
		return mr_error(e, r, "%s: %s", out->dir, strerror(-r));
	r = bench_wire_new(b, number, &out->wire, e);
	return r < 0 ? r : BENCH_RUN(out->wire.ns, NULL, 0, e, "ip", "link", "set", "lo", "up");
}

int bench_daemon_config(struct bench_daemon *d, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/mailreeve.conf", d->dir);
	return mr_write_file(path, text, strlen(text), 0644);
}

int bench_daemon_command(struct bench_daemon *d, const char *verb, struct mr_error *e)
{
	char run[128];

	snprintf(run, sizeof(run), "%s/run", d->dir);
	return BENCH_RUN(d->wire.ns, NULL, 0, e, d->command, "--runtime-dir", run, verb);
}

static _Noreturn void exec_daemon(struct bench_daemon *d)
{
	char conf[128], run[128], state[128], pins[128], log[128];
	int fd;

	snprintf(conf, sizeof(conf), "%s/mailreeve.conf", d->dir);
	snprintf(run, sizeof(run), "%s/run", d->dir);
	snprintf(state, sizeof(state), "%s/state", d->dir);
	snprintf(pins, sizeof(pins), "%s/pins", d->dir);
	snprintf(log, sizeof(log), "%s/log", d->dir);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd >= 0 && bench_ns_enter(d->wire.ns) == 0 && dup2(fd, 1) == 1 && dup2(fd, 2) == 2)
		execl(d->path, d->path, "-c", conf, "--runtime-dir", run, "--state-dir", state,
		      "--pin-dir", pins, (char *)NULL);
	_exit(127);
}

void bench_daemon_log(const struct bench_daemon *d)
{
	char path[128];
	_free_ char *text = NULL;
	size_t len;

	snprintf(path, sizeof(path), "%s/log", d->dir);
	if (mr_read_file(path, 64 << 20, &text, &len) == 0)
		fprintf(stderr, "%s", len > LOG_SHOWN ? text + len - LOG_SHOWN : text);
}

/* It answers, and its devices are guarded. */
static int guarded(struct bench_daemon *d, struct mr_error *e)
{
	_free_ char *out = malloc(STATUS_BYTES);
	char run[128];
	json_t *s;
	int r;

	if (!out)
		return -ENOMEM;
	snprintf(run, sizeof(run), "%s/run", d->dir);
	r = BENCH_RUN(d->wire.ns, out, STATUS_BYTES, e, d->command, "--runtime-dir", run, "status",
		      "--json");
	if (r < 0)
		return r;
	s = json_loads(out, 0, NULL);
	if (!json_is_true(json_object_get(s, "guarded")))
		r = mr_error(e, -EAGAIN, "status says it does not guard");
	json_decref(s);
	return r;
}

int bench_daemon_start(struct bench_daemon *d)
{
	struct mr_error e = { "" };
	double from = bench_now_ms();
	int r;

	if (access(d->path, X_OK) < 0)
		return -ENOENT;
	d->pid = fork();
	if (d->pid == 0)
		exec_daemon(d);
	if (d->pid < 0)
		return -errno;
	do {
		usleep(20000);
		r = guarded(d, &e);
		if (waitpid(d->pid, NULL, WNOHANG) == d->pid) {
			d->pid = 0;
			r = -ECHILD;
			break;
		}
	} while (r < 0 && bench_now_ms() - from < START_MS);
	if (r < 0) {
		fprintf(stderr, "bench: the daemon does not start: %s\n", e.text);
		bench_daemon_log(d);
	}
	return r;
}

double bench_daemon_peak_mib(const struct bench_daemon *d)
{
	char path[64], line[256];
	unsigned long kib = 0;
	_fclose_ FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)d->pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmHWM: %lu kB", &kib) == 1)
			break;
	return (double)kib / 1024;
}

void bench_daemon_clear(struct bench_daemon *d)
{
	if (d->pid > 0) {
		kill(d->pid, SIGTERM);
		waitpid(d->pid, NULL, 0);
		d->pid = 0;
	}
	if (d->wire.ns >= 0)
		bench_wire_clear(d->b, &d->wire, d->number);
}
