// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Attributes' values, on their way between the API and encoded sets.
 */
#include "attr.h"
#include "kn.h"

int kn_value_check(struct kecho_value v, struct ke_value *out)
{
	if (v.len > KECHO_ATTR_VALUE_MAX)
		return -E2BIG;
	*out = (struct ke_value){ .kind = v.kind, .len = v.len, .i64 = v.i64, .data = v.data };
	return 0;
}

int kn_attrs_load(struct ke_attrs *a, const struct kecho_attr *attr, size_t n)
{
	struct ke_value v;
	int err = 0;
	size_t i;

	for (i = 0; i < n && !err; i++) {
		err = kn_value_check(attr[i].value, &v);
		err = err ?: ke_attrs_set(a, attr[i].name, &v, kn_now_ms());
	}
	if (err)
		ke_attrs_free(a);
	return err;
}

int kn_value_find(const struct ke_attrs *a, const char *name, struct kecho_value *v, void *buf,
		  size_t size)
{
	struct ke_value in;
	int err = ke_attrs_find(a->buf, a->len, name, &in);

	if (err)
		return err;
	*v = (struct kecho_value){
		.kind = in.kind, .i64 = in.i64,
		.age_ns = ke_attrs_age_ms(a, name, kn_now_ms()) * NSEC_PER_MSEC,
	};
	if (in.kind == KE_VALUE_I64)
		return 0;
	v->len = min_t(size_t, in.len, size);
	v->data = memcpy(buf, in.data, v->len);
	return 0;
}

static int set(struct kn *kn, struct kn_channel *c, struct ke_member *m, const char *name,
	       struct kecho_value v)
{
	struct ke_value value;
	int err = kn_value_check(v, &value);

	if (err)
		return err;
	kn_lock(kn);
	if (m)
		err = ke_member_set(m, name, &value);
	else if (c)
		err = ke_channel_set(&c->ch, name, &value);
	else
		err = ke_node_set(&kn->node, name, &value);
	kn_unlock(kn);
	return err;
}

int kecho_node_set(struct kecho *k, const char *name, struct kecho_value v)
{
	return set(k->kn, NULL, NULL, name, v);
}
EXPORT_SYMBOL_GPL(kecho_node_set);

int kecho_channel_set(struct kecho_channel *ch, const char *name, struct kecho_value v)
{
	return set(ch->c->kn, ch->c, NULL, name, v);
}
EXPORT_SYMBOL_GPL(kecho_channel_set);

int kecho_source_set(struct kecho_source *s, const char *name, struct kecho_value v)
{
	return set(s->ch->c->kn, s->ch->c, &s->s.member, name, v);
}
EXPORT_SYMBOL_GPL(kecho_source_set);

int kecho_sink_set(struct kecho_sink *s, const char *name, struct kecho_value v)
{
	return set(s->ch->c->kn, s->ch->c, &s->m, name, v);
}
EXPORT_SYMBOL_GPL(kecho_sink_set);

int kecho_event_get(const struct kecho_event *ev, const char *name, struct kecho_value *v)
{
	struct ke_value in;
	int err;

	if (!ev->attrs || !ke_attrs_check(ev->attrs, ev->attrs_len))
		return -ENOENT;
	err = ke_attrs_find(ev->attrs, ev->attrs_len, name, &in);
	if (err)
		return err;
	*v = (struct kecho_value){ .kind = in.kind, .i64 = in.i64, .data = in.data,
				   .len = in.kind == KE_VALUE_I64 ? 0 : in.len };
	return 0;
}
EXPORT_SYMBOL_GPL(kecho_event_get);
