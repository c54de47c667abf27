// SPDX-License-Identifier: MIT
/*
 * Types: what processes announce for their sources, and ask about those of others.
 *
 * A process asks when it meets an event of a type that it does not know. A source's types
 * are known here before its first event of them is, so there is an answer; but not once the
 * source has gone, whose events may be read for long: then they come unasked. After a restart
 * the question waits until the source is back, or that takes too long.
 */
#include "daemon.h"

static struct ke_node *node_of(const struct kd_source *src)
{
	return &src->c->d->k.node;
}

/* It is over, or never was a member. */
void kd_types_forget(struct kd_source *src)
{
	ke_source_forget_types(&src->s, node_of(src));
	src->user->types_bytes -= src->types_bytes;
	kd_user_uncharge(src->user, src->types_bytes);
	src->types_bytes = 0;
}

/* -ENOSPC: it would be over what its user may have. */
static int charge(struct kd_source *src, u32 len)
{
	int err = -ENOSPC;

	if (len <= KD_USER_TYPES - src->user->types_bytes)
		err = kd_user_charge(src->user, len);
	if (err)
		return err;
	src->user->types_bytes += len;
	src->types_bytes += len;
	return 0;
}

static void uncharge(struct kd_source *src, u32 len)
{
	kd_user_uncharge(src->user, len);
	src->user->types_bytes -= len;
	src->types_bytes -= len;
}

/* Its number, or an error with the reason in @why, of KE_TYPE_WHY_MAX bytes. */
static int announce(struct kd_source *src, const void *wire, u32 len, char *why)
{
	int number = ke_types_find(src->s.member.types, wire, len);

	if (number)
		return number;
	if (charge(src, len)) {
		snprintf(why, KE_TYPE_WHY_MAX, "user %u has all the types that it may have",
			 src->user->uid);
		return -ENOSPC;
	}
	strscpy(why, "there is no memory", KE_TYPE_WHY_MAX);
	number = ke_source_announce(&src->s, node_of(src), wire, len, why);
	if (number < 0)
		uncharge(src, len);
	return number;
}

static bool told(struct kd_wait *w)
{
	const struct kd_source *src = w->object;

	return ke_source_told(&src->s);
}

void kd_announce_request(const struct kd_request *r)
{
	const struct kecho_ctl_announce *in = r->body;
	struct kecho_ctl_announce out = *in;
	struct kd_source *src = kd_source(r->s, le32_to_cpu(in->source));
	char why[KE_TYPE_WHY_MAX];
	int number;

	if (!src || src->state > KD_JOINED) {
		kd_refuse(r, -EBADF, "no source %u of this process", le32_to_cpu(in->source));
		return;
	}
	number = announce(src, in + 1, r->tail_len, why);
	if (number < 0) {
		kd_refuse(r, number, "source of '%s': a type: %s", src->c->ch.name, why);
		return;
	}
	out.number = cpu_to_le32(number);
	out.type_len = 0;
	if (src->state == KD_MADE)
		kd_answer(r, &out);
	else
		kd_wait(r, src, &out, JOIN_MS, told, kd_wait_answer);
}

static const struct ke_type *find(const struct kd_session *s, const struct kecho_ctl_type *t)
{
	const struct kd_opening *o = kd_opening(s, le32_to_cpu(t->channel));

	if (!o)
		return NULL;
	return ke_types_at(ke_channel_types(&o->c->ch, le64_to_cpu(t->member)),
			   le32_to_cpu(t->number));
}

static void answer_type(const struct kd_request *r, const struct kecho_ctl_type *in)
{
	const struct ke_type *t = find(r->s, in);
	struct kecho_ctl_type out = *in;

	if (!t) {
		kd_refuse(r, -ENOENT, "no type %u of a source there", le32_to_cpu(in->number));
		return;
	}
	out.type_len = cpu_to_le32(t->encoded_len);
	kd_send(r->s, r->cmd, r->serial, 0, &out, sizeof(out), t->encoded, t->encoded_len, NULL, 0);
}

/* Events of a source may be read before it is back after a restart. */
static bool may_come(const struct kd_session *s, const struct kecho_ctl_type *t)
{
	return s->d->gates_by && le32_to_cpu(t->number) - 1 < KE_TYPES_MAX &&
	       kd_opening(s, le32_to_cpu(t->channel));
}

static bool came(struct kd_wait *w)
{
	const struct kecho_ctl_type *t = (const void *)w->body;

	return find(w->s, t) || !may_come(w->s, t);
}

static void answer_late(struct kd_wait *w, bool in_time)
{
	struct kd_request r = kd_wait_request(w);

	(void)in_time;
	answer_type(&r, (const void *)w->body);
}

void kd_type_request(const struct kd_request *r)
{
	const struct kecho_ctl_type *in = r->body;

	if (find(r->s, in) || !may_come(r->s, in))
		answer_type(r, in);
	else
		kd_wait(r, r->s, in, KD_TAKE_OVER_MS + KE_NODE_DEAD_MS, came, answer_late);
}

void kd_feed_types(struct kd_feed *f, const struct ke_types *types)
{
	struct kecho_note_type note = { .sink = cpu_to_le32(f->sink->handle),
					.feed = cpu_to_le32(f->id) };
	const struct ke_type *t;
	u32 i;

	for (i = 1; i <= ke_types_count(types); i++) {
		t = ke_types_at(types, i);
		note.number = cpu_to_le32(i);
		if (t)
			kd_send(f->sink->o->s, KECHO_NOTE_TYPE, 0, 0, &note, sizeof(note),
				t->encoded, t->encoded_len, NULL, 0);
	}
}
