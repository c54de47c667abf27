/* SPDX-License-Identifier: MIT */
/* The options that every program here takes; see options.h. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define LEN_DEFAULT	100

static void help(const char *program, const char *about)
{
	printf("%s - %s\n\n"
	       "  --quick      shorter rounds, for a look\n"
	       "  --json       one object a line\n"
	       "  --spread     publisher and sinks on all CPUs in turn;\n"
	       "               default: all on one CPU, where a wake-up costs the same each time\n"
	       "  --size=N     bytes of an event, %d to %d, default %d\n",
	       program, about, OPTIONS_SIZE_MIN, OPTIONS_SIZE_MAX, LEN_DEFAULT);
}

static int parse_size(const char *program, const char *text, size_t *len)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*text && !*end && v >= OPTIONS_SIZE_MIN && v <= OPTIONS_SIZE_MAX) {
		*len = v;
		return 0;
	}
	fprintf(stderr, "%s: --size=%s: not a number from %d to %d\n", program, text,
		OPTIONS_SIZE_MIN, OPTIONS_SIZE_MAX);
	return 2;
}

int options_parse(struct options *o, int argc, char **argv, const char *about)
{
	static const struct option longs[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ "json", no_argument, NULL, 'j' },
		{ "spread", no_argument, NULL, 's' },
		{ "size", required_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	*o = (struct options){ .len = LEN_DEFAULT };
	while ((c = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
		switch (c) {
		case 'q':
			o->quick = true;
			break;
		case 'j':
			o->json = true;
			break;
		case 's':
			o->spread = true;
			break;
		case 'n':
			if (parse_size(argv[0], optarg, &o->len))
				return 2;
			break;
		case 'h':
			help(program_invocation_short_name, about);
			return 0;
		default:
			return 2;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "%s: unexpected argument '%s'\n", argv[0], argv[optind]);
	return 2;
}
