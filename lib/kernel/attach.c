// SPDX-License-Identifier: BSD-2-Clause
/*
 * attach.c - puts the program on a device, keeps it there, takes it off.
 *
 * An attachment is a pinned bpf_link: no tool replaces it by accident, it outlives the daemon, and
 * its program is exchanged in one step, so a restart leaves no gap.  Native mode comes first, then
 * generic; the multi-buffer program comes first, then the plain one.
 *
 * Never takes another program off a device, and never attaches to loopback.  A pin whose device
 * is gone or was made anew is replaced, one whose device was renamed is renamed.  Called by the
 * daemon and by `detach`.  Fails with a message that names the device and the way out.
 */
#include "internal.h"

#include <net/if.h> /* before the kernel's headers, which then leave its types alone */
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/if_arp.h>
#include <linux/if_link.h>

/* Does a frame of such a device begin with an Ethernet header (0), with the IP header (1), or with
 * something this program does not know (-EOPNOTSUPP)? */
static int type_is_l3(unsigned short type)
{
	switch (type) {
	case ARPHRD_ETHER:
		return 0;
	case ARPHRD_NONE:
	case ARPHRD_PPP:
	case ARPHRD_RAWIP:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
	case ARPHRD_IPGRE:
	case ARPHRD_IP6GRE:
		return 1;
	default:
		return -EOPNOTSUPP;
	}
}

static int busy(const char *device, uint32_t prog_id, struct mr_error *e)
{
	char name[BPF_OBJ_NAME_LEN];

	mr_link_program_name(prog_id, name);
	if (strncmp(name, "mr_l", 4) == 0)
		return mr_error(e, -EBUSY,
				"%s is guarded by another mailreeved (program %s, id %u).\n"
				"Detach it there, or give this one other interfaces.",
				device, name, prog_id);
	return mr_error(e, -EBUSY,
			"%s already runs an XDP program (%s%sid %u), which we leave alone.\n"
			"To make room: xdp-loader unload %s --all, or ip link set dev %s xdp off "
			"(xdpgeneric off), or, for a bpf_link, stop its owner or remove its pin.",
			device, name, name[0] ? ", " : "", prog_id, device, device);
}

/* --- a link that stands ----------------------------------------------------------------------- */

struct find {
	int ifindex;
	uint32_t prog_id; /* what runs on the device */
	struct mr_link found;
};

static int find_link(struct mr_link *l, void *userdata)
{
	struct find *f = userdata;

	/* the number alone is not enough: the link may stand on a device of that number that was
	 * moved to another network namespace */
	if (l->ifindex != f->ifindex || l->prog_id != f->prog_id || l->fd < 0)
		return 0;
	f->found = *l;
	l->fd = -EBADF;
	return 1;
}

/* Frees the name `path` for another link: a dead pin goes, a live one steps aside until its own
 * device comes to be attached. */
static int clear_name(const char *path, struct mr_error *e)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);
	char aside[PATH_MAX];
	_close_ int fd = bpf_obj_get(path);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0 &&
	    info.type == BPF_LINK_TYPE_XDP && info.xdp.ifindex != 0 &&
	    snprintf(aside, sizeof(aside), "%.*s/+%u", (int)(strrchr(path, '/') - path), path,
		     info.xdp.ifindex) < (int)sizeof(aside)) {
		if (rename(path, aside) < 0)
			return mr_error(e, -errno, "cannot rename the pin %s: %m", path);
		return 0;
	}
	if (unlink(path) < 0 && errno != ENOENT)
		return mr_error(e, -errno, "cannot remove the dead pin %s: %m", path);
	return 0;
}

/* The programs for a device, the multi-buffer one first. */
static size_t programs_for(const struct mr_kernel *k, bool l3, enum mr_program out[static 2])
{
	size_t n = 0;

	if (k->frags)
		out[n++] = l3 ? MR_PROGRAM_L3_FRAGS : MR_PROGRAM_L2_FRAGS;
	out[n++] = l3 ? MR_PROGRAM_L3 : MR_PROGRAM_L2;
	return n;
}

static int update_link(const struct mr_kernel *k, const struct mr_device *d,
		       const struct mr_link *l, bool l3, struct mr_attachment *out,
		       struct mr_error *e)
{
	enum mr_program p[2];
	size_t n = programs_for(k, l3, p);
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		r = bpf_link_update(l->fd, k->prog[p[i]], NULL) < 0 ? -errno : 0;
		if (r < 0)
			continue;
		out->frags = p[i] >= MR_PROGRAM_L2_FRAGS;
		out->prog_id = k->prog_id[p[i]];
		out->link_id = l->link_id;
		return 0;
	}
	return mr_error(e, r, "%s: cannot exchange the program that stands: %s", d->name,
			strerror(-r));
}

static int take_over(struct mr_kernel *k, const struct mr_device *d, const struct mr_link *l,
		     struct mr_attachment *out, struct mr_error *e)
{
	char path[PATH_MAX];
	int r;

	r = update_link(k, d, l, out->l3, out, e);
	if (r == 0)
		r = mr_link_path(k, d->name, path);
	if (r < 0 || strcmp(path, l->path) == 0)
		return r;
	r = clear_name(path, e);
	if (r == 0 && rename(l->path, path) < 0)
		r = mr_error(e, -errno, "%s: cannot rename the pin %s: %m", d->name, l->path);
	return r;
}

/* --- a new link ------------------------------------------------------------------------------- */

/* No other mode or program would help. */
static bool attach_is_final(int r)
{
	return r == -EBUSY || r == -EEXIST || r == -EPERM || r == -EACCES || r == -ENODEV ||
	       r == -ENOMEM;
}

static int create_link(const struct mr_kernel *k, const struct mr_device *d, bool generic_only,
		       struct mr_attachment *out)
{
	const uint32_t modes[] = { XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE };
	enum mr_program p[2];
	size_t n = programs_for(k, out->l3, p);
	int r = -EOPNOTSUPP;

	for (size_t m = generic_only ? 1 : 0; m < MR_ARRAY_SIZE(modes); m++) {
		for (size_t i = 0; i < n; i++) {
			LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = modes[m]);

			r = bpf_link_create(k->prog[p[i]], d->ifindex, BPF_XDP, &opts);
			if (r >= 0) {
				out->frags = p[i] >= MR_PROGRAM_L2_FRAGS;
				out->prog_id = k->prog_id[p[i]];
				return r;
			}
			r = -errno;
			if (attach_is_final(r))
				return r;
		}
	}
	return r;
}

static int attach_new(struct mr_kernel *k, const struct mr_device *d, bool want_reject,
		      struct mr_attachment *out, struct mr_error *e)
{
	/* native XDP_TX of a veth leaves only if the other end runs XDP or NAPI as well */
	bool generic_only = want_reject && strcmp(d->driver, "veth") == 0;
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info), prog_id = 0;
	enum mr_attach_mode mode;
	char path[PATH_MAX];
	_close_ int fd = create_link(k, d, generic_only, out);
	int r;

	if ((fd == -EBUSY || fd == -EEXIST) && mr_link_query(d->ifindex, &mode, &prog_id) == 0)
		return busy(d->name, prog_id, e);
	if (fd < 0)
		return mr_error(e, fd, "%s: cannot attach, neither native nor generic: %s", d->name,
				strerror(-fd));
	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0)
		out->link_id = info.id;
	if (!k->pin_dir) {
		r = mr_grow(&k->private_links, &k->alloc_private_links, k->n_private_links,
			    sizeof(*k->private_links));
		if (r == 0)
			k->private_links[k->n_private_links++] = MR_TAKE_FD(fd);
		return r;
	}
	r = mr_pin_prepare(k->pin_dir, e);
	if (r == 0)
		r = mr_link_path(k, d->name, path);
	if (r == 0)
		r = clear_name(path, e);
	if (r < 0)
		return r;
	if (bpf_obj_pin(fd, path) < 0)
		return mr_error(e, -errno, "%s: cannot pin the link as %s: %m", d->name, path);
	return 0;
}

/* --- attach and detach ------------------------------------------------------------------------ */

static int foreign_program(struct mr_link *l, void *userdata)
{
	const struct mr_kernel *k = userdata;

	return l->ifindex != 0 && !mr_kernel_owns_program(k, l->prog_id);
}

/* Maps of another ABI are needed as long as a link runs their program. */
static void retire_other_abis(struct mr_kernel *k)
{
	unsigned int abis[MR_PIN_ABIS_MAX];
	size_t n = 0;

	if (!k->other_abi || mr_link_each(k, foreign_program, k) != 0)
		return;
	if (mr_pin_other_abis(k->pin_dir, abis, MR_ARRAY_SIZE(abis), &n) < 0)
		return;
	k->other_abi = false;
	for (size_t i = 0; i < n; i++)
		if (mr_pin_remove_abi(k->pin_dir, abis[i]) < 0)
			k->other_abi = true;
}

static int attach_here(struct mr_kernel *k, const struct mr_device *d, bool want_reject,
		       struct mr_attachment *out, struct mr_error *e)
{
	struct find f = { .ifindex = d->ifindex, .found = { .fd = -EBADF } };
	int r;

	r = mr_link_query(d->ifindex, &out->mode, &f.prog_id);
	if (r < 0)
		return mr_error(e, r, "%s: cannot ask what runs on it: %s", d->name, strerror(-r));
	if (out->mode == MR_ATTACH_NONE)
		return attach_new(k, d, want_reject, out, e);
	r = mr_link_each(k, find_link, &f);
	if (r == 0)
		return busy(d->name, f.prog_id, e);
	if (r < 0)
		return mr_error(e, r, "%s: cannot read the pinned links: %s", d->name,
				strerror(-r));
	r = take_over(k, d, &f.found, out, e);
	close(f.found.fd);
	return r;
}

int mr_attach(struct mr_kernel *k, const struct mr_device *d, bool want_reject,
	      struct mr_attachment *out, struct mr_error *e)
{
	struct mr_attachment a = { .ifindex = d->ifindex };
	uint32_t prog_id;
	int l3 = type_is_l3(d->type);
	int r;

	if (d->loopback)
		return mr_error(e, -EINVAL,
				"%s is loopback: what the host sends to itself is not filtered; "
				"name the devices that mail comes in through",
				d->name);
	if (l3 < 0)
		return mr_error(
			e, l3,
			"%s: frames of this kind of device (ARPHRD %u) are neither Ethernet "
			"nor IP; it cannot be guarded",
			d->name, d->type);
	if ((d->type == ARPHRD_IPGRE || d->type == ARPHRD_IP6GRE) &&
	    mr_link_is_multipoint(d->ifindex))
		return mr_error(e, -EOPNOTSUPP,
				"%s is a GRE tunnel to many ends: XDP cannot see into it; give the "
				"tunnel a remote address, or leave it out",
				d->name);
	a.l3 = l3;
	snprintf(a.name, sizeof(a.name), "%s", d->name);
	r = attach_here(k, d, want_reject, &a, e);
	if (r == 0)
		r = mr_link_query(d->ifindex, &a.mode, &prog_id);
	if (r < 0)
		return r;
	a.reject_is_deny = a.mode == MR_ATTACH_NATIVE && strcmp(d->driver, "veth") == 0;
	retire_other_abis(k);
	*out = a;
	return 0;
}

struct detach {
	const char *name;
	int ifindex;
};

static int detach_link(struct mr_link *l, void *userdata)
{
	const struct detach *d = userdata;

	if (strcmp(l->device, d->name) != 0 && (d->ifindex == 0 || l->ifindex != d->ifindex))
		return 0;
	/* before the pin goes, so that somebody who holds the link open does not keep it alive */
	if (l->fd >= 0)
		(void)bpf_link_detach(l->fd);
	return unlink(l->path) < 0 ? -errno : 1;
}

int mr_detach(struct mr_kernel *k, const char *name)
{
	struct detach d = { .name = name, .ifindex = (int)if_nametoindex(name) };
	int r = mr_link_each(k, detach_link, &d);

	return r == 0 ? -ENOENT : r < 0 ? r : 0;
}

/* --- list ------------------------------------------------------------------------------------- */

struct list {
	struct mr_kernel *k;
	struct mr_attachment *v;
	size_t n, alloc;
};

static unsigned short device_type(const char *name)
{
	struct ifreq ifr = { 0 };
	_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &ifr) < 0)
		return ARPHRD_ETHER;
	return ifr.ifr_hwaddr.sa_family;
}

static void list_program(const struct list *x, struct mr_attachment *a)
{
	char name[BPF_OBJ_NAME_LEN];

	if (mr_kernel_owns_program(x->k, a->prog_id)) {
		a->frags = a->prog_id == x->k->prog_id[MR_PROGRAM_L2_FRAGS] ||
			   a->prog_id == x->k->prog_id[MR_PROGRAM_L3_FRAGS];
		return;
	}
	mr_link_program_name(a->prog_id, name);
	a->frags = strstr(name, "_frags") != NULL;
}

static int list_link(struct mr_link *l, void *userdata)
{
	struct list *x = userdata;
	struct mr_attachment *a;
	char driver[16], name[IF_NAMESIZE];
	uint32_t prog_id = 0;
	int r;

	r = mr_grow(&x->v, &x->alloc, x->n, sizeof(*x->v));
	if (r < 0)
		return r;
	a = &x->v[x->n++];
	*a = (struct mr_attachment){
		.ifindex = l->ifindex,
		.prog_id = l->prog_id,
		.link_id = l->link_id,
	};
	memcpy(a->name, l->device, sizeof(a->name));
	if (a->ifindex == 0)
		return 0;
	if (mr_link_query(a->ifindex, &a->mode, &prog_id) < 0 || prog_id != a->prog_id) {
		/* alive, but not on a device of this network namespace */
		a->mode = MR_ATTACH_NONE;
		a->ifindex = 0;
		return 0;
	}
	if (if_indextoname((unsigned int)a->ifindex, name))
		snprintf(a->name, sizeof(a->name), "%s", name);
	mr_link_driver(a->name, driver);
	a->reject_is_deny = a->mode == MR_ATTACH_NATIVE && strcmp(driver, "veth") == 0;
	a->l3 = type_is_l3(device_type(a->name)) == 1;
	list_program(x, a);
	return 0;
}

int mr_attach_list(struct mr_kernel *k, struct mr_attachment **list, size_t *n)
{
	struct list x = { .k = k };
	int r = mr_link_each(k, list_link, &x);

	if (r < 0) {
		free(x.v);
		return r;
	}
	*list = x.v;
	*n = x.n;
	return 0;
}
