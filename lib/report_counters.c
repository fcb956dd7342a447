// SPDX-License-Identifier: BSD-2-Clause
/*
 * report_counters.c - the JSON of `rules` and `stats`: what generation.json says, with the
 * counters of the kernel.
 *
 * Called by the daemon, and by the command when it works from the pins.  Fails with -errno of
 * reading the counters; never prints.
 */
#include <mailreeve/report.h>

int mr_report_rules(const json_t *generation, struct mr_kernel *k, const char *service,
		    json_t **out)
{
	_free_ struct mr_count *count = calloc(MR_COUNTERS_MAX, sizeof(*count));
	json_t *list, *rule;
	bool known = false;
	size_t i;
	int r;

	if (!count)
		return -ENOMEM;
	json_array_foreach (json_object_get(generation, "services"), i, rule)
		if (service &&
		    strcmp(service, json_string_value(json_object_get(rule, "name")) ?: "") == 0)
			known = true;
	if (service && *service && !known)
		return -ENOENT;
	r = mr_counters_rules(k, count);
	if (r < 0)
		return r;
	list = json_array();
	json_array_foreach (json_object_get(generation, "rules"), i, rule) {
		json_int_t c = json_integer_value(json_object_get(rule, "counter"));
		const char *of = json_string_value(json_object_get(rule, "service"));
		json_t *o;

		if (service && *service && of && strcmp(of, service) != 0)
			continue;
		o = json_copy(rule);
		json_object_del(o, "counter");
		if (c < 0 || c >= MR_COUNTERS_MAX)
			c = 0;
		json_object_set_new(o, "packets", json_integer((json_int_t)count[c].packets));
		json_object_set_new(o, "bytes", json_integer((json_int_t)count[c].bytes));
		json_array_append_new(list, o);
	}
	*out = list;
	return 0;
}

static json_t *report_service_counts(const json_t *s, const struct mr_count *count)
{
	json_int_t id = json_integer_value(json_object_get(s, "id"));
	json_t *packets = json_object(), *bytes = json_object();

	if (id < 0 || id >= MR_SERVICES_MAX)
		id = 0;
	for (unsigned int i = 0; i < MR_COUNTED_N; i++) {
		const struct mr_count *c = &count[(size_t)id * MR_COUNTED_N + i];

		json_object_set_new(packets, mr_report_counted_name(i),
				    json_integer((json_int_t)c->packets));
		json_object_set_new(bytes, mr_report_counted_name(i),
				    json_integer((json_int_t)c->bytes));
	}
	return json_pack("{s:O,s:I,s:O,s:o,s:o}", "name", json_object_get(s, "name"), "id", id,
			 "mode", json_object_get(s, "mode"), "packets", packets, "bytes", bytes);
}

int mr_report_stats(const json_t *generation, struct mr_kernel *k, json_t **out)
{
	_free_ struct mr_count *count =
		calloc((size_t)MR_SERVICES_MAX * MR_COUNTED_N + MR_WHY_N, sizeof(*count));
	struct mr_count *reason = count + (size_t)MR_SERVICES_MAX * MR_COUNTED_N;
	json_t *services, *reasons, *s;
	size_t i;
	int r;

	if (!count)
		return -ENOMEM;
	r = mr_counters_services(k, count);
	if (r >= 0)
		r = mr_counters_reasons(k, reason);
	if (r < 0)
		return r;
	services = json_array();
	reasons = json_object();
	json_array_foreach (json_object_get(generation, "services"), i, s)
		json_array_append_new(services, report_service_counts(s, count));
	for (unsigned int w = 0; w < MR_WHY_N; w++)
		json_object_set_new(reasons, mr_report_why_name(w),
				    json_integer((json_int_t)reason[w].packets));
	*out = json_pack("{s:O,s:o,s:o}", "generation", json_object_get(generation, "generation"),
			 "services", services, "reasons", reasons);
	return *out ? 0 : -ENOMEM;
}
