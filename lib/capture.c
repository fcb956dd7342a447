// SPDX-License-Identifier: BSD-2-Clause
/*
 * capture.c - reads capture files through libpcap (capture.h).
 *
 * Knows two shapes of packets: with an Ethernet header, and raw IP.  Anything else would be judged
 * wrong at every offset, so it is refused by name.  Never opens a device, never writes.  Called by
 * `mailreeve replay`.  Fails on a damaged file at the packet where the damage is, and names it.
 */
#include <mailreeve/capture.h>

#include <pcap/pcap.h>
#include <string.h>

struct mr_capture {
	pcap_t *pcap;
	char *path;
	unsigned long packets; /* read so far */
	bool l3;
};

static int capture_link_type(struct mr_capture *c, struct mr_error *e)
{
	int dlt = pcap_datalink(c->pcap);
	const char *name;

	switch (dlt) {
	case DLT_EN10MB:
		c->l3 = false;
		return 0;
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6:
		c->l3 = true;
		return 0;
	default:
		break;
	}
	name = pcap_datalink_val_to_name(dlt);
	return mr_error(e, -EPROTONOSUPPORT,
			"%s: the link type is %s (%d); replay reads Ethernet and raw IP.\n"
			"Capture on the device itself (tcpdump -i eth0), not on \"any\".",
			c->path, name ? name : "unknown", dlt);
}

int mr_capture_open(const char *path, struct mr_capture **out, struct mr_error *e)
{
	_cleanup_(mr_capture_freep) struct mr_capture *c = calloc(1, sizeof(*c));
	char why[PCAP_ERRBUF_SIZE] = "";
	int r;

	if (c)
		c->path = strdup(path);
	if (!c || !c->path)
		return mr_error(e, -ENOMEM, "%s: no memory", path);
	errno = 0;
	c->pcap = pcap_open_offline(path, why);
	if (!c->pcap) {
		r = errno == ENOENT || errno == EACCES || errno == EISDIR ? -errno : -EINVAL;
		/* libpcap names the file in some of its messages */
		if (strncmp(why, path, strlen(path)) == 0)
			return mr_error(e, r, "%s", why);
		return mr_error(e, r, "%s: not a capture that can be read: %s", path, why);
	}
	r = capture_link_type(c, e);
	if (r == 0)
		*out = MR_TAKE_PTR(c);
	return r;
}

void mr_capture_free(struct mr_capture *c)
{
	if (!c)
		return;
	if (c->pcap)
		pcap_close(c->pcap);
	free(c->path);
	free(c);
}

bool mr_capture_l3(const struct mr_capture *c)
{
	return c->l3;
}

int mr_capture_next(struct mr_capture *c, const void **data, size_t *len, struct mr_error *e)
{
	struct pcap_pkthdr *header;
	const u_char *bytes;
	const char *why;

	switch (pcap_next_ex(c->pcap, &header, &bytes)) {
	case 1:
		c->packets++;
		*data = bytes;
		*len = header->caplen;
		return 1;
	case PCAP_ERROR_BREAK:
		return 0;
	default:
		break;
	}
	why = pcap_geterr(c->pcap);
	/* libpcap hands out one link type for a file; a pcapng of several devices may hold more */
	if (strstr(why, "different from the type of the first interface"))
		return mr_error(e, -EPROTONOSUPPORT,
				"%s: packet %lu: devices of different link types in one file.\n"
				"Capture them one by one: tcpdump -i DEVICE -w FILE.",
				c->path, c->packets + 1);
	return mr_error(e, -EINVAL, "%s: packet %lu: %s", c->path, c->packets + 1, why);
}
