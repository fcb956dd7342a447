// SPDX-License-Identifier: BSD-2-Clause
/*
 * nearest.c - "did you mean" (nearest.h).
 *
 * Compares by Levenshtein's distance; a word is near if a slip of the fingers explains it.  Called
 * where a name is unknown; cannot fail, allocates nothing.
 */
#include <mailreeve/nearest.h>

#include <string.h>

#define NEAR_MAX \
	32 /* longest word that is compared, bytes; the table of distances is on the stack */

/* Levenshtein's distance, two rows. */
static size_t nearest_distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), row[NEAR_MAX + 1];

	if (la > NEAR_MAX || lb > NEAR_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[lb];
}

const char *mr_nearest(const char *word, mr_nearest_fn candidate, const void *userdata)
{
	size_t best = strlen(word) / 3 + 2, distance; /* below: a slip; above: another word */
	const char *found = NULL, *name;

	for (size_t i = 0; (name = candidate(i, userdata)); i++) {
		distance = nearest_distance(word, name);
		if (distance < best) {
			best = distance;
			found = name;
		}
	}
	return found;
}
