// SPDX-License-Identifier: BSD-2-Clause
/*
 * doctor.c - what is missing or dangerous in the set-up of the mail servers (doctor.h).
 *
 * Parses what it is given, runs the checks one after the other, and collects what they say.  The
 * checks are in doctor_relay.c (who may relay), doctor_postfix.c and doctor_dovecot.c.  Called by
 * `mailreeve doctor` and the tests.
 */
#include "doctor_private.h"

#include <stdarg.h>
#include <string.h>

static const struct {
	void (*each)(struct mr_doctor *d, const struct mr_doctor_smtpd *s); /* of Postfix */
	void (*once)(struct mr_doctor *d);
} checks[] = {
	{ .each = mr_doctor_relay },   { .each = mr_doctor_smtpd }, { .once = mr_doctor_main },
	{ .once = mr_doctor_dovecot }, { .once = mr_doctor_logs },
};

void mr_advices_clear(struct mr_advices *a)
{
	if (a->arena)
		mr_arena_free(a->arena);
	*a = (struct mr_advices){ 0 };
}

const char *mr_doctor_text(struct mr_doctor *d, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = mr_arena_vprintf(&d->arena, fmt, ap);
	va_end(ap);
	d->failed |= !text;
	return text ? text : "";
}

void mr_doctor_say(struct mr_doctor *d, enum mr_advice_grade grade, const char *id,
		   const char *file, const char *paste, const char *fmt, ...)
{
	struct mr_advice a = { .grade = grade, .id = id, .file = file, .paste = paste };
	struct mr_advices *out = d->out;
	va_list ap;

	va_start(ap, fmt);
	a.message = mr_arena_vprintf(&d->arena, fmt, ap);
	va_end(ap);
	if (!a.message) {
		d->failed = true;
		return;
	}
	for (size_t k = 0; k < out->n; k++)
		if (strcmp(out->list[k].id, id) == 0 && strcmp(out->list[k].file, file) == 0 &&
		    strcmp(out->list[k].message, a.message) == 0)
			return;
	if (mr_arena_grow(&d->arena, &out->list, out->n, sizeof(a)) < 0)
		d->failed = true;
	else
		out->list[out->n++] = a;
}

/* ADDR, ADDR/LEN, [ADDR]/LEN */
static bool proxy_prefix(const struct mr_doctor_word *w, struct mr_prefix *out)
{
	char text[64];
	size_t n = 0;
	int r;

	for (size_t k = 0; k < w->n && n + 1 < sizeof(text); k++)
		if (w->p[k] != '[' && w->p[k] != ']')
			text[n++] = w->p[k];
	r = mr_prefix_parse(text, n, out);
	return r == 0 || r == -EDOM;
}

bool mr_doctor_known_proxy(const struct mr_doctor *d, const struct mr_doctor_word *w)
{
	const struct mr_policy *p = d->policy;
	struct mr_prefix prefix, found;

	if (!proxy_prefix(w, &prefix))
		return false;
	if (prefix.plen == 128 && !mr_addr_is4(&prefix.addr) && mr_addr_hi(&prefix.addr) == 0 &&
	    mr_addr_lo(&prefix.addr) == 1)
		return true;
	if (mr_addr_is4(&prefix.addr) && prefix.plen >= 104 &&
	    mr_addr_v4(&prefix.addr) >> 24 == 127)
		return true;
	return p && p->proxies &&
	       mr_set_find(&p->sets[p->proxies - 1].set, &prefix.addr, &found, NULL, NULL) &&
	       found.plen <= prefix.plen;
}

const char *mr_doctor_proxies(struct mr_doctor *d, const struct mr_doctor_word *w)
{
	char text[MR_PREFIX_TEXT];
	struct mr_prefix prefix;

	if (!proxy_prefix(w, &prefix))
		return mr_doctor_text(d, "proxies { 192.0.2.10; }\t# the addresses of %.*s",
				      (int)w->n, w->p);
	return mr_doctor_text(d, "proxies { %s; }", mr_prefix_text(&prefix, text));
}

static int parse(struct mr_doctor *d, const struct mr_doctor_input *in, struct mr_error *e)
{
	static const struct mr_doctor_smtpd usual = { .name = "smtp" };
	int r = 0;

	if (in->postconf.data)
		r = mr_doctor_postconf(d, &in->postconf, e);
	if (r == 0 && in->master.data)
		r = mr_doctor_master(d, &in->master, e);
	if (r == 0 && d->postfix && !d->n_smtpd) {
		r = mr_arena_grow(&d->arena, &d->smtpd, 0, sizeof(usual));
		if (r == 0)
			d->smtpd[d->n_smtpd++] = usual;
	}
	if (r == 0 && in->doveconf.data)
		r = mr_doctor_doveconf(d, &in->doveconf, e);
	return r;
}

int mr_doctor(const struct mr_doctor_input *in, struct mr_advices *out, struct mr_error *e)
{
	struct mr_advices advices = { 0 };
	struct mr_doctor d = { .policy = in->policy, .out = &advices };
	int r = parse(&d, in, e);

	for (size_t k = 0; r == 0 && k < MR_ARRAY_SIZE(checks); k++) {
		if (checks[k].once)
			checks[k].once(&d);
		for (size_t s = 0; d.postfix && checks[k].each && s < d.n_smtpd; s++)
			checks[k].each(&d, &d.smtpd[s]);
	}
	if (r == 0 && d.failed)
		r = -ENOMEM;
	if (r < 0) {
		mr_arena_free(d.arena);
		return r;
	}
	*out = advices;
	out->arena = d.arena;
	return 0;
}
