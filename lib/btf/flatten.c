// SPDX-License-Identifier: MIT
/*
 * A struct's fields, from BTF: those of structs within it with the names of both, and what
 * core/type.h has no field for as bytes. BTF may lie: names and types are looked for before
 * they are believed, and the work is bounded.
 */
#include <stdio.h>

#include "parts.h"

struct walk {
	const struct btf *btf;
	struct ke_btf_sink *to;
	const char *type;	/* for complaints */
	char path[KE_FIELD_NAME_MAX + 1];
	u32 work;		/* left */
	char *why;
	size_t why_size;
};

/* A member: where it begins in all of the struct, in bits, and what it is. */
struct member {
	u64 at;
	u32 bits;		/* of a bit-field; else 0 */
	u32 id;
	const struct btf_type *t;
};

static int refuse(struct walk *w, int err, const char *reason)
{
	snprintf(w->why, w->why_size, "struct %s%s%s: %s", w->type, *w->path ? ", field " : "",
		 w->path, reason);
	return err;
}

const struct btf_type *bare_type(const struct btf *btf, u32 id)
{
	int bare = btf__resolve_type(btf, id);

	return bare > 0 ? btf__type_by_id(btf, bare) : NULL;
}

/* A name may be missing, or lie outside of the names. */
static const char *name_of(const struct walk *w, u32 offset)
{
	return btf__name_by_offset(w->btf, offset) ?: "";
}

static int give(struct walk *w, struct ke_field f)
{
	return w->to->add(w->to->arg, w->path, &f);
}

/* ---------------------------------------------------------------------- numbers */

static bool is_char(const struct walk *w, const struct btf_type *t)
{
	return btf_is_int(t) && t->size == 1 && !strcmp(name_of(w, t->name_off), "char");
}

/* The kind and size of a number; 0: it is none, or one that types don't have. */
static u8 number(const struct walk *w, const struct btf_type *t)
{
	u32 size = btf_is_ptr(t) ? btf__pointer_size(w->btf) : t->size;

	if (btf_is_ptr(t) && !size)
		size = sizeof(void *);
	if (btf_is_float(t))
		return size == 4 || size == 8 ? KE_ELEM(KE_FIELD_FLOAT, size) : 0;
	if (size != 1 && size != 2 && size != 4 && size != 8)
		return 0;
	if (btf_is_int(t))
		return KE_ELEM(btf_int_encoding(t) & BTF_INT_SIGNED ? KE_FIELD_SIGNED :
								       KE_FIELD_UNSIGNED, size);
	if (btf_is_any_enum(t))
		return KE_ELEM(btf_kflag(t) ? KE_FIELD_SIGNED : KE_FIELD_UNSIGNED, size);
	return btf_is_ptr(t) ? KE_ELEM(KE_FIELD_UNSIGNED, size) : 0;
}

/* The smallest number that has all bits of @m; 0: none does. */
static u32 holder(const struct walk *w, const struct member *m, bool aligned, u64 *offset)
{
	u32 size;

	for (size = 1; size <= 8; size *= 2) {
		*offset = m->at / 8 & ~(aligned ? size - 1ULL : 0);
		if (m->at + m->bits <= 8 * (*offset + size) && *offset + size <= w->to->size)
			return size;
	}
	return 0;
}

/*
 * The number that a bit-field is in is aligned, but in packed structs. Its bits are counted
 * from the lowest one here, in BTF of machines with the highest byte first from the highest.
 */
static int bit_field(struct walk *w, const struct member *m, u8 kind)
{
	struct ke_field f = { .kind = kind };
	u32 size, shift;
	u64 offset;

	size = holder(w, m, true, &offset) ?: holder(w, m, false, &offset);
	if (!size)
		return refuse(w, -EOPNOTSUPP, "a bit-field that lies in no number");
	shift = m->at - 8 * offset;
	f.offset = offset;
	f.size = size;
	f.bit_offset = w->to->big_endian ? 8 * size - shift - m->bits : shift;
	f.bits = m->bits == 8 * size ? 0 : m->bits;
	return give(w, f);
}

/* --------------------------------------------------------------------- what has none */

static int bytes(struct walk *w, const struct member *m, u64 size, u32 of)
{
	if (size > w->to->size)
		return refuse(w, -EINVAL, "it is larger than the struct");
	return give(w, (struct ke_field){ .kind = KE_FIELD_BYTES, .offset = m->at / 8,
					  .size = size, .shape = shape(w->btf, of) });
}

/* One without elements is the open end of a struct, and no field. */
static int array(struct walk *w, const struct member *m)
{
	const struct btf_array *a = btf_array(m->t);
	const struct btf_type *elem = bare_type(w->btf, a->type);
	s64 size = elem ? btf__resolve_size(w->btf, a->type) : 0;
	struct ke_field f = { .kind = KE_FIELD_BYTES, .offset = m->at / 8 };

	if (!a->nelems || !size)
		return 0;
	if (size < 0 || size > w->to->size || (u64)size * a->nelems > w->to->size)
		return refuse(w, -EINVAL, "it is larger than the struct");
	f.size = size * a->nelems;
	if (is_char(w, elem))
		f.kind = KE_FIELD_STRING;
	else
		f.elem = number(w, elem);
	if (f.kind == KE_FIELD_BYTES && !f.elem)
		return bytes(w, m, f.size, a->type);
	return give(w, f);
}

/* ----------------------------------------------------------------------- members */

static int members(struct walk *w, const struct btf_type *t, u64 at, u32 depth);

/* Makes the name one of the path; false: it is too long. */
static bool append(struct walk *w, const char *name)
{
	size_t len = strlen(w->path);

	return strscpy(w->path + len, name, sizeof(w->path) - len) >= 0;
}

/* A union without a name has those of its members: "a|b". */
static bool append_names(struct walk *w, const struct btf_type *t)
{
	const struct btf_member *m = btf_members(t);
	u32 i;

	for (i = 0; i < btf_vlen(t); i++)
		if ((i && !append(w, "|")) || !append(w, name_of(w, m[i].name_off)))
			return false;
	return true;
}

static int member(struct walk *w, struct member *m, u32 depth)
{
	u8 n;

	if (btf_is_struct(m->t))
		return members(w, m->t, m->at, depth + 1);
	if (btf_is_array(m->t))
		return array(w, m);
	/* As old compilers have bit-fields: a number that is narrower than its bytes. */
	if (btf_is_int(m->t) && !m->bits && btf_int_bits(m->t) != 8 * m->t->size) {
		m->bits = btf_int_bits(m->t);
		m->at += btf_int_offset(m->t);
	}
	n = btf_is_union(m->t) ? 0 : number(w, m->t);
	if (m->bits && n && KE_ELEM_KIND(n) != KE_FIELD_FLOAT && m->bits <= 64)
		return bit_field(w, m, KE_ELEM_KIND(n));
	if (m->at % 8 || m->bits)
		return refuse(w, -EINVAL, "it begins within a byte");
	if (n)
		return give(w, (struct ke_field){ .kind = KE_ELEM_KIND(n), .offset = m->at / 8,
						  .size = KE_ELEM_SIZE(n) });
	if (btf_is_union(m->t) || btf_is_int(m->t) || btf_is_float(m->t))
		return bytes(w, m, m->t->size, m->id);
	return refuse(w, -EOPNOTSUPP, "it is of a kind that events can't have");
}

static int members(struct walk *w, const struct btf_type *t, u64 at, u32 depth)
{
	size_t before = strlen(w->path);
	struct member m;
	const char *name;
	bool fits;
	int err = 0;
	u32 i;

	if (depth > DEPTH_MAX)
		return refuse(w, -EOPNOTSUPP, "structs in structs without an end");
	for (i = 0; i < btf_vlen(t) && !err; i++) {
		if (!w->work--)
			return refuse(w, -E2BIG, "it has too many members");
		m = (struct member){
			.at = at + btf_member_bit_offset(t, i),
			.bits = btf_member_bitfield_size(t, i),
			.id = btf_members(t)[i].type,
		};
		m.t = bare_type(w->btf, m.id);
		name = name_of(w, btf_members(t)[i].name_off);
		if (!m.t)
			return refuse(w, -EINVAL, "a member is of no type");
		if (!*name && !btf_is_composite(m.t))
			continue;
		fits = append(w, name);
		if (!*name && btf_is_union(m.t))
			fits = append_names(w, m.t);
		if (*name && btf_is_struct(m.t))
			fits = fits && append(w, ".");
		err = fits ? member(w, &m, depth) : refuse(w, -E2BIG, "its name is too long");
		w->path[before] = 0;
	}
	return err;
}

/* By its own name or a typedef's. */
static const struct btf_type *find(const struct btf *btf, const char *name)
{
	const struct btf_type *t;
	s32 id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);

	if (id < 0)
		id = btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF);
	t = id < 0 ? NULL : bare_type(btf, id);
	return t && btf_is_struct(t) ? t : NULL;
}

int flatten(const struct btf *btf, const char *where, const char *name, struct ke_btf_sink *to,
	    char *why, size_t size)
{
	struct walk w = {
		.btf = btf,
		.to = to,
		.type = name,
		.work = WORK_MAX,
		.why = why,
		.why_size = size,
	};
	const struct btf_type *t = find(btf, name);

	if (!t) {
		snprintf(why, size, "%s: there is no struct %s in it", where, name);
		return -ENOENT;
	}
	to->size = t->size;
	to->big_endian = btf__endianness(btf) == BTF_BIG_ENDIAN;
	return members(&w, t, 0, 0);
}
