// SPDX-License-Identifier: BSD-2-Clause
/*
 * host.c - the snapshot behind `local` and `gateways`, and the watch that tells of changes.
 *
 * Needs root: devices, addresses and routes are made in a network namespace of its own.
 */
#include <mailreeve/host.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <poll.h>
#include <sched.h>

#include <linux/if_arp.h>

static void sh(const char *cmd)
{
	if (system(cmd) != 0) /* NOLINT(cert-env33-c): fixed commands of a test */
		fail_msg("failed: %s", cmd);
}

static struct mr_host *snapshot(void)
{
	struct mr_host *h = NULL;
	struct mr_error e = { "" };

	if (mr_host_read(&h, &e) < 0)
		fail_msg("%s", e.text);
	return h;
}

static const struct mr_device *device(const struct mr_host *h, const char *name)
{
	for (size_t i = 0; i < h->n_devices; i++)
		if (strcmp(h->devices[i].name, name) == 0)
			return &h->devices[i];
	return NULL;
}

static bool holds(const struct mr_set *set, const char *text)
{
	struct mr_addr a;

	assert_int_equal(mr_addr_parse(text, strlen(text), &a), 0);
	return mr_set_find(set, &a, NULL, NULL, NULL);
}

static void test_facts(void **s)
{
	_cleanup_(mr_host_freep) struct mr_host *h = NULL;

	(void)s;
	sh("ip link set lo up; ip link add h0 type veth peer name h1 && ip link set h0 mtu 1400 up "
	   "&& ip link set h1 up && ip link add h2 type veth peer name h4 && ip link set h2 up && "
	   "ip tuntap add mode tun name h3");
	sh("ip link add name h.br type bridge && ip link set h4 master h.br && ip link set h.br "
	   "up");
	sh("ip addr add 192.0.2.10/24 dev h0 && ip addr add 10.1.2.3/16 dev h0 && "
	   "ip addr add 2001:db8::10/64 dev h0 nodad && ip addr add fd00:1::1/48 dev h0 nodad && "
	   "ip addr add 172.16.5.1 peer 172.16.5.2 dev h2 && ip addr add 198.51.100.7/32 dev h2 && "
	   "ip addr add 203.0.113.9/32 dev lo && ip addr add 10.9.0.1/16 dev h3");
	sh("ip route add default via 192.0.2.1 && ip -6 route add default via fe80::1 dev h0 && "
	   "ip route add default via 10.1.0.1 table 100 && ip route add 10.50.0.0/16 via 10.1.0.9 "
	   "&& ip route add unreachable default metric 4000");
	h = snapshot();
	assert_string_equal(device(h, "h0")->driver, "veth");
	assert_string_equal(device(h, "h3")->driver, "tun");
	assert_string_equal(device(h, "h.br")->driver, "bridge");
	assert_true(device(h, "h.br")->up && device(h, "h4"));
	assert_int_equal(device(h, "h0")->mtu, 1400);
	assert_int_equal(device(h, "h0")->type, ARPHRD_ETHER);
	assert_int_equal(device(h, "h3")->type, ARPHRD_NONE);
	assert_true(device(h, "h0")->default_route && device(h, "h0")->up);
	assert_true(!device(h, "h1")->default_route && !device(h, "h2")->default_route);
	assert_true(device(h, "lo")->loopback && !device(h, "lo")->default_route);

	/* own addresses, whatever they are */
	assert_true(holds(&h->local, "192.0.2.10") && holds(&h->local, "198.51.100.7"));
	assert_true(holds(&h->local, "2001:db8::10") && holds(&h->local, "203.0.113.9"));
	assert_true(holds(&h->local, "127.0.0.1") && holds(&h->local, "10.9.0.1"));
	/* private networks, and no public ones */
	assert_true(holds(&h->local, "10.1.255.255") && holds(&h->local, "fd00:1:0:ffff::5"));
	assert_true(holds(&h->local, "172.16.5.2") && holds(&h->local, "fe80::5"));
	assert_false(holds(&h->local, "172.16.5.3"));
	assert_false(holds(&h->local, "192.0.2.11") || holds(&h->local, "2001:db8::11"));
	assert_false(holds(&h->local, "203.0.113.10") || holds(&h->local, "10.2.0.1"));
	assert_true(holds(&h->local_public, "192.0.2.11") &&
		    holds(&h->local_public, "2001:db8::11"));
	assert_true(holds(&h->local_public, "10.1.0.1"));
	/* h3 is down: nobody is connected there */
	assert_false(holds(&h->local, "10.9.0.2"));

	assert_true(holds(&h->gateways, "192.0.2.1") && holds(&h->gateways, "fe80::1"));
	assert_true(holds(&h->gateways, "10.1.0.1")); /* of another table */
	assert_false(holds(&h->gateways, "10.1.0.9")); /* not of a default route */
	assert_int_equal(h->n_gateways, 3);
	assert_true(holds(&h->loopback, "127.1.2.3") && holds(&h->loopback, "::1"));
	assert_false(holds(&h->loopback, "::2"));
}

static void test_empty(void **s)
{
	_cleanup_(mr_host_freep) struct mr_host *h = NULL;

	(void)s;
	assert_int_equal(mr_host_empty(&h), 0);
	assert_true(holds(&h->loopback, "127.0.0.1"));
	assert_false(holds(&h->local, "127.0.0.1") || holds(&h->gateways, "192.0.2.1"));
}

/* Everything until it has been quiet for so long. */
static void heard(struct mr_host_watch *w, int quiet_ms, bool *links, bool *facts)
{
	struct pollfd p = { .fd = mr_host_watch_fd(w), .events = POLLIN };
	bool l, f;

	*links = *facts = false;
	while (poll(&p, 1, quiet_ms) > 0) {
		assert_int_equal(mr_host_watch_read(w, &l, &f), 0);
		*links |= l;
		*facts |= f;
	}
}

static void test_watch(void **s)
{
	_cleanup_(mr_host_watch_freep) struct mr_host_watch *w = NULL;
	struct mr_error e = { "" };
	bool links, facts;

	(void)s;
	sh("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; "
	   "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6");
	sh("ip link add w0 type veth peer name w9 && ip link set w9 up && ip link set w0 up && ip "
	   "addr add 10.77.0.1/24 dev w0");
	assert_int_equal(mr_host_watch_new(&w, &e), 0);
	/* the kernel tells of a carrier up to a second late */
	heard(w, 1200, &links, &facts);
	sh("ip route add 10.78.0.0/16 via 10.77.0.9"); /* no default route: nothing to know */
	heard(w, 100, &links, &facts);
	assert_false(links || facts);
	sh("ip addr add 10.77.1.1/24 dev w0");
	heard(w, 100, &links, &facts);
	assert_true(facts);
	sh("ip route add default via 10.77.0.9 metric 77");
	heard(w, 100, &links, &facts);
	assert_true(facts && !links);
	sh("ip route del default via 10.77.0.9 metric 77");
	heard(w, 100, &links, &facts);
	assert_true(facts);
	sh("ip link add w1 type veth peer name w2");
	heard(w, 100, &links, &facts);
	assert_true(links);
	/* more than the socket holds, unread: told as everything */
	sh("i=0; (while [ $i -lt 6000 ]; do echo route add 10.90.$((i / 250)).$((i % 250))/32 "
	   "dev w0; i=$((i + 1)); done) | ip -batch -");
	heard(w, 100, &links, &facts);
	assert_true(links && facts);
	sh("ip link del w0 && ip link del w1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_watch),
	};

	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0) {
		puts("1..0 # SKIP needs root: a network namespace");
		return 0;
	}
	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
