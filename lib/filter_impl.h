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

/* The clock of all filters here. */
extern const struct ke_filter_ops filter_ops;

/* Slot @s gets @v, if that is of the kind that it asks for; data stays the caller's. */
void filter_put(struct kecho_filter_value *slot, struct ke_filter_str *str,
		const struct ke_filter_slot *s, const struct kecho_value *v);

/* How expressions begin the name of an attribute: "sink.node.". */
const char *filter_scope_text(u8 scope);

#endif
