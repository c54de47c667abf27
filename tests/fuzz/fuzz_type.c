/* SPDX-License-Identifier: MIT */
/*
 * Types as they come from elsewhere, and payloads that lie about them.
 *
 * A type is any bytes, or one made of the input's decisions with some of its bytes changed,
 * so that it gets past the first checks. What is loaded keeps what type.h promises. Two of
 * them are matched, and convert payloads of any length: memory is of just the size that is
 * said, so whatever reads or writes beyond is seen. Converted by its own type a payload
 * stays as it is, and floats come to what the processor makes of them.
 */
#include "input.h"
#include "type.h"
#include "type_test.h"

enum {
	LIES_MAX = 4,
	PAYLOAD_MAX = 600,
};

static struct input in;
static struct draft draft;

static struct ke_field any_field(u8 how)
{
	static const u8 sizes[] = { 1, 2, 4, 8, 3, 16, 40, 0 };
	struct ke_field f = {
		.kind = how % 6,
		.offset = take_u8(&in) * (how & 0x80 ? 3 : 1),
		.size = sizes[how >> 4 & 7],
	};
	u8 more = take_u8(&in);

	if (f.kind <= KE_FIELD_SIGNED && more & 1) {
		f.bit_offset = more >> 1 & 7;
		f.bits = more >> 4;
	}
	if (f.kind == KE_FIELD_BYTES && more & 1)
		f.elem = KE_ELEM(more >> 1 & 3, 1 << (more >> 3 & 3));
	else if (f.kind == KE_FIELD_BYTES)
		f.shape = more >> 1 & 3;
	return f;
}

static struct ke_type *load(const void *bytes, u32 len)
{
	u8 *copy = __real_malloc(len + !len);
	struct ke_type *t = NULL;
	int err;

	check(copy);
	memcpy(copy, bytes, len);
	memset(draft.why, 0, sizeof(draft.why));
	fail_alloc = take_u8(&in) % 16;
	err = ke_type_load(&t, copy, len, draft.why);
	check(err == 0 || err == -EPROTO || (err == -ENOMEM && !fail_alloc));
	fail_alloc = 0;
	check(!t == !!err && (err == -EPROTO) == !!draft.why[0]);
	memset(copy, 0, len);
	free(copy);
	return t;
}

static struct ke_type *any_type(void)
{
	static const char *const names[] = { "a", "b", "b.c", "b.d", "c", "dd", "e", "f", "~" };
	u8 how = take_u8(&in), bytes[256], i;
	u32 len = take_u8(&in);

	if (how & 1) {
		take_bytes(&in, bytes, len);
		return load(bytes, len);
	}
	draft_begin(&draft, "t", how & 2 ? KE_TYPE_SIZE_MAX : len, how & 4);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (take_u8(&in) & 3)
			draft_add(&draft, names[i], any_field(take_u8(&in)));
	len = ke_type_encode(&draft.type, draft.encoded, sizeof(draft.encoded));
	for (i = (how >> 3) % LIES_MAX; i; i--)
		draft.encoded[take_u16(&in) % len] = take_u8(&in);
	return load(draft.encoded, len - (how == 0xfe));
}

static void check_type(const struct ke_type *t)
{
	u8 *again = __real_malloc(t->encoded_len);
	const struct ke_field *f;

	check(again);
	check(ke_type_encode(t, again, t->encoded_len) == (int)t->encoded_len);
	check(!memcmp(again, t->encoded, t->encoded_len));
	free(again);
	touch(t->names, t->names_len);
	for (f = t->fields; f < t->fields + t->nfields; f++) {
		check(f->size && f->offset + f->size <= t->size);
		check(ke_type_field(t, ke_field_name(t, f), f->name_len) == f);
		check(8 * f->size >= (u32)f->bit_offset + f->bits);
	}
}

/* What any payload becomes; @is it is of the type that reads it. */
static void convert(const struct ke_match *m, const struct ke_type *is)
{
	u32 len = take_u16(&in) % PAYLOAD_MAX, words = ke_match_words(m), i;
	u8 *payload = __real_malloc(len + !len), *out = __real_malloc(ke_match_size(m) + 1);
	u64 *present = __real_malloc(8 * words + 1);
	const struct ke_field *f;

	check(payload && out && present);
	take_bytes(&in, payload, len);
	fail_alloc = 1;		/* it allocates nothing */
	ke_type_convert(m, payload, len, out, present);
	check(fail_alloc == 1);
	fail_alloc = 0;
	touch(out, ke_match_size(m));
	for (i = 0; i < 64 * words; i++)
		check(ke_match_has(m, i) || !(present[i / 64] >> i % 64 & 1));
	for (i = 0; is && i < is->nfields; i++) {
		f = &is->fields[i];
		check((present[i / 64] >> i % 64 & 1) == (f->offset + f->size <= len));
	}
	ke_type_convert(m, payload, len, out, NULL);
	free(payload);
	free(out);
	free(present);
}

static void meet(const struct ke_type *reader, const struct ke_type *writer)
{
	struct ke_match *m;
	int err;

	fail_alloc = take_u8(&in) % 8;
	err = ke_type_match(&m, reader, writer);
	check(err == 0 || (err == -ENOMEM && !fail_alloc));
	fail_alloc = 0;
	if (err)
		return;
	check(ke_match_size(m) == reader->size);
	convert(m, reader == writer ? reader : NULL);
	ke_match_free(m);
}

static struct ke_type *one_float(u32 size)
{
	struct ke_type *t;

	draft_begin(&draft, "t", size, false);
	draft_number(&draft, "f", KE_FIELD_FLOAT, 0, size);
	t = draft_load(&draft);
	check(t);
	return t;
}

static void check_floats(void)
{
	struct ke_type *f4 = one_float(4), *f8 = one_float(8);
	struct ke_match *narrow, *widen;
	float single, narrowed;
	double value, widened;
	u64 raw = take_u64(&in);

	check(!ke_type_match(&narrow, f4, f8) && !ke_type_match(&widen, f8, f4));
	memcpy(&value, &raw, 8);
	ke_type_convert(narrow, &value, 8, &single, NULL);
	narrowed = value;
	check(value != value ? single != single : !memcmp(&single, &narrowed, 4));
	memcpy(&single, &raw, 4);
	ke_type_convert(widen, &single, 4, &value, NULL);
	widened = single;
	check(single != single ? value != value : !memcmp(&value, &widened, 8));
	ke_match_free(narrow);
	ke_match_free(widen);
	ke_type_free(f4);
	ke_type_free(f8);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct ke_type *a, *b;

	in = (struct input){ data, size };
	check_floats();
	a = any_type();
	b = any_type();
	if (a)
		check_type(a);
	if (b)
		check_type(b);
	if (a && b) {
		meet(a, b);
		meet(b, a);
	}
	if (a)
		meet(a, a);
	ke_type_free(a);
	ke_type_free(b);
	return 0;
}
