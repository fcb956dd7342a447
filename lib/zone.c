// SPDX-License-Identifier: BSD-2-Clause
/*
 * zone.c - how far local time is from UTC, and was before the clocks were changed (format.h).
 *
 * Asks the C library, which knows the rules of the zone; whoever wants to see a zone that was
 * changed since the start calls tzset() first.  A stamp that names no zone is read by it: stamp.c.
 * Called where a clock is made for lines: daemon/learn.c, daemon/source/logfile.c, ctl/learn_run.c.
 * Never fails: what cannot be told is UTC.  Never allocates.
 */
#include <mailreeve/format.h>
#include <mailreeve/util.h>
#include <time.h>

#define DAY_S	  86400
#define DAYS_BACK 400 /* a year, which is as far as a stamp without one can tell, and some more */
#define US_PER_S  1000000u

long mr_zone_offset(uint64_t at_us)
{
	time_t t = (time_t)(at_us / US_PER_S);
	struct tm tm;

	return localtime_r(&t, &tm) ? tm.tm_gmtoff : 0;
}

/* The first second that is not `before` any more, of which the one at `low` is, and at `high` not.
 */
static uint64_t changed_at(uint64_t low, uint64_t high, long before)
{
	uint64_t middle;

	while (high - low > 1) {
		middle = low + (high - low) / 2;
		if (mr_zone_offset(middle * US_PER_S) == before)
			low = middle;
		else
			high = middle;
	}
	return high;
}

void mr_zone_read(uint64_t now_us, struct mr_zone *out)
{
	struct mr_zone z = { .gmtoff = mr_zone_offset(now_us) };
	uint64_t high = now_us / US_PER_S, low;
	long later = z.gmtoff, before;
	size_t n = 0;

	for (int day = 0; day < DAYS_BACK && n < MR_ZONE_CHANGES && high > DAY_S; day++) {
		low = high - DAY_S;
		before = mr_zone_offset(low * US_PER_S);
		if (before != later) {
			z.before[n].until_us = changed_at(low, high, before) * US_PER_S;
			z.before[n++].gmtoff = before;
			later = before;
		}
		high = low;
	}
	*out = z;
}
