/* SPDX-License-Identifier: MIT */
/*
 * Values of options.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "cli.h"
#include "members.h"

#define DURATION_MAX_S	(366.0 * 86400)	/* longer ones are mistakes */

int arg_range(const char *opt, const char *s, uint64_t min, uint64_t max, uint64_t *v)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(s, &end, 10);
	if (!isdigit((unsigned char)s[0]) || *end)
		return usage_error("%s: '%s' is not a whole number", opt, s);
	if (errno || n < min || n > max)
		return usage_error("%s: %s is not between %" PRIu64 " and %" PRIu64, opt, s,
				   min, max);
	*v = n;
	return 0;
}

int arg_count(const char *opt, const char *s, uint64_t *v)
{
	return arg_range(opt, s, 0, INT64_MAX, v);
}

int arg_size(const char *opt, const char *s, uint64_t *bytes)
{
	unsigned long long n;
	unsigned int shift = 0;
	char *end;

	errno = 0;
	n = strtoull(s, &end, 10);
	if (end != s && (*end == 'K' || *end == 'k'))
		shift = 10;
	else if (end != s && *end == 'M')
		shift = 20;
	if (!isdigit((unsigned char)s[0]) || errno || end[shift ? 1 : 0] || n > UINT32_MAX)
		return usage_error("%s: '%s' is not a size: bytes, or with K or M behind", opt, s);
	*bytes = (uint64_t)n << shift;
	return 0;
}

int arg_id(const char *opt, const char *s, uint64_t *id)
{
	char *end;

	errno = 0;
	*id = strtoull(s, &end, 16);
	if (errno || !isxdigit((unsigned char)*s) || *end || !*id)
		return usage_error("%s: '%s' is no id: up to 16 hexadecimal digits", opt, s);
	return 0;
}

int arg_rate(const char *opt, const char *s, double *per_s)
{
	char *end;
	double v = strtod(s, &end);

	if (end == s || *end || !isfinite(v) || v < 1e-6 || v > 1e9)
		return usage_error("%s: '%s' is not a number of events per second", opt, s);
	*per_s = v;
	return 0;
}

static double unit_s(const char *unit)
{
	static const struct {
		const char *name;
		double s;
	} units[] = {
		{ "", 1 }, { "s", 1 }, { "ms", 1e-3 }, { "us", 1e-6 }, { "ns", 1e-9 },
		{ "m", 60 }, { "h", 3600 },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(unit, units[i].name))
			return units[i].s;
	return 0;
}

int arg_duration(const char *opt, const char *s, uint64_t *ns)
{
	char *end;
	double v = strtod(s, &end);
	double unit = unit_s(end);

	if (end == s || !isfinite(v) || v < 0 || unit == 0)
		return usage_error("%s: '%s' is not a duration such as 200ms, 1.5 or 2m", opt, s);
	if (v * unit > DURATION_MAX_S)
		return usage_error("%s: '%s' is over a year", opt, s);
	*ns = (uint64_t)llround(v * unit * 1e9);
	return 0;
}

int arg_policy(const char *opt, const char *s, enum kecho_policy *p)
{
	static const enum kecho_policy all[] = { KECHO_LATEST, KECHO_BLOCK, KECHO_DISCONNECT };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!strcmp(s, policy_name(all[i]))) {
			*p = all[i];
			return 0;
		}
	}
	return usage_error("%s: '%s' is not latest, block or disconnect", opt, s);
}

int arg_class(const char *opt, const char *s, enum kecho_class *c)
{
	static const enum kecho_class all[] = { KECHO_NORMAL, KECHO_URGENT, KECHO_BULK };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!strcmp(s, class_name(all[i]))) {
			*c = all[i];
			return 0;
		}
	}
	return usage_error("%s: '%s' is not urgent, normal or bulk", opt, s);
}

/* 007 and +7 are no numbers but strings: as numbers they would come back as 7. */
static struct kecho_value parse_value(const char *s)
{
	const char *digits = *s == '-' ? s + 1 : s;
	long long v;
	char *end;

	if (!isdigit((unsigned char)*digits) || (*digits == '0' && (digits[1] || *s == '-')))
		return kecho_string(s);
	errno = 0;
	v = strtoll(s, &end, 10);
	return errno || *end ? kecho_string(s) : kecho_i64(v);
}

static int check_name(const char *opt, const char *name)
{
	size_t len = strlen(name);

	if (!len)
		return usage_error("%s: a name is empty", opt);
	if (len > KECHO_NAME_MAX)
		return usage_error("%s: a name has %zu bytes, over %d", opt, len, KECHO_NAME_MAX);
	return 0;
}

int arg_attr(const char *opt, char *s, struct attrs *a)
{
	char *eq = strchr(s, '=');

	if (!eq)
		return usage_error("%s: '%s' is not NAME=VALUE", opt, s);
	if (a->n == NAMES_MAX)
		return usage_error("%s: more than %d of them", opt, NAMES_MAX);
	*eq = '\0';
	if (check_name(opt, s))
		return EXIT_USAGE;
	a->attr[a->n].name = s;
	a->attr[a->n++].value = parse_value(eq + 1);
	return 0;
}

int arg_names(const char *opt, char *s, struct names *n)
{
	char *name;

	while ((name = strsep(&s, ","))) {
		if (check_name(opt, name))
			return EXIT_USAGE;
		if (n->n == NAMES_MAX)
			return usage_error("%s: more than %d names", opt, NAMES_MAX);
		n->name[n->n++] = name;
	}
	return 0;
}
