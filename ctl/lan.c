// SPDX-License-Identifier: BSD-2-Clause
/*
 * lan.c - `mailreeve lan`: the rules "good for this LAN", as text for the configuration.
 *
 * Routers are denied (one that masquerades makes everybody look local), loopback and the connected
 * private networks are allowed, everybody else is refused.  To smtp the routers may still deliver,
 * but not relay: their fault reports come that way.  The rules name `gateways` and `local`, not
 * today's addresses: they follow the machine.  Changes nothing, needs no privilege.
 */
#include "policy.h"
#include "term.h"

static const char *const lan_services[] = { "smtp",  "submission", "submissions", "pop3",
					    "pop3s", "imap",	   "imaps",	  "sieve" };
#define LAN_RULES_MAX 4

static size_t lan_rules(const struct mr_host *h, const char *service,
			const char *rules[static LAN_RULES_MAX])
{
	bool smtp = strcmp(service, "smtp") == 0;
	size_t n = 0;

	if (h->n_gateways)
		rules[n++] = smtp ? "allow gateways" : "deny gateways";
	rules[n++] = smtp ? "allow loopback noauth" : "allow loopback";
	if (h->local.n4 || h->local.n6)
		rules[n++] = smtp ? "allow local noauth" : "allow local";
	return n;
}

static json_t *lan_set(const struct mr_set *s)
{
	json_t *list = json_array();
	char text[MR_PREFIX_TEXT];
	struct mr_prefix p;

	for (size_t i = 0; i < s->n4; i++) {
		p.addr = mr_addr_from4(s->v4[i].addr);
		p.plen = (uint8_t)(96 + s->v4[i].plen);
		json_array_append_new(list, json_string(mr_prefix_text(&p, text)));
	}
	for (size_t i = 0; i < s->n6; i++) {
		p.addr = mr_addr_from6(s->v6[i].hi, s->v6[i].lo);
		p.plen = s->v6[i].plen;
		json_array_append_new(list, json_string(mr_prefix_text(&p, text)));
	}
	return list;
}

static const char *lan_device(const struct mr_host *h, int ifindex)
{
	for (size_t i = 0; i < h->n_devices; i++)
		if (h->devices[i].ifindex == ifindex)
			return h->devices[i].name;
	return "?";
}

static json_t *lan_public(const struct mr_host *h)
{
	json_t *list = json_array();
	char text[MR_PREFIX_TEXT];

	for (size_t i = 0; i < h->n_networks; i++)
		if (h->networks[i].is_public)
			json_array_append_new(
				list,
				json_pack("{s:s,s:o}", "network",
					  mr_prefix_text(&h->networks[i].prefix, text), "interface",
					  mr_report_text(lan_device(h, h->networks[i].ifindex))));
	return list;
}

static json_t *lan_build(const struct mr_host *h)
{
	json_t *gateways = json_array(), *services = json_array();
	const char *rules[LAN_RULES_MAX];
	char text[MR_ADDR_TEXT];

	for (size_t i = 0; i < h->n_gateways; i++)
		json_array_append_new(gateways, json_string(mr_addr_text(&h->gateway[i], text)));
	for (size_t i = 0; i < MR_ARRAY_SIZE(lan_services); i++) {
		size_t n = lan_rules(h, lan_services[i], rules);
		json_t *list = json_array();

		for (size_t j = 0; j < n; j++)
			json_array_append_new(list, json_string(rules[j]));
		json_array_append_new(
			services, json_pack("{s:s,s:o}", "name", lan_services[i], "rules", list));
	}
	return json_pack("{s:o,s:o,s:o,s:o}", "gateways", gateways, "local", lan_set(&h->local),
			 "public", lan_public(h), "services", services);
}

static void lan_comment(const char *label, const json_t *list)
{
	const json_t *item;
	size_t i;

	printf("#   %-8s ", label);
	if (!json_array_size(list))
		fputs(" none", stdout);
	json_array_foreach (list, i, item)
		printf(" %s", json_string_value(item));
	fputc('\n', stdout);
}

static void lan_print_service(const json_t *service)
{
	bool smtp = strcmp(mr_term_string(service, "name"), "smtp") == 0;
	const json_t *rule;
	size_t i;

	printf("service %s {\n", mr_term_string(service, "name"));
	json_array_foreach (json_object_get(service, "rules"), i, rule) {
		printf("\t%s;", json_string_value(rule));
		if (smtp && strcmp(json_string_value(rule), "allow gateways") == 0)
			fputs("\t\t# may deliver to local domains; relays nothing", stdout);
		fputc('\n', stdout);
	}
	if (smtp)
		fputs("\t# allow any;\t\t# if the world's mail servers deliver here directly\n",
		      stdout);
	fputs("}\n", stdout);
}

static void lan_print(const json_t *lan)
{
	const json_t *item;
	size_t i;

	puts("# Good for this LAN: routers denied, connected private networks and loopback "
	     "allowed,\n"
	     "# everybody else refused.  The words follow the machine; now they mean:");
	lan_comment("gateways", json_object_get(lan, "gateways"));
	lan_comment("local", json_object_get(lan, "local"));
	json_array_foreach (json_object_get(lan, "public"), i, item)
		printf("# %s on %s is public: not `local`.  If all its hosts are yours, write "
		       "`local public`.\n",
		       mr_term_string(item, "network"), mr_term_string(item, "interface"));
	json_array_foreach (json_object_get(lan, "services"), i, item)
		lan_print_service(item);
}

static enum mr_exit lan_run(const struct mr_ctl *ctl)
{
	_cleanup_(mr_host_freep) struct mr_host *host = NULL;
	_json_ json_t *lan = NULL;
	enum mr_exit status;

	status = mr_policy_host(&host);
	if (status != MR_EXIT_DONE)
		return status;
	lan = lan_build(host);
	if (ctl->json)
		mr_term_json(lan);
	else
		lan_print(lan);
	return MR_EXIT_DONE;
}

const struct mr_command mr_ctl_lan = {
	.name = "lan",
	.usage = "[--json]",
	.summary = "rules that are good for this LAN, to paste into the configuration",
	.help = "Prints a block of services: routers denied (a router that masquerades makes\n"
		"strangers look local), loopback and connected private networks allowed,\n"
		"everybody else refused. To smtp the routers may still deliver to local\n"
		"domains, without relaying.  The words `gateways` and `local` follow the\n"
		"machine's addresses and routes.  Changes nothing.",
	.json = true,
	.run = lan_run,
};
