// SPDX-License-Identifier: MIT
/*
 * Filters as objects: made of an expression or of what travelled, and in both cases proven
 * before anybody gets to see them.
 */
#include "expr.h"
#include "filter_impl.h"
#include "internal.h"

static_assert((int)KECHO_FOR_EVENT == KECHO_FILTER_EVENT);
static_assert((int)KECHO_FOR_IN == KECHO_FILTER_IN);
static_assert((int)KECHO_FOR_OUT == KECHO_FILTER_OUT);

const char *filter_scope_text(u8 scope)
{
	static const char *const texts[] = {
		[KECHO_SCOPE_EVENT] = "event.", [KECHO_SCOPE_CHANNEL] = "channel.",
		[KECHO_SCOPE_SOURCE] = "source.", [KECHO_SCOPE_SOURCE_NODE] = "source.node.",
		[KECHO_SCOPE_SINK] = "sink.", [KECHO_SCOPE_SINK_NODE] = "sink.node.",
		[KECHO_SCOPE_NODE] = "node.",
	};

	return texts[scope];
}

static u64 real_now(void *arg)
{
	(void)arg;
	return lib_clock_ns(CLOCK_REALTIME);
}

const struct ke_filter_ops filter_ops = { .now_ns = real_now };

void filter_put(struct kecho_filter_value *slot, struct ke_filter_str *str,
		const struct ke_filter_slot *s, const struct kecho_value *v)
{
	if (s->kind && s->kind != (u8)v->kind)
		return;
	slot->present = 1;
	slot->value = v->kind == KECHO_I64 ? v->i64 : (s64)v->len;
	*str = (struct ke_filter_str){ .data = v->data, .len = v->len };
}

static int prove(const struct ke_filter *f, char *why)
{
	struct ke_program *p;
	int err = ke_program_make(&p, f, NULL, why);

	if (!err)
		ke_program_free(p);
	return err;
}

/* Takes @wire, or frees it. */
static int make(struct kecho_filter **out, void *wire, size_t len, char *why)
{
	struct kecho_filter *f = malloc(sizeof(*f));
	int err = -ENOMEM;

	strscpy(why, "no memory", KE_FILTER_WHY_MAX);
	if (!f)
		goto free_wire;
	f->wire = wire;
	f->len = len;
	err = ke_filter_load(&f->f, wire, len, why);
	if (err)
		goto free_filter;
	err = prove(f->f, why);
	if (err)
		goto free_core;
	*out = f;
	return 0;

free_core:
	ke_filter_free(f->f);
free_filter:
	free(f);
free_wire:
	kfree(wire);
	return err;
}

static int explain_error(const struct kecho_filter_error *e)
{
	char sentence[sizeof(e->message) + 64];

	if (e->column)
		snprintf(sentence, sizeof(sentence), "filter, column %zu: %s", e->column,
			 e->message);
	else
		snprintf(sentence, sizeof(sentence), "filter: %s", e->message);
	return lib_fail_as(-EINVAL, sentence);
}

int kecho_filter_compile(struct kecho_filter **out, enum kecho_filter_use use, const char *text,
			 struct kecho_filter_error *err)
{
	struct kecho_filter_error e = { 0 };
	size_t len = strlen(text);
	char why[KE_FILTER_WHY_MAX];
	void *wire;
	int ret;

	if (use < KECHO_FOR_EVENT || use > KECHO_FOR_OUT)
		return lib_fail(-EINVAL, "filter: there is no use %d", use);
	if (len > KECHO_FILTER_TEXT_MAX)
		return lib_fail(-E2BIG, "filter: an expression of %zu bytes, over %d", len,
				KECHO_FILTER_TEXT_MAX);
	ret = expr_compile(&wire, &len, use, text, &e);
	if (!ret) {
		ret = make(out, wire, len, why);
		if (!ret)
			return 0;
		/* What the compiler writes is refused only if it would take too long. */
		snprintf(e.message, sizeof(e.message), "the expression is too complex: %s", why);
	}
	if (ret == -ENOMEM)
		return lib_fail(ret, "filter");
	if (err)
		*err = e;
	return explain_error(&e);
}

int kecho_filter_load(struct kecho_filter **out, const void *wire, size_t len)
{
	char why[KE_FILTER_WHY_MAX];
	void *copy;
	int err;

	if (len > U32_MAX)
		return lib_fail(-EPROTO, "filter: it has %zu bytes", len);
	copy = kmalloc(len ?: 1, GFP_KERNEL);
	if (!copy)
		return lib_fail(-ENOMEM, "filter");
	memcpy(copy, wire, len);
	err = make(out, copy, len, why);
	return err ? lib_fail(err, "filter: %s", why) : 0;
}

const void *kecho_filter_wire(const struct kecho_filter *f, size_t *len)
{
	*len = f->len;
	return f->wire;
}

enum kecho_filter_use kecho_filter_use(const struct kecho_filter *f)
{
	return (enum kecho_filter_use)f->f->kind;
}

void kecho_filter_free(struct kecho_filter *f)
{
	if (!f)
		return;
	ke_filter_free(f->f);
	kfree(f->wire);
	free(f);
}
