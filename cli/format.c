/* SPDX-License-Identifier: MIT */
/*
 * Figures for people.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "format.h"

/* Three digits that matter. */
static const char *scaled(char to[FORMAT_MAX], double v, const char *unit)
{
	int decimals = fabs(v) < 9.995 ? 2 : fabs(v) < 99.95 ? 1 : 0;

	snprintf(to, FORMAT_MAX, "%.*f%s", decimals, v, unit);
	return to;
}

const char *format_duration(char to[FORMAT_MAX], double ns)
{
	double size = fabs(ns);

	if (size < 999.5) {
		snprintf(to, FORMAT_MAX, "%.0f ns", ns);
		return to;
	}
	if (size < 999.5e3)
		return scaled(to, ns / 1e3, " us");
	if (size < 999.5e6)
		return scaled(to, ns / 1e6, " ms");
	return scaled(to, ns / 1e9, " s");
}

const char *format_count(char to[FORMAT_MAX], double n)
{
	if (n < 9999.5) {
		snprintf(to, FORMAT_MAX, n < 99.95 && n != floor(n) ? "%.1f" : "%.0f", n);
		return to;
	}
	if (n < 999.5e3)
		return scaled(to, n / 1e3, "k");
	if (n < 999.5e6)
		return scaled(to, n / 1e6, "M");
	return scaled(to, n / 1e9, "G");
}

const char *format_bytes(char to[FORMAT_MAX], double bytes)
{
	static const char *const units[] = { " KiB", " MiB", " GiB", " TiB" };
	unsigned int i = 0;

	if (bytes < 1023.5) {
		snprintf(to, FORMAT_MAX, "%.0f B", bytes);
		return to;
	}
	for (bytes /= 1024; bytes >= 1023.5 && i < 3; i++)
		bytes /= 1024;
	return scaled(to, bytes, units[i]);
}

const char *format_clock(char to[FORMAT_MAX], uint64_t real_ns)
{
	time_t s = real_ns / 1000000000u;
	struct tm tm;

	localtime_r(&s, &tm);
	snprintf(to, FORMAT_MAX, "%02d:%02d:%02d.%06u", tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (unsigned int)(real_ns % 1000000000u / 1000));
	return to;
}

const char *format_utc(char to[FORMAT_MAX], uint64_t real_ns)
{
	time_t s = real_ns / 1000000000u;
	char date[FORMAT_MAX - 8];
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(to, FORMAT_MAX, "%s.%06uZ", date, (unsigned int)(real_ns % 1000000000u / 1000));
	return to;
}
