// SPDX-License-Identifier: BSD-2-Clause
/*
 * link.c - the pinned links: their names, what they stand on, what runs on a device.
 *
 * A device name may hold dots (eth0.100), a name in a bpffs may not: dots, percent signs and a
 * leading plus are written as %XX.  Only reads; attach.c changes.  Works without CAP_SYS_ADMIN:
 * the name of somebody else's program then stays unknown, its number does not.
 */
#include "internal.h"

#include <ctype.h>
#include <dirent.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>

#include <net/if.h> /* before the kernel's headers, which then leave its types alone */
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>

static void dir_closep(DIR **d)
{
	if (*d)
		closedir(*d);
}

static void name_escape(const char *device, char out[static MR_LINK_NAME])
{
	size_t n = 0;

	for (const char *p = device; *p && n + 4 < MR_LINK_NAME; p++) {
		if (*p == '.' || *p == '%' || *p == '+')
			n += (size_t)snprintf(out + n, 4, "%%%02x", (unsigned char)*p);
		else
			out[n++] = *p;
	}
	out[n] = '\0';
}

static void name_unescape(const char *pin, char out[static 16])
{
	size_t n = 0;

	for (const char *p = pin; *p && n < 15; p++) {
		char hex[3] = { p[1], p[1] ? p[2] : '\0', '\0' };

		if (*p == '%' && isxdigit((unsigned char)hex[0]) &&
		    isxdigit((unsigned char)hex[1])) {
			out[n++] = (char)strtoul(hex, NULL, 16);
			p += 2;
		} else {
			out[n++] = *p;
		}
	}
	out[n] = '\0';
}

int mr_link_path(const struct mr_kernel *k, const char *device, char buf[static PATH_MAX])
{
	char name[MR_LINK_NAME];

	name_escape(device, name);
	return snprintf(buf, PATH_MAX, "%s/links/%s", k->pin_dir, name) < PATH_MAX ? 0
										   : -ENAMETOOLONG;
}

/* Fills what the link says of itself; a pin that is no XDP link keeps zeros. */
static void link_read(struct mr_link *l)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);

	l->fd = bpf_obj_get(l->path);
	if (l->fd < 0 || bpf_obj_get_info_by_fd(l->fd, &info, &len) < 0 ||
	    info.type != BPF_LINK_TYPE_XDP)
		return;
	l->ifindex = (int)info.xdp.ifindex;
	l->link_id = info.id;
	l->prog_id = info.prog_id;
}

int mr_link_each(const struct mr_kernel *k, mr_link_fn fn, void *userdata)
{
	char path[PATH_MAX];
	_cleanup_(dir_closep) DIR *d = NULL;
	const struct dirent *de;
	int r = 0;

	if (!k->pin_dir)
		return 0;
	if (snprintf(path, sizeof(path), "%s/links", k->pin_dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	d = opendir(path);
	if (!d) /* taken away with all that was in it: no links */
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (de = readdir(d))) {
		struct mr_link l = { .fd = -EBADF };

		if (de->d_name[0] == '.')
			continue;
		if (snprintf(l.path, sizeof(l.path), "%s/links/%s", k->pin_dir, de->d_name) >=
		    (int)sizeof(l.path))
			return -ENAMETOOLONG;
		name_unescape(de->d_name, l.device);
		link_read(&l);
		r = fn(&l, userdata);
		if (l.fd >= 0)
			close(l.fd);
	}
	return r;
}

int mr_link_query(int ifindex, enum mr_attach_mode *mode, uint32_t *prog_id)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	int r = bpf_xdp_query(ifindex, 0, &q);

	if (r < 0)
		return r;
	switch (q.attach_mode) {
	case XDP_ATTACHED_NONE:
		*mode = MR_ATTACH_NONE;
		*prog_id = 0;
		return 0;
	case XDP_ATTACHED_SKB:
		*mode = MR_ATTACH_GENERIC;
		*prog_id = q.skb_prog_id ? q.skb_prog_id : q.prog_id;
		return 0;
	default:
		*mode = MR_ATTACH_NATIVE;
		*prog_id = q.drv_prog_id ? q.drv_prog_id : q.prog_id;
		if (*prog_id == 0)
			*prog_id = q.hw_prog_id;
		return 0;
	}
}

void mr_link_program_name(uint32_t prog_id, char name[static BPF_OBJ_NAME_LEN])
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	_close_ int fd = bpf_prog_get_fd_by_id(prog_id);

	name[0] = '\0';
	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0)
		memcpy(name, info.name, BPF_OBJ_NAME_LEN);
}

bool mr_link_is_multipoint(int ifindex)
{
	struct nl_sock *sk = nl_socket_alloc();
	struct rtnl_link *link = NULL;
	const struct nl_addr *remote = NULL;
	bool multipoint = false;

	if (sk && nl_connect(sk, NETLINK_ROUTE) == 0 &&
	    rtnl_link_get_kernel(sk, ifindex, NULL, &link) == 0)
		remote = rtnl_link_get_broadcast(link); /* where the kernel keeps it for GRE */
	if (remote && nl_addr_get_len(remote) > 0) {
		const uint8_t *b = nl_addr_get_binary_addr(remote);

		multipoint = nl_addr_iszero(remote) ||
			     (nl_addr_get_len(remote) == 4 ? (b[0] & 0xf0) == 0xe0 : b[0] == 0xff);
	}
	if (link)
		rtnl_link_put(link);
	nl_socket_free(sk);
	return multipoint;
}

void mr_link_driver(const char *device, char driver[static 16])
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = { .ifr_data = (void *)&info };
	_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	driver[0] = '\0';
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", device);
	if (fd >= 0 && ioctl(fd, SIOCETHTOOL, &ifr) == 0)
		snprintf(driver, 16, "%.15s", info.driver);
}
