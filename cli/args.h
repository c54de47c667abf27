/* SPDX-License-Identifier: MIT */
/*
 * Values of options. Each parser takes the option's name for its complaint and
 * returns 0 or, after complaining, EXIT_USAGE.
 */
#ifndef ARGS_H
#define ARGS_H

#include <stddef.h>
#include <stdint.h>

#include <kecho/kecho.h>

#define NAMES_MAX	64	/* names in one list, attributes in one command */

struct names {
	const char *name[NAMES_MAX];
	size_t n;
};

/* The values of options that were parsed; the strings stay those of argv. */
struct attrs {
	struct kecho_attr attr[NAMES_MAX];
	size_t n;
};

int arg_count(const char *opt, const char *s, uint64_t *v);
/* As arg_count(), at least @min and at most @max. */
int arg_range(const char *opt, const char *s, uint64_t min, uint64_t max, uint64_t *v);
/* With K or M behind it (1024s). */
int arg_size(const char *opt, const char *s, uint64_t *bytes);
/* A member's, as `kecho ls` shows it: 16 digits, hexadecimal. */
int arg_id(const char *opt, const char *s, uint64_t *id);
/* Events per second, over 0. */
int arg_rate(const char *opt, const char *s, double *per_s);
/* A number and ns, us, ms, s, m or h; without a unit it is seconds. */
int arg_duration(const char *opt, const char *s, uint64_t *ns);
int arg_policy(const char *opt, const char *s, enum kecho_policy *p);
int arg_class(const char *opt, const char *s, enum kecho_class *c);
/* Adds NAME=VALUE; a value that is written as a whole number is one. */
int arg_attr(const char *opt, char *s, struct attrs *a);
/* Adds NAME[,NAME…]. */
int arg_names(const char *opt, char *s, struct names *n);

#endif
