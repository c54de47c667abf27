// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Requests to the registry and its answers, as bytes: see core/registry.h.
 */
#include "kn.h"

void kn_request_encode(const struct kn *kn, const struct kn_request *q, struct ke_out *o)
{
	const struct ke_contact *self = &kn->node.self;

	switch (q->type) {
	case KECHO_FRAME_REG_PUT:
		ke_put_u8(o, q->how);
		ke_put_str(o, q->name);
		ke_put(o, &q->uuid, sizeof(q->uuid));
		ke_put_contact(o, self);
		break;
	case KECHO_FRAME_REG_DROP:
		ke_put_str(o, q->name);
		ke_put(o, &self->node, sizeof(self->node));
		break;
	case KECHO_FRAME_REG_END:
		ke_put_str(o, q->name);
		ke_put(o, &q->uuid, sizeof(q->uuid));
		break;
	case KECHO_FRAME_REG_GET:
		ke_put_str(o, q->name);
		break;
	case KECHO_FRAME_REG_LIST:
		ke_put_u64(o, q->after);
		break;
	}
	WARN_ON_ONCE(o->bad);
}

static void take_contacts(struct kn *kn, struct kn_request *q, struct ke_in *in)
{
	struct ke_contact c;
	u8 n;

	ke_get_copy(in, &q->uuid, sizeof(q->uuid));
	ke_get_u64(in);
	n = ke_get_u8(in);
	q->n = 0;
	q->contact = false;
	while (n-- && !in->bad) {
		ke_get_contact(in, &c);
		if (!ke_id_cmp(&c.node, &kn->node.self.node))
			q->contact = true;
		else if (q->n < KE_CONTACTS_MAX)
			q->contacts[q->n++] = c;
	}
}

static void take_named(struct kn_request *q, struct ke_in *in, bool other)
{
	struct kn_named named = { .other = other };
	u64 after = other ? q->after : ke_get_u64(in);

	ke_get_str(in, named.name, sizeof(named.name));
	ke_get_copy(in, &named.uuid, sizeof(named.uuid));
	named.contacts = other ? 0 : ke_get_u8(in);
	if (after < q->after)
		in->bad = true;	/* there would be no end of it */
	if (in->bad)
		return;
	q->after = after;
	q->take(q->arg, &named);
}

/* Of the entries, then of their rivals, if it says any. */
static void take_list(struct kn_request *q, struct ke_in *in)
{
	u16 n;

	q->more = ke_get_u8(in);
	for (n = ke_get_u16(in); n && !in->bad; n--)
		take_named(q, in, false);
	for (n = in->p < in->end ? ke_get_u16(in) : 0; n && !in->bad; n--)
		take_named(q, in, true);
}

int kn_request_take(struct kn *kn, struct kn_request *q, struct ke_in *in)
{
	u8 type = ke_get_u8(in);
	bool ok;

	q->status = ke_get_u8(in);
	ok = type == q->type && q->status == KE_REGISTRY_OK;
	if (ok && (type == KECHO_FRAME_REG_PUT || type == KECHO_FRAME_REG_GET))
		take_contacts(kn, q, in);
	if (ok && type == KECHO_FRAME_REG_LIST)
		take_list(q, in);
	return in->bad || type != q->type ? -EPROTO : 0;
}
