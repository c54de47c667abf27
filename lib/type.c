// SPDX-License-Identifier: MIT
/*
 * Types of events: made from tables, loaded, looked at and matched. Whatever they are made
 * of is encoded first and then loaded as if it had come from elsewhere, so there is one
 * place that judges them.
 */
#include "internal.h"
#include "types.h"

static_assert(KECHO_TYPE_SIZE_MAX == KE_TYPE_SIZE_MAX, "a limit of kecho/type.h");
static_assert(KECHO_TYPE_FIELDS_MAX == KE_TYPE_FIELDS_MAX, "a limit of kecho/type.h");
static_assert(KECHO_TYPE_NAME_MAX == KE_NAME_MAX, "a limit of kecho/type.h");
static_assert(KECHO_FIELD_NAME_MAX == KE_FIELD_NAME_MAX, "a limit of kecho/type.h");
static_assert((int)KECHO_FIELD_UNSIGNED == KE_FIELD_UNSIGNED &&
		      (int)KECHO_FIELD_SIGNED == KE_FIELD_SIGNED &&
		      (int)KECHO_FIELD_FLOAT == KE_FIELD_FLOAT &&
		      (int)KECHO_FIELD_STRING == KE_FIELD_STRING &&
		      (int)KECHO_FIELD_BYTES == KE_FIELD_BYTES,
	      "the kinds of kecho/type.h");

static int no_memory(void)
{
	return lib_fail(-ENOMEM, "a type");
}

/* -------------------------------------------------------------------- as it came */

/* Of two that begin together: the one of lower bits, then of the lower name. */
static int by_offset(const void *a, const void *b, void *fields)
{
	const struct ke_field *f = fields, *x = &f[*(const u16 *)a], *y = &f[*(const u16 *)b];

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	if (x->bit_offset != y->bit_offset)
		return x->bit_offset < y->bit_offset ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Each name with its end. */
static void copy_names(struct kecho_type *type)
{
	const struct ke_type *t = type->t;
	char *to = type->name;
	u32 i;

	to = mempcpy(to, t->names + t->name, t->name_len);
	*to++ = 0;
	for (i = 0; i < t->nfields; i++) {
		type->names[i] = to;
		to = mempcpy(to, ke_field_name(t, &t->fields[i]), t->fields[i].name_len);
		*to++ = 0;
	}
}

static atomic_ullong last_serial;

/* Takes @t over. */
static int wrap(struct kecho_type **out, struct ke_type *t)
{
	struct kecho_type *type;
	u16 i;

	type = calloc(1, sizeof(*type) + t->nfields * (sizeof(char *) + sizeof(u16)) +
				 t->names_len + t->nfields + 1);
	if (!type) {
		ke_type_free(t);
		return no_memory();
	}
	type->t = t;
	type->serial = atomic_fetch_add(&last_serial, 1) + 1;
	type->names = (const char **)(type + 1);
	type->by_offset = (u16 *)(type->names + t->nfields);
	type->name = (char *)(type->by_offset + t->nfields);
	copy_names(type);
	for (i = 0; i < t->nfields; i++)
		type->by_offset[i] = i;
	qsort_r(type->by_offset, t->nfields, sizeof(u16), by_offset, (void *)t->fields);
	*out = type;
	return 0;
}

int kecho_type_load(struct kecho_type **out, const void *wire, size_t len)
{
	char why[KE_TYPE_WHY_MAX];
	struct ke_type *t;
	int err;

	err = ke_type_load(&t, wire, min_t(size_t, len, U32_MAX), why);
	if (err == -EPROTO)
		return lib_fail(err, "a type: %s", why);
	return err ? no_memory() : wrap(out, t);
}

const void *kecho_type_wire(const struct kecho_type *type, size_t *len)
{
	*len = type->t->encoded_len;
	return type->t->encoded;
}

void kecho_type_free(struct kecho_type *type)
{
	if (!type)
		return;
	ke_type_free(type->t);
	free(type);
}

/* ----------------------------------------------------------------------- a draft */

int type_draft_add(struct type_draft *d, const char *name, const struct ke_field *f)
{
	size_t len = strnlen(name, KE_FIELD_NAME_MAX + 1);
	struct ke_field *fields = d->fields;
	char *names = d->names;

	if (d->nfields == KE_TYPE_FIELDS_MAX || d->names_len + len > KE_TYPE_NAMES_MAX)
		return lib_fail(-E2BIG, "type '%s', field '%s': there are over %d fields, or their "
				"names have over %d bytes", d->name, name, KE_TYPE_FIELDS_MAX,
				KE_TYPE_NAMES_MAX);
	if (d->nfields == d->fields_room) {
		d->fields_room = 2 * d->fields_room ?: 16;
		fields = reallocarray(d->fields, d->fields_room, sizeof(*fields));
		if (!fields)
			return no_memory();
		d->fields = fields;
	}
	if (d->names_len + len > d->names_room) {
		d->names_room = 2 * d->names_room + KE_FIELD_NAME_MAX + 1;
		names = realloc(d->names, d->names_room);
		if (!names)
			return no_memory();
		d->names = names;
	}
	memcpy(names + d->names_len, name, len);
	fields[d->nfields] = *f;
	fields[d->nfields].name = d->names_len;
	fields[d->nfields++].name_len = len;
	d->names_len += len;
	return 0;
}

void type_draft_free(struct type_draft *d)
{
	free(d->fields);
	free(d->names);
}

static int by_name(const void *a, const void *b, void *names)
{
	const struct ke_field *x = a, *y = b;
	const char *n = names;

	return ke_field_order(n + x->name, x->name_len, n + y->name, y->name_len);
}

/* The names that core knows are in one piece, and the struct's own is one of them. */
static int encode(struct type_draft *d, u8 *wire, size_t size)
{
	struct ke_type t = {
		.size = d->size,
		.big_endian = d->big_endian,
		.nfields = d->nfields,
		.fields = d->fields,
		.name = d->names_len,
		.name_len = strlen(d->name),
	};
	char *names = realloc(d->names, d->names_len + t.name_len + 1);

	if (!names)
		return -ENOMEM;
	d->names = names;
	d->names_room = d->names_len + t.name_len + 1;
	memcpy(names + d->names_len, d->name, t.name_len);
	t.names = names;
	if (d->nfields)
		qsort_r(d->fields, d->nfields, sizeof(*d->fields), by_name, names);
	return ke_type_encode(&t, wire, size);
}

int type_draft_make(struct kecho_type **out, struct type_draft *d)
{
	char why[KE_TYPE_WHY_MAX];
	struct ke_type *t;
	int len, err;
	u8 *wire;

	if (!*d->name || strlen(d->name) > KE_NAME_MAX)
		return lib_fail(-EINVAL, "type '%s': a name has 1 to %d bytes", d->name,
				KE_NAME_MAX);
	if (d->size > KE_TYPE_SIZE_MAX)
		return lib_fail(-E2BIG, "type '%s': its struct has %u bytes, over %d", d->name,
				d->size, KE_TYPE_SIZE_MAX);
	wire = malloc(KE_TYPE_ENCODED_MAX);
	if (!wire)
		return no_memory();
	len = encode(d, wire, KE_TYPE_ENCODED_MAX);
	err = len < 0 ? len : ke_type_load(&t, wire, len, why);
	free(wire);
	if (err == -EPROTO)
		return lib_fail(-EINVAL, "type '%s': %s", d->name, why);
	return err ? no_memory() : wrap(out, t);
}

/* What is no number has no bits, and what has none needs no place for them. */
static int add_field(struct type_draft *d, const struct kecho_field *f)
{
	struct ke_field field = {
		.kind = (u8)f->kind,
		.offset = f->offset,
		.size = f->size,
		.bit_offset = f->bit_offset,
		.bits = f->bits,
		.elem = f->elem_kind ? KE_ELEM(f->elem_kind, f->elem_size) : 0,
		.shape = f->shape,
	};

	if ((unsigned int)f->kind > KECHO_FIELD_BYTES || f->elem_kind > KECHO_FIELD_FLOAT ||
	    f->elem_size > sizeof(u64))
		return lib_fail(-EINVAL, "type '%s', field '%s': its kind or that of its elements",
				d->name, f->name);
	return type_draft_add(d, f->name, &field);
}

int kecho_type_from_fields(struct kecho_type **out, const char *name, size_t size,
			   const struct kecho_field *fields, size_t n)
{
	struct type_draft d = { .size = min_t(size_t, size, U32_MAX) };
	int err = 0;
	size_t i;

	d.name = name + str_has_prefix(name, "struct ");
	d.big_endian = cpu_to_le16(1) != 1;
	for (i = 0; i < n && !err; i++)
		err = add_field(&d, &fields[i]);
	err = err ?: type_draft_make(out, &d);
	type_draft_free(&d);
	return err;
}

/* ------------------------------------------------------------------------ a look */

const char *kecho_type_name(const struct kecho_type *type)
{
	return type->name;
}

size_t kecho_type_size(const struct kecho_type *type)
{
	return type->t->size;
}

uint64_t kecho_type_id(const struct kecho_type *type)
{
	return type->t->id;
}

size_t kecho_type_fields(const struct kecho_type *type, struct kecho_field *to, size_t max)
{
	const struct ke_type *t = type->t;
	const struct ke_field *f;
	size_t i;

	for (i = 0; i < t->nfields && i < max; i++) {
		f = &t->fields[i];
		to[i] = (struct kecho_field){
			.name = type->names[i],
			.kind = f->kind,
			.offset = f->offset,
			.size = f->size,
			.bit_offset = f->bit_offset,
			.bits = f->bits,
			.elem_kind = KE_ELEM_KIND(f->elem),
			.elem_size = KE_ELEM_SIZE(f->elem),
			.shape = f->shape,
		};
	}
	return t->nfields;
}

/* ------------------------------------------------------------------- two versions */

/* A kecho_match is core's. */
static struct ke_match *match_of(const struct kecho_match *m)
{
	return (struct ke_match *)m;
}

int kecho_type_match(struct kecho_match **out, const struct kecho_type *reader,
		     const struct kecho_type *writer)
{
	struct ke_match *m;

	if (ke_type_match(&m, reader->t, writer->t))
		return lib_fail(-ENOMEM, "types '%s' and '%s'", reader->name, writer->name);
	*out = (struct kecho_match *)m;
	return 0;
}

void kecho_match_free(struct kecho_match *m)
{
	ke_match_free(match_of(m));
}

int kecho_match_has(const struct kecho_match *m, size_t field)
{
	return field < KE_TYPE_FIELDS_MAX && ke_match_has(match_of(m), field);
}

void kecho_match_convert(const struct kecho_match *m, const void *data, size_t len, void *to,
			 uint64_t *present)
{
	u64 there[KE_TYPE_FIELDS_MAX / 64];

	/* Fields lie within the first KE_TYPE_SIZE_MAX bytes. */
	ke_type_convert(match_of(m), data, min_t(size_t, len, U32_MAX), to, there);
	if (present)
		memcpy(present, there, ke_match_words(match_of(m)) * sizeof(*there));
}
