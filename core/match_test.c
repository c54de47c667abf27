// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Two versions of a type: each rule of type.h by itself, and random pairs of types against
 * an evaluation bit by bit.
 */
#include "type.h"
#include "type_test.h"
#include "tap.h"

static struct draft reader, writer;
static struct lots random_state;

static void begin(bool big_reader, bool big_writer)
{
	draft_begin(&reader, "new", 64, big_reader);
	draft_begin(&writer, "old", 64, big_writer);
}

/* The plan for what was drafted; NULL after a failed check. */
static struct ke_match *match(void)
{
	struct ke_type *r = draft_load(&reader), *w = draft_load(&writer);
	struct ke_match *m = NULL;

	ok(r, "reader: %s", reader.why);
	ok(w, "writer: %s", writer.why);
	if (r && w)
		is_eq(ke_type_match(&m, r, w), 0, "match");
	ke_type_free(r);
	ke_type_free(w);
	return m;
}

/* One field "f" on each side, at 8 in the writer's and 16 in the reader's struct. */
static void turns(struct ke_field from, const void *payload, struct ke_field to,
		  const void *wanted)
{
	u8 in[64], out[64];
	struct ke_match *m;
	u64 present = 0;

	from.offset = 8;
	to.offset = 16;
	draft_add(&writer, "f", from);
	draft_add(&reader, "f", to);
	memset(in, 0xee, sizeof(in));
	memcpy(in + 8, payload, from.size);
	m = match();
	must(m, "match");
	memset(out, 0xdd, sizeof(out));
	ke_type_convert(m, in, sizeof(in), out, &present);
	is_mem(out + 16, wanted, to.size, "field");
	ok(!memchr_inv(out, 0, 16) && !memchr_inv(out + 16 + to.size, 0, 48 - to.size), "the rest");
	is_eq(present, 1, "there");
	ok(ke_match_has(m, 0) && !ke_match_has(m, 1) && !ke_match_has(m, 64), "has");
	is_eq(ke_match_size(m), 64, "size");
	is_eq(ke_match_words(m), 1, "words");
	ke_match_free(m);
}

static void number(u8 from_kind, u32 from_size, u64 value, u8 to_kind, u32 to_size, u64 wanted)
{
	__le64 in = cpu_to_le64(value), out = cpu_to_le64(wanted);
	u8 in_be[8], out_be[8];
	u32 i;

	begin(false, false);
	turns((struct ke_field){ .kind = from_kind, .size = from_size }, &in,
	      (struct ke_field){ .kind = to_kind, .size = to_size }, &out);
	for (i = 0; i < 8; i++) {
		in_be[i] = value >> 8 * ((from_size - 1 - i) & 7);
		out_be[i] = wanted >> 8 * ((to_size - 1 - i) & 7);
	}
	begin(false, true);
	turns((struct ke_field){ .kind = from_kind, .size = from_size }, in_be,
	      (struct ke_field){ .kind = to_kind, .size = to_size }, &out);
	begin(true, false);
	turns((struct ke_field){ .kind = from_kind, .size = from_size }, &in,
	      (struct ke_field){ .kind = to_kind, .size = to_size }, out_be);
	begin(true, true);
	turns((struct ke_field){ .kind = from_kind, .size = from_size }, in_be,
	      (struct ke_field){ .kind = to_kind, .size = to_size }, out_be);
}

TEST(integers)
{
	const u8 u = KE_FIELD_UNSIGNED, s = KE_FIELD_SIGNED;

	number(u, 4, 0x89abcdef, u, 4, 0x89abcdef);
	number(u, 4, 0x89abcdef, u, 8, 0x89abcdef);
	number(u, 4, 0x89abcdef, s, 8, 0x89abcdef);
	number(s, 4, 0x89abcdef, u, 8, 0xffffffff89abcdefULL);
	number(s, 4, 0x89abcdef, s, 8, 0xffffffff89abcdefULL);
	number(s, 1, 0x80, s, 2, 0xff80);
	number(s, 1, 0x7f, u, 4, 0x7f);
	number(u, 1, 0x80, u, 2, 0x80);
	number(u, 8, 0x1122334455667788ULL, u, 4, 0x55667788);
	number(s, 8, 0xfffffffffffffffeULL, s, 2, 0xfffe);
	number(u, 2, 0x1234, u, 1, 0x34);
	number(s, 8, 0x8000000000000000ULL, u, 8, 0x8000000000000000ULL);
}

/* As IEEE 754 has them; a kernel computes with none. */
TEST(floats)
{
	static const u64 both[][2] = {	/* a float and the same double */
		{ 0x00000000, 0x0000000000000000 }, { 0x80000000, 0x8000000000000000 },
		{ 0x3f800000, 0x3ff0000000000000 }, { 0xc2f6e979, 0xc05edd2f20000000 },
		{ 0x7f7fffff, 0x47efffffe0000000 }, { 0x00800000, 0x3810000000000000 },
		{ 0x00000001, 0x36a0000000000000 }, { 0x007fffff, 0x380fffffc0000000 },
		{ 0x7f800000, 0x7ff0000000000000 }, { 0xff800000, 0xfff0000000000000 },
		{ 0x7fc00001, 0x7ff8000020000000 },
	};
	static const u64 narrowed[][2] = {	/* a double and the nearest float */
		{ 0x3ff0000010000000, 0x3f800000 },	/* between two: the even one */
		{ 0x3ff0000030000000, 0x3f800002 },
		{ 0x3ff0000010000001, 0x3f800001 },
		{ 0x3fffffffffffffff, 0x40000000 },	/* rounds up to the next power */
		{ 0x47effffff0000000, 0x7f800000 },	/* to infinity */
		{ 0x47efffffefffffff, 0x7f7fffff },
		{ 0x7fefffffffffffff, 0x7f800000 }, { 0xffefffffffffffff, 0xff800000 },
		{ 0x3690000000000000, 0x00000000 },	/* half of the smallest */
		{ 0x3690000000000001, 0x00000001 }, { 0x368fffffffffffff, 0x00000000 },
		{ 0x380fffffffffffff, 0x00800000 },	/* from below up to the normal ones */
		{ 0x0000000000000001, 0x00000000 }, { 0x800fffffffffffff, 0x80000000 },
		{ 0x7ff0000000000001, 0x7fc00000 },	/* stays no number */
	};
	const u8 f = KE_FIELD_FLOAT;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(both); i++) {
		number(f, 4, both[i][0], f, 8, both[i][1]);
		number(f, 8, both[i][1], f, 4, both[i][0]);
		number(f, 4, both[i][0], f, 4, both[i][0]);
		number(f, 8, both[i][1], f, 8, both[i][1]);
	}
	for (i = 0; i < ARRAY_SIZE(narrowed); i++)
		number(f, 8, narrowed[i][0], f, 4, narrowed[i][1]);
}

static void string(u32 from_size, const char *from, u32 to_size, const char *to)
{
	begin(false, true);
	turns((struct ke_field){ .kind = KE_FIELD_STRING, .size = from_size }, from,
	      (struct ke_field){ .kind = KE_FIELD_STRING, .size = to_size }, to);
}

TEST(strings)
{
	string(8, "abc\0\0\0\0", 8, "abc\0\0\0\0");
	string(8, "abcdefgh", 8, "abcdefgh");
	string(8, "abc\0xyz", 16, "abc\0\0\0\0\0\0\0\0\0\0\0\0");
	string(8, "abcdefgh", 16, "abcdefgh\0\0\0\0\0\0\0");
	string(8, "abcdefgh", 4, "abc");
	string(8, "ab\0defgh", 4, "ab\0");
	string(8, "abcdefgh", 1, "");
}

TEST(arrays)
{
	const struct ke_field u16x3 = { .kind = KE_FIELD_BYTES, .size = 6,
					.elem = KE_ELEM(KE_FIELD_UNSIGNED, 2) };
	const struct ke_field s16x3 = { .kind = KE_FIELD_BYTES, .size = 6,
					.elem = KE_ELEM(KE_FIELD_SIGNED, 2) };
	const struct ke_field u32x2 = { .kind = KE_FIELD_BYTES, .size = 8,
					.elem = KE_ELEM(KE_FIELD_UNSIGNED, 4) };
	const struct ke_field u16x5 = { .kind = KE_FIELD_BYTES, .size = 10,
					.elem = KE_ELEM(KE_FIELD_UNSIGNED, 2) };
	const struct ke_field f32x2 = { .kind = KE_FIELD_BYTES, .size = 8,
					.elem = KE_ELEM(KE_FIELD_FLOAT, 4) };
	const struct ke_field f64x1 = { .kind = KE_FIELD_BYTES, .size = 8,
					.elem = KE_ELEM(KE_FIELD_FLOAT, 8) };
	const struct ke_field shape8 = { .kind = KE_FIELD_BYTES, .size = 8, .shape = 9 };
	const struct ke_field shape12 = { .kind = KE_FIELD_BYTES, .size = 12, .shape = 9 };

	begin(false, false);
	turns(u16x3, "\1\2\3\4\5\x86", u16x3, "\1\2\3\4\5\x86");
	begin(false, true);
	turns(u16x3, "\1\2\3\4\5\x86", u16x3, "\2\1\4\3\x86\5");
	begin(false, false);
	turns(s16x3, "\1\x82\3\4\5\6", u32x2, "\1\x82\xff\xff\3\4\0\0");
	begin(false, false);
	turns(u32x2, "\1\2\3\4\5\6\7\x8", u16x5, "\1\2\5\6\0\0\0\0\0\0");
	begin(false, false);
	turns(u16x3, "\1\2\3\4\5\6", u16x5, "\1\2\3\4\5\6\0\0\0\0");
	begin(false, true);
	turns(f32x2, "\x3f\x80\0\0\x40\0\0\0", f64x1, "\0\0\0\0\0\0\xf0\x3f");
	begin(true, true);
	turns(shape12, "123456789012", shape8, "12345678");
	begin(true, true);
	turns(shape8, "12345678", shape12, "12345678\0\0\0");
}

TEST(bit_fields)
{
	const struct ke_field low = { .kind = KE_FIELD_UNSIGNED, .size = 4, .bits = 3 };
	const struct ke_field high = { .kind = KE_FIELD_SIGNED, .size = 4, .bit_offset = 27,
				       .bits = 5 };
	const struct ke_field all = { .kind = KE_FIELD_UNSIGNED, .size = 8, .bits = 64 };
	const struct ke_field byte = { .kind = KE_FIELD_UNSIGNED, .size = 1 };
	const struct ke_field wide = { .kind = KE_FIELD_SIGNED, .size = 8 };

	begin(false, false);
	turns(low, "\xfd\xff\xff\xff", byte, "\5");
	begin(false, true);
	turns(high, "\x90\0\0\0", wide, "\xf2\xff\xff\xff\xff\xff\xff\xff");
	begin(false, false);
	turns(byte, "\xfe", low, "\6\0\0\0");
	begin(true, false);
	turns(byte, "\x31", high, "\x88\0\0\0");
	begin(false, true);
	turns(all, "\1\2\3\4\5\6\7\x8", wide, "\x8\7\6\5\4\3\2\1");
	begin(false, false);
	turns(low, "\5\0\0\0", high, "\0\0\0\x28");
}

TEST(numbers_in_place)
{
	const struct ke_field *f;
	u8 payload[64] = {};
	struct ke_type *t;

	begin(true, false);
	draft_array(&reader, "a", KE_ELEM(KE_FIELD_SIGNED, 2), 4, 6);
	draft_bits(&reader, "b", KE_FIELD_SIGNED, 0, 4, 4, 9);
	t = draft_load(&reader);
	must(t, "%s", reader.why);
	f = &t->fields[0];
	ke_field_put(t, f, payload, 1, 0x1fffe);
	is_mem(payload, "\0\0\0\0\0\0\xff\xfe\0\0", 10, "an element, cut");
	is_eq(ke_field_get(t, f, payload, 1), -2, "an element");
	is_eq(ke_field_get(t, f, payload, 2), 0, "another one");
	f = &t->fields[1];
	payload[3] = 0x0f;
	ke_field_put(t, f, payload, 0, -3ULL);
	is_mem(payload, "\0\0\x1f\xdf", 4, "bits, and those around them");
	is_eq(ke_field_get(t, f, payload, 0), -3, "bits");
	ke_type_free(t);
}

/* What never becomes the other: zero, and absent. */
TEST(strangers)
{
	static const struct ke_field kinds[] = {
		{ .kind = KE_FIELD_UNSIGNED, .size = 4 },
		{ .kind = KE_FIELD_FLOAT, .size = 4 },
		{ .kind = KE_FIELD_STRING, .size = 4 },
		{ .kind = KE_FIELD_BYTES, .size = 4 },
		{ .kind = KE_FIELD_BYTES, .size = 4, .shape = 7 },
		{ .kind = KE_FIELD_BYTES, .size = 4, .elem = KE_ELEM(KE_FIELD_SIGNED, 4) },
		{ .kind = KE_FIELD_BYTES, .size = 4, .elem = KE_ELEM(KE_FIELD_FLOAT, 4) },
	};
	struct ke_match *m;
	u8 in[64], out[64];
	u64 present;
	u32 i, j;

	memset(in, 0x41, sizeof(in));
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (j = 0; j < ARRAY_SIZE(kinds); j++) {
			begin(false, i == j);
			draft_add(&reader, "f", kinds[i]);
			draft_add(&writer, "f", kinds[j]);
			m = match();
			must(m, "match");
			ke_type_convert(m, in, sizeof(in), out, &present);
			/* Bytes without numbers need the same byte order too. */
			is_eq(present, i == j && i != 3 && i != 4, "%u from %u", i, j);
			is_eq(!memchr_inv(out, 0, sizeof(out)), !present, "%u from %u", i, j);
			ke_match_free(m);
		}
	}
}

/* Added, removed, reordered and widened fields; payloads of each length. */
TEST(versions)
{
	static const u8 old[] = "\1\0\0\0\2\0\0\0abcd\xf0\xff\7";
	static const u8 new[] = "abcd\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\xf0\xff\xff\xff";
	struct ke_match *m;
	u8 out[24], *copy;
	u64 present;
	u32 len;

	draft_begin(&writer, "t", 16, false);
	draft_number(&writer, "a", KE_FIELD_UNSIGNED, 0, 4);
	draft_number(&writer, "gone", KE_FIELD_UNSIGNED, 4, 4);
	draft_add(&writer, "name", (struct ke_field){ .kind = KE_FIELD_STRING, .offset = 8,
						      .size = 4 });
	draft_number(&writer, "c", KE_FIELD_SIGNED, 12, 2);
	draft_begin(&reader, "t", 24, false);
	draft_add(&reader, "name", (struct ke_field){ .kind = KE_FIELD_STRING, .size = 8 });
	draft_number(&reader, "a", KE_FIELD_UNSIGNED, 8, 8);
	draft_number(&reader, "added", KE_FIELD_UNSIGNED, 16, 4);
	draft_number(&reader, "c", KE_FIELD_SIGNED, 20, 4);
	m = match();
	must(m, "match");
	ok(ke_match_has(m, 0) && !ke_match_has(m, 1) && ke_match_has(m, 2) && ke_match_has(m, 3),
	   "a, not added, c, name");
	for (len = 0; len < sizeof(old); len++) {
		copy = kmemdup(old, len, GFP_KERNEL);
		must(copy, "memory");
		memset(out, 0xee, sizeof(out));
		ke_type_convert(m, copy, len, out, &present);
		is_eq(present, (len >= 4) | (len >= 14) << 2 | (len >= 12) << 3, "%u bytes", len);
		is_mem(out, len < 12 ? new + 4 : new, 4, "name");
		is_mem(out + 8, len < 4 ? new + 4 : new + 8, 4, "a");
		is_mem(out + 20, len < 14 ? new + 4 : new + 20, 4, "c");
		ke_type_convert(m, copy, len, out, NULL);
		kfree(copy);
	}
	is_mem(out, new, sizeof(out), "all of it");
	ke_match_free(m);
}

/* --------------------------------------------------------------- random pairs */

#define STRUCT_MAX	256
#define NAMES		12

static const char *const pool[NAMES] = { "a", "aa", "ab", "b", "b.x", "b.y", "c", "d", "e", "f",
					 "g", "zz" };

static u32 number_size(void)
{
	return 1 << lots(&random_state, 4);
}

static struct ke_field random_field(void)
{
	struct ke_field f = { .kind = 1 + lots(&random_state, 5) };

	if (f.kind <= KE_FIELD_SIGNED) {
		f.size = number_size();
		if (lots(&random_state, 2)) {
			f.bits = 1 + lots(&random_state, 8 * f.size);
			f.bit_offset = lots(&random_state, 8 * f.size - f.bits + 1);
		}
	} else if (f.kind == KE_FIELD_FLOAT) {
		f.size = 8;
	} else if (f.kind == KE_FIELD_STRING || lots(&random_state, 3) == 0) {
		f.size = 1 + lots(&random_state, 12);
	} else {
		f.elem = KE_ELEM(1 + lots(&random_state, 2), number_size());
		f.size = KE_ELEM_SIZE(f.elem) * (1 + lots(&random_state, 3));
	}
	return f;
}

static void random_type(struct draft *d)
{
	u32 i, at = 0;
	struct ke_field f;

	draft_begin(d, "t", STRUCT_MAX, lots(&random_state, 2));
	for (i = 0; i < NAMES; i++) {
		if (!lots(&random_state, 4))
			continue;
		f = random_field();
		at += lots(&random_state, 3);
		f.offset = at;
		at += f.size;
		draft_add(d, pool[i], f);
	}
	d->type.size = at;
}

/* Bit @i of the number of @size bytes at @at, counted from the lowest one. */
static u8 *bit_at(u8 *p, u32 at, u32 size, bool big_endian, u32 i)
{
	return p + at + (big_endian ? size - 1 - i / 8 : i / 8);
}

static void slow_number(const struct ke_field *w, const struct ke_field *r, u32 from,
			u32 from_size, u32 to, u32 to_size, u8 *in, u8 *out)
{
	bool is_signed = (w->elem ? KE_ELEM_KIND(w->elem) : w->kind) == KE_FIELD_SIGNED, bit;
	u32 from_bits = w->bits ?: 8 * from_size, to_bits = r->bits ?: 8 * to_size, i, at;

	for (i = 0; i < to_bits; i++) {
		bit = false;
		if (i < from_bits || is_signed) {
			at = w->bit_offset + min(i, from_bits - 1);
			bit = *bit_at(in, from, from_size, writer.type.big_endian, at) >>
			      at % 8 & 1;
		}
		at = r->bit_offset + i;
		*bit_at(out, to, to_size, reader.type.big_endian, at) |= bit << at % 8;
	}
}

/* What the reader's field becomes, in the simplest way; whether it is there. */
static bool slow(const struct ke_field *r, const struct ke_field *w, u8 *in, u32 len, u8 *out)
{
	bool swapped = reader.type.big_endian != writer.type.big_endian;
	u32 from = 8, to = 8, n, i;

	if (!w || !r->elem != !w->elem ||
	    (r->kind != w->kind && (r->kind > KE_FIELD_SIGNED || w->kind > KE_FIELD_SIGNED)) ||
	    (r->kind == KE_FIELD_BYTES && !r->elem && swapped))
		return false;
	if (r->kind <= KE_FIELD_FLOAT) {
		if (w->offset + w->size > len)
			return false;
		slow_number(w, r, w->offset, w->size, r->offset, r->size, in, out);
		return true;
	}
	from = r->elem ? KE_ELEM_SIZE(w->elem) : 1;
	to = r->elem ? KE_ELEM_SIZE(r->elem) : 1;
	n = min(w->size / from, r->size / to);
	if (r->kind == KE_FIELD_STRING && r->size < w->size)
		n--;
	if (w->offset + n * from > len)
		return false;
	for (i = 0; i < n; i++) {
		if (r->kind == KE_FIELD_STRING && r->size != w->size && !in[w->offset + i])
			break;
		slow_number(w, r, w->offset + i * from, from, r->offset + i * to, to, in, out);
	}
	return true;
}

static u32 random_payload(u8 **in)
{
	u32 len = lots(&random_state, 2) ? writer.type.size :
					   lots(&random_state, writer.type.size + 9), i;

	*in = kmalloc(len, GFP_KERNEL);
	for (i = 0; *in && i < len; i++)
		(*in)[i] = lots(&random_state, 6) ? lots(&random_state, 256) : 0;
	return len;
}

static void compare(const struct ke_match *m, u32 round)
{
	static u8 wanted[STRUCT_MAX], out[STRUCT_MAX];
	u64 present = 0, there = 0;
	u8 *in;
	u32 len = random_payload(&in), i;

	must(in, "memory");
	memset(wanted, 0, sizeof(wanted));
	memset(out, 0xee, sizeof(out));
	for (i = 0; i < reader.type.nfields; i++) {
		const struct ke_field *r = &reader.type.fields[i];
		const char *name = ke_field_name(&reader.type, r);

		if (slow(r, ke_type_field(&writer.type, name, r->name_len), in, len, wanted))
			there |= 1ULL << i;
	}
	ke_type_convert(m, in, len, out, &present);
	if (memcmp(out, wanted, reader.type.size) || (reader.type.nfields && present != there))
		ok(false, "round %u", round);
	ok(reader.type.size == STRUCT_MAX || out[reader.type.size] == 0xee, "nothing behind it");
	kfree(in);
}

TEST(random_pairs)
{
	struct ke_match *m;
	u32 round, i;

	random_state.state = 6;
	for (round = 0; round < 5000; round++) {
		random_type(&reader);
		random_type(&writer);
		m = match();
		must(m, "round %u", round);
		for (i = 0; i < 4; i++)
			compare(m, round);
		ke_match_free(m);
	}
}

TESTS(match, integers, floats, strings, arrays, bit_fields, numbers_in_place, strangers,
      versions, random_pairs);
