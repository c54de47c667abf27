// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Sieves: filters as sinks set them, with the type of events that say none. They are kept as
 * they travelled, to be said again and to be compared, and loaded.
 */
#include "judge.h"

static u32 scopes_of(const struct ke_filter *f)
{
	u32 i, scopes = 0;

	for (i = 0; i < f->nslots; i++)
		scopes |= 1 << f->slots[i].scope;
	return scopes;
}

/* Its copy is what is loaded: @s->wire doesn't change any more. */
static int load(struct ke_sieve *s, enum kecho_filter_kind kind, char *why)
{
	int err;

	BUILD_BUG_ON(KE_TYPE_WHY_MAX < KE_FILTER_WHY_MAX);
	err = ke_filter_load(&s->f, s->wire, s->len, why);
	if (err)
		return err;
	if (s->f->kind != kind) {
		strscpy(why, "it is of another kind than this takes", KE_TYPE_WHY_MAX);
		return -EPROTO;
	}
	s->scopes = scopes_of(s->f);
	s->of_sink = s->scopes & (1 << KECHO_SCOPE_SINK | 1 << KECHO_SCOPE_SINK_NODE);
	return s->type_len ? ke_type_load(&s->type, s->wire + s->len, s->type_len, why) : 0;
}

static int make(struct ke_sieve **out, enum kecho_filter_kind kind, const void *wire, u32 len,
		const void *type, u32 type_len, char *why)
{
	struct ke_sieve *s;
	int err;

	if (len > KECHO_FRAME_BODY_MAX || type_len > KECHO_FRAME_BODY_MAX - len) {
		strscpy(why, "a filter and its type have more bytes than travel", KE_TYPE_WHY_MAX);
		return -EPROTO;
	}
	strscpy(why, "no memory", KE_TYPE_WHY_MAX);
	s = kvmalloc(sizeof(*s) + len + type_len, GFP_KERNEL_ACCOUNT);
	if (!s)
		return -ENOMEM;
	*s = (struct ke_sieve){ .refs = 1, .len = len, .type_len = type_len };
	memcpy(s->wire, wire, len);
	if (type_len)
		memcpy(s->wire + len, type, type_len);
	err = load(s, kind, why);
	if (err)
		ke_sieve_put(s);
	else
		*out = s;
	return err;
}

int ke_sieve_make(struct ke_sieve **s, const void *wire, u32 len, const void *type, u32 type_len,
		  char *why)
{
	return make(s, KECHO_FILTER_EVENT, wire, len, type, type_len, why);
}

int ke_sieve_make_in(struct ke_sieve **s, const void *wire, u32 len, const void *type, u32 type_len,
		     char *why)
{
	return make(s, KECHO_FILTER_IN, wire, len, type, type_len, why);
}

int ke_sieve_make_out(struct ke_sieve **s, const void *wire, u32 len, char *why)
{
	return make(s, KECHO_FILTER_OUT, wire, len, NULL, 0, why);
}

struct ke_sieve *ke_sieve_get(struct ke_sieve *s)
{
	if (s)
		s->refs++;
	return s;
}

void ke_sieve_put(struct ke_sieve *s)
{
	if (!s || --s->refs)
		return;
	ke_filter_free(s->f);
	ke_type_free(s->type);
	kvfree(s);
}

bool ke_sieve_same(const struct ke_sieve *a, const struct ke_sieve *b)
{
	if (!a || !b)
		return a == b;
	return a->len == b->len && a->type_len == b->type_len &&
	       !memcmp(a->wire, b->wire, a->len + a->type_len);
}

int ke_sieve_replace(struct ke_sieve **held, struct ke_sieve *s, u32 *bytes)
{
	u32 left = *bytes - ke_sieve_bytes(*held);

	if (ke_sieve_bytes(s) > KE_NODE_FILTERS_MAX - left)
		return -ENOSPC;
	*bytes = left + ke_sieve_bytes(s);
	ke_sieve_put(*held);
	*held = s;
	return 0;
}
