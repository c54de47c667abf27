/* SPDX-License-Identifier: MIT */
/*
 * The report of a show: one HTML file that needs nothing else. It is written
 * beside its place and put there when it is whole, so an earlier report stays
 * until there is a new one.
 */
#ifndef DEMO_REPORT_H
#define DEMO_REPORT_H

#include "story.h"

/* Whether it could be written: better to know before the show than after it.
 * Leaves nothing. 0 or -errno. */
int report_try(const char *path);
int report_write(const char *path, const struct story *s);	/* 0 or -errno */

#endif
