// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Two versions of a type: what a field of the reader's struct becomes of the writer's is in
 * type.h.
 *
 * A plan has a step for each field that both have, in the order of the reader's struct, and
 * the same steps once more with copies joined that lie one behind the other on both sides.
 * Whole payloads take the joined ones; one that ends early is taken field by field.
 *
 * No floating point is computed with here: kernels can't.
 */
#include "type.h"

enum op {
	OP_COPY,
	OP_STRING,
	OP_INTEGERS,	/* one, or an array */
	OP_FLOATS,
};

/* One side of a step. */
struct place {
	u32 offset, size;
	u8 elem;		/* bytes of one number */
	u8 bit_offset, bits;	/* of one number; bits: also of what is no bit-field */
	bool big_endian;
};

struct step {
	struct place from, to;
	u16 field;		/* the reader's */
	u8 op;
	bool is_signed;		/* the writer's numbers are */
};

struct ke_match {
	u32 size;		/* of the reader's struct */
	u32 need;		/* bytes of a payload that has all that is taken */
	u32 words;
	u32 nsteps, njoined;
	struct step *steps, *joined;
	u64 *present;
};

/* -------------------------------------------------------------------- the plan */

/* What its numbers are; of what has none: its kind. */
static u32 kind_of(const struct ke_field *f)
{
	return f->elem ? KE_ELEM_KIND(f->elem) : f->kind;
}

static struct place place_of(const struct ke_type *t, const struct ke_field *f)
{
	u8 elem = f->elem ? KE_ELEM_SIZE(f->elem) : min_t(u32, f->size, sizeof(u64));

	return (struct place){
		.offset = f->offset,
		.size = f->size,
		.elem = elem,
		.bit_offset = f->bit_offset,
		.bits = f->bits ?: 8 * elem,
		.big_endian = t->big_endian,
	};
}

static bool same_numbers(const struct step *s)
{
	return s->from.elem == s->to.elem &&
	       (s->from.elem == 1 || s->from.big_endian == s->to.big_endian);
}

/* How one becomes the other; false: not at all. */
static bool find_op(struct step *s, const struct ke_field *reader, const struct ke_field *writer)
{
	u32 to = kind_of(reader), from = kind_of(writer);

	if (!reader->elem != !writer->elem)
		return false;
	if (ke_kind_is_integer(to) && ke_kind_is_integer(from)) {
		s->is_signed = from == KE_FIELD_SIGNED;
		s->op = !reader->bits && !writer->bits && same_numbers(s) ? OP_COPY : OP_INTEGERS;
		return true;
	}
	if (to != from)
		return false;
	s->op = OP_COPY;
	if (to == KE_FIELD_FLOAT && !same_numbers(s))
		s->op = OP_FLOATS;
	if (to == KE_FIELD_STRING && reader->size != writer->size)
		s->op = OP_STRING;
	return to != KE_FIELD_BYTES || (reader->shape == writer->shape &&
					s->from.big_endian == s->to.big_endian);
}

/* Both sides take and fill only what both have, but for a string's end. */
static void limit(struct step *s)
{
	u32 n;

	if (s->op == OP_COPY) {
		n = min_t(u32, s->from.size, s->to.size);
		s->from.size = n;
		s->to.size = n;
	} else if (s->op != OP_STRING) {
		n = min_t(u32, s->from.size / s->from.elem, s->to.size / s->to.elem);
		s->from.size = n * s->from.elem;
		s->to.size = n * s->to.elem;
	} else {
		/* Of a longer one the last byte that fits becomes the zero. */
		s->from.size = min_t(u32, s->from.size, s->to.size - 1);
	}
}

/* Steps come in any order and lie in that of the reader's struct. */
static void insert(struct ke_match *m, const struct step *s)
{
	u32 i = m->nsteps++;

	for (; i && m->steps[i - 1].to.offset > s->to.offset; i--)
		m->steps[i] = m->steps[i - 1];
	m->steps[i] = *s;
	m->present[s->field / 64] |= 1ULL << s->field % 64;
	m->need = max_t(u32, m->need, s->from.offset + s->from.size);
}

static bool joins(const struct step *a, const struct step *b)
{
	return a->op == OP_COPY && b->op == OP_COPY &&
	       a->from.offset + a->from.size == b->from.offset &&
	       a->to.offset + a->to.size == b->to.offset;
}

static void join(struct ke_match *m)
{
	struct step *last = NULL;
	u32 i;

	for (i = 0; i < m->nsteps; i++) {
		if (last && joins(last, &m->steps[i])) {
			last->from.size += m->steps[i].from.size;
			last->to.size += m->steps[i].to.size;
			continue;
		}
		last = &m->joined[m->njoined++];
		*last = m->steps[i];
	}
}

static struct ke_match *match_alloc(u32 nfields)
{
	u32 words = DIV_ROUND_UP(nfields, 64);
	struct ke_match *m;

	m = kvzalloc(sizeof(*m) + words * sizeof(u64) + 2 * nfields * sizeof(struct step),
		     GFP_KERNEL_ACCOUNT);
	if (!m)
		return NULL;
	m->words = words;
	m->present = (u64 *)(m + 1);
	m->steps = (struct step *)(m->present + words);
	m->joined = m->steps + nfields;
	return m;
}

int ke_type_match(struct ke_match **out, const struct ke_type *reader,
		  const struct ke_type *writer)
{
	struct ke_match *m = match_alloc(reader->nfields);
	const struct ke_field *to, *from;
	struct step s;
	u32 i;

	if (!m)
		return -ENOMEM;
	m->size = reader->size;
	for (i = 0; i < reader->nfields; i++) {
		to = &reader->fields[i];
		from = ke_type_field(writer, ke_field_name(reader, to), to->name_len);
		if (!from)
			continue;
		s = (struct step){
			.from = place_of(writer, from),
			.to = place_of(reader, to),
			.field = i,
		};
		if (!find_op(&s, to, from))
			continue;
		limit(&s);
		insert(m, &s);
	}
	join(m);
	*out = m;
	return 0;
}

void ke_match_free(struct ke_match *m)
{
	kvfree(m);
}

u32 ke_match_size(const struct ke_match *m)
{
	return m->size;
}

u32 ke_match_words(const struct ke_match *m)
{
	return m->words;
}

bool ke_match_has(const struct ke_match *m, u32 field)
{
	return field / 64 < m->words && m->present[field / 64] >> field % 64 & 1;
}

/* ------------------------------------------------------------------- numbers */

static u64 load(const u8 *p, u32 size, bool big_endian)
{
	__le64 v = 0;
	u64 big = 0;
	u32 i;

	if (!big_endian) {
		memcpy(&v, p, size);
		return le64_to_cpu(v);
	}
	for (i = 0; i < size; i++)
		big = big << 8 | p[i];
	return big;
}

static void store(u8 *p, u64 v, u32 size, bool big_endian)
{
	__le64 little = cpu_to_le64(v);

	if (!big_endian) {
		memcpy(p, &little, size);
		return;
	}
	for (; size; v >>= 8)
		p[--size] = v;
}

/* The lowest @bits of @v, by its sign if it has one. */
static u64 widen(u64 v, u32 bits, bool is_signed)
{
	u32 rest = 64 - bits;

	v <<= rest;
	return is_signed ? (u64)((s64)v >> rest) : v >> rest;
}

static u64 get(const struct place *p, bool is_signed, const u8 *from)
{
	return widen(load(from, p->elem, p->big_endian) >> p->bit_offset, p->bits, is_signed);
}

/* The bits around it may be another field's. */
static void put(const struct place *p, u64 v, u8 *to)
{
	u64 mask = widen(~0ULL, p->bits, false) << p->bit_offset;

	if (p->bits < 8 * p->elem)
		v = (v << p->bit_offset & mask) | (load(to, p->elem, p->big_endian) & ~mask);
	store(to, v, p->elem, p->big_endian);
}

u64 ke_field_get(const struct ke_type *t, const struct ke_field *f, const void *payload, u32 i)
{
	struct place p = place_of(t, f);

	return get(&p, kind_of(f) == KE_FIELD_SIGNED, (const u8 *)payload + p.offset + i * p.elem);
}

void ke_field_put(const struct ke_type *t, const struct ke_field *f, void *payload, u32 i, u64 v)
{
	struct place p = place_of(t, f);

	put(&p, v, (u8 *)payload + p.offset + i * p.elem);
}

/* A float as a double. */
static u64 float_widen(u32 v)
{
	u64 sign = (u64)(v >> 31) << 63, fraction = v & 0x7fffff;
	u32 exponent = v >> 23 & 0xff;

	if (exponent == 0xff)		/* infinite, or not a number */
		return sign | 0x7ffULL << 52 | fraction << 29;
	if (!exponent && !fraction)
		return sign;
	if (!exponent) {		/* so small that a double needs no such form */
		for (exponent = 1; !(fraction & 0x800000); exponent--)
			fraction <<= 1;
		fraction &= 0x7fffff;
	}
	return sign | (u64)(exponent + 1023 - 127) << 52 | fraction << 29;
}

/* @v without its lowest @by bits, to the nearest; of two that are as near: the even one. */
static u64 round_off(u64 v, u32 by)
{
	u64 half = 1ULL << (by - 1), rest = v & ((half << 1) - 1);

	v >>= by;
	return v + (rest > half || (rest == half && (v & 1)));
}

/* A double as a float. What is too large becomes infinite. */
static u32 float_narrow(u64 v)
{
	u32 sign = (u32)(v >> 63) << 31;
	u64 fraction = v & ((1ULL << 52) - 1);
	int exponent = (int)(v >> 52 & 0x7ff) - 1023;

	if (exponent == 1024)		/* one that is no number stays none, a quiet one */
		return sign | 0x7f800000 | (fraction ? 0x400000 | (u32)(fraction >> 29) : 0);
	if (exponent > 127)
		return sign | 0x7f800000;
	if (exponent >= -126)		/* what rounds up past the fraction goes on above it */
		return sign + (u32)round_off((u64)(exponent + 127) << 52 | fraction, 29);
	if (exponent < -150)
		return sign;
	return sign | (u32)round_off(1ULL << 52 | fraction, 29 + (u32)(-126 - exponent));
}

/* ------------------------------------------------------------------ conversion */

static void integers(const struct step *s, const u8 *from, u8 *to)
{
	u32 left = s->to.size / s->to.elem;

	for (; left; left--, from += s->from.elem, to += s->to.elem)
		put(&s->to, get(&s->from, s->is_signed, from), to);
}

static void floats(const struct step *s, const u8 *from, u8 *to)
{
	u32 left = s->to.size / s->to.elem;
	u64 v;

	for (; left; left--, from += s->from.elem, to += s->to.elem) {
		v = load(from, s->from.elem, s->from.big_endian);
		if (s->from.elem < s->to.elem)
			v = float_widen(v);
		else if (s->from.elem > s->to.elem)
			v = float_narrow(v);
		store(to, v, s->to.elem, s->to.big_endian);
	}
}

static void run(const struct step *s, const u8 *from, u8 *to)
{
	from += s->from.offset;
	to += s->to.offset;
	switch (s->op) {
	case OP_COPY:
		memcpy(to, from, s->from.size);
		break;
	case OP_STRING:
		/* All behind it is zero already. */
		memcpy(to, from, strnlen((const char *)from, s->from.size));
		break;
	case OP_INTEGERS:
		integers(s, from, to);
		break;
	case OP_FLOATS:
		floats(s, from, to);
		break;
	}
}

static bool whole(const struct step *s, u32 len)
{
	return s->from.offset + s->from.size <= len;
}

void ke_type_convert(const struct ke_match *m, const void *payload, u32 len, void *to,
		     u64 *present)
{
	const struct step *s;

	memset(to, 0, m->size);
	if (len >= m->need) {
		for (s = m->joined; s < m->joined + m->njoined; s++)
			run(s, payload, to);
		if (present)
			memcpy(present, m->present, m->words * sizeof(u64));
		return;
	}
	if (present)
		memset(present, 0, m->words * sizeof(u64));
	for (s = m->steps; s < m->steps + m->nsteps; s++) {
		if (!whole(s, len))
			continue;
		run(s, payload, to);
		if (present)
			present[s->field / 64] |= 1ULL << s->field % 64;
	}
}
