/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * An event's struct, and its type, for tests of those.
 */
#ifndef KECHO_SAMPLE_TEST_H
#define KECHO_SAMPLE_TEST_H

#include "kecho/field.h"

struct sample {
	u32 cpu;
	s16 change;
	char name[8];
};

#define SAMPLE(member) KECHO_FIELD(struct sample, member)

static const struct kecho_type sample_is = {
	KECHO_TYPE(struct sample, SAMPLE(cpu), SAMPLE(change), SAMPLE(name))
};

#endif
