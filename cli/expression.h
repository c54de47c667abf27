/* SPDX-License-Identifier: MIT */
/* Filters that were given as expressions. */
#ifndef EXPRESSION_H
#define EXPRESSION_H

#include <kecho/filter.h>

/* The filter of @text, or -errno after complaining, with the text and a mark where it is
 * wrong. */
int expression(enum kecho_filter_use use, const char *text, struct kecho_filter **f);

#endif
