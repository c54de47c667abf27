/* SPDX-License-Identifier: MIT */
/*
 * Events of a type, for `kecho pub`, `kecho sub` and `kecho type`: the struct --type from
 * the file --btf.
 */
#ifndef TYPED_H
#define TYPED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <kecho/kecho.h>
#include <kecho/type.h>

#include "buf.h"

struct typed {
	const char *name, *btf;		/* as they were given; NULL: not */
	struct kecho_type *type;	/* NULL: events are plain bytes */
	struct buf events;		/* that were parsed, in their slots */
};

/* After the options were parsed. 0, or an exit code after complaining. */
int typed_open(struct typed *t);
void typed_close(struct typed *t);

/* What is in @piece, a JSON object, becomes its event, in a slot of its own of @slots: the
 * first comes first. 0, or -errno after complaining of event @number. */
int typed_parse(struct typed *t, struct iovec *piece, size_t slot, size_t slots,
		uint64_t number);

/* Adds @ev as a JSON object. */
void typed_json(struct buf *b, const struct kecho_type *type, const struct kecho_event *ev);

#endif
