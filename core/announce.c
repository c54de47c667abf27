// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Types that sources announce, and the frame that tells other nodes of them:
 *
 *	TYPE	member u64, the type as it travels, to the end; pos: its index
 *
 * A source's types are numbered from 1 on, and a number is never given to another type. It
 * is said behind the MEMBER of its source, so a node that asks for a log knows what is in it
 * before START; and between hosts before the first event that has it, on the same link. On
 * one host events don't take that way: there TYPE is answered by MEMBER_ACK with its number
 * as pos, and the source waits for those that read its log already. Their answers are
 * counted in the stream, which a break of the link leaves as it is.
 *
 * A table of types is kept by the member, and beyond it by who still reads its events.
 */
#include "link.h"

static struct ke_types *own_table(struct ke_types **t)
{
	if (*t)
		return *t;
	*t = kzalloc(sizeof(**t), GFP_KERNEL_ACCOUNT);
	if (*t)
		(*t)->refs = 1;
	return *t;
}

struct ke_types *ke_types_get(struct ke_types *t)
{
	if (t)
		t->refs++;
	return t;
}

void ke_types_put(struct ke_types *t)
{
	u32 i;

	if (!t || --t->refs)
		return;
	for (i = 0; i < KE_TYPES_MAX; i++)
		ke_type_free(t->type[i]);
	kfree(t);
}

static bool is_type(const struct ke_type *t, const void *wire, u32 len)
{
	return t->encoded_len == len && !memcmp(t->encoded, wire, len);
}

u32 ke_types_find(const struct ke_types *t, const void *wire, u32 len)
{
	u32 i;

	for (i = 1; i <= ke_types_count(t); i++)
		if (is_type(t->type[i - 1], wire, len))
			return i;
	return 0;
}

int ke_types_add(struct ke_types **table, u32 index, const void *wire, u32 len, u32 room, char *why)
{
	struct ke_types *t = own_table(table);
	struct ke_type *type;
	int err;

	if (!t)
		return -ENOMEM;
	type = t->type[index - 1];
	if (type) {
		strscpy(why, "its number is another type's", KE_TYPE_WHY_MAX);
		return is_type(type, wire, len) ? 0 : -EPROTO;
	}
	if (len > KE_TYPES_BYTES_MAX - t->bytes || len > room) {
		strscpy(why, len > room ? "its node's types have more bytes than a node may say" :
					  "its source's types have more bytes than a source may",
			KE_TYPE_WHY_MAX);
		return -ENOSPC;
	}
	err = ke_type_load(&type, wire, len, why);
	if (err)
		return err;
	t->type[index - 1] = type;
	t->n = max(t->n, index);
	t->bytes += len;
	return len;
}

/* ------------------------------------------------------------------------ our own */

static void say(struct ke_presence *pr, const struct ke_member *m, u32 index)
{
	const struct ke_type *t = m->types->type[index - 1];
	struct ke_link *l = pr->peer->link;
	struct ke_out o;

	if (!ke_link_body(l, &o, sizeof(u64) + t->encoded_len))
		return;
	ke_put_u64(&o, m->id);
	ke_put(&o, t->encoded, t->encoded_len);
	ke_link_send_body(l, KECHO_FRAME_TYPE, pr->channel->index, index, &o);
}

void ke_presence_say_types(struct ke_presence *pr, const struct ke_member *m)
{
	u32 i;

	if (!ke_peer_knows(pr->peer, KECHO_FRAME_TYPE))
		return;
	for (i = 1; i <= ke_types_count(m->types); i++)
		say(pr, m, i);
}

int ke_source_announce(struct ke_source *s, struct ke_node *n, const void *wire, u32 len,
		       char *why)
{
	struct ke_member *m = &s->member;
	u32 index = ke_types_find(m->types, wire, len);
	struct ke_presence *pr;
	int bytes;

	if (index)
		return index;
	index = ke_types_count(m->types) + 1;
	if (index > KE_TYPES_MAX) {
		strscpy(why, "its source has as many types as one may", KE_TYPE_WHY_MAX);
		return -ENOSPC;
	}
	bytes = ke_types_add(&m->types, index, wire, len, KE_NODE_TYPES_MAX - n->types_bytes, why);
	if (bytes < 0)
		return bytes;
	n->types_bytes += bytes;
	if (!m->channel)
		return index;	/* its MEMBER is yet to come */
	list_for_each_entry(pr, &m->channel->presences, channel_list)
		if (pr->here && pr->peer->link && ke_peer_knows(pr->peer, KECHO_FRAME_TYPE))
			say(pr, m, index);
	ke_source_judge_type(s, index);
	return index;
}

void ke_source_forget_types(struct ke_source *s, struct ke_node *n)
{
	if (!s->member.types)
		return;
	n->types_bytes -= s->member.types->bytes;
	ke_types_put(s->member.types);
	s->member.types = NULL;
}

bool ke_source_told(const struct ke_source *s)
{
	const struct ke_tstream *ts;

	list_for_each_entry(ts, &s->streams, source_list)
		if (ts->local && !ts->ended && ts->types_told < ke_types_count(s->member.types) &&
		    ke_peer_knows(ts->peer, KECHO_FRAME_TYPE))
			return false;
	return true;
}

static void told(struct ke_source *s, const struct ke_peer *p, u64 index)
{
	struct ke_tstream *ts;

	list_for_each_entry(ts, &s->streams, source_list)
		if (ts->peer == p && index <= ke_types_count(s->member.types))
			ts->types_told = max_t(u32, ts->types_told, index);
}

void ke_type_ack(const struct ke_channel *ch, const struct ke_peer *p, u64 id, u64 index)
{
	struct ke_member *m;

	list_for_each_entry(m, &ch->members, list)
		if (m->source && m->id == id)
			told(m->source, p, index);
}

/* ------------------------------------------------------------------------ another's */

int ke_type_in(struct ke_presence *pr, u64 index, struct ke_in *in)
{
	u64 id = ke_get_u64(in);
	u32 len = in->end - in->p;
	struct ke_peer *p = pr->peer;
	struct ke_remote *m = ke_remote_find(pr, id);
	__le64 body = cpu_to_le64(id);
	char why[KE_TYPE_WHY_MAX];
	int bytes;

	if (in->bad || !index || index > KE_TYPES_MAX || !m || m->role != KE_SOURCE)
		return -EPROTO;
	bytes = ke_types_add(&m->types, index, in->p, len, KE_NODE_TYPES_MAX - p->types_bytes, why);
	if (bytes < 0)
		return bytes;
	p->types_bytes += bytes;
	if (bytes && p->node->house->announced)
		p->node->house->announced(m, index);
	if (p->link->local)
		ke_link_send(p->link, KECHO_FRAME_MEMBER_ACK, pr->index, index, &body,
			     sizeof(body));
	return 0;
}

void ke_remote_forget_types(struct ke_remote *m)
{
	if (!m->types)
		return;
	m->presence->peer->types_bytes -= m->types->bytes;
	ke_types_put(m->types);
	m->types = NULL;
}

/* ------------------------------------------------------------------- anybody's */

const struct ke_types *ke_channel_types(const struct ke_channel *ch, u64 member)
{
	const struct ke_presence *pr;
	const struct ke_member *mine;
	const struct ke_remote *m;

	list_for_each_entry(mine, &ch->members, list)
		if (mine->id == member)
			return mine->types;
	list_for_each_entry(pr, &ch->presences, channel_list)
		list_for_each_entry(m, &pr->remotes, list)
			if (m->id == member)
				return m->types;
	return NULL;
}
