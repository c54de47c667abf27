// SPDX-License-Identifier: MIT
/*
 * Attributes' values, on their way between the API and encoded sets.
 */
#include "internal.h"

int value_check(const char *name, struct kecho_value v, struct ke_value *out)
{
	if (v.len > KECHO_ATTR_VALUE_MAX)
		return lib_fail(-E2BIG, "attribute '%s': %zu bytes; the most is %d", name, v.len,
				KECHO_ATTR_VALUE_MAX);
	*out = (struct ke_value){ .kind = v.kind, .len = v.len, .i64 = v.i64, .data = v.data };
	return 0;
}

static int set_attr(struct ke_attrs *a, const char *name, struct kecho_value v)
{
	struct ke_value value;
	int err = value_check(name, v, &value);

	if (err)
		return err;
	err = ke_attrs_set(a, name, &value, lib_deadline(0));
	return err ? lib_fail(err, "attribute '%s'", name) : 0;
}

int attrs_load(struct ke_attrs *a, const struct kecho_attr *attr, size_t n)
{
	size_t i;
	int err = 0;

	for (i = 0; i < n && !err; i++)
		err = set_attr(a, attr[i].name, attr[i].value);
	if (err)
		ke_attrs_free(a);
	return err;
}

static void give_value(const struct ke_value *in, struct kecho_value *v, void *buf, size_t size)
{
	*v = (struct kecho_value){ .kind = (enum kecho_value_kind)in->kind, .i64 = in->i64 };
	if (in->kind == KE_VALUE_I64)
		return;
	v->len = min_t(size_t, in->len, size);
	if (v->len)
		memcpy(buf, in->data, v->len);
	v->data = buf;
}

int value_find(const struct ke_attrs *a, const char *name, struct kecho_value *v, void *buf,
	       size_t size)
{
	struct ke_value in;
	int err = ke_attrs_find(a->buf, a->len, name, &in);

	if (err)
		return err;
	give_value(&in, v, buf, size);
	v->age_ns = (u64)ke_attrs_age_ms(a, name, lib_deadline(0)) * 1000000;
	return 0;
}

int kecho_event_get(const struct kecho_event *ev, const char *name, struct kecho_value *v)
{
	struct ke_value in;
	int err;

	if (!ev->attrs || !ke_attrs_check(ev->attrs, ev->attrs_len))
		return -ENOENT;
	err = ke_attrs_find(ev->attrs, ev->attrs_len, name, &in);
	if (err)
		return err;
	*v = (struct kecho_value){ .kind = (enum kecho_value_kind)in.kind, .i64 = in.i64,
				   .data = in.data, .len = in.kind == KE_VALUE_I64 ? 0 : in.len };
	return 0;
}
