/* SPDX-License-Identifier: MIT */
/*
 * Subjects: what an event is about. A transport that knows them has a sink get only the events
 * of one subject, which it is attached with in place of its number; an event begins with its
 * own.
 */
#ifndef KECHO_BENCH_SUBJECT_H
#define KECHO_BENCH_SUBJECT_H

#include <stdint.h>
#include <string.h>

#define SUBJECTS	100

static inline uint32_t subject_of(const void *event)
{
	uint32_t subject;

	memcpy(&subject, event, sizeof(subject));
	return subject;
}

#endif
