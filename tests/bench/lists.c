// SPDX-License-Identifier: BSD-2-Clause
/*
 * lists.c - writes one of the benchmark's lists to a file, to try things by hand.
 *
 * Needs no privileges.  Exit status 2 on bad usage, 1 if the file cannot be written.
 */
#include "_bench.h"

#include <string.h>

static const char *const mixes[] = {
	[BENCH_MIXED] = "mixed", [BENCH_HOSTS] = "hosts", [BENCH_MIXED6] = "mixed6"
};
static const char *const formats[] = { [BENCH_PLAIN] = "plain",
				       [BENCH_NFT] = "nft",
				       [BENCH_IPSET] = "ipset",
				       [BENCH_IPSET_SPLIT] = "ipset-split" };

static int pick(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

int main(int argc, char **argv)
{
	int mix = argc == 5 ? pick(mixes, MR_ARRAY_SIZE(mixes), argv[1]) : -1;
	int format = argc == 5 ? pick(formats, MR_ARRAY_SIZE(formats), argv[3]) : -1;
	size_t n = argc == 5 ? strtoull(argv[2], NULL, 10) : 0;
	struct bench_list l;
	int r;

	if (mix < 0 || format < 0 || n < 1 || n > 4000000) {
		fprintf(stderr, "usage: %s mixed|hosts|mixed6 N plain|nft|ipset|ipset-split FILE\n",
			argv[0]);
		return 2;
	}
	r = bench_list_make((enum bench_mix)mix, n, 1, &l);
	if (r == 0) {
		r = bench_list_write(&l, (enum bench_format)format, argv[4]);
		bench_list_clear(&l);
	}
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", argv[4], strerror(-r));
		return 1;
	}
	return 0;
}
