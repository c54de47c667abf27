// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Events as structs of their reader: a sink says what its struct is, and each feed has a plan,
 * see core/type.h, for each type that its source has announced. Plans are made under kn.lock,
 * and stay as long as the feed: so who was given an event needs no lock.
 */
#include "kn.h"

int kn_typed_learn(struct kn_feed *f)
{
	const struct ke_type *mine = f->sink->type;
	const struct ke_types *types = ke_channel_types(&f->sink->ch->c->ch, f->member);
	const struct ke_type *t;
	struct ke_match *m;
	int err = 0;
	u32 i;

	for (i = 1; mine && i <= ke_types_count(types) && !err; i++) {
		t = ke_types_at(types, i);
		if (!t || f->match[i - 1])
			continue;
		err = ke_type_match(&m, mine, t);
		if (!err)
			smp_store_release(&f->match[i - 1], m);
	}
	return err;
}

void kn_typed_end(struct kn_feed *f)
{
	u32 i;

	for (i = 0; i < KE_TYPES_MAX; i++)
		ke_match_free(f->match[i]);
}

int kn_typed_open(struct kecho_sink *s, const struct kecho_type *type)
{
	char why[KE_TYPE_WHY_MAX];
	void *wire;
	int len = kn_type_encode(type, &wire);

	if (len < 0)
		return len;
	len = ke_type_load(&s->type, wire, len, why);
	if (len == -EPROTO) {
		pr_warn("kecho: a sink's type '%s': %s\n", type->name, why);
		len = -EINVAL;
	}
	kvfree(wire);
	return len;
}

int kecho_event_as(struct kecho_sink *s, const struct kecho_event *ev, void *to, u64 *present)
{
	const struct kn_feed *f = READ_ONCE(s->held);
	const struct ke_match *m = NULL;

	if (f && f->member == ev->source && ev->type && ev->type <= KE_TYPES_MAX)
		m = smp_load_acquire(&f->match[ev->type - 1]);
	if (!m)
		return -ENOMSG;
	ke_type_convert(m, ev->data, ev->len, to, present);
	return 0;
}
EXPORT_SYMBOL_GPL(kecho_event_as);
