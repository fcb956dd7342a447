// SPDX-License-Identifier: BSD-2-Clause
/*
 * capture.c - captures that replay reads, and those it must refuse by name.
 *
 * Needs nothing; files are made in a temporary directory.
 */
#include <mailreeve/capture.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <pcap/pcap.h>
#include <string.h>

static char file[] = "/tmp/mr-test-capture-XXXXXX"; /* set once, in main() */

static void write_pcap(int link, size_t packets, uint32_t caplen)
{
	_free_ uint8_t *bytes = calloc(1, caplen);
	pcap_t *p = pcap_open_dead(link, 65535);
	pcap_dumper_t *d = pcap_dump_open(p, file);

	assert_non_null(d);
	for (size_t i = 0; i < packets; i++) {
		struct pcap_pkthdr h = { .caplen = caplen, .len = 1500 };

		bytes[0] = (uint8_t)i;
		pcap_dump((u_char *)d, &h, bytes);
	}
	pcap_dump_close(d);
	pcap_close(p);
}

static void expect(bool l3, size_t packets, size_t len)
{
	_cleanup_(mr_capture_freep) struct mr_capture *c = NULL;
	struct mr_error e = { "" };
	const void *data;
	size_t n;

	if (mr_capture_open(file, &c, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(mr_capture_l3(c), l3);
	for (size_t i = 0; i < packets; i++) {
		assert_int_equal(mr_capture_next(c, &data, &n, &e), 1);
		assert_int_equal(n, len);
		assert_int_equal(*(const uint8_t *)data, i);
	}
	assert_int_equal(mr_capture_next(c, &data, &n, &e), 0);
}

static void test_links(void **s)
{
	const int l3[] = { DLT_RAW, DLT_IPV4, DLT_IPV6 };

	(void)s;
	write_pcap(DLT_EN10MB, 3, 60);
	expect(false, 3, 60);
	write_pcap(DLT_EN10MB, 2, 7); /* cut off by a short snapshot length */
	expect(false, 2, 7);
	write_pcap(DLT_EN10MB, 0, 1);
	expect(false, 0, 0);
	for (size_t i = 0; i < MR_ARRAY_SIZE(l3); i++) {
		write_pcap(l3[i], 1, 40);
		expect(true, 1, 40);
	}
}

static void refused(int want, const char *text)
{
	struct mr_capture *c = NULL;
	struct mr_error e = { "" };

	assert_int_equal(mr_capture_open(file, &c, &e), want);
	assert_null(c);
	if (!strstr(e.text, text) || !strstr(e.text, file))
		fail_msg("\"%s\" lacks \"%s\" or the file", e.text, text);
}

static void test_refused(void **s)
{
	FILE *f;

	(void)s;
	write_pcap(DLT_LINUX_SLL, 1, 60);
	refused(-EPROTONOSUPPORT, "LINUX_SLL");
	write_pcap(DLT_IEEE802_11, 1, 60);
	refused(-EPROTONOSUPPORT, "IEEE802_11");
	f = fopen(file, "w");
	assert_non_null(f);
	fputs("Received: from nobody\n", f);
	fclose(f);
	refused(-EINVAL, "not a capture");
	f = fopen(file, "w");
	fclose(f);
	refused(-EINVAL, "");
	unlink(file);
	refused(-ENOENT, "No such file");
}

static void test_damaged(void **s)
{
	_cleanup_(mr_capture_freep) struct mr_capture *c = NULL;
	struct mr_error e = { "" };
	const void *data;
	size_t n;

	(void)s;
	write_pcap(DLT_EN10MB, 2, 60);
	assert_int_equal(truncate(file, 24 + 16 + 60 + 16 + 30), 0);
	assert_int_equal(mr_capture_open(file, &c, &e), 0);
	assert_int_equal(mr_capture_next(c, &data, &n, &e), 1);
	assert_int_equal(mr_capture_next(c, &data, &n, &e), -EINVAL);
	assert_non_null(strstr(e.text, "packet 2"));
}

/* pcapng, little endian: a section, interfaces, and a packet of 4 bytes on each interface. */
static void write_pcapng(const uint16_t *links, size_t n)
{
	const uint32_t section[] = { 0x0a0d0d0a, 28, 0x1a2b3c4d, 1, UINT32_MAX, UINT32_MAX, 28 };
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	fwrite(section, sizeof(section), 1, f);
	for (size_t i = 0; i < n; i++) {
		const uint32_t interface[] = { 1, 20, links[i], 65535, 20 };

		fwrite(interface, sizeof(interface), 1, f);
	}
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t packet[] = { 6, 36, i, 0, 0, 4, 1500, i, 36 };

		fwrite(packet, sizeof(packet), 1, f);
	}
	fclose(f);
}

static void test_pcapng(void **s)
{
	const uint16_t same[] = { 1, 1 }, mixed[] = { 1, 101 }; /* Ethernet, raw IP */
	_cleanup_(mr_capture_freep) struct mr_capture *c = NULL;
	struct mr_error e = { "" };
	const void *data;
	size_t n;
	int r;

	(void)s;
	write_pcapng(same, 2);
	expect(false, 2, 4);
	write_pcapng(mixed, 2);
	r = mr_capture_open(file, &c, &e);
	while (r >= 0 && (r = mr_capture_next(c, &data, &n, &e)) > 0)
		;
	assert_int_equal(r, -EPROTONOSUPPORT);
	assert_non_null(strstr(e.text, "one by one"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_pcapng),
	};
	int fd = mkstemp(file), r;

	if (fd < 0) {
		perror(file);
		return 1;
	}
	close(fd);
	r = cmocka_run_group_tests_name("capture", tests, NULL, NULL);
	unlink(file);
	return r;
}
