// SPDX-License-Identifier: MIT
/*
 * What the sources of this host judge by, see core/told.h, and whom they wake.
 */
#include "daemon.h"

static void tell(struct ke_told *t, u32 cmd, const void *body, u32 len, const void *tail,
		 u32 tail_len)
{
	const struct kd_source *src = t->s->member.owner;

	kd_send(src->o->s, cmd, 0, 0, body, len, tail, tail_len, NULL, 0);
}

void kd_judge_init(struct kd_source *src)
{
	src->judge.s = &src->s;
	src->judge.handle = src->handle;
	src->judge.tells = &src->c->d->judges;
	src->judge.send = tell;
	INIT_LIST_HEAD(&src->judge.list);
}

/* It judges nothing more, or there is nobody to tell. */
void kd_judge_fini(struct kd_source *src)
{
	if (src->state == KD_MADE)
		return;
	ke_told_end(&src->judge);
}

static void tell_soon(struct kd_source *src)
{
	src->c->d->changed |= ke_told_changed(&src->judge);
}

/* It judges by what it was told by the kechod before us. */
void kd_judge_again(struct kd_source *src)
{
	tell_soon(src);
}

void kd_judges(struct ke_source *s)
{
	struct kd_source *src = s->member.owner;

	if (src->state == KD_JOINED && src->o)
		tell_soon(src);
}

/* Its process has rung. */
void kd_judge_took(struct kd_source *src)
{
	__le64 judged = smp_load_acquire(&kd_gate(src->o->s, src->gate)->judged);

	src->c->d->changed |= ke_told_took(&src->judge, judged);
}

/* ----------------------------------------------------------------- whom it wakes */

/* By what the process of @sink sleeps; it may have none just now. */
static u32 number_of(const struct ke_channel *ch, u64 sink)
{
	const struct ke_member *m = ke_channel_own(ch, sink);
	const struct kd_sink *k = m ? m->owner : NULL;

	return k && k->o ? KECHO_WAIT_NUMBER(k->o->s->number) : U32_MAX;
}

/* Which processes want it of whom s->own says what. */
static void show_who(struct kecho_limit_slot *slot, const struct ke_source *s)
{
	u32 who[KECHO_SLOT_WHO] = { 0 }, i, number;
	const struct ke_seat *seat;

	if (!s->judge)
		return;
	list_for_each_entry(seat, &s->seats.seats, list) {
		if (!seat->own)
			continue;
		number = number_of(s->member.channel, seat->sink);
		if (seat->v.bit < KE_BIT_SELF)
			who[seat->v.bit % KECHO_SLOT_WHO] |= number;
		if (seat->before < KE_BIT_SELF)
			who[seat->before % KECHO_SLOT_WHO] |= number;
	}
	for (i = 0; i < KECHO_SLOT_WHO; i++)
		WRITE_ONCE(slot->who[i], cpu_to_le32(who[i]));
}

/* Before its process judges by what is new. */
void kd_wakes(struct ke_source *s)
{
	struct kd_source *src = s->member.owner;
	struct kecho_limit_slot *slot;
	struct ke_wants there;

	if (!src->o)
		return;
	there = ke_wants_there(s);
	slot = kd_limit_slot(src);
	WRITE_ONCE(slot->here.all, cpu_to_le32(true));
	smp_wmb();
	show_who(slot, s);
	ke_show_wants(&slot->here, &s->own);
	ke_show_wants(&slot->there, &there);
	kd_copy_wanted(src);
}
