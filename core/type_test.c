// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Types as they travel: what was encoded is found again, its bytes are the same on every
 * machine, and of what comes from elsewhere nothing is believed.
 */
#include "type.h"
#include "type_test.h"
#include "tap.h"

static struct draft draft;

/* struct load { u64 seq; s32 cpu; char host[16]; u16 a:3, b:5; u32 parts[4]; float f; } */
static void draft_load_type(struct draft *d)
{
	draft_begin(d, "load", 56, false);
	draft_number(d, "seq", KE_FIELD_UNSIGNED, 0, 8);
	draft_number(d, "cpu", KE_FIELD_SIGNED, 8, 4);
	draft_add(d, "host", (struct ke_field){ .kind = KE_FIELD_STRING, .offset = 12,
						.size = 16 });
	draft_bits(d, "a", KE_FIELD_UNSIGNED, 28, 2, 0, 3);
	draft_bits(d, "b", KE_FIELD_UNSIGNED, 28, 2, 3, 5);
	draft_array(d, "parts", KE_ELEM(KE_FIELD_UNSIGNED, 4), 32, 16);
	draft_number(d, "at.f", KE_FIELD_FLOAT, 48, 4);
	draft_add(d, "at.u", (struct ke_field){ .kind = KE_FIELD_BYTES, .offset = 52, .size = 4,
						.shape = 77 });
}

static const struct ke_field *field(const struct ke_type *t, const char *name)
{
	return ke_type_field(t, name, strlen(name));
}

TEST(fields_are_found)
{
	static const char *const names[] = { "a", "at.f", "at.u", "b", "cpu", "host", "parts",
					     "seq" };
	const struct ke_field *f;
	struct ke_type *t;
	u32 i;

	draft_load_type(&draft);
	t = draft_load(&draft);
	must(t, "%s", draft.why);
	is_eq(t->nfields, ARRAY_SIZE(names), "fields");
	is_eq(t->size, 56, "size");
	ok(!t->big_endian, "byte order");
	is_eq(t->name_len, 4, "name");
	is_mem(t->names + t->name, "load", 4, "name");
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		f = field(t, names[i]);
		ok(f == &t->fields[i], "%s is number %u", names[i], i);
	}
	ok(!field(t, "") && !field(t, "at") && !field(t, "at.") && !field(t, "zone"), "others");
	ok(!ke_type_field(t, "seqx", 4) && ke_type_field(t, "seqx", 3), "by length");
	f = field(t, "b");
	must(f, "b");
	ok(f->offset == 28 && f->size == 2 && f->bit_offset == 3 && f->bits == 5, "b");
	f = field(t, "parts");
	must(f, "parts");
	ok(KE_ELEM_KIND(f->elem) == KE_FIELD_UNSIGNED && KE_ELEM_SIZE(f->elem) == 4, "parts");
	is_eq(field(t, "at.u")->shape, 77, "shape");
	ke_type_free(t);
	ke_type_free(NULL);
}

/* The encoded form doesn't change: it is written here byte by byte. */
TEST(encoded)
{
	static const u8 wanted[] = {
		'k', 't', 1, 1, 8, 0, 0, 0, 2, 0, 1, 0, 6, 0, 0, 0,
		4, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0,
		0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 7, 9, 0, 3, 0, 0, 0,
		't', 'a', 'b', 'b', 'i', 't',
	};
	struct ke_type *t;
	u8 again[sizeof(wanted)];

	draft_begin(&draft, "t", 8, true);
	draft_bits(&draft, "bit", KE_FIELD_UNSIGNED, 0, 4, 7, 9);
	draft_number(&draft, "ab", KE_FIELD_SIGNED, 4, 4);
	t = draft_load(&draft);
	must(t, "%s", draft.why);
	must(is_eq(t->encoded_len, sizeof(wanted), "length"), "length");
	is_mem(t->encoded, wanted, sizeof(wanted), "bytes");
	is_eq(t->id, 0xb3d336052e8a7021ULL, "id");
	ok(t->big_endian, "byte order");
	is_eq(ke_type_encode(t, again, sizeof(again)), sizeof(again), "encoded again");
	is_mem(again, wanted, sizeof(wanted), "the same");
	is_eq(ke_type_encode(t, again, sizeof(again) - 1), -EMSGSIZE, "no room");
	ke_type_free(t);
}

/* One thing changed in a good one: 1 to 4 bytes at an offset, and what is said of it. */
struct planted {
	u32 at, size, value;
	const char *why;
};

enum {
	HEADER = sizeof(struct kecho_type_header),
	FIELD = sizeof(struct kecho_type_field),
	NAMES = HEADER + 8 * FIELD,
};

#define AT(i, member) (HEADER + (i) * FIELD + offsetof(struct kecho_type_field, member))

static const struct planted planted[] = {
	{ 0, 2, 0x746c, "it is no type" },
	{ 2, 1, 2, "it is of version 2, not 1" },
	{ 3, 1, 2, "it has unknown flags 0x2" },
	{ 4, 4, KE_TYPE_SIZE_MAX + 1, "its struct has 65537 bytes, over 65536" },
	{ 8, 2, 513, "it has 513 fields, over 512" },
	{ 8, 2, 7, "it has 205 bytes, not 185" },
	{ 10, 2, 0, "its name has 0 bytes, not 1 to 127" },
	{ 10, 2, 128, "its name has 128 bytes, not 1 to 127" },
	{ 10, 2, 5, "field \"c\" is not in order, or there twice" },
	{ 12, 4, 3, "its names have 3 bytes, not 4 to 16388" },
	{ 12, 4, 16389, "its names have 16389 bytes, not 4 to 16388" },
	{ 12, 4, 32, "it has 205 bytes, not 208" },
	{ NAMES, 1, 0x20, "its name has a byte that names may not have" },
	{ NAMES + 4, 1, 0x7f, "the name of field 0 has a byte that names may not have" },
	{ NAMES + 4, 1, 'z', "field \"at.f\" is not in order, or there twice" },
	{ NAMES + 12, 1, 'f', "field \"at.f\" is not in order, or there twice" },
	{ AT(0, name_len), 2, 0, "the name of field 0 has 0 bytes, not 1 to 255" },
	{ AT(0, name_len), 2, 256, "the name of field 0 has 256 bytes, not 1 to 255" },
	{ AT(7, name_len), 2, 4, "the name of field 7 lies beyond the names" },
	{ AT(7, name_len), 2, 2, "1 bytes of its names are nobody's" },
	{ AT(0, pad[1]), 1, 1, "field \"a\" has padding that is not zero" },
	{ AT(0, kind), 1, 0, "field \"a\" is of an unknown kind" },
	{ AT(0, kind), 1, 6, "field \"a\" is of an unknown kind" },
	{ AT(0, size), 4, 0, "field \"a\" has no bytes" },
	{ AT(0, size), 4, 3, "field \"a\" is a number of an odd size" },
	{ AT(0, size), 4, 57, "field \"a\" lies beyond the struct" },
	{ AT(0, offset), 4, 55, "field \"a\" lies beyond the struct" },
	{ AT(0, offset), 4, U32_MAX, "field \"a\" lies beyond the struct" },
	{ AT(0, bits), 1, 0, NULL },
	{ AT(0, bits), 1, 17, "field \"a\" has bits beyond its bytes" },
	{ AT(3, bits), 1, 0, "field \"b\" has a bit offset but no bits" },
	{ AT(3, bit_offset), 1, 12, "field \"b\" has bits beyond its bytes" },
	{ AT(3, kind), 1, KE_FIELD_STRING, "field \"b\" has bits but is no integer" },
	{ AT(1, size), 4, 2, "field \"at.f\" is a number of an odd size" },
	{ AT(4, elem), 1, KE_ELEM(1, 4), "field \"cpu\" has elements but is no array" },
	{ AT(4, shape), 4, 1, "field \"cpu\" has a shape that it needs not" },
	{ AT(6, shape), 4, 1, "field \"parts\" has a shape that it needs not" },
	{ AT(6, elem), 1, KE_ELEM(4, 4), "field \"parts\" has elements of an unknown kind" },
	{ AT(6, elem), 1, KE_ELEM(1, 3), "field \"parts\" has elements of an unknown kind" },
	{ AT(6, elem), 1, KE_ELEM(3, 2), "field \"parts\" has elements of an unknown kind" },
	{ AT(6, elem), 1, KE_ELEM(0, 4), "field \"parts\" has elements of an unknown kind" },
	{ AT(6, size), 4, 14, "field \"parts\" ends within an element" },
	{ AT(6, offset), 4, 0, NULL },
};

static void plant(const struct planted *p)
{
	u32 i, len;
	struct ke_type *t;
	int err;

	draft_load_type(&draft);
	t = draft_load(&draft);
	must(t, "%s", draft.why);
	len = t->encoded_len;
	ke_type_free(t);
	for (i = 0; i < p->size; i++)
		draft.encoded[p->at + i] = p->value >> 8 * i;
	draft.why[0] = 0;
	t = NULL;
	err = ke_type_load(&t, draft.encoded, len, draft.why);
	is_eq(err, p->why ? -EPROTO : 0, "%u at %u: %s", p->value, p->at, draft.why);
	is_str(draft.why, p->why ?: "", "%u at %u", p->value, p->at);
	ok(!t == !!err, "given only if it is good");
	ke_type_free(t);
}

TEST(lies_are_refused)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(planted); i++)
		plant(&planted[i]);
}

TEST(each_length)
{
	struct ke_type *t;
	u32 len, full;
	u8 *copy;

	draft_load_type(&draft);
	t = draft_load(&draft);
	must(t, "%s", draft.why);
	full = t->encoded_len;
	ke_type_free(t);
	for (len = 0; len < full; len++) {
		/* Memory of just this length, so that what reads on is seen. */
		copy = kmemdup(draft.encoded, len, GFP_KERNEL);
		must(copy, "memory");
		is_eq(ke_type_load(&t, copy, len, draft.why), -EPROTO, "%u bytes", len);
		kfree(copy);
	}
	is_eq(ke_type_load(&t, draft.encoded, 1 << 20, draft.why), -EPROTO, "too long");
	is_str(draft.why, "1048576 bytes are no type", "too long");
}

TEST(limits)
{
	draft_begin(&draft, "t", 8, false);
	draft.type.name_len = KE_NAME_MAX + 1;
	is_eq(ke_type_encode(&draft.type, draft.encoded, sizeof(draft.encoded)), -EMSGSIZE,
	      "a name too long");
	draft.type.name_len = 1;
	draft.type.nfields = KE_TYPE_FIELDS_MAX + 1;
	draft.type.fields = kcalloc(draft.type.nfields, sizeof(struct ke_field), GFP_KERNEL);
	must(draft.type.fields, "memory");
	is_eq(ke_type_encode(&draft.type, draft.encoded, sizeof(draft.encoded)), -EMSGSIZE,
	      "too many fields");
	kfree(draft.type.fields);
}

TEST(nothing_in_it)
{
	struct ke_type *t;

	draft_begin(&draft, "signal", 0, false);
	t = draft_load(&draft);
	must(t, "%s", draft.why);
	ok(!t->nfields && !t->size && !field(t, "x"), "empty");
	ke_type_free(t);
}

TESTS(type, fields_are_found, encoded, lies_are_refused, each_length, limits, nothing_in_it);
