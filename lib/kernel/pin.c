// SPDX-License-Identifier: BSD-2-Clause
/*
 * pin.c - names in the bpffs: where they stand, how they are opened, how they are replaced.
 *
 * Under the pin directory lie abi<N>/ (maps) and links/.  A pin is made under a temporary name
 * ("+NAME") and renamed, so a name never points at half a thing, and one that a crash left behind
 * is overwritten by the next run.  Names in a bpffs must not hold dots.
 *
 * Mounts a bpffs on the pin directory if there is none and the caller may.  Never touches a file
 * outside the pin directory.  Called by load.c, copy.c, attach.c.  Fails with a message that names
 * the pin and what to do about it.
 */
#include "internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

const char *const mr_map_names[MR_MAP_N] = {
	[MR_MAP_STATE] = "state",
	[MR_MAP_CELLS] = "cells",
	[MR_MAP_INDEX4] = "index4",
	[MR_MAP_HOSTS] = "hosts",
	[MR_MAP_TRIE4] = "trie4",
	[MR_MAP_TRIE6] = "trie6",
	[MR_MAP_TREE6] = "tree6",
	[MR_MAP_TREE6_VALUES] = "tree6_values",
	[MR_MAP_HOSTS6] = "hosts6",
	[MR_MAP_TO] = "to",
	[MR_MAP_PERMITS] = "permits",
	[MR_MAP_BANS] = "bans",
	[MR_MAP_SERVICES] = "service_counters",
	[MR_MAP_RULES] = "rule_counters",
	[MR_MAP_REASONS] = "reason_counters",
	[MR_MAP_EVENTS] = "events",
};

static void dir_closep(DIR **d)
{
	if (*d)
		closedir(*d);
}

int mr_pin_path(const char *pin_dir, unsigned int abi, const char *name, char buf[static PATH_MAX])
{
	int n = snprintf(buf, PATH_MAX, "%s/abi%u%s%s", pin_dir, abi, name ? "/" : "",
			 name ? name : "");

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int make_dir(const char *path, struct mr_error *e)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return mr_error(e, -errno, "cannot make %s: %m", path);
	return 0;
}

static int mount_bpffs(const char *dir, struct mr_error *e)
{
	struct statfs fs;
	int r;

	if (statfs(dir, &fs) < 0) {
		r = -errno;
		if (r != -ENOENT)
			return mr_error(e, r, "cannot use the pin directory %s: %m", dir);
		r = mr_mkdirs(dir, 0700);
		if (r < 0)
			return mr_error(e, r, "cannot make the pin directory %s: %s", dir,
					strerror(-r));
		if (statfs(dir, &fs) < 0)
			return mr_error(e, -errno, "cannot use the pin directory %s: %m", dir);
	}
	if (fs.f_type == BPF_FS_MAGIC)
		return 0;
	if (mount("bpf", dir, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		return mr_error(e, -errno,
				"%s is not on a bpffs and none can be mounted there: %m.\n"
				"As root: mount -t bpf -o mode=0700 bpf %s (and chown it to the "
				"daemon's user), or start the unit that does.",
				dir, dir);
	return 0;
}

int mr_pin_prepare(const char *pin_dir, struct mr_error *e)
{
	char path[PATH_MAX];
	int r;

	r = mount_bpffs(pin_dir, e);
	if (r < 0)
		return r;
	if (snprintf(path, sizeof(path), "%s/links", pin_dir) >= (int)sizeof(path))
		return mr_error(e, -ENAMETOOLONG, "the pin directory's name is too long");
	r = make_dir(path, e);
	if (r < 0)
		return r;
	r = mr_pin_path(pin_dir, MR_ABI, NULL, path);
	return r < 0 ? r : make_dir(path, e);
}

/* bpf_obj_get() opens programs and links as well; the descriptor's name tells which it was. */
static bool fd_is_map(int fd)
{
	char proc[64], name[64] = "";

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	return readlink(proc, name, sizeof(name) - 1) > 0 && strstr(name, "bpf-map");
}

int mr_pin_open(const char *path, bool rdonly, struct bpf_map_info *info, struct mr_error *e)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = rdonly ? BPF_F_RDONLY : 0);
	uint32_t len = sizeof(*info);
	_close_ int fd = bpf_obj_get_opts(path, &opts);

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0)
		return mr_error(e, -errno, "cannot open the pin %s: %m", path);
	if (!fd_is_map(fd))
		return mr_error(e, -EINVAL, "%s is pinned, but is not a map; remove it: rm %s",
				path, path);
	memset(info, 0, sizeof(*info));
	if (bpf_obj_get_info_by_fd(fd, info, &len) < 0)
		return mr_error(e, -errno, "cannot read what is pinned as %s: %m", path);
	return MR_TAKE_FD(fd);
}

int mr_pin_map(int fd, const char *path, struct mr_error *e)
{
	char temporary[PATH_MAX];
	const char *name = strrchr(path, '/') + 1;

	if (snprintf(temporary, sizeof(temporary), "%.*s+%s", (int)(name - path), path, name) >=
	    (int)sizeof(temporary))
		return mr_error(e, -ENAMETOOLONG, "the pin directory's name is too long");
	unlink(temporary);
	if (bpf_obj_pin(fd, temporary) < 0)
		return mr_error(e, -errno, "cannot pin %s: %m", path);
	if (rename(temporary, path) < 0) {
		int r = -errno;

		unlink(temporary);
		return mr_error(e, r, "cannot pin %s: %s", path, strerror(-r));
	}
	return 0;
}

int mr_pin_other_abis(const char *pin_dir, unsigned int *abis, size_t max, size_t *n)
{
	_cleanup_(dir_closep) DIR *d = opendir(pin_dir);
	const struct dirent *de;
	size_t found = 0;
	char *end;

	if (!d)
		return -errno;
	while (found < max && (de = readdir(d))) {
		unsigned long abi;

		if (strncmp(de->d_name, "abi", 3) != 0)
			continue;
		abi = strtoul(de->d_name + 3, &end, 10);
		if (end == de->d_name + 3 || *end || abi == MR_ABI || abi > UINT_MAX)
			continue;
		abis[found++] = (unsigned int)abi;
	}
	*n = found;
	return 0;
}

int mr_pin_remove_abi(const char *pin_dir, unsigned int abi)
{
	char path[PATH_MAX];
	_cleanup_(dir_closep) DIR *d = NULL;
	const struct dirent *de;
	int r;

	r = mr_pin_path(pin_dir, abi, NULL, path);
	if (r < 0)
		return r;
	d = opendir(path);
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((de = readdir(d)))
		if (de->d_name[0] != '.' && unlinkat(dirfd(d), de->d_name, 0) < 0)
			return -errno;
	return rmdir(path) < 0 ? -errno : 0;
}
