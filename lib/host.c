// SPDX-License-Identifier: BSD-2-Clause
/*
 * host.c - a snapshot of this machine's devices, addresses and default routes, by rtnetlink.
 *
 * Reads through libnl, needs no privilege, and asks three dumps: links, addresses, routes.  Routes
 * are looked at one message at a time, not cached: a router with a full table costs time here, not
 * memory.  Default routes of every table but `local` count, because a device that only policy
 * routing uses carries mail as well.
 *
 * Never changes anything in the kernel, never resolves a name.  Called by the daemon (start, and
 * after each change that host_watch.c reports) and by `check`, `lan`, `why -c`.  Fails with what
 * netlink said; a snapshot is complete or not there.
 */
#include <mailreeve/host.h>

#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

/* A dump that another change interrupts is asked again so often before its error counts. */
#define HOST_DUMP_TRIES 5

struct host_build {
	struct mr_host *host;
	size_t alloc_devices, alloc_networks, alloc_gateways;
	int error; /* first failure inside a netlink callback */
};

static void nl_socket_freep(struct nl_sock **s)
{
	if (*s)
		nl_socket_free(*s);
}
static void nl_cache_freep(struct nl_cache **c)
{
	if (*c)
		nl_cache_free(*c);
}

static struct mr_prefix prefix4(uint32_t addr, unsigned int plen)
{
	return (struct mr_prefix){ .addr = mr_addr_from4(addr), .plen = (uint8_t)(96 + plen) };
}

/* RFC 1918, RFC 4193, link-local and loopback: nobody else's addresses. */
static bool prefix_is_private(const struct mr_prefix *p)
{
	const struct mr_prefix wells[] = {
		prefix4(0x0a000000, 8),
		prefix4(0xac100000, 12),
		prefix4(0xc0a80000, 16),
		prefix4(0xa9fe0000, 16),
		prefix4(0x7f000000, 8),
		{ .addr = { { 0xfc } }, .plen = 7 },
		{ .addr = { { 0xfe, 0x80 } }, .plen = 10 },
		{ .addr = { { [15] = 1 } }, .plen = 128 },
	};

	for (size_t i = 0; i < MR_ARRAY_SIZE(wells); i++)
		if (p->plen >= wells[i].plen && mr_prefix_contains(&wells[i], &p->addr))
			return true;
	return false;
}

static bool addr_from_nl(const struct nl_addr *n, struct mr_addr *out)
{
	const unsigned char *b;

	if (!n)
		return false;
	b = nl_addr_get_binary_addr(n);
	switch (nl_addr_get_family(n)) {
	case AF_INET:
		if (nl_addr_get_len(n) != 4)
			return false;
		*out = mr_addr_from4((uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
				     (uint32_t)b[2] << 8 | b[3]);
		return true;
	case AF_INET6:
		if (nl_addr_get_len(n) != 16)
			return false;
		memcpy(out->b, b, 16);
		return true;
	default:
		return false;
	}
}

static int add_single(struct mr_set *s, const struct mr_addr *a)
{
	struct mr_prefix p = { .addr = *a, .plen = 128 };

	return mr_set_add(s, &p, 0, 0);
}

/* --- links ------------------------------------------------------------------------------------ */

static struct mr_device *find_device(struct mr_host *h, int ifindex)
{
	for (size_t i = 0; i < h->n_devices; i++)
		if (h->devices[i].ifindex == ifindex)
			return &h->devices[i];
	return NULL;
}

static int add_device(struct host_build *b, struct rtnl_link *l)
{
	struct mr_host *h = b->host;
	struct mr_device *d;
	const char *name = rtnl_link_get_name(l);
	const char *kind = rtnl_link_get_type(l);
	unsigned int flags = rtnl_link_get_flags(l);
	int r;

	/* not by family: libnl says AF_BRIDGE of a bridge itself, though the dump is of AF_UNSPEC
	 */
	if (!name || find_device(h, rtnl_link_get_ifindex(l)))
		return 0;
	r = mr_grow(&h->devices, &b->alloc_devices, h->n_devices, sizeof(*h->devices));
	if (r < 0)
		return r;
	d = &h->devices[h->n_devices++];
	*d = (struct mr_device){
		.ifindex = rtnl_link_get_ifindex(l),
		.type = (unsigned short)rtnl_link_get_arptype(l),
		.mtu = rtnl_link_get_mtu(l),
		.up = flags & IFF_UP,
		.loopback = flags & IFF_LOOPBACK,
	};
	snprintf(d->name, sizeof(d->name), "%s", name);
	snprintf(d->driver, sizeof(d->driver), "%.15s", kind ? kind : "");
	return 0;
}

static int read_links(struct nl_sock *sk, struct host_build *b)
{
	_cleanup_(nl_cache_freep) struct nl_cache *cache = NULL;
	int r = rtnl_link_alloc_cache(sk, AF_UNSPEC, &cache);

	if (r < 0)
		return r;
	for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o)) {
		b->error = add_device(b, (struct rtnl_link *)o);
		if (b->error < 0)
			return 0;
	}
	return 0;
}

/* --- addresses -------------------------------------------------------------------------------- */

static int add_network(struct host_build *b, int ifindex, struct mr_prefix p)
{
	struct mr_host *h = b->host;
	int r;

	mr_addr_mask(&p.addr, p.plen);
	for (size_t i = 0; i < h->n_networks; i++)
		if (h->networks[i].ifindex == ifindex && h->networks[i].prefix.plen == p.plen &&
		    memcmp(&h->networks[i].prefix.addr, &p.addr, sizeof(p.addr)) == 0)
			return 0;
	r = mr_grow(&h->networks, &b->alloc_networks, h->n_networks, sizeof(*h->networks));
	if (r < 0)
		return r;
	h->networks[h->n_networks++] = (struct mr_network){
		.prefix = p,
		.ifindex = ifindex,
		.is_public = !prefix_is_private(&p),
	};
	return 0;
}

static int add_address(struct host_build *b, struct rtnl_addr *a)
{
	struct mr_host *h = b->host;
	int ifindex = rtnl_addr_get_ifindex(a);
	const struct mr_device *d = find_device(h, ifindex);
	/* on a point-to-point device the network that is connected is the other end's */
	const struct nl_addr *net =
		rtnl_addr_get_peer(a) ? rtnl_addr_get_peer(a) : rtnl_addr_get_local(a);
	struct mr_prefix p;
	struct mr_addr own;
	int r;

	if (!addr_from_nl(rtnl_addr_get_local(a), &own))
		return 0;
	r = add_single(&h->local, &own);
	if (r == 0)
		r = add_single(&h->local_public, &own);
	if (r < 0 || !d || !d->up || d->loopback || !addr_from_nl(net, &p.addr))
		return r;
	p.plen = (uint8_t)(nl_addr_get_prefixlen(net) +
			   (nl_addr_get_family(net) == AF_INET ? 96 : 0));
	if (p.plen == 128 && net == rtnl_addr_get_local(a))
		return 0; /* a single address connects no network */
	return add_network(b, ifindex, p);
}

static int read_addresses(struct nl_sock *sk, struct host_build *b)
{
	_cleanup_(nl_cache_freep) struct nl_cache *cache = NULL;
	int r = rtnl_addr_alloc_cache(sk, &cache);

	if (r < 0)
		return r;
	for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o)) {
		b->error = add_address(b, (struct rtnl_addr *)o);
		if (b->error < 0)
			return 0;
	}
	return 0;
}

/* --- routes ----------------------------------------------------------------------------------- */

static int add_gateway(struct host_build *b, const struct nl_addr *n)
{
	struct mr_host *h = b->host;
	struct mr_addr a;
	int r;

	if (!addr_from_nl(n, &a))
		return 0;
	for (size_t i = 0; i < h->n_gateways; i++)
		if (memcmp(&h->gateway[i], &a, sizeof(a)) == 0)
			return 0;
	r = mr_grow(&h->gateway, &b->alloc_gateways, h->n_gateways, sizeof(*h->gateway));
	if (r < 0)
		return r;
	h->gateway[h->n_gateways++] = a;
	return add_single(&h->gateways, &a);
}

static void nexthop_read(struct rtnl_nexthop *nh, void *arg)
{
	struct host_build *b = arg;
	struct mr_device *d = find_device(b->host, rtnl_route_nh_get_ifindex(nh));
	int r;

	if (d)
		d->default_route = true;
	/* `via inet6 …` of an IPv4 route stands in an attribute of its own (RFC 5549) */
	r = add_gateway(b, rtnl_route_nh_get_gateway(nh));
	if (r == 0)
		r = add_gateway(b, rtnl_route_nh_get_via(nh));
	if (r < 0 && b->error == 0)
		b->error = r;
}

static int route_read(struct nl_msg *msg, void *arg)
{
	struct host_build *b = arg;
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	const struct rtmsg *rtm = nlmsg_data(nlh);
	struct rtnl_route *route = NULL;

	if (nlh->nlmsg_type != RTM_NEWROUTE || !nlmsg_valid_hdr(nlh, sizeof(*rtm)))
		return NL_OK;
	if (rtm->rtm_dst_len != 0 || rtm->rtm_type != RTN_UNICAST ||
	    rtm->rtm_table == RT_TABLE_LOCAL)
		return NL_OK;
	if (rtnl_route_parse(nlh, &route) < 0)
		return NL_OK;
	rtnl_route_foreach_nexthop(route, nexthop_read, b);
	rtnl_route_put(route);
	return b->error < 0 ? NL_STOP : NL_OK;
}

static int read_routes(struct nl_sock *sk, struct host_build *b, int family)
{
	struct rtmsg rtm = { .rtm_family = (unsigned char)family };
	int r;

	r = nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, route_read, b);
	if (r == 0)
		r = nl_send_simple(sk, RTM_GETROUTE, NLM_F_DUMP, &rtm, sizeof(rtm));
	if (r < 0)
		return r;
	return nl_recvmsgs_default(sk);
}

/* --- the snapshot ----------------------------------------------------------------------------- */

static int host_seal(struct mr_host *h)
{
	struct mr_prefix lo4 = prefix4(0x7f000000, 8);
	struct mr_addr lo6 = { { [15] = 1 } };
	int r = 0;

	for (size_t i = 0; i < h->n_networks && r == 0; i++) {
		r = mr_set_add(&h->local_public, &h->networks[i].prefix, 0, 0);
		if (r == 0 && !h->networks[i].is_public)
			r = mr_set_add(&h->local, &h->networks[i].prefix, 0, 0);
	}
	if (r == 0)
		r = mr_set_add(&h->loopback, &lo4, 0, 0);
	if (r == 0)
		r = add_single(&h->loopback, &lo6);
	if (r == 0)
		r = mr_set_seal(&h->local);
	if (r == 0)
		r = mr_set_seal(&h->local_public);
	if (r == 0)
		r = mr_set_seal(&h->gateways);
	return r < 0 ? r : mr_set_seal(&h->loopback);
}

/* libnl's error, not errno: positive NLE_ codes, negated. */
static int host_dump(struct nl_sock *sk, struct host_build *b)
{
	int r = read_links(sk, b);

	if (r >= 0 && b->error == 0)
		r = read_addresses(sk, b);
	if (r >= 0 && b->error == 0)
		r = read_routes(sk, b, AF_INET);
	if (r >= 0 && b->error == 0)
		r = read_routes(sk, b, AF_INET6);
	return r < 0 ? r : 0;
}

static int host_try(struct mr_host **out, int *nle)
{
	_cleanup_(nl_socket_freep) struct nl_sock *sk = nl_socket_alloc();
	_cleanup_(mr_host_freep) struct mr_host *h = calloc(1, sizeof(*h));
	struct host_build b = { .host = h };
	int r;

	if (!sk || !h)
		return -ENOMEM;
	*nle = nl_connect(sk, NETLINK_ROUTE);
	if (*nle == 0)
		*nle = host_dump(sk, &b);
	if (*nle < 0)
		return *nle == -NLE_DUMP_INTR ? -EAGAIN : -EIO;
	if (b.error < 0)
		return b.error;
	r = host_seal(h);
	if (r == 0)
		*out = MR_TAKE_PTR(h);
	return r;
}

int mr_host_read(struct mr_host **out, struct mr_error *e)
{
	int nle = 0, r = -EAGAIN;

	for (int i = 0; i < HOST_DUMP_TRIES && r == -EAGAIN; i++)
		r = host_try(out, &nle);
	if (r == -ENOMEM)
		return mr_error(e, r, "no memory to read the devices and addresses");
	if (r < 0)
		return mr_error(e, r, "cannot read devices and addresses by rtnetlink: %s",
				nl_geterror(nle));
	return 0;
}

int mr_host_empty(struct mr_host **out)
{
	_cleanup_(mr_host_freep) struct mr_host *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	r = host_seal(h);
	if (r == 0)
		*out = MR_TAKE_PTR(h);
	return r;
}

void mr_host_free(struct mr_host *h)
{
	if (!h)
		return;
	mr_set_clear(&h->local);
	mr_set_clear(&h->local_public);
	mr_set_clear(&h->gateways);
	mr_set_clear(&h->loopback);
	free(h->devices);
	free(h->networks);
	free(h->gateway);
	free(h);
}
