// SPDX-License-Identifier: MIT
/*
 * Attributes, as processes set and ask for them. Those of the node are for root and
 * kechod's own user to set, a channel's for who may manage it, but "kecho.*", which is
 * the nodes'; a member's for its process.
 */
#include "daemon.h"

/* Of a member, live, as its process says them; none in no bytes. -EPROTO, -ENOMEM. */
int kd_take_attrs(struct ke_attrs *a, const void *live, u32 len)
{
	struct ke_in in = { .p = live, .end = (const u8 *)live + len };

	return len ? ke_attrs_get(a, &in, lib_deadline(0)) : 0;
}

static struct ke_member *own_member(const struct kd_session *s, u64 id)
{
	struct kd_opening *o;
	struct kd_source *src;
	struct kd_sink *k;

	list_for_each_entry(o, &s->openings, session_list) {
		list_for_each_entry(src, &o->sources, opening_list)
			if (src->state == KD_JOINED && src->s.member.id == id)
				return &src->s.member;
		list_for_each_entry(k, &o->sinks, opening_list)
			if (k->m.id == id)
				return &k->m;
	}
	return NULL;
}

static int set_node(const struct kd_session *s, const char *name, const struct ke_value *v)
{
	if (s->user->uid && s->user->uid != geteuid())
		return -EPERM;
	return ke_node_set(&s->d->k.node, name, v);
}

static int set_channel(const struct kd_session *s, u32 handle, const char *name,
		       const struct ke_value *v)
{
	struct kd_opening *o = kd_opening(s, handle);
	int err;

	if (!o)
		return -EBADF;
	if (!(kd_rights(s, o->c) & KD_MANAGE))
		return -EACCES;
	if (!strncmp(name, "kecho.", 6))
		return -EPERM;
	err = ke_channel_set(&o->c->ch, name, v);
	if (!err)
		kd_keep_channel(o->c);
	return err;
}

static int set_member(const struct kd_session *s, u64 id, const char *name,
		      const struct ke_value *v)
{
	struct ke_member *m = own_member(s, id);

	return m ? ke_member_set(m, name, v) : -ENOENT;
}

void kd_set_request(const struct kd_request *r)
{
	const struct kecho_ctl_attr *in = r->body;
	const u8 *set = (const u8 *)(in + 1);
	struct ke_value v;
	char name[KE_NAME_MAX + 1];
	int err = -EINVAL;

	if (ke_attrs_only(set, r->tail_len, name, &v)) {
		kd_refuse(r, -EINVAL, "an attribute that is none");
		return;
	}
	switch (le32_to_cpu(in->what)) {
	case KECHO_OF_NODE:
		err = set_node(r->s, name, &v);
		break;
	case KECHO_OF_CHANNEL:
		err = set_channel(r->s, le32_to_cpu(in->channel), name, &v);
		break;
	case KECHO_OF_MEMBER:
		err = set_member(r->s, le64_to_cpu(in->member), name, &v);
		break;
	}
	if (err)
		kd_refuse(r, err, "attribute '%s': user %u cannot set it", name,
			  r->s->user->uid);
	else
		kd_send(r->s, r->cmd, r->serial, 0, in, sizeof(*in), NULL, 0, NULL, 0);
}

/* ------------------------------------------------------------------- asking */

/* Of a member of the channel, its own or its node's. */
static const struct ke_attrs *member_attrs(struct kd_channel *c, u64 id, bool of_node)
{
	struct ke_presence *pr;
	struct ke_member *mine;
	struct ke_remote *m;

	list_for_each_entry(mine, &c->ch.members, list)
		if (mine->id == id)
			return of_node ? &c->d->k.node.attrs : &mine->attrs;
	list_for_each_entry(pr, &c->ch.presences, channel_list)
		list_for_each_entry(m, &pr->remotes, list)
			if (m->id == id)
				return of_node ? &pr->peer->attrs : &m->attrs;
	return NULL;
}

static const struct ke_attrs *asked_attrs(const struct kd_request *r, const char **name)
{
	const struct kecho_ctl_attr *in = r->body;
	struct kd_opening *o = kd_opening(r->s, le32_to_cpu(in->channel));
	bool of_node = !strncmp(*name, "node.", 5);

	if (le32_to_cpu(in->what) == KECHO_OF_NODE)
		return &r->s->d->k.node.attrs;
	if (!o)
		return NULL;
	if (le32_to_cpu(in->what) == KECHO_OF_CHANNEL)
		return &o->c->ch.attrs;
	if (le32_to_cpu(in->what) != KECHO_OF_MEMBER)
		return NULL;
	*name += of_node ? 5 : 0;
	return member_attrs(o->c, le64_to_cpu(in->member), of_node);
}

/* A set of one that is in @a. */
static int only(struct ke_attrs *one, const struct ke_attrs *a, const char *name)
{
	u64 now = lib_deadline(0);
	struct ke_value v;
	int err = ke_attrs_find(a->buf, a->len, name, &v);

	return err ?: ke_attrs_set(one, name, &v, now - ke_attrs_age_ms(a, name, now));
}

void kd_get_request(const struct kd_request *r)
{
	struct kecho_ctl_attr out = *(const struct kecho_ctl_attr *)r->body;
	u8 live[8 + KE_NAME_MAX + KE_ATTR_VALUE_MAX + sizeof(u32)];
	struct ke_out o = { .buf = live, .size = sizeof(live) };
	struct ke_attrs one = { 0 };
	const struct ke_attrs *a;
	const char *name = out.name;
	int err = -ENOENT;

	if (strnlen(out.name, sizeof(out.name)) == sizeof(out.name)) {
		kd_refuse(r, -EINVAL, "an attribute's name without an end");
		return;
	}
	a = asked_attrs(r, &name);
	if (a)
		err = only(&one, a, name);
	if (err) {
		kd_refuse(r, err, "attribute '%s'", out.name);
		return;
	}
	ke_attrs_put(&o, &one, lib_deadline(0));
	ke_attrs_free(&one);
	out.attrs_len = cpu_to_le32(o.len);
	kd_send(r->s, r->cmd, r->serial, 0, &out, sizeof(out), live, o.len, NULL, 0);
}
