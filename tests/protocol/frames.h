/* SPDX-License-Identifier: MIT */
/*
 * The frames of the protocol as they are now, field by field, as a recording has them.
 */
#ifndef PROTOCOL_FRAMES_H
#define PROTOCOL_FRAMES_H

#include <stddef.h>
#include <stdint.h>

/* A session begins: what was chosen in the last one is forgotten. */
void frames_begin(void);
/* NULL: no recording has such frames. */
const char *frame_name(uint8_t type);
/* Writes on stdout the frame at @p, which @from said to @to ('A' and so on). */
void frame_print(const uint8_t *p, size_t len, char from, char to);

#endif
