// SPDX-License-Identifier: MIT
/*
 * What tells the layout of a type from others: a hash of all that it is made of, names of
 * members too. What pointers point to doesn't count.
 */
#include "parts.h"

struct hash {
	const struct btf *btf;
	u32 value;	/* FNV-1a, 32 bits */
	u32 work;	/* left */
};

static void add(struct hash *h, const void *data, size_t len)
{
	const u8 *p = data;

	for (; len; len--)
		h->value = (h->value ^ *p++) * 0x01000193;
}

static void add_number(struct hash *h, u32 v)
{
	__le32 le = cpu_to_le32(v);

	add(h, &le, sizeof(le));
}

static void add_type(struct hash *h, u32 id, u32 depth);

static void add_members(struct hash *h, const struct btf_type *t, u32 depth)
{
	const struct btf_member *m = btf_members(t);
	const char *name;
	u32 i;

	for (i = 0; i < btf_vlen(t); i++, m++) {
		name = btf__name_by_offset(h->btf, m->name_off);
		add_number(h, btf_member_bit_offset(t, i));
		add_number(h, btf_member_bitfield_size(t, i));
		if (name)
			add(h, name, strlen(name) + 1);
		add_type(h, m->type, depth + 1);
	}
}

static void add_type(struct hash *h, u32 id, u32 depth)
{
	const struct btf_type *t = bare_type(h->btf, id);

	if (!t || depth > DEPTH_MAX || !h->work)
		return;
	h->work--;
	add_number(h, btf_kind(t));
	if (btf_is_array(t)) {
		add_number(h, btf_array(t)->nelems);
		add_type(h, btf_array(t)->type, depth + 1);
	} else if (!btf_is_ptr(t)) {
		add_number(h, t->size);
	}
	if (btf_is_int(t))
		add_number(h, btf_int_encoding(t));
	if (btf_is_composite(t))
		add_members(h, t, depth);
}

u32 shape(const struct btf *btf, u32 id)
{
	struct hash h = { .btf = btf, .value = 0x811c9dc5, .work = WORK_MAX };

	add_type(&h, id, 0);
	return h.value ?: 1;
}
