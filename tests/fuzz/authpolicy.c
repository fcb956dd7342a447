// SPDX-License-Identifier: BSD-2-Clause
/*
 * authpolicy.c - libFuzzer harness of the bodies that Dovecot posts, and of the headers.
 *
 * The input is a body; from a byte 0x01 on it is the value of an Authorization header.  Whatever
 * comes, what is taken is within its bounds, and an answer's status is an integer.
 */
#include <mailreeve/authpolicy.h>

#include <jansson.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = memchr(data, 1, size);
	size_t len = cut ? (size_t)(cut - data) : size;
	char *body = malloc(len ? len : 1), *header = strndup((const char *)data + len, size - len);
	struct mr_authpolicy q;
	struct mr_event e;

	if (!body || !header)
		abort();
	if (len)
		memcpy(body, data, len);
	if (mr_authpolicy_parse(body, len, &q, NULL) == 0) {
		char *text = mr_authpolicy_body(q.success ? 0 : -1, q.login);
		json_t *o = text ? json_loads(text, 0, NULL) : NULL;

		if (!json_is_integer(json_object_get(o, "status")))
			abort();
		if (mr_authpolicy_event(&q, &e) &&
		    (!q.has_address || e.user.n > MR_AUTHPOLICY_LOGIN ||
		     e.session.n > MR_AUTHPOLICY_SESSION))
			abort();
		json_decref(o);
		free(text);
	}
	if (mr_authpolicy_proof("0123456789abcdef0123456789abcdef", NULL,
				*header ? header + 1 : header) &&
	    !strstr(header, "earer") && !strstr(header, "EARER") && size < 40)
		abort();
	free(body);
	free(header);
	return 0;
}
