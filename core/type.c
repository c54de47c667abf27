// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Types of events as they travel: see type.h and uapi/kecho_type.h. What comes from
 * elsewhere is copied first and judged then, and once it is loaded all of it holds: each
 * field lies within the struct, each name within the names, and names are in order.
 */
#include "type.h"

enum {
	HEADER = sizeof(struct kecho_type_header),
	FIELD = sizeof(struct kecho_type_field),
};

/* The fields and their names as they are read one after the other. */
struct walk {
	const struct kecho_type_field *raw;
	u32 name;		/* offset of the next name */
	char *why;
};

#define refuse(why, ...) (scnprintf(why, KE_TYPE_WHY_MAX, __VA_ARGS__), -EPROTO)

int ke_field_order(const char *a, u32 a_len, const char *b, u32 b_len)
{
	int order = memcmp(a, b, min_t(u32, a_len, b_len));

	return order ?: (a_len > b_len) - (a_len < b_len);
}

const struct ke_field *ke_type_field(const struct ke_type *t, const char *name, u32 len)
{
	u32 from = 0, to = t->nfields, at;
	const struct ke_field *f;
	int order;

	while (from < to) {
		at = from + (to - from) / 2;
		f = &t->fields[at];
		order = ke_field_order(name, len, ke_field_name(t, f), f->name_len);
		if (!order)
			return f;
		if (order < 0)
			to = at;
		else
			from = at + 1;
	}
	return NULL;
}

/* FNV-1a, 64 bits. */
static u64 hash(const u8 *p, u32 len)
{
	u64 h = 0xcbf29ce484222325ULL;

	while (len--)
		h = (h ^ *p++) * 0x100000001b3ULL;
	return h;
}

/* ---------------------------------------------------------------- from elsewhere */

static bool name_good(const char *name, u32 len)
{
	u32 i;

	for (i = 0; i < len; i++)
		if ((u8)name[i] < 0x21 || name[i] == 0x7f)
			return false;
	return len;
}

static bool number_size_good(u32 kind, u32 size)
{
	if (kind == KE_FIELD_FLOAT)
		return size == 4 || size == 8;
	return size == 1 || size == 2 || size == 4 || size == 8;
}

/* NULL, or what is wrong with it. */
static const char *bits_wrong(const struct ke_field *f)
{
	if (!f->bits)
		return f->bit_offset ? "has a bit offset but no bits" : NULL;
	if (!ke_kind_is_integer(f->kind))
		return "has bits but is no integer";
	return f->bit_offset + f->bits > 8 * f->size ? "has bits beyond its bytes" : NULL;
}

static const char *elem_wrong(const struct ke_field *f)
{
	u32 kind = KE_ELEM_KIND(f->elem), size = KE_ELEM_SIZE(f->elem);

	if (!f->elem)
		return NULL;
	if (kind < KE_FIELD_UNSIGNED || kind > KE_FIELD_FLOAT || !number_size_good(kind, size))
		return "has elements of an unknown kind";
	return f->size % size ? "ends within an element" : NULL;
}

static const char *field_wrong(const struct ke_type *t, const struct ke_field *f)
{
	if (f->kind < KE_FIELD_UNSIGNED || f->kind > KE_FIELD_BYTES)
		return "is of an unknown kind";
	if (!f->size)
		return "has no bytes";
	if (f->size > t->size || f->offset > t->size - f->size)
		return "lies beyond the struct";
	if (f->kind <= KE_FIELD_FLOAT && !number_size_good(f->kind, f->size))
		return "is a number of an odd size";
	if (f->kind != KE_FIELD_BYTES && f->elem)
		return "has elements but is no array";
	if (f->shape && (f->kind != KE_FIELD_BYTES || f->elem))
		return "has a shape that it needs not";
	return bits_wrong(f) ?: elem_wrong(f);
}

static int check_name(const struct ke_type *t, const struct ke_field *f, u32 i, char *why)
{
	const struct ke_field *before = i ? f - 1 : NULL;
	const char *name = ke_field_name(t, f);

	if (!f->name_len || f->name_len > KE_FIELD_NAME_MAX)
		return refuse(why, "the name of field %u has %u bytes, not 1 to %u", i,
			      f->name_len, KE_FIELD_NAME_MAX);
	if (f->name_len > t->names_len - f->name)
		return refuse(why, "the name of field %u lies beyond the names", i);
	if (!name_good(name, f->name_len))
		return refuse(why, "the name of field %u has a byte that names may not have", i);
	if (before && ke_field_order(ke_field_name(t, before), before->name_len, name,
				     f->name_len) >= 0)
		return refuse(why, "field \"%.*s\" is not in order, or there twice", f->name_len,
			      name);
	return 0;
}

static int load_field(const struct ke_type *t, struct ke_field *f, u32 i, struct walk *w)
{
	const struct kecho_type_field *raw = &w->raw[i];
	const char *wrong;
	int err;

	*f = (struct ke_field){
		.name = w->name,
		.name_len = get_unaligned_le16(&raw->name_len),
		.offset = get_unaligned_le32(&raw->offset),
		.size = get_unaligned_le32(&raw->size),
		.kind = raw->kind,
		.bit_offset = raw->bit_offset,
		.bits = raw->bits,
		.elem = raw->elem,
		.shape = get_unaligned_le32(&raw->shape),
	};
	err = check_name(t, f, i, w->why);
	if (err)
		return err;
	wrong = raw->pad[0] || raw->pad[1] ? "has padding that is not zero" : field_wrong(t, f);
	if (wrong)
		return refuse(w->why, "field \"%.*s\" %s", f->name_len, ke_field_name(t, f), wrong);
	w->name += f->name_len;
	return 0;
}

/* What the header says, as far as it can be judged by itself. */
static int load_header(struct ke_type *t, const struct kecho_type_header *h, char *why)
{
	u32 fields = get_unaligned_le16(&h->fields);

	if (get_unaligned_le16(&h->magic) != KECHO_TYPE_MAGIC)
		return refuse(why, "it is no type");
	if (h->version != KECHO_TYPE_VERSION)
		return refuse(why, "it is of version %u, not %u", h->version, KECHO_TYPE_VERSION);
	if (h->flags & ~KECHO_TYPE_BIG_ENDIAN)
		return refuse(why, "it has unknown flags %#x", h->flags);
	t->size = get_unaligned_le32(&h->size);
	t->names_len = get_unaligned_le32(&h->names_len);
	t->name_len = get_unaligned_le16(&h->name_len);
	t->big_endian = h->flags & KECHO_TYPE_BIG_ENDIAN;
	if (t->size > KE_TYPE_SIZE_MAX)
		return refuse(why, "its struct has %u bytes, over %u", t->size, KE_TYPE_SIZE_MAX);
	if (fields > KE_TYPE_FIELDS_MAX)
		return refuse(why, "it has %u fields, over %u", fields, KE_TYPE_FIELDS_MAX);
	if (!t->name_len || t->name_len > KE_NAME_MAX)
		return refuse(why, "its name has %u bytes, not 1 to %u", t->name_len, KE_NAME_MAX);
	if (t->names_len < t->name_len || t->names_len - t->name_len > KE_TYPE_NAMES_MAX)
		return refuse(why, "its names have %u bytes, not %u to %u", t->names_len,
			      t->name_len, t->name_len + KE_TYPE_NAMES_MAX);
	if (t->encoded_len != HEADER + fields * FIELD + t->names_len)
		return refuse(why, "it has %u bytes, not %u", t->encoded_len,
			      HEADER + fields * FIELD + t->names_len);
	t->nfields = fields;
	return 0;
}

static int load_fields(struct ke_type *t, struct ke_field *fields, char *why)
{
	const u8 *encoded = t->encoded;
	struct walk w = { (const void *)(encoded + HEADER), t->name_len, why };
	u32 i;
	int err;

	t->names = (const char *)encoded + HEADER + t->nfields * FIELD;
	t->fields = fields;
	if (!name_good(t->names, t->name_len))
		return refuse(why, "its name has a byte that names may not have");
	for (i = 0; i < t->nfields; i++) {
		err = load_field(t, &fields[i], i, &w);
		if (err)
			return err;
	}
	if (w.name != t->names_len)
		return refuse(why, "%u bytes of its names are nobody's", t->names_len - w.name);
	return 0;
}

int ke_type_load(struct ke_type **out, const void *buf, u32 len, char *why)
{
	struct ke_type head = { .encoded_len = len }, *t;
	void *copy;
	int err;

	BUILD_BUG_ON(sizeof(struct kecho_type_header) != 16);
	BUILD_BUG_ON(sizeof(struct kecho_type_field) != 20);
	/* Offsets in the names are 16 bits. */
	BUILD_BUG_ON(KE_TYPE_NAMES_MAX + KE_NAME_MAX > U16_MAX);
	if (len < HEADER || len > KE_TYPE_ENCODED_MAX)
		return refuse(why, "%u bytes are no type", len);
	copy = kmemdup(buf, len, GFP_KERNEL_ACCOUNT);
	if (!copy)
		return -ENOMEM;
	head.encoded = copy;
	err = load_header(&head, copy, why);
	if (err)
		goto free_copy;
	t = kmalloc(sizeof(*t) + head.nfields * sizeof(*t->fields), GFP_KERNEL_ACCOUNT);
	err = t ? 0 : -ENOMEM;
	if (err)
		goto free_copy;
	*t = head;
	err = load_fields(t, (struct ke_field *)(t + 1), why);
	if (err)
		goto free_type;
	t->id = hash(copy, len);
	*out = t;
	return 0;
free_type:
	kfree(t);
free_copy:
	kfree(copy);
	return err;
}

void ke_type_free(struct ke_type *t)
{
	if (!t)
		return;
	kfree(t->encoded);
	kfree(t);
}

/* ------------------------------------------------------------------- to elsewhere */

static u32 names_of(const struct ke_type *t)
{
	u32 len = t->name_len, i;

	for (i = 0; i < t->nfields; i++)
		len += t->fields[i].name_len;
	return len;
}

static void encode_field(struct kecho_type_field *raw, const struct ke_field *f)
{
	*raw = (struct kecho_type_field){
		.offset = cpu_to_le32(f->offset),
		.size = cpu_to_le32(f->size),
		.shape = cpu_to_le32(f->shape),
		.kind = f->kind,
		.bit_offset = f->bit_offset,
		.bits = f->bits,
		.elem = f->elem,
		.name_len = cpu_to_le16(f->name_len),
	};
}

int ke_type_encode(const struct ke_type *t, void *buf, u32 size)
{
	struct kecho_type_header h = {
		.magic = cpu_to_le16(KECHO_TYPE_MAGIC),
		.version = KECHO_TYPE_VERSION,
		.flags = t->big_endian ? KECHO_TYPE_BIG_ENDIAN : 0,
		.size = cpu_to_le32(t->size),
		.fields = cpu_to_le16(t->nfields),
		.name_len = cpu_to_le16(t->name_len),
	};
	u32 names = names_of(t), len = HEADER + t->nfields * FIELD + names, i;
	struct kecho_type_field raw;
	u8 *p = buf, *name;

	if (t->nfields > KE_TYPE_FIELDS_MAX || t->name_len > KE_NAME_MAX ||
	    names - t->name_len > KE_TYPE_NAMES_MAX || len > size)
		return -EMSGSIZE;
	h.names_len = cpu_to_le32(names);
	memcpy(p, &h, HEADER);
	name = p + len - names;
	memcpy(name, t->names + t->name, t->name_len);
	name += t->name_len;
	for (i = 0; i < t->nfields; i++) {
		encode_field(&raw, &t->fields[i]);
		memcpy(p + HEADER + i * FIELD, &raw, FIELD);
		memcpy(name, ke_field_name(t, &t->fields[i]), t->fields[i].name_len);
		name += t->fields[i].name_len;
	}
	return len;
}
