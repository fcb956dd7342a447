// SPDX-License-Identifier: BSD-2-Clause
/*
 * pins.c - status, rules, stats and detach while no daemon runs, from RUNTIME_DIR/pins and
 * RUNTIME_DIR/generation.json.
 *
 * Opens the pinned maps for reading and loads nothing; detach removes the links' pins.  Only root
 * may.  Never used while the daemon answers: it knows more.
 */
#include "pins.h"

#include "bus.h"

#include <limits.h>

#define GENERATION_MAX (64u << 20) /* bytes; 8,191 rules with long texts stay below 8 MB */

static enum mr_exit pins_denied(void)
{
	return mr_ctl_fail(MR_EXIT_UNREACHABLE,
			   "mailreeved is not running, and without it only root may look: run as "
			   "root, or start it with systemctl start mailreeve");
}

/* The symlink that the daemon leaves, or the default place beside the runtime directory. */
static void pins_path(const struct mr_ctl *ctl, char path[static PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/" MR_RUNTIME_PINS, ctl->runtime_dir);
	if (access(path, F_OK) < 0 && errno == ENOENT)
		snprintf(path, PATH_MAX, "%s" MR_PIN_SUFFIX, ctl->runtime_dir);
}

static void pins_generation(const struct mr_ctl *ctl, struct mr_pins *p)
{
	char path[PATH_MAX];
	_free_ char *data = NULL;
	json_error_t error;
	size_t len;

	snprintf(path, sizeof(path), "%s/" MR_RUNTIME_GENERATION, ctl->runtime_dir);
	if (mr_read_file(path, GENERATION_MAX, &data, &len) == 0) {
		p->generation = json_loadb(data, len, 0, &error);
		if (!json_is_object(p->generation)) {
			json_decref(p->generation);
			p->generation = NULL;
			mr_ctl_fail(MR_EXIT_DONE, "%s is damaged: %s", path, error.text);
		}
	}
	if (!p->generation)
		p->generation = json_null();
}

enum mr_exit mr_pins_open(const struct mr_ctl *ctl, struct mr_pins *out, bool *none)
{
	struct mr_pins p = { NULL, NULL };
	struct mr_error e = { "" };
	char path[PATH_MAX];
	int r;

	pins_path(ctl, path);
	r = mr_kernel_open_pins(path, &p.kernel, &e);
	if (r == -EACCES || r == -EPERM)
		return pins_denied();
	if (r == -ENOENT || r == -ENOTDIR) {
		if (!none)
			return mr_bus_down(ctl);
		*none = true;
		return MR_EXIT_UNREACHABLE;
	}
	if (r < 0)
		return mr_ctl_fail(MR_EXIT_UNREACHABLE, "mailreeved is not running, and %s",
				   *e.text ? e.text : strerror(-r));
	pins_generation(ctl, &p);
	*out = p;
	return MR_EXIT_DONE;
}

void mr_pins_close(struct mr_pins *p)
{
	mr_kernel_free(p->kernel);
	json_decref(p->generation);
}

static json_t *pins_devices(struct mr_kernel *k)
{
	_free_ struct mr_attachment *list = NULL;
	json_t *devices = json_array();
	size_t n = 0;

	if (k && mr_attach_list(k, &list, &n) >= 0)
		for (size_t i = 0; i < n; i++)
			json_array_append_new(devices, mr_report_device(&list[i]));
	return devices;
}

static json_t *pins_field(const json_t *generation, const char *key)
{
	json_t *value = json_object_get(generation, key);

	return value ? json_incref(value) : json_null();
}

/* Entries that the kernel holds; what has run out since the daemon stopped is still among them. */
static json_t *pins_entries(struct mr_kernel *k, enum mr_entry_kind kind)
{
	enum { BATCH = 1024 };
	_free_ struct mr_entry_key *keys = calloc(BATCH, sizeof(*keys));
	_free_ struct mr_entry *values = calloc(BATCH, sizeof(*values));
	struct mr_entries_cursor cursor = { 0 };
	uint64_t now = mr_boottime_ns();
	json_int_t live = 0;
	size_t n = 0;

	if (!k || !keys || !values)
		return json_null();
	do {
		if (mr_entries_read(k, kind, &cursor, keys, values, BATCH, &n) < 0)
			return json_null();
		for (size_t i = 0; i < n; i++)
			live += values[i].expires > now;
	} while (n);
	return json_pack("{s:I}", "live", live);
}

enum mr_exit mr_pins_status(const struct mr_ctl *ctl, json_t **out, bool *none)
{
	_pins_ struct mr_pins p = { NULL, NULL };
	json_t *devices, *summary;
	enum mr_exit status;
	bool guarded = false;

	status = mr_pins_open(ctl, &p, none);
	if (status != MR_EXIT_DONE && !*none)
		return status;
	devices = pins_devices(p.kernel);
	summary = *none ? json_string("UNGUARDED: mailreeved is not running and has left no filter")
			: mr_report_summary(devices, p.generation, &guarded);
	*out = json_pack(
		"{s:b,s:o,s:o,s:o,s:i,s:n,s:n,s:n,s:n,s:b,s:o,s:o,s:o,s:o,s:[s]}", "guarded",
		guarded, "summary", summary, "generation", pins_field(p.generation, "generation"),
		"applied", pins_field(p.generation, "applied"), "abi", MR_ABI, "daemon", "config",
		"config_error", "confirm", "undo", 0, "devices", devices, "services",
		json_is_object(p.generation) ? pins_field(p.generation, "services") : json_array(),
		"permits", pins_entries(p.kernel, MR_PERMIT), "bans",
		pins_entries(p.kernel, MR_BAN), "warnings",
		guarded ? "mailreeved is not running: the filter stands, permits run out; "
			  "start it with systemctl start mailreeve"
			: "mailreeved is not running: start it with systemctl start "
			  "mailreeve");
	return *out ? MR_EXIT_DONE : mr_ctl_fail(MR_EXIT_UNREACHABLE, "out of memory");
}

static enum mr_exit pins_counters(int r)
{
	if (r == -EACCES || r == -EPERM)
		return pins_denied();
	return mr_ctl_fail(MR_EXIT_UNREACHABLE, "cannot read the pinned counters: %s",
			   strerror(-r));
}

enum mr_exit mr_pins_rules(const struct mr_ctl *ctl, const char *service, json_t **out)
{
	_pins_ struct mr_pins p = { NULL, NULL };
	enum mr_exit status;
	int r;

	status = mr_pins_open(ctl, &p, NULL);
	if (status != MR_EXIT_DONE)
		return status;
	r = mr_report_rules(p.generation, p.kernel, service, out);
	if (r == -ENOENT)
		return mr_ctl_fail(MR_EXIT_USAGE, "no service '%s' is loaded", service);
	return r < 0 ? pins_counters(r) : MR_EXIT_DONE;
}

enum mr_exit mr_pins_stats(const struct mr_ctl *ctl, json_t **out)
{
	_pins_ struct mr_pins p = { NULL, NULL };
	enum mr_exit status;
	int r;

	status = mr_pins_open(ctl, &p, NULL);
	if (status != MR_EXIT_DONE)
		return status;
	r = mr_report_stats(p.generation, p.kernel, out);
	return r < 0 ? pins_counters(r) : MR_EXIT_DONE;
}

enum mr_exit mr_pins_detach(const struct mr_ctl *ctl, unsigned int *detached)
{
	_pins_ struct mr_pins p = { NULL, NULL };
	_free_ struct mr_attachment *list = NULL;
	enum mr_exit status;
	size_t n = 0;
	int r;

	*detached = 0;
	status = mr_pins_open(ctl, &p, NULL);
	if (status != MR_EXIT_DONE)
		return status;
	r = mr_attach_list(p.kernel, &list, &n);
	if (r < 0)
		return mr_ctl_fail(MR_EXIT_UNREACHABLE, "cannot read the pinned links: %s",
				   strerror(-r));
	for (size_t i = 0; i < n; i++) {
		r = mr_detach(p.kernel, list[i].name);
		if (r >= 0 && list[i].ifindex)
			++*detached;
		else if (r < 0 && r != -ENOENT)
			status = mr_ctl_fail(MR_EXIT_UNREACHABLE, "cannot detach from %s: %s",
					     list[i].name, strerror(-r));
	}
	return status;
}
