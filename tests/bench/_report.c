// SPDX-License-Identifier: BSD-2-Clause
/*
 * _report.c - medians, and the bars: what was promised, what was measured, met or missed.
 *
 * A bar is a constant of the project; it is never bent to a result.  Called by the measurements.
 */
#include "_bench.h"

#include <string.h>
#include <time.h>

double bench_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double bench_median(const double *v, size_t n)
{
	double sorted[BENCH_ROUNDS_MAX];

	if (n == 0 || n > BENCH_ROUNDS_MAX)
		return 0;
	memcpy(sorted, v, n * sizeof(*v));
	qsort(sorted, n, sizeof(*sorted), compare);
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

double bench_percentile(double *v, size_t n, double p)
{
	if (n == 0)
		return 0;
	qsort(v, n, sizeof(*v), compare);
	return v[(size_t)(p * (double)(n - 1) + 0.5)];
}

void bench_bar(struct bench *b, const char *what, double figure, double bar, bool at_least,
	       const char *unit)
{
	bool met = at_least ? figure >= bar : figure <= bar;

	json_array_append_new(b->bars, json_pack("{s:s, s:f, s:f, s:s, s:s, s:b}", "what", what,
						 "figure", figure, "bar", bar, "sense",
						 at_least ? "at least" : "at most", "unit", unit,
						 "met", met));
}

void bench_bar_missing(struct bench *b, const char *what, const char *why)
{
	json_array_append_new(b->bars,
			      json_pack("{s:s, s:n, s:s}", "what", what, "figure", "why", why));
}

void bench_bars_print(const struct bench *b)
{
	size_t i;
	json_t *v;

	printf("\nBars\n");
	json_array_foreach (b->bars, i, v) {
		const char *what = json_string_value(json_object_get(v, "what"));
		const char *unit = json_string_value(json_object_get(v, "unit"));
		json_t *figure = json_object_get(v, "figure");

		if (json_is_null(figure)) {
			printf("  NOT MEASURED  %s: %s\n", what,
			       json_string_value(json_object_get(v, "why")));
			continue;
		}
		printf("  %-6s  %-58s %8.2f %s  (bar: %s %.2f)\n",
		       json_is_true(json_object_get(v, "met")) ? "MET" : "MISSED", what,
		       json_real_value(figure), unit,
		       json_string_value(json_object_get(v, "sense")),
		       json_real_value(json_object_get(v, "bar")));
	}
}
