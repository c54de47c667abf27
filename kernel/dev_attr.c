// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Attributes, as processes set and ask for them. Those of the node are for its root to set, a
 * channel's for who may manage it, but "kecho.*", which is the nodes'; a member's for its process.
 */
#include "dev.h"

/* Of a member, live, as its process says them; none in no bytes. -EPROTO, -ENOMEM. */
int kn_take_attrs(struct ke_attrs *a, const void *live, u32 len)
{
	struct ke_in in = { .p = live, .end = (const u8 *)live + len };

	return len ? ke_attrs_get(a, &in, kn_now_ms()) : 0;
}

static struct ke_member *own_member(const struct kn_session *s, u64 id)
{
	struct kn_opening *o;
	struct kn_psource *ps;
	struct kn_psink *k;

	list_for_each_entry(o, &s->openings, list) {
		list_for_each_entry(ps, &o->sources, list)
			if (ps->state == KN_JOINED && ps->src.s.member.id == id)
				return &ps->src.s.member;
		list_for_each_entry(k, &o->sinks, list)
			if (k->m.id == id)
				return &k->m;
	}
	return NULL;
}

static int set_channel(const struct kn_session *s, u32 handle, const char *name,
		       const struct ke_value *v)
{
	struct kn_opening *o = kn_opening(s, handle);

	if (!o)
		return -EBADF;
	if (!(kn_rights(s, o->ch->c) & KN_MANAGE))
		return -EACCES;
	if (str_has_prefix(name, "kecho."))
		return -EPERM;
	return ke_channel_set(&o->ch->c->ch, name, v);
}

static int set(const struct kn_ask *r, const char *name, const struct ke_value *v)
{
	const struct kecho_ctl_attr *in = r->body;
	struct ke_member *m;

	switch (le32_to_cpu(in->what)) {
	case KECHO_OF_NODE:
		return r->s->root ? ke_node_set(&r->s->kn->node, name, v) : -EPERM;
	case KECHO_OF_CHANNEL:
		return set_channel(r->s, le32_to_cpu(in->channel), name, v);
	case KECHO_OF_MEMBER:
		m = own_member(r->s, le64_to_cpu(in->member));
		return m ? ke_member_set(m, name, v) : -ENOENT;
	}
	return -EINVAL;
}

void kn_set_request(const struct kn_ask *r)
{
	const struct kecho_ctl_attr *in = r->body;
	const u8 *bytes = (const u8 *)(in + 1);
	struct ke_value v;
	char name[KE_NAME_MAX + 1];
	int err;

	if (ke_attrs_only(bytes, r->tail_len, name, &v)) {
		kn_refuse(r, -EINVAL, "an attribute that is none");
		return;
	}
	err = set(r, name, &v);
	if (err)
		kn_refuse(r, err, "attribute '%s': user %u cannot set it", name, kn_user(r->s));
	else
		kn_answer(r, in);
}

/* ------------------------------------------------------------------- asking */

static const struct ke_attrs *asked_attrs(const struct kn_ask *r, const char **name)
{
	const struct kecho_ctl_attr *in = r->body;
	struct kn_opening *o = kn_opening(r->s, le32_to_cpu(in->channel));
	size_t of_node = str_has_prefix(*name, "node.");

	if (le32_to_cpu(in->what) == KECHO_OF_NODE)
		return &r->s->kn->node.attrs;
	if (!o)
		return NULL;
	if (le32_to_cpu(in->what) == KECHO_OF_CHANNEL)
		return &o->ch->c->ch.attrs;
	if (le32_to_cpu(in->what) != KECHO_OF_MEMBER)
		return NULL;
	*name += of_node;
	return kn_member_attrs(o->ch->c, le64_to_cpu(in->member), of_node);
}

/* A live set of one that is in @a, in *@o. */
static int put_only(struct ke_out *o, const struct ke_attrs *a, const char *name)
{
	u64 now = kn_now_ms();
	struct ke_attrs one = { 0 };
	struct ke_value v;
	int err = ke_attrs_find(a->buf, a->len, name, &v);

	err = err ?: ke_attrs_set(&one, name, &v, now - ke_attrs_age_ms(a, name, now));
	if (err)
		return err;
	o->size = ke_attrs_live_len(&one);
	o->buf = kvmalloc(o->size, GFP_KERNEL_ACCOUNT);
	if (o->buf)
		ke_attrs_put(o, &one, now);
	ke_attrs_free(&one);
	return o->buf ? 0 : -ENOMEM;
}

void kn_get_request(const struct kn_ask *r)
{
	struct kecho_ctl_attr out = *(const struct kecho_ctl_attr *)r->body;
	struct kn_answer a = { .body = &out, .len = sizeof(out) };
	const struct ke_attrs *attrs;
	const char *name = out.name;
	struct ke_out o = { 0 };
	int err = -ENOENT;

	if (strnlen(out.name, sizeof(out.name)) == sizeof(out.name)) {
		kn_refuse(r, -EINVAL, "an attribute's name without an end");
		return;
	}
	attrs = asked_attrs(r, &name);
	if (attrs)
		err = put_only(&o, attrs, name);
	if (err) {
		kn_refuse(r, err, "attribute '%s'", out.name);
		return;
	}
	out.attrs_len = cpu_to_le32(o.len);
	a.tail = o.buf;
	a.tail_len = o.len;
	kn_send(r->s, r->cmd, r->serial, 0, &a);
	kvfree(o.buf);
}
