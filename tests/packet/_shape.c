// SPDX-License-Identifier: BSD-2-Clause
/*
 * _shape.c - builds the frames that the packet tests send.
 *
 * Never fails: a shape is written by a test's author, and a wrong one stops the program.
 */
#include "_shape.h"

#include <arpa/inet.h>
#include <string.h>

static uint8_t *put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	return put16(put16(p, v >> 16), v & 0xffff);
}

static void put_addr(uint8_t *p, bool v6, const char *text)
{
	if (inet_pton(v6 ? AF_INET6 : AF_INET, text, p) != 1) {
		fprintf(stderr, "shape: bad address %s\n", text);
		abort();
	}
}

uint16_t shape_sum(uint32_t sum, const void *data, size_t n)
{
	const uint8_t *b = data;

	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? b[i] : (uint32_t)b[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint8_t *put_ethernet(uint8_t *p, const struct shape *s)
{
	static const uint8_t to[6] = { 0x02, 0, 0, 0, 0, 0x0a },
			     from[6] = { 0x02, 0, 0, 0, 0, 0x0b };

	memcpy(p, to, 6);
	memcpy(p + 6, from, 6);
	p[0] |= s->group_to;
	p[6] |= s->group_from;
	p += 12;
	for (size_t i = 0; s->tags[i]; i++)
		p = put16(put16(p, s->tags[i]),
			  s->priority >> i & 1 ? 0xe000 : 100 + (unsigned int)i);
	return put16(p, s->type ? s->type : s->v6 ? 0x86dd : 0x0800);
}

static uint8_t *put_tcp(uint8_t *p, const struct shape *s)
{
	size_t doff = s->doff ? (size_t)s->doff : 5, n = (doff > 5 ? doff : 5) * 4;

	memset(p, 1, n + (size_t)s->payload); /* options: NOPs */
	put16(p, s->sport);
	put16(p + 2, s->dport);
	put32(p + 4, s->seq);
	put32(p + 8, 0);
	p[12] = (uint8_t)(doff << 4);
	p[13] = s->flags;
	put16(p + 14, 0xffff);
	put32(p + 16, 0);
	p += n + (size_t)s->payload;
	return p;
}

static size_t ip4_header(uint8_t *ip, const struct shape *s, size_t l4)
{
	size_t ihl = s->ihl ? (size_t)s->ihl : 5, n = (ihl > 5 ? ihl : 5) * 4;

	memset(ip, 1, n);
	ip[0] = (uint8_t)((s->version ? s->version : 4) << 4 | (ihl & 15));
	ip[1] = 0;
	put16(ip + 2, s->length_zero ? 0 : (unsigned int)((int)(n + l4) + s->length));
	put16(ip + 4, 0x1234);
	put16(ip + 6, s->frag);
	ip[8] = 64;
	ip[9] = s->proto == SHAPE_NONE ? 0 : s->proto ? (uint8_t)s->proto : 6;
	put16(ip + 10, 0);
	put_addr(ip + 12, false, s->src);
	put_addr(ip + 16, false, s->dst);
	put16(ip + 10, shape_sum(0, ip, n));
	return n;
}

static uint8_t next_header(char c)
{
	static const char letters[] = "hdrafmis";
	static const uint8_t numbers[] = { 0, 60, 43, 51, 44, 135, 139, 140 };
	const char *at = strchr(letters, c);

	if (!at)
		abort();
	return numbers[at - letters];
}

static uint8_t *put_extensions(uint8_t *p, const struct shape *s, uint8_t last)
{
	for (const char *c = s->ext; c && *c; c++) {
		size_t n = *c == 'f'   ? 8
			   : *c == 'a' ? ((size_t)s->units + 2) * 4
				       : ((size_t)s->units + 1) * 8;

		memset(p, 0, n > 8 ? n : 8);
		p[0] = c[1] ? next_header(c[1]) : last;
		p[1] = *c == 'f' ? s->reserved : s->units;
		if (*c == 'f')
			put16(p + 2, s->frag);
		p += n;
	}
	return p;
}

static size_t ip6_headers(uint8_t *ip, const struct shape *s, size_t l4)
{
	uint8_t last = s->proto == SHAPE_NONE ? 0 : s->proto ? (uint8_t)s->proto : 6;
	uint8_t *end = put_extensions(ip + 40, s, last);

	put32(ip, (uint32_t)(s->version ? s->version : 6) << 28);
	put16(ip + 4,
	      s->length_zero ? 0 : (unsigned int)((int)(end - ip - 40 + (ssize_t)l4) + s->length));
	ip[6] = s->ext && *s->ext ? next_header(*s->ext) : last;
	ip[7] = 64;
	put_addr(ip + 8, true, s->src);
	put_addr(ip + 24, true, s->dst);
	return (size_t)(end - ip);
}

size_t shape_build(const struct shape *s, uint8_t *buf)
{
	uint8_t tcp[SHAPE_BYTES];
	uint8_t *ip = s->l3 ? buf : put_ethernet(buf, s);
	size_t l4 = (size_t)(put_tcp(tcp, s) - tcp), counted, n;

	if (s->l4)
		l4 = s->l4 == SHAPE_NONE ? 0 : (size_t)s->l4;
	counted = s->counted == SHAPE_NONE ? 0 : s->counted ? (size_t)s->counted : l4;
	n = s->v6 ? ip6_headers(ip, s, counted) : ip4_header(ip, s, counted);
	memcpy(ip + n, tcp, l4);
	memset(ip + n + l4, 0, (size_t)s->padding);
	return (size_t)(ip - buf) + n + l4 + (size_t)s->padding - (size_t)s->cut;
}
