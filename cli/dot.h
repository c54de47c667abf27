/* SPDX-License-Identifier: MIT */
/*
 * What is seen, as a graph in graphviz's language DOT.
 */
#ifndef DOT_H
#define DOT_H

#include "buf.h"
#include "sight.h"

/*
 * A double-quoted string of DOT that shows @s as it is, whatever bytes that has: quotes,
 * backslashes and '&' mean nothing, line ends are line ends, and bytes that are no UTF-8
 * become U+FFFD.
 */
void dot_string(struct buf *b, const char *s);

/* The whole graph; with @rates what flows stands at the edges. */
void dot_graph(struct buf *b, const struct sight *s, bool rates);

#endif
