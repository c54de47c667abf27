/* SPDX-License-Identifier: MIT */
/*
 * Events of a type.
 */
#include <inttypes.h>

#include "cli.h"
#include "typed.h"

#define JSON_GUESS	512	/* bytes that most events have as JSON */

int typed_open(struct typed *t)
{
	if (!t->name && !t->btf)
		return EXIT_OK;
	if (!t->btf)
		return usage_error("--type needs --btf: the file that describes it");
	if (!t->name)
		return usage_error("--btf needs --type: which struct of it");
	if (kecho_type_from_file(&t->type, t->btf, t->name)) {
		complain("no type '%s': %s", t->name, kecho_explain());
		return EXIT_ERROR;
	}
	return EXIT_OK;
}

void typed_close(struct typed *t)
{
	kecho_type_free(t->type);
	buf_free(&t->events);
}

int typed_parse(struct typed *t, struct iovec *piece, size_t slot, size_t slots,
		uint64_t number)
{
	size_t size = kecho_type_size(t->type);
	char *to = buf_room(&t->events, slots * size) + slot * size;
	int err = kecho_type_from_json(t->type, piece->iov_base, piece->iov_len, to);

	if (err)
		complain("event %" PRIu64 " of standard input: %s", number, kecho_explain());
	*piece = (struct iovec){ to, size };
	return err;
}

void typed_json(struct buf *b, const struct kecho_type *type, const struct kecho_event *ev)
{
	char *to = buf_room(b, JSON_GUESS);
	size_t len = kecho_type_to_json(type, ev->data, ev->len, to, JSON_GUESS);

	if (len >= JSON_GUESS) {
		to = buf_room(b, len + 1);
		kecho_type_to_json(type, ev->data, ev->len, to, len + 1);
	}
	b->len += len;
}
