/* SPDX-License-Identifier: MIT */
/*
 * An input as a stream of decisions, which reads as zeros when it has ended; in the kernel, too.
 */
#ifndef FUZZ_DECISIONS_H
#define FUZZ_DECISIONS_H

#include "plat.h"

struct input {
	const u8 *data;
	size_t len;
};

static inline void take_bytes(struct input *in, void *to, size_t len)
{
	size_t n = len < in->len ? len : in->len;

	memset(to, 0, len);
	memcpy(to, in->data, n);
	in->data += n;
	in->len -= n;
}

static inline u8 take_u8(struct input *in)
{
	u8 v;

	take_bytes(in, &v, sizeof(v));
	return v;
}

static inline u16 take_u16(struct input *in)
{
	u16 v;

	take_bytes(in, &v, sizeof(v));
	return v;
}

static inline u32 take_u32(struct input *in)
{
	u32 v;

	take_bytes(in, &v, sizeof(v));
	return v;
}

static inline u64 take_u64(struct input *in)
{
	u64 v;

	take_bytes(in, &v, sizeof(v));
	return v;
}

#endif
