// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Types: what processes announce for their sources, and ask about those of others.
 *
 * A process asks when it meets an event of a type that it does not know. A source's types are
 * known here before its first event of them is, so there is an answer; but not once the source
 * has gone, whose events may be read for long: then they come unasked.
 */
#include "announce.h"
#include "dev.h"

static void wait_told(const struct kn_ask *r, u32 handle)
{
	unsigned long until = jiffies + msecs_to_jiffies(KN_JOIN_MS);
	struct kn_psource *ps;

	do
		ps = kn_psource(r->s, handle);
	while (ps && ps->state == KN_JOINED && !ke_source_told(&ps->src.s) &&
	       kn_wait(r->s->kn, until));
}

/* A node may say so many bytes of them: not all are one user's. */
static int announce(struct kn_psource *ps, const void *wire, u32 len, char *why)
{
	struct kn_user *u = ps->o->s->user;
	int number = ke_types_find(ps->src.s.member.types, wire, len);

	if (number)
		return number;
	if (kn_charge(u, KN_TYPES, len)) {
		strscpy(why, "its user has all the types that it may have", KE_TYPE_WHY_MAX);
		return -ENOSPC;
	}
	strscpy(why, "there is no memory", KE_TYPE_WHY_MAX);
	number = ke_source_announce(&ps->src.s, &ps->kn->node, wire, len, why);
	if (number < 0) {
		kn_uncharge(u, KN_TYPES, len);
		return number;
	}
	ps->types_bytes += len;
	kn_feeds_learn(ps->src.ch->c, ps->src.s.member.id);
	return number;
}

void kn_psource_forget_types(struct kn_psource *ps)
{
	ke_source_forget_types(&ps->src.s, &ps->kn->node);
	kn_uncharge(ps->o->s->user, KN_TYPES, ps->types_bytes);
	ps->types_bytes = 0;
}

void kn_announce_request(const struct kn_ask *r)
{
	struct kecho_ctl_announce out = *(const struct kecho_ctl_announce *)r->body;
	struct kn_psource *ps = kn_psource(r->s, le32_to_cpu(out.source));
	char why[KE_TYPE_WHY_MAX];
	int number;

	if (!ps || ps->state > KN_JOINED) {
		kn_refuse(r, -EBADF, "no source %u of this process", le32_to_cpu(out.source));
		return;
	}
	number = announce(ps, r->body + sizeof(out), r->tail_len, why);
	if (number < 0) {
		kn_refuse(r, number, "source of '%s': a type: %s", ps->src.ch->c->ch.name, why);
		return;
	}
	wait_told(r, ps->handle);
	out.number = cpu_to_le32(number);
	out.type_len = 0;
	kn_answer(r, &out);
}

void kn_type_request(const struct kn_ask *r)
{
	struct kecho_ctl_type out = *(const struct kecho_ctl_type *)r->body;
	const struct kn_opening *o = kn_opening(r->s, le32_to_cpu(out.channel));
	struct kn_answer a = { .body = &out, .len = sizeof(out) };
	const struct ke_type *t = NULL;

	if (o)
		t = ke_types_at(ke_channel_types(&o->ch->c->ch, le64_to_cpu(out.member)),
				le32_to_cpu(out.number));
	if (!t) {
		kn_refuse(r, -ENOENT, "no type %u of a source there", le32_to_cpu(out.number));
		return;
	}
	out.type_len = cpu_to_le32(t->encoded_len);
	a.tail = t->encoded;
	a.tail_len = t->encoded_len;
	kn_send(r->s, r->cmd, r->serial, 0, &a);
}

/* All of the source of a feed, which is to end. */
void kn_pfeed_types(struct kn_pfeed *f, const struct ke_types *types)
{
	struct kecho_note_type note = { .sink = cpu_to_le32(f->sink->handle),
					.feed = cpu_to_le32(f->id) };
	struct kn_answer a = { .body = &note, .len = sizeof(note) };
	const struct ke_type *t;
	u32 i;

	for (i = 1; i <= ke_types_count(types); i++) {
		t = ke_types_at(types, i);
		if (!t)
			continue;
		note.number = cpu_to_le32(i);
		a.tail = t->encoded;
		a.tail_len = t->encoded_len;
		kn_send(f->sink->o->s, KECHO_NOTE_TYPE, 0, 0, &a);
	}
}
