/* SPDX-License-Identifier: MIT */
/* The options that every program here takes. */
#ifndef KECHO_BENCH_OPTIONS_H
#define KECHO_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define OPTIONS_SIZE_MIN	32	/* bytes of an event */
#define OPTIONS_SIZE_MAX	65536

struct options {
	bool quick;	/* shorter rounds, for a look */
	bool json;	/* one object a line on stdout */
	bool spread;	/* sinks on the other CPUs */
	size_t len;	/* bytes of an event */
};

/* options_parse - @about is the program's paragraph for --help. Returns -1 to go on,
 * else the exit status: 0 after --help, 2 after a message on stderr. */
int options_parse(struct options *o, int argc, char **argv, const char *about);

#endif
