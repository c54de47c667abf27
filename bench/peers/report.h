/* SPDX-License-Identifier: MIT */
/*
 * What a heat has shown, for people or, as JSON, one object a line: {"kind": "entrant"}
 * for each that may be measured, then for each heat a "cell" of each entrant, and a "bar"
 * for each metric that kecho must be best at.
 */
#ifndef KECHO_BENCH_REPORT_H
#define KECHO_BENCH_REPORT_H

#include "heat.h"

/* report_entrants - the @n of @p. */
void report_entrants(const struct peer *p, size_t n, bool json);

/* report_heat - print all; returns the exit status that @h stands for: 0, 1 if a bar was
 * missed, 2 if an entrant has no figures. */
int report_heat(const struct heat *h, bool json);

#endif
