/* SPDX-License-Identifier: MIT */
/*
 * Standard output. One buffer; a verb adds to it and calls out_item() behind each
 * thing that a reader would want whole, and out_idle() when it has nothing more
 * to write for now. Written at each item when it is a terminal or --line-buffered
 * was given, otherwise when idle or when 64 KiB are together: a pipe sees events
 * at once when they are few and in large writes when they are many.
 *
 * The first error stays: later calls return it again and write nothing.
 */
#ifndef OUT_H
#define OUT_H

#include <stdbool.h>

#include "buf.h"

extern struct buf out;

void out_line_buffered(void);
void out_text(const char *s);
int out_item(void);
int out_idle(void);
/* For a verb that has to go on while its reader does not: after out_gather() the above
 * two only add up, and out_try() writes what standard output takes at once. */
void out_gather(void);
int out_try(void);
/* poll() said that nobody reads standard output any more. */
void out_gone(void);
/* Write all that is there; the exit code that @code becomes by it. */
int out_end(int code);

#endif
