// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Types of events that sources announce: encoded as they travel, and then judged by core as
 * if they had come from elsewhere.
 */
#include <linux/sort.h>

#include "announce.h"
#include "kecho/field.h"
#include "kn.h"

/* A type on its way to what travels. Its struct's name is the last of the names. */
struct draft {
	struct ke_type t;
	struct ke_field fields[KE_TYPE_FIELDS_MAX];
	char names[KE_TYPE_NAMES_MAX + KE_NAME_MAX];
	u8 wire[KE_TYPE_ENCODED_MAX];
};

static_assert((int)KECHO_FIELD_UNSIGNED == KE_FIELD_UNSIGNED &&
		      (int)KECHO_FIELD_SIGNED == KE_FIELD_SIGNED &&
		      (int)KECHO_FIELD_FLOAT == KE_FIELD_FLOAT &&
		      (int)KECHO_FIELD_STRING == KE_FIELD_STRING &&
		      (int)KECHO_FIELD_BYTES == KE_FIELD_BYTES,
	      "the kinds of kecho/field.h");

static int by_name(const void *a, const void *b, const void *names)
{
	const struct ke_field *x = a, *y = b;

	return ke_field_order(names + x->name, x->name_len, names + y->name, y->name_len);
}

static int add_name(struct draft *d, const char *name, size_t len)
{
	int at = d->t.names_len;

	if (len > sizeof(d->names) - d->t.names_len)
		return -E2BIG;
	memcpy(d->names + at, name, len);
	d->t.names_len += len;
	return at;
}

static int add_field(struct draft *d, const struct kecho_field *f)
{
	size_t len = strnlen(f->name, KE_FIELD_NAME_MAX + 1);
	int name = add_name(d, f->name, len);

	if (name < 0)
		return name;
	d->fields[d->t.nfields++] = (struct ke_field){
		.name = name, .name_len = len, .kind = f->kind, .offset = f->offset,
		.size = f->size, .bit_offset = f->bit_offset, .bits = f->bits,
		.elem = f->elem_kind ? KE_ELEM(f->elem_kind, f->elem_size) : 0,
		.shape = f->shape,
	};
	return 0;
}

/* Returns how many bytes it has in d->wire. */
static int encode(struct draft *d, const struct kecho_type *type)
{
	const char *name = type->name + str_has_prefix(type->name, "struct ");
	size_t i, len = strnlen(name, KE_NAME_MAX + 1);
	int at, err = 0;

	if (type->nfields > KE_TYPE_FIELDS_MAX || type->size > KE_TYPE_SIZE_MAX)
		return -E2BIG;
	for (i = 0; i < type->nfields && !err; i++)
		err = add_field(d, &type->fields[i]);
	if (err)
		return err;
	sort_r(d->fields, d->t.nfields, sizeof(*d->fields), by_name, NULL, d->names);
	at = add_name(d, name, len);
	if (at < 0)
		return at;
	d->t.name = at;
	d->t.name_len = len;
	d->t.names = d->names;
	d->t.fields = d->fields;
	d->t.size = type->size;
	d->t.big_endian = cpu_to_le16(1) != 1;
	at = ke_type_encode(&d->t, d->wire, sizeof(d->wire));
	return at == -EMSGSIZE ? -E2BIG : at;
}

/* What is wrong with a table is its writer's to know. */
static int announce(struct kecho_source *s, const struct draft *d, u32 len)
{
	struct kn *kn = s->ch->c->kn;
	char why[KE_TYPE_WHY_MAX];
	int number;

	kn_lock(kn);
	number = s->s.closed ? -ESHUTDOWN :
			       ke_source_announce(&s->s, &kn->node, d->wire, len, why);
	if (number > 0) {
		/* Who reads knows it before who submits does. */
		kn_feeds_learn(s->ch->c, s->s.member.id);
		smp_store_release(&s->ntypes, max_t(u32, s->ntypes, number));
	}
	kn_unlock(kn);
	if (number != -EPROTO && number != -ENOSPC)
		return number;
	pr_warn("kecho: channel '%s', type '%.*s': %s\n", s->ch->c->ch.name, d->t.name_len,
		d->names + d->t.name, why);
	return number == -EPROTO ? -EINVAL : number;
}

int kn_type_encode(const struct kecho_type *type, void **wire)
{
	struct draft *d = kvzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);
	int len = d ? encode(d, type) : -ENOMEM;

	if (len > 0) {
		*wire = kvmalloc(len, GFP_KERNEL_ACCOUNT);
		if (*wire)
			memcpy(*wire, d->wire, len);
		else
			len = -ENOMEM;
	}
	kvfree(d);
	return len;
}

int kecho_source_announce(struct kecho_source *s, const struct kecho_type *type)
{
	struct draft *d = kvzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);
	int len;

	if (!d)
		return -ENOMEM;
	len = encode(d, type);
	if (len > 0)
		len = announce(s, d, len);
	kvfree(d);
	return len;
}
EXPORT_SYMBOL_GPL(kecho_source_announce);
