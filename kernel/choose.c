// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * For which sinks the events of kernel code's sources are: a filter for OUT, and events that are
 * for one sink. Core has the roster of sinks and the filter, see core/choice.h; submit.c asks it.
 */
#include "kn.h"

/* The roster comes with room for those that an event in pieces names. kn.lock is held. */
static int make_names(struct kecho_source *s)
{
	u32 max = ke_names_max(s->s.log.record_max);

	if (!s->names)
		s->names = kvmalloc_array(max, sizeof(*s->names), GFP_KERNEL_ACCOUNT);
	return s->names ? 0 : -ENOMEM;
}

int kn_choose_begin(struct kecho_source *s)
{
	return make_names(s) ?: ke_source_address(&s->s);
}

void kn_choose_end(struct kecho_source *s)
{
	kvfree(s->names);
}

static int choose(struct kecho_source *s, const void *wire, u32 len, char *why)
{
	if (s->s.closed)
		return -ESHUTDOWN;
	return (len ? make_names(s) : 0) ?: ke_source_choose(&s->s, wire, len, why);
}

int kecho_source_filter(struct kecho_source *s, const void *wire, size_t len)
{
	struct kn_channel *c = s->ch->c;
	char why[KE_TYPE_WHY_MAX] = "";
	int err;

	kn_lock(c->kn);
	err = choose(s, wire, min_t(size_t, len, U32_MAX), why);
	kn_unlock(c->kn);
	if (err == -EPROTO || err == -EACCES)
		pr_warn("kecho: channel '%s', a source's filter: %s\n", c->ch.name,
			*why ? why : "it can't be made for a type of the source");
	return err;
}
EXPORT_SYMBOL_GPL(kecho_source_filter);

void kecho_source_chosen(struct kecho_source *s, struct kecho_chosen *c)
{
	unsigned long flags;

	spin_lock_irqsave(&s->lock, flags);
	*c = s->chosen;
	spin_unlock_irqrestore(&s->lock, flags);
}
EXPORT_SYMBOL_GPL(kecho_source_chosen);

/* 0: there is. */
static int look_for(struct kecho_source *s, u64 sink)
{
	const struct ke_choice *c;
	unsigned long flags;
	int err = -ENOENT;

	spin_lock_irqsave(&s->lock, flags);
	c = s->s.choice;
	if (s->s.closed)
		err = -ESHUTDOWN;
	else if (!c)
		err = -EINVAL;
	else if (ke_choice_has(c, sink))
		err = 0;
	spin_unlock_irqrestore(&s->lock, flags);
	return err;
}

/* Where a source has its replies go to. */
static int find_reply(struct kecho_source *s, u64 *to)
{
	struct kn_channel *c = s->ch->c;

	if (!kn_look_begin(c->kn))
		return -EAGAIN;
	*to = ke_channel_reply_to(&c->ch, *to);
	kn_look_end(c->kn);
	return look_for(s, *to);
}

int kecho_submit_to(struct kecho_source *s, const void *data, size_t len, u64 to,
		    unsigned int flags)
{
	struct ke_event_info info = kn_event_info(s, flags);
	int err = look_for(s, to);
	__le64 id;

	if (err == -ENOENT)
		err = find_reply(s, &to);
	if (err)
		return err;
	id = cpu_to_le64(to);
	info.to = &id;
	info.nto = 1;
	return kn_submit(s, &info, data, len);
}
EXPORT_SYMBOL_GPL(kecho_submit_to);
