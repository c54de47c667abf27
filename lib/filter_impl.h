/* SPDX-License-Identifier: MIT */
/* A filter as the library holds it. */
#ifndef KECHO_FILTER_IMPL_H
#define KECHO_FILTER_IMPL_H

#include "kecho/filter.h"
#include "filter.h"

struct kecho_filter {
	struct ke_filter *f;	/* taken apart, and known to run */
	void *wire;		/* as it travels */
	size_t len;
};

/* How expressions begin the name of an attribute: "sink.node.". */
const char *filter_scope_text(u8 scope);

#endif
