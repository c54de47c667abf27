/* SPDX-License-Identifier: MIT */
/*
 * Figures for people: three or four digits and a unit. Each function writes into
 * the caller's array and returns it.
 */
#ifndef FORMAT_H
#define FORMAT_H

#include <stdint.h>

#define FORMAT_MAX	32

const char *format_duration(char to[FORMAT_MAX], double ns);	/* 812 ns, 12.3 us */
const char *format_count(char to[FORMAT_MAX], double n);	/* 950, 12.3k, 4.56M */
const char *format_bytes(char to[FORMAT_MAX], double bytes);	/* 17 B, 1.50 MiB */
const char *format_clock(char to[FORMAT_MAX], uint64_t real_ns);	/* 14:02:31.123456 */
const char *format_utc(char to[FORMAT_MAX], uint64_t real_ns);	/* 2026-01-02T03:04:05.123456Z */

#endif
