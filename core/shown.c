// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The table of a channel that processes read: see shown.h. An entry of the index leads to a
 * member's slot; it is stored behind the slot, and taken away before it.
 */
#include "shown.h"
#include "link.h"

static const struct ke_attrs none;

static struct kecho_live_head *head_of(const struct ke_shown *t)
{
	return (struct kecho_live_head *)t->map;
}

static struct kecho_live_entry *entry_at(const struct ke_shown *t, u64 member, u32 probe)
{
	return (struct kecho_live_entry *)(t->map + KECHO_LIVE_INDEX_AT) +
	       (member + probe) % KECHO_LIVE_INDEX;
}

static struct kecho_live_slot *slot_at(const struct ke_shown *t, u32 slot)
{
	return (struct kecho_live_slot *)(t->map + KECHO_LIVE_SLOTS_AT) + slot;
}

/* Of @member, 0: one that is free; NULL: none. */
static struct kecho_live_entry *find(const struct ke_shown *t, u64 at, u64 member)
{
	struct kecho_live_entry *e;
	u32 i;

	for (i = 0; i < KECHO_LIVE_PROBES; i++) {
		e = entry_at(t, at, i);
		if (le64_to_cpu(e->member) == member)
			return e;
	}
	return NULL;
}

/* The first that is free; 0: none. */
static u32 take_slot(struct ke_shown *t)
{
	u32 i = 1;

	do {
		for (; i < t->backed; i++) {
			if (t->used[i])
				continue;
			t->used[i] = true;
			return i;
		}
	} while (t->back && t->back(t));
	return 0;
}

/* ------------------------------------------------------------------- writing */

/* What was written is told from what is being written by the version; a reader looks at it
 * before and after. */
static void slot_begin(struct kecho_live_slot *s)
{
	WRITE_ONCE(s->version, cpu_to_le32(le32_to_cpu(s->version) + 1));
	smp_wmb();
}

static void slot_end(struct kecho_live_slot *s)
{
	smp_store_release(&s->version, cpu_to_le32(le32_to_cpu(s->version) + 1));
}

static u32 data_len(const struct ke_attrs *own, const struct ke_attrs *node)
{
	return ALIGN(own->len + node->len, 8) + (own->n + node->n) * sizeof(__le64);
}

static void put_times(__le64 *to, const struct ke_attrs *a)
{
	u32 i;

	for (i = 0; i < a->n; i++)
		to[i] = cpu_to_le64((u64)a->since[i].set_ms);
}

static bool fits(const struct ke_attrs *own, const struct ke_attrs *node)
{
	return data_len(own, node) <= sizeof(((struct kecho_live_slot *)0)->data);
}

static void put_sets(struct kecho_live_slot *s, const struct ke_attrs *own,
		     const struct ke_attrs *node)
{
	__le64 *times = (__le64 *)(s->data + ALIGN(own->len + node->len, 8));

	s->own = cpu_to_le16(own->len);
	s->node = cpu_to_le16(node->len);
	s->len = cpu_to_le16(data_len(own, node));
	if (own->len)
		memcpy(s->data, own->buf, own->len);
	if (node->len)
		memcpy(s->data + own->len, node->buf, node->len);
	put_times(times, own);
	put_times(times + own->n, node);
}

/* Of member 0, but for the channel's slot: it is nobody's. */
static void write_slot(struct ke_shown *t, u32 slot, u64 member, u8 role,
		       const struct ke_attrs *own, const struct ke_attrs *node)
{
	struct kecho_live_slot *s = slot_at(t, slot);
	bool more = !fits(own, node);

	slot_begin(s);
	s->member = cpu_to_le64(member);
	s->role = role;
	s->more = more;
	put_sets(s, more ? &none : own, more ? &none : node);
	slot_end(s);
}

/* Who has seen it before finds that there is something new. */
static void changed(struct ke_shown *t)
{
	smp_store_release(&head_of(t)->changes, cpu_to_le64(++t->changes));
}

static void hide(struct ke_shown *t, u64 member)
{
	struct kecho_live_entry *e = find(t, member, member);
	u32 slot;

	if (!e)
		return;
	slot = le32_to_cpu(e->slot);
	WRITE_ONCE(e->member, 0);
	write_slot(t, slot, 0, 0, &none, &none);
	t->used[slot] = false;
	changed(t);
}

static void show(struct ke_shown *t, u64 member, u8 role, const struct ke_attrs *own,
		 const struct ke_attrs *node)
{
	struct kecho_live_entry *e = find(t, member, member);
	u32 slot;

	if (e) {
		write_slot(t, le32_to_cpu(e->slot), member, role, own, node);
		changed(t);
		return;
	}
	slot = find(t, member, 0) ? take_slot(t) : 0;
	if (!slot)
		return;
	e = find(t, member, 0);		/* the table may lie elsewhere by now */
	write_slot(t, slot, member, role, own, node);
	e->slot = cpu_to_le32(slot);
	smp_store_release(&e->member, cpu_to_le64(member));
	if (slot >= le32_to_cpu(head_of(t)->slots))
		WRITE_ONCE(head_of(t)->slots, cpu_to_le32(slot + 1));
	changed(t);
}

void ke_shown_own(struct ke_shown *t, const struct ke_member *m, bool there)
{
	if (there)
		show(t, m->id, m->role, &m->attrs, &m->channel->node->attrs);
	else
		hide(t, m->id);
}

void ke_shown_remote(struct ke_shown *t, const struct ke_remote *m)
{
	if (m->state == KE_JOINED)
		show(t, m->id, m->role, &m->attrs, &m->presence->peer->attrs);
	else
		hide(t, m->id);
}

void ke_shown_channel(struct ke_shown *t, const struct ke_channel *ch)
{
	write_slot(t, 0, 0, 0, &ch->attrs, &none);
	changed(t);
}

static void show_theirs(struct ke_shown *t, const struct ke_presence *pr)
{
	const struct ke_remote *m;

	list_for_each_entry(m, &pr->remotes, list)
		if (m->state == KE_JOINED)
			ke_shown_remote(t, m);
}

void ke_shown_node(struct ke_shown *t, const struct ke_channel *ch, const struct ke_peer *p)
{
	const struct ke_presence *pr;
	const struct ke_member *m;

	if (!p)
		list_for_each_entry(m, &ch->members, list)
			ke_shown_own(t, m, true);
	else
		list_for_each_entry(pr, &ch->presences, channel_list)
			if (pr->peer == p)
				show_theirs(t, pr);
}

void ke_shown_whole(struct ke_shown *t, bool whole)
{
	WRITE_ONCE(head_of(t)->whole, cpu_to_le32(whole));
	changed(t);
}

void ke_shown_init(struct ke_shown *t, const struct ke_channel *ch)
{
	const struct ke_presence *pr;

	WRITE_ONCE(head_of(t)->slots, cpu_to_le32(1));
	ke_shown_channel(t, ch);
	ke_shown_node(t, ch, NULL);
	list_for_each_entry(pr, &ch->presences, channel_list)
		show_theirs(t, pr);
}
