/* SPDX-License-Identifier: MIT */
/*
 * What stands between double quotes in DOT and OpenMetrics: `\\`, `\"` and `\n` for these
 * three, U+FFFD for each byte that is no UTF-8, all else as it is.
 */
#ifndef ESCAPE_H
#define ESCAPE_H

#include "buf.h"

void escape(struct buf *b, const char *s, size_t len);

#endif
